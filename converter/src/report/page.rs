//! The page itself.

use core::fmt::Write;

use lacewing_engine::{Exit, Part};

use super::charts::{accuracy, bars, grouped, reliability};
use super::{Facts, ReportError, drawing, pictures};
use crate::inspect::{inspect, purpose};

/// Samples shown of each kind.
const EXAMPLES: usize = 12;
/// Values shown of a sample that is no image.
const VALUES: usize = 8;
/// Classes up to which confusion is shown.
const MOST_CLASSES: usize = 30;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem;color:#111;background:#fff}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ccc}svg{width:100%;max-width:36rem;height:auto}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .5rem;text-align:right;border:1px solid #ddd}\
th{font-weight:600}.scroll{overflow-x:auto}figure{margin:0 .5rem .5rem 0;display:inline-block}figcaption{font-size:.8rem;text-align:center}\
img{image-rendering:pixelated;border:1px solid #ddd}.mask{width:10rem}.sample{width:3.1rem}.note{color:#555;font-size:.9rem}\
@media(max-width:30rem){.scroll td,.scroll th{padding:.1rem .2rem;font-size:.7rem}}\
td{-webkit-print-color-adjust:exact;print-color-adjust:exact}\
@media print{body{max-width:none}h2,figure,svg,table{break-inside:avoid}h2,.lead{break-after:avoid}}";

pub(super) fn page(facts: &Facts<'_, '_>) -> Result<String, ReportError> {
    let title = escape(facts.title);
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,\
         initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    summary(&mut html, facts);
    network(&mut html, facts);
    if !facts.exits.is_empty() {
        heading(&mut html, "Accuracy against exits");
        let chosen = (facts.exit_rate(), facts.evaluation.accuracy);
        put(&mut html, &accuracy(&facts.curves, chosen)?);
        note(
            &mut html,
            "The dot is what the model's own thresholds do. A curve's thresholds move together at all exits.",
        );
    }
    exits(&mut html, facts)?;
    sizes(&mut html, facts);
    examples(&mut html, facts);
    html.push_str("</body></html>\n");
    Ok(html)
}

fn summary(html: &mut String, facts: &Facts<'_, '_>) {
    let evaluation = &facts.evaluation;
    let right = facts.observed.iter().filter(|o| o.is_right_in_full()).count();
    let full = right as f64 / facts.observed.len().max(1) as f64;
    let is_whole = facts.models.iter().any(|model| model.part() == Part::Whole);
    let rows = [
        ("samples", grouped(evaluation.samples as f64)),
        ("accuracy", percent(evaluation.accuracy)),
        ("the full network's", percent(full)),
        (
            if is_whole { "answered by an exit before the end" } else { "answered on the device" },
            percent(facts.exit_rate()),
        ),
        ("handed over, over all samples", format!("{:.1} bytes as packets", evaluation.packet_bytes_per_sample)),
    ];
    table(html, rows.iter().map(|(name, value)| vec![(*name).to_owned(), value.clone()]));
}

fn network(html: &mut String, facts: &Facts<'_, '_>) {
    heading(html, "The network");
    put(html, &drawing::network(&facts.models));
    for model in &facts.models {
        let _ = write!(
            html,
            "<p class=\"lead\">{}, pair {:08x}, {} bytes</p>",
            model.part().name(),
            model.pair_id(),
            grouped(model.bytes().len() as f64)
        );
        for (operation, junction) in model.operations().zip(inspect(model).junctions) {
            let Some(picture) = pictures::mask(&operation.junction) else { continue };
            let _ = write!(
                html,
                "<figure><img class=\"mask\" alt=\"mask\" src=\"{picture}\"><figcaption>{}<br>{} × {}, density {:.3}<br>{}</figcaption></figure>",
                escape(&junction.place),
                junction.n_in,
                junction.n_out,
                junction.density,
                escape(&junction.packing)
            );
        }
    }
    note(
        html,
        "A picture is a junction's mask, inputs across, outputs down: the darker, the more edges whose weight is not 0.",
    );
    let tails = facts.models.iter().filter(|model| model.part() == Part::Tail);
    if tails.flat_map(|tail| tail.exits()).any(|exit| exit.branch > 0) {
        note(html, "The tail has exits of its own: here its end answers what it is handed.");
    }
}

fn exits(html: &mut String, facts: &Facts<'_, '_>) -> Result<(), ReportError> {
    for (place, exit) in facts.exits.iter().enumerate() {
        heading(html, &format!("Exit {}, behind junction {}", exit.id.0, exit.after));
        let _ = write!(html, "<p class=\"lead\">taken where {}, {}</p>", drawing::taken_where(exit), chosen(exit));
        let said = facts.observed.iter().filter_map(|o| Some((o, o.said_at(place)?)));
        put(
            html,
            &reliability(said.map(|(o, said)| (said.max_probability(), usize::from(said.class()) == o.label())))?,
        );
        note(html, "Reliability of its max probability, under its temperature, over all samples.");
        let classes = facts.models.first().map_or(0, |model| model.classes());
        if classes <= MOST_CLASSES {
            confusion(html, facts, place, classes);
        } else {
            note(
                html,
                &format!("What it takes is not shown by class: {classes} classes are more than {MOST_CLASSES}."),
            );
        }
    }
    Ok(())
}

/// What an exit's threshold was chosen for, and on what.
fn chosen(exit: &Exit) -> String {
    let samples = grouped(f64::from(exit.samples));
    match exit.calibration {
        Some(calibration) => format!(
            "chosen for {}, on {samples} samples; holds for data exchangeable with them",
            purpose(calibration.target)
        ),
        None if exit.samples > 0 => format!("chosen on {samples} samples"),
        None => "chosen by hand".to_owned(),
    }
}

/// Of the samples that the exit in this place takes, where earlier ones have not: labels down, answers across.
fn confusion(html: &mut String, facts: &Facts<'_, '_>, place: usize, classes: usize) {
    let mut counts = vec![vec![0usize; classes]; classes];
    for (sample, o) in facts.observed.iter().enumerate().filter(|(sample, _)| facts.taken_by(*sample) == Some(place)) {
        let answer = o.said_at(place).map_or(0, |said| usize::from(said.class()));
        let cell = counts.get_mut(facts.data.label(sample)).and_then(|row| row.get_mut(answer));
        cell.into_iter().for_each(|count| *count += 1);
    }
    let name = |class: usize| escape(&facts.name_of(class));
    html.push_str("<div class=\"scroll\"><table><tr><th>label \\ answer</th>");
    put(html, &cells("th", (0..counts.len()).map(name)));
    html.push_str("</tr>");
    for (label, row) in counts.iter().enumerate() {
        let all: usize = row.iter().sum();
        let _ = write!(html, "<tr><th>{}</th>", name(label));
        for (class, count) in row.iter().enumerate() {
            let share = (*count as f64 / all.max(1) as f64).sqrt();
            let colour = if class == label { "0,130,90" } else { "200,80,0" };
            let text = if *count == 0 { String::new() } else { count.to_string() };
            let _ = write!(html, "<td style=\"background:rgba({colour},{:.2})\">{text}</td>", 0.6 * share);
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
    note(html, "What it takes: labels down, its answers across.");
}

fn sizes(html: &mut String, facts: &Facts<'_, '_>) {
    heading(html, "Bytes and time");
    let files: usize = facts.models.iter().map(|model| model.bytes().len()).sum();
    let given = facts.latency.last().map_or(0.0, |(_, latency)| latency.median_ns as f64 / 1000.0);
    let this = ("as given".to_owned(), files as f64, given);
    let made = facts.variants.iter().map(|variant| (variant.name.to_owned(), variant.bytes as f64, variant.micros));
    let rows: Vec<(String, f64, f64)> = core::iter::once(this).chain(made).collect();
    put(html, &bars(&rows.iter().map(|(name, bytes, _)| (name.clone(), *bytes)).collect::<Vec<_>>(), "bytes"));
    let twins = if facts.variants.is_empty() {
        "An int8 model has no f32 twins."
    } else {
        "Dense and int8 twins are made of the given network, packed for size."
    };
    note(html, &format!("Model files, head and tail together. {twins}"));
    let times = rows.into_iter().map(|(name, _, micros)| (name, micros));
    let alone = facts.latency.first().filter(|_| facts.latency.len() > 1);
    let alone = alone.map(|(name, latency)| ((*name).to_owned(), latency.median_ns as f64 / 1000.0));
    put(html, &bars(&times.chain(alone).collect::<Vec<_>>(), "µs"));
    note(
        html,
        "Median of single samples, exits at work, head and tail in one process, on the machine that made this report.",
    );
}

fn examples(html: &mut String, facts: &Facts<'_, '_>) {
    for (title, exits) in [("Samples that an exit takes", true), ("Samples that go on", false)] {
        let kind = (0..facts.observed.len()).filter(|at| facts.taken_by(*at).is_some() == exits);
        let (mut images, mut rows) = (String::new(), Vec::new());
        for at in kind.take(EXAMPLES) {
            let (answer, label) = answer_and_label(facts, at);
            if let Some(picture) = pictures::sample(facts.data.sample(at)) {
                let says = if answer == label { answer } else { format!("{answer}, not {label}") };
                let _ = write!(
                    images,
                    "<figure><img class=\"sample\" alt=\"sample\" src=\"{picture}\"><figcaption>{}</figcaption></figure>",
                    escape(&says)
                );
            } else {
                rows.push(vec![at.to_string(), first_values(facts.data.sample(at)), answer, label]);
            }
        }
        if !images.is_empty() || !rows.is_empty() {
            heading(html, title);
            put(html, &images);
        }
        if !rows.is_empty() {
            let header = ["sample", "first values", "answer", "label"].map(str::to_owned).to_vec();
            html.push_str("<div class=\"scroll\">");
            table(html, core::iter::once(header).chain(rows));
            html.push_str("</div>");
        }
    }
}

/// The names of a sample's final class and of its label.
fn answer_and_label(facts: &Facts<'_, '_>, sample: usize) -> (String, String) {
    let o = facts.observed.get(sample);
    let said = facts.taken_by(sample).and_then(|place| o?.said_at(place));
    let class = said.map(|said| said.class()).or_else(|| o.map(|o| o.full_class())).unwrap_or(0);
    (facts.name_of(usize::from(class)), facts.name_of(facts.data.label(sample)))
}

fn first_values(values: &[f32]) -> String {
    let shown: Vec<String> = values.iter().take(VALUES).map(|value| format!("{value:.3}")).collect();
    format!("{}{}", shown.join(", "), if values.len() > VALUES { ", …" } else { "" })
}

fn heading(html: &mut String, text: &str) {
    let _ = write!(html, "<h2>{}</h2>", escape(text));
}

fn note(html: &mut String, text: &str) {
    let _ = write!(html, "<p class=\"note\">{}</p>", escape(text));
}

/// What is HTML already.
fn put(html: &mut String, part: &str) {
    html.push_str(part);
}

fn table(html: &mut String, rows: impl Iterator<Item = Vec<String>>) {
    html.push_str("<table>");
    for row in rows {
        let _ = write!(html, "<tr>{}</tr>", cells("td", row.iter().map(|cell| escape(cell))));
    }
    html.push_str("</table>");
}

/// Cells of what is HTML already.
fn cells(tag: &str, contents: impl Iterator<Item = String>) -> String {
    contents.map(|content| format!("<{tag}>{content}</{tag}>")).collect()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
