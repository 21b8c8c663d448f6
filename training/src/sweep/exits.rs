//! How much an exit takes, and what that costs in accuracy.

use lacewing_kernels::math;
use lacewing_models::Dataset;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::trained::Trained;

/// Tenths of the validation samples that the exit is to take.
const TENTHS: usize = 10;

/// The first exit at one threshold, the end of the trunk behind it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitPoint {
    /// The share of validation samples that the exit was to take: tenths, from 0 to 1.
    pub asked: f64,
    /// The largest probability from which on it takes a sample, chosen on the validation part; above 1 for never.
    pub threshold: f64,
    /// The share of validation samples that it takes.
    pub validation_share: f64,
    /// The share of validation samples that exit and end together have right.
    pub validation_accuracy: f64,
    /// The share of test samples that it takes.
    pub test_share: f64,
    /// The share of test samples that exit and end together have right.
    pub test_accuracy: f64,
}

/// A sample at the exit: its largest probability there, whether the exit has it right, and whether the end has.
struct Sample {
    probability: f64,
    exit: bool,
    end: bool,
}

/// The first exit's points, thresholds from `validation`; none where there is no exit.
pub(super) fn points(trained: &Trained, validation: &Dataset, test: &Dataset) -> Result<Vec<ExitPoint>, DatasetError> {
    if trained.recipe().exits.is_empty() {
        return Ok(Vec::new());
    }
    let (validation, test) = (samples(trained, validation)?, samples(trained, test)?);
    let mut falling: Vec<f64> = validation.iter().map(|sample| sample.probability).collect();
    falling.sort_by(|one, other| other.total_cmp(one));
    let point = |tenths: usize| {
        let taken = falling.len() * tenths / TENTHS;
        let last = taken.checked_sub(1).and_then(|last| falling.get(last));
        // Rounded down, so that the sample it was chosen by is taken.
        let threshold = last.map_or(2.0, |probability| (probability * 1e6).floor() / 1e6);
        let ((validation_share, validation_accuracy), (test_share, test_accuracy)) =
            (at(&validation, threshold), at(&test, threshold));
        let asked = tenths as f64 / TENTHS as f64;
        ExitPoint { asked, threshold, validation_share, validation_accuracy, test_share, test_accuracy }
    };
    Ok((0..=TENTHS).map(point).collect())
}

fn samples(trained: &Trained, data: &Dataset) -> Result<Vec<Sample>, DatasetError> {
    let logits = trained.logits(data)?;
    let classes = trained.recipe().classes;
    let (Some(exit), Some(end)) = (logits.first(), logits.last()) else { return Ok(Vec::new()) };
    let sample = |((exit, end), label): ((&[f32], &[f32]), &u16)| {
        let (class, largest) = largest(exit);
        let sum: f64 = exit.iter().map(|logit| f64::from(math::exp(logit - largest))).sum();
        let right = |class: usize| class == usize::from(*label);
        Sample { probability: 1.0 / sum, exit: right(class), end: right(self::largest(end).0) }
    };
    Ok(exit.chunks(classes).zip(end.chunks(classes)).zip(data.labels()).map(sample).collect())
}

/// The lowest class of the largest logit.
fn largest(logits: &[f32]) -> (usize, f32) {
    let larger =
        |best: (usize, f32), (class, &logit): (usize, &f32)| if logit > best.1 { (class, logit) } else { best };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), larger)
}

/// Share taken and accuracy, to six decimals.
fn at(samples: &[Sample], threshold: f64) -> (f64, f64) {
    let takes = |sample: &&Sample| sample.probability >= threshold;
    let taken = samples.iter().filter(takes).count();
    let right = samples.iter().filter(|sample| if takes(sample) { sample.exit } else { sample.end }).count();
    let share = |count: usize| super::run::rounded(count as f64 / samples.len().max(1) as f64);
    (share(taken), share(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsure_samples_are_the_ends() {
        let sample = |probability, exit, end| Sample { probability, exit, end };
        let samples =
            [sample(0.9, true, false), sample(0.8, false, true), sample(0.5, false, true), sample(0.4, true, false)];
        assert_eq!(at(&samples, 2.0), (0.0, 0.5));
        assert_eq!(at(&samples, 0.9), (0.25, 0.75));
        assert_eq!(at(&samples, 0.6), (0.5, 0.5));
        assert_eq!(at(&samples, 0.0), (1.0, 0.5));
        assert_eq!(largest(&[0.0, 3.0, 3.0]), (1, 3.0));
    }
}
