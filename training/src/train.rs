//! The training loop.

use std::time::Instant;

use lacewing_models::recipe::{PlacedJunction, Training};
use lacewing_models::{Dataset, Recipe, RecipeError};
use rayon::prelude::*;

use crate::adam::Adam;
use crate::error::TrainError;
use crate::network::{Network, Passes, Shard};
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

/// Trains the network of `recipe` from its seed on `train`, and measures it on `validation` after every epoch.
///
/// The loss is the mean over the batch of Σ over the exits of `loss_weight` × cross-entropy, the end of the trunk with
/// weight 1, plus `l2 / 2 · Σ w²`. Same recipe and data give the same weights, bit for bit, on any number of threads;
/// junctions without zeros use matrix products that differ in the last bits between instruction sets.
///
/// # Errors
/// If the recipe is inconsistent, a data set is empty or does not fit the recipe, a batch is larger than the training
/// set, or the loss is no longer finite.
pub fn train(
    recipe: &Recipe,
    train: &Dataset,
    validation: &Dataset,
    mut progress: impl FnMut(&Progress),
) -> Result<Trained, TrainError> {
    let inconsistent = |error| TrainError::Recipe(Box::new(error));
    recipe.check().map_err(inconsistent)?;
    for (set, dataset) in [("training", train), ("validation", validation)] {
        data::check(dataset, recipe.input.width, recipe.classes).map_err(|source| TrainError::Data { set, source })?;
    }
    let settings = &recipe.training;
    if settings.batch == 0 || settings.batch > train.len() {
        return Err(TrainError::Batch { batch: settings.batch, samples: train.len() });
    }
    let drawn = |placed: &PlacedJunction<'_>| {
        placed.mask(settings.seed).map_err(|source| inconsistent(RecipeError::Pattern { junction: placed.id, source }))
    };
    let network = plan::network(recipe, drawn)?;
    let mut run = Run::new(&network, settings, train);
    for epoch in 1..=settings.epochs {
        run.epoch(epoch, &mut progress)?;
        let end = run.end_of_epoch(epoch, validation)?;
        progress(&end);
    }
    let parameters = run.parameters;
    Ok(Trained::new(recipe.clone(), network, parameters))
}

struct Run<'a> {
    network: &'a Network,
    passes: Passes<'a>,
    settings: &'a Training,
    train: &'a Dataset,
    parameters: Vec<Parameters>,
    adam: Adam,
    shards: Vec<Shard>,
    order: Vec<u32>,
    rng: rand_chacha::ChaCha8Rng,
    step: usize,
    loss: f64,
    samples_per_second: f64,
}

impl<'a> Run<'a> {
    fn new(network: &'a Network, settings: &'a Training, train: &'a Dataset) -> Self {
        Self {
            network,
            passes: network.passes(),
            settings,
            train,
            parameters: Parameters::initial(network, &mut order::rng(settings.seed, Stream::Weights)),
            adam: Adam::new(network, settings.l2),
            shards: (0..settings.batch)
                .step_by(SHARD)
                .map(|_| network.shard(SHARD.min(settings.batch), true))
                .collect(),
            order: (0..train.len() as u32).collect(),
            rng: order::rng(settings.seed, Stream::Order),
            step: 0,
            loss: 0.0,
            samples_per_second: 0.0,
        }
    }

    fn batches(&self) -> usize {
        self.train.len().div_ceil(self.settings.batch)
    }

    fn epoch(&mut self, epoch: usize, progress: &mut impl FnMut(&Progress)) -> Result<(), TrainError> {
        order::shuffle(&mut self.order, &mut self.rng);
        let (start, mut total, mut seen) = (Instant::now(), 0.0, 0);
        let order = core::mem::take(&mut self.order);
        for (batch, samples) in order.chunks(self.settings.batch).enumerate() {
            let loss = self.batch(samples);
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

    /// One step; the sum over the samples of their losses before it.
    fn batch(&mut self, samples: &[u32]) -> f64 {
        let (passes, train, parameters) = (&self.passes, self.train, &self.parameters);
        let n_shards = samples.len().div_ceil(SHARD);
        let shards = &mut self.shards[..n_shards];
        shards.par_iter_mut().zip(samples.par_chunks(SHARD)).for_each(|(shard, part)| {
            passes
                .fill(shard, part.iter().map(|&sample| (train.sample(sample as usize), train.label(sample as usize))));
            passes.forward(parameters, shard);
            passes.backward(parameters, shard, samples.len());
        });
        let weighted = |shard: &Shard| -> f64 {
            passes
                .network
                .exits()
                .iter()
                .zip(&shard.losses)
                .map(|(exit, loss)| f64::from(exit.loss_weight) * loss)
                .sum()
        };
        let loss = shards.iter().map(weighted).sum();
        let steps = self.settings.epochs * self.train.len().div_ceil(self.settings.batch);
        let rate = learning_rate(self.settings, self.step, steps);
        self.adam.step(passes.kernels(), &mut self.parameters, shards, rate);
        self.step += 1;
        loss
    }

    fn end_of_epoch(&self, epoch: usize, validation: &Dataset) -> Result<Progress, TrainError> {
        if !self.parameters.iter().all(Parameters::is_finite) {
            return Err(self.diverged(epoch, self.batches()));
        }
        let validation = Some(data::accuracies(self.network, &self.parameters, validation));
        Ok(Progress { validation, ..self.progress(epoch, self.batches()) })
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

    fn diverged(&self, epoch: usize, batch: usize) -> TrainError {
        TrainError::Diverged { epoch, batch, learning_rate: self.settings.learning_rate }
    }
}
