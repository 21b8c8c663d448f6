//! How a file is to be read: by a recipe, or by what the file itself says of its layers.

use std::path::Path;

use lacewing_models::recipe::{ExitRecipe, Input, JunctionRecipe, MAX_NAME, Metric, TensorNames, Tensors, Training};
use lacewing_models::{JunctionId, Pattern, Recipe};

use crate::convention;
use crate::import::{ImportError, embedded_recipe};
use crate::layers::{Folded, Layers};
use crate::source::{Source, SourceError};

/// The threshold of exits that come from a file which does not say one.
const THRESHOLD: f32 = 0.9;

/// A recipe, and what a recipe cannot say: tensors that are folded into junctions.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The recipe: the one given, the one in the file, or one made of the file's layers. It is checked.
    pub recipe: Recipe,
    /// How the file was understood, in words.
    pub notes: Vec<String>,
    /// What each junction is made of, where the file said it; else empty.
    trunk: Vec<Folded>,
    exits: Vec<Vec<Folded>>,
}

impl Reading {
    /// Reads by `recipe`, else by the recipe in the file, else by the file's own layers. `exit_after` are trunk junctions, from
    /// 1: where the file has exits, those behind other junctions are left out; where it does not say behind which junction an
    /// exit is, these are the places.
    ///
    /// # Errors
    /// The file's layers cannot be told or converted, or an exit asked for is not in the file.
    pub fn of(source: &mut Source, recipe: Option<Recipe>, exit_after: Option<&[usize]>) -> Result<Self, ImportError> {
        let recipe = match recipe {
            Some(recipe) => Some(recipe),
            None => embedded_recipe(source)?,
        };
        let mut reading = match recipe {
            Some(recipe) => Self::by_recipe(recipe),
            None => Self::by_layers(source, exit_after)?,
        };
        if let Some(places) = exit_after {
            reading.keep_exits(source, places)?;
        }
        reading.recipe.check()?;
        Ok(reading)
    }

    /// Reads by this recipe.
    pub(crate) const fn by_recipe(recipe: Recipe) -> Self {
        Self { recipe, notes: Vec::new(), trunk: Vec::new(), exits: Vec::new() }
    }

    fn by_layers(source: &mut Source, exit_after: Option<&[usize]>) -> Result<Self, ImportError> {
        let graph = match source.graph()? {
            Some(graph) => graph,
            None => convention::graph(source, exit_after)?,
        };
        let path = source.path().to_path_buf();
        let layers = Layers::of(&graph).map_err(|error| SourceError::Layers { path: path.clone(), error })?;
        let width = layers.trunk.first().map_or(0, |first| first.weights.n_in);
        let classes = layers.trunk.last().map_or(0, |last| last.weights.n_out);
        let exits = layers.exits.iter().map(|exit| ExitRecipe {
            after: exit.after,
            metric: Metric::MaxProbability,
            threshold: THRESHOLD,
            temperature: 1.0,
            loss_weight: 1.0,
            junctions: exit.junctions.iter().map(junction).collect(),
        });
        let recipe = Recipe {
            name: recipe_name(&path),
            classes,
            class_names: Vec::new(),
            input: Input::plain(width),
            junctions: layers.trunk.iter().map(junction).collect(),
            exits: exits.collect(),
            split: None,
            training: Training::default(),
            tensors: Tensors::default(),
        };
        let exits = layers.exits.into_iter().map(|exit| exit.junctions).collect();
        Ok(Self { recipe, notes: layers.notes, trunk: layers.trunk, exits })
    }

    /// Leaves out the exits behind other junctions than these.
    fn keep_exits(&mut self, source: &Source, places: &[usize]) -> Result<(), ImportError> {
        let has = |place: &usize| self.recipe.exits.iter().any(|exit| exit.after == *place);
        if let Some(after) = places.iter().find(|place| !has(place)) {
            let there = self.recipe.exits.iter().map(|exit| exit.after).collect();
            return Err(ImportError::NoExit { path: source.path().into(), after: *after, there });
        }
        self.pin_names(source);
        let mut folded = core::mem::take(&mut self.exits).into_iter();
        let mut kept = Vec::new();
        self.recipe.exits.retain(|exit| {
            let keeps = places.contains(&exit.after);
            kept.extend(folded.next().filter(|_| keeps));
            keeps
        });
        self.exits = kept;
        Ok(())
    }

    /// Says the names of exits' tensors that are known by the exit's number alone, before that number changes.
    fn pin_names(&mut self, source: &Source) {
        let names = source.names();
        let there = |name: String| names.contains(&name).then_some(name);
        for (exit, recipe) in (1..).zip(&mut self.recipe.exits) {
            for (junction, recipe) in (1..).zip(&mut recipe.junctions) {
                let (id, tensors) = (JunctionId::Exit { exit, junction }, &mut recipe.tensors);
                tensors.weight = tensors.weight.take().or_else(|| Some(id.weight()));
                tensors.bias = tensors.bias.take().or_else(|| there(id.bias()));
                tensors.mask = tensors.mask.take().or_else(|| there(id.mask()));
            }
        }
    }

    /// What this junction is made of, where the file said it.
    pub(crate) fn folded(&self, id: JunctionId) -> Option<&Folded> {
        match id {
            JunctionId::Trunk(junction) => self.trunk.get(junction - 1),
            JunctionId::Exit { exit, junction } => self.exits.get(exit - 1)?.get(junction - 1),
        }
    }
}

fn junction(folded: &Folded) -> JunctionRecipe {
    let weights = &folded.weights;
    let tensors =
        TensorNames { weight: Some(weights.weight.clone()), bias: weights.bias.clone(), mask: weights.mask.clone() };
    JunctionRecipe { outputs: weights.n_out, activation: folded.activation, pattern: Pattern::Dense, tensors }
}

/// The file's name as the name of a recipe: letters, digits and hyphens.
fn recipe_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let words = stem.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-");
    name.truncate(MAX_NAME);
    if name.is_empty() { "network".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_recipes() {
        let named = |path: &str| recipe_name(Path::new(path));
        assert_eq!(named("a/800-40_FO 2.9.h5"), "800-40-fo-2-9");
        assert_eq!((named("ß/é.h5"), named("..")), ("network".to_owned(), "network".to_owned()));
        assert_eq!(named(&"x".repeat(100)).len(), 64);
    }
}
