//! f32 input by input, passing over inputs that are exactly zero, with the floating-point unit.
//!
//! ```text
//! y = biases
//! for each 4 inputs, unless all are zero:                ldm, 3 orr, lsl, bne, and 2 for 16 inputs
//!     for each that is not:                              20 instructions, 3 for one that is
//!         for each 8 edges, then 4, 2 and 1 that are over:
//!             output                                     8 ldrh, 8 add; of one-byte distances ldrb
//!             y[output] += w · x                         2 vldmia of four weights, 8 vldr, vfma and vstr
//! y = act(y)
//! ```
//!
//! 42 instructions for 8 edges, and 2 for the loop. The roof is memory: an edge reads and writes a sum, so that it costs more than one of rows
//! (3.4), and only what of the inputs is zero pays.

use core::arch::asm;

use super::apply;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};
use crate::scalar::{self, start_from_bias};

/// `input_major8_f32_4x8`
pub static INPUT_MAJOR8: Kernel =
    Kernel::new("input_major8_f32_4x8", Isa::Fpu, Accepts::InputMajor(IndexWidth::Delta8), input_major::<true>);
/// `input_major16_f32_4x8`
pub static INPUT_MAJOR16: Kernel =
    Kernel::new("input_major16_f32_4x8", Isa::Fpu, Accepts::InputMajor(IndexWidth::Absolute16), input_major::<false>);

/// Where an input's edges lie, in the order in which the loop loads it.
#[repr(C)]
struct Columns {
    /// The first input.
    x: *const f32,
    /// Its weights, less what the first input's distance from `x` adds where the loop looks: behind it.
    weights: *const u8,
    /// Edges of an input.
    out_degree: usize,
    /// Its index, the same.
    index: *const u8,
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major, with one-byte distances where `DELTA`, else with two-byte outputs.
unsafe fn input_major<const DELTA: bool>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let weights = j.parts().weights.as_ptr();
    let out_degree = match *j.packing() {
        Packing::InputMajor { out_degree, .. } if weights.cast::<f32>().is_aligned() => usize::from(out_degree),
        // SAFETY: the caller's, the same.
        _ => return unsafe { scalar::input_major(j, x, y) },
    };
    start_from_bias(j, y);
    let index_bytes = if DELTA { out_degree } else { 2 * out_degree };
    let columns = Columns {
        x: x.as_ptr(),
        weights: weights.wrapping_sub(4 * out_degree),
        out_degree,
        index: j.index8().as_ptr().wrapping_sub(index_bytes),
    };
    // SAFETY: Junction::new proved out_degree weights and index entries for each input, and that the outputs that these give are below n_out,
    // y's length; weights lie at a multiple of 4.
    unsafe { scatter::<DELTA>(&columns, x, y) };
    apply(j.activation(), y);
}

/// Four inputs from r2 on; goes on at 2 unless all are zero, of either sign.
#[rustfmt::skip]
macro_rules! four_inputs {
    () => {
        "ldmia r2!, {{r6, r7, r8, r10}}
         orr r6, r6, r7
         orr r8, r8, r10
         orr r6, r6, r8
         lsls r6, r6, #1
         bne 2b"
    };
}

/// The next input, and its edges unless it is zero: then `$zero`.
#[rustfmt::skip]
macro_rules! one_input {
    ($zero:literal) => {
        concat!("ldr r3, [r2], #4\nlsls r6, r3, #1\nbeq ", $zero, "\nbl 4f")
    };
}

/// Four edges: their outputs' places are in r6, r7, r8 and `$last`, and count from `$base`, `$six`, `$seven` and `$eight`: of distances the places before.
#[rustfmt::skip]
macro_rules! four_edges {
    ($load:literal, $base:literal, $six:literal, $seven:literal, $eight:literal, $last:literal) => {
        concat!(
            "vldmia r0!, {{s0, s1, s2, s3}}\n",
            $load, " r6, [r1], #{bytes}\n",
            $load, " r7, [r1], #{bytes}\n",
            $load, " r8, [r1], #{bytes}\n",
            $load, " r3, [r1], #{bytes}\n",
            "add r6, ", $base, ", r6, lsl #2\n",
            "add r7, ", $six, ", r7, lsl #2\n",
            "add r8, ", $seven, ", r8, lsl #2\n",
            "add ", $last, ", ", $eight, ", r3, lsl #2\n",
            "vldr s4, [r6]\n",
            "vldr s5, [r7]\n",
            "vldr s6, [r8]\n",
            "vldr s7, [", $last, "]\n",
            "vfma.f32 s4, s0, s8\n",
            "vfma.f32 s5, s1, s8\n",
            "vfma.f32 s6, s2, s8\n",
            "vfma.f32 s7, s3, s8\n",
            "vstr s4, [r6]\n",
            "vstr s5, [r7]\n",
            "vstr s6, [r8]\n",
            "vstr s7, [", $last, "]",
        )
    };
}

/// One edge, its output's place in `$last`, counted from `$base`.
#[rustfmt::skip]
macro_rules! one_edge {
    ($load:literal, $base:literal, $last:literal) => {
        concat!(
            $load, " r3, [r1], #{bytes}\n",
            "vldmia r0!, {{s0}}\n",
            "add ", $last, ", ", $base, ", r3, lsl #2\n",
            "vldr s4, [", $last, "]\n",
            "vfma.f32 s4, s0, s8\n",
            "vstr s4, [", $last, "]",
        )
    };
}

/// `$four` and `$one` are the instructions of so many edges, `$shift` brings four bytes a weight to an index entry's.
macro_rules! walk {
    ($four:expr, $one:expr, $bytes:literal, $shift:literal, ($columns:ident, $x:ident, $y:ident)) => {
        asm!(
            "push {{r6, r7}}",
            "b 3f",
            // Four inputs, not all of them zero.
            "2:",
            "sub r2, r2, #16",
            one_input!("20f"),
            "20:",
            one_input!("20f"),
            "20:",
            one_input!("20f"),
            "20:",
            one_input!("3f"),
            "3:",
            "cmp r2, r5",
            "bhi 7f",
            "30:",
            four_inputs!(),
            four_inputs!(),
            four_inputs!(),
            four_inputs!(),
            "cmp r2, r5",
            "bls 30b",
            // Fewer than sixteen, one by one.
            "7:",
            "add r5, r5, #64",
            "70:",
            "cmp r2, r5",
            "beq 9f",
            one_input!("70b"),
            "b 70b",
            // The edges of the input before r2, which is r3.
            "4:",
            "vmov s8, r3",
            "ldm r11, {{r7, r8, r9, r10}}",
            "sub r3, r2, r7",
            "mul r3, r3, r9",
            "add r0, r8, r3",
            "add r1, r10, r3, lsr #{shift}",
            "mov r10, r4",
            "lsrs r12, r9, #3",
            "beq 6f",
            "5:",
            $four,
            $four,
            "subs r12, r12, #1",
            "bne 5b",
            "6:",
            "tst r9, #4",
            "beq 60f",
            $four,
            "60:",
            "tst r9, #2",
            "beq 60f",
            $one,
            $one,
            "60:",
            "tst r9, #1",
            "beq 60f",
            $one,
            "60:",
            "bx lr",
            "9:",
            "pop {{r6, r7}}",
            bytes = const $bytes, shift = const $shift,
            out("r0") _, out("r1") _, inout("r2") $x.as_ptr() => _, out("r3") _, in("r4") $y.as_mut_ptr(),
            inout("r5") $x.as_ptr_range().end.wrapping_sub(16) => _, out("r8") _, out("r9") _, out("r10") _,
            in("r11") $columns, out("r12") _, out("lr") _,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _, out("s8") _,
        )
    };
}

/// `y[output] += w · x` for the edges of every input that is not zero.
///
/// # Safety
/// `columns` say of each input where its weights, at a multiple of 4, and its index entries lie, of one byte where DELTA, else of two; the outputs that
/// they give are there in `y`, of an input each once.
#[inline(always)]
unsafe fn scatter<const DELTA: bool>(columns: &Columns, x: &[f32], y: &mut [f32]) {
    // SAFETY: reads x, and of inputs that are not zero weights and index, and reads and writes outputs, all there by the caller's word; halfwords
    // are loaded from any address. Of four edges all outputs are read before the first is written: they differ. r6 and r7, which operands
    // cannot name, are saved.
    unsafe {
        if DELTA {
            walk!(
                four_edges!("ldrb", "r10", "r6", "r7", "r8", "r10"),
                one_edge!("ldrb", "r10", "r10"),
                1,
                2,
                (columns, x, y)
            );
        } else {
            walk!(
                four_edges!("ldrh", "r4", "r4", "r4", "r4", "r10"),
                one_edge!("ldrh", "r4", "r10"),
                2,
                1,
                (columns, x, y)
            );
        }
    }
}
