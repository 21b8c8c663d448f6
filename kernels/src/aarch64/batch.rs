//! Sixteen samples at a time: [`crate::batch`] in four vectors of four, four rows or chains at a time.
//!
//! Four rows or chains are sixteen accumulators, half of the registers. Loads and FMAs of a nonzero for its 16 samples: dense and
//! blocks 1 of `x` (four for four rows), 1 of the weight and 4 FMAs; rows 4 of `x`, 1 of the weight, the index, and 4 FMAs. Where two
//! of each are done a cycle (Cortex-A76), FMAs bound the former, at 2 cycles, and loads the latter, at 2.5 and the index.

use core::arch::aarch64::*;

use crate::batch::{BATCH, Columns, run};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};

/// `batch_f32_4x16`
pub static BATCHED: Kernel = Kernel::new_batch("batch_f32_4x16", Isa::Neon, Accepts::Any, batch);

#[derive(Clone, Copy)]
struct Quad([float32x4_t; 4]);

impl Columns for Quad {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's.
        unsafe { Self([vdupq_n_f32(value); 4]) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; BATCH]) -> Self {
        let from = from.as_ptr();
        // SAFETY: the trait's; sixteen f32 are four vectors.
        unsafe { Self([vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))]) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, weight: f32, x: Self) -> Self {
        let (Self([a, b, c, d]), Self([p, q, r, s])) = (self, x);
        // SAFETY: the trait's.
        unsafe {
            Self([
                vfmaq_n_f32(a, p, weight),
                vfmaq_n_f32(b, q, weight),
                vfmaq_n_f32(c, r, weight),
                vfmaq_n_f32(d, s, weight),
            ])
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        let (Self([a, b, c, d]), Self([p, q, r, s])) = (self, other);
        // SAFETY: the trait's.
        unsafe { Self([vaddq_f32(a, p), vaddq_f32(b, q), vaddq_f32(c, r), vaddq_f32(d, s)]) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        let Self([a, b, c, d]) = self;
        // SAFETY: the trait's.
        unsafe {
            let zeros = vandq_u32(vandq_u32(vceqzq_f32(a), vceqzq_f32(b)), vandq_u32(vceqzq_f32(c), vceqzq_f32(d)));
            vminvq_u32(zeros) != 0
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [f32; BATCH]) {
        let (Self([a, b, c, d]), to) = (self, to.as_mut_ptr());
        // SAFETY: the trait's; as for load.
        unsafe {
            vst1q_f32(to, a);
            vst1q_f32(to.add(4), b);
            vst1q_f32(to.add(8), c);
            vst1q_f32(to.add(12), d);
        }
    }
}

/// # Safety
/// As for every batched kernel (`RunBatch`).
#[target_feature(enable = "neon")]
unsafe fn batch(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    // SAFETY: the caller's.
    unsafe { run::<Quad, 4>(j, x, y) }
}
