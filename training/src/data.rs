//! Data sets: what is refused, and what a network makes of them.

use lacewing_models::Dataset;
use rayon::prelude::*;

use crate::error::DatasetError;
use crate::int8::Scales;
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

/// What `read` makes of each shard of every `every`-th sample of `dataset` after a forward pass, in order; the parameters are rounded
/// already where the pass is for int8.
pub(crate) fn map_shards<T: Send>(
    network: &Network,
    parameters: &[Parameters],
    int8: Option<&Scales>,
    (dataset, every): (&Dataset, usize),
    read: impl Fn(&Shard) -> T + Sync,
) -> Vec<T> {
    let every = every.max(1);
    let samples = dataset.len().div_ceil(every);
    let passes = network.passes();
    let work = |shard: &mut Shard, k: usize| {
        let samples = (k * SHARD..samples.min((k + 1) * SHARD)).map(|at| at * every);
        passes.fill(shard, samples.map(|sample| (dataset.sample(sample), dataset.label(sample))));
        passes.forward(parameters, int8, shard);
        read(shard)
    };
    (0..samples.div_ceil(SHARD)).into_par_iter().map_init(|| network.shard(SHARD, false), work).collect()
}

/// The share of samples that each exit alone classifies correctly. The data set is not empty.
pub(crate) fn accuracies(
    network: &Network,
    parameters: &[Parameters],
    int8: Option<&Scales>,
    dataset: &Dataset,
) -> Vec<f64> {
    let correct = |shard: &Shard| -> Vec<usize> {
        let count = |logits| {
            let classes = loss::classes(logits, shard.width(), shard.labels().len());
            classes.zip(shard.labels()).filter(|&(class, &label)| class == usize::from(label)).count()
        };
        network.exits().iter().map(|&exit| count(shard.logits(exit))).collect()
    };
    let mut totals = vec![0; network.exits().len()];
    for counts in map_shards(network, parameters, int8, (dataset, 1), correct) {
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
    }
    totals.into_iter().map(|correct| correct as f64 / dataset.len() as f64).collect()
}
