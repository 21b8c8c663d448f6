//! aarch64 Advanced SIMD: four f32 a vector. An FMA of four takes what is in the columns.
//!
//! | kernel | loads an FMA | loads and FMAs a nonzero | shape of the inner loop |
//! |-|-|-|-|
//! | dense | 1.25: one of weights, a quarter of `x` | 0.31 and 0.25 | four rows share each vector of `x` |
//! | block R×C | 1 + 4/R scalars of `x` + 4/(R·C) of the index | R = 8: 0.44 and 0.25 | lanes are outputs, `x` is a lane of the FMA |
//! | block 1×C | 2 + 4/C of the index | C = 8: 0.63 and 0.25 | lanes are inputs, as dense with one row |
//! | rows, CSR | 1 + 4 scalars of `x` + 4 of the index | 2.25 and 0.25 | lanes are edges of one row (`rows`) |
//! | N:M in lanes, windows | 1, and a share of a page or 1 to 4 of a window | | lanes are outputs (`lanes`) |
//! | dense, input-major | 1, and an eighth of `x` | 0.28 and 0.25, of nonzero inputs only | lanes are outputs (`input_major`) |
//! | input-major | 1 + 4 of `y` + 4 of the index, and 4 stores | 2.25 and 0.25, of nonzero inputs only | lanes are edges of one input |
//!
//! Two loads and two FMAs a cycle, as Cortex-A76 and later do them, make dense and blocks as fast as their loads, or as the
//! weights come from memory; a Cortex-A72 loads one vector a cycle, and an FMA of four takes it one of two pipes.

use core::arch::aarch64::*;

use crate::bytes::groups_of_4;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::Packing;

/// `dense_f32_4x4`
pub static DENSE: Kernel = Kernel::new("dense_f32_4x4", Isa::Neon, Accepts::Dense, dense);
/// `block_f32_4x4`: blocks of 4 outputs.
pub static BLOCK_4: Kernel = Kernel::new("block_f32_4x4", Isa::Neon, Accepts::BlockOfRows(4), block::<1, 4>);
/// `block_f32_8x4`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = Kernel::new("block_f32_8x4", Isa::Neon, Accepts::BlockOfRows(8), block::<2, 4>);
/// `block_f32_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = Kernel::new("block_f32_16x4", Isa::Neon, Accepts::BlockOfRows(16), block::<4, 2>);
/// `block_f32_32x4`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = Kernel::new("block_f32_32x4", Isa::Neon, Accepts::BlockOfRows(32), block::<8, 1>);
/// `block1x4_f32_1x4`: blocks of one output and 4 inputs.
pub static BLOCK_1X4: Kernel = Kernel::new("block1x4_f32_1x4", Isa::Neon, Accepts::BlockOfCols(4), block_1xc::<1>);
/// `block1x8_f32_1x4`: blocks of one output and 8 inputs.
pub static BLOCK_1X8: Kernel = Kernel::new("block1x8_f32_1x4", Isa::Neon, Accepts::BlockOfCols(8), block_1xc::<2>);
/// `block1x16_f32_1x4`: blocks of one output and 16 inputs.
pub static BLOCK_1X16: Kernel = Kernel::new("block1x16_f32_1x4", Isa::Neon, Accepts::BlockOfCols(16), block_1xc::<4>);
/// Pseudo-code: for each 4 rows: for each 32 inputs: load x once; of each row load 32 weights, a pair of vectors an instruction, and eight accumulators
/// += weights · x: the loop takes 0.46 instructions a product, as on paper (20 loads, 32 FMAs, 7 for pointers). Steps of 4 inputs go into two accumulators a row by
/// turns, so that eight chains hide the FMA's latency.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
#[target_feature(enable = "neon")]
unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let n_in = j.n_in();
    let mut o = 0;
    while o + 4 <= y.len() {
        // SAFETY: rows o..o+4 exist, each of n_in weights.
        unsafe { dense_tile::<4>(j, o, n_in, x, y) };
        o += 4;
    }
    while o < y.len() {
        // SAFETY: row o exists.
        unsafe { dense_tile::<1>(j, o, n_in, x, y) };
        o += 1;
    }
    j.activation().apply(y);
}

/// # Safety
/// `o + R ≤ n_out`; `x.len() == n_in`; `y.len() == n_out`; packing dense.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn dense_tile<const R: usize>(j: &Junction<'_>, o: usize, n_in: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: dense has n_in·n_out weights, so rows o..o+R are inside; inputs are read below n_in; 4 at a time only where
    // 4 are left; vector loads take any address.
    unsafe {
        let row: [*const f32; R] = core::array::from_fn(|r| j.weights().as_ptr().add((o + r) * n_in).cast());
        let mut acc = [[vdupq_n_f32(0.0); R]; 2];
        let (mut w, mut xs) = (row, x.as_ptr());
        for _ in 0..n_in / 32 {
            let x = [vld1q_f32_x4(xs), vld1q_f32_x4(xs.add(16))];
            xs = xs.add(32);
            for r in 0..R {
                for (half, x) in x.iter().enumerate() {
                    let now = vld1q_f32_x4(w[r].add(16 * half));
                    acc[0][r] = vfmaq_f32(acc[0][r], now.0, x.0);
                    acc[1][r] = vfmaq_f32(acc[1][r], now.1, x.1);
                    acc[0][r] = vfmaq_f32(acc[0][r], now.2, x.2);
                    acc[1][r] = vfmaq_f32(acc[1][r], now.3, x.3);
                }
                w[r] = w[r].add(32);
            }
        }
        let mut i = n_in / 32 * 32;
        while i + 4 <= n_in {
            let xs = vld1q_f32(x.as_ptr().add(i));
            for (acc, row) in acc[i / 4 % 2].iter_mut().zip(row) {
                *acc = vfmaq_f32(*acc, vld1q_f32(row.add(i)), xs);
            }
            i += 4;
        }
        let total = |r: usize| if r < R { vaddq_f32(acc[0][r], acc[1][r]) } else { vdupq_n_f32(0.0) };
        let mut sums = vpaddq_f32(vpaddq_f32(total(0), total(1)), vpaddq_f32(total(2), total(3)));
        if i < n_in {
            let mut rest = [0.0; 4];
            for (rest, row) in rest.iter_mut().zip(row) {
                for i in i..n_in {
                    *rest += row.add(i).read_unaligned() * *x.get_unchecked(i);
                }
            }
            sums = vaddq_f32(sums, vld1q_f32(rest.as_ptr()));
        }
        finish::<1>(j, o, [sums], y.get_unchecked_mut(o..o + R));
    }
}

/// Blocks of R = 4·V outputs. Pseudo-code: for each row block: acc = 0; for each block and each of its inputs:
/// acc[v] += weights · broadcast x; then y = bias + acc. U sets of accumulators take turns, to hide the FMA's latency.
///
/// Blocks of one input, eight at a time, take loads of index, `x` and pairs of vectors of weights, and V FMAs each: eight instructions for 16
/// products of 16×1, where dense takes 0.48 a product.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 4·V`.
#[target_feature(enable = "neon")]
unsafe fn block<const V: usize, const U: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(4 * V).enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[vdupq_n_f32(0.0); V]; U];
        // SAFETY: Junction::new proved `count` index entries for this row block, R·cols weights for each, and that a
        // block's inputs lie below n_in, which is x's length. The last row block has R weights an input as well.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            // Of one input, the commonest, without a loop over them.
            weights = if cols == 1 {
                all_blocks::<V, U, 1>(now, 1, weights, x, &mut acc)
            } else {
                all_blocks::<V, U, 0>(now, usize::from(cols), weights, x, &mut acc)
            };
        }
        let sums = core::array::from_fn(|v| acc[1..].iter().fold(acc[0][v], |sum, acc| vaddq_f32(sum, acc[v])));
        finish::<V>(j, 4 * V * row_block, sums, y);
    }
    j.activation().apply(y);
}

/// `y = bias + sums`, of as many outputs from `first` on as `y` has, 4·V at most.
#[inline]
#[target_feature(enable = "neon")]
fn finish<const V: usize>(j: &Junction<'_>, first: usize, sums: [float32x4_t; V], y: &mut [f32]) {
    let (fours, _) = y.as_chunks_mut::<4>();
    let biases = groups_of_4(j.parts().bias);
    let (here, _) = biases.get(first..).unwrap_or_default().as_chunks::<4>();
    let whole = fours.first_chunk_mut::<V>().map(|fours| fours.iter_mut().zip(sums));
    match (whole, here.first_chunk::<V>()) {
        (Some(whole), Some(biases)) => {
            for ((y, sums), bias) in whole.zip(biases) {
                // SAFETY: four f32 each; vector loads and stores take any address.
                unsafe { vst1q_f32(y.as_mut_ptr(), vaddq_f32(vld1q_f32(bias.as_ptr().cast()), sums)) };
            }
            return;
        }
        (Some(whole), None) if biases.is_empty() => {
            for (y, sums) in whole {
                // SAFETY: as above.
                unsafe { vst1q_f32(y.as_mut_ptr(), sums) };
            }
            return;
        }
        _ => {}
    }
    for (v, (y, sums)) in y.chunks_mut(4).zip(sums).enumerate() {
        let mut each = [0.0; 4];
        // SAFETY: four f32 fit the array.
        unsafe { vst1q_f32(each.as_mut_ptr(), sums) };
        for (r, (y, sum)) in y.iter_mut().zip(each).enumerate() {
            *y = j.bias(first + 4 * v + r) + sum;
        }
    }
}

/// `acc += weights · x` over blocks of `cols` inputs, the sets of accumulators by turns; gives where the next weights begin.
///
/// # Safety
/// C is `cols`, or 0 for any; `weights` has `4·V·cols` values for each entry; an entry plus `cols` is at most `x.len()`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn all_blocks<const V: usize, const U: usize, const C: usize>(
    entries: &[[u8; 2]],
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    acc: &mut [[float32x4_t; V]; U],
) -> *const f32 {
    let cols = if C > 0 { C } else { cols };
    let (eights, rest) = entries.as_chunks::<8>();
    // SAFETY: the caller's bounds.
    unsafe {
        for eight in eights {
            for (k, entry) in eight.iter().enumerate() {
                weights = one_block(*entry, cols, weights, x, &mut acc[k % U]);
            }
        }
        for entry in rest {
            weights = one_block(*entry, cols, weights, x, &mut acc[0]);
        }
    }
    weights
}

/// `acc += weights · x` over the `cols` inputs of one block; gives where the next block's weights begin.
///
/// # Safety
/// `weights` has `4·V·cols` values; `entry` plus `cols` is at most `x.len()`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one_block<const V: usize>(
    entry: [u8; 2],
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    acc: &mut [float32x4_t; V],
) -> *const f32 {
    let input = usize::from(u16::from_le_bytes(entry));
    for c in 0..cols {
        // SAFETY: the caller's bounds; vector loads take any address.
        unsafe {
            let x = *x.get_unchecked(input + c);
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = vfmaq_n_f32(*acc, vld1q_f32(weights.add(4 * v)), x);
            }
            weights = weights.add(4 * V);
        }
    }
    weights
}

/// Blocks of one output and C = 4·V inputs. Pseudo-code: for each row: for each block: acc[v] += weights · x from its
/// first input on.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 1` and `cols == 4·V`.
#[target_feature(enable = "neon")]
unsafe fn block_1xc<const V: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (o, y) in y.iter_mut().enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[vdupq_n_f32(0.0); V]; 2];
        // SAFETY: Junction::new proved `count` index entries for this row, 4·V weights for each, and that a block's inputs
        // end at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            for (b, entry) in now.iter().enumerate() {
                let x = x.as_ptr().add(usize::from(u16::from_le_bytes(*entry)));
                for (v, acc) in acc[b % 2].iter_mut().enumerate() {
                    *acc = vfmaq_f32(*acc, vld1q_f32(weights.add(4 * v)), vld1q_f32(x.add(4 * v)));
                }
                weights = weights.add(4 * V);
            }
        }
        let total = acc.as_flattened().iter().fold(vdupq_n_f32(0.0), |total, acc| vaddq_f32(total, *acc));
        *y = j.activation().of(j.bias(o) + vaddvq_f32(total));
    }
}
