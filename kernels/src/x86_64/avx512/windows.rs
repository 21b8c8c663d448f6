//! Windows of 32 inputs and two steps, sixteen rows a group: any mask, gathered in registers.
//!
//! Pseudo-code: for each group: for each window: inputs = x[start..start + 32]; twice: xs = permute(inputs, positions);
//! acc += weights · xs; positions >>= 5. Then y[order] = acc.
//!
//! A step costs an FMA, a permutation and a shift, and 2.2 loads: sixteen weights, a sixth of a vector of positions, and half of
//! its window, two registers that begin at a cache line. On Zen 4 that is 2.6 cycles, of which weights and positions out of L2 (75
//! bytes at 32 a cycle) are 2.3; with a step a window it is 3.2 loads and 3.7 cycles, for 2 to 13 % fewer steps. What it costs beside
//! is padding: lanes that have no edge left in the window. Random masks of 800 inputs and 112 rows, grouped, take 1.18, 1.51 and 2.02
//! times the steps of no padding at densities of 1/4, 1/10 and 1/20.
//!
//! On Emerald Rapids reading the weights and words alone, a multiply-add each and nothing else, takes 0.97 to 1.05 of the kernel's time at 1/4 and
//! 1/10, and 0.72 to 0.88 at 1/20, whose 42 KB a first-level cache of 48 KB holds in part: there is nothing left to win but bytes. Fetching ahead
//! (384 and 768 floats) takes 0.93 at 1/4 and 1.0 to 1.1 below.
//!
//! Tried and slower on Zen 4: three and four steps a window, or as many as pay, window by window (fewer loads than 2.33 cycles'
//! worth of L2 are no gain); windows that start at multiples of 8 (three loads a pair); one step of windows of 8 and 16 that start
//! anywhere (a load that crosses a line counts twice; 1.46 and 1.23, 2.1 and 1.6, 3.0 and 2.1 times the steps); two steps of windows
//! of 16 (1.25, 1.8 and 2.7 times); windows of 64 in four registers (1.05, 1.28 and 1.69 times with four steps, but two permutations
//! and a blend: 3.7 cycles a step); eight rows with two lanes each; a sweep over all lines with one or two steps each and windows for
//! what is left over (as many steps).

use core::arch::x86_64::*;

use super::page::{Page, next_positions, word_of};
use super::total;
use crate::junction::Junction;
use crate::spilled;

/// Inputs a window, and steps.
const M: usize = 32;
const S: usize = 2;

/// # Safety
/// As for every kernel (`RunF32`); packing windows of M inputs and S steps with sixteen lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn windows(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.windows_index();
    let mut weights = j.weights().as_ptr().cast::<f32>();
    let mut words = index.words.as_ptr().cast::<__m512i>();
    let mut starts = index.starts;
    for (count, order) in j.counts().iter().zip(index.order.chunks(16)) {
        let mut acc = [_mm512_setzero_ps(); 4];
        // SAFETY: Junction::new proved for this group `count` steps of sixteen weights, `count` a multiple of S, a start for every
        // S of them, and a word of positions for every six steps begun; that every window lies within n_in, x's length;
        // and that the order holds outputs below n_out, y's length.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)) / S);
            starts = after;
            let mut words_of = now.chunks_exact(word_of(M) / S);
            for starts in &mut words_of {
                let mut positions = _mm512_loadu_si512(words);
                for k in 0..word_of(M) / S {
                    let window = Page::<M>::load(x.as_ptr().add(number(*starts.get_unchecked(k))));
                    for step in S * k..S * k + S {
                        let weights = _mm512_loadu_ps(weights.add(16 * step));
                        acc[step % 4] = _mm512_fmadd_ps(weights, window.pick(positions), acc[step % 4]);
                        positions = next_positions::<M>(positions);
                    }
                }
                weights = weights.add(16 * word_of(M));
                words = words.add(1);
            }
            let rest = words_of.remainder();
            if !rest.is_empty() {
                let mut positions = _mm512_loadu_si512(words);
                for start in rest {
                    let window = Page::<M>::load(x.as_ptr().add(number(*start)));
                    for acc in &mut acc[..S] {
                        *acc = _mm512_fmadd_ps(_mm512_loadu_ps(weights), window.pick(positions), *acc);
                        positions = next_positions::<M>(positions);
                        weights = weights.add(16);
                    }
                }
                words = words.add(1);
            }
            let mut sums = [0.0; 16];
            _mm512_storeu_ps(sums.as_mut_ptr(), total(acc));
            for (output, sum) in order.iter().zip(sums) {
                let output = number(*output);
                *y.get_unchecked_mut(output) = j.bias(output) + sum;
            }
        }
    }
    // SAFETY: the caller's.
    unsafe { spilled::add(j, x, y) };
    j.activation().apply(y);
}

#[inline]
fn number(bytes: [u8; 2]) -> usize {
    usize::from(u16::from_le_bytes(bytes))
}
