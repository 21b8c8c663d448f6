//! Blocks of int8: R = 4·V outputs, inputs in groups of four.

use core::arch::aarch64::*;

use super::{dot, put};
use crate::junction::Junction;
use crate::packing::Packing;

/// Pseudo-code: for each row block: for each group of four of its inputs: broadcast them; acc[v] += dot of four outputs' four
/// weights. The last group of fewer than four is done one product at a time.
///
/// # Safety
/// As for every kernel (`RunI8`); packing block with `rows == 4·V`; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn block<const DOT: bool, const V: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Block { cols, .. } = *j.packing() else { return };
    // SAFETY: the caller's; the const is the number of columns, or 0 for any.
    unsafe {
        match cols {
            1 => row_blocks::<DOT, V, 1>(j, x, y),
            4 => row_blocks::<DOT, V, 4>(j, x, y),
            _ => row_blocks::<DOT, V, 0>(j, x, y),
        }
    }
}

/// # Safety
/// As for [`block`]; C is the number of columns, or 0 for any.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn row_blocks<const DOT: bool, const V: usize, const C: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let cols = if C > 0 { C } else { usize::from(cols) };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const i8 = j.weights_i8().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(4 * V).enumerate() {
        let count = usize::from(counts.next().map_or(blocks, |c| u16::from_le_bytes(*c)));
        let inputs = count * cols;
        let (mut even, mut odd) = ([vdupq_n_s32(0); V], [vdupq_n_s32(0); V]);
        // SAFETY: Junction::new_i8 proved `count` index entries for this row block, R · cols weights for each, the last row
        // block too, and that a block's inputs end at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(count);
            index = after;
            // In pairs: which accumulators they are must be a constant, or both are kept up to date for every group.
            let groups = inputs / 4;
            for pair in 0..groups / 2 {
                weights = one_group::<DOT, V>(four::<C>(now, cols, pair * 8, x), weights, &mut even);
                weights = one_group::<DOT, V>(four::<C>(now, cols, pair * 8 + 4, x), weights, &mut odd);
            }
            if !groups.is_multiple_of(2) {
                weights = one_group::<DOT, V>(four::<C>(now, cols, groups * 4 - 4, x), weights, &mut even);
            }
            let width = inputs % 4;
            let sums: [int32x4_t; V] = core::array::from_fn(|v| vaddq_s32(even[v], odd[v]));
            for (v, (y, mut sums)) in y.chunks_mut(4).zip(sums).enumerate() {
                if width > 0 {
                    let mut rest = [0i32; 4];
                    for (lane, rest) in rest.iter_mut().enumerate() {
                        for k in 0..width {
                            let weight = *weights.add((4 * v + lane) * width + k);
                            let input = input_of(now, cols, inputs - width + k);
                            *rest += i32::from(weight) * i32::from(*x.get_unchecked(input));
                        }
                    }
                    sums = vaddq_s32(sums, vld1q_s32(rest.as_ptr()));
                }
                put(j, (row_block * V + v) * 4, sums, y);
            }
            weights = weights.add(4 * V * width);
        }
    }
}

/// `acc += dot of four outputs' four weights` with the inputs `xs`; gives where the next weights begin.
///
/// # Safety
/// `weights` has 16·V values, none of them −128; the dot product extension where DOT.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn one_group<const DOT: bool, const V: usize>(
    xs: int8x16_t,
    weights: *const i8,
    acc: &mut [int32x4_t; V],
) -> *const i8 {
    // SAFETY: the caller's; vector loads of bytes take any address.
    unsafe {
        for (v, acc) in acc.iter_mut().enumerate() {
            *acc = dot::<DOT>(*acc, vld1q_s8(weights.add(16 * v)), xs);
        }
        weights.add(16 * V)
    }
}

/// The `k`-th input of a row block.
///
/// # Safety
/// It has one.
#[inline]
unsafe fn input_of(index: &[[u8; 2]], cols: usize, k: usize) -> usize {
    // SAFETY: the caller's.
    usize::from(u16::from_le_bytes(unsafe { *index.get_unchecked(k / cols) })) + k % cols
}

/// The row block's inputs `k` to `k + 4`, four times.
///
/// # Safety
/// It has them, and they lie below `x.len()`; C is `cols` or 0; where it is 4, `k` is a multiple of 4.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four<const C: usize>(index: &[[u8; 2]], cols: usize, k: usize, x: &[i8]) -> int8x16_t {
    // SAFETY: the caller's; a load of one lane takes any address.
    unsafe {
        if C == 4 {
            return vreinterpretq_s8_s32(vld1q_dup_s32(x.as_ptr().add(input_of(index, 4, k)).cast()));
        }
        let byte = |k| *x.get_unchecked(input_of(index, cols, k)) as u8;
        let four = i32::from_ne_bytes([byte(k), byte(k + 1), byte(k + 2), byte(k + 3)]);
        vreinterpretq_s8_s32(vdupq_n_s32(four))
    }
}
