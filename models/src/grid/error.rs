//! What can be wrong with a grid.

use std::path::PathBuf;

use thiserror::Error;

use super::MAX_SEEDS;
use crate::names::JunctionId;
use crate::pattern::{Nearest, PAGES, PatternError};
use crate::recipe::{MAX_NAME, RecipeError};

/// Why a text is no grid that can be trained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GridError {
    /// The file cannot be read.
    #[error("cannot read the grid {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the file holds is refused.
    #[error("grid {path}: {error}")]
    In {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<GridError>,
    },
    /// Not TOML, an unknown key, a missing key or a wrong type; the message shows the line.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A name that is empty, too long or has other letters.
    #[error("name = {name:?}: a grid's name is 1 to {MAX_NAME} of the letters a-z, digits and -")]
    Name {
        /// The name.
        name: String,
    },
    /// A network whose name, widths, input or training are impossible, whatever its patterns.
    #[error("network {network}: {source}")]
    Network {
        /// The network.
        network: String,
        /// What is wrong.
        source: Box<RecipeError>,
    },
    /// A training setting that there is not, or of a wrong type.
    #[error("network {network}, the [training] of the grid, the network and the pattern together: {source}")]
    Training {
        /// The network.
        network: String,
        /// What is wrong.
        source: toml::de::Error,
    },
    /// Training for int8, whose accuracy a sweep would not see.
    #[error("network {network}: a sweep compares networks in f32: leave [training.int8] out")]
    Int8 {
        /// The network.
        network: String,
    },
    /// A list without entries.
    #[error("{place} is empty: {remedy}")]
    Empty {
        /// The list.
        place: String,
        /// What to write.
        remedy: &'static str,
    },
    /// Fewer widths than a junction has.
    #[error(
        "network {network}: widths = {widths:?} has no junction: give the inputs, hidden layers and classes, at least 2"
    )]
    Widths {
        /// The network.
        network: String,
        /// Its widths.
        widths: Vec<usize>,
    },
    /// Two networks have one name.
    #[error("two networks are called {network}: give one of them another `name`")]
    SameName {
        /// The name.
        network: String,
    },
    /// A number of seeds that is none.
    #[error("seeds = {seeds} must be 1 to {MAX_SEEDS}")]
    Seeds {
        /// The number.
        seeds: u64,
    },
    /// A network that cannot be trained.
    #[error("network {network}, pattern {pattern}{}{density}: {source}", if density.is_empty() { "" } else { ", density " })]
    Point {
        /// The network.
        network: String,
        /// The pattern.
        pattern: String,
        /// The densities asked for; empty where they are not known.
        density: String,
        /// What is wrong.
        source: Box<PointError>,
    },
}

/// Why one network of a grid cannot be trained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PointError {
    /// A key that the pattern needs is missing.
    #[error("it needs the key {key}")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A key that does not go with the pattern.
    #[error("the key {key} does not go with it")]
    StrayKey {
        /// The key.
        key: &'static str,
    },
    /// A list for each junction of another length.
    #[error(
        "{key} has {found} values for {junctions} junctions (all but the last, which is dense): give one for each, or one \
         for all"
    )]
    Junctions {
        /// The key.
        key: &'static str,
        /// Values given.
        found: usize,
        /// Junctions that take one.
        junctions: usize,
    },
    /// Nothing but the last junction, which is always dense.
    #[error(
        "the last junction is dense, and there is no other: give `widths` a hidden layer, or take pattern = \"dense\""
    )]
    OneJunction,
    /// No constant degree gives the density.
    #[error(
        "{junction}: density {density} gives {n_in} inputs an out-degree of {out_degree:.2}, and {n_out} outputs an in-degree of \
         {in_degree:.2}: both must be whole and at least 1; the nearest possible out-degrees are {nearest}, densities {}",
        densities(nearest, *n_out)
    )]
    Degrees {
        /// The junction.
        junction: JunctionId,
        /// The density asked for.
        density: f64,
        /// Its inputs.
        n_in: usize,
        /// Its outputs.
        n_out: usize,
        /// `density · n_out`.
        out_degree: f64,
        /// `density · n_in`.
        in_degree: f64,
        /// What is possible.
        nearest: Nearest,
    },
    /// No whole number of edges in a page gives the density.
    #[error(
        "{junction}: density {density} of a page of {m} inputs is {edges:.2} edges, which must be whole and at least 1: the \
         nearest possible densities are {nearest}"
    )]
    Page {
        /// The junction.
        junction: JunctionId,
        /// The density asked for.
        density: f64,
        /// Inputs of a page.
        m: usize,
        /// `density · m`.
        edges: f64,
        /// What is possible, in words.
        nearest: String,
    },
    /// Pages wider than the input.
    #[error("{junction}: pages of {m} inputs are wider than its {n_in} inputs: {}", widest(*n_in))]
    WidePage {
        /// The junction.
        junction: JunctionId,
        /// Inputs of a page.
        m: usize,
        /// Its inputs.
        n_in: usize,
    },
    /// A density that is not above 0 and at most 1, or a shape that a projection does not take.
    #[error("{junction}: {source}")]
    Pattern {
        /// The junction.
        junction: JunctionId,
        /// What is impossible.
        source: PatternError,
    },
    /// A pattern that no dense network is pruned to.
    #[error("a dense network cannot be pruned to it: pruned goes with random, random_density, block and nm")]
    Pruned,
    /// The network or its training is impossible.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Two networks of the grid have the same name, pattern and densities.
    #[error("the grid has this network twice")]
    Twice,
}

fn densities(nearest: &Nearest, n_out: usize) -> String {
    let density = |(out_degree, _): (usize, usize)| format!("{}", out_degree as f64 / n_out as f64);
    let both: Vec<String> = [nearest.below, nearest.above].into_iter().flatten().map(density).collect();
    both.join(" and ")
}

fn widest(n_in: usize) -> String {
    match PAGES.iter().rev().find(|page| **page <= n_in) {
        Some(page) => format!("the widest that fit are of {page}"),
        None => "none fit".to_owned(),
    }
}
