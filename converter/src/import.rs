//! From a file of tensors and a recipe to a network.

use std::path::PathBuf;

use lacewing_models::names::{RECIPE_KEY, VERSION, VERSION_KEY};
use lacewing_models::recipe::{Layout, PlacedJunction, Recipe};
use lacewing_models::{JunctionId, Mask, RecipeError};
use thiserror::Error;

use crate::edges::EdgesBuilder;
use crate::layers::Folded;
use crate::network::{Network, TrainedExit, TrainedJunction};
use crate::reading::Reading;
use crate::settled::SettleError;
use crate::source::{Source, SourceError, Tensor};

/// A network could not be made of a file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file, or one of its tensors, cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Weights that were read cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The recipe in the file is refused.
    #[error("the recipe inside {path} is refused: {error}")]
    EmbeddedRecipe {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<RecipeError>,
    },
    /// The recipe made of the file's layers, with what was asked for beside, is impossible.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The names of the file's tensors do not tell its layers, or tell some that are not supported.
    #[error("{path}: {reason}; {advice}")]
    Convention {
        /// The file.
        path: PathBuf,
        /// What cannot be told, or converted.
        reason: String,
        /// What is supported, and whether a recipe helps.
        advice: &'static str,
    },
    /// There is no exit at a place where one is asked for.
    #[error(
        "{path} has no exit behind junction {after}; it has exits behind: {}; lacewing fit-exit trains one",
        list(there)
    )]
    NoExit {
        /// The file.
        path: PathBuf,
        /// The place asked for, from 1.
        after: usize,
        /// The places of its exits.
        there: Vec<usize>,
    },
    /// What was folded into a junction takes its numbers beyond f32.
    #[error("{path}: {junction} is beyond f32 once the layers around it are folded into it: its variance is too small")]
    Folding {
        /// The file.
        path: PathBuf,
        /// The junction.
        junction: JunctionId,
    },
    /// The file was written by a version that names tensors in another way.
    #[error("{path} has version {found:?} of the trained-network format, this program reads {VERSION}: update it")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: String,
    },
    /// A tensor is not there.
    #[error("{path}: there is no tensor {name} (the {what} of {junction}); there are: {present}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The name looked for.
        name: String,
        /// Weights, biases or mask.
        what: &'static str,
        /// Of which junction.
        junction: JunctionId,
        /// The names that are there.
        present: String,
    },
    /// A tensor has another shape than the recipe says.
    #[error("{path}: tensor {name} has shape {found:?}, {junction} needs {wanted:?}{hint}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Of which junction.
        junction: JunctionId,
        /// Its shape.
        found: Box<[usize]>,
        /// The shape that the recipe's widths give.
        wanted: Box<[usize]>,
        /// What to do, where it is known.
        hint: &'static str,
    },
    /// A weight or bias is NaN, infinite or beyond f32.
    #[error("{path}: tensor {name} holds {value} at {position:?}: train again, weights must be finite f32 numbers")]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// NaN or an infinity.
        value: f32,
        /// Where in the tensor, from 0.
        position: Vec<usize>,
    },
    /// A mask entry is neither 0 nor 1.
    #[error("{path}: mask {name} holds {value} at {position:?}: a mask has 1 for an edge and 0 for none")]
    MaskEntry {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What was found.
        value: f32,
        /// Where in the tensor, from 0.
        position: Vec<usize>,
    },
}

/// A network, the recipe it was read with, and what is worth knowing about how it was read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The network.
    pub network: Network,
    /// The recipe.
    pub recipe: Recipe,
    /// In words: weights dropped because a mask says there is no edge, tensors that were not there.
    pub warnings: Vec<String>,
}

/// The recipe that a file carries, if it does.
///
/// # Errors
/// It carries one that is refused, or is of an unknown version.
pub fn embedded_recipe(source: &Source) -> Result<Option<Recipe>, ImportError> {
    let path = source.path();
    if let Some(found) = source.metadata(VERSION_KEY).filter(|version| *version != VERSION) {
        return Err(ImportError::Version { path: path.into(), found: found.into() });
    }
    let parsed = source.metadata(RECIPE_KEY).map(Recipe::parse).transpose();
    parsed.map_err(|error| ImportError::EmbeddedRecipe { path: path.into(), error: error.into() })
}

fn list(places: &[usize]) -> String {
    let places: Vec<String> = places.iter().map(usize::to_string).collect();
    if places.is_empty() { "none".into() } else { places.join(", ") }
}

/// Reads the network that `recipe` describes, which must be checked: each junction's weights, its biases where there are
/// any, and its mask where there is one; else exact zeros, of either sign, are the absence of edges.
///
/// # Errors
/// A tensor is missing, broken, of another shape, or holds what is no weight or mask.
pub fn import(source: &mut Source, recipe: Recipe) -> Result<Imported, ImportError> {
    import_reading(source, Reading::by_recipe(recipe))
}

/// Reads the network that a reading describes, as [`import`] does; one junction's tensors are in memory at a time.
///
/// # Errors
/// As [`import`], and if a junction's numbers leave f32 when other layers are folded into it.
pub fn import_reading(source: &mut Source, reading: Reading) -> Result<Imported, ImportError> {
    import_reading_with(source, reading, &|_| {})
}

/// As [`import_reading`]; `progress` is told the share of the weights that has been read, 0 to 1.
///
/// # Errors
/// As [`import_reading`].
pub fn import_reading_with(
    source: &mut Source,
    reading: Reading,
    progress: &dyn Fn(f64),
) -> Result<Imported, ImportError> {
    let recipe = &reading.recipe;
    let places = recipe.placed_junctions().iter().map(|placed| placed.n_in * placed.n_out()).sum();
    let layout = recipe.tensors.layout;
    let mut reader = Reader { layout, warnings: reading.notes.clone(), source, progress, places, done: 0 };
    let mut network = Network {
        name: recipe.name.clone(),
        classes: recipe.classes,
        class_names: recipe.class_names.clone(),
        input: recipe.input,
        trunk: Vec::new(),
        exits: Vec::new(),
        split: recipe.split,
    };
    network.exits.extend(recipe.exits.iter().map(|exit| TrainedExit {
        after: exit.after,
        metric: exit.metric,
        threshold: exit.threshold,
        temperature: exit.temperature,
        branch: Vec::new(),
    }));
    for placed in recipe.placed_junctions() {
        let junction = match reading.folded(placed.id) {
            Some(folded) => reader.folded(&placed, folded)?,
            None => reader.by_recipe(&placed)?,
        };
        match placed.id {
            JunctionId::Trunk(_) => network.trunk.push(junction),
            JunctionId::Exit { exit, .. } => {
                if let Some(exit) = network.exits.get_mut(exit - 1) {
                    exit.branch.push(junction);
                }
            }
        }
    }
    let warnings = reader.warnings;
    Ok(Imported { network, recipe: reading.recipe, warnings })
}

struct Reader<'s> {
    source: &'s mut Source,
    layout: Layout,
    warnings: Vec<String>,
    progress: &'s dyn Fn(f64),
    /// Possible edges of all junctions, and of those read.
    places: usize,
    done: usize,
}

impl Reader<'_> {
    /// A junction by the names that the recipe gives, or by those that its place gives.
    fn by_recipe(&mut self, placed: &PlacedJunction<'_>) -> Result<TrainedJunction, ImportError> {
        let names = &placed.recipe.tensors;
        let (weight, bias, mask) = (placed.weight_name(), placed.bias_name(), placed.mask_name());
        let junction = self.junction(placed, self.layout, &weight, Some((&bias, names.bias.is_some())), |reader| {
            let found = reader.matrix(&mask, placed, reader.layout)?;
            if found.is_none() && names.mask.is_some() {
                return Err(reader.missing(mask.clone(), "mask", placed.id));
            }
            Ok(found.map(|found| (mask.clone(), found)))
        })?;
        if junction.bias.is_empty() {
            self.warnings.push(format!("{} has no tensor {bias}: it gets no biases", placed.id));
        }
        Ok(junction)
    }

    /// A junction as the file describes it, with the layers around it folded in.
    fn folded(&mut self, placed: &PlacedJunction<'_>, folded: &Folded) -> Result<TrainedJunction, ImportError> {
        let weights = &folded.weights;
        let bias = weights.bias.as_deref().map(|bias| (bias, true));
        let mut junction = self.junction(placed, weights.layout, &weights.weight, bias, |reader| {
            let Some(name) = &weights.mask else { return Ok(None) };
            let found = reader.matrix(name, placed, weights.layout)?;
            found
                .map(|found| Some((name.clone(), found)))
                .ok_or_else(|| reader.missing(name.clone(), "mask", placed.id))
        })?;
        if folded.before.is_some() || folded.after.is_some() {
            junction.fold(folded.before.as_ref(), folded.after.as_ref())?;
            let weights = junction.edges.rows().flat_map(|(_, weights)| weights);
            if !weights.chain(&junction.bias).all(|value| value.is_finite()) {
                return Err(ImportError::Folding { path: self.source.path().into(), junction: placed.id });
            }
        }
        Ok(junction)
    }

    /// A junction by its tensors' names; `bias` says whether it has to be there. One large tensor is in memory at a time: of
    /// a mask, bits are kept.
    fn junction(
        &mut self,
        placed: &PlacedJunction<'_>,
        layout: Layout,
        weight_name: &str,
        bias: Option<(&str, bool)>,
        mask: impl FnOnce(&mut Self) -> Result<Option<(String, Tensor)>, ImportError>,
    ) -> Result<TrainedJunction, ImportError> {
        let (n_in, n_out, id) = (placed.n_in, placed.n_out(), placed.id);
        let mask = match mask(self)? {
            None => None,
            Some((name, mask)) => {
                self.binary(&name, &mask)?;
                let mut edges = Mask::empty(n_in, n_out);
                for_rows(&mask.values, layout, (n_in, n_out), |output, row| {
                    let there = row.iter().enumerate().filter(|(_, entry)| **entry != 0.0);
                    there.for_each(|(input, _)| edges.insert(output, input));
                });
                Some((name, edges))
            }
        };
        let Some(weights) = self.matrix(weight_name, placed, layout)? else {
            return Err(self.missing(weight_name.into(), "weights", id));
        };
        self.finite(weight_name, &weights)?;
        // The recipe was checked: widths fit.
        let width = u16::try_from(n_in).unwrap_or(u16::MAX);
        let (mut edges, mut dropped) = (EdgesBuilder::new(width), 0usize);
        for_rows(&weights.values, layout, (n_in, n_out), |output, row| {
            for (input, weight) in (0..width).zip(row) {
                let edge = match &mask {
                    None => *weight != 0.0,
                    Some((_, mask)) => mask.contains(output, usize::from(input)),
                };
                if edge {
                    edges.push(input, *weight);
                } else {
                    dropped += usize::from(*weight != 0.0);
                }
            }
            edges.end_row();
            self.done += n_in;
            (self.progress)(self.done as f64 / self.places.max(1) as f64);
        });
        drop(weights);
        let edges = edges.finished()?;
        let bias = match bias {
            None => Vec::new(),
            Some((name, required)) => match self.shaped(name, id, &[n_out], "")? {
                Some(bias) => {
                    self.finite(name, &bias)?;
                    bias.values
                }
                None if required => return Err(self.missing(name.into(), "biases", id)),
                None => Vec::new(),
            },
        };
        if let Some((name, _)) = mask.filter(|_| dropped > 0) {
            let places = if dropped == 1 { "1 weight" } else { &format!("{dropped} weights") };
            self.warnings.push(format!("{id}: {places} outside the mask {name} dropped, though not zero"));
        }
        Ok(TrainedJunction { id, edges, bias, activation: placed.recipe.activation })
    }

    /// A matrix of the junction's shape, in the order of axes that the file has.
    fn matrix(
        &mut self,
        name: &str,
        placed: &PlacedJunction<'_>,
        layout: Layout,
    ) -> Result<Option<Tensor>, ImportError> {
        let (n_in, n_out) = (placed.n_in, placed.n_out());
        let (shape, hint) = match layout {
            Layout::OutIn => {
                ([n_out, n_in], "; it fits transposed: set layout = \"in_out\" under [tensors] in the recipe")
            }
            Layout::InOut => {
                ([n_in, n_out], "; it fits transposed: set layout = \"out_in\" under [tensors] in the recipe")
            }
        };
        self.shaped(name, placed.id, &shape, hint)
    }

    /// A tensor of exactly this shape; `hint` is given where it has the transposed one.
    fn shaped(
        &mut self,
        name: &str,
        id: JunctionId,
        wanted: &[usize],
        hint: &'static str,
    ) -> Result<Option<Tensor>, ImportError> {
        let values = wanted.iter().product();
        let Some(tensor) = self.source.tensor(name, values)? else { return Ok(None) };
        if tensor.shape != wanted || tensor.values.len() != values {
            let fits_transposed = tensor.shape.iter().rev().eq(wanted);
            return Err(self.shape_error(name, id, tensor.shape, wanted, if fits_transposed { hint } else { "" }));
        }
        Ok(Some(tensor))
    }

    fn shape_error(
        &self,
        name: &str,
        junction: JunctionId,
        found: Vec<usize>,
        wanted: &[usize],
        hint: &'static str,
    ) -> ImportError {
        let (path, name) = (self.source.path().into(), name.into());
        ImportError::Shape { path, name, junction, found: found.into(), wanted: wanted.into(), hint }
    }

    fn missing(&self, name: String, what: &'static str, junction: JunctionId) -> ImportError {
        const SHOWN: usize = 32;
        let names = self.source.names();
        let mut present = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            present.push_str("none");
        } else if names.len() > SHOWN {
            present.push_str(&format!(" and {} more", names.len() - SHOWN));
        }
        ImportError::Missing { path: self.source.path().into(), name, what, junction, present }
    }

    fn finite(&self, name: &str, tensor: &Tensor) -> Result<(), ImportError> {
        let Some((at, value)) = tensor.values.iter().enumerate().find(|(_, value)| !value.is_finite()) else {
            return Ok(());
        };
        let (path, position) = (self.source.path().into(), position(tensor, at));
        Err(ImportError::NotFinite { path, name: name.into(), value: *value, position })
    }

    fn binary(&self, name: &str, mask: &Tensor) -> Result<(), ImportError> {
        let Some((at, value)) = mask.values.iter().enumerate().find(|(_, value)| **value != 0.0 && **value != 1.0)
        else {
            return Ok(());
        };
        let (path, position) = (self.source.path().into(), position(mask, at));
        Err(ImportError::MaskEntry { path, name: name.into(), value: *value, position })
    }
}

/// Where value `at` of a vector or matrix stands.
fn position(tensor: &Tensor, at: usize) -> Vec<usize> {
    match tensor.shape[..] {
        [_, columns] if columns > 0 => vec![at / columns, at % columns],
        _ => vec![at],
    }
}

/// Outputs that are brought together where a matrix has its inputs first: a cache line of values.
const TILE: usize = 16;

/// Every output with its row of a matrix `(n_in, n_out)`, stored in `layout`, without turning the whole.
fn for_rows(values: &[f32], layout: Layout, (n_in, n_out): (usize, usize), mut row: impl FnMut(usize, &[f32])) {
    match layout {
        Layout::OutIn => values.chunks_exact(n_in.max(1)).enumerate().for_each(|(output, values)| row(output, values)),
        Layout::InOut => {
            let mut tile = vec![0.0; TILE * n_in];
            for first in (0..n_out).step_by(TILE) {
                let outputs = first..n_out.min(first + TILE);
                for (input, values) in values.chunks_exact(n_out.max(1)).enumerate() {
                    let values = values.get(outputs.clone()).unwrap_or_default();
                    for (column, value) in tile.chunks_exact_mut(n_in).zip(values) {
                        column.get_mut(input).into_iter().for_each(|place| *place = *value);
                    }
                }
                outputs.zip(tile.chunks_exact(n_in)).for_each(|(output, values)| row(output, values));
            }
        }
    }
}
