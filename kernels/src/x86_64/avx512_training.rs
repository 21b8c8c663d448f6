//! Training kernels with AVX-512: sixteen columns are one vector. Products and sums are rounded one by one, as the reference
//! rounds them, so FMA stays out; half as many instructions as AVX2's do the same, and weights are broadcast by the
//! multiplication that reads them.

use core::arch::x86_64::*;

use crate::isa::Isa;
use crate::training::{Adam, Edges, Lanes, Momentum, TrainingKernels, body, kernels};
use crate::x86_64::avx2_training::{four_sums, to_columns};

/// Sixteen columns.
#[derive(Clone, Copy)]
struct Sixteen(__m512);

// SAFETY of every block: the caller has AVX-512 F, BW and VL, and AVX2 (`Lanes`), and pointers reach over the sixteen f32.
impl Lanes for Sixteen {
    type Half = __m256;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    unsafe fn half(self) -> __m256 {
        // SAFETY: see above.
        unsafe {
            // Lanes 8 to 15 in the lower half; F has no extraction of eight f32.
            let high = _mm512_shuffle_f32x4::<0b11_10_11_10>(self.0, self.0);
            _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm512_castps512_ps256(high))
        }
    }

    #[inline(always)]
    unsafe fn sums(of: [__m256; 4]) -> [f32; 4] {
        // SAFETY: see above.
        unsafe { four_sums(of) }
    }

    #[inline(always)]
    unsafe fn store_sums<const R: usize>(of: [Self; R], to: *mut f32) {
        for (k, eight) in of.as_chunks::<8>().0.iter().enumerate() {
            // SAFETY: see above.
            unsafe { _mm256_storeu_ps(to.add(8 * k), eight_sums(*eight)) };
        }
        for (k, &[a, b, c, d]) in of.as_chunks::<8>().1.as_chunks::<4>().0.iter().enumerate() {
            // SAFETY: see above; an f32's alignment is the pointer's.
            unsafe {
                let sums = four_sums([a.half(), b.half(), c.half(), d.half()]);
                to.add(R / 8 * 8 + 4 * k).cast::<[f32; 4]>().write(sums);
            }
        }
    }
}

/// `$shuffle` of two with either choice, added.
macro_rules! added {
    ($shuffle:ident, $low:literal, $high:literal, $a:expr, $b:expr) => {
        _mm512_add_ps($shuffle::<$low>($a, $b), $shuffle::<$high>($a, $b))
    };
}

/// As [`four_sums`] after [`Lanes::half`], for eight.
///
/// # Safety
/// The caller has AVX-512 F.
#[inline(always)]
unsafe fn eight_sums([a, b, c, d, e, f, g, h]: [Sixteen; 8]) -> __m256 {
    // SAFETY: the caller's.
    unsafe {
        // Eight sums of each of two, then four of each of four.
        let ab = added!(_mm512_shuffle_f32x4, 0x44, 0xEE, a.0, b.0);
        let cd = added!(_mm512_shuffle_f32x4, 0x44, 0xEE, c.0, d.0);
        let ef = added!(_mm512_shuffle_f32x4, 0x44, 0xEE, e.0, f.0);
        let gh = added!(_mm512_shuffle_f32x4, 0x44, 0xEE, g.0, h.0);
        let abcd = added!(_mm512_shuffle_f32x4, 0x88, 0xDD, ab, cd);
        let efgh = added!(_mm512_shuffle_f32x4, 0x88, 0xDD, ef, gh);
        // Two of a and of e, of b and of f, and so on; then one of each.
        let two = added!(_mm512_shuffle_ps, 0x44, 0xEE, abcd, efgh);
        let one = added!(_mm512_shuffle_ps, 0x88, 0xDD, two, two);
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
        _mm512_castps512_ps256(_mm512_permutexvar_ps(order, one))
    }
}

kernels!(
    /// AVX-512.
    AVX512, Isa::Avx512, "avx512f,avx512bw,avx512vl,avx2,fma", Sixteen, 8, to_columns
);
