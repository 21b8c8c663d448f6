//! Accuracy against nonzeros, bytes and instructions, side by side, and against what an exit takes: what a sweep came to.

use core::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::ReportError;
use super::charts::{failed, grouped};

/// Of one chart; the names are beside the charts.
const SIZE: (u32, u32) = (480, 440);
const NAMES: u32 = 380;
/// Apart for people who see colours differently, too.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 90, 160),
    RGBColor(213, 94, 0),
    RGBColor(0, 140, 100),
    RGBColor(150, 70, 150),
    RGBColor(90, 170, 220),
    RGBColor(200, 150, 0),
    RGBColor(110, 110, 110),
    RGBColor(160, 40, 60),
    RGBColor(30, 30, 30),
    RGBColor(230, 120, 180),
];
const SHAPES: usize = 4;
const LINE: i32 = 20;
/// Between marks of different series that would cover each other, in pixels of the chart: enough to tell bars apart, and little beside
/// what the axis says.
const APART: f64 = 4.0;
const MARGINS: u32 = 12 + 24 + 65;

/// Networks that belong together: one shape with one pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The network's name.
    pub network: String,
    /// The pattern of its masks.
    pub pattern: String,
    /// Its points, in the order in which a line joins them.
    pub points: Vec<FrontPoint>,
}

/// A network over its seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrontPoint {
    /// Weights that are stored; above 0.
    pub nonzeros: f64,
    /// Bytes of the model file; above 0.
    pub bytes: f64,
    /// Instructions of one image; above 0.
    pub instructions: f64,
    /// Mean accuracy, 0 to 1.
    pub accuracy: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// What an exit comes to: a line of (share taken, mean accuracy, its standard deviation), all 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitSeries {
    /// The network with its pattern and densities.
    pub name: String,
    /// Its points, by share.
    pub points: Vec<(f64, f64, f64)>,
}

/// What a chart has along its horizontal axis.
type Axis = fn(&FrontPoint) -> f64;

/// How a series looks.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    colour: RGBColor,
    shape: usize,
}

/// An SVG of three charts: a colour for each pattern and, where there are several networks, a mark for each; bars of a standard
/// deviation to either side. Marks at the same place along the axis stand side by side.
///
/// # Errors
/// The chart cannot be drawn.
pub fn fronts(series: &[Series]) -> Result<String, ReportError> {
    let series: Vec<(&Series, Look)> = series.iter().zip(looks(series)).collect();
    let mut svg = String::new();
    {
        let (width, height) = SIZE;
        let area = SVGBackend::with_string(&mut svg, (3 * width + NAMES, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let axes: [(&str, Axis); 3] = [
            ("nonzeros", |point| point.nonzeros),
            ("bytes of the model file", |point| point.bytes),
            ("instructions of one image, Cortex-M4F", |point| point.instructions),
        ];
        let mut rest = area.clone();
        for (name, x) in axes {
            let (left, right) = rest.split_horizontally(width);
            chart(&left, name, &series, x)?;
            rest = right;
        }
        let several =
            series.iter().any(|(other, _)| series.first().is_some_and(|(one, _)| one.network != other.network));
        let name = |series: &Series| {
            if several { format!("{}: {}", series.network, series.pattern) } else { series.pattern.clone() }
        };
        legend(&rest, series.iter().map(|(series, look)| (name(series), *look)))?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// An SVG of accuracy against the share of samples that the exit takes: a line for each network, bars of a standard deviation.
///
/// # Errors
/// The chart cannot be drawn.
pub fn exit_fronts(series: &[ExitSeries]) -> Result<String, ReportError> {
    let looks = (0..).map(|k: usize| Look { colour: colour(k), shape: shape(k) });
    let series: Vec<(&ExitSeries, Look)> = series.iter().zip(looks).collect();
    let mut svg = String::new();
    {
        let (width, height) = SIZE;
        let area = SVGBackend::with_string(&mut svg, (width + NAMES + 120, height)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (left, names) = area.split_horizontally(width);
        let points = || series.iter().flat_map(|(series, _)| &series.points);
        let ends = points().flat_map(|(_, mean, deviation)| [-1.0, 1.0].map(|s| 100.0 * (mean + s * deviation)));
        let up = range(ends);
        if points().next().is_some() {
            let room = (0.05 * (up.end - up.start)).max(0.05);
            let mut builder = ChartBuilder::on(&left);
            builder.margin(12).margin_right(24).x_label_area_size(50).y_label_area_size(65);
            let chart = builder.build_cartesian_2d(-2.0..102.0, up.start - room..up.end + room);
            let mut chart = chart.map_err(failed)?;
            let mesh = &mut chart.configure_mesh();
            mesh.x_desc("answered by the exit, % of the test images")
                .y_desc("test accuracy, %")
                .x_labels(6)
                .x_label_formatter(&|share| format!("{share:.0}"))
                .light_line_style(TRANSPARENT)
                .label_style(("sans-serif", 16))
                .draw()
                .map_err(failed)?;
            for (series, look) in &series {
                lines(
                    &mut chart,
                    series.points.iter().map(|(share, mean, deviation)| (100.0 * share, *mean, *deviation)),
                    *look,
                )?;
            }
        }
        legend(&names, series.iter().map(|(series, look)| (series.name.clone(), *look)))?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn colour(k: usize) -> RGBColor {
    COLOURS.get(k % COLOURS.len()).copied().unwrap_or(BLACK)
}

/// Another where colours come round again.
const fn shape(k: usize) -> usize {
    k + k / COLOURS.len()
}

/// A colour for each pattern, a mark for each network; another colour where both have come round again.
fn looks(series: &[Series]) -> Vec<Look> {
    let place = |of: fn(&Series) -> &str, one: &Series| {
        let mut names: Vec<&str> = Vec::new();
        for name in series.iter().map(of) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (names.iter().position(|name| *name == of(one)).unwrap_or_default(), names.len())
    };
    let mut looks: Vec<Look> = Vec::new();
    for one in series {
        let (pattern, _) = place(|series| &series.pattern, one);
        let (network, networks) = place(|series| &series.network, one);
        let look = |k| Look { colour: colour(k), shape: if networks > 1 { network } else { shape(k) } % SHAPES };
        let free = (pattern..pattern + COLOURS.len()).map(look).find(|look| !looks.contains(look));
        looks.push(free.unwrap_or_else(|| look(pattern)));
    }
    looks
}

fn mark<'s, C: Clone + 'static>(at: C, Look { colour, shape }: Look) -> DynElement<'static, SVGBackend<'s>, C> {
    match shape % SHAPES {
        0 => Circle::new(at, 4, colour.filled()).into_dyn(),
        1 => TriangleMarker::new(at, 6, colour.filled()).into_dyn(),
        2 => Cross::new(at, 5, colour.stroke_width(2)).into_dyn(),
        _ => Circle::new(at, 5, colour.stroke_width(2)).into_dyn(),
    }
}

/// From the least to the most, with some room.
fn range(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    values.clone().fold(f64::INFINITY, f64::min)..values.fold(f64::NEG_INFINITY, f64::max)
}

/// Round numbers from the one below the range, which is above 0, to the one above it.
fn ticks(across: &Range<f64>) -> Vec<f64> {
    let first = across.start.max(1.0).log10().floor() as i32;
    // Room for eight numbers.
    let steps: &'static [f64] = if across.end < 100.0 * across.start { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let mut ticks: Vec<f64> = Vec::new();
    for tick in (first..=i32::from(i16::MAX)).flat_map(|k| steps.iter().map(move |step| step * 10f64.powi(k))) {
        if tick <= across.start {
            ticks.clear();
        }
        ticks.push(tick);
        if tick > across.end {
            break;
        }
    }
    ticks
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    name: &str,
    series: &[(&Series, Look)],
    x: Axis,
) -> Result<(), ReportError> {
    let points = || series.iter().flat_map(|(series, _)| &series.points);
    if points().next().is_none() {
        return Ok(());
    }
    let across = range(points().map(x));
    let up = range(points().flat_map(|point| [-1.0, 1.0].map(|s| 100.0 * (point.accuracy + s * point.deviation))));
    let room = (0.05 * (up.end - up.start)).max(0.05);
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).margin_right(24).x_label_area_size(50).y_label_area_size(65);
    let ticks = ticks(&across);
    let ends = |range: Range<f64>, tick: &f64| range.start.min(*tick)..range.end.max(*tick);
    let ends = ticks.iter().fold(0.9 * across.start..1.1 * across.end, ends);
    let places = side_by_side(series, x, (ends.end / ends.start).ln() / f64::from(SIZE.0 - MARGINS));
    let x_axis = ends.log_scale().with_key_points(ticks);
    let mut chart = builder.build_cartesian_2d(x_axis, up.start - room..up.end + room).map_err(failed)?;
    let mesh = &mut chart.configure_mesh();
    mesh.x_desc(name)
        .y_desc("test accuracy, %")
        .x_label_formatter(&|value| grouped(*value))
        .light_line_style(TRANSPARENT)
        .label_style(("sans-serif", 16))
        .draw()
        .map_err(failed)?;
    for ((series, look), places) in series.iter().zip(&places) {
        let points = series.points.iter().zip(places);
        lines(&mut chart, points.map(|(point, x)| (*x, point.accuracy, point.deviation)), *look)?;
    }
    Ok(())
}

/// Where each series' points are drawn: in their places, but side by side where several series have one within [`APART`], of
/// which `pixel` is one in natural logarithms; in the series' order.
fn side_by_side(series: &[(&Series, Look)], x: Axis, pixel: f64) -> Vec<Vec<f64>> {
    let near = |a: f64, b: f64| (a / b).ln().abs() < 0.5 * APART * pixel;
    let moved = |at: usize, place: f64| {
        let others = series.iter().enumerate();
        let here = |(series, _): &(&Series, Look)| series.points.iter().any(|other| near(x(other), place));
        let beside: Vec<usize> = others.filter(|(_, series)| here(series)).map(|(at, _)| at).collect();
        let rank = beside.iter().take_while(|other| **other < at).count() as f64;
        place * ((rank - 0.5 * (beside.len() as f64 - 1.0)) * APART * pixel).exp()
    };
    series
        .iter()
        .enumerate()
        .map(|(at, (one, _))| one.points.iter().map(|point| moved(at, x(point))).collect())
        .collect()
}

/// A series of (x, mean, deviation): its line, bars and marks.
fn lines<X: plotters::coord::ranged1d::Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
    points: impl Iterator<Item = (f64, f64, f64)> + Clone,
    look: Look,
) -> Result<(), ReportError> {
    let at = |(x, mean, deviation): (f64, f64, f64), s: f64| (x, 100.0 * (mean + s * deviation));
    let line: Vec<(f64, f64)> = points.clone().map(|point| at(point, 0.0)).collect();
    chart.draw_series(LineSeries::new(line.clone(), look.colour.mix(0.5))).map_err(failed)?;
    let bars = points.map(|point| [at(point, -1.0), at(point, 1.0)]);
    chart.draw_series(bars.map(|bar| PathElement::new(bar, look.colour.stroke_width(2)))).map_err(failed)?;
    chart.draw_series(line.into_iter().map(|point| mark(point, look))).map_err(failed)?;
    Ok(())
}

fn legend(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    names: impl Iterator<Item = (String, Look)>,
) -> Result<(), ReportError> {
    let mut last = 0;
    for ((name, look), at) in names.zip(1..) {
        area.draw(&mark((12, LINE * at), look)).map_err(failed)?;
        area.draw(&Text::new(name, (26, LINE * at - 7), ("sans-serif", 15))).map_err(failed)?;
        last = at;
    }
    for (text, at) in
        ["bars: a standard deviation to either side", "marks in one place stand side by side"].iter().zip(1..)
    {
        area.draw(&Text::new(*text, (6, LINE * (last + at)), ("sans-serif", 14))).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(network: &str, pattern: &str, nonzeros: &[f64]) -> Series {
        let point = |nonzeros: &f64| FrontPoint {
            nonzeros: *nonzeros,
            bytes: 4.0 * nonzeros,
            instructions: 10.0 * nonzeros,
            accuracy: 0.9 + nonzeros / 1e5,
            deviation: 0.002,
        };
        Series {
            network: network.to_owned(),
            pattern: pattern.to_owned(),
            points: nonzeros.iter().map(point).collect(),
        }
    }

    #[test]
    fn every_chart_and_every_name() {
        let all =
            [series("a", "dense", &[9000.0]), series("a", "random", &[100.0, 1000.0]), series("b", "dense", &[50.0])];
        let svg = fronts(&all).unwrap();
        for text in [
            "<svg",
            "nonzeros",
            "bytes of the model file",
            "instructions of one image",
            "a: dense",
            "a: random",
            "b: dense",
            "1,000",
            "test accuracy, %",
            "bars: a standard deviation",
        ] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        let one = fronts(&all[..2]).unwrap();
        assert!(!one.contains("a: dense"), "{one}");
        assert!(fronts(&[]).is_ok_and(|svg| svg.starts_with("<svg")));
        for (across, expected) in [
            (2360.0..2480.0, &[2000.0, 5000.0][..]),
            (1000.0..1000.0, &[1000.0, 2000.0]),
            (1600.0..81_000.0, &[1000.0, 2000.0, 5000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0]),
            (20.0..5000.0, &[10.0, 100.0, 1000.0, 10_000.0]),
        ] {
            assert_eq!(ticks(&across), expected);
        }
        let exit = ExitSeries { name: "a 0.1".to_owned(), points: vec![(0.0, 0.97, 0.001), (1.0, 0.95, 0.002)] };
        let svg = exit_fronts(&[exit]).unwrap();
        assert!(svg.contains("a 0.1") && svg.contains("answered by the exit"), "{svg}");
        assert!(exit_fronts(&[]).is_ok_and(|svg| svg.starts_with("<svg")));
        // Colours are the patterns', marks the networks'.
        let looks = looks(&all);
        assert_eq!(looks[0].colour, looks[2].colour);
        assert_eq!(looks.iter().map(|look| look.shape).collect::<Vec<_>>(), [0, 0, 1]);
    }

    /// Twelve series of three points, all in the same places: every mark is drawn, and no two cover each other.
    #[test]
    fn many_series_stay_apart() {
        let all: Vec<Series> =
            (0..12).map(|k| series("a", &format!("pattern {k}"), &[500.0, 1000.0, 2000.0])).collect();
        let looking: Vec<(&Series, Look)> = all.iter().zip(looks(&all)).collect();
        let pixel = 0.005;
        let places = side_by_side(&looking, |point| point.nonzeros, pixel);
        for point in 0..3 {
            let row: Vec<f64> = places.iter().map(|places| places[point].ln() / pixel).collect();
            assert!(row.windows(2).all(|pair| (pair[1] - pair[0] - APART).abs() < 1e-6), "{row:?}");
            let middle = row.iter().sum::<f64>() / 12.0 * pixel;
            assert!((middle - all[0].points[point].nonzeros.ln()).abs() < 1e-6);
        }
        let different = |all: &[Series]| {
            let mut seen: Vec<_> = looks(all).iter().map(|look| (look.colour, look.shape % SHAPES)).collect();
            seen.sort_by_key(|(colour, shape)| (colour.0, colour.1, colour.2, *shape));
            seen.dedup();
            seen.len()
        };
        assert_eq!(different(&all), 12);
        // More dense networks than there are marks.
        let dense: Vec<Series> = (0..9).map(|k| series(&format!("network {k}"), "dense", &[500.0])).collect();
        assert_eq!(different(&dense), 9);
        assert!(fronts(&all).is_ok_and(|svg| svg.matches("pattern 11").count() == 1));
    }
}
