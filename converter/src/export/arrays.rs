//! A network as NumPy arrays, and a recipe that reads them back.

use std::io::Cursor;

use lacewing_engine::Part;
use lacewing_models::recipe::{Tensors, Training};
use lacewing_models::{Pattern, Recipe};
use ndarray::{Array1, Array2};
use ndarray_npy::NpzWriter;

use super::{ExportError, open};
use crate::network::Network;
use crate::trained::recipe_of;

/// The model file `bytes` as an .npz archive, `junction.K.weight` `[n_out, n_in]`, `.bias`, `.mask` and the same of exits, and
/// the recipe (TOML) that reads it. Numbers count from 1 within the file. A head's end is no classifier, so that it has no recipe.
///
/// # Errors
/// It is no model file, or computes in int8.
pub fn arrays(bytes: &[u8]) -> Result<(Vec<u8>, Option<String>), ExportError> {
    let opened = open(bytes)?;
    let archive = archive(&opened.network).map_err(|error| ExportError::Arrays(error.to_string()))?;
    let recipe = match opened.part {
        Part::Head => None,
        _ => Some(recipe(&opened.network)?),
    };
    Ok((archive, recipe))
}

fn recipe(network: &Network) -> Result<String, ExportError> {
    let plain = Recipe {
        name: String::new(),
        classes: network.classes,
        class_names: Vec::new(),
        input: network.input,
        junctions: Vec::new(),
        exits: Vec::new(),
        split: None,
        training: Training::default(),
        tensors: Tensors::default(),
    };
    let recipe = recipe_of(network, &plain);
    debug_assert!(recipe.junctions.iter().all(|junction| junction.pattern == Pattern::Dense));
    recipe.check()?;
    Ok(recipe.to_toml())
}

fn archive(network: &Network) -> Result<Vec<u8>, Box<dyn core::error::Error>> {
    let mut archive = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    for junction in network.junctions() {
        let (id, edges) = (junction.id, &junction.edges);
        let shape = (edges.n_out(), edges.n_in());
        let mut mask = Array2::<u8>::zeros(shape);
        for ((inputs, _), mut row) in edges.rows().zip(mask.outer_iter_mut()) {
            for input in inputs {
                row.get_mut(usize::from(*input)).into_iter().for_each(|place| *place = 1);
            }
        }
        archive.add_array(id.weight(), &Array2::from_shape_vec(shape, edges.to_dense())?)?;
        archive.add_array(id.mask(), &mask)?;
        if !junction.bias.is_empty() {
            archive.add_array(id.bias(), &Array1::from_vec(junction.bias.clone()))?;
        }
    }
    Ok(archive.finish()?.into_inner())
}
