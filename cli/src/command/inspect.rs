//! `lacewing inspect`

use std::io::Write;

use lacewing_converter::inspect::{Inspection, Totals, inspect};
use lacewing_engine::{KernelSet, Model};

use crate::Failure;
use crate::args::Inspect;
use crate::command::read_model;
use crate::show::{count, table};

pub fn run(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = read_model(&args.model)?;
    let model = Model::parse(&bytes, &KernelSet::ALL).map_err(|error| format!("{}: {error}", args.model.display()))?;
    let inspection = inspect(&model);
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&inspection)?)?;
        return Ok(());
    }
    show(&inspection, out)
}

fn show(model: &Inspection, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(
        out,
        "{}, pair {}: {} inputs, {} classes, {} bytes, scratch {} bytes",
        model.part,
        model.pair_id,
        count(model.n_in),
        count(model.classes),
        count(model.file_bytes),
        count(model.scratch_bytes)
    )?;
    let mut plan = table(&[
        "junction",
        "inputs",
        "outputs",
        "in-degree",
        "density",
        "MACs",
        "dense",
        "bytes",
        "indices",
        "dense",
        "packing",
        "activation",
    ]);
    let numbers = |totals: &Totals| {
        [totals.macs, totals.dense_macs, totals.bytes, totals.index_bytes, totals.dense_bytes].map(count)
    };
    for junction in &model.junctions {
        let mut row = vec![
            junction.place.clone(),
            count(junction.n_in),
            count(junction.n_out),
            junction.in_degree.to_string(),
            format!("{:.4}", junction.density),
        ];
        row.extend(numbers(&junction.totals));
        row.extend([junction.packing.clone(), junction.activation.to_owned()]);
        plan.add_row(row);
    }
    let mut total = vec!["total".to_owned()];
    total.resize(5, String::new());
    total.extend(numbers(&model.totals));
    plan.add_row(total);
    writeln!(out, "{plan}")?;
    for junction in model.junctions.iter().filter(|junction| junction.totals.index_bytes > 0) {
        writeln!(
            out,
            "{}: {:.2} bits per nonzero for weights, {:.2} for indices (entropy of any mask of these degrees: {:.2})",
            junction.place, junction.weight_bits, junction.index_bits, junction.index_entropy
        )?;
    }
    for exit in &model.exits {
        match exit.branch {
            0 => writeln!(out, "exit {} after junction {}: the end, always answers", exit.exit, exit.after)?,
            _ => writeln!(
                out,
                "exit {} after junction {}: {} at threshold {}, temperature {}",
                exit.exit, exit.after, exit.metric, exit.threshold, exit.temperature
            )?,
        }
    }
    if model.features > 0 {
        writeln!(out, "hands over {} features after junction {}", count(model.features), model.split)?;
    }
    Ok(())
}
