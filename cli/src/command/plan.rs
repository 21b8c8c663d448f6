//! `lacewing plan`

use std::io::Write;

use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::network::Network;
use lacewing_converter::placement::{Choice, Costs, Device, Link, Objective, Placement, Server, place};
use lacewing_converter::source::Source;
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, Recipe};

use crate::Failure;
use crate::args::{ObjectiveName, Plan};
use crate::command::data_or_bundled;
use crate::command::loopback::{self, Ran, Surroundings};
use crate::progress;
use crate::show::{percent, table};

pub fn run(args: &Plan, out: &mut dyn Write) -> Result<(), Failure> {
    let mut costs = match &args.costs {
        Some(path) => Costs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
        // Only until it is measured.
        None => Costs {
            link: Link::through([(0.0, 5e-5), (1e3, 5.5e-5)]),
            device: Device::default(),
            server: Server::default(),
        },
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
    };
    let mut placement = place(&network, &validation, &costs, objective, args.max_accuracy_drop)?;
    let mut ran = Vec::new();
    if args.loopback {
        let surroundings;
        (ran, surroundings) = run_choices(args, &network, &validation, &placement)?;
        costs.link = surroundings.link;
        costs.device = Device {
            operations: Some(surroundings.operations),
            pair_id: Some(placement.pair_id.clone()),
            is_here: true,
            ..costs.device
        };
        placement = place(&network, &validation, &costs, objective, args.max_accuracy_drop)?;
    }
    if args.json {
        let mut plan = serde_json::to_value(&placement)?;
        if args.loopback {
            plan["link"] = serde_json::to_value(costs.link)?;
            plan["ran"] = serde_json::to_value(ran)?;
        }
        writeln!(out, "{plan}")?;
        return Ok(());
    }
    show(&placement, &costs, network.trunk.len(), out)?;
    if args.loopback { show_runs(&ran, &placement, &costs, network.trunk.len(), out) } else { Ok(()) }
}

fn run_choices(
    args: &Plan,
    network: &Network,
    data: &Dataset,
    placement: &Placement,
) -> Result<(Vec<Ran>, Surroundings), Failure> {
    let bar =
        progress::bar("running every split point", loopback::steps(network, placement, args.max_accuracy_drop) as u64);
    let ran = loopback::run(network, data, placement, args.max_accuracy_drop, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(ran)
}

/// What was planned beside what was measured.
fn show_runs(
    ran: &[Ran],
    placement: &Placement,
    costs: &Costs,
    junctions: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(
        out,
        "\nloopback, a server's queue and threads included: round trip {}, {} a kilobyte\n",
        time(costs.link.round_trip),
        time(8000.0 / costs.link.bandwidth)
    )?;
    let mut rows = table(&["run as two processes", "threshold", "answered there", "planned", "measured", "off by"]);
    for run in ran {
        let same =
            |choice: &&Choice| (choice.split, choice.exit, choice.threshold) == (run.split, run.exit, run.threshold);
        let planned = placement.choices.iter().find(same).map_or(f64::NAN, |choice| choice.latency);
        rows.add_row([
            place_of(run.split, run.exit, junctions),
            run.threshold.map_or_else(|| "-".to_owned(), |threshold| format!("{threshold:.4}")),
            percent(run.exit_rate),
            time(planned),
            time(run.measured),
            format!("{:+.1} %", 100.0 * (planned / run.measured - 1.0)),
        ]);
    }
    writeln!(out, "{rows}")?;
    Ok(())
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
    let given = costs.device.operations.is_some() && !costs.device.is_here;
    let device = if given { "given" } else { "measured on this machine" };
    let server = if costs.server.operations.is_some() { "given" } else { "measured on this machine" };
    writeln!(
        out,
        "measured: accuracy, exits and packet lengths, on the validation samples. Times of operations: the device's {device}, the\n\
         server's {server} (network {}). Modelled: latency and bytes, from these and the link; no queue, no loss.",
        placement.pair_id
    )?;
    Ok(())
}

fn place_of(split: usize, exit: Option<usize>, junctions: usize) -> String {
    let part = match split {
        0 => "nothing".to_owned(),
        split if split == junctions => "everything".to_owned(),
        split => format!("{split} of {junctions} junctions"),
    };
    exit.map_or_else(|| part.clone(), |exit| format!("{part}, exit {exit}"))
}

fn time(seconds: f64) -> String {
    if seconds < 1e-3 { format!("{:.2} µs", seconds * 1e6) } else { format!("{:.3} ms", seconds * 1e3) }
}
