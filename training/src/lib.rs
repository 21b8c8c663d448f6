//! Trains multi-exit networks whose masks are fixed beforehand.
//!
//! [`train()`] takes a [`Recipe`](lacewing_models::Recipe) and two data sets and gives a [`Trained`] network, which
//! [`Trained::save`] writes for the converter; [`fine_tune`] goes on from such a file, with some junctions frozen where that is
//! wanted, [`fit_int8`] with the rounding of int8 in its passes, and [`Trained::with_exit`] puts an exit into a network that has none; [`sweep`] trains a
//! [`Grid`](lacewing_models::Grid). Every exit has a softmax cross-entropy in the
//! loss; Adam, or gradient descent with momentum, moves the nonzeros. The zeros of a mask are never stored, multiplied or
//! updated: a sparse junction costs memory and time in proportion to its nonzeros ("Pre-Defined Sparse Neural Networks with Hardware Acceleration", arXiv 1812.01164,
//! section II, has the method and its operation counts).
#![forbid(unsafe_code)]

mod activation;
mod checkpoint;
mod data;
mod error;
mod file;
#[cfg(test)]
mod gradient_check;
mod int8;
mod junction;
mod loss;
mod network;
mod optimiser;
mod order;
mod parameters;
mod plan;
mod prune;
mod schedule;
mod spread;
pub mod sweep;
mod train;
mod trained;

pub use error::{CheckpointError, DatasetError, FileError, TrainError};
pub use spread::Spread;
pub use train::{Control, Progress, fine_tune, fit_int8, train, train_with};
pub use trained::{Int8, Trained};
