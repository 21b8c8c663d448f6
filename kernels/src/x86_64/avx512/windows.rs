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
//! On Emerald Rapids (2.96 GHz) a line out of L2 costs 1.36 cycles and a load out of L1 0.45 more, one after the other, not side by side: measured with
//! 120 KB read and 0 to 12 further loads for every eight lines. Six steps are 7.1 lines, six loads of windows and one of four starts: 12.8 cycles of the
//! 12.9 that they take at 1/4. The ports of FMA, permutation and shift would take 8.5. So what is left to win are bytes and loads: three starts by
//! one load was 2 %. Fetching ahead (384 and 768 floats) takes 0.93 at 1/4 of what it did on a loaded machine, and 1.0 to 1.1 below: no line comes
//! cheaper by that. Sums left in the row's order, gathers and scatters of biases and sums: within 2 %.
//!
//! Tried and slower on Zen 4: three and four steps a window, or as many as pay, window by window (fewer loads than 2.33 cycles'
//! worth of L2 are no gain); windows that start at multiples of 8 (three loads a pair); one step of windows of 8 and 16 that start
//! anywhere (a load that crosses a line counts twice; 1.46 and 1.23, 2.1 and 1.6, 3.0 and 2.1 times the steps); two steps of windows
//! of 16 (1.25, 1.8 and 2.7 times); windows of 64 in four registers (1.05, 1.28 and 1.69 times with four steps, but two permutations
//! and a blend: 3.7 cycles a step); eight rows with two lanes each; a sweep over all lines with one or two steps each and windows for
//! what is left over (as many steps).

use core::arch::x86_64::*;

use super::page::{Page, next_positions, word_of};
use super::{four, part, total};
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
            let mut now = now;
            // Four starts by one load, of which three are used.
            while let Some(starts) = now.first_chunk::<4>() {
                let starts = four(starts);
                let mut positions = _mm512_loadu_si512(words);
                for k in 0..word_of(M) / S {
                    let window = Page::<M>::load(x.as_ptr().add(part(starts, k)));
                    for step in S * k..S * k + S {
                        let weights = _mm512_loadu_ps(weights.add(16 * step));
                        acc[step % 4] = _mm512_fmadd_ps(weights, window.pick(positions), acc[step % 4]);
                        positions = next_positions::<M>(positions);
                    }
                }
                weights = weights.add(16 * word_of(M));
                words = words.add(1);
                now = now.get_unchecked(word_of(M) / S..);
            }
            if !now.is_empty() {
                let mut positions = _mm512_loadu_si512(words);
                for start in now {
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
