//! N:M of int8 for registers, sixteen rows a group: lanes are outputs, four steps each.
//!
//! Pseudo-code: for each group: for each quad of steps: inputs = the pages that the quad's steps read, 64 at most, in a register;
//! xs = permute(inputs, positions within the pages + where those begin); acc += dot.
//!
//! `vpermb` reads the low six bits of each byte. Pages of 16 and less fill a register several times over, so that a quad within one page
//! needs no mask: whatever the bits above the position say, they say a copy of the same page. A quad of several pages adds where each
//! step's page begins, by one `vpternlogd`.
//!
//! Vector operations a quad of 64 nonzeros: permutation, dot, the weights' sum and half a shift, 1.75 cycles; 2.25 with the
//! `vpternlogd`. Loads: 2.5, 1.25 cycles in L1. Dense takes 1.3 cycles for each 64 of the places.

use core::arch::x86_64::*;

use super::{Copied, Dots, first_bytes, flip, put};
use crate::junction::{Junction, Quads};
use crate::packing::Packing;

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers with sixteen lanes and pages of up to 16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn nm(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut copied = Copied::new();
    // SAFETY: the caller's.
    unsafe {
        match copied.of(x) {
            Some(copied) => by_shape::<true>(j, Source { first: copied, n_in: x.len() }, y),
            None => by_shape::<false>(j, Source { first: x.as_ptr().cast(), n_in: x.len() }, y),
        }
    }
}

/// Inputs: a copy that is moved up by 128 and has 64 bytes behind each input, or neither.
#[derive(Clone, Copy)]
struct Source<const COPIED: bool> {
    first: *const u8,
    n_in: usize,
}

impl<const COPIED: bool> Source<COPIED> {
    /// S inputs from `at` on, moved up by 128, as often as the register holds them.
    ///
    /// # Safety
    /// AVX-512; there are as many.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load<const S: usize>(self, at: usize) -> __m512i {
        // SAFETY: the caller's; loads are unaligned ones.
        let inputs = unsafe {
            let from = self.first.add(at);
            match S {
                8 => _mm512_set1_epi64(from.cast::<i64>().read_unaligned()),
                16 => _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())),
                32 => _mm512_broadcast_i64x4(_mm256_loadu_si256(from.cast())),
                _ => _mm512_loadu_si512(from.cast()),
            }
        };
        if COPIED { inputs } else { _mm512_xor_si512(inputs, flip()) }
    }

    /// 64 inputs from `at` on, or as many as there are.
    ///
    /// # Safety
    /// AVX-512; `at < n_in`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load_few(self, at: usize) -> __m512i {
        // SAFETY: the caller's; a copy has 64 bytes, of inputs proper no more are read than there are.
        unsafe {
            if COPIED {
                return self.load::<64>(at);
            }
            let few = first_bytes(self.n_in - at);
            _mm512_xor_si512(_mm512_maskz_loadu_epi8(few, self.first.add(at).cast()), flip())
        }
    }
}

/// # Safety
/// As for [`nm`]; x are the junction's inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn by_shape<const COPIED: bool>(j: &Junction<'_>, x: Source<COPIED>, y: &mut [i8]) {
    let Packing::NMLanes { n, m, .. } = *j.packing() else { return };
    // SAFETY: the caller's; four steps read S inputs, from n pages of them.
    unsafe {
        match (n, m) {
            (4, 16) => groups::<16, 4, COPIED>(j, x, y),
            (2, 16) => groups::<32, 2, COPIED>(j, x, y),
            (1, 16) => groups::<64, 1, COPIED>(j, x, y),
            (4, 8) => groups::<8, 4, COPIED>(j, x, y),
            (2, 8) => groups::<16, 2, COPIED>(j, x, y),
            (1, 8) => groups::<32, 1, COPIED>(j, x, y),
            (2, 4) => groups::<8, 2, COPIED>(j, x, y),
            (1, 4) => groups::<16, 1, COPIED>(j, x, y),
            _ => groups::<0, 0, COPIED>(j, x, y),
        }
    }
}

/// S are the inputs that each quad reads, N the steps a page; 0 for others.
///
/// # Safety
/// As for [`by_shape`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn groups<const S: usize, const N: usize, const COPIED: bool>(
    j: &Junction<'_>,
    x: Source<COPIED>,
    y: &mut [i8],
) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, m, lanes);
    // Quads whose pages are all whole; pairs of them are taken together.
    let whole = x.n_in.checked_div(S).unwrap_or(0).min(quads.quads) & !1;
    let begin = starts_of::<S, N>();
    for (group, y) in y.chunks_mut(16).enumerate() {
        let mut dots = Dots::<2>::new();
        // SAFETY: Junction::new_i8 proved a vector of weights for each quad and one of positions for each two of this group, the
        // last one too; `whole` quads have S inputs each, and every position lies in its page and the page in x.
        unsafe {
            let weights = j.weights_i8().as_ptr().add(group * quads.quads * 64);
            let words = j.index8().as_ptr().add(group * quads.words * 64);
            let mut quad = 0;
            while quad < whole {
                let word = _mm512_loadu_si512(words.add(quad / 2 * 64).cast());
                for half in 0..2 {
                    let positions = if half == 0 { word } else { _mm512_srli_epi16::<4>(word) };
                    let at = if S <= 16 && N == 4 { positions } else { placed(positions, begin) };
                    let inputs = _mm512_permutexvar_epi8(at, x.load::<S>((quad + half) * S));
                    dots.add(half, inputs, _mm512_loadu_si512(weights.add((quad + half) * 64).cast()));
                }
                quad += 2;
            }
            let mut pages = Pages::at(&quads, usize::from(n), quad * 4);
            while quad < quads.quads {
                let word = _mm512_loadu_si512(words.add(quad / 2 * 64).cast());
                let positions = if quad % 2 == 0 { word } else { _mm512_srli_epi16::<4>(word) };
                let (page, begin) = pages.next_quad(m);
                let at = placed(positions, _mm512_set1_epi32(i32::from_le_bytes(begin)));
                let inputs = _mm512_permutexvar_epi8(at, x.load_few(page * usize::from(m)));
                dots.add(0, inputs, _mm512_loadu_si512(weights.add(quad * 64).cast()));
                quad += 1;
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

/// The low halves of `positions`, and where their pages begin.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn placed(positions: __m512i, begin: __m512i) -> __m512i {
    // (positions & 15) | begin
    _mm512_ternarylogic_epi32::<0xea>(positions, _mm512_set1_epi8(15), begin)
}

/// Walks the pages of steps.
struct Pages {
    n: usize,
    whole_pages: usize,
    page: usize,
    /// Steps of the page that are passed.
    passed: usize,
}

impl Pages {
    fn at(quads: &Quads, n: usize, step: usize) -> Self {
        let page = step.checked_div(n).unwrap_or(0).min(quads.row.whole_pages);
        Self { n, whole_pages: quads.row.whole_pages, page, passed: step - page * n }
    }

    /// The page of the next step, and where those of it and the three behind it begin after that. Of steps that no row has, anywhere.
    fn next_quad(&mut self, m: u8) -> (usize, [u8; 4]) {
        let first = self.page;
        let begins = core::array::from_fn(|_| {
            let begin = (self.page - first) as u8 * m;
            self.passed += 1;
            if self.passed == self.n && self.page < self.whole_pages {
                (self.page, self.passed) = (self.page + 1, 0);
            }
            begin
        });
        (first, begins)
    }
}
