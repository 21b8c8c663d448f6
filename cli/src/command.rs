//! One module a subcommand.

pub mod bench;
pub mod calibrate;
pub mod convert;
pub mod demo;
pub mod eval;
pub mod export;
pub mod fit_exit;
pub mod inspect;
mod loopback;
pub mod mask;
pub mod pack;
pub mod plan;
pub mod prune;
pub mod report;
pub mod serve;
pub mod train;
pub mod tune;
mod tuning;

use std::path::{Path, PathBuf};

use lacewing_engine::{KernelSet, Model};

use crate::Failure;

/// The data given, or the bundled MNIST.
fn data_or_bundled(data: Option<&Path>) -> PathBuf {
    data.map_or_else(lacewing_models::data::bundled_mnist, Path::to_path_buf)
}

/// Reads a model file whole: what is parsed has to stay as it is, so it is never mapped.
fn read_model(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn parse_model<'m>(path: &Path, bytes: &'m [u8]) -> Result<Model<'m>, Failure> {
    Model::parse(bytes, &KernelSet::ALL).map_err(|error| format!("{}: {error}", path.display()).into())
}
