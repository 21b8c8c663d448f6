//! N:M for registers, sixteen rows a group: lanes are outputs.
//!
//! Pseudo-code: for each group: for each page: load it once; for each of its N steps: xs = permute(page, positions);
//! acc += weights · xs; positions >>= 4, or 5 in pages of 32.
//!
//! Loads a step of 16 nonzeros: 1 of weights, 1/N of a page (2/N of 32 inputs), 1/8 of positions (1/6). Beside the FMA a step is
//! one permutation (`vpermps`, or `vpermi2ps` of both halves of 32) and one shift: three micro-operations of 512 bits for the two
//! ports of Ice Lake, 1.5 cycles; on Zen 4, whose pipes take two cycles for each, six for three pipes, 2 cycles. That is the
//! time in which the weights of a step come from L2, so 1/N:M of dense is the bound there.

use core::arch::x86_64::*;

use super::page::{Page, next_positions, word_of};
use super::{total, write_sixteen};
use crate::junction::Junction;
use crate::packing::{NMRow, Packing};

/// Where a group's weights and positions are read, and its sums.
struct Stream {
    weights: *const f32,
    words: *const __m512i,
    positions: __m512i,
    acc: [__m512; 4],
}

impl Stream {
    /// Loads the next word of positions.
    ///
    /// # Safety
    /// AVX-512; there is another word.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn next_word(&mut self) {
        // SAFETY: the caller's.
        unsafe {
            self.positions = _mm512_loadu_si512(self.words);
            self.words = self.words.add(1);
        }
    }

    /// One step, into accumulator `chain`.
    ///
    /// # Safety
    /// AVX-512; there is another step.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn step<const M: usize>(&mut self, page: Page<M>, chain: usize) {
        // SAFETY: the caller's.
        unsafe {
            self.acc[chain % 4] =
                _mm512_fmadd_ps(_mm512_loadu_ps(self.weights), page.pick(self.positions), self.acc[chain % 4]);
            self.weights = self.weights.add(16);
        }
        self.positions = next_positions::<M>(self.positions);
    }

    /// The steps of word W of a turn whose pages begin at `first`; `inputs` is the page of the step before. W is a constant, and the
    /// loop one of six or eight steps: in a longer one the accumulators would be kept in memory.
    ///
    /// # Safety
    /// AVX-512; there are these steps and their pages.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn word<const M: usize, const N: usize, const W: usize>(
        &mut self,
        first: *const f32,
        mut inputs: Page<M>,
    ) -> Page<M> {
        // SAFETY: the caller's.
        unsafe {
            self.next_word();
            for k in W * word_of(M)..(W + 1) * word_of(M) {
                if k > 0 && k.is_multiple_of(N) {
                    inputs = Page::load(first.add(k / N * M));
                }
                self.step(inputs, k);
            }
        }
        inputs
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing N:M for registers with pages of M and sixteen lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn nm<const M: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    // SAFETY: the caller's; the const is n, or 0 for any.
    unsafe {
        match n {
            1 => groups::<M, 1>(j, x, y),
            2 => groups::<M, 2>(j, x, y),
            3 => groups::<M, 3>(j, x, y),
            4 => groups::<M, 4>(j, x, y),
            8 if M >= 16 => groups::<M, 8>(j, x, y),
            _ => groups::<M, 0>(j, x, y),
        }
    }
    j.activation().apply(y);
}

/// Steps after which a page and a word end together: the least common multiple of `n` and `word`.
const fn turn(n: usize, word: usize) -> usize {
    let mut steps = word;
    while n > 0 && !steps.is_multiple_of(n) {
        steps += word;
    }
    steps
}

/// N is the packing's n, which makes turns of steps that need no counting; 0 for any.
///
/// # Safety
/// As for [`nm`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn groups<const M: usize, const N: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    let row = NMRow::new(j.n_in(), usize::from(n), M);
    let (word, turn) = const { (word_of(M), turn(N, word_of(M))) };
    let (mut weights, mut words) = (j.weights().as_ptr().cast::<f32>(), j.index32().as_ptr().cast::<__m512i>());
    for (group, y) in y.chunks_mut(16).enumerate() {
        let mut stream = Stream { weights, words, positions: _mm512_setzero_si512(), acc: [_mm512_setzero_ps(); 4] };
        let mut page = 0;
        // SAFETY: Junction::new proved in_degree steps of sixteen weights for this group, the last one too, and a word of
        // positions for every six or eight steps begun. Whole pages lie in x.
        unsafe {
            if let Some(pages) = turn.checked_div(N) {
                while page + pages <= row.whole_pages {
                    let first = x.as_ptr().add(page * M);
                    let inputs = stream.word::<M, N, 0>(first, Page::<M>::load(first));
                    let inputs = if turn > word { stream.word::<M, N, 1>(first, inputs) } else { inputs };
                    let inputs = if turn > 2 * word { stream.word::<M, N, 2>(first, inputs) } else { inputs };
                    if turn > 3 * word {
                        stream.word::<M, N, 3>(first, inputs);
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
                    if step % word == 0 {
                        stream.next_word();
                    }
                    // Always the first: an index that is no constant would keep the accumulators in memory.
                    stream.step(inputs, 0);
                    step += 1;
                }
                page += 1;
            }
        }
        (weights, words) = (stream.weights, stream.words);
        write_sixteen(j, group * 16, total(stream.acc), y);
    }
}
