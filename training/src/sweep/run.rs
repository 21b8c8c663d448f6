//! One network with one seed.

use core::sync::atomic::AtomicBool;

use lacewing_models::grid::GridPoint;
use lacewing_models::{Dataset, Recipe};
use serde::{Deserialize, Serialize};

use super::dense::{Dense, DenseTrainings};
use super::exits::{self, ExitPoint};
use super::{AnyError, Size, SweepError};
use crate::checkpoint::{FNV_OFFSET, fnv};
use crate::error::TrainError;
use crate::prune::prune;
use crate::train::{Control, Progress, fine_tune_with, train_with};
use crate::trained::Trained;

/// What a network came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The network's name.
    pub network: String,
    /// The pattern, as in [`GridPoint::pattern`].
    pub pattern: String,
    /// The densities asked for, as in [`GridPoint::density`].
    pub density: String,
    /// Weights that are stored.
    pub nonzeros: usize,
    /// Those and the biases.
    pub parameters: usize,
    /// What it is as model files.
    #[serde(flatten)]
    pub size: Size,
    /// The seed.
    pub seed: u64,
    /// Epochs trained; of a pruned network those before and after.
    pub epochs: usize,
    /// The share of the validation samples that it has right.
    pub validation_accuracy: f64,
    /// The share of the test samples that it has right.
    pub test_accuracy: f64,
    /// Seconds of an epoch's training, without its validation; of a pruned network after pruning.
    pub seconds_per_epoch: f64,
    /// Its first exit, from what takes nothing to what takes everything; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exits: Vec<ExitPoint>,
}

/// What runs are done with.
pub(super) struct Tools<'a> {
    pub(super) stop: Option<&'a AtomicBool>,
    pub(super) dense: &'a DenseTrainings,
    pub(super) size: &'a (dyn Fn(&Trained) -> Result<Size, AnyError> + Sync),
}

/// A data set, as an input section makes it.
pub(super) struct Parts {
    pub(super) training: Dataset,
    pub(super) validation: Dataset,
    pub(super) test: Dataset,
    /// Tells it from others, against mistakes.
    pub(super) fingerprint: String,
}

/// A network to be trained with a seed.
pub(super) struct Job<'a> {
    pub(super) point: &'a GridPoint,
    /// With the seed.
    pub(super) recipe: Recipe,
    data: &'a Parts,
    /// Tells it from all other networks, seeds, settings and data.
    pub(super) key: String,
}

impl<'a> Job<'a> {
    pub(super) fn new(point: &'a GridPoint, k: u64, data: &'a Parts) -> Self {
        let mut recipe = point.recipe.clone();
        // The grid was checked with its last seed.
        recipe.training.seed = recipe.training.seed.saturating_add(k);
        let key = hash(&format!("{}\n{:?}\n{}", recipe.to_toml(), point.pruned, data.fingerprint));
        Self { point, recipe, data, key }
    }

    /// Of a network that is to be pruned, what tells its dense training from all others.
    pub(super) fn dense_key(&self) -> Option<String> {
        let is_pruned = !self.point.pruned.is_empty();
        is_pruned.then(|| hash(&format!("{}\n{}", self.recipe.to_toml(), self.data.fingerprint)))
    }

    /// What can be said before anything is trained.
    pub(super) fn check(&self) -> Result<(), SweepError> {
        let (batch, samples) = (self.recipe.training.batch, self.data.training.len());
        if batch <= samples {
            return Ok(());
        }
        let (network, seed) = (self.name(), self.recipe.training.seed);
        Err(SweepError::Train { network, seed, source: TrainError::Batch { batch, samples } })
    }

    /// Epochs that it takes at most.
    pub(super) fn epochs(&self) -> usize {
        self.recipe.training.epochs * if self.point.pruned.is_empty() { 1 } else { 2 }
    }

    pub(super) fn run(
        &self,
        tools: &Tools<'_>,
        progress: &mut (dyn FnMut(&Progress) + Send),
    ) -> Result<Run, SweepError> {
        let Parts { training, validation, test, .. } = self.data;
        let mut clock = Clock { samples: training.len(), epochs: 0, seconds: Vec::new() };
        let seed = self.recipe.training.seed;
        let failed = |source| SweepError::Train { network: self.name(), seed, source };
        let control = Control { checkpoint: None, stop: tools.stop };
        let mut from_nothing = |clock: &mut Clock| {
            train_with(&self.recipe, training, validation, control, |now| clock.tell(now, progress)).map_err(failed)
        };
        let trained = if let Some(key) = self.dense_key() {
            let dense = tools.dense.get(&key, || {
                let trained = from_nothing(&mut clock)?;
                Ok(Dense { trained, epochs: clock.epochs })
            })?;
            // Epochs before pruning count, but their times are of dense training.
            clock = Clock { epochs: dense.epochs, seconds: Vec::new(), ..clock };
            let pruned = prune(dense.trained, &self.point.pruned).map_err(failed)?;
            let told = |now: &Progress| clock.tell(now, progress);
            let tuned = fine_tune_with(pruned, &self.recipe.training, |_| true, (training, validation), control, told);
            tuned.map_err(failed)?
        } else {
            from_nothing(&mut clock)?
        };
        let size = (tools.size)(&trained);
        let size = size.map_err(|source| SweepError::Measure { network: self.name(), seed, source })?;
        let accuracy = |dataset: &Dataset| match trained.accuracies(dataset) {
            Ok(accuracies) => Ok(rounded(accuracies.last().copied().unwrap_or_default())),
            Err(source) => Err(SweepError::Dataset { network: self.name(), source }),
        };
        let nonzeros = trained.nonzeros().map(|(_, nonzeros)| nonzeros).sum();
        let biases: usize = self.recipe.placed_junctions().iter().map(|placed| placed.n_out()).sum();
        let exits = exits::points(&trained, validation, test);
        let exits = exits.map_err(|source| SweepError::Dataset { network: self.name(), source })?;
        Ok(Run {
            network: self.recipe.name.clone(),
            pattern: self.point.pattern.clone(),
            density: self.point.density.clone(),
            nonzeros,
            parameters: nonzeros + biases,
            size,
            seed,
            epochs: clock.epochs,
            validation_accuracy: accuracy(validation)?,
            test_accuracy: accuracy(test)?,
            seconds_per_epoch: rounded(clock.seconds.iter().sum::<f64>() / clock.seconds.len().max(1) as f64),
            exits,
        })
    }

    /// `800-40-40-10, random, density 0.1`
    fn name(&self) -> String {
        format!("{}, {}, density {}", self.recipe.name, self.point.pattern, self.point.density)
    }
}

fn hash(text: &str) -> String {
    format!("{:016x}", text.bytes().fold(FNV_OFFSET, |hash, byte| fnv(hash, u32::from(byte))))
}

/// Counts epochs and takes their times.
struct Clock {
    samples: usize,
    epochs: usize,
    seconds: Vec<f64>,
}

impl Clock {
    fn tell(&mut self, now: &Progress, progress: &mut (dyn FnMut(&Progress) + Send)) {
        if now.validation.is_some() {
            self.epochs += 1;
            self.seconds.push(self.samples as f64 / now.samples_per_second);
            progress(now);
        }
    }
}

/// To six decimals, which a decimal number in a file gives back exactly.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
