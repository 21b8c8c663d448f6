//! Families of masks, fixed before training and drawn from a seed.

mod block;
mod clash_free;
mod degree;
mod error;
mod nm;
mod project;
mod random;

use core::fmt;

use crate::mask::Mask;
use crate::rng::Draws;
pub use clash_free::{Clash, verify_clash_free};
pub(crate) use degree::nearest_degrees;
pub use degree::{Nearest, NearestDivisors};
pub use error::PatternError;
pub use project::{Projection, ProjectionError};

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
    /// Random edges anywhere: degrees vary, and outputs without an edge may occur.
    RandomDensity {
        /// Edges over places, above 0 and at most 1; the number of edges is rounded, and at least one.
        density: f64,
    },
    /// Clash-free in z memories (Dey et al., arXiv 1812.01164), with constant in- and out-degree. Input i lies in memory
    /// i mod z; [`verify_clash_free`] proves the property of a mask.
    ClashFree {
        /// Edges of each input, 1 to `n_out`. The in-degree, `n_in · out_degree / n_out`, must be whole.
        out_degree: usize,
        /// Degree of parallelism: edges processed, and memories read, in a cycle. It divides `n_in`.
        z: usize,
        /// Type 1, 2 or 3: the same seed addresses in every sweep, fresh ones in every sweep, any order of addresses.
        kind: u8,
        /// Whether the order of memories within a cycle is drawn afresh for every sweep.
        dither: bool,
    },
    /// Blocks of `rows` outputs × `cols` inputs: every row block has the same number of them, every column block has as
    /// many as every other or one more. A last row block of fewer than `rows` outputs is allowed.
    Block {
        /// Outputs of a block, 1 to 32.
        rows: usize,
        /// Inputs of a block, 1 to 32. It divides `n_in`.
        cols: usize,
        /// Blocks over possible blocks, above 0 and at most 1; the number in a row block is rounded, and at least one.
        density: f64,
    },
    /// Exactly `n` edges in every page of `m` consecutive inputs, in every row; in a last page of r < m inputs
    /// max(1, round(n·r/m)), halves up. Out-degrees within a page differ by one at most.
    NM {
        /// Edges of a page in a row, 1 to `m`.
        n: usize,
        /// Inputs of a page: 4, 8, 16, 32 or 64.
        m: usize,
    },
}

/// Longest side of a block.
pub const MAX_BLOCK_SIDE: usize = 32;
/// Sizes of a page in N:M patterns.
pub const PAGES: [usize; 5] = [4, 8, 16, 32, 64];

/// A junction can have this many possible edges at most (268 million: 1 GB of `f32` weights).
pub const MAX_PLACES: usize = 1 << 28;

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
            Self::Random { out_degree } => random::even(n_in, n_out, n_in * out_degree / n_out, &mut draws),
            Self::RandomDensity { density } => random::anywhere(n_in, n_out, share(n_in * n_out, density), &mut draws),
            Self::ClashFree { out_degree, z, kind, dither } => {
                clash_free::mask(n_in, n_out, out_degree, z, clash_free::Family { kind, dither }, &mut draws)
            }
            Self::Block { rows, cols, density } => block::mask(n_in, n_out, (rows, cols), density, &mut draws),
            Self::NM { n, m } => nm::mask(n_in, n_out, (n, m), &mut draws),
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
            Self::RandomDensity { density } => check_density(density),
            Self::ClashFree { out_degree, z, kind, .. } => {
                if !(1..=3).contains(&kind) {
                    return Err(PatternError::Kind { kind });
                }
                degree::divides(z, n_in).map_err(|nearest| PatternError::Memories { z, n_in, nearest })?;
                degree::in_degree(n_in, n_out, out_degree).map(|_| ())
            }
            Self::Block { rows, cols, density } => {
                if !(1..=MAX_BLOCK_SIDE).contains(&rows) || !(1..=MAX_BLOCK_SIDE).contains(&cols) {
                    return Err(PatternError::BlockShape { rows, cols });
                }
                degree::divides(cols, n_in).map_err(|nearest| PatternError::BlockCols { cols, n_in, nearest })?;
                check_density(density)
            }
            Self::NM { n, m } if !PAGES.contains(&m) || !(1..=m).contains(&n) => Err(PatternError::NM { n, m }),
            Self::NM { .. } => Ok(()),
        }
    }
}

/// As people say it: "random, out-degree 9", "block 8x1, density 0.1".
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Dense => f.write_str("dense"),
            Self::Random { out_degree } => write!(f, "random, out-degree {out_degree}"),
            Self::RandomDensity { density } => write!(f, "random, density {density}"),
            Self::ClashFree { out_degree, z, kind, dither } => {
                let dither = if dither { ", memory dither" } else { "" };
                write!(f, "clash-free type {kind}, out-degree {out_degree}, z = {z}{dither}")
            }
            Self::Block { rows, cols, density } => write!(f, "block {rows}x{cols}, density {density}"),
            Self::NM { n, m } => write!(f, "{n}:{m}"),
        }
    }
}

fn check_density(density: f64) -> Result<(), PatternError> {
    if density > 0.0 && density <= 1.0 { Ok(()) } else { Err(PatternError::Density { density }) }
}

/// `density` of `whole`, rounded, at least one; `density` is above 0 and at most 1.
fn share(whole: usize, density: f64) -> usize {
    ((whole as f64 * density).round() as usize).clamp(1, whole.max(1))
}
