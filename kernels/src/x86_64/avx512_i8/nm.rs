//! N:M of int8 for registers, sixteen rows a group: lanes are outputs, four steps each.
//!
//! Pseudo-code: for each group: for each quad of steps: inputs = the pages that the quad's steps read, 64 at most, in a register;
//! xs = permute(inputs, positions within the pages + where those begin); acc += dot.
//!
//! `vpermb` reads the low six bits of each byte. Pages below 64 fill a register several times over, so that a quad within one page
//! needs no mask: whatever the bits above the position say, they say a copy of the same page. A quad of several pages adds where each
//! step's page begins, by one `vpternlogd`.
//!
//! Vector operations a quad of 64 nonzeros: permutation, dot, the weights' sum and, in pages up to 16, half a shift: 1.75 cycles, 1.5
//! in pages of 32 and 64, and half a cycle more with the `vpternlogd`. Loads: 2.5, or 3, so 1.25 or 1.5 cycles in L1. Dense takes 1.2
//! cycles for each 64 of the places. From L2 the bytes rule: 96 or 128 for each 64 nonzeros.

use core::arch::x86_64::*;

use super::{Copied, Dots, first_bytes, flip, positions, put};
use crate::junction::{Junction, Quads};
use crate::packing::Packing;
use crate::scalar_i8::lane_sum;

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers with sixteen lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn nm(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut copied = Copied::new();
    // SAFETY: the caller's.
    unsafe {
        match copied.of(x) {
            Some(copied) => by_shape(j, Source { first: copied, x }, y),
            None => any_shape(j, Source::<false> { first: x.as_ptr().cast(), x }, y),
        }
    }
}

/// Inputs: a copy that is moved up by 128 and has 64 bytes behind each input, or neither.
#[derive(Clone, Copy)]
struct Source<'x, const COPIED: bool> {
    first: *const u8,
    x: &'x [i8],
}

impl<const COPIED: bool> Source<'_, COPIED> {
    /// S inputs from `at` on, as often as the register holds them.
    ///
    /// # Safety
    /// AVX-512; a copy, and `at` is an input: of those that are not there, anything.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load<const S: usize>(self, at: usize) -> __m512i {
        // SAFETY: the caller's; loads are unaligned ones.
        unsafe {
            let from = self.first.add(at);
            match S {
                16 => _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())),
                32 => _mm512_broadcast_i64x4(_mm256_loadu_si256(from.cast())),
                _ => _mm512_loadu_si512(from.cast()),
            }
        }
    }

    /// 64 inputs from `at` on, or as many as there are.
    ///
    /// # Safety
    /// AVX-512; `at` is an input.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_few(self, at: usize) -> __m512i {
        // SAFETY: the caller's; a copy has 64 bytes, of inputs proper no more are read than there are.
        unsafe {
            if COPIED {
                return self.load::<64>(at);
            }
            let few = first_bytes(self.x.len() - at);
            _mm512_xor_si512(_mm512_maskz_loadu_epi8(few, self.first.add(at).cast()), flip())
        }
    }
}

/// # Safety
/// As for [`nm`]; x are the junction's inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn by_shape(j: &Junction<'_>, x: Source<'_, true>, y: &mut [i8]) {
    let Packing::NMLanes { n, m, .. } = *j.packing() else { return };
    // SAFETY: the caller's; four steps read S inputs, from pages of N steps.
    unsafe {
        match (n, m) {
            (8, 16) => groups::<16, 8, false, true>(j, x, y),
            (4, 16) => groups::<16, 4, false, true>(j, x, y),
            (2, 16) => groups::<32, 2, false, true>(j, x, y),
            (1, 16) => groups::<64, 1, false, true>(j, x, y),
            (2, 8) => groups::<16, 2, false, true>(j, x, y),
            (1, 8) => groups::<32, 1, false, true>(j, x, y),
            (1, 4) => groups::<16, 1, false, true>(j, x, y),
            (8, 32) => groups::<32, 8, true, true>(j, x, y),
            (4, 32) => groups::<32, 4, true, true>(j, x, y),
            (2, 32) => groups::<64, 2, true, true>(j, x, y),
            (16, 64) => groups::<64, 16, true, true>(j, x, y),
            (8, 64) => groups::<64, 8, true, true>(j, x, y),
            (4, 64) => groups::<64, 4, true, true>(j, x, y),
            _ => any_shape(j, x, y),
        }
    }
}

/// # Safety
/// As for [`nm`]; x are the junction's inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn any_shape<const COPIED: bool>(j: &Junction<'_>, x: Source<'_, COPIED>, y: &mut [i8]) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    // SAFETY: the caller's. The pages of a quad have 64 inputs at most: four pages up to 16, two of 32, one of 64.
    unsafe {
        match (n, m) {
            (_, ..=16) => return groups::<0, 0, false, COPIED>(j, x, y),
            (2.., 32) => return groups::<0, 0, true, COPIED>(j, x, y),
            (_, 64) if n.is_multiple_of(4) => return groups::<0, 0, true, COPIED>(j, x, y),
            _ => {}
        }
        let quads = Quads::new(j.n_in(), n, m, lanes);
        for (o, y) in y.iter_mut().enumerate() {
            *y = j.output_i8(o, lane_sum(j, &quads, o, 0, x.x));
        }
    }
}

/// S are the inputs that each quad reads of a copy, N the steps a page; 0 for others. Positions are bytes, or halves of them.
///
/// # Safety
/// As for [`by_shape`]; a quad's pages have 64 inputs at most.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn groups<const S: usize, const N: usize, const BYTES: bool, const COPIED: bool>(
    j: &Junction<'_>,
    x: Source<'_, COPIED>,
    y: &mut [i8],
) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, m, lanes);
    // A last page of fewer inputs has no more than N steps, so that it keeps the order; steps that no row has weigh 0.
    let regular = if S > 0 { quads.quads } else { 0 };
    let begin = starts_of::<S, N>();
    for (group, y) in y.chunks_mut(16).enumerate() {
        let mut dots = Dots::<4>::new();
        // SAFETY: Junction::new_i8 proved a vector of weights for each quad and one of positions for each one or two of this group,
        // the last one too; and that every position lies in its page and the page in x. Each quad has a step, and so its first
        // page an input.
        unsafe {
            let weights = j.weights_i8().as_ptr().add(group * quads.quads * 64);
            let words = j.index8().as_ptr().add(group * quads.words * 64);
            let add = |dots: &mut Dots<4>, quad: usize, k: usize| {
                let positions = positions::<BYTES>(words, quad + k, k);
                let at =
                    if S * N >= 4 * S && (BYTES || S <= 16) { positions } else { placed::<BYTES>(positions, begin) };
                let page = if N > 4 { (quad + k) / (N / 4) } else { quad + k };
                let inputs = _mm512_permutexvar_epi8(at, x.load::<S>(page * S));
                dots.add(k, inputs, _mm512_loadu_si512(weights.add((quad + k) * 64).cast()));
            };
            let mut quad = 0;
            while quad + 4 <= regular {
                for k in 0..4 {
                    add(&mut dots, quad, k);
                }
                quad += 4;
            }
            for k in 0..3 {
                if quad + k < regular {
                    add(&mut dots, quad, k);
                }
            }
            let mut pages = Pages { n: usize::from(n), page: 0, passed: 0 };
            for quad in regular..quads.quads {
                let (page, begin) = pages.next_quad(m);
                let at = placed::<BYTES>(
                    positions::<BYTES>(words, quad, quad),
                    _mm512_set1_epi32(i32::from_le_bytes(begin)),
                );
                let inputs = _mm512_permutexvar_epi8(at, x.load_few(page * usize::from(m)));
                dots.add(0, inputs, _mm512_loadu_si512(weights.add(quad * 64).cast()));
            }
            put(j, group * 16, dots.sums(), y);
        }
    }
}

/// Where the pages of a quad's four steps begin, of quads that read S inputs in pages of N steps.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn starts_of<const S: usize, const N: usize>() -> __m512i {
    let start = |step: usize| step.checked_div(N).map_or(0, |page| (page * (S * N / 4)) as u8);
    _mm512_set1_epi32(i32::from_le_bytes([start(0), start(1), start(2), start(3)]))
}

/// Positions, of which the low halves count where they are no bytes, and where their pages begin.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn placed<const BYTES: bool>(positions: __m512i, begin: __m512i) -> __m512i {
    if BYTES {
        return _mm512_or_si512(positions, begin);
    }
    // (positions & 15) | begin
    _mm512_ternarylogic_epi32::<0xea>(positions, _mm512_set1_epi8(15), begin)
}

/// Walks the pages of steps.
struct Pages {
    n: usize,
    page: usize,
    /// Steps of the page that are passed.
    passed: usize,
}

impl Pages {
    /// The page of the next step, and where those of it and the three behind it begin after that.
    fn next_quad(&mut self, m: u8) -> (usize, [u8; 4]) {
        let first = self.page;
        let begins = core::array::from_fn(|_| {
            let begin = ((self.page - first) as u8).wrapping_mul(m);
            self.passed += 1;
            if self.passed == self.n {
                (self.page, self.passed) = (self.page + 1, 0);
            }
            begin
        });
        (first, begins)
    }
}
