//! The network drawn: its junctions from the input down, exits beside them, and where it is cut.

use core::fmt::Write;

use lacewing_engine::{Exit, Metric, Model, Part};

/// Heights and widths in the picture's own units, of which it is 480 wide.
const ROW: usize = 62;
const BOX: usize = 42;

/// A trunk junction and the exits behind it.
struct Row {
    lines: [String; 2],
    exits: Vec<[String; 2]>,
    /// Whether the network is cut in front of it.
    is_cut: bool,
}

pub(super) fn network(models: &[&Model<'_>]) -> String {
    let rows = rows(models);
    let height = 24 + rows.iter().map(|row| ROW * row.exits.len().max(1)).sum::<usize>() + 24;
    let mut svg = format!("<svg role=\"img\" viewBox=\"0 0 480 {height}\" font-size=\"13\">");
    text(&mut svg, (115, 14), "input");
    let mut y = 24;
    for row in &rows {
        arrow(&mut svg, y);
        if row.is_cut {
            let _ = write!(
                svg,
                "<line x1=\"0\" x2=\"480\" y1=\"{0}\" y2=\"{0}\" stroke=\"#111\" stroke-dasharray=\"6 4\"/>",
                y - 8
            );
            let _ = write!(svg, "<text x=\"476\" y=\"{}\" text-anchor=\"end\" font-size=\"11\">split</text>", y + 3);
        }
        boxed(&mut svg, (5, y + 8), "#005aa0", &row.lines);
        for (place, exit) in row.exits.iter().enumerate() {
            let at = y + 8 + place * ROW;
            let _ = write!(
                svg,
                "<path d=\"M225 {}H240V{}H252\" fill=\"none\" stroke=\"#111\"/>",
                y + 8 + BOX / 2,
                at + BOX / 2
            );
            boxed(&mut svg, (252, at), "#c85000", exit);
        }
        y += ROW * row.exits.len().max(1);
        if row.exits.len() > 1 {
            let _ = write!(
                svg,
                "<line x1=\"115\" x2=\"115\" y1=\"{}\" y2=\"{y}\" stroke=\"#111\"/>",
                y + BOX + 8 - ROW * row.exits.len()
            );
        }
    }
    arrow(&mut svg, y);
    text(
        &mut svg,
        (115, y + 20),
        if models.iter().any(|model| model.part() != Part::Head) { "answer" } else { "handed over" },
    );
    svg.push_str("</svg>");
    svg
}

fn rows(models: &[&Model<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for model in models {
        let mut is_cut = model.part() == Part::Tail;
        let mut open = None;
        for operation in model.operations() {
            let junction = &operation.junction;
            let shape = format!("{} → {}", junction.n_in(), junction.n_out());
            match operation.exit {
                None => {
                    let lines =
                        [format!("junction {}: {shape}", rows.len() + 1), format!("density {:.3}", junction.density())];
                    rows.push(Row { lines, exits: Vec::new(), is_cut });
                    (is_cut, open) = (false, None);
                }
                // A branch of several junctions is one exit.
                Some(number) if open != Some(number) => {
                    open = Some(number);
                    let exit = model.exits().nth(usize::from(number).saturating_sub(1));
                    if let (Some(exit), Some(row)) = (exit, rows.last_mut()) {
                        row.exits.push([format!("exit {}: from {}", exit.id.0, junction.n_in()), taken_where(exit)]);
                    }
                }
                Some(_) => {}
            }
        }
    }
    rows
}

/// The condition under which an exit is taken.
pub(super) fn taken_where(exit: &Exit) -> String {
    let sign = if exit.metric == Metric::Entropy { "≤" } else { "≥" };
    if exit.threshold.abs() < 1e6 {
        format!("{} {sign} {:.4}", exit.metric.name(), exit.threshold)
    } else {
        "never taken".to_owned()
    }
}

fn boxed(svg: &mut String, (x, y): (usize, usize), colour: &str, lines: &[String; 2]) {
    let _ = write!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"220\" height=\"{BOX}\" rx=\"4\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    for (line, down) in lines.iter().zip([17, 34]) {
        text(svg, (x + 110, y + down), line);
    }
}

fn arrow(svg: &mut String, y: usize) {
    let _ = write!(svg, "<path d=\"M115 {}V{}m-4 -5l4 5l4 -5\" fill=\"none\" stroke=\"#111\"/>", y - 6, y + 8);
}

fn text(svg: &mut String, (x, y): (usize, usize), text: &str) {
    let _ = write!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>");
}
