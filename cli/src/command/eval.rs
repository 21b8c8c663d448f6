//! `lacewing eval`

use std::io::Write;
use std::path::Path;

use lacewing_converter::evaluate::{Evaluation, ExitScore, check_parts, evaluate, plain_input};
use lacewing_engine::{KernelSet, Model};
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::Failure;
use crate::args::Eval;
use crate::command::read_model;
use crate::progress;
use crate::show::{count, percent, table};

pub fn run(args: &Eval, out: &mut dyn Write) -> Result<(), Failure> {
    let head_bytes = read_model(&args.head)?;
    let head = parse(&args.head, &head_bytes)?;
    let tail_bytes = args.tail.as_deref().map(read_model).transpose()?;
    let tail = match (&args.tail, &tail_bytes) {
        (Some(path), Some(bytes)) => Some(parse(path, bytes)?),
        _ => None,
    };
    check_parts(&head, tail.as_ref())?;
    let input = match &args.recipe {
        Some(path) => Recipe::read(path)?.input,
        None => plain_input(&head),
    };
    let test = data::load(&args.data, Part::Test, &input)?;
    let bar = progress::bar("evaluating", test.len() as u64);
    let evaluation = evaluate(&head, tail.as_ref(), &test, args.threshold, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&evaluation)?)?;
        return Ok(());
    }
    show(&evaluation, out)
}

fn parse<'m>(path: &Path, bytes: &'m [u8]) -> Result<Model<'m>, Failure> {
    Model::parse(bytes, &KernelSet::ALL).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn show(evaluation: &Evaluation, out: &mut dyn Write) -> Result<(), Failure> {
    let Evaluation { samples, correct, .. } = evaluation;
    writeln!(out, "{} of {} right: {}", count(*correct), count(*samples), percent(evaluation.accuracy))?;
    let mut exits = table(&["", "threshold", "answered", "right", "accuracy"]);
    let mut add = |name: String, exit: &ExitScore| {
        exits.add_row([
            name,
            exit.threshold.map_or_else(|| "always".to_owned(), |t| format!("{} {t}", exit.metric)),
            count(exit.score.answered),
            count(exit.score.correct),
            percent(exit.score.accuracy),
        ]);
    };
    for exit in &evaluation.exits {
        add(format!("exit {} after junction {}", exit.exit, exit.after), exit);
    }
    for exit in evaluation.tail.iter().flat_map(|tail| &tail.exits) {
        add(format!("tail, exit {} after junction {}", exit.exit, exit.after), exit);
    }
    writeln!(out, "{exits}")?;
    if let Some(fallback) = &evaluation.fallback {
        writeln!(
            out,
            "{} samples were not sure; the last exit answers {} of them rightly",
            count(fallback.answered),
            percent(fallback.accuracy)
        )?;
    }
    writeln!(
        out,
        "answered on the device: {}; handed over: {:.1} bytes a sample ({:.1} as packets), over all samples",
        percent(evaluation.answered_on_device),
        evaluation.bytes_per_sample,
        evaluation.packet_bytes_per_sample
    )?;
    Ok(())
}
