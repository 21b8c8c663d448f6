//! Blocks of int8: R = 4·V outputs, inputs in groups of four.

use core::arch::aarch64::*;

use super::dot_four;
use super::outputs::Outputs;
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
            1 => row_blocks::<DOT, V, 1, 8>(j, x, y),
            4 => row_blocks::<DOT, V, 4, 4>(j, x, y),
            _ => row_blocks::<DOT, V, 0, 1>(j, x, y),
        }
    }
}

/// # Safety
/// As for [`block`]; C is the number of columns, or 0 for any; E blocks at a time are a multiple of four inputs.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn row_blocks<const DOT: bool, const V: usize, const C: usize, const E: usize>(
    j: &Junction<'_>,
    x: &[i8],
    y: &mut [i8],
) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let cols = if C > 0 { C } else { usize::from(cols) };
    let Some(outputs) = Outputs::new(j) else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const i8 = j.weights_i8().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(4 * V).enumerate() {
        let count = usize::from(counts.next().map_or(blocks, |c| u16::from_le_bytes(*c)));
        let inputs = count * cols;
        let mut acc = [[vdupq_n_s32(0); V]; 2];
        // Four chains hide the latency of a dot product; fewer vectors of outputs take two for each.
        let odd = usize::from(V < 4);
        // SAFETY: Junction::new_i8 proved `count` index entries for this row block, R · cols weights for each, the last row
        // block too, and that a block's inputs end at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(count);
            index = after;
            let (passes, _) = now.as_chunks::<E>();
            for pass in passes {
                for group in 0..E * C / 4 {
                    let xs = four::<C>(pass, cols, 4 * group, x);
                    weights = one_group::<DOT, V>(xs, weights, &mut acc[group % 2 * odd]);
                }
            }
            for group in passes.len() * (E * C / 4)..inputs / 4 {
                weights = one_group::<DOT, V>(four::<C>(now, cols, 4 * group, x), weights, &mut acc[0]);
            }
            let width = inputs % 4;
            let mut sums: [int32x4_t; V] = core::array::from_fn(|v| vaddq_s32(acc[0][v], acc[1][v]));
            if width > 0 {
                for (v, sums) in sums.iter_mut().enumerate() {
                    let mut rest = [0i32; 4];
                    for (lane, rest) in rest.iter_mut().enumerate() {
                        for k in 0..width {
                            let weight = *weights.add((4 * v + lane) * width + k);
                            let input = input_of(now, cols, inputs - width + k);
                            *rest += i32::from(weight) * i32::from(*x.get_unchecked(input));
                        }
                    }
                    *sums = vaddq_s32(*sums, vld1q_s32(rest.as_ptr()));
                }
            }
            outputs.put(row_block * 4 * V, sums, y);
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
    xs: f32,
    weights: *const i8,
    acc: &mut [int32x4_t; V],
) -> *const i8 {
    // SAFETY: the caller's; vector loads of bytes take any address.
    unsafe {
        for (v, acc) in acc.iter_mut().enumerate() {
            *acc = dot_four::<DOT>(*acc, vld1q_s8(weights.add(16 * v)), xs);
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

/// The row block's inputs `k` to `k + 4`, as the bits of an f32: a register that dot products take them from.
///
/// # Safety
/// It has them, and they lie below `x.len()`; C is `cols` or 0; where it is 4, `k` is a multiple of 4.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four<const C: usize>(index: &[[u8; 2]], cols: usize, k: usize, x: &[i8]) -> f32 {
    // SAFETY: the caller's.
    unsafe {
        if C == 4 {
            return x.as_ptr().add(input_of(index, 4, k)).cast::<f32>().read_unaligned();
        }
        let byte = |k| *x.get_unchecked(input_of(index, cols, k)) as u8;
        f32::from_ne_bytes([byte(k), byte(k + 1), byte(k + 2), byte(k + 3)])
    }
}
