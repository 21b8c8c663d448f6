//! One module a subcommand.

pub mod bench;
pub mod calibrate;
pub mod convert;
pub mod demo;
pub mod eval;
pub mod export;
pub mod fit_exit;
pub mod fit_int8;
pub mod inspect;
mod loopback;
pub mod mask;
pub mod pack;
pub mod plan;
pub mod prune;
pub mod report;
pub mod serve;
pub mod sweep;
pub mod train;
pub mod tune;
mod tuning;

use std::path::{Path, PathBuf};

use lacewing_engine::{KernelSet, Model, ParseError};
use lacewing_tail::ModelBytes;

use crate::failure::{Failure, about};

/// The data given, or the bundled MNIST.
fn data_or_bundled(data: Option<&Path>) -> PathBuf {
    data.map_or_else(lacewing_models::data::bundled_mnist, Path::to_path_buf)
}

fn read_model(path: &Path) -> Result<ModelBytes, Failure> {
    lacewing_tail::read_model(path).map_err(about(path))
}

/// Whether `path`, which is written after much work, can be: its folder is there, and its name says what it will hold.
fn will_hold_a_network(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(format!("{}: there is no folder {}: make it", path.display(), folder.display()).into());
    }
    if path.extension().is_none_or(|extension| extension != "safetensors") {
        return Err(format!("{}: trained networks are safetensors files: name it .safetensors", path.display()).into());
    }
    Ok(())
}

fn parse_model<'m>(path: &Path, bytes: &'m [u8]) -> Result<Model<'m>, Failure> {
    let refused = |error: ParseError| format!("{}: {error}{}", path.display(), error.advice()).into();
    Model::parse(bytes, &KernelSet::ALL).map_err(refused)
}
