//! Why a training, a file or an evaluation was refused.

use std::path::PathBuf;

use lacewing_models::RecipeError;
use thiserror::Error;

/// Why a network was not trained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The recipe is inconsistent, or asks for a pattern that cannot be drawn.
    #[error("the recipe: {0}")]
    Recipe(Box<RecipeError>),
    /// `LACEWING_ISA` asks for what cannot be had.
    #[error(transparent)]
    Isa(#[from] lacewing_kernels::IsaError),
    /// The training or the validation set does not fit the recipe.
    #[error("the {set} set does not fit the recipe: {source}")]
    Data {
        /// `training` or `validation`.
        set: &'static str,
        /// What is wrong with it.
        source: DatasetError,
    },
    /// A batch has no samples, or more than there are.
    #[error("batches of {batch} samples cannot be made from {samples} training samples: set `batch` to 1..={samples}")]
    Batch {
        /// Samples to a batch, from the recipe.
        batch: usize,
        /// Samples in the training set.
        samples: usize,
    },
    /// The caller stopped it.
    #[error("stopped in epoch {epoch}{}", if *.saved { ": the checkpoint has the epochs before, the same command goes on from there" } else { "" })]
    Stopped {
        /// The epoch that was not finished, from 1.
        epoch: usize,
        /// Whether a checkpoint was written.
        saved: bool,
    },
    /// The checkpoint.
    #[error("checkpoint {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Nothing can be rounded to steps of nothing.
    #[error(
        "int8: {place} is 0 on all of the training data, which makes no scale: is the network trained, and is this its data?"
    )]
    Dead {
        /// The input, or a junction.
        place: String,
    },
    /// Nor to infinite ones.
    #[error(
        "int8: the network computes numbers of 2^120 and more, which no scale stands for: is the network trained, and is this its data?"
    )]
    TooLarge,
    /// The loss or a parameter became infinite or not a number.
    #[error(
        "training diverged in epoch {epoch}, batch {batch}: the loss or a weight is no longer finite; \
         lower `learning_rate` of [{table}] (now {learning_rate:?}){}",
        if *saved { "; the checkpoint is that of the epoch before" } else { "" }
    )]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The batch, from 1.
        batch: usize,
        /// The recipe's table that says the learning rate.
        table: &'static str,
        /// The learning rate that the recipe asks for.
        learning_rate: f32,
        /// Whether there is a checkpoint of the epoch before.
        saved: bool,
    },
}

/// Why a checkpoint was not written or not gone on from.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no safetensors file.
    #[error("{}: {source}; delete it to start anew", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
    /// It belongs to another training.
    #[error("{}: a checkpoint of {other}; delete it to start anew, or name another file", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Of what.
        other: &'static str,
    },
    /// Something in it is missing, or not of the network's shape.
    #[error("{}: `{what}` is missing or damaged; delete the file to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The metadata entry or tensor.
        what: String,
    },
}

/// Why a data set cannot be used with a network.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// There are no samples.
    #[error("it is empty")]
    Empty,
    /// The samples have the wrong number of values.
    #[error("its samples have {found} values, the network {expected} inputs")]
    Width {
        /// Inputs of the network.
        expected: usize,
        /// Values of a sample.
        found: usize,
    },
    /// A label is not a class.
    #[error("sample {sample} has label {label}, but the classes are 0 to {}", classes - 1)]
    Label {
        /// The sample, from 0.
        sample: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
}

/// Why a trained network was not written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// `LACEWING_ISA` asks for what cannot be had.
    #[error(transparent)]
    Isa(#[from] lacewing_kernels::IsaError),
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason given.
        source: std::io::Error,
    },
    /// Not a safetensors file, or one that cannot be written.
    #[error("{path}: {source}")]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: safetensors::SafeTensorError,
    },
    /// The file says nothing of the network it holds.
    #[error("{path} has no metadata entry `{key}`: it was not written by this trainer")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The entry.
        key: &'static str,
    },
    /// The recipe in the file is not one.
    #[error("{path}, recipe in the metadata: {source}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<RecipeError>,
    },
    /// A tensor is missing, or is not what the recipe asks for.
    #[error("{path}: tensor `{tensor}` {problem}")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
}
