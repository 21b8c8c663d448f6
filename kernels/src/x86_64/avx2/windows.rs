//! Windows, eight rows a group: any mask, gathered in registers.
//!
//! Pseudo-code: for each group: for each step: window = x[start..start + 8]; xs = permute(window, positions);
//! acc += weights · xs; positions >>= 4. Then y[order] = acc.
//!
//! Every step is the same, so nothing mispredicts. Loads a step: 1 of weights, 1 of the window (three in eight of them cross a
//! cache line), 1/8 of positions, a quarter of an 8-byte load for four starts; `vpermps` bounds it as for N:M (2.0 cycles on
//! Zen 3, 2.2 reached). What it costs beside is padding: lanes that have no edge in the window. For random rows of
//! constant in-degree (800×112) that is 1.42, 2.0 and 2.8 times the edges at densities 1/4, 1/10 and 1/20 in file order, and
//! 1.36, 1.91 and 2.52 times with rows grouped by the converter.
//!
//! Tried and slower at those densities: pages at multiples of 8 (padding 1.9, and trip counts that mispredict), windows of 4
//! with `vpermilps` (1.7 cycles a step, padding 1.7, 2.6, 3.4), two windows of 4 for four rows each, windows of 16 with two
//! `vpermps` and a blend. Where rows are so sparse that most lanes are padding, scalar loads (rows) win: not yet at 1/40.

use core::arch::x86_64::*;

use super::{four, part};
use crate::junction::Junction;
use crate::spilled;

/// Steps a word of positions.
const WORD: usize = 8;

/// # Safety
/// As for every kernel (`RunF32`); packing windows with eight lanes and windows of 8.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn windows(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.windows_index();
    let mut weights = j.weights().as_ptr().cast::<f32>();
    let mut words = index.words.as_ptr().cast::<__m256i>();
    let mut starts = index.starts;
    for (count, order) in j.counts().iter().zip(index.order.chunks(8)) {
        let mut acc = [_mm256_setzero_ps(); 4];
        // SAFETY: Junction::new proved for this group `count` starts, as many steps of eight weights, and a word of eight
        // positions for every eight steps begun; that every window lies within n_in, x's length; and that the order holds
        // outputs below n_out, y's length.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            let (whole, rest) = now.as_chunks::<WORD>();
            for starts in whole {
                let mut positions = _mm256_loadu_si256(words);
                let [a, b, c, d, e, f, g, h] = *starts;
                let (low, high) = (four(&[a, b, c, d]), four(&[e, f, g, h]));
                for k in 0..WORD {
                    let start = part(if k < 4 { low } else { high }, k % 4);
                    let window = _mm256_loadu_ps(x.as_ptr().add(start));
                    let xs = _mm256_permutevar8x32_ps(window, positions);
                    acc[k % 4] = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(8 * k)), xs, acc[k % 4]);
                    positions = _mm256_srli_epi32::<4>(positions);
                }
                weights = weights.add(8 * WORD);
                words = words.add(1);
            }
            if !rest.is_empty() {
                let mut positions = _mm256_loadu_si256(words);
                for start in rest {
                    let window = _mm256_loadu_ps(x.as_ptr().add(usize::from(u16::from_le_bytes(*start))));
                    let xs = _mm256_permutevar8x32_ps(window, positions);
                    acc[0] = _mm256_fmadd_ps(_mm256_loadu_ps(weights), xs, acc[0]);
                    positions = _mm256_srli_epi32::<4>(positions);
                    weights = weights.add(8);
                }
                words = words.add(1);
            }
            let [a, b, c, d] = acc;
            let mut sums = [0.0; 8];
            _mm256_storeu_ps(sums.as_mut_ptr(), _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
            for (output, sum) in order.iter().zip(sums) {
                let output = usize::from(u16::from_le_bytes(*output));
                *y.get_unchecked_mut(output) = j.bias(output) + sum;
            }
        }
    }
    // SAFETY: the caller's.
    unsafe { spilled::add(j, x, y) };
    j.activation().apply(y);
}
