//! Grids: networks × patterns × densities × seeds, in one TOML file, to be trained one beside the other. `models/RECIPES.md`
//! documents every key.

mod error;
mod file;
mod point;

use std::path::Path;

pub use error::{GridError, PointError};

use crate::pattern::Projection;
use crate::recipe::Recipe;

/// Most seeds of a grid.
pub const MAX_SEEDS: u64 = 1000;

/// A grid whose every network can be trained: [`parse`](Self::parse) has checked them all.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Name: `a-z`, `0-9` and `-`.
    pub name: String,
    /// Trainings of each network, with the seed of its recipe and those that follow.
    pub seeds: u64,
    /// The networks, in the order of the file: networks, of each its patterns, of each its densities.
    pub points: Vec<GridPoint>,
}

/// One network of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct GridPoint {
    /// The pattern with what tells it from others of its family, without its density: `block 8x1`, `pruned nm 16`.
    pub pattern: String,
    /// Densities of the junctions but the last, as asked for: one number where they are equal, else one for each, separated
    /// by spaces.
    pub density: String,
    /// The network and how it is trained.
    pub recipe: Recipe,
    /// Where the network is trained dense, pruned and trained again: what junctions 1, 2, … are projected onto.
    pub pruned: Vec<Projection>,
}

impl Grid {
    /// Reads a grid from TOML and checks each of its networks.
    ///
    /// # Errors
    /// If the text is not TOML, has an unknown key or a wrong type, an empty list, or a network that is impossible.
    pub fn parse(toml: &str) -> Result<Self, GridError> {
        file::from_toml(toml)
    }

    /// Reads and checks the grid in a file.
    ///
    /// # Errors
    /// If the file cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, GridError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| GridError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text).map_err(|error| GridError::In { path: path.to_path_buf(), error: Box::new(error) })
    }

    /// The same with another number of seeds.
    ///
    /// # Errors
    /// If there cannot be as many.
    pub fn with_seeds(self, seeds: u64) -> Result<Self, GridError> {
        if !(1..=MAX_SEEDS).contains(&seeds) {
            return Err(GridError::Seeds { seeds });
        }
        self.points.iter().try_for_each(|point| point.check(seeds))?;
        Ok(Self { seeds, ..self })
    }
}

impl GridPoint {
    /// Proves that the network can be trained with so many seeds, at least 1: the last is the largest.
    fn check(&self, seeds: u64) -> Result<(), GridError> {
        let mut last = self.recipe.clone();
        last.training.seed = last.training.seed.saturating_add(seeds - 1);
        last.check().map_err(|source| self.refused(source.into()))
    }

    /// Whether nobody could tell the two apart.
    fn is_called(&self, other: &Self) -> bool {
        (&self.recipe.name, &self.pattern, &self.density) == (&other.recipe.name, &other.pattern, &other.density)
    }

    fn refused(&self, source: PointError) -> GridError {
        let (network, pattern, density) = (self.recipe.name.clone(), self.pattern.clone(), self.density.clone());
        GridError::Point { network, pattern, density, source: Box::new(source) }
    }
}
