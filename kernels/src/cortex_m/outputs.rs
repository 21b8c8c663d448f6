//! From sums to int8 outputs, and the DSP instructions that Rust has no names for.

use core::arch::asm;
use core::slice;

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

/// Outputs written at once, of blocks and dense tiles.
pub(super) const AT_ONCE: usize = 16;
/// The most outputs written at once.
pub(super) const MOST_AT_ONCE: usize = 64;

/// Biases of a junction that has none.
static ZEROS: [i32; MOST_AT_ONCE] = [0; MOST_AT_ONCE];

/// A junction's outputs, from the sums of its biases and products: what the scalar reference computes, with its sections looked up once.
pub(super) struct Outputs<'j> {
    int8: &'j Int8<'j>,
    /// Whether [`write_usual`](Self::write_usual) does.
    usual: bool,
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
        // Multipliers of four bytes each, and behind them the shifts.
        let rescale = int8.rescale.as_ptr();
        let (multipliers, shifts) = (rescale.cast(), rescale.wrapping_add(4 * j.n_out()).cast());
        Some(Self { int8, usual: j.outputs_are_usual(), bias: j.parts().bias, multipliers, shifts, y })
    }

    /// Where the biases of outputs `first` on lie, at any address: as many as there are outputs, at most
    /// [`MOST_AT_ONCE`].
    ///
    /// # Safety
    /// `first` is an output.
    #[inline(always)]
    pub(super) unsafe fn biases(&self, first: usize) -> *const i32 {
        if self.bias.is_empty() {
            return ZEROS.as_ptr();
        }
        // SAFETY: Junction::new_i8 proved that there is no bias or one an output; the caller's.
        unsafe { self.bias.as_ptr().cast::<i32>().add(first) }
    }

    /// Writes the biases of outputs `first` on.
    ///
    /// # Safety
    /// There are `n` such outputs, [`MOST_AT_ONCE`] at most, and so many numbers can be written at `to`, a multiple of 4.
    #[inline(always)]
    pub(super) unsafe fn copy_biases(&self, first: usize, to: *mut i32, n: usize) {
        // SAFETY: the caller's.
        unsafe { copy(self.biases(first), to, n) };
    }

    /// The bias of an output.
    ///
    /// # Safety
    /// It is an output.
    #[inline(always)]
    pub(super) unsafe fn bias(&self, output: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.biases(output).read_unaligned() }
    }

    /// Writes outputs `first` on, one for each sum: 10 instructions each of usual ones, 13 of the last three at most, and 18 where the clamp is
    /// not all of int8.
    ///
    /// # Safety
    /// They are outputs of the junction, and y has `n_out` values. There is at least one sum.
    #[inline(always)]
    pub(super) unsafe fn write(&mut self, first: usize, sums: &[i32]) {
        if self.usual {
            // SAFETY: the caller's.
            unsafe { self.write_usual(first, sums) };
            return;
        }
        // SAFETY: the caller's.
        unsafe { self.write_checked(first, sums) };
    }

    /// The same, each output looked at: an unusual one comes out by the book.
    ///
    /// # Safety
    /// As [`write`](Self::write).
    #[inline(never)]
    unsafe fn write_checked(&mut self, first: usize, sums: &[i32]) {
        for (o, sum) in (first..).zip(sums) {
            // SAFETY: an output, which has a shift.
            let divides = unsafe { *self.shifts.add(o) < 0 };
            if divides && sum.unsigned_abs() < 1 << 30 {
                // SAFETY: one of the caller's outputs.
                unsafe { self.write_usual(o, slice::from_ref(sum)) };
            } else {
                let output = self.int8.output(o, *sum);
                if let Some(y) = self.y.get_mut(o) {
                    *y = output;
                }
            }
        }
    }

    /// The same, where outputs are usual.
    ///
    /// # Safety
    /// As [`write`](Self::write).
    #[inline(always)]
    unsafe fn write_usual(&mut self, first: usize, sums: &[i32]) {
        let whole = (self.int8.low, self.int8.high) == (i8::MIN, i8::MAX);
        // A few are written sooner than the loop over four is begun.
        let by_four = whole && sums.len() > 7 && self.multipliers.is_aligned();
        let (fours, rest) = if by_four { sums.as_chunks::<4>() } else { (&[][..], sums) };
        // SAFETY: the caller's, whose sums these are.
        unsafe {
            if !fours.is_empty() {
                self.write_fours(first, fours);
            }
            if !rest.is_empty() {
                self.write_one_by_one(first + 4 * fours.len(), rest);
            }
        }
    }

    /// The same, where outputs are usual, the clamp is all of int8 and multipliers lie at multiples of 4.
    ///
    /// # Safety
    /// As [`write`](Self::write), and what was just said.
    #[inline(always)]
    unsafe fn write_fours(&mut self, first: usize, sums: &[[i32; 4]]) {
        // SAFETY: Junction::new_i8 proved that there is a multiplier and a shift an output; y has n_out values.
        let (multipliers, shifts, y) =
            unsafe { (self.multipliers.add(first), self.shifts.add(first), self.y.as_mut_ptr().add(first)) };
        macro_rules! one {
            ($sum:literal, $multiplier:literal) => {
                concat!(
                    "add {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, {",
                    $sum,
                    "}\n",
                    "smmulr {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, {",
                    $multiplier,
                    "}\n",
                    "add {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, asr #31\n",
                    "asrs {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, {s}\n",
                    "adc {",
                    $sum,
                    "}, {",
                    $sum,
                    "}, {zero}\n",
                    "ssat {",
                    $sum,
                    "}, #8, {",
                    $sum,
                    "}",
                )
            };
        }
        // As in `write_one_by_one`. Four shifts are made positive at once, byte by byte (all bits turned over, and 1), and go right one after the
        // other: a shift by a register looks at its lowest byte alone.
        // SAFETY: reads a sum, a multiplier and a shift for each sum, the first two at multiples of 4, and writes an output for each: all there.
        unsafe {
            asm!(
                "2:",
                "ldrd {a}, {b}, [{sums}], #8",
                "ldrd {m}, {n}, [{multipliers}], #8",
                "ldr {s}, [{shifts}], #4",
                "mvn {s}, {s}",
                "add {s}, {s}, #0x01010101",
                one!("a", "m"),
                "lsr {s}, {s}, #8",
                one!("b", "n"),
                "bfi {a}, {b}, #8, #24",
                "ldrd {b}, {c}, [{sums}], #8",
                "ldrd {m}, {n}, [{multipliers}], #8",
                "lsr {s}, {s}, #8",
                one!("b", "m"),
                "bfi {a}, {b}, #16, #16",
                "lsr {s}, {s}, #8",
                one!("c", "n"),
                "bfi {a}, {c}, #24, #8",
                "str {a}, [{y}], #4",
                "cmp {sums}, {last}",
                "bne 2b",
                a = out(reg) _, b = out(reg) _, c = out(reg) _, m = out(reg) _, n = out(reg) _, s = out(reg) _,
                sums = inout(reg) sums.as_ptr() => _, last = in(reg) sums.as_ptr_range().end,
                multipliers = inout(reg) multipliers => _, shifts = inout(reg) shifts => _, y = inout(reg) y => _,
                zero = in(reg) i32::from(self.int8.output_zero),
                options(nostack),
            );
        }
    }

    /// The same, where outputs are usual.
    ///
    /// # Safety
    /// As [`write`](Self::write).
    #[inline(always)]
    unsafe fn write_one_by_one(&mut self, first: usize, sums: &[i32]) {
        // SAFETY: Junction::new_i8 proved that there is a multiplier and a shift an output; y has n_out values.
        let (multipliers, shifts, y) =
            unsafe { (self.multipliers.add(first), self.shifts.add(first), self.y.as_mut_ptr().add(first)) };
        let (low, high) = (i32::from(self.int8.low), i32::from(self.int8.high));
        // With s the places to divide by and p = (2·sum·multiplier + 2³¹) / 2³², which is the rounding product of `requantise`, the carry
        // of p >> s is the half; below 0, p is one less first, so that halves go away from 0.
        macro_rules! each {
            ($clamp:literal $(, $name:ident = $bound:expr)*) => {
                asm!(
                    "2:",
                    "ldr {p}, [{sums}], #4",
                    "ldr {m}, [{multipliers}], #4",
                    "ldrsb {s}, [{shifts}], #1",
                    "add {p}, {p}, {p}",
                    "smmulr {p}, {p}, {m}",
                    "rsb {s}, {s}, #0",
                    "add {p}, {p}, {p}, asr #31",
                    "asrs {p}, {p}, {s}",
                    "adc {p}, {p}, {zero}",
                    $clamp,
                    "strb {p}, [{y}], #1",
                    "cmp {sums}, {last}",
                    "bne 2b",
                    p = out(reg) _, m = out(reg) _, s = out(reg) _,
                    sums = inout(reg) sums.as_ptr() => _, last = in(reg) sums.as_ptr_range().end,
                    multipliers = inout(reg) multipliers => _, shifts = inout(reg) shifts => _,
                    y = inout(reg) y => _, zero = in(reg) i32::from(self.int8.output_zero),
                    $($name = in(reg) $bound,)*
                    options(nostack),
                )
            };
        }
        // SAFETY: reads a sum, a multiplier and a shift for each sum, at any address, and writes an output: all there, as just said.
        unsafe {
            if (self.int8.low, self.int8.high) == (i8::MIN, i8::MAX) {
                each!("ssat {p}, #8, {p}");
            } else {
                each!(
                    "cmp {p}, {low}
                     it lt
                     movlt {p}, {low}
                     cmp {p}, {high}
                     it gt
                     movgt {p}, {high}",
                    low = low,
                    high = high
                );
            }
        }
    }
}

/// Copies `n` numbers, eight at a time where they lie at multiples of 4. Not a call of `memcpy`, which firmware need not link for this.
///
/// # Safety
/// `n` numbers can be read and written there, `to` at a multiple of 4.
#[inline(always)]
unsafe fn copy(from: *const i32, to: *mut i32, n: usize) {
    let eights = if from.is_aligned() { n & !7 } else { 0 };
    // SAFETY: the caller's, numbers below `n`; eights were just looked at.
    unsafe {
        if eights > 0 {
            asm!(
                "2:",
                "ldm r0!, {{r2, r3, r4, r8, r9, r10, r11, r12}}",
                "stm r1!, {{r2, r3, r4, r8, r9, r10, r11, r12}}",
                "cmp r0, r5",
                "bne 2b",
                inout("r0") from => _, inout("r1") to => _, in("r5") from.add(eights),
                out("r2") _, out("r3") _, out("r4") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _,
                options(nostack),
            );
        }
        for k in eights..n {
            to.add(k).write(from.add(k).read_unaligned());
        }
    }
}
