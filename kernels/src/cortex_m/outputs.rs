//! From sums to int8 outputs, and the DSP instructions that Rust has no names for.

use core::arch::asm;

use crate::bytes::groups_of_4;
use crate::junction::{Int8, Junction};

/// `acc + low(a)·low(b) + high(a)·high(b)`, halves of words as signed numbers.
#[inline(always)]
pub(super) fn smlad(a: u32, b: u32, acc: i32) -> i32 {
    let sum;
    // SAFETY: the target has the DSP extension (build.rs); no memory, no stack. Sums cannot overflow (Junction::new_i8), so that
    // the Q flag is not touched.
    unsafe {
        asm!("smlad {0}, {1}, {2}, {3}", out(reg) sum, in(reg) a, in(reg) b, in(reg) acc, options(pure, nomem, nostack))
    };
    sum
}

/// Bytes 0 and 2, as signed halves of a word.
#[inline(always)]
pub(super) fn even_bytes(word: u32) -> u32 {
    let pair;
    // SAFETY: as in `smlad`.
    unsafe { asm!("sxtb16 {0}, {1}", out(reg) pair, in(reg) word, options(pure, nomem, nostack, preserves_flags)) };
    pair
}

/// Bytes 1 and 3, as signed halves of a word.
#[inline(always)]
pub(super) fn odd_bytes(word: u32) -> u32 {
    let pair;
    // SAFETY: as in `smlad`.
    unsafe {
        asm!("sxtb16 {0}, {1}, ror #8", out(reg) pair, in(reg) word, options(pure, nomem, nostack, preserves_flags))
    };
    pair
}

/// Two numbers as the halves of a word.
#[inline(always)]
pub(super) fn pair(low: i8, high: i8) -> u32 {
    low as u16 as u32 | (high as u32) << 16
}

/// Outputs written at once.
pub(super) const AT_ONCE: usize = 16;

/// Biases of a junction that has none.
static ZEROS: [i32; AT_ONCE] = [0; AT_ONCE];

/// A junction's outputs, from the sums of its products: what the scalar reference computes, with its sections looked up once.
pub(super) struct Outputs<'j> {
    int8: &'j Int8<'j>,
    /// One an output, or none.
    bias: &'j [u8],
    multipliers: *const i32,
    shifts: *const i8,
    y: &'j mut [i8],
}

impl<'j> Outputs<'j> {
    /// `None` of an f32 junction.
    #[inline]
    pub(super) fn new(j: &'j Junction<'_>, y: &'j mut [i8]) -> Option<Self> {
        let int8 = j.int8()?;
        let (multipliers, shifts) = (int8.multipliers().as_ptr().cast(), int8.shifts().as_ptr().cast());
        Some(Self { int8, bias: j.parts().bias, multipliers, shifts, y })
    }

    /// Writes outputs `first` on, one for each sum: 21 instructions each.
    ///
    /// # Safety
    /// They are outputs of the junction, and y has `n_out` values. There are at most [`AT_ONCE`] sums.
    #[inline(never)]
    pub(super) unsafe fn write(&mut self, first: usize, sums: &[i32]) {
        let mut done = 0;
        while done < sums.len() {
            // SAFETY: the caller's.
            done += unsafe { self.write_common(first + done, sums.get_unchecked(done..)) };
            if let Some(sum) = sums.get(done) {
                // One that the loop does not know: by the book.
                let o = first + done;
                let bias = groups_of_4(self.bias).get(o).map_or(0, |bias| i32::from_le_bytes(*bias));
                let output = self.int8.output(o, bias + sum);
                if let Some(y) = self.y.get_mut(o) {
                    *y = output;
                }
                done += 1;
            }
        }
    }

    /// The same, up to the first output whose shift is not below 0 or whose sum is beyond ±2³⁰; how many were written.
    ///
    /// # Safety
    /// As [`write`](Self::write); `sums` is not empty.
    #[inline(always)]
    unsafe fn write_common(&mut self, first: usize, sums: &[i32]) -> usize {
        let bias = if self.bias.is_empty() {
            ZEROS.as_ptr()
        } else {
            // SAFETY: Junction::new_i8 proved that there is no bias or one an output; `first` is an output.
            unsafe { self.bias.as_ptr().cast::<i32>().add(first) }
        };
        // SAFETY: likewise a multiplier and a shift an output; y has n_out values.
        let (multipliers, shifts, y) =
            unsafe { (self.multipliers.add(first), self.shifts.add(first), self.y.as_mut_ptr().add(first)) };
        let mut end = y;
        // SAFETY: reads a sum, a bias, a multiplier and a shift for each sum, at any address, and writes an output: all there, as
        // just said. With s the places to divide by and p = (2·sum·multiplier + 2³¹) / 2³², which is the rounding product of
        // `requantise`, the carry of p >> s is the half; below 0, p is one less first, so that halves go away from 0.
        unsafe {
            asm!(
                "2:",
                "ldr {p}, [{sums}], #4",
                "ldr {m}, [{bias}], #4",
                "add {p}, {p}, {m}",
                "ldr {m}, [{multipliers}], #4",
                "ldrsb {s}, [{shifts}], #1",
                "rsbs {s}, {s}, #0",
                "ble 3f",
                "adds {p}, {p}, {p}",
                "bvs 3f",
                "smmulr {p}, {p}, {m}",
                "add {p}, {p}, {p}, asr #31",
                "asrs {p}, {p}, {s}",
                "adc {p}, {p}, {zero}",
                "cmp {p}, {low}",
                "it lt",
                "movlt {p}, {low}",
                "cmp {p}, {high}",
                "it gt",
                "movgt {p}, {high}",
                "strb {p}, [{y}], #1",
                "cmp {sums}, {last}",
                "bne 2b",
                "3:",
                p = out(reg) _, m = out(reg) _, s = out(reg) _,
                sums = inout(reg) sums.as_ptr() => _, last = in(reg) sums.as_ptr_range().end,
                bias = inout(reg) bias => _, multipliers = inout(reg) multipliers => _, shifts = inout(reg) shifts => _,
                y = inout(reg) end,
                zero = in(reg) i32::from(self.int8.output_zero),
                low = in(reg) i32::from(self.int8.low), high = in(reg) i32::from(self.int8.high),
                options(nostack),
            );
        }
        // SAFETY: both lie in y.
        unsafe { end.offset_from_unsigned(y) }
    }
}
