//! How long single operations of a network take.

use std::time::Instant;

use lacewing_engine::{Engine, Model, Never, Step};

/// Looks at the clock that what they cost is the median of.
const LOOKS: usize = 2001;

/// Seconds of each operation of a model, decisions at exits included, sample by sample.
#[derive(Clone, Debug)]
pub struct OperationTimes {
    /// What looking at the clock costs: it is not the operations'.
    clock: f64,
    times: Vec<Vec<f64>>,
}

impl OperationTimes {
    /// None taken so far.
    #[must_use]
    pub fn of(model: &Model<'_>) -> Self {
        let mut looks: Vec<f64> = (0..LOOKS).map(|_| Instant::now().elapsed().as_secs_f64()).collect();
        Self { clock: median(&mut looks), times: vec![Vec::new(); model.operations().count()] }
    }

    /// Runs and times the sample that `engine` is loaded with, to its end.
    pub fn take(&mut self, engine: &mut Engine<'_>) {
        for times in &mut self.times {
            let start = Instant::now();
            let done = matches!(core::hint::black_box(engine.step(&mut Never)), Step::Done(_));
            times.push((start.elapsed().as_secs_f64() - self.clock).max(0.0));
            if done {
                break;
            }
        }
    }

    /// Of each operation the median.
    #[must_use]
    pub fn medians(mut self) -> Vec<f64> {
        self.times.iter_mut().map(|times| median(times)).collect()
    }
}

/// The upper one of two in the middle; 0 of nothing. Sorts the values.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
