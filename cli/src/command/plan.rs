//! `lacewing plan`

use std::io::Write;

use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::placement::{Choice, Costs, Objective, Placement, place};
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::Failure;
use crate::args::{ObjectiveName, Plan};
use crate::command::data_or_bundled;
use crate::show::{percent, table};

pub fn run(args: &Plan, out: &mut dyn Write) -> Result<(), Failure> {
    let costs = Costs::read(&args.costs).map_err(|error| format!("{}: {error}", args.costs.display()))?;
    let mut source = Source::open(&args.model)?;
    let recipe = match &args.recipe {
        Some(path) => Recipe::read(path)?,
        None => embedded_recipe(&source)?.ok_or("the file carries no recipe: give it with --recipe")?,
    };
    let validation = data::load_for(data_or_bundled(args.data.as_deref()), Part::Validation, &recipe)?;
    let Imported { network, .. } = import(&mut source, recipe)?;
    let objective = match args.objective {
        ObjectiveName::Latency => Objective::Latency,
        ObjectiveName::Bytes => Objective::Bytes,
        ObjectiveName::Energy => Objective::Energy,
    };
    let placement = place(&network, &validation, &costs, objective, args.max_accuracy_drop)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&placement)?)?;
        return Ok(());
    }
    show(&placement, &costs, network.trunk.len(), out)
}

fn show(placement: &Placement, costs: &Costs, junctions: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let energy = placement.choices.iter().any(|choice| choice.energy.is_some());
    let price = placement.choices.iter().any(|choice| choice.price_per_million.is_some());
    let mut header =
        vec!["on the device", "threshold", "answered there", "accuracy", "latency", "handed over", "bytes a sample"];
    header.extend(energy.then_some("energy"));
    header.extend(price.then_some("price a million"));
    let mut rows = table(&header);
    for (at, choice) in placement.choices.iter().enumerate() {
        let recommended = placement.recommended == Some(at);
        if choice.on_front || recommended {
            let mut row = vec![
                format!("{}{}", if recommended { "* " } else { "" }, place_of(choice, junctions)),
                choice.threshold.map_or_else(|| "-".to_owned(), |threshold| format!("{threshold:.4}")),
                percent(choice.exit_rate),
                percent(choice.accuracy),
                time(choice.latency),
                if choice.bytes > 0.0 { time(choice.latency_handed_over) } else { "-".to_owned() },
                format!("{:.1}", choice.bytes),
            ];
            row.extend(
                energy.then(|| choice.energy.map_or_else(String::new, |energy| format!("{:.3} mJ", energy * 1e3))),
            );
            row.extend(price.then(|| choice.price_per_million.map_or_else(String::new, |price| format!("{price:.4}"))));
            rows.add_row(row);
        }
    }
    writeln!(out, "{rows}")?;
    match placement.recommended {
        Some(_) => writeln!(out, "*: recommended; full network {}", percent(placement.accuracy_full))?,
        None => writeln!(out, "nothing is accurate enough: allow a larger --max-accuracy-drop")?,
    }
    let device = if costs.device.operations.is_some() { "given" } else { "measured on this machine" };
    let server = if costs.server.operations.is_some() { "given" } else { "measured on this machine" };
    writeln!(
        out,
        "measured: accuracy, exits and packet lengths, on the validation samples. Times of operations: the device's {device}, the\n\
         server's {server} (network {}). Modelled: latency and bytes, from these and the link; no queue, no loss.",
        placement.pair_id
    )?;
    Ok(())
}

fn place_of(choice: &Choice, junctions: usize) -> String {
    let part = match choice.split {
        0 => "nothing".to_owned(),
        split if split == junctions => "everything".to_owned(),
        split => format!("{split} of {junctions} junctions"),
    };
    choice.exit.map_or_else(|| part.clone(), |exit| format!("{part}, exit {exit}"))
}

fn time(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.2} µs", seconds * 1e6) } else { format!("{:.3} ms", seconds * 1e3) }
}
