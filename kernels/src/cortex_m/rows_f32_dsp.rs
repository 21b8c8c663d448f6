//! f32 rows of constant or any in-degree with the floating-point unit, their addresses by the DSP extension.
//!
//! ```text
//! for each row:
//!     sum = bias
//!     for each 8 edges:
//!         two-byte indices: 4 words of them            ldm
//!             for each: x + 4 · index; its input       smlabb or smlatb, vldr
//!         one-byte distances: 2 words of them          2 ldr, 4 uxtb16
//!             for each: address += 4 · distance        the same
//!         w; sum += w · x                              vldmia, 8 vfma
//!     for 4, 2 and 1 edges that are over: the same
//! ```
//!
//! 26 instructions for 8 edges (31 of distances), 2 a turn of 16 edges, and 13 a row. A two-byte index is multiplied as a signed half: with more
//! than 32,768 inputs the reference runs.

use core::arch::asm;

use super::apply;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};
use crate::scalar;

/// `rows8_f32_1x8`
pub static ROWS8: Kernel =
    Kernel::new("rows8_f32_1x8", Isa::Fpu, Accepts::Rows(IndexWidth::Delta8), rows::<true, false>);
/// `rows16_f32_1x16`
pub static ROWS16: Kernel =
    Kernel::new("rows16_f32_1x16", Isa::Fpu, Accepts::Rows(IndexWidth::Absolute16), rows::<false, false>);
/// `csr8_f32_1x8`
pub static CSR8: Kernel = Kernel::new("csr8_f32_1x8", Isa::Fpu, Accepts::Csr(IndexWidth::Delta8), rows::<true, true>);
/// `csr16_f32_1x16`
pub static CSR16: Kernel =
    Kernel::new("csr16_f32_1x16", Isa::Fpu, Accepts::Csr(IndexWidth::Absolute16), rows::<false, true>);

/// Biases of a junction that has none.
static ZEROS: [f32; 32] = [0.0; 32];

/// The most inputs whose indices are signed halves.
const MOST_INPUTS: usize = 1 << 15;

/// Where the next edges are, and how many a row has: that number, or of CSR where the numbers lie.
struct Rows {
    weights: *const f32,
    /// A byte or two an edge.
    index: *const u8,
    x: *const f32,
    in_degree: *const u8,
}

/// # Safety
/// As for every kernel (`RunF32`); packing CSR where `CSR`, else rows, with one-byte distances where `DELTA`, else with two-byte inputs.
unsafe fn rows<const DELTA: bool, const CSR: bool>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let parts = j.parts();
    let in_degree = match *j.packing() {
        Packing::Rows { in_degree, .. } => core::ptr::without_provenance(in_degree.into()),
        _ => parts.counts.as_ptr(),
    };
    let mut at = Rows { weights: parts.weights.as_ptr().cast(), index: parts.index.as_ptr(), x: x.as_ptr(), in_degree };
    let mut bias: *const f32 = parts.bias.as_ptr().cast();
    let halves = at.index.cast::<u16>().is_aligned() && x.len() <= MOST_INPUTS;
    if !at.weights.is_aligned() || !bias.is_aligned() && !parts.bias.is_empty() || !(DELTA || halves) {
        // SAFETY: the caller's, the same.
        return unsafe { scalar::rows(j, x, y) };
    }
    let at_once = if parts.bias.is_empty() { ZEROS.len() } else { y.len().max(1) };
    for y in y.chunks_mut(at_once) {
        if parts.bias.is_empty() {
            bias = ZEROS.as_ptr();
        }
        // SAFETY: Junction::new proved a count for each row of CSR, one weight and one index entry for each edge of each row, that inputs are
        // below n_in, which is x's length, and that there is a bias for each row or none. Alignment was looked at just now, and
        // no chunk is empty.
        unsafe {
            if DELTA {
                by_distance::<CSR>(&mut at, bias, y);
            } else {
                by_input::<CSR>(&mut at, bias, y);
            }
        }
    }
    apply(j.activation(), y);
}

/// The loop over rows, `$save` and `$restore` around it: `$in_degree` puts a row's edges into r4, `$begin` comes before them, and `$eight` to
/// `$one` add the products of so many. Bits of what is left in r4 choose among these; they do not change the flags.
macro_rules! rows {
    ($save:literal, $restore:literal, $in_degree:literal, $begin:ident, $eight:ident, $four:ident, $two:ident, $one:ident, $($operands:tt)*) => {
        asm!(
            $save,
            "2:",
            $in_degree,
            "vldmia r8!, {{s16}}",
            $begin!(),
            "subs r4, r4, #16",
            "blt 5f",
            "4:",
            $eight!(),
            $eight!(),
            "subs r4, r4, #16",
            "bge 4b",
            // What is left less 16, with the low bits of what is left: carry is bit 3, negative bit 2, zero that there are no lower ones.
            "5:",
            "lsls r10, r4, #29",
            "bcc 6f",
            $eight!(),
            "6:",
            "beq 9f",
            "bpl 7f",
            $four!(),
            "7:",
            "lsls r10, r4, #31",
            "bcc 8f",
            $two!(),
            "8:",
            "bpl 9f",
            $one!(),
            "9:",
            "vstmia r9!, {{s16}}",
            "cmp r9, lr",
            "bne 2b",
            $restore,
            $($operands)*
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _, out("s16") _,
        )
    };
}

/// # Safety
/// `y` is not empty; there are as many more rows as it has values, with a bias each, whose inputs are the first 32,768 of `at.x` at most. Weights
/// and biases lie at multiples of 4, indices at one of 2.
#[inline(always)]
unsafe fn by_input<const CSR: bool>(at: &mut Rows, bias: *const f32, y: &mut [f32]) {
    macro_rules! eight {
        () => {
            "ldm r1!, {{r6, r10, r11, r12}}
             smlabb r7, r6, r3, r2
             vldr s0, [r7]
             smlatb r6, r6, r3, r2
             vldr s1, [r6]
             smlabb r7, r10, r3, r2
             vldr s2, [r7]
             smlatb r10, r10, r3, r2
             vldr s3, [r10]
             smlabb r7, r11, r3, r2
             vldr s4, [r7]
             smlatb r11, r11, r3, r2
             vldr s5, [r11]
             smlabb r7, r12, r3, r2
             vldr s6, [r7]
             smlatb r12, r12, r3, r2
             vldr s7, [r12]
             vldmia r0!, {{s8-s15}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9
             vfma.f32 s16, s2, s10
             vfma.f32 s16, s3, s11
             vfma.f32 s16, s4, s12
             vfma.f32 s16, s5, s13
             vfma.f32 s16, s6, s14
             vfma.f32 s16, s7, s15"
        };
    }
    macro_rules! four {
        () => {
            "ldm r1!, {{r6, r10}}
             smlabb r7, r6, r3, r2
             vldr s0, [r7]
             smlatb r6, r6, r3, r2
             vldr s1, [r6]
             smlabb r7, r10, r3, r2
             vldr s2, [r7]
             smlatb r10, r10, r3, r2
             vldr s3, [r10]
             vldmia r0!, {{s8-s11}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9
             vfma.f32 s16, s2, s10
             vfma.f32 s16, s3, s11"
        };
    }
    macro_rules! two {
        () => {
            "ldr r6, [r1], #4
             smlabb r7, r6, r3, r2
             vldr s0, [r7]
             smlatb r6, r6, r3, r2
             vldr s1, [r6]
             vldmia r0!, {{s8-s9}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9"
        };
    }
    macro_rules! one {
        () => {
            "ldrh r6, [r1], #2
             add r6, r2, r6, lsl #2
             vldr s0, [r6]
             vldmia r0!, {{s8}}
             vfma.f32 s16, s0, s8"
        };
    }
    // Words of indices begin at multiples of 4: a row that does not is given its first edge alone.
    macro_rules! begin {
        () => {
            concat!("lsls r10, r1, #31\nbcc 3f\nsubs r4, r4, #1\nblt 9f\n", one!(), "\n3:")
        };
    }
    macro_rules! loop_with {
        ($in_degree:literal) => {
            rows!(
                "push {{r6, r7}}", "pop {{r6, r7}}", $in_degree, begin, eight, four, two, one,
                inout("r0") at.weights, inout("r1") at.index, in("r2") at.x, in("r3") 4,
                out("r4") _, inout("r5") at.in_degree, inout("r8") bias => _, inout("r9") y.as_mut_ptr() => _,
                out("r10") _, out("r11") _, out("r12") _, in("lr") y.as_mut_ptr_range().end,
            )
        };
    }
    // SAFETY: reads the rows' weights, indices and the inputs they say, and biases, at multiples of what the caller allows, and writes the
    // sums. r6 and r7, which operands cannot name, are saved.
    unsafe {
        if CSR {
            loop_with!("ldrh r4, [r5], #2");
        } else {
            loop_with!("mov r4, r5");
        }
    }
}

/// # Safety
/// As [`by_input`], of any number of inputs, and with indices at any address.
#[inline(always)]
unsafe fn by_distance<const CSR: bool>(at: &mut Rows, bias: *const f32, y: &mut [f32]) {
    macro_rules! eight {
        () => {
            "ldr r10, [r1], #4
             uxtb16 r11, r10
             uxtb16 r10, r10, ror #8
             smlabb r12, r11, r3, r12
             vldr s0, [r12]
             smlabb r12, r10, r3, r12
             vldr s1, [r12]
             smlatb r12, r11, r3, r12
             vldr s2, [r12]
             smlatb r12, r10, r3, r12
             vldr s3, [r12]
             ldr r10, [r1], #4
             uxtb16 r11, r10
             uxtb16 r10, r10, ror #8
             smlabb r12, r11, r3, r12
             vldr s4, [r12]
             smlabb r12, r10, r3, r12
             vldr s5, [r12]
             smlatb r12, r11, r3, r12
             vldr s6, [r12]
             smlatb r12, r10, r3, r12
             vldr s7, [r12]
             vldmia r0!, {{s8-s15}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9
             vfma.f32 s16, s2, s10
             vfma.f32 s16, s3, s11
             vfma.f32 s16, s4, s12
             vfma.f32 s16, s5, s13
             vfma.f32 s16, s6, s14
             vfma.f32 s16, s7, s15"
        };
    }
    macro_rules! four {
        () => {
            "ldr r10, [r1], #4
             uxtb16 r11, r10
             uxtb16 r10, r10, ror #8
             smlabb r12, r11, r3, r12
             vldr s0, [r12]
             smlabb r12, r10, r3, r12
             vldr s1, [r12]
             smlatb r12, r11, r3, r12
             vldr s2, [r12]
             smlatb r12, r10, r3, r12
             vldr s3, [r12]
             vldmia r0!, {{s8-s11}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9
             vfma.f32 s16, s2, s10
             vfma.f32 s16, s3, s11"
        };
    }
    macro_rules! two {
        () => {
            "ldrb r10, [r1], #1
             add r12, r12, r10, lsl #2
             vldr s0, [r12]
             ldrb r10, [r1], #1
             add r12, r12, r10, lsl #2
             vldr s1, [r12]
             vldmia r0!, {{s8-s9}}
             vfma.f32 s16, s0, s8
             vfma.f32 s16, s1, s9"
        };
    }
    macro_rules! one {
        () => {
            "ldrb r10, [r1], #1
             add r12, r12, r10, lsl #2
             vldr s0, [r12]
             vldmia r0!, {{s8}}
             vfma.f32 s16, s0, s8"
        };
    }
    macro_rules! begin {
        () => {
            "mov r12, r2"
        };
    }
    macro_rules! loop_with {
        ($in_degree:literal) => {
            rows!(
                "", "", $in_degree, begin, eight, four, two, one,
                inout("r0") at.weights, inout("r1") at.index, in("r2") at.x, in("r3") 4,
                out("r4") _, inout("r5") at.in_degree, inout("r8") bias => _, inout("r9") y.as_mut_ptr() => _,
                out("r10") _, out("r11") _, out("r12") _, in("lr") y.as_mut_ptr_range().end,
            )
        };
    }
    // SAFETY: as in `by_input`; r6 and r7 are not used.
    unsafe {
        if CSR {
            loop_with!("ldrh r4, [r5], #2");
        } else {
            loop_with!("mov r4, r5");
        }
    }
}
