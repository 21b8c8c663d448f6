//! Training kernels with NEON: sixteen columns are four vectors. Products and sums are rounded one by one, as the
//! reference rounds them, so the fused multiply-add stays out.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::training::{Adam, Edges, Lanes, Momentum, TrainingKernels, body, kernels, reference};

/// Columns 0 to 3, 4 to 7, 8 to 11, 12 to 15.
#[derive(Clone, Copy)]
struct Sixteen([float32x4_t; 4]);

/// `$operation` on each of the four vectors of two.
macro_rules! each {
    ($operation:ident, $a:expr, $b:expr) => {{
        let ([a, b, c, d], [e, f, g, h]) = ($a.0, $b.0);
        // SAFETY: NEON is there, see below.
        Self(unsafe { [$operation(a, e), $operation(b, f), $operation(c, g), $operation(d, h)] })
    }};
}

// SAFETY of every block: NEON is part of every aarch64 target that this file is compiled for, and pointers reach over the
// sixteen f32.
impl Lanes for Sixteen {
    type Half = [float32x4_t; 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self([unsafe { vdupq_n_f32(value) }; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self([vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))]) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        for (k, four) in self.0.into_iter().enumerate() {
            // SAFETY: see above.
            unsafe { vst1q_f32(to.add(4 * k), four) };
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        each!(vaddq_f32, self, other)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        each!(vsubq_f32, self, other)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        each!(vmulq_f32, self, other)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        each!(vdivq_f32, self, other)
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        let [a, b, c, d] = self.0;
        // SAFETY: see above.
        Self(unsafe { [vsqrtq_f32(a), vsqrtq_f32(b), vsqrtq_f32(c), vsqrtq_f32(d)] })
    }

    #[inline(always)]
    unsafe fn half(self) -> Self::Half {
        let [a, b, c, d] = self.0;
        // SAFETY: see above.
        unsafe { [vaddq_f32(a, c), vaddq_f32(b, d)] }
    }

    #[inline(always)]
    unsafe fn sums(of: [Self::Half; 4]) -> [f32; 4] {
        // SAFETY: see above; a float32x4_t is four f32.
        unsafe {
            let [[a, e], [b, f], [c, g], [d, h]] = of;
            let (a, b, c, d) = (vaddq_f32(a, e), vaddq_f32(b, f), vaddq_f32(c, g), vaddq_f32(d, h));
            // Lanes 0 and 2, 1 and 3: the halves of each, then what is left of two beside each other.
            let (a, b) = (vadd_f32(vget_low_f32(a), vget_high_f32(a)), vadd_f32(vget_low_f32(b), vget_high_f32(b)));
            let (c, d) = (vadd_f32(vget_low_f32(c), vget_high_f32(c)), vadd_f32(vget_low_f32(d), vget_high_f32(d)));
            let (ab, cd) = (vcombine_f32(a, b), vcombine_f32(c, d));
            core::mem::transmute::<float32x4_t, [f32; 4]>(vpaddq_f32(ab, cd))
        }
    }
}

kernels!(
    /// NEON.
    NEON, Isa::Neon, "neon", Sixteen, 4, |samples, width, x| reference::to_columns(samples, width, x)
);
