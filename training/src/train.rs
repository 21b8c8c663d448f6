//! The training loop.

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::time::Instant;

use lacewing_models::recipe::{PlacedJunction, Training};
use lacewing_models::{Dataset, JunctionId, Recipe, RecipeError};
use rayon::prelude::*;

use crate::checkpoint::{Best, State};
use crate::error::TrainError;
use crate::junction::Junction;
use crate::network::{Network, Passes, Shard};
use crate::optimiser::Optimiser;
use crate::order::{self, Stream};
use crate::parameters::Parameters;
use crate::schedule::learning_rate;
use crate::trained::Trained;
use crate::{data, plan};

/// Samples that one task works on. It fixes the order in which gradients are summed, so that the result is the same on
/// any number of threads; 64 samples of 800 features are 200 KB, which stay in a core's second-level cache.
const SHARD: usize = 64;

/// Where a training stands; handed to the caller's closure after every batch and once more after every epoch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs in all.
    pub epochs: usize,
    /// Batches done in this epoch.
    pub batch: usize,
    /// Batches to an epoch.
    pub batches: usize,
    /// Mean over the samples of this epoch so far of Σ over the exits of weight × cross-entropy, in nats.
    pub loss: f64,
    /// Training samples per second in this epoch so far, validation not counted.
    pub samples_per_second: f64,
    /// At the end of an epoch: the share of validation samples that each exit alone classifies correctly, in the recipe's
    /// order, the end of the trunk last.
    pub validation: Option<Vec<f64>>,
}

/// What a training does besides training.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control<'a> {
    /// A file to write after every epoch, and to go on from where it is there: the weights at the end are the same, bit for
    /// bit, as without the interruption.
    pub checkpoint: Option<&'a Path>,
    /// Stops the training with [`TrainError::Stopped`] before the next batch once it is true.
    pub stop: Option<&'a AtomicBool>,
}

/// Trains the network of `recipe` from its seed on `train`, and measures it on `validation` after every epoch.
///
/// The loss is the mean over the batch of Σ over the exits of `loss_weight` × cross-entropy, the end of the trunk with
/// weight 1, plus `l2 / 2 · Σ w²`. In the first `backbone_epochs` only the end of the trunk counts and only the trunk
/// moves; then the optimiser starts anew with everything (the mixed regime of arXiv 2407.14320). Same recipe and data give
/// the same weights, bit for bit, on any number of threads; junctions without zeros use matrix products that differ in the
/// last bits between instruction sets.
///
/// # Errors
/// If the recipe is inconsistent, a data set is empty or does not fit the recipe, a batch is larger than the training
/// set, or the loss is no longer finite.
pub fn train(
    recipe: &Recipe,
    train: &Dataset,
    validation: &Dataset,
    progress: impl FnMut(&Progress) + Send,
) -> Result<Trained, TrainError> {
    train_with(recipe, train, validation, Control::default(), progress)
}

/// As [`train()`], with checkpoints and a way to stop.
///
/// # Errors
/// As [`train()`]; if a checkpoint cannot be written, or the one that is there belongs to another recipe, seed or data; and
/// when it is stopped.
pub fn train_with(
    recipe: &Recipe,
    train: &Dataset,
    validation: &Dataset,
    control: Control<'_>,
    mut progress: impl FnMut(&Progress) + Send,
) -> Result<Trained, TrainError> {
    let inconsistent = |error| TrainError::Recipe(Box::new(error));
    recipe.check().map_err(inconsistent)?;
    let seed = recipe.training.seed;
    let drawn = |placed: &PlacedJunction<'_>| {
        let mask = placed.mask(seed);
        let mask = mask.map_err(|source| inconsistent(RecipeError::Pattern { junction: placed.id, source }))?;
        Ok::<_, TrainError>(Junction::new(&mask))
    };
    let network = plan::network(recipe, drawn)?;
    let parameters = Parameters::initial(&network, &mut order::rng(seed, Stream::Weights));
    run(Trained::new(recipe.clone(), network, parameters), |_| true, train, validation, control, &mut progress)
}

/// Trains a network further by `settings`, its masks as they are: those of its junctions for which `learns` is true, the
/// others frozen. Progress, loss and errors are those of [`train`]; the settings become the recipe's.
///
/// # Errors
/// As [`train`].
pub fn fine_tune(
    trained: Trained,
    settings: &Training,
    learns: impl Fn(JunctionId) -> bool,
    train: &Dataset,
    validation: &Dataset,
    progress: impl FnMut(&Progress) + Send,
) -> Result<Trained, TrainError> {
    fine_tune_with(trained, settings, learns, (train, validation), Control::default(), progress)
}

/// As [`fine_tune`], with checkpoints and a way to stop.
pub(crate) fn fine_tune_with(
    mut trained: Trained,
    settings: &Training,
    learns: impl Fn(JunctionId) -> bool,
    (train, validation): (&Dataset, &Dataset),
    control: Control<'_>,
    mut progress: impl FnMut(&Progress) + Send,
) -> Result<Trained, TrainError> {
    trained.recipe_mut().training = settings.clone();
    trained.recipe().check().map_err(|error| TrainError::Recipe(Box::new(error)))?;
    run(trained, learns, train, validation, control, &mut progress)
}

/// Trains from where `trained` stands, by its recipe, which has been checked.
fn run(
    trained: Trained,
    learns: impl Fn(JunctionId) -> bool,
    train: &Dataset,
    validation: &Dataset,
    control: Control<'_>,
    progress: &mut (impl FnMut(&Progress) + Send),
) -> Result<Trained, TrainError> {
    let (recipe, network, parameters) = trained.into_parts();
    for (set, dataset) in [("training", train), ("validation", validation)] {
        data::check(dataset, recipe.input.width, recipe.classes).map_err(|source| TrainError::Data { set, source })?;
    }
    let settings = &recipe.training;
    if settings.batch == 0 || settings.batch > train.len() {
        return Err(TrainError::Batch { batch: settings.batch, samples: train.len() });
    }
    let learns: Vec<bool> = recipe.placed_junctions().iter().map(|placed| learns(placed.id)).collect();
    let mut run = Run::new(&network, &recipe, train, control, parameters, learns);
    // Within the thread pool: a batch then starts without waking threads from outside.
    rayon::scope(|_| run.all(validation, progress))?;
    let parameters = run.finish();
    Ok(Trained::new(recipe, network, parameters))
}

/// What an epoch trains.
struct Phase {
    /// Of each exit's cross-entropy.
    loss_weights: Vec<f32>,
    /// Which nodes move.
    trained: Vec<bool>,
    /// Which nodes the backward pass has to reach.
    reached: Vec<bool>,
}

struct Run<'a> {
    network: &'a Network,
    passes: Passes<'a>,
    recipe: &'a Recipe,
    settings: &'a Training,
    control: Control<'a>,
    train: &'a Dataset,
    state: State,
    /// Which junctions are trained.
    learns: Vec<bool>,
    shards: Vec<Shard>,
    order: Vec<u32>,
    rng: rand_chacha::ChaCha8Rng,
    loss: f64,
    samples_per_second: f64,
}

impl<'a> Run<'a> {
    fn new(
        network: &'a Network,
        recipe: &'a Recipe,
        train: &'a Dataset,
        control: Control<'a>,
        parameters: Vec<Parameters>,
        learns: Vec<bool>,
    ) -> Self {
        let settings = &recipe.training;
        let shards = (0..settings.batch).step_by(SHARD).map(|_| network.shard(SHARD.min(settings.batch), true));
        Self {
            network,
            passes: network.passes(),
            recipe,
            settings,
            control,
            train,
            state: State { epoch: 0, parameters, optimiser: Optimiser::new(network, settings), best: None },
            learns,
            shards: shards.collect(),
            order: (0..train.len() as u32).collect(),
            rng: order::rng(settings.seed, Stream::Order),
            loss: 0.0,
            samples_per_second: 0.0,
        }
    }

    /// Every epoch that is left.
    fn all(&mut self, validation: &Dataset, progress: &mut impl FnMut(&Progress)) -> Result<(), TrainError> {
        if let Some(path) = self.control.checkpoint
            && let Some(state) = self.state.clone().load(path, self.recipe, self.train)?
        {
            self.state = state;
            (0..self.state.epoch).for_each(|_| order::shuffle(&mut self.order, &mut self.rng));
        }
        while self.state.epoch < self.settings.epochs && !self.has_stalled() {
            let epoch = self.state.epoch + 1;
            if epoch == self.settings.backbone_epochs + 1 {
                self.state.optimiser = Optimiser::new(self.network, self.settings);
            }
            self.epoch(epoch, progress)?;
            let end = self.end_of_epoch(epoch, validation)?;
            progress(&end);
        }
        Ok(())
    }

    /// Whether `patience` epochs have passed without a better one.
    fn has_stalled(&self) -> bool {
        let waited = |best: &Best| self.state.epoch.saturating_sub(best.epoch) >= self.settings.patience;
        self.settings.patience > 0 && self.state.best.as_ref().is_some_and(waited)
    }

    fn finish(self) -> Vec<Parameters> {
        match self.state.best {
            Some(best) if self.settings.patience > 0 => best.parameters,
            _ => self.state.parameters,
        }
    }

    fn batches(&self) -> usize {
        self.train.len().div_ceil(self.settings.batch)
    }

    fn epoch(&mut self, epoch: usize, progress: &mut impl FnMut(&Progress)) -> Result<(), TrainError> {
        order::shuffle(&mut self.order, &mut self.rng);
        let (start, mut total, mut seen) = (Instant::now(), 0.0, 0);
        let (phase, order) = (self.phase(epoch), core::mem::take(&mut self.order));
        for (batch, samples) in order.chunks(self.settings.batch).enumerate() {
            if self.control.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(TrainError::Stopped { epoch, saved: self.is_saved() });
            }
            let loss = self.batch(&phase, (epoch - 1) * self.batches() + batch, samples);
            if !loss.is_finite() {
                return Err(self.diverged(epoch, batch + 1));
            }
            total += loss;
            seen += samples.len();
            self.loss = total / seen as f64;
            self.samples_per_second = seen as f64 / start.elapsed().as_secs_f64();
            progress(&self.progress(epoch, batch + 1));
        }
        self.order = order;
        Ok(())
    }

    fn phase(&self, epoch: usize) -> Phase {
        let backbone = epoch <= self.settings.backbone_epochs;
        let mut trained = self.network.trained(backbone);
        trained.iter_mut().zip(&self.learns).for_each(|(trained, learns)| *trained &= learns);
        Phase { loss_weights: self.network.loss_weights(backbone), reached: self.network.reached(&trained), trained }
    }

    /// One step; the sum over the samples of their losses before it.
    fn batch(&mut self, phase: &Phase, step: usize, samples: &[u32]) -> f64 {
        let rate = learning_rate(self.settings, step, self.settings.epochs * self.batches());
        let (passes, train, parameters) = (&self.passes, self.train, &self.state.parameters);
        let shards = &mut self.shards[..samples.len().div_ceil(SHARD)];
        shards.par_iter_mut().zip(samples.par_chunks(SHARD)).for_each(|(shard, part)| {
            let sample = |&sample: &u32| (train.sample(sample as usize), train.label(sample as usize));
            passes.fill(shard, part.iter().map(sample));
            passes.forward(parameters, shard);
            passes.backward(parameters, shard, &phase.loss_weights, samples.len(), &phase.reached);
        });
        let weighted = |shard: &Shard| -> f64 {
            phase.loss_weights.iter().zip(&shard.losses).map(|(&weight, loss)| f64::from(weight) * loss).sum()
        };
        let loss = shards.iter().map(weighted).sum();
        self.state.optimiser.step(passes.kernels(), &mut self.state.parameters, shards, &phase.trained, rate);
        loss
    }

    fn end_of_epoch(&mut self, epoch: usize, validation: &Dataset) -> Result<Progress, TrainError> {
        if !self.state.parameters.iter().all(Parameters::is_finite) {
            return Err(self.diverged(epoch, self.batches()));
        }
        let accuracies = data::accuracies(self.network, &self.state.parameters, validation);
        let accuracy = accuracies.last().copied().unwrap_or_default();
        self.state.epoch = epoch;
        if self.settings.patience > 0 && self.state.best.as_ref().is_none_or(|best| accuracy > best.accuracy) {
            self.state.best = Some(Best { epoch, accuracy, parameters: self.state.parameters.clone() });
        }
        if let Some(path) = self.control.checkpoint {
            self.state.save(path, self.recipe, self.train)?;
        }
        Ok(Progress { validation: Some(accuracies), ..self.progress(epoch, self.batches()) })
    }

    fn progress(&self, epoch: usize, batch: usize) -> Progress {
        Progress {
            epoch,
            epochs: self.settings.epochs,
            batch,
            batches: self.batches(),
            loss: self.loss,
            samples_per_second: self.samples_per_second,
            validation: None,
        }
    }

    /// Whether there is a checkpoint of the last epoch that was finished.
    fn is_saved(&self) -> bool {
        self.control.checkpoint.is_some() && self.state.epoch > 0
    }

    fn diverged(&self, epoch: usize, batch: usize) -> TrainError {
        let saved = self.is_saved();
        TrainError::Diverged { epoch, batch, learning_rate: self.settings.learning_rate, saved }
    }
}
