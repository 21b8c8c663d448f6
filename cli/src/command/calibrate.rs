//! `lacewing calibrate`

use std::io::Write;
use std::path::Path;

use lacewing_converter::evaluate::{check_parts, plain_input};
use lacewing_converter::thresholds::{Calibrated, Figures, Request, Target, ThresholdError, choose};
use lacewing_converter::write::write;
use lacewing_engine::Metric;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::args::{Calibrate, MetricName, PartName};
use crate::command::{data_or_bundled, parse_model, read_model};
use crate::failure::Failure;
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
    let part = match args.part {
        PartName::Validation => Part::Validation,
        PartName::All => Part::AllTrain,
    };
    let validation = data::load(data_or_bundled(args.data.as_deref()), part, &input)?;
    let metric = args.metric.map(|metric| match metric {
        MetricName::MaxProbability => Metric::MaxProbability,
        MetricName::Margin => Metric::Margin,
        MetricName::Entropy => Metric::Entropy,
    });
    let request = Request { target: target(args)?, metric, seed: args.seed };
    let bar = progress::bar("running the exits", 2 * validation.len() as u64);
    let chosen = choose(&bytes, tail.as_ref(), &validation, &request, &|done| bar.inc(done as u64));
    bar.finish_and_clear();
    let (bytes, calibrated) = chosen.map_err(|error| said(error, args.part))?;
    let to = args.out.as_deref().unwrap_or(&args.head);
    write(to, &bytes)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&calibrated)?)?;
        return Ok(());
    }
    show(&calibrated, to, out)
}

fn target(args: &Calibrate) -> Result<Target, Failure> {
    if args.each_exit && args.risk.is_none() {
        return Err("--each-exit goes with --risk: only a promise can be asked of each exit".into());
    }
    match (args.max_accuracy_drop, args.offload_budget, args.risk) {
        (Some(most), None, None) => Ok(Target::AccuracyDrop { most }),
        (None, Some(most), None) => Ok(Target::OffloadBudget { most }),
        (None, None, Some(risk)) => Ok(Target::Risk { risk, confidence: args.confidence, each: args.each_exit }),
        _ => Err("give one of --max-accuracy-drop, --offload-budget and --risk".into()),
    }
}

/// Where samples are too few: which of the data they are.
fn said(error: ThresholdError, part: PartName) -> Failure {
    let is_few = matches!(error, ThresholdError::TooFewForPromise { .. } | ThresholdError::TooFew { .. });
    match (is_few, part) {
        (true, PartName::Validation) => format!(
            "{error}, of the validation part, the last sixth of the training samples in --data (--part all takes all, where the \
             data is for validation only)"
        )
        .into(),
        _ => error.into(),
    }
}

fn show(calibrated: &Calibrated, to: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let several = calibrated.exits.len() > 1;
    let promised_of_each = matches!(calibrated.target, Target::Risk { each: true, .. });
    let mut exits =
        table(&["", "metric", "temperature", "threshold", "takes", "unlike the full network", "at most (bound)"]);
    let figures = |figures: &Figures, mark: &str| {
        [
            percent(figures.exit_rate),
            format!("{} of {}", count(figures.disagreements), count(figures.taken)),
            format!("{}{mark}", percent(figures.risk_bound)),
        ]
    };
    for exit in &calibrated.exits {
        let threshold = [
            format!("exit {}", exit.exit),
            calibrated.metric.to_owned(),
            format!("{:.4}", exit.temperature),
            format!("{:.6}", exit.threshold),
        ];
        let mark = if several && !promised_of_each { " *" } else { "" };
        exits.add_row(threshold.into_iter().chain(figures(&exit.figures, mark)));
    }
    if several {
        let nothing = ["all exits", "", "", ""].map(str::to_owned);
        exits.add_row(nothing.into_iter().chain(figures(&calibrated.joint, if promised_of_each { "" } else { "  " })));
    }
    writeln!(out, "{exits}")?;
    if several && !promised_of_each {
        writeln!(out, "*: of one exit among several an indication; what is chosen is chosen for all together")?;
    }
    writeln!(
        out,
        "accuracy on the {} samples: {} with exits, {} of the full network",
        count(calibrated.samples),
        percent(calibrated.accuracy),
        percent(calibrated.accuracy_full)
    )?;
    match calibrated.target {
        Target::Risk { risk, confidence, each } => writeln!(
            out,
            "promise: of what {} take, at most {} differs from the full network, with confidence {}; tested on {} samples,\n\
             after the other {} had chosen temperature, metric and order. It holds for {},\n\
             and for no other: watch the running exit rate (DriftMonitor). Samples that epochs or hyperparameters were chosen on\n\
             are not strictly exchangeable with fresh ones, and a promise that was tried until it came out is none.",
            if each { "the exits (together, and each alone)" } else { "all exits together" },
            percent(risk),
            percent(confidence),
            count(calibrated.tested),
            count(calibrated.samples - calibrated.tested),
            calibrated.holds_for
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
