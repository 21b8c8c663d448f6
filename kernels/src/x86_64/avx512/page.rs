//! A page of inputs in registers.

use core::arch::x86_64::*;

use super::first_lanes;

/// M inputs, M up to 32: one register or two.
#[derive(Clone, Copy)]
pub(super) struct Page<const M: usize> {
    low: __m512,
    /// Inputs 16 to 31; not used by smaller pages.
    high: __m512,
}

impl<const M: usize> Page<M> {
    /// # Safety
    /// AVX-512; `x` has M values.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub unsafe fn load(x: *const f32) -> Self {
        // SAFETY: the caller's bound; loads are unaligned ones.
        unsafe {
            let low = match M {
                4 => _mm512_zextps128_ps512(_mm_loadu_ps(x)),
                8 => _mm512_zextps256_ps512(_mm256_loadu_ps(x)),
                _ => _mm512_loadu_ps(x),
            };
            Self { low, high: if M > 16 { _mm512_loadu_ps(x.add(16)) } else { _mm512_setzero_ps() } }
        }
    }

    /// A page of fewer than M inputs.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub fn ragged(x: &[f32]) -> Self {
        let above = x.get(16..).unwrap_or_default();
        // SAFETY: no more lanes than there are values.
        unsafe {
            let low = _mm512_maskz_loadu_ps(first_lanes(x.len()), x.as_ptr());
            // A masked load of nothing takes an assist where no memory is.
            let high = match above.is_empty() {
                true => _mm512_setzero_ps(),
                false => _mm512_maskz_loadu_ps(first_lanes(above.len()), above.as_ptr()),
            };
            Self { low, high }
        }
    }

    /// `page[positions]`, by the low bits of each lane: four of pages up to 16, five of 32. The bits above them are ignored.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub fn pick(self, positions: __m512i) -> __m512 {
        if M > 16 {
            _mm512_permutex2var_ps(self.low, positions, self.high)
        } else {
            _mm512_permutexvar_ps(positions, self.low)
        }
    }
}

/// The positions of the next step, from those of the one before.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn next_positions<const M: usize>(positions: __m512i) -> __m512i {
    if M > 16 { _mm512_srli_epi32::<5>(positions) } else { _mm512_srli_epi32::<4>(positions) }
}

/// Steps a word of positions in pages of `m` inputs.
pub(super) const fn word_of(m: usize) -> usize {
    if m > 16 { 6 } else { 8 }
}
