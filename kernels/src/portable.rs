//! Plain Rust arranged for processors without vector units: the sums of several outputs stay in registers, so that an input is
//! loaded once for all of them, and weights are read as aligned numbers where they lie so.
//!
//! | kernel | loads per multiply-add | the reference's |
//! |-|-|-|
//! | dense, 4 rows | 1.25 | 2 |
//! | block of R outputs | 1 + (1 input + 1 index / cols) / R | 3, and the index again for each output |

use crate::bytes::as_f32;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::Packing;
use crate::scalar;

/// `dense_f32_4x1`
pub static DENSE: Kernel = Kernel::new("dense_f32_4x1", Isa::Scalar, Accepts::Dense, dense);
/// `block_f32_4x1`: blocks of 4 outputs.
pub static BLOCK_4: Kernel = Kernel::new("block_f32_4x1", Isa::Scalar, Accepts::BlockOfRows(4), block::<4>);
/// `block_f32_8x1`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = Kernel::new("block_f32_8x1", Isa::Scalar, Accepts::BlockOfRows(8), block::<8>);
/// `block_f32_16x1`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = Kernel::new("block_f32_16x1", Isa::Scalar, Accepts::BlockOfRows(16), block::<16>);

/// Pseudo-code: for each 4 rows: for each input: load x once; four sums += weight · x.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
pub(crate) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Some(weights) = as_f32(j.parts().weights) else {
        // SAFETY: the caller's, the same.
        return unsafe { scalar::dense(j, x, y) };
    };
    let n_in = j.n_in();
    let (tiles, rest) = y.as_chunks_mut::<4>();
    let done = tiles.len() * 4;
    for (tile, y) in tiles.iter_mut().enumerate() {
        let mut sums = [0.0; 4];
        for (r, sum) in sums.iter_mut().enumerate() {
            *sum = j.bias(tile * 4 + r);
        }
        let [mut s0, mut s1, mut s2, mut s3] = sums;
        for (i, x) in x.iter().enumerate() {
            // SAFETY: dense has n_in·n_out weights: rows 4·tile to 4·tile + 3 lie inside, and i is below n_in.
            unsafe {
                let at = weights.as_ptr().add(tile * 4 * n_in + i);
                s0 += *at * x;
                s1 += *at.add(n_in) * x;
                s2 += *at.add(2 * n_in) * x;
                s3 += *at.add(3 * n_in) * x;
            }
        }
        *y = [s0, s1, s2, s3];
    }
    // There is an input; the compiler does not know it and would link a panic.
    let rows = weights.chunks_exact(n_in.max(1)).skip(done);
    for ((o, y), row) in rest.iter_mut().enumerate().zip(rows) {
        *y = row.iter().zip(x).fold(j.bias(done + o), |sum, (w, x)| sum + w * x);
    }
    j.activation().apply(y);
}

/// Pseudo-code: for each row block: R sums = biases; for each block and each of its inputs: load x once; sums += weights · x.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == R`.
pub(crate) unsafe fn block<const R: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let (Packing::Block { cols, blocks, .. }, Some(weights)) = (*j.packing(), as_f32(j.parts().weights)) else {
        // SAFETY: the caller's, the same.
        return unsafe { scalar::block(j, x, y) };
    };
    let cols = usize::from(cols);
    let mut counts = j.counts().iter();
    let mut index = j.index16().iter();
    let mut weights = weights.as_chunks::<R>().0.iter();
    for (row_block, y) in y.chunks_mut(R).enumerate() {
        let count = counts.next().map_or(blocks, |count| u16::from_le_bytes(*count));
        let mut sums = [0.0f32; R];
        for (r, sum) in sums.iter_mut().enumerate() {
            *sum = j.bias(row_block * R + r);
        }
        for entry in index.by_ref().take(usize::from(count)) {
            let first = usize::from(u16::from_le_bytes(*entry));
            for c in first..first + cols {
                // SAFETY: Junction::new proved that a block's inputs end at or below n_in, which is x's length, and that
                // there are R weights for each input of each block.
                let (x, weights) = unsafe { (*x.get_unchecked(c), weights.next().unwrap_unchecked()) };
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * x;
                }
            }
        }
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = j.activation().of(sum);
        }
    }
}
