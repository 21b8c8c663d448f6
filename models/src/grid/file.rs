//! The grid as it stands in TOML, multiplied out.

use lacewing_kernels::Activation;
use serde::Deserialize;
use toml::Table;

use super::point::{PatternTable, Variant};
use super::{Grid, GridError, GridPoint, MAX_SEEDS, PointError};
use crate::pattern::Pattern;
use crate::recipe::{ExitRecipe, Input, JunctionRecipe, Recipe, TensorNames, Tensors, Training, is_name};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    #[serde(default = "one")]
    seeds: u64,
    #[serde(default)]
    class_names: Vec<String>,
    #[serde(default)]
    input: InputTable,
    #[serde(default)]
    training: Table,
    #[serde(default)]
    network: Vec<NetworkTable>,
    #[serde(default)]
    pattern: Vec<PatternTable>,
}

const fn one() -> u64 {
    1
}

/// As a recipe's, but for the width, which is the first of the network's.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputTable {
    scale: Option<f32>,
    crop: Option<usize>,
    average_pool: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkTable {
    name: Option<String>,
    widths: Vec<usize>,
    input: Option<InputTable>,
    #[serde(default)]
    training: Table,
    pattern: Option<Vec<PatternTable>>,
    exit: Option<ExitTable>,
}

/// An exit behind a junction, where the network is split, too.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExitTable {
    after: usize,
    #[serde(default = "whole")]
    loss_weight: f32,
}

const fn whole() -> f32 {
    1.0
}

impl NetworkTable {
    fn name(&self) -> String {
        let widths = || self.widths.iter().map(usize::to_string).collect::<Vec<_>>().join("-");
        self.name.clone().unwrap_or_else(widths)
    }

    /// What is trained with a pattern, all junctions dense yet.
    fn recipe(&self, file: &File, pattern: &PatternTable) -> Result<Recipe, GridError> {
        let network = self.name();
        let [width, outputs @ .., classes] = self.widths.as_slice() else {
            return Err(GridError::Widths { network, widths: self.widths.clone() });
        };
        let mut settings = file.training.clone();
        settings.extend(self.training.clone());
        settings.extend(pattern.training.clone());
        let training: Result<Training, _> = settings.try_into();
        let training = training.map_err(|source| GridError::Training { network: network.clone(), source })?;
        if training.int8.is_some() {
            return Err(GridError::Int8 { network });
        }
        let junction = |outputs, activation| JunctionRecipe {
            outputs,
            activation,
            pattern: Pattern::Dense,
            tensors: TensorNames::default(),
        };
        let hidden = outputs.iter().map(|outputs| junction(*outputs, Activation::Relu));
        let InputTable { scale, crop, average_pool } = self.input.unwrap_or(file.input);
        Ok(Recipe {
            name: network,
            classes: *classes,
            class_names: file.class_names.clone(),
            input: Input { width: *width, scale, crop, average_pool },
            junctions: hidden.chain([junction(*classes, Activation::None)]).collect(),
            exits: self.exit.iter().map(|exit| exit.recipe(*classes)).collect(),
            split: self.exit.map(|exit| exit.after),
            training,
            tensors: Tensors::default(),
        })
    }
}

impl ExitTable {
    /// Its threshold takes nothing: a sweep looks at many.
    fn recipe(self, classes: usize) -> ExitRecipe {
        let exit = ExitRecipe::dense(self.after, None, classes, 1.0);
        ExitRecipe { loss_weight: self.loss_weight, ..exit }
    }
}

pub(super) fn from_toml(text: &str) -> Result<Grid, GridError> {
    let file: File = toml::from_str(text)?;
    if file.network.is_empty() {
        return Err(GridError::Empty { place: "[[network]]".to_owned(), remedy: "give at least one, with its widths" });
    }
    if !(1..=MAX_SEEDS).contains(&file.seeds) {
        return Err(GridError::Seeds { seeds: file.seeds });
    }
    if !is_name(&file.name) {
        return Err(GridError::Name { name: file.name });
    }
    let mut points: Vec<GridPoint> = Vec::new();
    for (at, network) in file.network.iter().enumerate() {
        let name = network.name();
        if file.network.iter().take(at).any(|other| other.name() == name) {
            return Err(GridError::SameName { network: name });
        }
        let patterns = network.pattern.as_ref().unwrap_or(&file.pattern);
        if patterns.is_empty() {
            let place = format!("the list of patterns of network {name}");
            return Err(GridError::Empty { place, remedy: "give the grid a [[pattern]], or the network its own" });
        }
        for pattern in patterns {
            let recipe = network.recipe(&file, pattern)?;
            let checked = recipe.check();
            checked.map_err(|error| GridError::Network { network: name.clone(), source: Box::new(error) })?;
            for variant in pattern.variants(&recipe)? {
                let point = of(&recipe, variant);
                point.check(file.seeds)?;
                if points.iter().any(|other| other.is_called(&point)) {
                    return Err(point.refused(PointError::Twice));
                }
                points.push(point);
            }
        }
    }
    Ok(Grid { name: file.name, seeds: file.seeds, points })
}

/// The network with its patterns.
fn of(network: &Recipe, variant: Variant) -> GridPoint {
    let Variant { pattern, density, patterns, pruned } = variant;
    let mut recipe = network.clone();
    for (junction, pattern) in recipe.junctions.iter_mut().zip(patterns) {
        junction.pattern = pattern;
    }
    GridPoint { pattern, density, recipe, pruned }
}

pub(super) fn refused(network: &Recipe, pattern: &str, density: &str, source: PointError) -> GridError {
    GridError::Point {
        network: network.name.clone(),
        pattern: pattern.to_owned(),
        density: density.to_owned(),
        source: Box::new(source),
    }
}
