//! A network in memory as the trainer's file: how one from another framework gets into training.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use lacewing_models::recipe::{ExitRecipe, JunctionRecipe, TensorNames, Tensors};
use lacewing_models::{Pattern, Recipe, names};
use safetensors::{Dtype, SafeTensorError, View, serialize};

use crate::network::{Network, TrainedJunction};
use crate::write::{WriteError, write};

/// The recipe of `network` by itself: its shape, exits and split, and tensors under their usual names. How it is trained, and
/// what its images become, is from `like`; patterns are its too where it says one for every junction, else they are dense, and
/// the masks say the rest.
#[must_use]
pub fn recipe_of(network: &Network, like: &Recipe) -> Recipe {
    let junction = |junction: &TrainedJunction, like: Option<&JunctionRecipe>| JunctionRecipe {
        outputs: junction.edges.n_out(),
        activation: junction.activation,
        pattern: like.map_or(Pattern::Dense, |like| like.pattern),
        tensors: TensorNames::default(),
    };
    let list = |junctions: &[TrainedJunction], like: &[JunctionRecipe]| {
        junctions.iter().enumerate().map(|(at, made)| junction(made, like.get(at))).collect()
    };
    let exits = network.exits.iter().enumerate().map(|(at, exit)| ExitRecipe {
        after: exit.after,
        metric: exit.metric,
        threshold: exit.threshold,
        temperature: exit.temperature,
        loss_weight: like.exits.get(at).map_or(1.0, |like| like.loss_weight),
        junctions: list(&exit.branch, like.exits.get(at).map_or(&[], |like| &like.junctions)),
    });
    Recipe {
        name: network.name.clone(),
        classes: network.classes,
        class_names: network.class_names.clone(),
        input: network.input,
        junctions: list(&network.trunk, &like.junctions),
        exits: exits.collect(),
        split: network.split,
        training: like.training.clone(),
        tensors: Tensors::default(),
    }
}

/// Writes `network` as a trained-network file (safetensors, with the recipe inside), which `lacewing_training` and
/// [`convert`](crate::convert::convert) read.
///
/// # Errors
/// The file cannot be written.
pub fn write_trained(path: &Path, network: &Network, recipe: &Recipe) -> Result<(), WriteError> {
    let mut tensors = Vec::new();
    for junction in network.junctions() {
        let (id, edges) = (junction.id, &junction.edges);
        let (n_out, n_in) = (edges.n_out(), edges.n_in());
        let mut mask = vec![0; n_in * n_out];
        for ((inputs, _), row) in edges.rows().zip(mask.chunks_exact_mut(n_in)) {
            for input in inputs {
                row.get_mut(usize::from(*input)).into_iter().for_each(|place| *place = 1);
            }
        }
        let bias: Vec<f32> = (0..n_out).map(|output| junction.bias.get(output).copied().unwrap_or(0.0)).collect();
        tensors.push((
            id.weight(),
            Raw { dtype: Dtype::F32, shape: vec![n_out, n_in], bytes: bytes_of(&edges.to_dense()) },
        ));
        tensors.push((id.bias(), Raw { dtype: Dtype::F32, shape: vec![n_out], bytes: bytes_of(&bias) }));
        tensors.push((id.mask(), Raw { dtype: Dtype::U8, shape: vec![n_out, n_in], bytes: mask }));
    }
    let entry = |key: &str, value: String| (key.to_owned(), value);
    let metadata = HashMap::from([
        entry(names::RECIPE_KEY, recipe.to_toml()),
        entry(names::VERSION_KEY, names::VERSION.to_owned()),
    ]);
    let refused = |error: SafeTensorError| WriteError { path: path.into(), error: std::io::Error::other(error) };
    write(path, &serialize(tensors, Some(metadata)).map_err(refused)?)
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Raw {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (&self.bytes).into()
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
