//! What was chosen, written into a model file's exit records (FORMAT.md).

use lacewing_engine::{Q15, Quantisation};
use lacewing_models::recipe::Metric;

use super::{Calibrated, Target};
use crate::encode::{integers, metric_id, named};

const HEADER: usize = 64;
const OPERATION: usize = 48;
const EXIT: usize = 32;
const OPERATIONS_AT: usize = 21;
const EXITS_AT: usize = 22;
const CHECKSUM: core::ops::Range<usize> = 12..16;

/// A confidence in half percents; `None` where it is none of those that a model file states.
pub(super) fn half_percents(confidence: f64) -> Option<u8> {
    let halves = confidence * 200.0;
    let rounded = halves.round();
    ((halves - rounded).abs() < 1e-9 && (1.0..=199.0).contains(&rounded)).then_some(rounded as u8)
}

/// The file with these temperatures at its exits that have a branch; `logits` of those that have int8 ones.
pub(super) fn temperatures(bytes: &[u8], temperatures: &[f32], logits: &[Option<Quantisation>]) -> Vec<u8> {
    stamped(bytes, |number, record| {
        if let Some(temperature) = temperatures.get(number) {
            put(record, 4, &temperature.to_le_bytes());
            if let Some(logits) = logits.get(number).copied().flatten() {
                let (step, _) = integers(logits, Metric::MaxProbability, *temperature, 0.0);
                put(record, 16, &step.to_le_bytes());
            }
        }
    })
}

/// The file with everything that was chosen.
pub(super) fn calibration(bytes: &[u8], calibrated: &Calibrated, logits: &[Option<Quantisation>]) -> Vec<u8> {
    let metric = named(calibrated.metric_of);
    let (target, confidence, bound) = match calibrated.target {
        Target::AccuracyDrop { most } => (1u8, 0, most),
        Target::OffloadBudget { most } => (2, 0, most),
        Target::Risk { risk, confidence, .. } => (3, half_percents(confidence).unwrap_or(0), risk),
    };
    let samples = u32::try_from(calibrated.samples).unwrap_or(u32::MAX);
    let q15 = |share: f64| Q15::from_f32(share as f32).steps().to_le_bytes();
    stamped(bytes, |number, record| {
        let Some(exit) = calibrated.exits.get(number) else { return };
        put(record, 1, &[metric_id(metric)]);
        put(record, 4, &exit.temperature.to_le_bytes());
        put(record, 8, &exit.threshold.to_le_bytes());
        put(record, 12, &samples.to_le_bytes());
        if let Some(logits) = logits.get(number).copied().flatten() {
            let (step, least) = integers(logits, metric, exit.temperature, exit.threshold);
            put(record, 16, &step.to_le_bytes());
            put(record, 20, &least.to_le_bytes());
        }
        put(record, 22, &[target, confidence]);
        put(record, 24, &(bound as f32).to_le_bytes());
        put(record, 28, &q15(exit.figures.exit_rate));
        put(record, 30, &q15(exit.mean_confidence));
    })
}

/// `bytes`, a proven model file, with its exit records changed and its checksum made anew.
fn stamped(bytes: &[u8], mut change: impl FnMut(usize, &mut [u8; EXIT])) -> Vec<u8> {
    let mut file = bytes.to_vec();
    let count = |at: usize| bytes.get(at).copied().map_or(0, usize::from);
    let (at, exits) = (HEADER + count(OPERATIONS_AT) * OPERATION, count(EXITS_AT));
    let (records, _) = file.get_mut(at..).unwrap_or_default().as_chunks_mut::<EXIT>();
    for (number, record) in records.iter_mut().take(exits).enumerate() {
        // The end of the trunk has no branch, and always answers.
        if record.get(2).is_some_and(|branch| *branch > 0) {
            change(number, record);
        }
    }
    put(&mut file, CHECKSUM.start, &[0; 4]);
    let checksum = crc32fast::hash(&file);
    put(&mut file, CHECKSUM.start, &checksum.to_le_bytes());
    file
}

fn put(record: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(field) = record.get_mut(at..at + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::half_percents;

    #[test]
    fn confidences_that_a_file_states() {
        assert_eq!([0.95, 0.9, 0.995, 0.005].map(half_percents), [Some(190), Some(180), Some(199), Some(1)]);
        assert_eq!([0.999, 0.951, 0.0, 1.0].map(half_percents), [None; 4]);
    }
}
