//! The way back: what is in a model file, as ONNX or as NumPy arrays, and a tail as a model repository of an inference server.
//!
//! Zeros are written out: other engines have them too. Thresholds, temperatures and class names of exits have no place in ONNX;
//! each exit is an output there.

mod arrays;
mod graph;
mod repository;

use std::path::PathBuf;

use lacewing_engine::{KernelSet, Model, ParseError, Part};
use lacewing_models::RecipeError;
use thiserror::Error;

use crate::network::Network;
use crate::repack::{RepackError, network_of};
use crate::write::WriteError;

pub use arrays::arrays;
pub use graph::onnx;
pub use repository::{Repository, repository};

/// A model file cannot be exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It is no model file.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// It computes in int8.
    #[error("it computes in int8, and only f32 networks are exported: export the f32 model it was made from")]
    Int8,
    /// A junction cannot be taken apart.
    #[error(transparent)]
    Junction(#[from] RepackError),
    /// What it holds makes no recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// It is no tail.
    #[error(
        "it is a {0}, and a model repository is made of a tail: lacewing convert writes one where the network is split"
    )]
    NoTail(&'static str),
    /// A name that servers do not take.
    #[error("{0:?} is no name of a service: lower-case letters, digits and hyphens between them, at most 63")]
    Name(String),
    /// Arrays cannot be put together.
    #[error("the arrays cannot be written: {0}")]
    Arrays(String),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A file's network, and which part of the whole it is.
struct Opened {
    network: Network,
    part: Part,
    pair_id: u32,
    /// Junctions of the whole network's trunk before this part.
    before: usize,
    /// Number, in the whole network, of the first exit.
    first_exit: usize,
}

fn open(bytes: &[u8]) -> Result<Opened, ExportError> {
    let model = Model::parse(bytes, &KernelSet::ALL)?;
    if !model.is_f32() {
        return Err(ExportError::Int8);
    }
    let part = model.part();
    let mut network = network_of(&model)?;
    network.class_names = (0..model.classes()).map_while(|class| model.class_name(class)).map(str::to_owned).collect();
    Ok(Opened {
        network,
        part,
        pair_id: model.pair_id(),
        before: if part == Part::Tail { usize::from(model.split()) } else { 0 },
        first_exit: model.exits().next().map_or(1, |exit| usize::from(exit.id.0)),
    })
}

/// A file to be written: its path below the folder asked for, and its bytes.
pub type File = (PathBuf, Vec<u8>);
