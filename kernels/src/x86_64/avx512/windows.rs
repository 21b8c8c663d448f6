//! Windows, sixteen rows a group: any mask, gathered in registers.
//!
//! Pseudo-code: for each group: for each step: window = x[start..start + M]; xs = permute(window, positions);
//! acc += weights · xs; positions >>= 4, or 5 in windows of 32. Then y[order] = acc.
//!
//! A step costs what one of N:M does and the load of its window, one of 16 inputs or two of 32; fifteen of sixteen loads cross
//! a cache line and count twice, unless the windows start at multiples of 16. What it costs beside is padding: lanes that have no
//! edge in the window. A window of 32 has the least padding, one of 8 the cheapest loads.

use core::arch::x86_64::*;

use super::page::{Page, next_positions, word_of};
use super::total;
use crate::junction::Junction;

/// # Safety
/// As for every kernel (`RunF32`); packing windows with sixteen lanes and windows of M.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn windows<const M: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.windows_index();
    let mut weights = j.weights().as_ptr().cast::<f32>();
    let mut words = index.words.as_ptr().cast::<__m512i>();
    let mut starts = index.starts;
    for (count, order) in j.counts().iter().zip(index.order.chunks(16)) {
        let mut acc = [_mm512_setzero_ps(); 4];
        // SAFETY: Junction::new proved for this group `count` starts, as many steps of sixteen weights, and a word of
        // positions for every six or eight steps begun; that every window lies within n_in, x's length; and that the order
        // holds outputs below n_out, y's length.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            let mut words_of = now.chunks_exact(word_of(M));
            for starts in &mut words_of {
                let mut positions = _mm512_loadu_si512(words);
                for k in 0..word_of(M) {
                    let window = Page::<M>::load(x.as_ptr().add(number(*starts.get_unchecked(k))));
                    acc[k % 4] =
                        _mm512_fmadd_ps(_mm512_loadu_ps(weights.add(16 * k)), window.pick(positions), acc[k % 4]);
                    positions = next_positions::<M>(positions);
                }
                weights = weights.add(16 * word_of(M));
                words = words.add(1);
            }
            let rest = words_of.remainder();
            if !rest.is_empty() {
                let mut positions = _mm512_loadu_si512(words);
                for start in rest {
                    let window = Page::<M>::load(x.as_ptr().add(number(*start)));
                    acc[0] = _mm512_fmadd_ps(_mm512_loadu_ps(weights), window.pick(positions), acc[0]);
                    positions = next_positions::<M>(positions);
                    weights = weights.add(16);
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
    j.activation().apply(y);
}

#[inline]
fn number(bytes: [u8; 2]) -> usize {
    usize::from(u16::from_le_bytes(bytes))
}
