//! The recipe as it stands in TOML: flat tables, optional keys, names instead of enums with fields.

use core::mem::take;

use serde::{Deserialize, Serialize};

use super::junction_table::JunctionTable;
use super::{ExitRecipe, Input, Metric, Recipe, RecipeError, Tensors, Training};
use crate::names::JunctionId;

pub(super) fn from_toml(text: &str) -> Result<Recipe, RecipeError> {
    let file: File = toml::from_str(text)?;
    let last = file.junction.len();
    let junctions = (1..).zip(file.junction).map(|(k, table)| table.into_recipe(JunctionId::Trunk(k), k == last));
    let junctions = junctions.collect::<Result<_, _>>()?;
    let exits = (1..).zip(file.exit).map(|(exit, table)| table.into_recipe(exit, file.classes));
    Ok(Recipe {
        name: file.name,
        classes: file.classes,
        class_names: file.class_names,
        input: file.input.into(),
        junctions,
        exits: exits.collect::<Result<_, _>>()?,
        split: file.split.map(|split| split.after),
        training: file.training,
        tensors: file.tensors,
    })
}

pub(super) fn to_toml(recipe: &Recipe) -> String {
    let file = File {
        name: recipe.name.clone(),
        classes: recipe.classes,
        class_names: recipe.class_names.clone(),
        input: recipe.input.into(),
        junction: recipe.junctions.iter().map(JunctionTable::from).collect(),
        exit: recipe.exits.iter().map(ExitTable::from).collect(),
        split: recipe.split.map(|after| SplitTable { after }),
        training: recipe.training.clone(),
        tensors: recipe.tensors.clone(),
    };
    // Of what these tables hold, TOML has no form for a seed above 2⁶³ − 1 alone, and a checked recipe has none.
    toml::to_string(&file).unwrap_or_default()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    classes: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    class_names: Vec<String>,
    input: InputTable,
    #[serde(default)]
    junction: Vec<JunctionTable>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exit: Vec<ExitTable>,
    #[serde(skip_serializing_if = "Option::is_none")]
    split: Option<SplitTable>,
    #[serde(default)]
    training: Training,
    #[serde(default)]
    tensors: Tensors,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputTable {
    width: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crop: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    average_pool: Option<usize>,
}

impl From<InputTable> for Input {
    fn from(InputTable { width, scale, crop, average_pool }: InputTable) -> Self {
        Self { width, scale, crop, average_pool }
    }
}

impl From<Input> for InputTable {
    fn from(Input { width, scale, crop, average_pool }: Input) -> Self {
        Self { width, scale, crop, average_pool }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitTable {
    after: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExitTable {
    after: usize,
    #[serde(default = "default_metric")]
    metric: Metric,
    threshold: f32,
    #[serde(default = "one")]
    temperature: f32,
    #[serde(default = "one")]
    loss_weight: f32,
    #[serde(default)]
    junction: Vec<JunctionTable>,
}

const fn default_metric() -> Metric {
    Metric::MaxProbability
}

const fn one() -> f32 {
    1.0
}

impl ExitTable {
    fn into_recipe(mut self, exit: usize, classes: usize) -> Result<ExitRecipe, RecipeError> {
        if self.junction.is_empty() {
            self.junction.push(JunctionTable::dense(classes));
        }
        let last = self.junction.len();
        let junctions = (1..).zip(take(&mut self.junction));
        let junctions =
            junctions.map(|(junction, table)| table.into_recipe(JunctionId::Exit { exit, junction }, junction == last));
        Ok(ExitRecipe {
            after: self.after,
            metric: self.metric,
            threshold: self.threshold,
            temperature: self.temperature,
            loss_weight: self.loss_weight,
            junctions: junctions.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&ExitRecipe> for ExitTable {
    fn from(exit: &ExitRecipe) -> Self {
        Self {
            after: exit.after,
            metric: exit.metric,
            threshold: exit.threshold,
            temperature: exit.temperature,
            loss_weight: exit.loss_weight,
            junction: exit.junctions.iter().map(JunctionTable::from).collect(),
        }
    }
}
