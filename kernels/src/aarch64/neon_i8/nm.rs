//! N:M of int8 for registers, eight rows a group: lanes are outputs, four steps each.
//!
//! Pseudo-code: for each group: for each two quads of steps: load the inputs that the quads' pages hold, 16, 32 or 64 each; for both halves
//! of the group: load a word; twice: positions = half of it, plus where each step's page begins; xs = table look-up; acc += dot.

use core::arch::aarch64::*;

use super::{dot, put};
use crate::junction::{Junction, Quads};
use crate::packing::Packing;
use crate::scalar_i8::lane_sum;

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers with eight lanes; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn nm<const DOT: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, m, .. } = *j.packing() else { return };
    // SAFETY: the caller's.
    unsafe {
        match (n, m) {
            (4, 16) | (2, 8) | (1, 4) => groups::<DOT, 1>(j, x, y),
            (2, 16) | (1, 8) => groups::<DOT, 2>(j, x, y),
            (1, 16) => groups::<DOT, 4>(j, x, y),
            _ => groups::<DOT, 0>(j, x, y),
        }
    }
}

/// S is how many times 16 inputs the pages of a quad take, 0 for any number of them.
///
/// # Safety
/// As for [`nm`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn groups<const DOT: bool, const S: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, m, lanes);
    // Quads whose inputs all exist.
    let whole = j.n_in().checked_div(16 * S).unwrap_or(0).min(quads.quads);
    let starts: [u8; 16] = core::array::from_fn(|at| ((at % 4) / usize::from(n) * usize::from(m)) as u8);
    for (group, y) in y.chunks_mut(8).enumerate() {
        let mut acc = [vdupq_n_s32(0); 2];
        // SAFETY: Junction::new_i8 proved two vectors of weights for each quad and two of positions for each two of this group,
        // the last one too; `whole` quads have S · 16 inputs each.
        unsafe {
            let starts = vld1q_u8(starts.as_ptr());
            let weights: *const i8 = j.weights_i8().as_ptr().add(group * quads.quads * 32).cast();
            let words = j.index8().as_ptr().add(group * quads.words * 32);
            // In pairs, which share a word of positions.
            for pair in 0..whole / 2 {
                let pages: [[int8x16_t; S]; 2] = [pages_of(x, pair * 2), pages_of(x, pair * 2 + 1)];
                for (half, acc) in acc.iter_mut().enumerate() {
                    let word = vld1q_u8(words.add(pair * 32 + half * 16));
                    let positions = [vandq_u8(word, vdupq_n_u8(15)), vshrq_n_u8::<4>(word)];
                    for (quad, (pages, positions)) in pages.iter().zip(positions).enumerate() {
                        let weights = vld1q_s8(weights.add((pair * 2 + quad) * 32 + half * 16));
                        *acc = dot::<DOT>(*acc, weights, pick(pages, vaddq_u8(positions, starts)));
                    }
                }
            }
            if let Some(quad) = whole.checked_sub(1).filter(|quad| quad.is_multiple_of(2)) {
                let pages: [int8x16_t; S] = pages_of(x, quad);
                for (half, acc) in acc.iter_mut().enumerate() {
                    let positions = vandq_u8(vld1q_u8(words.add(quad / 2 * 32 + half * 16)), vdupq_n_u8(15));
                    let weights = vld1q_s8(weights.add(quad * 32 + half * 16));
                    *acc = dot::<DOT>(*acc, weights, pick(&pages, vaddq_u8(positions, starts)));
                }
            }
        }
        for (half, (y, mut sums)) in y.chunks_mut(4).zip(acc).enumerate() {
            let first = group * 8 + half * 4;
            if whole * 4 < quads.row.in_degree {
                let mut rest = [0i32; 4];
                for (lane, rest) in rest.iter_mut().enumerate().take(y.len()) {
                    // SAFETY: the output exists, as y's do; the packing is the caller's.
                    *rest = unsafe { lane_sum(j, &quads, first + lane, whole * 4, x) };
                }
                // SAFETY: four i32 are loaded from as many.
                sums = vaddq_s32(sums, unsafe { vld1q_s32(rest.as_ptr()) });
            }
            // SAFETY: y's outputs exist.
            unsafe { put(j, first, sums, y) };
        }
    }
}

/// The inputs of a quad's pages.
///
/// # Safety
/// The quad's 16 · S inputs lie in `x`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn pages_of<const S: usize>(x: &[i8], quad: usize) -> [int8x16_t; S] {
    // SAFETY: the caller's; vector loads of bytes take any address.
    core::array::from_fn(|at| unsafe { vld1q_s8(x.as_ptr().add((quad * S + at) * 16)) })
}

/// The inputs at `positions` of the pages, of which there are one, two or four.
#[inline]
#[target_feature(enable = "neon")]
fn pick(pages: &[int8x16_t], positions: uint8x16_t) -> int8x16_t {
    match *pages {
        [a] => vqtbl1q_s8(a, positions),
        [a, b] => vqtbl2q_s8(int8x16x2_t(a, b), positions),
        [a, b, c, d] => vqtbl4q_s8(int8x16x4_t(a, b, c, d), positions),
        _ => vdupq_n_s8(0),
    }
}
