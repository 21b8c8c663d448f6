//! int8 input by input, passing over inputs that are the zero point, with the DSP extension.
//!
//! ```text
//! sums = biases
//! for each 4 inputs, unless all are the zero point:      ldr, cmp, bne, and 2 for 16 inputs
//!     for each that is not:                              12 instructions, 3 for one that is
//!         for each 4 edges:
//!             w → (w0, w2), (w1, w3)                     ldr, 2 sxtb16
//!             output                                     4 ldrh; of one-byte distances ldr, 4 uxtab
//!             sums[output] += w · (x − zero)             4 ldr, smlabb or smlatb, str
//!         for each that is over: the same alone
//! ```
//!
//! 19 instructions for 4 edges (20 of distances), 5 (6) for one. The roof is memory: each edge reads and writes a sum, so that it costs more than
//! one of rows (3.9), and only what of the inputs is not zero pays. Two edges an input have a loop of their own, without what fetches more.

/// Passes over inputs from r2 to sixteen before r5 as long as four of them at a time are the zero point: `$compare` compares r12 with it. Goes on at 2
/// with four that are not all, and at 7 where fewer than sixteen are left.
macro_rules! scan {
    ($compare:literal) => {
        concat!(
            "3:\n",
            "cmp r2, r5\n",
            "bhi 7f\n",
            "30:\n",
            scan!(four $compare),
            scan!(four $compare),
            scan!(four $compare),
            scan!(four $compare),
            "cmp r2, r5\n",
            "bls 30b\n",
            // Fewer than sixteen, one by one.
            "7:\n",
            "add r5, r5, #16\n",
            "70:\n",
            "cmp r2, r5\n",
            "beq 9f",
        )
    };
    (four $compare:literal) => {
        concat!("ldr r12, [r2], #4\n", $compare, "\nbne 2b\n")
    };
}

mod two;

use core::arch::asm;
use core::mem::MaybeUninit;
use core::slice;

use super::outputs::{MOST_AT_ONCE, Outputs};
use crate::isa::Isa;
use crate::junction::{INPUT_MAJOR_OUTPUTS, Junction};
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};

/// `input_major8_i8_1x4`
pub static INPUT_MAJOR8: Kernel =
    Kernel::new_i8("input_major8_i8_4x4", Isa::Dsp, Accepts::InputMajor(IndexWidth::Delta8), input_major::<true>);
/// `input_major16_i8_1x4`
pub static INPUT_MAJOR16: Kernel =
    Kernel::new_i8("input_major16_i8_4x4", Isa::Dsp, Accepts::InputMajor(IndexWidth::Absolute16), input_major::<false>);

/// Fours of edges in a turn of the loop.
const TURN: usize = 8;

/// What the loop keeps on the stack, in the order in which it is read.
#[repr(C)]
struct Columns {
    /// Edges of an input: bytes of weights.
    out_degree: usize,
    /// Bytes of index.
    index_bytes: usize,
    /// Turns of [`TURN`] fours, the first of which may be entered late.
    turns: usize,
    /// What the address behind an input, times `out_degree`, is added to for its first weight's.
    weights: usize,
    /// The same of `index_bytes` and its index.
    index: usize,
    /// Bytes of code that the first turn leaves out.
    skipped_fours: usize,
    /// The same of single edges, of three.
    skipped_ones: usize,
}

impl Columns {
    /// Addresses are computed as numbers that wrap around; those of edges come out inside the sections.
    fn new<const DELTA: bool>(j: &Junction<'_>, out_degree: usize, x: &[i8]) -> Self {
        let index_bytes = if DELTA { out_degree } else { 2 * out_degree };
        let (fours, ones) = (out_degree / 4, out_degree % 4);
        let (four_bytes, one_bytes) = if DELTA { (4 * 20, 4 * 6) } else { (4 * 19, 4 * 5) };
        let turns = fours.div_ceil(TURN);
        let first = |section: *const u8, bytes: usize| {
            section.expose_provenance().wrapping_sub((x.as_ptr().addr() + 1).wrapping_mul(bytes))
        };
        Self {
            out_degree,
            index_bytes,
            turns,
            weights: first(j.weights_i8().as_ptr(), out_degree),
            index: first(j.index8().as_ptr(), index_bytes),
            skipped_fours: (TURN * turns - fours) * four_bytes,
            skipped_ones: (3 - ones) * one_bytes,
        }
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing input-major, with one-byte distances where `DELTA`, else with two-byte outputs.
unsafe fn input_major<const DELTA: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let (Packing::InputMajor { out_degree, .. }, Some(int8)) = (*j.packing(), j.int8()) else { return };
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut sums = [const { MaybeUninit::<i32>::uninit() }; INPUT_MAJOR_OUTPUTS];
    let begin = sums.as_mut_ptr().cast::<i32>();
    let zeros = u32::from_ne_bytes([int8.input_zero as u8; 4]);
    // SAFETY: Junction::new_i8 proved that there are at most INPUT_MAJOR_OUTPUTS outputs, out_degree weights and index entries for each input, and
    // that the outputs that these give are below n_out. x has n_in values.
    unsafe {
        let mut o = 0;
        while o < n_out {
            let now = (n_out - o).min(MOST_AT_ONCE);
            outputs.copy_biases(o, begin.add(o), now);
            o += now;
        }
        if (out_degree, int8.input_zero) == (2, i8::MIN) {
            two::scatter::<DELTA>(j.weights_i8().as_ptr(), j.index8().as_ptr(), x, begin);
        } else {
            scatter::<DELTA>(&Columns::new::<DELTA>(j, out_degree.into(), x), x, begin, zeros);
        }
        outputs.write(0, slice::from_raw_parts(begin, n_out));
    }
}

/// `$first_output` is what goes back to it; `$four` and `$one` are what adds the products of so many edges of the input whose difference from the zero point is r3.
macro_rules! scatter {
    ($first_output:literal, $four:ident, $one:ident, $columns:ident, $x:ident, $sums:ident, $zeros:ident) => {
        asm!(
            // What adr counts from is a multiple of 4.
            ".p2align 2",
            "push {{r6, r7}}",
            "sub sp, sp, #28",
            "ldm r0, {{r6, r7, r9, r10, r11, r12, lr}}",
            "adr.w r0, 6f",
            "add lr, lr, r0",
            "add lr, lr, #1",
            "adr.w r0, 5f",
            "add r12, r12, r0",
            // Where there are no fours.
            "cmp r9, #0",
            "it eq",
            "moveq r12, lr",
            "stm sp, {{r6, r7, r9, r10, r11, r12, lr}}",
            "b 3f",
            // Four inputs, not all of them the zero point.
            "2:",
            "sub r2, r2, #4",
            "ldrsb r3, [r2], #1",
            "subs r3, r3, r8, asr #24",
            "beq 20f",
            "bl 4f",
            "20:",
            "ldrsb r3, [r2], #1",
            "subs r3, r3, r8, asr #24",
            "beq 20f",
            "bl 4f",
            "20:",
            "ldrsb r3, [r2], #1",
            "subs r3, r3, r8, asr #24",
            "beq 20f",
            "bl 4f",
            "20:",
            "ldrsb r3, [r2], #1",
            "subs r3, r3, r8, asr #24",
            "beq 3f",
            "bl 4f",
            scan!("cmp r12, r8"),
            "ldrsb r3, [r2], #1",
            "subs r3, r3, r8, asr #24",
            "beq 70b",
            "bl 4f",
            "b 70b",
            // The edges of the input before r2.
            ".p2align 2",
            "4:",
            "ldm sp, {{r6, r7, r9, r10, r11, r12}}",
            "mla r0, r2, r6, r10",
            "mla r1, r2, r7, r11",
            $first_output,
            "mov pc, r12",
            ".p2align 2",
            "5:",
            $four!(), $four!(), $four!(), $four!(), $four!(), $four!(), $four!(), $four!(),
            "subs r9, r9, #1",
            "bne 5b",
            "ldr pc, [sp, #24]",
            ".p2align 2",
            "6:",
            $one!(), $one!(), $one!(),
            "bx lr",
            "9:",
            "add sp, sp, #28",
            "pop {{r6, r7}}",
            inout("r0") $columns => _, out("r1") _, inout("r2") $x.as_ptr() => _, out("r3") _, in("r4") $sums,
            inout("r5") $x.as_ptr_range().end.wrapping_sub(16) => _, in("r8") $zeros,
            out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// Adds the products of every input that is not the zero point.
///
/// # Safety
/// `columns` say of each input where its weights and outputs lie, and how many; the sums of those outputs are there.
#[inline(always)]
unsafe fn scatter<const DELTA: bool>(columns: &Columns, x: &[i8], sums: *mut i32, zeros: u32) {
    macro_rules! four_outputs {
        () => {
            "ldr r6, [r0], #4
             ldrh r7, [r1], #2
             sxtb16 r12, r6
             sxtb16 r6, r6, ror #8
             ldr r11, [r4, r7, lsl #2]
             smlabb r11, r12, r3, r11
             str r11, [r4, r7, lsl #2]
             ldrh r7, [r1], #2
             ldr r11, [r4, r7, lsl #2]
             smlabb r11, r6, r3, r11
             str r11, [r4, r7, lsl #2]
             ldrh r7, [r1], #2
             ldr r11, [r4, r7, lsl #2]
             smlatb r11, r12, r3, r11
             str r11, [r4, r7, lsl #2]
             ldrh r7, [r1], #2
             ldr r11, [r4, r7, lsl #2]
             smlatb r11, r6, r3, r11
             str r11, [r4, r7, lsl #2]"
        };
    }
    macro_rules! one_output {
        () => {
            "ldrh r7, [r1], #2
             ldrsb r6, [r0], #1
             ldr r11, [r4, r7, lsl #2]
             smlabb r11, r6, r3, r11
             str r11, [r4, r7, lsl #2]"
        };
    }
    macro_rules! four_distances {
        () => {
            "ldr r6, [r0], #4
             ldr r7, [r1], #4
             sxtb16 r12, r6
             sxtb16 r6, r6, ror #8
             uxtab r10, r10, r7
             ldr r11, [r4, r10, lsl #2]
             smlabb r11, r12, r3, r11
             str r11, [r4, r10, lsl #2]
             uxtab r10, r10, r7, ror #8
             ldr r11, [r4, r10, lsl #2]
             smlabb r11, r6, r3, r11
             str r11, [r4, r10, lsl #2]
             uxtab r10, r10, r7, ror #16
             ldr r11, [r4, r10, lsl #2]
             smlatb r11, r12, r3, r11
             str r11, [r4, r10, lsl #2]
             uxtab r10, r10, r7, ror #24
             ldr r11, [r4, r10, lsl #2]
             smlatb r11, r6, r3, r11
             str r11, [r4, r10, lsl #2]"
        };
    }
    macro_rules! one_distance {
        () => {
            "ldrb r7, [r1], #1
             ldrsb r6, [r0], #1
             uxtab r10, r10, r7
             ldr r11, [r4, r10, lsl #2]
             smlabb r11, r6, r3, r11
             str r11, [r4, r10, lsl #2]"
        };
    }
    // SAFETY: reads x, by words at any address, and of inputs that are not the zero point weights and index, all there by the caller's word; adds to
    // sums that are there. Code is entered at a whole four or one, every instruction of which takes four bytes. r6 and r7, which operands
    // cannot name, are saved.
    unsafe {
        if DELTA {
            scatter!("mov r10, #0", four_distances, one_distance, columns, x, sums, zeros);
        } else {
            scatter!("", four_outputs, one_output, columns, x, sums, zeros);
        }
    }
}
