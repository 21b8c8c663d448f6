//! Instructions of one image on a Cortex-M4F in f32, told from the edges alone: each junction in the packing that takes the fewest there.
//!
//! The kernels have no branches that depend on the data but those of the activation, so a count is a sum over their loops; what a loop
//! costs was read off counted junctions (`benches/record/cortex-m4/junctions.toml`, under QEMU), and is held against them, and
//! against the counts of whole networks, by a test of `lacewing-benches`. These are instructions, not cycles.
//!
//! | packing | instructions of a junction |
//! |-|-|
//! | dense, two outputs or more | for each tile of four outputs 55 for 12 inputs, 23 for 4 and 11 for each that is left over, and 27 |
//! | dense, one | 4.3 an edge and 22 |
//! | block of 8 or 16 outputs | 14 or 23 a block; 113 or 200 a row of blocks |
//! | rows of one in-degree | 54 for 16 edges of a row; 26 for 8, 14 for 4, 8 for 2, 5 for one and 4 in all where any of these are left over; 12 an output |
//! | rows of any length | 3.375 an edge, 17 an output |
//!
//! Each but dense of one output has 7.25 more an output for its activation, and 131 besides; the engine's step to it takes 120.

use crate::edges::Edges;
use crate::find::Structure;
use crate::network::{Network, TrainedJunction};

/// Of a run besides its junctions.
const RUN: usize = 150;
/// Of the answer at the end of a trunk.
const ANSWER: usize = 750;
/// Of the decision at an exit, by the largest probability.
const DECISION: usize = 936;
/// Of a junction besides its loops, run alone.
const JUNCTION: usize = 131;
/// Of the engine's step to it.
const STEP: usize = 120;

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
    STEP + of(&junction.edges, &Structure::of(&junction.edges))
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

/// Of a junction besides its loops, with what the activation of so many outputs takes.
fn junction_of(n_out: usize) -> usize {
    JUNCTION + 29 * n_out / 4
}

/// `dense_f32_4x12/fpu`, and what stands in for it where there is one output.
#[must_use]
pub fn dense(n_in: usize, n_out: usize) -> usize {
    if n_out < 2 {
        return JUNCTION + n_out * (22 + 43 * n_in / 10);
    }
    // A tile of fewer rows than four is filled up.
    let filling = if n_out < 4 { 90 } else { 0 };
    let tile = 27 + 55 * (n_in / 12) + 23 * (n_in % 12 / 4) + 11 * (n_in % 4);
    junction_of(n_out) + filling + n_out.div_ceil(4) * tile
}

/// `block_f32_8x1/fpu` and `block_f32_16x1/fpu`: of so many blocks in so many rows of them, every one whole. `None` for other sizes.
#[must_use]
pub fn block(rows: u8, blocks: usize, row_blocks: usize) -> Option<usize> {
    let outputs = junction_of(usize::from(rows) * row_blocks);
    match rows {
        8 => Some(outputs + 14 * blocks + 113 * row_blocks),
        16 => Some(outputs + 23 * blocks + 200 * row_blocks),
        _ => None,
    }
}

/// `rows16_f32_1x16/fpu`
#[must_use]
pub fn rows(in_degree: usize, n_out: usize) -> usize {
    // Of an odd number of edges every second row begins beside a word of indices, and has its first edge before the loop.
    let second = if in_degree.is_multiple_of(2) { row(in_degree) } else { 7 + row(in_degree - 1) };
    junction_of(n_out) + n_out.div_ceil(2) * row(in_degree) + n_out / 2 * second
}

/// A row of so many edges, from a word of indices on.
fn row(edges: usize) -> usize {
    let left = |bit: usize, instructions: usize| if edges & bit == 0 { 0 } else { instructions };
    let fewer_than_8 = if edges.is_multiple_of(8) { 0 } else { 4 + left(4, 14) + left(2, 8) + left(1, 5) };
    12 + 54 * (edges / 16) + left(8, 26) + fewer_than_8
}

/// `csr16_f32_1x16/fpu`
#[must_use]
pub fn csr(edges: usize, n_out: usize) -> usize {
    junction_of(n_out) + 27 * edges / 8 + 17 * n_out
}
