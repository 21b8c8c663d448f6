//! Charts, drawn as SVG.

use core::ops::Range;

use plotters::prelude::*;

use super::ReportError;
use crate::thresholds::Curve;

/// So wide that labels can be read where a phone makes it smaller.
const SIZE: (u32, u32) = (480, 320);
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 90, 160), RGBColor(200, 80, 0), RGBColor(0, 130, 90), RGBColor(120, 120, 120)];

pub(super) fn failed(error: impl core::fmt::Display) -> ReportError {
    ReportError::Chart(error.to_string())
}

/// What is drawn into a chart: its axes, and its lines with their names.
struct Lines<'l> {
    x: (&'l str, Range<f64>),
    y: (&'l str, Range<f64>),
    lines: Vec<(&'l str, Vec<(f64, f64)>)>,
    points: Vec<(f64, f64)>,
    /// Where the lines' names are.
    legend: SeriesLabelPosition,
}

fn draw(lines: Lines<'_>) -> Result<String, ReportError> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut builder = ChartBuilder::on(&area);
        builder.margin(12).margin_right(24).x_label_area_size(50).y_label_area_size(65);
        let mut chart = builder.build_cartesian_2d(lines.x.1, lines.y.1).map_err(failed)?;
        let mesh = &mut chart.configure_mesh();
        mesh.x_desc(lines.x.0)
            .y_desc(lines.y.0)
            // 0, 20 … 100: more would run into each other.
            .x_labels(6)
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 18))
            .draw()
            .map_err(failed)?;
        for ((name, line), colour) in lines.lines.into_iter().zip(COLOURS) {
            let drawn = chart.draw_series(LineSeries::new(line, colour.stroke_width(2))).map_err(failed)?;
            drawn.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        let points = lines.points.into_iter().map(|point| Circle::new(point, 5, BLACK.filled()));
        chart.draw_series(points).map_err(failed)?;
        let labels = &mut chart.configure_series_labels();
        labels
            .label_font(("sans-serif", 18))
            .position(lines.legend)
            .border_style(BLACK.mix(0.2))
            .background_style(WHITE.mix(0.8));
        labels.draw().map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(scaling(svg))
}

/// The same picture, as wide as there is room for.
fn scaling(svg: String) -> String {
    let (width, height) = SIZE;
    svg.replacen(&format!("width=\"{width}\" height=\"{height}\""), "role=\"img\"", 1)
}

/// Accuracy against the share of samples that exits take; the dots are what the model does.
pub(super) fn accuracy(curves: &[Curve], chosen: (f64, f64)) -> Result<String, ReportError> {
    let lines: Vec<(&str, Vec<(f64, f64)>)> = curves
        .iter()
        .map(|curve| {
            (curve.metric, curve.points.iter().map(|(rate, accuracy, _)| (100.0 * rate, 100.0 * accuracy)).collect())
        })
        .collect();
    let all = || lines.iter().flat_map(|(_, line)| line).map(|(_, accuracy)| *accuracy).chain([100.0 * chosen.1]);
    let (low, high) = (all().fold(100.0, f64::min), all().fold(0.0, f64::max));
    let room = (0.1 * (high - low)).max(0.05);
    draw(Lines {
        x: ("answered by an exit, %", 0.0..100.0),
        y: ("accuracy, %", low - room..high + room),
        lines,
        points: vec![(100.0 * chosen.0, 100.0 * chosen.1)],
        legend: SeriesLabelPosition::LowerLeft,
    })
}

/// How often samples of a max probability are right: on the diagonal where probabilities mean what they say. Bins of a tenth.
pub(super) fn reliability(samples: impl Iterator<Item = (f32, bool)>) -> Result<String, ReportError> {
    let mut bins = [(0.0, 0u32, 0u32); 10];
    for (probability, right) in samples.filter(|(probability, _)| !probability.is_nan()) {
        if let Some(bin) = bins.get_mut(((probability * 10.0) as usize).min(9)) {
            *bin = (bin.0 + f64::from(probability), bin.1 + 1, bin.2 + u32::from(right));
        }
    }
    let filled = bins.iter().filter(|(_, samples, _)| *samples > 0);
    let points: Vec<(f64, f64)> = filled
        .map(|(sum, samples, right)| (sum / f64::from(*samples), f64::from(*right) / f64::from(*samples)))
        .collect();
    draw(Lines {
        x: ("max probability", 0.0..1.0),
        y: ("share that is right", 0.0..1.0),
        lines: vec![("measured", points.clone()), ("as it should be", vec![(0.0, 0.0), (1.0, 1.0)])],
        points,
        legend: SeriesLabelPosition::LowerRight,
    })
}

/// Horizontal bars with their numbers.
pub(super) fn bars(rows: &[(String, f64)], unit: &str) -> String {
    let most = rows.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let mut svg = format!("<svg role=\"img\" viewBox=\"0 0 480 {}\">", 26 * rows.len() + 4);
    for (at, (name, value)) in rows.iter().enumerate() {
        let (y, width) = (26 * at + 2, 165.0 * value / most);
        svg.push_str(&format!(
            "<text x=\"155\" y=\"{}\" text-anchor=\"end\">{name}</text><rect x=\"165\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" \
             fill=\"#005aa0\"/><text x=\"{:.1}\" y=\"{}\">{} {unit}</text>",
            y + 15,
            171.0 + width,
            y + 15,
            grouped(*value)
        ));
    }
    svg.push_str("</svg>");
    svg
}

/// `12345.6` as `12,346`; small numbers with two decimals.
pub(super) fn grouped(value: f64) -> String {
    if value < 100.0 && value.fract() != 0.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
