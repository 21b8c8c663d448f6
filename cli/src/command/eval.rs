//! `lacewing eval`

use std::io::Write;
use std::path::Path;

use lacewing_converter::compare::{Comparison, Side, compare};
use lacewing_converter::evaluate::{Evaluation, ExitScore, check_parts, evaluate, plain_input};
use lacewing_converter::latency::Contender;
use lacewing_engine::Model;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};
use lacewing_tail::ModelBytes;
use serde::Serialize;

use crate::args::Eval;
use crate::command::{parse_model, read_model};
use crate::failure::Failure;
use crate::progress;
use crate::show::{count, percent, table};

pub fn run(args: &Eval, out: &mut dyn Write) -> Result<(), Failure> {
    let files = Files::read(&args.head, args.tail.as_deref())?;
    let (head, tail) = (files.head()?, files.tail()?);
    check_parts(&head, tail.as_ref())?;
    let input = match &args.recipe {
        Some(path) => Recipe::read(path)?.input,
        None => plain_input(&head),
    };
    let test = data::load(&args.data, Part::Test, &input)?;
    let bar = progress::bar("evaluating", test.len() as u64 * if args.beside.is_some() { 2 } else { 1 });
    let progress = |done: usize| bar.inc(done as u64);
    let Some(beside) = &args.beside else {
        let evaluation = evaluate(&head, tail.as_ref(), &test, args.threshold, &progress)?;
        bar.finish_and_clear();
        return if args.json { json(&evaluation, out) } else { show(&evaluation, out) };
    };
    let others = Files::read(beside, args.beside_tail.as_deref())?;
    let (other_head, other_tail) = (others.head()?, others.tail()?);
    check_parts(&other_head, other_tail.as_ref())?;
    let one = Contender { head: &head, tail: tail.as_ref() };
    let other = Contender { head: &other_head, tail: other_tail.as_ref() };
    let comparison = compare(one, other, &test, args.threshold, &progress)?;
    bar.finish_and_clear();
    if args.json { json(&comparison, out) } else { show_comparison(&comparison, out) }
}

fn json(value: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    Ok(())
}

/// The bytes of a head or whole network, and of its tail.
struct Files<'p> {
    head: (&'p Path, ModelBytes),
    tail: Option<(&'p Path, ModelBytes)>,
}

impl<'p> Files<'p> {
    fn read(head: &'p Path, tail: Option<&'p Path>) -> Result<Self, Failure> {
        let read = |path| Ok::<_, Failure>((path, read_model(path)?));
        Ok(Self { head: read(head)?, tail: tail.map(read).transpose()? })
    }

    fn head(&self) -> Result<Model<'_>, Failure> {
        parse_model(self.head.0, &self.head.1)
    }

    fn tail(&self) -> Result<Option<Model<'_>>, Failure> {
        self.tail.as_ref().map(|(path, bytes)| parse_model(path, bytes)).transpose()
    }
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
        "answered on the device: {}; handed over: {:.1} bytes a sample ({:.1} as packets, {:.1} without zeros), over all samples",
        percent(evaluation.answered_on_device),
        evaluation.bytes_per_sample,
        evaluation.packet_bytes_per_sample,
        evaluation.packet_bytes_without_zeros_per_sample
    )?;
    Ok(())
}

fn show_comparison(comparison: &Comparison, out: &mut dyn Write) -> Result<(), Failure> {
    let Comparison { one, other, disagreements, largest_logit_error } = comparison;
    let mut rows = table(&["", &format!("{} (first)", one.element), &format!("{} (beside)", other.element)]);
    let mut add = |name: String, value: &dyn Fn(&Side) -> String| {
        rows.add_row([name, value(one), value(other)]);
    };
    add("accuracy".into(), &|side| percent(side.evaluation.accuracy));
    let exits = one.evaluation.exits.iter().chain(one.evaluation.tail.iter().flat_map(|tail| &tail.exits));
    for (at, exit) in exits.enumerate() {
        add(format!("exit {} after junction {}: answered", exit.exit, exit.after), &|side| share(side, at));
        add("  of these right".into(), &|side| {
            exits_of(side).nth(at).map_or_else(String::new, |exit| percent(exit.score.accuracy))
        });
    }
    add("answered on the device".into(), &|side| percent(side.evaluation.answered_on_device));
    add("handed over, bytes a sample".into(), &|side| format!("{:.1}", side.evaluation.bytes_per_sample));
    add("model files, bytes".into(), &|side| count(side.file_bytes));
    writeln!(out, "{rows}")?;
    let samples = one.evaluation.samples;
    writeln!(
        out,
        "{} of {} samples get another class; the largest difference of a logit is {largest_logit_error:.3}",
        count(*disagreements),
        count(samples)
    )?;
    Ok(())
}

fn exits_of(side: &Side) -> impl Iterator<Item = &ExitScore> {
    let tail = side.evaluation.tail.iter().flat_map(|tail| &tail.exits);
    side.evaluation.exits.iter().chain(tail)
}

/// The share of all samples that an exit answered.
fn share(side: &Side, exit: usize) -> String {
    let answered = exits_of(side).nth(exit).map_or(0, |exit| exit.score.answered);
    percent(answered as f64 / side.evaluation.samples.max(1) as f64)
}
