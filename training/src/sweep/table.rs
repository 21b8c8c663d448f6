//! Runs as tables: each by itself, and each network over its seeds. No field has a comma in it.

use core::fmt::Write;

use serde::Serialize;

use super::{Run, Size};
use crate::spread::Spread;

/// One network over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The network's name.
    pub network: String,
    /// The pattern.
    pub pattern: String,
    /// The densities asked for.
    pub density: String,
    /// Weights that are stored, mean over the seeds.
    pub nonzeros: usize,
    /// Those and the biases, mean.
    pub parameters: usize,
    /// What it is as model files, means.
    #[serde(flatten)]
    pub size: Size,
    /// Seeds.
    pub seeds: usize,
    /// The share of the validation samples that it has right.
    pub validation_accuracy: Spread,
    /// The share of the test samples that it has right.
    pub test_accuracy: Spread,
    /// Seconds of an epoch's training, mean.
    pub seconds_per_epoch: f64,
}

/// The first exit of one network over its seeds, where it was to take one share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExitSummary {
    /// The network's name.
    pub network: String,
    /// The pattern.
    pub pattern: String,
    /// The densities asked for.
    pub density: String,
    /// The share of validation samples that the exit was to take.
    pub asked: f64,
    /// Seeds.
    pub seeds: usize,
    /// The thresholds, chosen on the validation part.
    pub threshold: Spread,
    /// The share of test samples that it takes.
    pub test_share: Spread,
    /// The share of test samples that exit and end together have right.
    pub test_accuracy: Spread,
}

const NAMES: &str = "network,pattern,density";
const SIZES: &str = "nonzeros,parameters,bytes,head_bytes,macs,instructions,head_instructions";

fn sizes(nonzeros: usize, parameters: usize, size: &Size) -> String {
    let Size { bytes, head_bytes, macs, instructions, head_instructions } = size;
    format!("{nonzeros},{parameters},{bytes},{head_bytes},{macs},{instructions},{head_instructions}")
}

/// The runs as CSV: a head of the names of [`Run`]'s fields, and a line for each.
#[must_use]
pub fn csv(runs: &[Run]) -> String {
    let mut csv = format!("{NAMES},{SIZES},seed,epochs,validation_accuracy,test_accuracy,seconds_per_epoch\n");
    for run in runs {
        let Run { network, pattern, density, nonzeros, parameters, size, seed, epochs, .. } = run;
        let (validation, test, seconds) = (run.validation_accuracy, run.test_accuracy, run.seconds_per_epoch);
        let sizes = sizes(*nonzeros, *parameters, size);
        // A string takes all that is written to it.
        let _ = writeln!(
            csv,
            "{network},{pattern},{density},{sizes},{seed},{epochs},{validation:.6},{test:.6},{seconds:.6}"
        );
    }
    csv
}

/// The runs of each network, in the order of the runs.
fn by_network(runs: &[Run]) -> impl Iterator<Item = &[Run]> {
    let same = |one: &Run, other: &Run| {
        (&one.network, &one.pattern, &one.density) == (&other.network, &other.pattern, &other.density)
    };
    runs.chunk_by(same)
}

/// Each network over its seeds, in the order of the runs.
#[must_use]
pub fn summary(runs: &[Run]) -> Vec<Summary> {
    by_network(runs).filter_map(over_seeds).collect()
}

fn over_seeds(runs: &[Run]) -> Option<Summary> {
    let first = runs.first()?;
    let spread = |of: fn(&Run) -> f64| Spread::of(&runs.iter().map(of).collect::<Vec<_>>());
    let mean = |of: fn(&Run) -> usize| (runs.iter().map(of).sum::<usize>() + runs.len() / 2) / runs.len();
    Some(Summary {
        network: first.network.clone(),
        pattern: first.pattern.clone(),
        density: first.density.clone(),
        nonzeros: mean(|run| run.nonzeros),
        parameters: mean(|run| run.parameters),
        size: Size {
            bytes: mean(|run| run.size.bytes),
            head_bytes: mean(|run| run.size.head_bytes),
            macs: mean(|run| run.size.macs),
            instructions: mean(|run| run.size.instructions),
            head_instructions: mean(|run| run.size.head_instructions),
        },
        seeds: runs.len(),
        validation_accuracy: spread(|run| run.validation_accuracy),
        test_accuracy: spread(|run| run.test_accuracy),
        seconds_per_epoch: spread(|run| run.seconds_per_epoch).mean,
    })
}

fn spread_names(csv: &mut String, parts: &[&str]) {
    for part in parts {
        for what in ["mean", "deviation", "least", "most"] {
            let _ = write!(csv, ",{part}_{what}");
        }
    }
}

fn spreads(csv: &mut String, all: &[Spread]) {
    for Spread { mean, deviation, least, most } in all {
        let _ = write!(csv, ",{mean:.6},{deviation:.6},{least:.6},{most:.6}");
    }
}

/// The summary as CSV, with the mean, sample standard deviation, least and most of both accuracies.
#[must_use]
pub fn summary_csv(summary: &[Summary]) -> String {
    let mut csv = format!("{NAMES},{SIZES},seeds");
    spread_names(&mut csv, &["validation", "test"]);
    csv.push_str(",seconds_per_epoch\n");
    for line in summary {
        let Summary { network, pattern, density, nonzeros, parameters, size, seeds, .. } = line;
        let sizes = sizes(*nonzeros, *parameters, size);
        let _ = write!(csv, "{network},{pattern},{density},{sizes},{seeds}");
        spreads(&mut csv, &[line.validation_accuracy, line.test_accuracy]);
        let _ = writeln!(csv, ",{:.6}", line.seconds_per_epoch);
    }
    csv
}

/// The exits of each network over its seeds: networks in the order of the runs, of each the shares asked for, rising. Empty where no
/// network has an exit.
#[must_use]
pub fn exits(runs: &[Run]) -> Vec<ExitSummary> {
    let of_network = |runs: &'_ [Run]| -> Vec<ExitSummary> {
        let Some(first) = runs.first() else { return Vec::new() };
        let at = |k: usize| {
            let points: Vec<_> = runs.iter().filter_map(|run| run.exits.get(k)).collect();
            let spread = |of: fn(&super::ExitPoint) -> f64| {
                Spread::of(&points.iter().map(|point| of(point)).collect::<Vec<_>>())
            };
            ExitSummary {
                network: first.network.clone(),
                pattern: first.pattern.clone(),
                density: first.density.clone(),
                asked: spread(|point| point.asked).mean,
                seeds: points.len(),
                threshold: spread(|point| point.threshold),
                test_share: spread(|point| point.test_share),
                test_accuracy: spread(|point| point.test_accuracy),
            }
        };
        (0..first.exits.len()).map(at).collect()
    };
    by_network(runs).flat_map(of_network).collect()
}

/// [`exits`] as CSV.
#[must_use]
pub fn exits_csv(exits: &[ExitSummary]) -> String {
    let mut csv = format!("{NAMES},asked,seeds");
    spread_names(&mut csv, &["threshold", "share", "test"]);
    csv.push('\n');
    for line in exits {
        let ExitSummary { network, pattern, density, asked, seeds, .. } = line;
        let _ = write!(csv, "{network},{pattern},{density},{asked:.1},{seeds}");
        spreads(&mut csv, &[line.threshold, line.test_share, line.test_accuracy]);
        csv.push('\n');
    }
    csv
}
