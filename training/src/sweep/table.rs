//! Runs as tables: each by itself, and each network over its seeds. No field has a comma in it.

use core::fmt::Write;

use serde::Serialize;

use super::Run;
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
    /// Bytes of the model file, mean.
    pub bytes: usize,
    /// Multiplications of one run, mean.
    pub macs: usize,
    /// Seeds.
    pub seeds: usize,
    /// The share of the validation samples that it has right.
    pub validation_accuracy: Spread,
    /// The share of the test samples that it has right.
    pub test_accuracy: Spread,
    /// Seconds of an epoch's training, mean.
    pub seconds_per_epoch: f64,
}

/// The runs as CSV: a head of the names of [`Run`]'s fields, and a line for each.
#[must_use]
pub fn csv(runs: &[Run]) -> String {
    let mut csv =
        "network,pattern,density,nonzeros,parameters,bytes,macs,seed,epochs,validation_accuracy,test_accuracy,\
                   seconds_per_epoch\n"
            .to_owned();
    for run in runs {
        let Run { network, pattern, density, nonzeros, parameters, bytes, macs, seed, epochs, .. } = run;
        let (validation, test, seconds) = (run.validation_accuracy, run.test_accuracy, run.seconds_per_epoch);
        // A string takes all that is written to it.
        let _ = writeln!(
            csv,
            "{network},{pattern},{density},{nonzeros},{parameters},{bytes},{macs},{seed},{epochs},{validation:.6},{test:.6},\
             {seconds:.6}"
        );
    }
    csv
}

/// Each network over its seeds, in the order of the runs.
#[must_use]
pub fn summary(runs: &[Run]) -> Vec<Summary> {
    let same = |one: &Run, other: &Run| {
        (&one.network, &one.pattern, &one.density) == (&other.network, &other.pattern, &other.density)
    };
    runs.chunk_by(same).filter_map(over_seeds).collect()
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
        bytes: mean(|run| run.bytes),
        macs: mean(|run| run.macs),
        seeds: runs.len(),
        validation_accuracy: spread(|run| run.validation_accuracy),
        test_accuracy: spread(|run| run.test_accuracy),
        seconds_per_epoch: spread(|run| run.seconds_per_epoch).mean,
    })
}

/// The summary as CSV, with the mean, sample standard deviation, least and most of both accuracies.
#[must_use]
pub fn summary_csv(summary: &[Summary]) -> String {
    let mut csv = "network,pattern,density,nonzeros,parameters,bytes,macs,seeds".to_owned();
    for part in ["validation", "test"] {
        for what in ["mean", "deviation", "least", "most"] {
            let _ = write!(csv, ",{part}_{what}");
        }
    }
    csv.push_str(",seconds_per_epoch\n");
    for line in summary {
        let Summary { network, pattern, density, nonzeros, parameters, bytes, macs, seeds, .. } = line;
        let _ = write!(csv, "{network},{pattern},{density},{nonzeros},{parameters},{bytes},{macs},{seeds}");
        for Spread { mean, deviation, least, most } in [line.validation_accuracy, line.test_accuracy] {
            let _ = write!(csv, ",{mean:.6},{deviation:.6},{least:.6},{most:.6}");
        }
        let _ = writeln!(csv, ",{:.6}", line.seconds_per_epoch);
    }
    csv
}
