//! Families of masks, fixed before training and drawn from a seed.

mod degree;
mod random;

use thiserror::Error;

use crate::mask::Mask;
use crate::rng::Draws;
pub use degree::Nearest;

/// The family a junction's mask is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pattern {
    /// Every edge.
    Dense,
    /// Random, with the same out-degree for every input and the same in-degree for every output: the pattern of
    /// arXiv 2407.11763.
    Random {
        /// Edges of each input, 1 to `n_out`. The in-degree, `n_in · out_degree / n_out`, must be whole.
        out_degree: usize,
    },
}

/// A junction can have this many possible edges at most (268 million: 1 GB of `f32` weights).
pub const MAX_PLACES: usize = 1 << 28;

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
}

impl Pattern {
    /// Draws the mask of a junction from `n_in` inputs to `n_out` outputs. The same seed gives the same mask everywhere.
    ///
    /// # Errors
    /// If the pattern is impossible for these widths; the message names the nearest possible degrees.
    pub fn mask(&self, n_in: usize, n_out: usize, seed: u64) -> Result<Mask, PatternError> {
        self.check(n_in, n_out)?;
        let mut draws = Draws::new(seed);
        Ok(match *self {
            Self::Dense => Mask::dense(n_in, n_out),
            Self::Random { out_degree } => random::regular(n_in, n_out, out_degree, &mut draws),
        })
    }

    /// Whether [`mask`](Self::mask) would succeed, without drawing anything.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub fn check(&self, n_in: usize, n_out: usize) -> Result<(), PatternError> {
        if n_in == 0 || n_out == 0 {
            return Err(PatternError::NoNeurons { n_in, n_out });
        }
        if n_in.checked_mul(n_out).is_none_or(|places| places > MAX_PLACES) {
            return Err(PatternError::TooLarge { n_in, n_out });
        }
        match *self {
            Self::Dense => Ok(()),
            Self::Random { out_degree } => degree::in_degree(n_in, n_out, out_degree).map(|_| ()),
        }
    }
}
