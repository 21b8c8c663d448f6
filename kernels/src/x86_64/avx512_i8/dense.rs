//! Dense rows of int8.
//!
//! Vector operations for 64 products: two, the flip of the weights' top bits and the dot; one cycle. Loads: 1.25, of weights and a
//! quarter of `x`. Weights of 800×112 stream from L2, 1.3 cycles for each vector: that is the bound.

use core::arch::x86_64::*;

use super::{first_bytes, flip, put};
use crate::junction::Junction;

/// Pseudo-code: sum = Σx. For each 16 rows: for each 4 of them: for each 64 inputs: load x once; four accumulators += dot of the
/// weights + 128; transpose and add. Outputs of the sums − 128 · sum, sixteen at a time.
///
/// # Safety
/// As for every kernel (`RunI8`); packing dense.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let excess = _mm512_slli_epi32::<7>(_mm512_set1_epi32(sum(x)));
    let mut weights = j.weights_i8().as_ptr();
    for (tile, y) in y.chunks_mut(16).enumerate() {
        let mut sums = [_mm_setzero_si128(); 4];
        for (quarter, sums) in sums.iter_mut().enumerate() {
            let rows = y.len().saturating_sub(4 * quarter).min(4);
            // SAFETY: dense has n_in weights a row, and n_in is x's length; y has these rows.
            unsafe {
                *sums = match rows {
                    0 => continue,
                    1 => sums_of::<1>(weights, x),
                    2 => sums_of::<2>(weights, x),
                    3 => sums_of::<3>(weights, x),
                    _ => sums_of::<4>(weights, x),
                };
                weights = weights.add(rows * x.len());
            }
        }
        let [a, b, c, d] = sums;
        let (low, high) = (_mm256_set_m128i(b, a), _mm256_set_m128i(d, c));
        let sums = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
        // SAFETY: y's outputs exist.
        unsafe { put(j, tile * 16, _mm512_sub_epi32(sums, excess), y) };
    }
}

/// Σx.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn sum(x: &[i8]) -> i32 {
    let mut acc = _mm512_setzero_si512();
    for x in x.chunks(64) {
        // SAFETY: no more lanes than there are inputs.
        let x = unsafe { _mm512_maskz_loadu_epi8(first_bytes(x.len()), x.as_ptr()) };
        acc = _mm512_dpbusd_epi32(acc, _mm512_set1_epi8(1), x);
    }
    _mm512_reduce_add_epi32(acc)
}

/// The sums of R rows, weights moved up by 128, in the first R lanes.
///
/// # Safety
/// AVX-512 VNNI; `weights` has R rows of `x.len()` values; R is at most 4.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn sums_of<const R: usize>(weights: *const u8, x: &[i8]) -> __m128i {
    let n_in = x.len();
    let mut acc = [[_mm512_setzero_si512(); R]; 2];
    let mut i = 0;
    // SAFETY: the caller's bound; 64 at a time only where 64 are left, and of the last ones no more lanes than inputs.
    unsafe {
        let row: [*const u8; R] = core::array::from_fn(|r| weights.add(r * n_in));
        while i + 128 <= n_in {
            for (half, acc) in acc.iter_mut().enumerate() {
                let xs = _mm512_loadu_si512(x.as_ptr().add(i + 64 * half).cast());
                for (acc, row) in acc.iter_mut().zip(row) {
                    let w = _mm512_loadu_si512(row.add(i + 64 * half).cast());
                    // The next four rows: the processor's own prefetching does not keep up with as many streams from L2.
                    _mm_prefetch::<_MM_HINT_T0>(row.wrapping_add(i + 64 * half + 4 * n_in).cast());
                    *acc = _mm512_dpbusd_epi32(*acc, _mm512_xor_si512(w, flip()), xs);
                }
            }
            i += 128;
        }
        let acc = &mut acc[0];
        while i < n_in {
            let bytes = first_bytes(n_in - i);
            let xs = _mm512_maskz_loadu_epi8(bytes, x.as_ptr().add(i));
            for (acc, row) in acc.iter_mut().zip(row) {
                let w = _mm512_maskz_loadu_epi8(bytes, row.add(i).cast());
                *acc = _mm512_dpbusd_epi32(*acc, _mm512_xor_si512(w, flip()), xs);
            }
            i += 64;
        }
    }
    let zero = _mm512_setzero_si512();
    sums_of_four(core::array::from_fn(|r| if r < R { _mm512_add_epi32(acc[0][r], acc[1][r]) } else { zero }))
}

/// The sums of the lanes of four vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sums_of_four([a, b, c, d]: [__m512i; 4]) -> __m128i {
    let ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    // In every quarter: a, b, c, d.
    let quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    let halves = _mm256_add_epi32(_mm512_castsi512_si256(quarters), _mm512_extracti64x4_epi64::<1>(quarters));
    _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
}
