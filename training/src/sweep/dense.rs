//! The dense trainings that pruned networks start from. Networks pruned to several patterns share one: it is trained once, and
//! kept as long as one of them is left.

use std::collections::HashMap;
use std::sync::Mutex;

use super::run::Job;
use super::{SweepError, lock};
use crate::trained::Trained;

/// A dense network after its training.
#[derive(Clone)]
pub(super) struct Dense {
    pub(super) trained: Trained,
    /// Epochs trained.
    pub(super) epochs: usize,
}

/// What one dense training is to the networks that start from it.
#[derive(Default)]
struct Shared {
    /// Networks that have not taken it yet.
    left: usize,
    dense: Option<Dense>,
}

pub(super) struct DenseTrainings(HashMap<String, Mutex<Shared>>);

impl DenseTrainings {
    /// Those of jobs that are still to be done.
    pub(super) fn of<'a>(jobs: impl Iterator<Item = &'a Job<'a>>) -> Self {
        let mut trainings: HashMap<String, Mutex<Shared>> = HashMap::new();
        for key in jobs.filter_map(Job::dense_key) {
            lock(trainings.entry(key).or_default()).left += 1;
        }
        Self(trainings)
    }

    /// The dense network of `key`, by `train` where it was not trained yet. A thread that comes while another trains it waits.
    ///
    /// # Errors
    /// As `train`.
    pub(super) fn get(
        &self,
        key: &str,
        train: impl FnOnce() -> Result<Dense, SweepError>,
    ) -> Result<Dense, SweepError> {
        let Some(shared) = self.0.get(key) else { return train() };
        let mut shared = lock(shared);
        let dense = match shared.dense.take() {
            Some(dense) => dense,
            None => train()?,
        };
        shared.left = shared.left.saturating_sub(1);
        shared.dense = (shared.left > 0).then(|| dense.clone());
        Ok(dense)
    }
}
