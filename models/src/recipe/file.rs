//! The recipe as it stands in TOML: flat tables, optional keys, names instead of enums with fields.

use core::mem::take;

use lacewing_kernels::Activation;
use serde::{Deserialize, Serialize};

use super::{ExitRecipe, Input, JunctionRecipe, Metric, Recipe, RecipeError, TensorNames, Tensors, Training};
use crate::names::JunctionId;
use crate::pattern::Pattern;

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
    // Tables of numbers, strings and enums without fields have no way to fail; a seed above i64 is written as text.
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
            self.junction.push(JunctionTable { outputs: classes, ..JunctionTable::default() });
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

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JunctionTable {
    outputs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    activation: Option<ActivationName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slope: Option<f32>,
    #[serde(default)]
    pattern: PatternName,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_degree: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ActivationName {
    None,
    Relu,
    LeakyRelu,
    Relu6,
    Tanh,
    Sigmoid,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PatternName {
    #[default]
    Dense,
    Random,
}

impl PatternName {
    const fn as_written(self) -> &'static str {
        match self {
            Self::Dense => "pattern = \"dense\"",
            Self::Random => "pattern = \"random\"",
        }
    }
}

impl JunctionTable {
    fn into_recipe(mut self, id: JunctionId, is_last: bool) -> Result<JunctionRecipe, RecipeError> {
        let activation = self.activation(id, is_last)?;
        let pattern = self.pattern(id)?;
        let tensors = TensorNames { weight: self.weight, bias: self.bias, mask: self.mask };
        Ok(JunctionRecipe { outputs: self.outputs, activation, pattern, tensors })
    }

    fn activation(&self, junction: JunctionId, is_last: bool) -> Result<Activation, RecipeError> {
        let default = if is_last { ActivationName::None } else { ActivationName::Relu };
        let name = self.activation.unwrap_or(default);
        match (name, self.slope) {
            (ActivationName::LeakyRelu, Some(slope)) => Ok(Activation::LeakyRelu { slope }),
            (ActivationName::LeakyRelu, None) => {
                Err(RecipeError::MissingKey { junction, of: "activation = \"leaky_relu\"".to_owned(), key: "slope" })
            }
            (_, Some(_)) => Err(RecipeError::StrayKey {
                junction,
                of: "any activation but \"leaky_relu\"".to_owned(),
                key: "slope",
            }),
            (ActivationName::None, None) => Ok(Activation::None),
            (ActivationName::Relu, None) => Ok(Activation::Relu),
            (ActivationName::Relu6, None) => Ok(Activation::Relu6),
            (ActivationName::Tanh, None) => Ok(Activation::Tanh),
            (ActivationName::Sigmoid, None) => Ok(Activation::Sigmoid),
        }
    }

    /// Takes the pattern's keys; what is left over does not go with it.
    fn pattern(&mut self, junction: JunctionId) -> Result<Pattern, RecipeError> {
        let of = self.pattern.as_written().to_owned();
        let missing = |key| RecipeError::MissingKey { junction, of: of.clone(), key };
        let pattern = match self.pattern {
            PatternName::Dense => Pattern::Dense,
            PatternName::Random => {
                Pattern::Random { out_degree: self.out_degree.take().ok_or_else(|| missing("out_degree"))? }
            }
        };
        let left = [("out_degree", self.out_degree.is_some())];
        match left.into_iter().find(|&(_, is_left)| is_left) {
            Some((key, _)) => Err(RecipeError::StrayKey { junction, of, key }),
            None => Ok(pattern),
        }
    }
}

impl From<&JunctionRecipe> for JunctionTable {
    fn from(junction: &JunctionRecipe) -> Self {
        let (activation, slope) = match junction.activation {
            Activation::Relu => (ActivationName::Relu, None),
            Activation::LeakyRelu { slope } => (ActivationName::LeakyRelu, Some(slope)),
            Activation::Relu6 => (ActivationName::Relu6, None),
            Activation::Tanh => (ActivationName::Tanh, None),
            Activation::Sigmoid => (ActivationName::Sigmoid, None),
            _ => (ActivationName::None, None),
        };
        let TensorNames { weight, bias, mask } = junction.tensors.clone();
        let table = Self {
            outputs: junction.outputs,
            activation: Some(activation),
            slope,
            weight,
            bias,
            mask,
            ..Self::default()
        };
        match junction.pattern {
            Pattern::Dense => table,
            Pattern::Random { out_degree } => {
                Self { pattern: PatternName::Random, out_degree: Some(out_degree), ..table }
            }
        }
    }
}
