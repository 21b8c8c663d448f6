//! Why a sweep ended early.

use std::path::PathBuf;

use lacewing_models::DataError;
use thiserror::Error;

use super::AnyError;
use crate::error::{DatasetError, TrainError};

/// Why a sweep ended early. What was finished is kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The data cannot be read or does not fit.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The folder or its journal cannot be written to or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of the journal is none of a sweep's.
    #[error("{}, line {line}: {source}; delete the line or the file, or name another folder", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A network was not trained.
    #[error("{network}, seed {seed}: {source}")]
    Train {
        /// The network, its pattern and density.
        network: String,
        /// The seed.
        seed: u64,
        /// Why.
        source: TrainError,
    },
    /// A trained network was not measured.
    #[error("{network}, seed {seed}: {source}")]
    Measure {
        /// The network, its pattern and density.
        network: String,
        /// The seed.
        seed: u64,
        /// Why.
        source: AnyError,
    },
    /// The test part does not fit.
    #[error("the data does not fit {network}: {source}")]
    Dataset {
        /// The network, its pattern and density.
        network: String,
        /// Why.
        source: DatasetError,
    },
    /// No thread could be started.
    #[error("no thread to train in: {0}")]
    Threads(String),
    /// The caller stopped it.
    #[error("stopped: {finished} of {of} networks are trained, and kept in {}; the same command goes on from there", journal.display())]
    Stopped {
        /// Networks trained.
        finished: usize,
        /// Networks in all.
        of: usize,
        /// Where they are kept.
        journal: PathBuf,
    },
}
