//! Blocks: R outputs × C inputs, and 1 × C.
//!
//! Loads a multiply-add of 8, R = 8·V: 1 of weights, 1/V broadcasts of `x` and, for C = 1, a quarter of an 8-byte load for its
//! four indices: one cycle for 8×1, three quarters for 16×1, where two loads are done a cycle.

use core::arch::x86_64::*;

use super::{four, part, sum, write_eight};
use crate::junction::Junction;
use crate::packing::Packing;

/// Blocks of R = 8·V outputs. Pseudo-code: for each row block: acc = bias; for each block and each of its inputs:
/// acc[v] += weights · broadcast x. U independent sets of accumulators take turns, to hide the FMA's latency.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 8·V`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn block<const V: usize, const U: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { cols, .. } = *j.packing() else { return };
    // SAFETY: the caller's; the const is the number of columns, or 0 for any.
    unsafe {
        match cols {
            1 => row_blocks::<V, U, 1>(j, x, y),
            4 => row_blocks::<V, U, 4>(j, x, y),
            _ => row_blocks::<V, U, 0>(j, x, y),
        }
    }
    j.activation().apply(y);
}

/// # Safety
/// As for [`block`]; C is the number of columns, or 0 for any.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_blocks<const V: usize, const U: usize, const C: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let cols = if C > 0 { C } else { usize::from(cols) };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(8 * V).enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[_mm256_setzero_ps(); V]; U];
        // SAFETY: Junction::new proved `count` index entries for this row block, R·cols weights for each, and that a
        // block's inputs lie below n_in, which is x's length. The last row block has R weights an input as well.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            let (fours, rest) = now.as_chunks::<4>();
            for entries in fours {
                let inputs = four(entries);
                for k in 0..4 {
                    weights = one_block(part(inputs, k), cols, weights, x, &mut acc[k % U]);
                }
            }
            // All into the first set: an index that is no constant would keep the sets in memory.
            for entry in rest {
                weights = one_block(usize::from(u16::from_le_bytes(*entry)), cols, weights, x, &mut acc[0]);
            }
        }
        for (v, y) in y.chunks_mut(8).enumerate() {
            let total = acc.iter().fold(_mm256_setzero_ps(), |total, acc| _mm256_add_ps(total, acc[v]));
            write_eight(j, (row_block * V + v) * 8, total, y);
        }
    }
}

/// `acc += weights · x` over the `cols` inputs of one block; gives where the next block's weights begin.
///
/// # Safety
/// AVX2 and FMA; `weights` has `8·V·cols` values; `input` plus `cols` is at most `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn one_block<const V: usize>(
    input: usize,
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    acc: &mut [__m256; V],
) -> *const f32 {
    for c in 0..cols {
        // SAFETY: the caller's bounds.
        unsafe {
            let x = _mm256_broadcast_ss(x.get_unchecked(input + c));
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(8 * v)), x, *acc);
            }
            weights = weights.add(8 * V);
        }
    }
    weights
}

/// Blocks of one output and C = 8·V inputs. Pseudo-code: for each row: for each block: acc[v] += weights · x from its
/// first input on.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 1` and `cols == 8·V`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn block_1xc<const V: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (o, y) in y.iter_mut().enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[_mm256_setzero_ps(); V]; 2];
        // SAFETY: Junction::new proved `count` index entries for this row, 8·V weights for each, and that a block's inputs
        // end at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            let (pairs, rest) = now.as_chunks::<2>();
            for pair in pairs {
                for k in 0..2 {
                    weights = one_row_block(pair[k], weights, x, &mut acc[k]);
                }
            }
            for entry in rest {
                weights = one_row_block(*entry, weights, x, &mut acc[0]);
            }
        }
        let total = acc.as_flattened().iter().fold(_mm256_setzero_ps(), |total, acc| _mm256_add_ps(total, *acc));
        *y = j.activation().of(j.bias(o) + sum(total));
    }
}

/// `acc += weights · x` over the 8·V inputs from `entry` on; gives where the next block's weights begin.
///
/// # Safety
/// AVX2 and FMA; `weights` has `8·V` values; `entry` plus `8·V` is at most `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn one_row_block<const V: usize>(
    entry: [u8; 2],
    weights: *const f32,
    x: &[f32],
    acc: &mut [__m256; V],
) -> *const f32 {
    // SAFETY: the caller's bounds.
    unsafe {
        let x = x.as_ptr().add(usize::from(u16::from_le_bytes(entry)));
        for (v, acc) in acc.iter_mut().enumerate() {
            *acc = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(8 * v)), _mm256_loadu_ps(x.add(8 * v)), *acc);
        }
        weights.add(8 * V)
    }
}
