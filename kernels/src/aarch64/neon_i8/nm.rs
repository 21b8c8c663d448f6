//! N:M of int8 for registers, 4·G rows a group: lanes are outputs, four steps each.
//!
//! Pseudo-code: for each group: for each quad of steps: load the inputs that the quad's pages hold, 16, 32 or 64; for each four rows
//! of the group: positions = half of a word or a word, plus where each step's page begins; xs = table look-up; acc += dot.

use core::arch::aarch64::*;
use core::arch::asm;

use super::dot;
use super::outputs::Outputs;
use crate::junction::{Junction, Quads, quads_a_word};
use crate::packing::Packing;
use crate::scalar_i8::lane_sum;

/// Inputs that four registers hold.
const MOST: usize = 64;

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers with pages of M and 4·G lanes; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn nm<const DOT: bool, const M: usize, const G: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    // SAFETY: the caller's; a quad's steps pick from four pages, from two or from one, which serves n / 4 of them.
    unsafe {
        match n {
            1 if M <= 16 => groups::<DOT, M, G, 1>(j, x, y),
            2 if (8..=32).contains(&M) => groups::<DOT, M, G, 2>(j, x, y),
            4.. if M >= 16 && n % 4 == 0 => groups::<DOT, M, G, 4>(j, x, y),
            _ => {
                let quads = Quads::new(j.n_in(), n, M as u8, 4 * G as u8);
                for (o, y) in y.iter_mut().enumerate() {
                    *y = j.output_i8(o, lane_sum(j, &quads, o, 0, x));
                }
            }
        }
    }
}

/// N is what a quad takes of a page: its pages have 4·M/N inputs, 16, 32 or 64.
///
/// # Safety
/// As for [`nm`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn groups<const DOT: bool, const M: usize, const G: usize, const N: usize>(
    j: &Junction<'_>,
    x: &[i8],
    y: &mut [i8],
) {
    let Some(outputs) = Outputs::new(j) else { return };
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, M as u8, 4 * G as u8);
    let (inputs, shared) = (4 * M / N, usize::from(n).div_ceil(4));
    // Quads whose inputs all exist; those of one page at most are left, which read zeros for what is not there.
    let pages = j.n_in() / inputs;
    let whole = (pages * shared).min(quads.quads);
    let mut last = [0; MOST];
    if let Some(rest) = x.get(pages * inputs..) {
        last.iter_mut().zip(rest).for_each(|(last, x)| *last = *x);
    }
    // Four quads at a time share words of positions, and the overhead of a loop.
    let fours = if shared == 1 { whole / 4 } else { 0 };
    for (group, y) in y.chunks_mut(4 * G).enumerate() {
        // SAFETY: Junction::new_i8 proved G vectors of weights for each quad and G of positions for each word of this group, the
        // last one too; `whole` quads have their inputs in x, and the rest in `last`.
        unsafe {
            let mut run = Group::<DOT, M, G, N> {
                weights: j.weights_i8().as_ptr().add(group * quads.quads * 16 * G).cast(),
                words: j.index8().as_ptr().add(group * quads.words * 16 * G),
                acc: [vdupq_n_s32(0); G],
                low: starts(M, N),
                high: starts(M, N),
            };
            for four in 0..fours {
                let x = x.as_ptr().add(4 * four * inputs);
                run.quad::<0>(4 * four, x);
                run.quad::<1>(4 * four + 1, x.add(inputs));
                run.quad::<0>(4 * four + 2, x.add(2 * inputs));
                run.quad::<1>(4 * four + 3, x.add(3 * inputs));
            }
            for quad in 4 * fours..quads.quads {
                let x = if quad < whole { x.as_ptr().add(quad / shared * inputs) } else { last.as_ptr() };
                if quad.is_multiple_of(2) { run.quad::<0>(quad, x) } else { run.quad::<1>(quad, x) }
            }
            outputs.put(4 * G * group, run.acc, y);
        }
    }
}

/// Where the page of each of a quad's steps begins among its inputs, four times.
#[inline]
#[target_feature(enable = "neon")]
fn starts(m: usize, n: usize) -> uint8x16_t {
    let starts: [u8; 16] = core::array::from_fn(|at| (at % 4 / n * m) as u8);
    // SAFETY: sixteen bytes are loaded from as many.
    unsafe { vld1q_u8(starts.as_ptr()) }
}

/// A group's weights and positions, and its sums.
struct Group<const DOT: bool, const M: usize, const G: usize, const N: usize> {
    weights: *const i8,
    words: *const u8,
    acc: [int32x4_t; G],
    /// The positions of the last first and second quad of a word, each with where its page begins.
    low: uint8x16_t,
    high: uint8x16_t,
}

impl<const DOT: bool, const M: usize, const G: usize, const N: usize> Group<DOT, M, G, N> {
    /// The products of a quad, the ODD-th of its word, whose inputs begin at `x`.
    ///
    /// # Safety
    /// The group has the quad; `x` has 4·M/N values; the dot product extension where DOT.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn quad<const ODD: usize>(&mut self, quad: usize, x: *const i8) {
        // SAFETY: the caller's; vector loads of bytes take any address.
        unsafe {
            let pages: [int8x16_t; 4] =
                core::array::from_fn(|at| if 4 * at < M / N { vld1q_s8(x.add(16 * at)) } else { vdupq_n_s8(0) });
            for g in 0..G {
                let word = vld1q_u8(self.words.add((quad / quads_a_word(M as u8) * G + g) * 16));
                let weights = vld1q_s8(self.weights.add((quad * G + g) * 16));
                let xs = pick(4 * M / N, pages, self.positions::<ODD>(word));
                self.acc[g] = dot::<DOT>(self.acc[g], weights, xs);
            }
        }
    }

    /// The ODD-th quad's positions among its inputs.
    #[inline]
    #[target_feature(enable = "neon")]
    fn positions<const ODD: usize>(&mut self, word: uint8x16_t) -> uint8x16_t {
        let places = match (M, ODD) {
            (32 | 64, _) => word,
            // Pages that begin at multiples of 16: the upper halves of the bytes stay.
            (16, 0) if N < 4 => return replace_low(&mut self.low, word),
            (16, _) if N < 4 => return replace_high(&mut self.high, word),
            (_, 0) => vandq_u8(word, vdupq_n_u8(15)),
            _ => vshrq_n_u8::<4>(word),
        };
        if N < 4 { vaddq_u8(places, starts(M, N)) } else { places }
    }
}

/// Puts the lower halves of `word` into those of `places`. In `asm!`: of the intrinsic the compiler makes two instructions.
#[inline]
#[target_feature(enable = "neon")]
fn replace_low(places: &mut uint8x16_t, word: uint8x16_t) -> uint8x16_t {
    // SAFETY: the instruction reads and writes nothing but these registers.
    unsafe {
        asm!(
            "bit {places:v}.16b, {word:v}.16b, {mask:v}.16b",
            places = inout(vreg) *places,
            word = in(vreg) word,
            mask = in(vreg) vdupq_n_u8(15),
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    *places
}

/// Puts the upper halves of `word` into the lower ones of `places`; in `asm!` for the same reason.
#[inline]
#[target_feature(enable = "neon")]
fn replace_high(places: &mut uint8x16_t, word: uint8x16_t) -> uint8x16_t {
    // SAFETY: the instruction reads and writes nothing but these registers.
    unsafe {
        asm!(
            "sri {places:v}.16b, {word:v}.16b, #4",
            places = inout(vreg) *places,
            word = in(vreg) word,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    *places
}

/// The inputs at `positions` of `inputs`, which are 16, 32 or 64.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn pick(inputs: usize, [a, b, c, d]: [int8x16_t; 4], positions: uint8x16_t) -> int8x16_t {
    match inputs {
        16 => vqtbl1q_s8(a, positions),
        32 => vqtbl2q_s8(int8x16x2_t(a, b), positions),
        _ => vqtbl4q_s8(int8x16x4_t(a, b, c, d), positions),
    }
}
