//! Dense rows.
//!
//! Loads a multiply-add of 16: 1.25 (one of weights, a quarter of `x`): 1.25 cycles on Zen 4 and 0.63 on Ice Lake while the
//! weights lie in L1. Those of 800×112 stream from L2: 32 bytes a cycle make 2 cycles on Zen 4, 48 make 1.3 on Ice Lake.

use core::arch::x86_64::*;

use super::first_lanes;
use crate::bytes::groups_of_4;
use crate::junction::Junction;

/// Pseudo-code: for each 4 rows: for each 16 inputs: load x once; four accumulators += weights · x. Two steps of 16 are taken
/// together, into separate accumulators, so that eight chains hide the FMA's latency of four cycles at two a cycle.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut weights = j.weights().as_ptr().cast::<f32>();
    let mut bias = groups_of_4(j.parts().bias).as_chunks::<4>().0.iter();
    let (fours, rest) = y.as_chunks_mut::<4>();
    let first_of_rest = fours.len() * 4;
    for y in fours {
        // SAFETY: dense has n_in weights a row, and n_in is x's length; four f32 are 16 bytes.
        unsafe {
            let bias = bias.next().map_or(_mm_setzero_ps(), |bias| _mm_loadu_ps(bias.as_ptr().cast()));
            _mm_storeu_ps(y.as_mut_ptr(), _mm_add_ps(bias, sums_of_four(tile(weights, x))));
            weights = weights.add(4 * x.len());
        }
    }
    for (k, y) in rest.iter_mut().enumerate() {
        // SAFETY: as above.
        unsafe {
            let [row] = tile(weights, x);
            *y = j.bias(first_of_rest + k) + _mm512_reduce_add_ps(row);
            weights = weights.add(x.len());
        }
    }
    j.activation().apply(y);
}

/// Products of R rows with `x`, each to be summed over its lanes.
///
/// # Safety
/// AVX-512; `weights` has R rows of `x.len()` values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile<const R: usize>(weights: *const f32, x: &[f32]) -> [__m512; R] {
    let n_in = x.len();
    let mut acc = [[_mm512_setzero_ps(); R]; 2];
    let mut i = 0;
    // SAFETY: the caller's bound; 16 at a time only where 16 are left, and of the last ones no more lanes than inputs.
    unsafe {
        let row: [*const f32; R] = core::array::from_fn(|r| weights.add(r * n_in));
        while i + 32 <= n_in {
            for (half, acc) in acc.iter_mut().enumerate() {
                let xs = _mm512_loadu_ps(x.as_ptr().add(i + 16 * half));
                for (acc, row) in acc.iter_mut().zip(row) {
                    *acc = _mm512_fmadd_ps(_mm512_loadu_ps(row.add(i + 16 * half)), xs, *acc);
                }
            }
            i += 32;
        }
        let acc = &mut acc[0];
        while i < n_in {
            let lanes = first_lanes(n_in - i);
            let xs = _mm512_maskz_loadu_ps(lanes, x.as_ptr().add(i));
            for (acc, row) in acc.iter_mut().zip(row) {
                *acc = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(lanes, row.add(i)), xs, *acc);
            }
            i += 16;
        }
    }
    core::array::from_fn(|r| _mm512_add_ps(acc[0][r], acc[1][r]))
}

/// The sums of the lanes of four vectors: nine shuffles for all four, where one vector alone takes four.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn sums_of_four([a, b, c, d]: [__m512; 4]) -> __m128 {
    let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    // In every quarter: a, b, c, d.
    let low = _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
    let high = _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
    let quarters = _mm512_add_ps(low, high);
    let upper = _mm512_castpd_ps(_mm512_castpd256_pd512(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(quarters))));
    let halves = _mm256_add_ps(_mm512_castps512_ps256(quarters), _mm512_castps512_ps256(upper));
    _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves))
}
