//! Sixteen samples at a time: [`crate::batch`] in one vector, eight rows or chains at a time.
//!
//! Eight accumulators hide the FMA's latency of four cycles at two a cycle. Loads and FMAs of a nonzero for its 16 samples: dense and
//! blocks an eighth of a load of `x`, 1 of the weight, which the FMA broadcasts from memory, and 1 FMA; rows 1 of `x`, 1 of the weight,
//! the index, and 1 FMA. Zen 4 does one FMA and one load of 64 bytes a cycle: 1 cycle both; Sapphire Rapids two of each: half of it
//! for dense and blocks, 1 for rows, where `x` lies in the first-level cache.

use core::arch::x86_64::*;

use crate::batch::{BATCH, Columns, run};
use crate::junction::Junction;

#[derive(Clone, Copy)]
struct Whole(__m512);

impl Columns for Whole {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { Self(_mm512_set1_ps(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; BATCH]) -> Self {
        // SAFETY: the trait's; sixteen f32 are a vector.
        unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, weight: f32, x: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { Self(_mm512_fmadd_ps(_mm512_set1_ps(weight), x.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the trait's.
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the trait's.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps()) == 0 }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [f32; BATCH]) {
        // SAFETY: the trait's; as for load.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }
}

/// # Safety
/// As for every batched kernel (`RunBatch`).
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn batch(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    // SAFETY: the caller's.
    unsafe { run::<Whole, 8>(j, x, y) }
}
