//! Blocks: R outputs × C inputs, and 1 × 16.
//!
//! Loads a multiply-add of 16, R = 16·V: 1 of weights, 1/V broadcasts of `x` (from memory, by the load port) and, for C = 1, a
//! quarter of an 8-byte load for its four indices: with two loads a cycle on Ice Lake 1.1 cycles for 16×1 and 0.8 for 32×1; on
//! Zen 4, where a load of 64 bytes takes both ports, 1.6 and 1.3. From L2 the weights alone take 2 there.

use core::arch::x86_64::*;

use super::{four, part, total, write_sixteen};
use crate::junction::Junction;
use crate::packing::Packing;

/// Blocks of R = 16·V outputs. Pseudo-code: for each row block: acc = bias; for each block and each of its inputs:
/// acc[v] += weights · broadcast x. U independent sets of accumulators take turns, to hide the FMA's latency.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 16·V`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn row_blocks<const V: usize, const U: usize, const C: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let cols = if C > 0 { C } else { usize::from(cols) };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(16 * V).enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[_mm512_setzero_ps(); V]; U];
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
        for (v, y) in y.chunks_mut(16).enumerate() {
            write_sixteen(j, (row_block * V + v) * 16, total(acc.map(|acc| acc[v])), y);
        }
    }
}

/// `acc += weights · x` over the `cols` inputs of one block; gives where the next block's weights begin.
///
/// # Safety
/// AVX-512; `weights` has `16·V·cols` values; `input` plus `cols` is at most `x.len()`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn one_block<const V: usize>(
    input: usize,
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    acc: &mut [__m512; V],
) -> *const f32 {
    for c in 0..cols {
        // SAFETY: the caller's bounds.
        unsafe {
            let x = _mm512_set1_ps(*x.get_unchecked(input + c));
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = _mm512_fmadd_ps(_mm512_loadu_ps(weights.add(16 * v)), x, *acc);
            }
            weights = weights.add(16 * V);
        }
    }
    weights
}

/// Blocks of one output and 16 inputs. Pseudo-code: for each row: for each block: acc += weights · x from its first input
/// on. Where blocks start anywhere, fifteen of sixteen loads of `x` cross a cache line and count twice; at multiples of 16 none.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 1` and `cols == 16`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn block_1x16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (o, y) in y.iter_mut().enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [_mm512_setzero_ps(); 4];
        // SAFETY: Junction::new proved `count` index entries for this row, 16 weights for each, and that a block's inputs end
        // at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            let (fours, rest) = now.as_chunks::<4>();
            for entries in fours {
                let inputs = four(entries);
                for (k, acc) in acc.iter_mut().enumerate() {
                    let x = _mm512_loadu_ps(x.as_ptr().add(part(inputs, k)));
                    *acc = _mm512_fmadd_ps(_mm512_loadu_ps(weights.add(16 * k)), x, *acc);
                }
                weights = weights.add(64);
            }
            for entry in rest {
                let x = _mm512_loadu_ps(x.as_ptr().add(usize::from(u16::from_le_bytes(*entry))));
                acc[0] = _mm512_fmadd_ps(_mm512_loadu_ps(weights), x, acc[0]);
                weights = weights.add(16);
            }
        }
        *y = j.activation().of(j.bias(o) + _mm512_reduce_add_ps(total(acc)));
    }
}
