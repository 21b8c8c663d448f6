//! A junction as it stands in a recipe's TOML: the keys of every pattern side by side, of which its own pattern takes its own.

use lacewing_kernels::Activation;
use serde::{Deserialize, Serialize};

use super::{JunctionRecipe, RecipeError, TensorNames};
use crate::names::JunctionId;
use crate::pattern::Pattern;

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JunctionTable {
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
    density: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    z: Option<usize>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dither: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cols: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    m: Option<usize>,
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
pub(crate) enum PatternName {
    #[default]
    Dense,
    Random,
    RandomDensity,
    ClashFree,
    Block,
    Nm,
}

impl PatternName {
    /// As recipes have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Random => "random",
            Self::RandomDensity => "random_density",
            Self::ClashFree => "clash_free",
            Self::Block => "block",
            Self::Nm => "nm",
        }
    }

    fn as_written(self) -> String {
        format!("pattern = {:?}", self.name())
    }
}

impl JunctionTable {
    /// A dense junction with the default activation of its place.
    pub(super) fn dense(outputs: usize) -> Self {
        Self { outputs, ..Self::default() }
    }

    pub(super) fn into_recipe(mut self, id: JunctionId, is_last: bool) -> Result<JunctionRecipe, RecipeError> {
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
        let of = self.pattern.as_written();
        let missing = |key| {
            let of = of.clone();
            move || RecipeError::MissingKey { junction, of, key }
        };
        let pattern = match self.pattern {
            PatternName::Dense => Pattern::Dense,
            PatternName::Random => {
                Pattern::Random { out_degree: self.out_degree.take().ok_or_else(missing("out_degree"))? }
            }
            PatternName::RandomDensity => {
                Pattern::RandomDensity { density: self.density.take().ok_or_else(missing("density"))? }
            }
            PatternName::ClashFree => Pattern::ClashFree {
                out_degree: self.out_degree.take().ok_or_else(missing("out_degree"))?,
                z: self.z.take().ok_or_else(missing("z"))?,
                kind: self.kind.take().ok_or_else(missing("type"))?,
                dither: self.dither.take().unwrap_or(false),
            },
            PatternName::Block => Pattern::Block {
                rows: self.rows.take().ok_or_else(missing("rows"))?,
                cols: self.cols.take().ok_or_else(missing("cols"))?,
                density: self.density.take().ok_or_else(missing("density"))?,
            },
            PatternName::Nm => {
                Pattern::NM { n: self.n.take().ok_or_else(missing("n"))?, m: self.m.take().ok_or_else(missing("m"))? }
            }
        };
        match self.pattern_key_left() {
            Some(key) => Err(RecipeError::StrayKey { junction, of, key }),
            None => Ok(pattern),
        }
    }

    fn pattern_key_left(&self) -> Option<&'static str> {
        let left = [
            ("out_degree", self.out_degree.is_some()),
            ("density", self.density.is_some()),
            ("z", self.z.is_some()),
            ("type", self.kind.is_some()),
            ("dither", self.dither.is_some()),
            ("rows", self.rows.is_some()),
            ("cols", self.cols.is_some()),
            ("n", self.n.is_some()),
            ("m", self.m.is_some()),
        ];
        left.into_iter().find(|&(_, is_left)| is_left).map(|(key, _)| key)
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
        table.with_pattern(junction.pattern)
    }
}

impl JunctionTable {
    fn with_pattern(self, pattern: Pattern) -> Self {
        match pattern {
            Pattern::Dense => self,
            Pattern::Random { out_degree } => {
                Self { pattern: PatternName::Random, out_degree: Some(out_degree), ..self }
            }
            Pattern::RandomDensity { density } => {
                Self { pattern: PatternName::RandomDensity, density: Some(density), ..self }
            }
            Pattern::ClashFree { out_degree, z, kind, dither } => Self {
                pattern: PatternName::ClashFree,
                out_degree: Some(out_degree),
                z: Some(z),
                kind: Some(kind),
                dither: Some(dither),
                ..self
            },
            Pattern::Block { rows, cols, density } => {
                Self { pattern: PatternName::Block, rows: Some(rows), cols: Some(cols), density: Some(density), ..self }
            }
            Pattern::NM { n, m } => Self { pattern: PatternName::Nm, n: Some(n), m: Some(m), ..self },
        }
    }
}
