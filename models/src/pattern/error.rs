//! Why a pattern is impossible.

use thiserror::Error;

use super::{MAX_BLOCK_SIDE, MAX_PLACES, Nearest, NearestDivisors, PAGES};

/// Why a pattern has no mask of the shape asked for.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// No inputs or no outputs.
    #[error("a junction from {n_in} inputs to {n_out} outputs has no edges: both must be at least 1")]
    NoNeurons {
        /// Number of inputs.
        n_in: usize,
        /// Number of outputs.
        n_out: usize,
    },
    /// More than [`MAX_PLACES`] possible edges.
    #[error("{n_in} x {n_out} edges are too many: a junction has at most {MAX_PLACES}")]
    TooLarge {
        /// Number of inputs.
        n_in: usize,
        /// Number of outputs.
        n_out: usize,
    },
    /// Weights to project are not as many as places.
    #[error("a junction from {n_in} inputs to {n_out} outputs has {} weights, not {found}", n_in * n_out)]
    Weights {
        /// Number of inputs.
        n_in: usize,
        /// Number of outputs.
        n_out: usize,
        /// Weights given.
        found: usize,
    },
    /// An out-degree of 0 or above the number of outputs.
    #[error("out-degree {out_degree} is impossible with {n_out} outputs: it must be 1 to {n_out}")]
    OutDegree {
        /// The out-degree asked for.
        out_degree: usize,
        /// Number of outputs.
        n_out: usize,
    },
    /// The in-degree that goes with the out-degree is not a whole number.
    #[error(
        "out-degree {out_degree} from {n_in} inputs gives {n_out} outputs an in-degree of {in_degree:.2}, which must \
         be whole: the nearest possible out-degrees are {nearest}"
    )]
    InDegreeNotWhole {
        /// The out-degree asked for.
        out_degree: usize,
        /// Number of inputs.
        n_in: usize,
        /// Number of outputs.
        n_out: usize,
        /// `n_in · out_degree / n_out`.
        in_degree: f64,
        /// What is possible.
        nearest: Nearest,
    },
    /// A density that is not above 0 and at most 1.
    #[error("density {density} is impossible: it must be above 0 and at most 1")]
    Density {
        /// The density asked for.
        density: f64,
    },
    /// The inputs do not fill z memories evenly.
    #[error("z = {z} does not divide {n_in} inputs into memories of one depth: the nearest that do are {nearest}")]
    Memories {
        /// The degree of parallelism asked for.
        z: usize,
        /// Number of inputs.
        n_in: usize,
        /// What is possible.
        nearest: NearestDivisors,
    },
    /// A clash-free type other than 1, 2 and 3.
    #[error("there is no clash-free type {kind}: 1, 2 or 3")]
    Kind {
        /// The type asked for.
        kind: u8,
    },
    /// Blocks of a shape that no packing has.
    #[error("blocks of {rows} x {cols} are impossible: 1 to {MAX_BLOCK_SIDE} outputs by 1 to {MAX_BLOCK_SIDE} inputs")]
    BlockShape {
        /// Outputs of a block.
        rows: usize,
        /// Inputs of a block.
        cols: usize,
    },
    /// The blocks' width does not divide the inputs.
    #[error("blocks {cols} inputs wide do not divide {n_in} inputs: the nearest widths that do are {nearest}")]
    BlockCols {
        /// Inputs of a block.
        cols: usize,
        /// Number of inputs.
        n_in: usize,
        /// What is possible.
        nearest: NearestDivisors,
    },
    /// N or M out of range.
    #[error("{n}:{m} is impossible: M is one of {PAGES:?} and N is 1 to M")]
    NM {
        /// Edges of a page.
        n: usize,
        /// Inputs of a page.
        m: usize,
    },
}
