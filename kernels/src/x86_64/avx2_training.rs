//! Training kernels with AVX2: sixteen columns are two vectors. Products and sums are rounded one by one, as the reference
//! rounds them, so FMA stays out; cores since Zen 2 add and multiply on different ports and lose nothing by it.

use core::arch::x86_64::*;

use crate::isa::Isa;
use crate::training::{Adam, Edges, Lanes, Momentum, TrainingKernels, body, kernels, reference};

/// Columns 0 to 7 and 8 to 15.
#[derive(Clone, Copy)]
struct Sixteen(__m256, __m256);

// SAFETY of every block: the caller has AVX2 (`Lanes`), and pointers reach over the sixteen f32.
impl Lanes for Sixteen {
    type Half = __m256;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: see above.
        let all = unsafe { _mm256_set1_ps(value) };
        Self(all, all)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        // SAFETY: see above.
        unsafe { Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
    }

    #[inline(always)]
    unsafe fn half(self) -> __m256 {
        // SAFETY: see above.
        unsafe { _mm256_add_ps(self.0, self.1) }
    }

    #[inline(always)]
    unsafe fn sums(of: [__m256; 4]) -> [f32; 4] {
        // SAFETY: see above.
        unsafe { four_sums(of) }
    }
}

kernels!(
    /// AVX2.
    AVX2, Isa::Avx2, "avx2", Sixteen, 4, to_columns
);

/// Eight samples and eight features at a time, the samples first, so that whole cache lines of `x` are written.
///
/// # Safety
/// As for `ToColumns`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn to_columns(samples: &[&[f32]], width: usize, x: &mut [f32]) {
    let whole = x.len() / width / 8 * 8;
    for feature in (0..whole).step_by(8) {
        for column in (0..width).step_by(8) {
            let eight = samples.get(column..).unwrap_or_default();
            let mut rows = [_mm256_setzero_ps(); 8];
            for (row, sample) in rows.iter_mut().zip(eight) {
                // SAFETY: a sample has as many features as `x` has rows, and 8 from `feature` on are among them.
                *row = unsafe { _mm256_loadu_ps(sample.as_ptr().add(feature)) };
            }
            for (k, row) in transposed(rows).into_iter().enumerate() {
                // SAFETY: row `feature + k` of `x` has `width` columns, a multiple of 8 above `column`.
                unsafe { _mm256_storeu_ps(x.as_mut_ptr().add((feature + k) * width + column), row) };
            }
        }
    }
    reference::to_columns_from(whole, samples, width, x);
}

/// Lane `k` of vector `i` becomes lane `i` of vector `k`.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed([a, b, c, d, e, f, g, h]: [__m256; 8]) -> [__m256; 8] {
    // Within each half: pairs of two vectors, then fours of four.
    let fours = |a, b, c, d| {
        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
            _mm256_shuffle_ps::<0xEE>(ab_low, cd_low),
            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
            _mm256_shuffle_ps::<0xEE>(ab_high, cd_high),
        ]
    };
    let (left, right) = (fours(a, b, c, d), fours(e, f, g, h));
    core::array::from_fn(|k| {
        let (left, right) = (left[k % 4], right[k % 4]);
        if k < 4 { _mm256_permute2f128_ps::<0x20>(left, right) } else { _mm256_permute2f128_ps::<0x31>(left, right) }
    })
}

/// For each of four vectors: lanes `k` and `k + 4`, then of the four `k` and `k + 2`, then the two.
///
/// # Safety
/// The caller has AVX2.
#[inline(always)]
pub(super) unsafe fn four_sums([a, b, c, d]: [__m256; 4]) -> [f32; 4] {
    // SAFETY: the caller's; an __m128 is four f32.
    unsafe {
        // Four sums of a, then of c; of b, then of d.
        let ac = _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(a, c), _mm256_permute2f128_ps::<0x31>(a, c));
        let bd = _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(b, d), _mm256_permute2f128_ps::<0x31>(b, d));
        // Two of a and of b, two of c and of d.
        let two = _mm256_add_ps(_mm256_shuffle_ps::<0x44>(ac, bd), _mm256_shuffle_ps::<0xEE>(ac, bd));
        let one = _mm256_add_ps(_mm256_shuffle_ps::<0x88>(two, two), _mm256_shuffle_ps::<0xDD>(two, two));
        let four = _mm_movelh_ps(_mm256_castps256_ps128(one), _mm256_extractf128_ps::<1>(one));
        core::mem::transmute::<__m128, [f32; 4]>(four)
    }
}
