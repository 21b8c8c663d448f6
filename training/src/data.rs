//! Data sets: what is refused, and what a network makes of them.

use lacewing_models::Dataset;
use rayon::prelude::*;

use crate::error::DatasetError;
use crate::loss;
use crate::network::{Network, Shard};
use crate::parameters::Parameters;

/// Samples that one task evaluates.
const SHARD: usize = 64;

/// Whether `dataset` has samples, of `width` values and with labels below `classes`. That the values are finite, a
/// [`Dataset`] guarantees.
pub(crate) fn check(dataset: &Dataset, width: usize, classes: usize) -> Result<(), DatasetError> {
    if dataset.is_empty() {
        return Err(DatasetError::Empty);
    }
    if dataset.width() != width {
        return Err(DatasetError::Width { expected: width, found: dataset.width() });
    }
    match dataset.labels().iter().position(|&label| usize::from(label) >= classes) {
        Some(sample) => Err(DatasetError::Label { sample, label: dataset.label(sample), classes }),
        None => Ok(()),
    }
}

/// What `read` makes of each shard of `dataset` after a forward pass, in order.
pub(crate) fn map_shards<T: Send>(
    network: &Network,
    parameters: &[Parameters],
    dataset: &Dataset,
    read: impl Fn(&Shard) -> T + Sync,
) -> Vec<T> {
    let n_shards = dataset.len().div_ceil(SHARD);
    let passes = network.passes();
    let work = |shard: &mut Shard, k: usize| {
        let samples = k * SHARD..dataset.len().min((k + 1) * SHARD);
        passes.fill(shard, samples.map(|sample| (dataset.sample(sample), dataset.label(sample))));
        passes.forward(parameters, shard);
        read(shard)
    };
    (0..n_shards).into_par_iter().map_init(|| network.shard(SHARD, false), work).collect()
}

/// The share of samples that each exit alone classifies correctly. The data set is not empty.
pub(crate) fn accuracies(network: &Network, parameters: &[Parameters], dataset: &Dataset) -> Vec<f64> {
    let correct = |shard: &Shard| -> Vec<usize> {
        let count = |logits| {
            let classes = loss::classes(logits, shard.width(), shard.labels().len());
            classes.zip(shard.labels()).filter(|&(class, &label)| class == usize::from(label)).count()
        };
        network.exits().iter().map(|&exit| count(shard.logits(exit))).collect()
    };
    let mut totals = vec![0; network.exits().len()];
    for counts in map_shards(network, parameters, dataset, correct) {
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    totals.into_iter().map(|correct| correct as f64 / dataset.len() as f64).collect()
}
