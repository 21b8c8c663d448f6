//! Windows of 16 inputs of int8, eight rows a group: lanes are outputs, which pick up to four inputs each of one window.
//!
//! Pseudo-code: for each group: for each step: positions = half of a word; xs = shuffle of the window; acc += dot.

use core::arch::x86_64::*;

use super::{dot, put};
use crate::junction::Junction;

/// # Safety
/// As for every kernel (`RunI8`); packing windows of 16 inputs with eight lanes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn windows(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let index = j.windows_index();
    let (mut starts, mut words, mut weights) = (index.starts, index.words.as_ptr(), j.weights_i8().as_ptr());
    for (count, order) in j.counts().iter().zip(index.order.chunks(8)) {
        let mut acc = [_mm256_setzero_si256(); 2];
        // SAFETY: Junction::new_i8 proved, for each group, `count` windows whose 16 inputs lie below n_in, x's length, as many
        // vectors of weights, and a vector of positions for each two of them begun.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            for pair in now.chunks(2) {
                let word = _mm256_loadu_si256(words.cast());
                words = words.add(32);
                for ((half, start), acc) in pair.iter().enumerate().zip(&mut acc) {
                    let positions = if half == 0 { word } else { _mm256_srli_epi16::<4>(word) };
                    let window = x.as_ptr().add(usize::from(u16::from_le_bytes(*start)));
                    let window = _mm256_broadcastsi128_si256(_mm_loadu_si128(window.cast()));
                    // `vpshufb` reads the low four bits, and the top one, of each byte.
                    let xs = _mm256_shuffle_epi8(window, _mm256_and_si256(positions, _mm256_set1_epi8(15)));
                    let w = _mm256_loadu_si256(weights.cast());
                    weights = weights.add(32);
                    *acc = dot(*acc, w, xs, _mm256_abs_epi8(xs));
                }
            }
        }
        let sums = _mm256_add_epi32(acc[0], acc[1]);
        // SAFETY: order holds outputs.
        unsafe { put_in_order(j, order, sums, y) };
    }
}

/// The outputs of the rows that `order` names, at most eight.
///
/// # Safety
/// AVX2; every output is below n_out, `y`'s length; the junction is an int8 one.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn put_in_order(j: &Junction<'_>, order: &[[u8; 2]], sums: __m256i, y: &mut [i8]) {
    let outputs = order.iter().map(|output| usize::from(u16::from_le_bytes(*output)));
    let first = outputs.clone().next().unwrap_or(0);
    if outputs.clone().eq(first..first + order.len()) {
        let y = y.get_mut(first..first + order.len()).unwrap_or_default();
        // SAFETY: the caller's.
        return unsafe { put(j, first, sums, y) };
    }
    let mut each = [0i32; 8];
    // SAFETY: eight i32 fit the array.
    unsafe { _mm256_storeu_si256(each.as_mut_ptr().cast(), sums) };
    for (output, sum) in outputs.zip(each) {
        if let Some(y) = y.get_mut(output) {
            *y = j.output_i8(output, sum);
        }
    }
}
