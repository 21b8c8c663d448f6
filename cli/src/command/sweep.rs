//! `lacewing sweep`

use core::sync::atomic::{AtomicBool, Ordering};
use std::io::Write;
use std::path::PathBuf;

use lacewing_converter::convert::convert_network;
use lacewing_converter::import::{Imported, import};
use lacewing_converter::inspect::inspect;
use lacewing_converter::instructions;
use lacewing_converter::report::{ExitSeries, FrontPoint, Series, exit_fronts, fronts};
use lacewing_converter::source::Source;
use lacewing_converter::write::write_all;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::Grid;
use lacewing_training::sweep::{
    ExitSummary, Run, Settings, Size, Summary, SweepProgress, csv, exits, exits_csv, summary, summary_csv, sweep,
};
use lacewing_training::{Spread, Trained};
use serde_json::json;

use crate::args::Sweep;
use crate::command::data_or_bundled;
use crate::failure::Failure;
use crate::progress;
use crate::show::{count, percent, table};

/// Set by an interrupt from the keyboard; trainings then stop before their next batch.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn run(args: &Sweep, out: &mut dyn Write) -> Result<(), Failure> {
    let mut grid = Grid::read(&args.grid)?;
    if let Some(seeds) = args.seeds {
        grid = grid.with_seeds(seeds)?;
    }
    let data = data_or_bundled(args.data.as_deref());
    let folder = args.out.clone().unwrap_or_else(|| PathBuf::from(&grid.name));
    let threads = args.threads.or_else(|| Some(std::thread::available_parallelism().ok()?.get())).unwrap_or(1);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;
    let bar = progress::bar(&grid.name, 0);
    let told = |now: &SweepProgress<'_>| {
        let (network, pattern, seed) = now.network;
        bar.set_length(now.epochs as u64);
        bar.set_position(now.epochs_done as u64);
        let accuracy = now.training.validation.as_ref().and_then(|exits| exits.last()).copied();
        bar.set_message(format!("{network}, {pattern}, seed {seed}: {}", percent(accuracy.unwrap_or_default())));
    };
    let runs = sweep(
        &grid,
        &Settings {
            data: &data,
            out: &folder,
            threads,
            stop: Some(&STOP),
            size: &|trained| Ok(size(trained)?),
            progress: &told,
        },
    );
    bar.finish_and_clear();
    let runs = runs?;
    let summary = summary(&runs);
    let exits = exits(&runs);
    let mut texts = vec![
        ("sweep.csv", csv(&runs)),
        ("summary.csv", summary_csv(&summary)),
        ("sweep.svg", fronts(&series(&summary))?),
    ];
    if !exits.is_empty() {
        texts.extend([("exits.csv", exits_csv(&exits)), ("exits.svg", exit_fronts(&exit_series(&exits))?)]);
    }
    let files: Vec<(&str, &[u8])> = texts.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let written = write_all(&folder, &files)?;
    if args.json {
        let report = json!({ "name": grid.name, "files": written, "runs": runs, "summary": summary, "exits": exits });
        writeln!(out, "{report}")?;
        return Ok(());
    }
    show(&runs, &summary, &written, out)
}

/// What the network is as a model file: handed over as a file, as networks go between the two.
fn size(trained: &Trained) -> Result<Size, String> {
    let converted = || -> Result<Size, Failure> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("network.safetensors");
        trained.save(&file)?;
        let mut source = Source::open(&file)?;
        let Imported { network, .. } = import(&mut source, trained.recipe().clone())?;
        let files = convert_network(&network, None)?;
        let macs = |bytes: &[u8]| Ok::<_, Failure>(inspect(&Model::parse(bytes, &KernelSet::ALL)?).totals.macs);
        let (tail_bytes, tail_macs) = match files.tail.as_deref() {
            Some(tail) => (tail.len(), macs(tail)?),
            None => (0, 0),
        };
        Ok(Size {
            bytes: files.head.len() + tail_bytes,
            head_bytes: files.head.len(),
            macs: macs(&files.head)? + tail_macs,
            instructions: instructions::whole(&network),
            head_instructions: instructions::head(&network),
        })
    };
    converted().map_err(|error| error.to_string())
}

/// Networks with their patterns, each from its fewest nonzeros to its most.
fn series(summary: &[Summary]) -> Vec<Series> {
    let same = |one: &Summary, other: &Summary| (&one.network, &one.pattern) == (&other.network, &other.pattern);
    let point = |line: &Summary| FrontPoint {
        nonzeros: line.nonzeros as f64,
        bytes: line.size.bytes as f64,
        instructions: line.size.instructions as f64,
        accuracy: line.test_accuracy.mean,
        deviation: line.test_accuracy.deviation,
    };
    let of = |lines: &[Summary]| {
        let first = lines.first()?;
        let mut points: Vec<FrontPoint> = lines.iter().map(point).collect();
        points.sort_by(|one, other| one.nonzeros.total_cmp(&other.nonzeros));
        Some(Series { network: first.network.clone(), pattern: first.pattern.clone(), points })
    };
    summary.chunk_by(same).filter_map(of).collect()
}

/// A line for each network, by the share of the test samples that its exit takes.
fn exit_series(exits: &[ExitSummary]) -> Vec<ExitSeries> {
    let same = |one: &ExitSummary, other: &ExitSummary| {
        (&one.network, &one.pattern, &one.density) == (&other.network, &other.pattern, &other.density)
    };
    let of = |lines: &[ExitSummary]| {
        let first = lines.first()?;
        let point = |line: &ExitSummary| (line.test_share.mean, line.test_accuracy.mean, line.test_accuracy.deviation);
        let name = format!("{}: {} {}", first.network, first.pattern, first.density);
        Some(ExitSeries { name, points: lines.iter().map(point).collect() })
    };
    exits.chunk_by(same).filter_map(of).collect()
}

fn show(runs: &[Run], summary: &[Summary], written: &[PathBuf], out: &mut dyn Write) -> Result<(), Failure> {
    let mut rows = table(&[
        "network",
        "pattern",
        "density",
        "nonzeros",
        "parameters",
        "bytes",
        "instructions",
        "validation",
        "test",
        "s an epoch",
    ]);
    for line in summary {
        let spread = |spread: Spread| {
            let deviation = if line.seeds > 1 { format!(" ± {:.2}", 100.0 * spread.deviation) } else { String::new() };
            format!("{}{deviation}", percent(spread.mean))
        };
        rows.add_row([
            line.network.clone(),
            line.pattern.clone(),
            line.density.clone(),
            count(line.nonzeros),
            count(line.parameters),
            count(line.size.bytes),
            count(line.size.instructions),
            spread(line.validation_accuracy),
            spread(line.test_accuracy),
            format!("{:.3}", line.seconds_per_epoch),
        ]);
    }
    writeln!(out, "{rows}")?;
    let over = match summary.first().map_or(1, |line| line.seeds) {
        1 => "one seed each".to_owned(),
        seeds => format!("accuracy is the mean of {seeds} seeds ± a standard deviation"),
    };
    writeln!(out, "{} networks trained; {over}", count(runs.len()))?;
    for path in written {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}
