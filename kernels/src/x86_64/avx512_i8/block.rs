//! Blocks of int8: R = 16·V outputs, inputs in groups of four.
//!
//! Vector operations for 64 products: two, the dot and the weights' sum; one cycle. Loads: the weights, 1/V of a broadcast and of a
//! quarter of an index for blocks of four inputs: 1.1 cycles for V = 1.

use core::arch::x86_64::*;

use super::super::avx512::{four as four_numbers, part};
use super::{Copied, Dots, put};
use crate::junction::Junction;
use crate::packing::Packing;

/// Pseudo-code: for each row block: for each group of four of its inputs: broadcast them; acc[v] += dot of sixteen outputs' four
/// weights. The last group of fewer than four is done one product at a time.
///
/// # Safety
/// As for every kernel (`RunI8`); packing block with `rows == 16·V`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn block<const V: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Block { cols, .. } = *j.packing() else { return };
    let (mut copied, inputs) = (Copied::new(), x.as_ptr().cast());
    // SAFETY: the caller's; inputs are x's or their copy; the consts are the number of columns, or 0 for any, and what the inputs need.
    unsafe {
        match (copied.of(x), cols) {
            (Some(copied), 1) => row_blocks::<V, 1, 0>(j, copied, y),
            (Some(copied), 4) => row_blocks::<V, 4, 0>(j, copied, y),
            (Some(copied), _) => row_blocks::<V, 0, 0>(j, copied, y),
            (None, 4) => row_blocks::<V, 4, FLIP>(j, inputs, y),
            (None, _) => row_blocks::<V, 0, FLIP>(j, inputs, y),
        }
    }
}

/// The top bits of four bytes.
const FLIP: u32 = 0x8080_8080;

/// # Safety
/// As for [`block`]; C is the number of columns, or 0 for any; `x` has n_in inputs, which XOR F are moved up by 128.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn row_blocks<const V: usize, const C: usize, const F: u32>(j: &Junction<'_>, x: *const u8, y: &mut [i8]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let cols = if C > 0 { C } else { usize::from(cols) };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights = j.weights_i8().as_ptr();
    for (row_block, y) in y.chunks_mut(16 * V).enumerate() {
        let count = usize::from(counts.next().map_or(blocks, |c| u16::from_le_bytes(*c)));
        let inputs = count * cols;
        let mut dots: [Dots<4>; V] = core::array::from_fn(|_| Dots::new());
        // SAFETY: Junction::new_i8 proved `count` index entries for this row block, R · cols weights for each, the last row
        // block too, and that a block's inputs end at or below n_in.
        unsafe {
            let (now, after) = index.split_at_unchecked(count);
            index = after;
            let mut group = 0;
            if C == 4 {
                for starts in now.as_chunks::<4>().0 {
                    let starts = four_numbers(starts);
                    for k in 0..4 {
                        let xs = x.add(part(starts, k)).cast::<u32>().read_unaligned() ^ F;
                        add(&mut dots, k, xs, weights.add(64 * V * k));
                    }
                    weights = weights.add(256 * V);
                    group += 4;
                }
            }
            while group < inputs / 4 {
                for chain in 0..2 {
                    if group < inputs / 4 {
                        add(&mut dots, chain, four::<C>(now, cols, group * 4, x) ^ F, weights);
                        weights = weights.add(64 * V);
                        group += 1;
                    }
                }
            }
            let mut sums = [_mm512_setzero_si512(); V];
            for (sums, dots) in sums.iter_mut().zip(&dots) {
                *sums = dots.sums();
            }
            let width = inputs % 4;
            if width > 0 {
                let mut last = [0; 3];
                for (k, last) in last.iter_mut().enumerate().take(width) {
                    *last = i32::from(*x.add(input_of(now, cols, inputs - width + k)) ^ F as u8) - 128;
                }
                add_last(&mut sums, &last, width, weights);
            }
            for (v, y) in y.chunks_mut(16).enumerate() {
                put(j, (row_block * V + v) * 16, sums[v], y);
            }
            weights = weights.add(16 * V * width);
        }
    }
}

/// Adds the products of a last group of `width` inputs, 1 to 3.
///
/// # Safety
/// AVX-512; `weights` has 16·V·width.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn add_last(sums: &mut [__m512i], inputs: &[i32; 3], width: usize, weights: *const u8) {
    for (v, sums) in sums.iter_mut().enumerate() {
        let mut rest = [0i32; 16];
        for (lane, rest) in rest.iter_mut().enumerate() {
            for (k, input) in inputs.iter().enumerate().take(width) {
                // SAFETY: the caller's.
                let weight = unsafe { *weights.add((16 * v + lane) * width + k) } as i8;
                *rest += i32::from(weight) * input;
            }
        }
        // SAFETY: sixteen i32 are loaded from as many.
        *sums = _mm512_add_epi32(*sums, unsafe { _mm512_loadu_si512(rest.as_ptr().cast()) });
    }
}

/// One group of four inputs, moved up by 128.
///
/// # Safety
/// AVX-512 VNNI; `weights` has 64·V of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn add<const V: usize>(dots: &mut [Dots<4>; V], chain: usize, inputs: u32, weights: *const u8) {
    let inputs = _mm512_set1_epi32(inputs as i32);
    for (v, dots) in dots.iter_mut().enumerate() {
        // SAFETY: the caller's; loads are unaligned ones.
        dots.add(chain, inputs, unsafe { _mm512_loadu_si512(weights.add(64 * v).cast()) });
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

/// The row block's inputs `k` to `k + 4`, as one number.
///
/// # Safety
/// It has them, and `x` has the inputs; C is `cols` or 0.
#[inline]
unsafe fn four<const C: usize>(index: &[[u8; 2]], cols: usize, k: usize, x: *const u8) -> u32 {
    // SAFETY: the caller's.
    unsafe {
        if C == 4 {
            return x.add(input_of(index, 4, k)).cast::<u32>().read_unaligned();
        }
        let byte = |k| *x.add(input_of(index, cols, k));
        u32::from_le_bytes([byte(k), byte(k + 1), byte(k + 2), byte(k + 3)])
    }
}
