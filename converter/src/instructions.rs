//! Instructions of one image on a Cortex-M4F in f32, told from the edges alone: each junction in the packing that takes the fewest there.
//!
//! The kernels have no branches that depend on the data but those of the activation, so a count is a sum over their loops; what a loop
//! costs was read off counted junctions (`benches/record/cortex-m4/junctions.toml`, under QEMU), and is held against them, and
//! against the counts of whole networks, by a test of `lacewing-benches`. These are instructions, not cycles.
//!
//! | packing | instructions of a junction |
//! |-|-|
//! | dense, four outputs or more | for each tile of four outputs 39 for 8 inputs and 26 for each that is left over, and 77; 18 an output |
//! | dense, fewer | 4.3 an edge and 22 an output |
//! | block of 8 or 16 outputs | 14 or 23 a block; 232 or 418 a row of blocks |
//! | rows of one in-degree | 32 for 8 edges of a row and 11 for each that is left over; 32 an output |
//! | rows of any length | 7.75 an edge, 49 an output |

use crate::edges::Edges;
use crate::find::Structure;
use crate::network::{Network, TrainedJunction};

/// Of a run besides its junctions.
const RUN: usize = 150;
/// Of the answer at the end of a trunk.
const ANSWER: usize = 980;
/// Of the decision at an exit, by the largest probability.
const DECISION: usize = 936;
/// Of a junction besides its loops.
const JUNCTION: usize = 110;

/// Instructions of one image to the end of the trunk, every branch included.
#[must_use]
pub fn whole(network: &Network) -> usize {
    RUN + ANSWER + DECISION * network.exits.len() + network.junctions().map(junction).sum::<usize>()
}

/// Those of the head, its exits included; all of them where the network is not split.
#[must_use]
pub fn head(network: &Network) -> usize {
    let Some(split) = network.split else { return whole(network) };
    let exits = || network.exits.iter().filter(|exit| exit.after <= split);
    let branches = exits().flat_map(|exit| &exit.branch);
    let junctions = network.trunk.iter().take(split).chain(branches);
    RUN + DECISION * exits().count() + junctions.map(junction).sum::<usize>()
}

fn junction(junction: &TrainedJunction) -> usize {
    of(&junction.edges, &Structure::of(&junction.edges))
}

/// Instructions of a junction in the packing of the fewest.
#[must_use]
pub fn of(edges: &Edges, structure: &Structure) -> usize {
    let (n_in, n_out) = (edges.n_in(), edges.n_out());
    let blocks = structure
        .blocks
        .iter()
        .filter(|fit| fit.cols == 1)
        .filter_map(|fit| block(fit.rows, fit.blocks, n_out.div_ceil(usize::from(fit.rows))));
    let sparse =
        structure.in_degrees.constant().map_or_else(|| csr(edges.nnz(), n_out), |in_degree| rows(in_degree, n_out));
    blocks.chain([dense(n_in, n_out), sparse]).min().unwrap_or_default()
}

/// `dense_f32_4x8/fpu`, and what stands in for it below four outputs.
#[must_use]
pub fn dense(n_in: usize, n_out: usize) -> usize {
    if n_out < 4 {
        return JUNCTION + n_out * (22 + 43 * n_in / 10);
    }
    JUNCTION + n_out.div_ceil(4) * (77 + 39 * (n_in / 8) + 26 * (n_in % 8)) + 18 * n_out
}

/// `block_f32_8x1/fpu` and `block_f32_16x1/fpu`: of so many blocks in so many rows of them. `None` for other sizes.
#[must_use]
pub fn block(rows: u8, blocks: usize, row_blocks: usize) -> Option<usize> {
    match rows {
        8 => Some(JUNCTION + 14 * blocks + 232 * row_blocks),
        16 => Some(JUNCTION + 23 * blocks + 418 * row_blocks),
        _ => None,
    }
}

/// `rows16_f32_1x8/fpu`
#[must_use]
pub fn rows(in_degree: usize, n_out: usize) -> usize {
    JUNCTION + n_out * (32 + 32 * (in_degree / 8) + 11 * (in_degree % 8))
}

/// `csr16_f32_1x1/scalar`
#[must_use]
pub fn csr(edges: usize, n_out: usize) -> usize {
    JUNCTION + 31 * edges / 4 + 49 * n_out
}
