//! `lacewing plan`

use std::io::Write;

use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::placement::{Costs, Objective, Placement, place};
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::args::{ObjectiveName, Plan};
use crate::command::data_or_bundled;
use crate::command::loopback::{self, Planned};
use crate::failure::{Failure, about};
use crate::show::{percent, table};

pub fn run(args: &Plan, out: &mut dyn Write) -> Result<(), Failure> {
    let costs = match &args.costs {
        Some(path) => Some(Costs::read(path).map_err(about(path))?),
        None => None,
    };
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
        ObjectiveName::Price => Objective::Price,
    };
    let junctions = network.trunk.len();
    let Some(costs) = costs else {
        let planned = loopback::plan(&network, &validation, objective, args.max_accuracy_drop)?;
        if args.json {
            let mut plan = serde_json::to_value(&planned.placement)?;
            plan["link"] = serde_json::to_value(planned.costs.link)?;
            plan["ran"] = serde_json::to_value(&planned.ran)?;
            writeln!(out, "{plan}")?;
            return Ok(());
        }
        show(&planned.placement, &planned.costs, junctions, out)?;
        return show_runs(&planned, junctions, out);
    };
    let placement = place(&network, &validation, &costs, objective, args.max_accuracy_drop)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&placement)?)?;
        return Ok(());
    }
    show(&placement, &costs, junctions, out)
}

/// What was planned beside what was measured.
fn show_runs(planned: &Planned, junctions: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let link = planned.costs.link;
    writeln!(
        out,
        "\nloopback, a server's queue and threads included: round trip {}, {} a kilobyte\n",
        time(link.round_trip),
        time(8000.0 / link.bandwidth)
    )?;
    let mut rows = table(&["run as two processes", "threshold", "answered there", "planned", "measured", "off by"]);
    for run in &planned.ran {
        let latency = planned.latency_of(run);
        rows.add_row([
            place_of(run.split, run.exit, junctions),
            run.threshold.map_or_else(|| "-".to_owned(), |threshold| format!("{threshold:.4}")),
            percent(run.exit_rate),
            time(latency),
            time(run.measured),
            off_by(latency, run.measured),
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
}

pub fn off_by(planned: f64, measured: f64) -> String {
    format!("{:+.1} %", 100.0 * (planned / measured - 1.0))
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
                format!("{}{}", if recommended { "* " } else { "" }, place_of(choice.split, choice.exit, junctions)),
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
    writeln!(
        out,
        "measured: {} (times: on this machine, of network {}).\ngiven: {}.\nmodelled from these: {}; left out: {}.",
        placement.measured.join(", "),
        placement.pair_id,
        if placement.given.is_empty() { "nothing".to_owned() } else { placement.given.join(", ") },
        placement.modelled.join(", "),
        placement.left_out.join(", ")
    )?;
    if costs.energy().is_none() && (costs.device.power.is_some() || costs.link.energy_per_byte.is_some()) {
        writeln!(out, "energy has no column: it takes both link.energy_per_byte and device.power, and one is missing")?;
    }
    writeln!(out, "thresholds are under the trained temperatures: calibrate fits others, and thresholds to them")?;
    Ok(())
}

pub fn place_of(split: usize, exit: Option<usize>, junctions: usize) -> String {
    let part = match split {
        0 => "nothing".to_owned(),
        split if split == junctions => "everything".to_owned(),
        split => format!("{split} of {junctions} junctions"),
    };
    exit.map_or_else(|| part.clone(), |exit| format!("{part}, exit {exit}"))
}

pub fn time(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.2} µs", seconds * 1e6) } else { format!("{:.3} ms", seconds * 1e3) }
}
