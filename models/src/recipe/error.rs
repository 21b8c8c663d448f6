//! What can be wrong with a recipe.

use std::path::PathBuf;

use thiserror::Error;

use super::{MAX_EXITS, MAX_JUNCTIONS, MAX_NAME, MAX_WIDTH};
use crate::names::JunctionId;
use crate::pattern::PatternError;

/// Why a text is not a recipe.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read the recipe {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the file holds is refused.
    #[error("recipe {path}: {error}")]
    In {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<RecipeError>,
    },
    /// Not TOML, an unknown key, a missing key or a wrong type; the message shows the line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A name that is empty, too long or has other letters.
    #[error("name = {name:?}: a recipe's name is 1 to {MAX_NAME} of the letters a-z, digits and -")]
    Name {
        /// The name.
        name: String,
    },
    /// Not as many class names as classes.
    #[error("class_names has {found} names for {classes} classes: give one for each class, or leave the key out")]
    ClassNames {
        /// Number of names.
        found: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A class name that is empty or too long.
    #[error("class_names: {name:?}: a class name has 1 to {MAX_NAME} bytes")]
    ClassName {
        /// The name.
        name: String,
    },
    /// A number outside its range.
    #[error("{place}: {key} = {value} must be {rule}")]
    Range {
        /// The table or junction it stands in.
        place: String,
        /// Its key.
        key: &'static str,
        /// The number.
        value: f64,
        /// What is allowed.
        rule: String,
    },
    /// No `[[junction]]` at all.
    #[error("there is no [[junction]]: a network has at least one")]
    NoJunctions,
    /// More junctions than a model file holds.
    #[error("{found} junctions in trunk and branches together: a model has at most {MAX_JUNCTIONS}")]
    TooManyJunctions {
        /// Number of junctions.
        found: usize,
    },
    /// More exits than a model file holds.
    #[error("{found} exits: a model has at most {MAX_EXITS} besides the end of the trunk")]
    TooManyExits {
        /// Number of exits.
        found: usize,
    },
    /// A key that the junction's pattern or activation needs is missing.
    #[error("{junction}: {of} needs the key {key}")]
    MissingKey {
        /// The junction.
        junction: JunctionId,
        /// What needs it.
        of: String,
        /// The missing key.
        key: &'static str,
    },
    /// A key that does not go with the junction's pattern or activation.
    #[error("{junction}: the key {key} does not go with {of}")]
    StrayKey {
        /// The junction.
        junction: JunctionId,
        /// What it does not go with.
        of: String,
        /// The key.
        key: &'static str,
    },
    /// The junction's pattern is impossible for its widths.
    #[error("{junction}: {source}")]
    Pattern {
        /// The junction.
        junction: JunctionId,
        /// What is impossible, and what is possible.
        source: PatternError,
    },
    /// The last junction of the trunk or a branch does not end in the classes.
    #[error("{junction}, the last of its line, has {outputs} outputs for {classes} classes: they must be equal")]
    LastOutputs {
        /// The junction.
        junction: JunctionId,
        /// Its outputs.
        outputs: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The last junction of the trunk or a branch has an activation.
    #[error("{junction}, the last of its line, gives logits: its activation must be \"none\"")]
    LastActivation {
        /// The junction.
        junction: JunctionId,
    },
    /// Training for int8 with an activation that int8 does not have.
    #[error(
        "{junction}: its activation has no int8 form (none, relu and relu6 have one), so that it cannot be trained for int8"
    )]
    Int8Activation {
        /// The junction.
        junction: JunctionId,
    },
    /// An exit before any junction, or at or behind the last.
    #[error(
        "exit {exit}: after = {after} must be 1 to {} in a trunk of {junctions} junctions (the end of the trunk \
         answers by itself, and before the first there is nothing to classify)", junctions.saturating_sub(1)
    )]
    ExitAfter {
        /// The exit, from 1.
        exit: usize,
        /// Where it was put.
        after: usize,
        /// Junctions in the trunk.
        junctions: usize,
    },
    /// Exits out of order, or two at one place.
    #[error("exit {exit}: after = {after} must be above the {before} of the exit before it")]
    ExitOrder {
        /// The exit, from 1.
        exit: usize,
        /// Where it was put.
        after: usize,
        /// Where the one before it is.
        before: usize,
    },
    /// An exit with a branch of no junctions.
    #[error("exit {exit} has no junctions: its branch needs at least one, to the classes")]
    EmptyBranch {
        /// The exit, from 1.
        exit: usize,
    },
    /// A split before the first junction, or at or behind the last.
    #[error("split: after = {after} must be 1 to {}: head and tail need at least one of the {junctions} junctions each", junctions.saturating_sub(1))]
    Split {
        /// Where it was put.
        after: usize,
        /// Junctions in the trunk.
        junctions: usize,
    },
    /// A trunk of one junction cannot be split or have exits.
    #[error("{what} needs a trunk of at least 2 junctions: this one has {junctions}")]
    TooShort {
        /// What was asked for.
        what: &'static str,
        /// Junctions in the trunk.
        junctions: usize,
    },
    /// A seed that TOML has no integer for.
    #[error("[training]: seed = {seed} must be at most {}", i64::MAX)]
    Seed {
        /// The seed.
        seed: u64,
    },
    /// A width that no layer has.
    #[error("{place}: {width} is no width of a layer: 1 to {MAX_WIDTH}")]
    Width {
        /// Where.
        place: String,
        /// The width.
        width: usize,
    },
}
