//! A trained network: evaluating, writing, reading.

use std::path::Path;

use lacewing_models::recipe::ExitRecipe;
use lacewing_models::{Dataset, JunctionId, Recipe, RecipeError};

use crate::error::{DatasetError, FileError, TrainError};
use crate::int8::{self, Ranges, Scales};
use crate::junction::Junction;
use crate::network::{Network, Shard};
use crate::order::{self, Stream};
use crate::parameters::Parameters;
use crate::train::no_scale;
use crate::{data, file, plan};

/// A network with its recipe, masks, weights and biases.
#[derive(Clone, Debug)]
pub struct Trained {
    recipe: Recipe,
    network: Network,
    parameters: Vec<Parameters>,
    scales: Option<Scales>,
}

/// A network as int8 has it: weights, biases and values rounded. The engine's int8 outputs differ now and then, by a step.
#[derive(Debug)]
pub struct Int8<'t> {
    trained: &'t Trained,
    scales: &'t Scales,
    rounded: Vec<Parameters>,
}

impl Int8<'_> {
    /// As [`Trained::accuracies`].
    ///
    /// # Errors
    /// As there.
    pub fn accuracies(&self, dataset: &Dataset) -> Result<Vec<f64>, DatasetError> {
        let Trained { recipe, network, .. } = self.trained;
        data::check(dataset, recipe.input.width, recipe.classes)?;
        Ok(data::accuracies(network, &self.rounded, Some(self.scales), dataset))
    }

    /// As [`Trained::logits`].
    ///
    /// # Errors
    /// As there.
    pub fn logits(&self, dataset: &Dataset) -> Result<Vec<Vec<f32>>, DatasetError> {
        self.trained.logits_of(&self.rounded, Some(self.scales), dataset)
    }
}

impl Trained {
    pub(crate) fn new(recipe: Recipe, network: Network, parameters: Vec<Parameters>) -> Self {
        Self { recipe, network, parameters, scales: None }
    }

    /// With what training for int8 has come to.
    pub(crate) fn with_scales(self, scales: Option<Scales>) -> Self {
        Self { scales, ..self }
    }

    /// The network as int8 has it, where it was trained for that or [calibrated](Self::calibrate_int8).
    #[must_use]
    pub fn int8(&self) -> Option<Int8<'_>> {
        let scales = self.scales.as_ref()?;
        let mut rounded = Parameters::zeros(&self.network);
        int8::round_parameters(&self.network, &self.parameters, scales, &mut rounded);
        Some(Int8 { trained: self, scales, rounded })
    }

    /// Chooses int8's scales from the ranges that values have on some of `dataset`, without training: what
    /// [`fit_int8`](crate::fit_int8) starts from.
    ///
    /// # Errors
    /// The data set is empty or does not fit the network, or a junction's outputs are 0 on all of it.
    pub fn calibrate_int8(&mut self, dataset: &Dataset) -> Result<(), TrainError> {
        let checked = data::check(dataset, self.recipe.input.width, self.recipe.classes);
        checked.map_err(|source| TrainError::Data { set: "calibration", source })?;
        let met = Ranges::met(&self.network, &self.recipe.input, &self.parameters, dataset);
        self.scales = Some(met.map_err(|error| no_scale(&self.recipe, error))?.scales);
        Ok(())
    }

    pub(crate) fn into_parts(self) -> (Recipe, Network, Vec<Parameters>) {
        (self.recipe, self.network, self.parameters)
    }

    pub(crate) const fn recipe_mut(&mut self) -> &mut Recipe {
        &mut self.recipe
    }

    /// Puts an exit into the network, its branch drawn from `seed` and untrained; all else stays as it is. The exit gets
    /// its place among the others by the trunk junction it is behind.
    ///
    /// # Errors
    /// The recipe that results is impossible: there is an exit at that place, no such place, or a branch that does not
    /// fit.
    pub fn with_exit(self, exit: ExitRecipe, seed: u64) -> Result<Self, TrainError> {
        let inconsistent = |error| TrainError::Recipe(Box::new(error));
        let mut recipe = self.recipe;
        let at = recipe.exits.partition_point(|there| there.after < exit.after);
        recipe.exits.insert(at, exit);
        recipe.check().map_err(inconsistent)?;
        let is_new = |id| matches!(id, JunctionId::Exit { exit, .. } if exit == at + 1);
        // Junctions stand in the order in which they run: the new ones between the old ones, which keep theirs.
        let mut old = self.network.into_nodes().into_iter();
        let network = plan::network(&recipe, |placed| match (!is_new(placed.id)).then(|| old.next()).flatten() {
            Some(node) => Ok::<_, TrainError>(node.junction),
            None => {
                let mask = placed.mask(seed);
                let mask = mask.map_err(|source| inconsistent(RecipeError::Pattern { junction: placed.id, source }))?;
                Ok(Junction::new(&mask))
            }
        })?;
        let mut parameters = Parameters::initial(&network, &mut order::rng(seed, Stream::Weights));
        let mut known = self.parameters.into_iter();
        for (placed, parameters) in recipe.placed_junctions().iter().zip(&mut parameters) {
            if let Some(known) = (!is_new(placed.id)).then(|| known.next()).flatten() {
                *parameters = known;
            }
        }
        Ok(Self::new(recipe, network, parameters))
    }

    /// The recipe it was trained by.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Sets the threshold and the temperature of exit `exit` (from 0, in the recipe's order), for instance to what a
    /// validation set suggests. Returns false where there is no such exit.
    pub fn set_exit(&mut self, exit: usize, threshold: f32, temperature: f32) -> bool {
        let found = self.recipe.exits.get_mut(exit);
        found.map(|exit| (exit.threshold, exit.temperature) = (threshold, temperature)).is_some()
    }

    /// Nonzeros of every junction with its name, trunk and branches in the order of computation.
    pub fn nonzeros(&self) -> impl Iterator<Item = (lacewing_models::JunctionId, usize)> + '_ {
        let ids = self.recipe.placed_junctions().into_iter().map(|placed| placed.id);
        ids.zip(self.network.nodes().iter().map(|node| node.junction.nnz()))
    }

    /// The share of samples that each exit alone classifies correctly, in the recipe's order, the end of the trunk last.
    ///
    /// # Errors
    /// If the data set is empty or does not fit the network.
    pub fn accuracies(&self, dataset: &Dataset) -> Result<Vec<f64>, DatasetError> {
        data::check(dataset, self.recipe.input.width, self.recipe.classes)?;
        Ok(data::accuracies(&self.network, &self.parameters, None, dataset))
    }

    /// The logits of every exit, in the recipe's order, the end of the trunk last: `samples × classes` each, row by row.
    ///
    /// # Errors
    /// If the data set is empty or does not fit the network.
    pub fn logits(&self, dataset: &Dataset) -> Result<Vec<Vec<f32>>, DatasetError> {
        self.logits_of(&self.parameters, None, dataset)
    }

    fn logits_of(
        &self,
        parameters: &[Parameters],
        int8: Option<&Scales>,
        dataset: &Dataset,
    ) -> Result<Vec<Vec<f32>>, DatasetError> {
        data::check(dataset, self.recipe.input.width, self.recipe.classes)?;
        let rows = |shard: &Shard| -> Vec<Vec<f32>> {
            let samples = 0..shard.labels().len();
            let exit = |logits: &[f32]| -> Vec<f32> {
                samples.clone().flat_map(|sample| logits.iter().skip(sample).step_by(shard.width()).copied()).collect()
            };
            self.network.exits().iter().map(|&at| exit(shard.logits(at))).collect()
        };
        let mut all = vec![Vec::with_capacity(dataset.len() * self.recipe.classes); self.network.exits().len()];
        for shard in data::map_shards(&self.network, parameters, int8, (dataset, 1), rows) {
            all.iter_mut().zip(shard).for_each(|(all, part)| all.extend(part));
        }
        Ok(all)
    }

    /// Writes a safetensors file: per junction weights, biases and mask under the names of
    /// [`JunctionId`](lacewing_models::JunctionId), int8's scales where there are some, the recipe as metadata. Masked weights are +0.0. The file appears
    /// under its name when it is complete, and not before.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        file::save(path, &self.recipe, &self.network, &self.parameters, self.scales.as_ref())
    }

    /// Reads what [`Self::save`] wrote.
    ///
    /// # Errors
    /// If the file cannot be read, is not a trained network, or its tensors are not what its recipe asks for: wrong types
    /// or shapes, values that are not finite, weights outside the mask.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let (recipe, network, parameters, scales) = file::load(path)?;
        Ok(Self { recipe, network, parameters, scales })
    }
}
