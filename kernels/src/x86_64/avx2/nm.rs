//! N:M for registers, eight rows a group: lanes are outputs.
//!
//! Pseudo-code: for each two groups: for each page: load it once; for each of its N steps and both groups:
//! xs = permute(page, positions); acc += weights · xs; positions >>= 4.
//!
//! Loads a step: 1 of weights, 1/(2·N) of a page, 1/8 of positions. The permutation bounds it:
//!
//! | page | permutation | cycles a step, Zen 3 |
//! |-|-|-|
//! | 4 | `vpermilps` of the page in both halves | 1.3 |
//! | 8 | `vpermps` | 2.0: two micro-operations on the FMA's pipes, 1.05 alone, 1.97 with an FMA behind it |
//! | 16 | two `vpermps` and a blend | 3.9 |
//!
//! Permutations ignore the upper bits of a position, so a shift is all that decodes one. Tried and no faster: `vpmulhuw` for the
//! shift (another pipe), eight accumulators, `vpermilps` of both halves and a blend for pages of 8.

use core::arch::x86_64::*;

use super::write_eight;
use crate::junction::Junction;
use crate::packing::{NMRow, Packing};

/// Steps a word of positions.
const WORD: usize = 8;

/// A page in registers, as its permutation wants it; M is 4, 8 or 16.
#[derive(Clone, Copy)]
struct Page<const M: usize> {
    low: __m256,
    /// Inputs 8 to 15; not used by smaller pages.
    high: __m256,
}

impl<const M: usize> Page<M> {
    /// # Safety
    /// AVX2; `x` has M values.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load(x: *const f32) -> Self {
        // SAFETY: the caller's bound; loads are unaligned ones.
        unsafe {
            match M {
                4 => {
                    let four = _mm_loadu_ps(x);
                    Self { low: _mm256_set_m128(four, four), high: _mm256_setzero_ps() }
                }
                8 => Self { low: _mm256_loadu_ps(x), high: _mm256_setzero_ps() },
                _ => Self { low: _mm256_loadu_ps(x), high: _mm256_loadu_ps(x.add(8)) },
            }
        }
    }

    /// A page of fewer than M inputs.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn ragged(x: &[f32]) -> Self {
        let mut page = [0.0; 16];
        page.iter_mut().zip(x).for_each(|(page, x)| *page = *x);
        // SAFETY: the array has 16 values, M at most.
        unsafe { Self::load(page.as_ptr()) }
    }

    /// `page[positions]`, by the low bits of each lane.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn pick(self, positions: __m256i) -> __m256 {
        match M {
            4 => _mm256_permutevar_ps(self.low, positions),
            8 => _mm256_permutevar8x32_ps(self.low, positions),
            _ => {
                let high = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(positions));
                let (a, b) =
                    (_mm256_permutevar8x32_ps(self.low, positions), _mm256_permutevar8x32_ps(self.high, positions));
                _mm256_blendv_ps(a, b, high)
            }
        }
    }
}

/// Where a group's weights and positions are read, and its sums.
struct Stream {
    weights: *const f32,
    words: *const __m256i,
    positions: __m256i,
    acc: [__m256; 2],
}

impl Stream {
    /// Loads the positions of the next eight steps.
    ///
    /// # Safety
    /// AVX2; there is another word.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn next_word(&mut self) {
        // SAFETY: the caller's.
        unsafe {
            self.positions = _mm256_loadu_si256(self.words);
            self.words = self.words.add(1);
        }
    }

    /// One step, into accumulator `chain`.
    ///
    /// # Safety
    /// AVX2 and FMA; there is another step.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn step<const M: usize>(&mut self, page: Page<M>, chain: usize) {
        // SAFETY: the caller's.
        unsafe {
            self.acc[chain % 2] =
                _mm256_fmadd_ps(_mm256_loadu_ps(self.weights), page.pick(self.positions), self.acc[chain % 2]);
            self.weights = self.weights.add(8);
        }
        self.positions = _mm256_srli_epi32::<4>(self.positions);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing N:M for registers with pages of M and eight lanes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn nm<const M: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    // SAFETY: the caller's; the const is n, or 0 for any.
    unsafe {
        match n {
            1 => groups::<M, 1>(j, x, y),
            2 => groups::<M, 2>(j, x, y),
            4 => groups::<M, 4>(j, x, y),
            _ => groups::<M, 0>(j, x, y),
        }
    }
}

/// N is the packing's n where it divides 8: then whole words are taken at a time; 0 for any.
///
/// # Safety
/// As for [`nm`].
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn groups<const M: usize, const N: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    let row = NMRow::new(j.n_in(), usize::from(n), M);
    let (weights, words) = (j.weights().as_ptr().cast::<f32>(), j.index32().as_ptr().cast::<__m256i>());
    let group_words = row.in_degree.div_ceil(WORD);
    for (pair, y) in y.chunks_mut(16).enumerate() {
        // SAFETY: Junction::new proved in_degree steps of eight weights for every group, the last one too, and a word of
        // eight positions for every eight steps begun.
        unsafe {
            let stream = |group: usize| Stream {
                weights: weights.add(group * row.in_degree * 8),
                words: words.add(group * group_words),
                positions: _mm256_setzero_si256(),
                acc: [_mm256_setzero_ps(); 2],
            };
            match y.split_at_mut_checked(8) {
                Some((first, second)) if !second.is_empty() => {
                    let [a, b] = sums::<M, N, 2>(&row, n, [stream(2 * pair), stream(2 * pair + 1)], x);
                    write_eight(j, pair * 16, a, first);
                    write_eight(j, pair * 16 + 8, b, second);
                }
                _ => {
                    let [a] = sums::<M, N, 1>(&row, n, [stream(2 * pair)], x);
                    write_eight(j, pair * 16, a, y);
                }
            }
        }
    }
    j.activation().apply(y);
}

/// The sums of G groups, which share the pages.
///
/// # Safety
/// AVX2 and FMA; the streams have the steps and words of a group each; `row` is that of `x.len()`, n and M.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn sums<const M: usize, const N: usize, const G: usize>(
    row: &NMRow,
    n: u8,
    mut streams: [Stream; G],
    x: &[f32],
) -> [__m256; G] {
    let mut page = 0;
    // SAFETY: the caller's bounds; whole pages lie in x.
    unsafe {
        if let Some(pages) = WORD.checked_div(N) {
            while page + pages <= row.whole_pages {
                streams.iter_mut().for_each(|stream| stream.next_word());
                let mut inputs = Page::<M>::load(x.as_ptr().add(page * M));
                for k in 0..WORD {
                    if k > 0 && k % N == 0 {
                        inputs = Page::<M>::load(x.as_ptr().add((page + k / N) * M));
                    }
                    for stream in &mut streams {
                        stream.step(inputs, k);
                    }
                }
                page += pages;
            }
        }
        let mut step = 0;
        while page * M < x.len() {
            let whole = page < row.whole_pages;
            let inputs = if whole {
                Page::<M>::load(x.as_ptr().add(page * M))
            } else {
                Page::ragged(x.get_unchecked(page * M..))
            };
            for _ in 0..if whole { usize::from(n) } else { row.last_n } {
                for stream in &mut streams {
                    if step % WORD == 0 {
                        stream.next_word();
                    }
                    // Always the first: an index that is no constant would keep the accumulators in memory.
                    stream.step(inputs, 0);
                }
                step += 1;
            }
            page += 1;
        }
    }
    streams.map(|stream| _mm256_add_ps(stream.acc[0], stream.acc[1]))
}
