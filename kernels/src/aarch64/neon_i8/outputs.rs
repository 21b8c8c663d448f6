//! From the sums of int8 junctions to their outputs: sixteen, eight or four at once.

use core::arch::aarch64::*;

use crate::junction::{Int8, Junction};

/// A junction's outputs, and what they are made with.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'j, 'm> {
    j: &'j Junction<'m>,
    int8: &'j Int8<'m>,
    multipliers: *const u8,
    shifts: *const i8,
    /// `None` where no output has one.
    biases: Option<*const u8>,
}

impl<'j, 'm> Outputs<'j, 'm> {
    /// `None` of f32 junctions.
    #[inline]
    pub(super) fn new(j: &'j Junction<'m>) -> Option<Self> {
        let int8 = j.int8()?;
        let biases = j.parts().bias;
        Some(Self {
            j,
            int8,
            multipliers: int8.multipliers().as_ptr().cast(),
            shifts: int8.shifts().as_ptr().cast(),
            biases: (!biases.is_empty()).then_some(biases.as_ptr()),
        })
    }

    /// The outputs from `first` on of the sums of products, bias not yet in them: as many as `y` has, at most 4·V; V is 1, 2 or 4.
    ///
    /// # Safety
    /// Advanced SIMD; `first + y.len() ≤ n_out`.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) unsafe fn put<const V: usize>(&self, first: usize, sums: [int32x4_t; V], y: &mut [i8]) {
        // SAFETY: the caller's; 4·V outputs from `first` on exist where y has as many, each with a multiplier, a shift and,
        // unless there are none at all, a bias; vector loads and stores of bytes take any address.
        unsafe {
            if !self.j.outputs_are_usual() || y.len() < 4 * V {
                return put_fours::<V>(self.j, first, &{ sums }, y);
            }
            let four = |numbers: *const u8, v: usize| vreinterpretq_s32_u8(vld1q_u8(numbers.add(4 * first + 16 * v)));
            let sums = match self.biases {
                Some(biases) => core::array::from_fn(|v| vaddq_s32(sums[v], four(biases, v))),
                None => sums,
            };
            let shifts = self.shifts::<V>(first);
            let scaled: [int32x4_t; V] =
                core::array::from_fn(|v| divided(vqrdmulhq_s32(sums[v], four(self.multipliers, v)), shifts[v]));
            // Saturating to 16 bits first, adding the zero point cannot wrap, and the clamp sees no difference.
            let zero = vdupq_n_s16(i16::from(self.int8.output_zero));
            let eight = |v: usize| {
                let words = vqmovn_high_s32(vqmovn_s32(scaled[v]), scaled[(v + 1) % V]);
                vqmovn_s16(vqaddq_s16(words, zero))
            };
            let bytes = vcombine_s8(eight(0), eight(if V == 4 { 2 } else { 0 }));
            let bytes = vmaxq_s8(vminq_s8(bytes, vdupq_n_s8(self.int8.high)), vdupq_n_s8(self.int8.low));
            match V {
                4 => vst1q_s8(y.as_mut_ptr(), bytes),
                2 => vst1_s8(y.as_mut_ptr(), vget_low_s8(bytes)),
                _ => vst1q_lane_s32::<0>(y.as_mut_ptr().cast(), vreinterpretq_s32_s8(bytes)),
            }
        }
    }

    /// The shifts of 4·V outputs.
    ///
    /// # Safety
    /// Advanced SIMD; the outputs exist.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn shifts<const V: usize>(&self, first: usize) -> [int32x4_t; V] {
        // SAFETY: the caller's; loads take any address.
        let bytes = unsafe {
            let shifts = self.shifts.add(first);
            match V {
                4 => vld1q_s8(shifts),
                2 => vcombine_s8(vld1_s8(shifts), vdup_n_s8(0)),
                _ => vreinterpretq_s8_s32(vld1q_dup_s32(shifts.cast())),
            }
        };
        let words = [vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)];
        core::array::from_fn(|v| {
            if v % 2 == 0 { vmovl_s16(vget_low_s16(words[v / 2])) } else { vmovl_high_s16(words[v / 2]) }
        })
    }
}

/// `product / 2^-shift` to the nearest, halves away from zero, for shifts below 0: `srshl` rounds halves up, and one less below zero
/// makes that away from it.
#[inline]
#[target_feature(enable = "neon")]
fn divided(product: int32x4_t, shift: int32x4_t) -> int32x4_t {
    vrshlq_s32(vsraq_n_s32::<31>(product, product), shift)
}

/// [`Outputs::put`] of the last outputs of a junction, and of outputs that are not usual.
///
/// # Safety
/// As for [`Outputs::put`].
#[cold]
#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn put_fours<const V: usize>(j: &Junction<'_>, first: usize, sums: &[int32x4_t; V], y: &mut [i8]) {
    let Some(int8) = j.int8() else { return };
    for (v, (y, sums)) in y.chunks_mut(4).zip(sums).enumerate() {
        // SAFETY: the caller's.
        unsafe { put_four(j, int8, first + 4 * v, *sums, y) };
    }
}

/// At most four outputs, whatever their shifts are.
///
/// # Safety
/// As for [`Outputs::put`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put_four(j: &Junction<'_>, int8: &Int8<'_>, first: usize, sums: int32x4_t, y: &mut [i8]) {
    let (biases, y_four) = (j.parts().bias, y.first_chunk_mut::<4>());
    let (Some(four), Some(shifts)) = (y_four, int8.shifts().get(first..).and_then(|shifts| shifts.first_chunk::<4>()))
    else {
        return put_each(j, first, sums, y);
    };
    // SAFETY: four outputs from `first` on exist, with a multiplier, a shift and, unless there are none at all, a bias each;
    // vector loads and stores of bytes take any address.
    unsafe {
        let shift = vreinterpret_s8_s32(vdup_n_s32(i32::from_ne_bytes(*shifts)));
        let shift = vmovl_s16(vget_low_s16(vmovl_s8(shift)));
        // A multiplication by a power of two is rare, and saturates.
        if vmaxvq_s32(shift) > 0 {
            return put_each(j, first, sums, y);
        }
        let multiplier = vreinterpretq_s32_u8(vld1q_u8(int8.multipliers().as_ptr().add(first).cast()));
        let sums = if biases.is_empty() {
            sums
        } else {
            vaddq_s32(sums, vreinterpretq_s32_u8(vld1q_u8(biases.as_ptr().add(4 * first))))
        };
        // As `divided`, of shifts of 0 too, and where products reach the ends of 32 bits.
        let product = vqrdmulhq_s32(sums, multiplier);
        let scaled = vrshlq_s32(vqaddq_s32(product, vshrq_n_s32::<31>(vandq_s32(product, shift))), shift);
        let words = vqadd_s16(vqmovn_s32(scaled), vdup_n_s16(i16::from(int8.output_zero)));
        let bytes = vqmovn_s16(vcombine_s16(words, words));
        let bytes = vmax_s8(vmin_s8(bytes, vdup_n_s8(int8.high)), vdup_n_s8(int8.low));
        vst1_lane_s32::<0>(four.as_mut_ptr().cast(), vreinterpret_s32_s8(bytes));
    }
}

/// One by one: the last outputs of a junction, and those that are multiplied by a power of two.
#[cold]
#[target_feature(enable = "neon")]
fn put_each(j: &Junction<'_>, first: usize, sums: int32x4_t, y: &mut [i8]) {
    let mut each = [0i32; 4];
    // SAFETY: four i32 fit the array.
    unsafe { vst1q_s32(each.as_mut_ptr(), sums) };
    for (lane, (y, sum)) in y.iter_mut().zip(each).enumerate() {
        *y = j.output_i8(first + lane, sum);
    }
}
