//! Sixteen samples at a time: [`crate::batch`] in two vectors of eight.
//!
//! Four rows or chains at a time are eight accumulators, which hide the FMA's latency of four cycles at two a cycle. Dense and
//! blocks: 2 loads of `x` and 4 broadcasts for 8 FMAs, 4 cycles; rows: 2 loads and a broadcast for 2 FMAs, 1 cycle where `x` lies in
//! the first-level cache.

use core::arch::x86_64::*;

use crate::batch::{BATCH, Columns, run};
use crate::junction::Junction;

#[derive(Clone, Copy)]
struct Pair(__m256, __m256);

impl Columns for Pair {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; BATCH]) -> Self {
        // SAFETY: the trait's; sixteen f32 are two vectors.
        unsafe { Self(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, weight: f32, x: Self) -> Self {
        // SAFETY: the trait's.
        unsafe {
            let weight = _mm256_set1_ps(weight);
            Self(_mm256_fmadd_ps(weight, x.0, self.0), _mm256_fmadd_ps(weight, x.1, self.1))
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the trait's.
        unsafe {
            let zero = _mm256_setzero_ps();
            let (low, high) = (_mm256_cmp_ps::<_CMP_NEQ_UQ>(self.0, zero), _mm256_cmp_ps::<_CMP_NEQ_UQ>(self.1, zero));
            _mm256_movemask_ps(_mm256_or_ps(low, high)) == 0
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [f32; BATCH]) {
        // SAFETY: the trait's; as for load.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), self.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), self.1);
        }
    }
}

/// # Safety
/// As for every batched kernel (`RunBatch`).
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn batch(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    // SAFETY: the caller's.
    unsafe { run::<Pair, 4>(j, x, y) }
}
