//! Recipes: a multi-exit network, its patterns and its training, in one TOML file. `models/RECIPES.md` documents every
//! key.

mod check;
mod error;
mod file;
mod junction_table;

use std::path::Path;

use lacewing_kernels::{Activation, Quantisation};
use serde::{Deserialize, Serialize};

use crate::data::BYTE_SCALE;
use crate::mask::Mask;
use crate::names::JunctionId;
use crate::pattern::{Pattern, PatternError};
pub(crate) use check::is_name;
pub use error::RecipeError;
pub(crate) use junction_table::PatternName;

/// Widest layer, and most classes.
pub const MAX_WIDTH: usize = 65_535;
/// Most junctions, trunk and branches together.
pub const MAX_JUNCTIONS: usize = 16;
/// Most exits besides the end of the trunk, which a model file counts among its 8.
pub const MAX_EXITS: usize = 7;
/// Longest name of a recipe or class, in bytes.
pub const MAX_NAME: usize = 64;

/// A network and how to train it. Holding one that [`parse`](Self::parse) made is proof that it is consistent;
/// [`check`](Self::check) proves it of one that was changed by hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Name: `a-z`, `0-9` and `-`.
    pub name: String,
    /// Number of classes; the last junction and every branch end in as many outputs.
    pub classes: usize,
    /// A name for each class, or none at all.
    pub class_names: Vec<String>,
    /// What becomes of an image before the network sees it.
    pub input: Input,
    /// The trunk's junctions, in order.
    pub junctions: Vec<JunctionRecipe>,
    /// The exits, in the order in which they are met.
    pub exits: Vec<ExitRecipe>,
    /// Trunk junctions in the head, with the exits behind them; the tail is the rest. `None`: not split.
    pub split: Option<usize>,
    /// How to train it.
    pub training: Training,
    /// How to read a network that was trained elsewhere.
    pub tensors: Tensors,
}

/// What becomes of an image before the network sees it: crop, pool, scale, and pad with zeros to `width`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    /// The network's inputs.
    pub width: usize,
    /// Factor on every pixel. `None`: 1/255 for `u8` data, 1 for `f32` data.
    pub scale: Option<f32>,
    /// Side of the centre square that is kept. `None`: the whole image.
    pub crop: Option<usize>,
    /// Side of the non-overlapping squares that are averaged. `None`: no pooling.
    pub average_pool: Option<usize>,
}

impl Input {
    /// Plain input of `width` values: no crop, no pooling, the data's own scale.
    #[must_use]
    pub const fn plain(width: usize) -> Self {
        Self { width, scale: None, crop: None, average_pool: None }
    }

    /// How an int8 network reads values from `low` to `high`: bytes in their own steps, so that an input is a byte less 128,
    /// without loss; others by their range. `None` where that makes no scale.
    #[must_use]
    pub fn quantisation(&self, low: f32, high: f32) -> Option<Quantisation> {
        let scale = self.scale.unwrap_or(BYTE_SCALE);
        if scale > 0.0 && low >= 0.0 && high > 64.0 * scale && high <= 255.001 * scale {
            return Some(Quantisation { scale, zero: -128 });
        }
        Quantisation::spanning(low, high)
    }
}

/// A junction to be trained or converted.
#[derive(Clone, Debug, PartialEq)]
pub struct JunctionRecipe {
    /// Number of outputs.
    pub outputs: usize,
    /// What is applied to its outputs. The last of a trunk or branch has [`Activation::None`]: its outputs are logits.
    pub activation: Activation,
    /// The family of its mask.
    pub pattern: Pattern,
    /// Its tensors' names in a network trained elsewhere, where they are not those of [`JunctionId`].
    pub tensors: TensorNames,
}

/// Names of a junction's tensors; `None` is the name that [`JunctionId`] makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorNames {
    /// The weights.
    pub weight: Option<String>,
    /// The biases.
    pub bias: Option<String>,
    /// The mask.
    pub mask: Option<String>,
}

/// A place where the network may answer, and the classifier there.
#[derive(Clone, Debug, PartialEq)]
pub struct ExitRecipe {
    /// The trunk junction, from 1, whose outputs the branch reads.
    pub after: usize,
    /// The confidence metric.
    pub metric: Metric,
    /// Taken when the metric reaches this: max probability and margin from below, entropy from above.
    pub threshold: f32,
    /// Logits are divided by it before the metric is taken.
    pub temperature: f32,
    /// Weight of this exit's cross-entropy in the training loss; the end of the trunk has 1.
    pub loss_weight: f32,
    /// The branch's junctions, at least one; the last has as many outputs as there are classes.
    pub junctions: Vec<JunctionRecipe>,
}

impl ExitRecipe {
    /// An exit behind trunk junction `after` with a dense branch: one junction to the classes, and before it one to `hidden`
    /// ReLU outputs where that is wanted. Taken at a largest probability of `threshold`.
    #[must_use]
    pub fn dense(after: usize, hidden: Option<usize>, classes: usize, threshold: f32) -> Self {
        let junction = |outputs, activation| JunctionRecipe {
            outputs,
            activation,
            pattern: Pattern::Dense,
            tensors: TensorNames::default(),
        };
        let hidden = hidden.map(|outputs| junction(outputs, Activation::Relu));
        Self {
            after,
            metric: Metric::MaxProbability,
            threshold,
            temperature: 1.0,
            loss_weight: 1.0,
            junctions: hidden.into_iter().chain([junction(classes, Activation::None)]).collect(),
        }
    }
}

/// How sure an exit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// The largest softmax probability.
    MaxProbability,
    /// The difference of the two largest logits, after the temperature.
    Margin,
    /// The softmax's entropy over ln C, C the number of classes.
    Entropy,
}

/// How to train a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: usize,
    /// Images a minibatch.
    pub batch: usize,
    /// The optimiser's step size at the start.
    pub learning_rate: f32,
    /// The loss has the term `l2 / 2 · Σ w²`, over the weights and not the biases.
    pub l2: f32,
    /// Seed of masks, initial weights and the order of images, at most 2⁶³ − 1: TOML has no larger integers.
    pub seed: u64,
    /// How the learning rate goes on.
    pub schedule: Schedule,
    /// What turns gradients into steps.
    #[serde(skip_serializing_if = "Optimiser::is_adam")]
    pub optimiser: Optimiser,
    /// The share of the last step that gradient descent keeps; in [0, 1). Adam has no use for it.
    #[serde(skip_serializing_if = "is_usual_momentum")]
    pub momentum: f32,
    /// Epochs in which the trunk is trained alone, before the branches join in.
    #[serde(skip_serializing_if = "is_zero")]
    pub backbone_epochs: usize,
    /// Stop when so many epochs have passed without a better validation accuracy at the end of the trunk, and keep the
    /// weights of the best epoch; 0 for never.
    #[serde(skip_serializing_if = "is_zero")]
    pub patience: usize,
    /// Training on for int8, when the epochs in f32 are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8: Option<Int8Training>,
}

/// Quantisation-aware training (Jacob et al., arXiv 1712.05877): the network is trained on with its weights and values rounded
/// as int8 has them, by gradients that pass straight through the rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Int8Training {
    /// Passes over the training images.
    pub epochs: usize,
    /// The optimiser's step size at the start.
    pub learning_rate: f32,
}

impl Default for Int8Training {
    fn default() -> Self {
        Self { epochs: 5, learning_rate: 0.001 }
    }
}

const USUAL_MOMENTUM: f32 = 0.9;

fn is_usual_momentum(momentum: &f32) -> bool {
    *momentum == USUAL_MOMENTUM
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimiser {
    /// Adam (arXiv 1412.6980), β 0.9 and 0.999, ε 1e-7.
    #[default]
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

impl Optimiser {
    fn is_adam(&self) -> bool {
        *self == Self::Adam
    }
}

impl Training {
    /// Most passes over the training images, those for int8 among them.
    #[must_use]
    pub fn all_epochs(&self) -> usize {
        self.epochs + self.int8.map_or(0, |int8| int8.epochs)
    }
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 50,
            batch: 256,
            learning_rate: 0.001,
            l2: 0.0,
            seed: 1,
            schedule: Schedule::Constant,
            optimiser: Optimiser::Adam,
            momentum: USUAL_MOMENTUM,
            backbone_epochs: 0,
            patience: 0,
            int8: None,
        }
    }
}

/// How the learning rate goes on after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls to 0 along half a cosine.
    Cosine,
}

/// How to read a network that was trained elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tensors {
    /// The order of a weight matrix's axes.
    pub layout: Layout,
}

/// The order of a weight matrix's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// (outputs, inputs): PyTorch, ONNX `Gemm` with `transB`, and this project's own files.
    #[default]
    OutIn,
    /// (inputs, outputs): Keras.
    InOut,
}

/// A junction with its place and both its widths.
#[derive(Clone, Copy, Debug)]
pub struct PlacedJunction<'r> {
    /// Its place.
    pub id: JunctionId,
    /// Number of inputs.
    pub n_in: usize,
    /// What the recipe says of it.
    pub recipe: &'r JunctionRecipe,
}

impl PlacedJunction<'_> {
    /// Number of outputs.
    #[must_use]
    pub const fn n_out(&self) -> usize {
        self.recipe.outputs
    }

    /// Draws its mask for a network trained with `seed`; see [`JunctionId::mask_seed`].
    ///
    /// # Errors
    /// If the pattern is impossible for its widths; never so in a recipe that was checked.
    pub fn mask(&self, seed: u64) -> Result<Mask, PatternError> {
        self.recipe.pattern.mask(self.n_in, self.n_out(), self.id.mask_seed(seed))
    }

    /// Name of its weights in a network trained elsewhere: the recipe's, else [`JunctionId::weight`].
    #[must_use]
    pub fn weight_name(&self) -> String {
        self.recipe.tensors.weight.clone().unwrap_or_else(|| self.id.weight())
    }

    /// Name of its biases in a network trained elsewhere: the recipe's, else [`JunctionId::bias`].
    #[must_use]
    pub fn bias_name(&self) -> String {
        self.recipe.tensors.bias.clone().unwrap_or_else(|| self.id.bias())
    }

    /// Name of its mask in a network trained elsewhere: the recipe's, else [`JunctionId::mask`].
    #[must_use]
    pub fn mask_name(&self) -> String {
        self.recipe.tensors.mask.clone().unwrap_or_else(|| self.id.mask())
    }
}

impl Recipe {
    /// Reads a recipe from TOML and checks it.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key or a wrong type, or describes an impossible network.
    pub fn parse(toml: &str) -> Result<Self, RecipeError> {
        let recipe = file::from_toml(toml)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// Reads and checks the recipe in a file.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RecipeError> {
        let path = path.as_ref();
        let toml =
            std::fs::read_to_string(path).map_err(|source| RecipeError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&toml).map_err(|error| RecipeError::In { path: path.to_path_buf(), error: Box::new(error) })
    }

    /// A checked recipe as TOML; [`parse`](Self::parse) makes the same recipe of it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        file::to_toml(self)
    }

    /// Proves that the recipe describes a possible network.
    ///
    /// # Errors
    /// The first rule broken, with the place.
    pub fn check(&self) -> Result<(), RecipeError> {
        check::check(self)
    }

    /// Every junction in the order in which it runs: the trunk's, and behind each the branches of the exits there.
    #[must_use]
    pub fn placed_junctions(&self) -> Vec<PlacedJunction<'_>> {
        let mut placed = Vec::new();
        let mut width = self.input.width;
        for (k, junction) in (1..).zip(&self.junctions) {
            placed.push(PlacedJunction { id: JunctionId::Trunk(k), n_in: width, recipe: junction });
            width = junction.outputs;
            for (exit, branch) in (1..).zip(&self.exits).filter(|(_, exit)| exit.after == k) {
                let mut n_in = width;
                for (junction, recipe) in (1..).zip(&branch.junctions) {
                    placed.push(PlacedJunction { id: JunctionId::Exit { exit, junction }, n_in, recipe });
                    n_in = recipe.outputs;
                }
            }
        }
        placed
    }
}
