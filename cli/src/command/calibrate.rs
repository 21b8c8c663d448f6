//! `lacewing calibrate`

use std::io::Write;
use std::path::Path;

use lacewing_converter::evaluate::{check_parts, plain_input};
use lacewing_converter::thresholds::{Calibrated, Request, Target, choose};
use lacewing_converter::write::write;
use lacewing_engine::Metric;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::Failure;
use crate::args::{Calibrate, MetricName};
use crate::command::{data_or_bundled, parse_model, read_model};
use crate::progress;
use crate::show::{count, percent, table};

pub fn run(args: &Calibrate, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = read_model(&args.head)?;
    let head = parse_model(&args.head, &bytes)?;
    let tail_bytes = args.tail.as_deref().map(read_model).transpose()?;
    let tail = match (&args.tail, &tail_bytes) {
        (Some(path), Some(bytes)) => Some(parse_model(path, bytes)?),
        _ => None,
    };
    check_parts(&head, tail.as_ref())?;
    let input = match &args.recipe {
        Some(path) => Recipe::read(path)?.input,
        None => plain_input(&head),
    };
    let validation = data::load(data_or_bundled(args.data.as_deref()), Part::Validation, &input)?;
    let metric = args.metric.map(|metric| match metric {
        MetricName::MaxProbability => Metric::MaxProbability,
        MetricName::Margin => Metric::Margin,
        MetricName::Entropy => Metric::Entropy,
    });
    let request = Request { target: target(args)?, metric, seed: args.seed };
    let bar = progress::bar("running the exits", 2 * validation.len() as u64);
    let (bytes, calibrated) = choose(&bytes, tail.as_ref(), &validation, &request, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    let to = args.out.as_deref().unwrap_or(&args.head);
    write(to, &bytes)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&calibrated)?)?;
        return Ok(());
    }
    show(&calibrated, to, out)
}

fn target(args: &Calibrate) -> Result<Target, Failure> {
    match (args.max_accuracy_drop, args.offload_budget, args.risk) {
        (Some(most), None, None) => Ok(Target::AccuracyDrop { most }),
        (None, Some(most), None) => Ok(Target::OffloadBudget { most }),
        (None, None, Some(risk)) => Ok(Target::Risk { risk, confidence: args.confidence }),
        _ => Err("give one of --max-accuracy-drop, --offload-budget and --risk".into()),
    }
}

fn show(calibrated: &Calibrated, to: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let mut exits =
        table(&["", "metric", "temperature", "threshold", "takes", "unlike the full network", "at most (bound)"]);
    for exit in &calibrated.exits {
        exits.add_row([
            format!("exit {}", exit.exit),
            calibrated.metric.to_owned(),
            format!("{:.4}", exit.temperature),
            format!("{:.6}", exit.threshold),
            percent(exit.figures.exit_rate),
            format!("{} of {}", count(exit.figures.disagreements), count(exit.figures.taken)),
            percent(exit.figures.risk_bound),
        ]);
    }
    writeln!(out, "{exits}")?;
    writeln!(
        out,
        "accuracy on the {} samples: {} with exits, {} of the full network",
        count(calibrated.samples),
        percent(calibrated.accuracy),
        percent(calibrated.accuracy_full)
    )?;
    match calibrated.target {
        Target::Risk { risk, confidence } => writeln!(
            out,
            "promise: of what exits take, at most {} differs from the full network, with confidence {}; tested on {} samples,\n\
             after the other {} had chosen temperature, metric and order. It holds for data exchangeable with these samples,\n\
             and for no other: watch the running exit rate (DriftMonitor).",
            percent(risk),
            percent(confidence),
            count(calibrated.tested),
            count(calibrated.samples - calibrated.tested)
        )?,
        _ => writeln!(
            out,
            "chosen and measured on the same samples: expect a little less elsewhere; --risk makes a promise"
        )?,
    }
    if calibrated.not_finite > 0 {
        writeln!(
            out,
            "{} samples have logits that are not finite: exits never take them",
            count(calibrated.not_finite)
        )?;
    }
    writeln!(out, "written into {}", to.display())?;
    Ok(())
}
