//! The training loop.

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;
use std::time::Instant;

use lacewing_models::recipe::{PlacedJunction, Training};
use lacewing_models::{Dataset, JunctionId, Recipe, RecipeError};
use rayon::prelude::*;

use crate::checkpoint::{Best, Int8State, State};
use crate::error::TrainError;
use crate::int8::{self, NoScale, Ranges, Scales};
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
    /// Whether the epoch trains for int8: loss and accuracies are then those of the network with int8's rounding.
    pub int8: bool,
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
/// moves; then the optimiser starts anew with everything (the mixed regime of arXiv 2407.14320). Epochs for int8, where the
/// recipe has them, come last, the optimiser anew once more, as [`fit_int8`] does them. Same recipe and data give
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
    let start = Trained::new(recipe.clone(), network, parameters);
    run(start, recipe.training.epochs, |_| true, (train, validation), control, &mut progress)
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
    let epochs = settings.epochs;
    run(trained, epochs, learns, (train, validation), control, &mut progress)
}

/// Trains a network on for int8, by `settings` and their `int8`, whose defaults hold where there is none: all of its exits
/// together, with weights, biases and values rounded as int8 has them, by gradients that pass straight through the rounding
/// (Jacob et al., arXiv 1712.05877). The scales go with the network into its file, and [`Trained::int8`] has it rounded.
///
/// # Errors
/// As [`train`]; the network has an activation without an int8 form, or outputs that are always 0.
pub fn fit_int8(
    mut trained: Trained,
    settings: &Training,
    train: &Dataset,
    validation: &Dataset,
    mut progress: impl FnMut(&Progress) + Send,
) -> Result<Trained, TrainError> {
    let int8 = Some(settings.int8.unwrap_or_default());
    trained.recipe_mut().training = Training { int8, ..settings.clone() };
    trained.recipe().check().map_err(|error| TrainError::Recipe(Box::new(error)))?;
    run(trained, 0, |_| true, (train, validation), Control::default(), &mut progress)
}

/// Trains from where `trained` stands, by its recipe, which has been checked: so many epochs in f32, then those for int8.
fn run(
    trained: Trained,
    epochs: usize,
    learns: impl Fn(JunctionId) -> bool,
    (train, validation): (&Dataset, &Dataset),
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
    let mut run = Run::new(&network, &recipe, (train, epochs), control, parameters, learns);
    // Within the thread pool: a batch then starts without waking threads from outside.
    rayon::scope(|_| run.all(validation, progress))?;
    let (parameters, scales) = run.finish();
    Ok(Trained::new(recipe, network, parameters).with_scales(scales))
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
    /// Those in f32.
    epochs: usize,
    state: State,
    /// In training for int8, what its rounding makes of the parameters.
    rounded: Vec<Parameters>,
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
        (train, epochs): (&'a Dataset, usize),
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
            epochs,
            state: State { epoch: 0, parameters, optimiser: Optimiser::new(network, settings), best: None, int8: None },
            rounded: Vec::new(),
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
        while self.state.int8.is_none() && self.state.epoch < self.epochs && !self.has_stalled() {
            let epoch = self.state.epoch + 1;
            if epoch == self.settings.backbone_epochs + 1 {
                self.state.optimiser = Optimiser::new(self.network, self.settings);
            }
            self.whole_epoch(epoch, validation, progress)?;
        }
        if self.settings.int8.is_some() {
            if self.state.int8.is_none() {
                self.begin_int8()?;
            }
            self.rounded = Parameters::zeros(self.network);
            while self.state.epoch < self.all_epochs() {
                self.whole_epoch(self.state.epoch + 1, validation, progress)?;
            }
        }
        Ok(())
    }

    /// From the network in f32, its best epoch where that is asked for, with an optimiser that remembers nothing.
    fn begin_int8(&mut self) -> Result<(), TrainError> {
        let (state, settings) = (&mut self.state, self.settings);
        if let Some(best) = state.best.take().filter(|_| settings.patience > 0) {
            state.parameters = best.parameters;
        }
        state.optimiser = Optimiser::new(self.network, settings);
        let ranges = Ranges::met(self.network, &self.recipe.input, &state.parameters, self.train);
        let ranges = ranges.map_err(|error| no_scale(self.recipe, error))?;
        state.int8 = Some(Int8State { after: state.epoch, ranges });
        Ok(())
    }

    fn whole_epoch(
        &mut self,
        epoch: usize,
        validation: &Dataset,
        progress: &mut impl FnMut(&Progress),
    ) -> Result<(), TrainError> {
        self.epoch(epoch, progress)?;
        let end = self.end_of_epoch(epoch, validation)?;
        progress(&end);
        Ok(())
    }

    /// Epochs in f32 and for int8, those that early stopping left out not counted once that is known.
    fn all_epochs(&self) -> usize {
        let before = self.state.int8.as_ref().map_or(self.epochs, |int8| int8.after);
        before + self.settings.int8.map_or(0, |int8| int8.epochs)
    }

    /// The learning rate that the stage starts with, its first epoch, from 0, and its number of epochs.
    fn stage(&self) -> (f32, usize, usize) {
        match self.settings.int8.zip(self.state.int8.as_ref()) {
            Some((int8, state)) => (int8.learning_rate, state.after, int8.epochs),
            None => (self.settings.learning_rate, 0, self.epochs),
        }
    }

    /// Whether `patience` epochs have passed without a better one.
    fn has_stalled(&self) -> bool {
        let waited = |best: &Best| self.state.epoch.saturating_sub(best.epoch) >= self.settings.patience;
        self.settings.patience > 0 && self.state.best.as_ref().is_some_and(waited)
    }

    fn finish(self) -> (Vec<Parameters>, Option<Scales>) {
        let scales = self.state.int8.map(|int8| int8.ranges.scales);
        match self.state.best {
            Some(best) if self.settings.patience > 0 => (best.parameters, scales),
            _ => (self.state.parameters, scales),
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
            let (first_rate, first, epochs) = self.stage();
            let step = (epoch - 1 - first) * self.batches() + batch;
            let rate = learning_rate(self.settings.schedule, first_rate, step, epochs * self.batches());
            let loss = self.batch(&phase, rate, samples).map_err(|error| match error {
                NoScale::Beyond => self.diverged(epoch, batch + 1),
                NoScale::Dead(_) => no_scale(self.recipe, error),
            })?;
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
        let backbone = self.state.int8.is_none() && epoch <= self.settings.backbone_epochs;
        let mut trained = self.network.trained(backbone);
        trained.iter_mut().zip(&self.learns).for_each(|(trained, learns)| *trained &= learns);
        Phase { loss_weights: self.network.loss_weights(backbone), reached: self.network.reached(&trained), trained }
    }

    /// One step; the sum over the samples of their losses before it.
    fn batch(&mut self, phase: &Phase, rate: f32, samples: &[u32]) -> Result<f64, NoScale> {
        let (passes, train) = (&self.passes, self.train);
        let scales = self.state.int8.as_ref().map(|int8| &int8.ranges.scales);
        let parameters = match scales {
            Some(scales) => {
                int8::round_parameters(self.network, &self.state.parameters, scales, &mut self.rounded);
                &self.rounded
            }
            None => &self.state.parameters,
        };
        let shards = &mut self.shards[..samples.len().div_ceil(SHARD)];
        shards.par_iter_mut().zip(samples.par_chunks(SHARD)).for_each(|(shard, part)| {
            let sample = |&sample: &u32| (train.sample(sample as usize), train.label(sample as usize));
            passes.fill(shard, part.iter().map(sample));
            passes.forward(parameters, scales, shard);
            passes.backward((parameters, scales), shard, &phase.loss_weights, samples.len(), &phase.reached);
        });
        let weighted = |shard: &Shard| -> f64 {
            phase.loss_weights.iter().zip(&shard.losses).map(|(&weight, loss)| f64::from(weight) * loss).sum()
        };
        let loss = shards.iter().map(weighted).sum();
        self.state.optimiser.step(passes.kernels(), &mut self.state.parameters, shards, &phase.trained, rate);
        self.state.int8.as_mut().map_or(Ok(()), |int8| int8.ranges.follow(shards))?;
        Ok(loss)
    }

    fn end_of_epoch(&mut self, epoch: usize, validation: &Dataset) -> Result<Progress, TrainError> {
        if !self.state.parameters.iter().all(Parameters::is_finite) {
            return Err(self.diverged(epoch, self.batches()));
        }
        let accuracies = match self.state.int8.as_ref().map(|int8| &int8.ranges.scales) {
            Some(scales) => {
                int8::round_parameters(self.network, &self.state.parameters, scales, &mut self.rounded);
                data::accuracies(self.network, &self.rounded, Some(scales), validation)
            }
            None => data::accuracies(self.network, &self.state.parameters, None, validation),
        };
        let accuracy = accuracies.last().copied().unwrap_or_default();
        self.state.epoch = epoch;
        let watched = self.settings.patience > 0 && self.state.int8.is_none();
        if watched && self.state.best.as_ref().is_none_or(|best| accuracy > best.accuracy) {
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
            epochs: self.all_epochs(),
            batch,
            batches: self.batches(),
            loss: self.loss,
            samples_per_second: self.samples_per_second,
            validation: None,
            int8: self.state.int8.is_some(),
        }
    }

    /// Whether there is a checkpoint of the last epoch that was finished.
    fn is_saved(&self) -> bool {
        self.control.checkpoint.is_some() && self.state.epoch > 0
    }

    fn diverged(&self, epoch: usize, batch: usize) -> TrainError {
        let saved = self.is_saved();
        let table = if self.state.int8.is_some() { "training.int8" } else { "training" };
        TrainError::Diverged { epoch, batch, table, learning_rate: self.stage().0, saved }
    }
}

/// Why int8 cannot have the network.
pub(crate) fn no_scale(recipe: &Recipe, error: NoScale) -> TrainError {
    let node = match error {
        NoScale::Dead(node) => node,
        NoScale::Beyond => return TrainError::TooLarge,
    };
    let place = node.and_then(|node| recipe.placed_junctions().get(node).map(|placed| placed.id));
    TrainError::Dead { place: place.map_or_else(|| "the input".to_owned(), |id| format!("what {id} writes")) }
}
