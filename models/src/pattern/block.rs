//! Blocks of R outputs × C inputs.

use super::{random, share};
use crate::mask::Mask;
use crate::rng::Draws;

/// Draws which blocks there are, evenly, and fills them. `cols` divides `n_in`; a last row block of fewer than `rows`
/// outputs has the blocks that a whole one has.
pub(super) fn mask(n_in: usize, n_out: usize, (rows, cols): (usize, usize), density: f64, draws: &mut Draws) -> Mask {
    let row_blocks = n_out.div_ceil(rows);
    let possible = n_in / cols;
    let blocks = random::even(possible, row_blocks, share(possible, density), draws);
    let mut mask = Mask::empty(n_in, n_out);
    for output in 0..n_out {
        for block in blocks.row(output / rows) {
            for input in block * cols..(block + 1) * cols {
                mask.insert(output, input);
            }
        }
    }
    mask
}
