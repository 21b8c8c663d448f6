//! What surrounds a network on the host: recipes, masks and the patterns they are drawn from, data, tensor names.
//!
//! * [`Recipe`] describes a multi-exit network and how it is trained; a TOML file, documented in `models/RECIPES.md`.
//! * [`Grid`] is many recipes in one file, to compare patterns and densities with.
//! * [`Pattern`] draws a [`Mask`], the edges of one junction, from a seed: the same on every platform.
//! * [`mask_file`] hands masks to people who train elsewhere.
//! * [`data`] reads image sets (IDX, `.npz`) into a [`Dataset`], as the recipe's input section asks.
//! * [`JunctionId`] makes the names under which weights, biases and masks are stored in files.
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod bundled;
pub mod data;
pub mod grid;
pub mod mask;
pub mod mask_file;
pub mod names;
mod npz;
mod output;
pub mod pattern;
pub mod recipe;
mod rng;

pub use data::{DataError, Dataset, Part};
pub use grid::{Grid, GridError};
pub use mask::{Mask, MaskError};
pub use mask_file::MaskFileError;
pub use names::JunctionId;
pub use output::write_file;
pub use pattern::{Pattern, PatternError, Projection, ProjectionError};
pub use recipe::{Recipe, RecipeError};
