//! Rows of constant in-degree, and of any.
//!
//! Eight edges a step: eight scalar loads of `x` into two registers, one load of weights, one FMA. With eight loads for the
//! indices that is 17 loads a step, 5.7 cycles where three are done a cycle. `vgatherdps` was tried and takes twice as long on
//! Zen 3 (39 micro-operations); what pays on other processors has to be measured there.

use core::arch::x86_64::*;

use super::sum;
use crate::junction::Junction;
use crate::packing::Packing;

/// # Safety
/// As for every kernel (`RunF32`); packing rows or csr with one-byte deltas.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn delta8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut index = j.index8();
    // SAFETY: Junction::new proved one delta and one weight an edge, and that every sum of a row's deltas is an input below
    // n_in, x's length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            let mut input = 0;
            row_sum(weights, x, |edge| {
                input += usize::from(*row.get_unchecked(edge));
                input
            })
        });
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing rows or csr with two-byte inputs.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn absolute16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut index = j.index16();
    // SAFETY: Junction::new proved one index entry and one weight an edge, and that every entry is an input below n_in, x's
    // length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            row_sum(weights, x, |edge| usize::from(u16::from_le_bytes(*row.get_unchecked(edge))))
        });
    }
}

/// `y = act(b + sum)` for each row, with the sum that `sum_of` gives for the row's weights.
///
/// # Safety
/// AVX2 and FMA; packing rows or csr.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn for_each_row(j: &Junction<'_>, y: &mut [f32], mut sum_of: impl FnMut(&[[u8; 4]]) -> f32) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => in_degree,
        _ => 0,
    };
    let mut counts = j.counts().iter();
    let mut weights = j.weights();
    for (o, y) in y.iter_mut().enumerate() {
        let in_degree = counts.next().map_or(constant, |count| u16::from_le_bytes(*count));
        // SAFETY: Junction::new proved in_degree weights for this row.
        let (row, after) = unsafe { weights.split_at_unchecked(usize::from(in_degree)) };
        weights = after;
        *y = j.bias(o) + sum_of(row);
    }
    j.activation().apply(y);
}

/// `Σ weights · x[input_of(edge)]`; `input_of` is called with 0, 1, 2 …
///
/// # Safety
/// AVX2 and FMA; every input is below `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_sum(weights: &[[u8; 4]], x: &[f32], mut input_of: impl FnMut(usize) -> usize) -> f32 {
    let (steps, rest) = weights.as_chunks::<8>();
    let mut acc = _mm256_setzero_ps();
    let mut edge = 0;
    // SAFETY: the caller's bound; eight weights are 32 bytes.
    unsafe {
        let mut next = || {
            let input = input_of(edge);
            edge += 1;
            _mm_load_ss(x.get_unchecked(input))
        };
        for weights in steps {
            let mut four = || {
                let (a, b) = (next(), next());
                let ab = _mm_unpacklo_ps(a, b);
                let (c, d) = (next(), next());
                _mm_movelh_ps(ab, _mm_unpacklo_ps(c, d))
            };
            let (low, high) = (four(), four());
            let xs = _mm256_set_m128(high, low);
            acc = _mm256_fmadd_ps(_mm256_loadu_ps(weights.as_ptr().cast()), xs, acc);
        }
        let mut total = sum(acc);
        for w in rest {
            total += f32::from_le_bytes(*w) * _mm_cvtss_f32(next());
        }
        total
    }
}
