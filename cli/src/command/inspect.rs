//! `lacewing inspect`

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use lacewing_converter::evaluate::plain_input;
use lacewing_converter::inspect::{Inspection, Totals, inspect};
use lacewing_converter::inspect_source::inspect_source;
use lacewing_converter::predict::{Prediction, predict};
use lacewing_converter::source::Source;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};
use serde::Serialize;

use crate::args::Inspect;
use crate::command::read_model;
use crate::failure::{Failure, about};
use crate::show::{count, table};

/// How a model file begins.
const MAGIC: &[u8] = b"LACE";

pub fn run(args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let path = args.model.display();
    let mut first = Vec::new();
    // A folder can be one of arrays.
    if !args.model.is_dir() {
        let read = File::open(&args.model).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut first));
        read.map_err(about(&args.model))?;
    }
    let is_model = first == MAGIC;
    let source = if is_model { None } else { Source::open(&args.model).ok() };
    if let Some(source) = source {
        if args.target.is_some() {
            return Err(format!("{path}: --target tells of a model file: make one with 'lacewing convert'").into());
        }
        return trained(source, args, out);
    }
    let bytes = read_model(&args.model)?;
    let model = Model::parse(&bytes, &KernelSet::ALL).map_err(|error| match (is_model, Source::open(&args.model)) {
        // Neither of both: what keeps it from being the one, and from being the other.
        (false, Err(other)) => format!("{path}: {error}; {other}"),
        _ => format!("{path}: {error}{}", error.advice()),
    })?;
    let board = args.target.as_deref().map(|target| told(&model, target, args.data.as_deref())).transpose()?;
    let inspection = inspect(&model);
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&Inspected { inspection, board })?)?;
        return Ok(());
    }
    show(&inspection, out)?;
    board.map_or(Ok(()), |board| show_board(&inspection, &board, out))
}

/// Images that instructions are told by.
const IMAGES: usize = 64;

fn told(model: &Model<'_>, target: &str, data: Option<&Path>) -> Result<Prediction, Failure> {
    let Some(data) = data else { return Ok(predict(model, target, &[])?) };
    let test = data::load(data, Part::Test, &plain_input(model))?;
    let images: Vec<&[f32]> = test.iter().map(|(image, _)| image).take(IMAGES).collect();
    Ok(predict(model, target, &images)?)
}

/// The object of `--json`.
#[derive(Serialize)]
struct Inspected {
    #[serde(flatten)]
    inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<Prediction>,
}

/// What the model takes on a board.
fn show_board(model: &Inspection, board: &Prediction, out: &mut dyn Write) -> Result<(), Failure> {
    let known = |instructions: Option<usize>| instructions.map_or("not counted there".to_owned(), count);
    let mut steps = table(&["step", "kernel", "instructions", "at most"]);
    for (junction, step) in model.junctions.iter().zip(&board.steps) {
        let kernel = step.kernel.unwrap_or("the portable one").to_owned();
        steps.add_row([junction.place.clone(), kernel, known(step.instructions), known(step.most)]);
    }
    writeln!(
        out,
        "\non {}, told from counts and sizes on record, by firmware/qemu/src/bin/measured.rs:",
        board.target
    )?;
    writeln!(out, "{steps}")?;
    let how = if board.proven_at_build { "proven when built" } else { "parsed at start-up, against all kernels" };
    writeln!(
        out,
        "flash {} bytes: model {}, engine and kernels {} ({how})",
        count(board.flash),
        count(model.file_bytes),
        count(board.code)
    )?;
    writeln!(
        out,
        "RAM {} bytes: scratch {}; stack beside it {}",
        count(board.ram),
        count(model.scratch_bytes),
        count(board.stack)
    )?;
    let of = match board.images {
        0 => "of an image without a zero".to_owned(),
        images => format!("of an image, on average over {}:", count(images)),
    };
    writeln!(out, "instructions {of} {}, longest step {}", known(board.instructions), known(board.longest_step))?;
    Ok(())
}

/// A trained network of any kind.
fn trained(mut source: Source, args: &Inspect, out: &mut dyn Write) -> Result<(), Failure> {
    let recipe = args.recipe.as_deref().map(Recipe::read).transpose()?;
    let found = inspect_source(&mut source, recipe)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&found)?)?;
        return Ok(());
    }
    writeln!(out, "{}: {} inputs, {} classes", found.name, count(found.n_in), count(found.classes))?;
    let mut junctions = table(&[
        "junction",
        "inputs",
        "outputs",
        "edges",
        "density",
        "in-degree",
        "out-degree",
        "bytes",
        "dense",
        "packing",
        "activation",
    ]);
    for junction in &found.junctions {
        junctions.add_row([
            junction.place.clone(),
            count(junction.n_in),
            count(junction.n_out),
            count(junction.nnz),
            format!("{:.4}", junction.density),
            junction.in_degree.to_string(),
            junction.out_degree.to_string(),
            count(junction.bytes),
            count(junction.dense_bytes),
            junction.packing.clone(),
            junction.activation.to_owned(),
        ]);
    }
    writeln!(out, "{junctions}")?;
    for junction in &found.junctions {
        write!(out, "{}: {}", junction.place, junction.structure)?;
        if junction.duplicate_outputs > 0 {
            write!(out, "; {} outputs compute what another one does", count(junction.duplicate_outputs))?;
        }
        if let Some(same) = &junction.same_as {
            write!(out, "; the same weights as {same}")?;
        }
        writeln!(out)?;
    }
    for after in &found.exits {
        writeln!(out, "exit after junction {after}")?;
    }
    for note in &found.notes {
        writeln!(out, "note: {note}")?;
    }
    let times = |dense: usize, ours: usize| dense as f64 / ours.max(1) as f64;
    writeln!(
        out,
        "converted: {} bytes instead of {} dense ({:.1} times fewer), {} multiplications instead of {} ({:.1} times fewer)",
        count(found.bytes),
        count(found.dense_bytes),
        times(found.dense_bytes, found.bytes),
        count(found.macs),
        count(found.dense_macs),
        times(found.dense_macs, found.macs)
    )?;
    Ok(())
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
