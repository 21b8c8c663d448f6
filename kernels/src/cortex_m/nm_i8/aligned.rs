//! Rows of N:16 whose weights come four words at a time.
//!
//! ```text
//! for each row:
//!     sum = bias
//!     for each 16 edges, which are 16/N pages:
//!         16 weights                               ldm
//!         for each 8 edges:
//!             positions → even ones, odd ones      ldr, 2 and
//!             x[page + position], one by one       8 uxtab, 8 ldrsb; the page within the turn is the load's offset
//!             8 products                           4 sxtb16, 4 smlabb, 4 smlabt
//!     for 8, 4 and 2 edges that are over: the same
//! ```
//!
//! 63 instructions for 16 edges, 3 a turn of 48, and 8 a row. What a load from memory by a computed address, a product and half an unpacking of
//! weights take is 3.75 an edge: that is the floor. Weights must lie at multiples of 4 from the turn on: rows of four edges more than a multiple of 4
//! lie so; of two more, every second row has its first two edges before the turn, and the others their last two behind it. Where nothing else is over,
//! rows run in such pairs, one into the other.

use core::arch::asm;
use core::mem::MaybeUninit;
use core::slice;

use crate::cortex_m::outputs::{MOST_AT_ONCE, Outputs};
use crate::junction::Junction;
use crate::packing::NMRow;

/// Edges of a turn, sixteen by sixteen.
const TURN: usize = 3;

/// Whether the loop serves a junction of N:16: the weights begin at a multiple of 4 and rows have 16 edges or more, an even number of them, with
/// the two more in whole pages.
pub(super) fn fits<const N: usize>(j: &Junction<'_>) -> bool {
    let edges = NMRow::new(j.n_in(), N, 16).in_degree;
    let even = edges.is_multiple_of(4) || (edges.is_multiple_of(2) && N <= 2);
    edges >= 16 && even && j.weights_i8().as_ptr().cast::<u32>().is_aligned()
}

/// A place of the loop's code; what it is at is its number in a table there.
#[repr(usize)]
#[derive(Clone, Copy)]
enum Code {
    Next,
    Sixteen0,
    Sixteen1,
    Sixteen2,
    EitherPhase,
    Eight,
    Four,
    TwoOfFirst,
    FourAndTwoOfFirst,
    EndOfFirst,
    EndOfSecond,
}

/// What the loop keeps on the stack, addresses of code for their numbers.
#[repr(C)]
struct Rows {
    x: *const i8,
    end: *mut i32,
    /// From the sums to the biases, in bytes.
    bias: usize,
    sums: *mut i32,
    /// Where a row begins.
    entry: Code,
    /// Where it goes on behind its sixteens. Of pairs it changes from row to row.
    rest: Code,
    /// Where its sixteens begin. Of pairs, `rest` of the second row.
    sixteens: Code,
    /// Where it goes on behind 8 edges. Of pairs, `rest` of the first row.
    after_eight: Code,
    /// Where it goes on behind 4 edges.
    after_four: Code,
}

/// Sums, at a multiple of 8, so that of an even number at a time bit 2 of their addresses says which rows are the second ones.
#[repr(align(8))]
struct Sums([MaybeUninit<i32>; MOST_AT_ONCE]);

/// # Safety
/// As for every kernel (`RunI8`); packing N:16, of which `fits` is true.
pub(super) unsafe fn rows<const N: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    const { assert!(MOST_AT_ONCE.is_multiple_of(2)) };
    let edges = NMRow::new(j.n_in(), N, 16).in_degree;
    let whole = edges / 16;
    let skipped = whole.next_multiple_of(TURN) - whole;
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut at = At {
        weights: j.weights_i8().as_ptr(),
        positions: j.index8().as_ptr(),
        x_end: x.as_ptr().wrapping_add(16 * (16 * whole / N)),
    };
    let mut sums = Sums([MaybeUninit::uninit(); MOST_AT_ONCE]);
    let begin = sums.0.as_mut_ptr().cast::<i32>();
    let is_two = !edges.is_multiple_of(4);
    let after_four = if is_two { Code::FourAndTwoOfFirst } else { Code::Next };
    let two = if is_two { Code::TwoOfFirst } else { Code::Next };
    let after_eight = if edges % 8 >= 4 { Code::Four } else { two };
    let rest = if edges % 16 >= 8 { Code::Eight } else { after_eight };
    let sixteens = match skipped {
        0 => Code::Sixteen0,
        1 => Code::Sixteen1,
        _ => Code::Sixteen2,
    };
    let entry = if is_two { Code::EitherPhase } else { sixteens };
    // Nothing but two edges beside the sixteens: the first row of a pair runs into the second one, and back, without a look at which it is.
    let pairs = is_two && edges % 16 == 2;
    let (entry, rest, sixteens, after_eight) = if pairs {
        (sixteens, Code::EndOfFirst, Code::EndOfSecond, Code::EndOfFirst)
    } else {
        (entry, rest, sixteens, after_eight)
    };
    let mut first = 0;
    while first < n_out {
        let now = (n_out - first).min(MOST_AT_ONCE);
        // SAFETY: Junction::new_i8 proved that every position lies within its page and its page within n_in, x's length, and weights and
        // positions for each edge of each row, from a fresh byte on; an even number of edges fills its last byte. The rows are below
        // n_out, and their sums, all written, at most MOST_AT_ONCE.
        unsafe {
            let bias = outputs.biases(first).addr().wrapping_sub(begin.addr());
            let end = begin.add(now);
            let rows = Rows { x: x.as_ptr(), end, bias, sums: begin, entry, rest, sixteens, after_eight, after_four };
            sum_rows::<N>(&rows, &mut at);
            outputs.write(first, slice::from_raw_parts(begin, now));
        }
        first += now;
    }
}

/// Where the next row's weights and positions are, and the inputs behind its sixteens.
struct At {
    weights: *const u8,
    positions: *const u8,
    x_end: *const i8,
}

/// # Safety
/// There are `rows.end - rows.sums` more rows, more than none, with weights, positions and inputs as `rows` and `at` say; as many sums can be written and
/// biases read. The weights of every second row begin at a multiple of 4, and so do those of the others unless `rest` has two edges.
#[inline(always)]
unsafe fn sum_rows<const N: usize>(rows: &Rows, at: &mut At) {
    macro_rules! code {
        ($at:literal, $to:literal) => {
            concat!(
                "ldr ",
                $to,
                ", [r0, #",
                $at,
                "]\nldr ",
                $to,
                ", [r9, ",
                $to,
                ", lsl #2]\nadd ",
                $to,
                ", ",
                $to,
                ", r9"
            )
        };
    }
    // Offsets of pages are expressions of the number of edges in one, that the assembler computes.
    macro_rules! sixteen {
        ($first:literal) => {
            concat!(
                "ldm r1!, {{r8, r10, r11, r12}}\n",
                "ldr r5, [r2], #4\n",
                "and r4, r9, r5\n",
                "and r5, r9, r5, lsr #4\n",
                "sxtb16 r7, r8\n",
                "sxtb16 r8, r8, ror #8\n",
                "uxtab r6, r3, r4\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 0) / {n}))]\n",
                "smlabb r0, r6, r7, r0\n",
                "uxtab r6, r3, r5\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 1) / {n}))]\n",
                "smlabb r0, r6, r8, r0\n",
                "uxtab r6, r3, r4, ror #8\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 2) / {n}))]\n",
                "smlabt r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #8\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 3) / {n}))]\n",
                "smlabt r0, r6, r8, r0\n",
                "sxtb16 r7, r10\n",
                "sxtb16 r10, r10, ror #8\n",
                "uxtab r6, r3, r4, ror #16\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 4) / {n}))]\n",
                "smlabb r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #16\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 5) / {n}))]\n",
                "smlabb r0, r6, r10, r0\n",
                "uxtab r6, r3, r4, ror #24\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 6) / {n}))]\n",
                "smlabt r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #24\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 7) / {n}))]\n",
                "smlabt r0, r6, r10, r0\n",
                "ldr r5, [r2], #4\n",
                "and r4, r9, r5\n",
                "and r5, r9, r5, lsr #4\n",
                "sxtb16 r7, r11\n",
                "sxtb16 r11, r11, ror #8\n",
                "uxtab r6, r3, r4\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 8) / {n}))]\n",
                "smlabb r0, r6, r7, r0\n",
                "uxtab r6, r3, r5\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 9) / {n}))]\n",
                "smlabb r0, r6, r11, r0\n",
                "uxtab r6, r3, r4, ror #8\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 10) / {n}))]\n",
                "smlabt r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #8\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 11) / {n}))]\n",
                "smlabt r0, r6, r11, r0\n",
                "sxtb16 r7, r12\n",
                "sxtb16 r12, r12, ror #8\n",
                "uxtab r6, r3, r4, ror #16\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 12) / {n}))]\n",
                "smlabb r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #16\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 13) / {n}))]\n",
                "smlabb r0, r6, r12, r0\n",
                "uxtab r6, r3, r4, ror #24\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 14) / {n}))]\n",
                "smlabt r0, r6, r7, r0\n",
                "uxtab r6, r3, r5, ror #24\n",
                "ldrsb r6, [r6, #(16 * ((",
                $first,
                " + 15) / {n}))]\n",
                "smlabt r0, r6, r12, r0\n",
            )
        };
    }
    macro_rules! eight {
        () => {
            "ldm r1!, {{r8, r10}}
             ldr r5, [r2], #4
             and r4, r9, r5
             and r5, r9, r5, lsr #4
             sxtb16 r7, r8
             sxtb16 r8, r8, ror #8
             uxtab r6, r3, r4
             ldrsb r6, [r6, #(16 * (0 / {n}))]
             smlabb r0, r6, r7, r0
             uxtab r6, r3, r5
             ldrsb r6, [r6, #(16 * (1 / {n}))]
             smlabb r0, r6, r8, r0
             uxtab r6, r3, r4, ror #8
             ldrsb r6, [r6, #(16 * (2 / {n}))]
             smlabt r0, r6, r7, r0
             uxtab r6, r3, r5, ror #8
             ldrsb r6, [r6, #(16 * (3 / {n}))]
             smlabt r0, r6, r8, r0
             sxtb16 r7, r10
             sxtb16 r10, r10, ror #8
             uxtab r6, r3, r4, ror #16
             ldrsb r6, [r6, #(16 * (4 / {n}))]
             smlabb r0, r6, r7, r0
             uxtab r6, r3, r5, ror #16
             ldrsb r6, [r6, #(16 * (5 / {n}))]
             smlabb r0, r6, r10, r0
             uxtab r6, r3, r4, ror #24
             ldrsb r6, [r6, #(16 * (6 / {n}))]
             smlabt r0, r6, r7, r0
             uxtab r6, r3, r5, ror #24
             ldrsb r6, [r6, #(16 * (7 / {n}))]
             smlabt r0, r6, r10, r0"
        };
    }
    macro_rules! four {
        () => {
            "ldr r8, [r1], #4
             ldrh r5, [r2], #2
             and r4, r9, r5
             and r5, r9, r5, lsr #4
             sxtb16 r7, r8
             sxtb16 r8, r8, ror #8
             uxtab r6, r3, r4
             ldrsb r6, [r6, #(16 * (0 / {n}))]
             smlabb r0, r6, r7, r0
             uxtab r6, r3, r5
             ldrsb r6, [r6, #(16 * (1 / {n}))]
             smlabb r0, r6, r8, r0
             uxtab r6, r3, r4, ror #8
             ldrsb r6, [r6, #(16 * (2 / {n}))]
             smlabt r0, r6, r7, r0
             uxtab r6, r3, r5, ror #8
             ldrsb r6, [r6, #(16 * (3 / {n}))]
             smlabt r0, r6, r8, r0"
        };
    }
    macro_rules! two {
        () => {
            "ldrsb r7, [r1], #1
             ldrsb r8, [r1], #1
             ldrb r5, [r2], #1
             and r4, r5, #15
             add r10, r3, r5, lsr #4
             ldrsb r4, [r3, r4]
             ldrsb r10, [r10, #(16 * (1 / {n}))]
             smlabb r0, r4, r7, r0
             smlabb r0, r10, r8, r0"
        };
    }
    // SAFETY: reads what the caller says lies there, weights by words at multiples of 4, the rest at any address, and writes sums. r6 and r7, which
    // operands cannot name, are saved. Addresses of code on the stack have their lowest bit set, as loads into pc ask.
    unsafe {
        asm!(
            // What adr counts from, and the table, are multiples of 4.
            ".p2align 2",
            "push {{r6, r7}}",
            "ldm r0, {{r3, r4, r5, r8}}",
            "adr.w r9, 50f",
            code!("32", "r10"), "push {{r10}}",
            code!("28", "r10"), "push {{r10}}",
            code!("24", "r10"), "push {{r10}}",
            code!("20", "r10"), "push {{r10}}",
            code!("16", "r6"), "push {{r3, r4, r5, r6, r8}}",
            "mov r9, #0x0f0f0f0f",
            "b 4f",
            ".p2align 2",
            "50:",
            ".word 2f - 50b + 1, 20f - 50b + 1, 31f - 50b + 1, 32f - 50b + 1, 24f - 50b + 1, 25f - 50b + 1, 26f - 50b + 1, 28f - 50b + 1, 30f - 50b + 1, 27f - 50b + 1, 33f - 50b + 1",
            // A second row begins with its two.
            "24:",
            "lsls r4, r1, #31",
            "bcc 23f",
            two!(),
            "add r3, r3, #(16 * (2 / {n}))",
            "23:",
            "ldr pc, [sp, #24]",
            "20:",
            sixteen!("0"),
            "21:",
            sixteen!("16"),
            "22:",
            sixteen!("32"),
            "add r3, r3, #(16 * 48 / {n})",
            // A second row, whose sixteens begin behind its two, ends above the first one's end.
            "cmp r3, lr",
            "blo 20b",
            "ldr pc, [sp, #20]",
            "25:",
            eight!(),
            "add r3, r3, #(16 * 8 / {n})",
            "ldr pc, [sp, #28]",
            "26:",
            four!(),
            "ldr pc, [sp, #32]",
            // Sixteens that the first turn leaves out.
            "31:",
            "sub r3, r3, #(16 * 16 / {n})",
            "b 21b",
            "32:",
            "sub r3, r3, #(16 * 32 / {n})",
            "b 22b",
            "30:",
            "add r3, r3, #(16 * (4 / {n}))",
            "28:",
            "ldr r4, [sp, #16]",
            "lsls r4, r4, #30",
            "bcs 2f",
            two!(),
            // The sum is written; the next row's begins at its bias.
            "2:",
            "ldm sp, {{r3, r4, r5, r6, r8}}",
            "str r0, [r8], #4",
            "cmp r8, r4",
            "beq 9f",
            "str r8, [sp, #16]",
            "4:",
            "ldr r0, [r8, r5]",
            "bx r6",
            // Of a pair the first row ends with its two, and the second one begins.
            "27:",
            two!(),
            "ldm sp, {{r3, r4, r5, r6, r8, r10, r11}}",
            "str r0, [r8], #4",
            "cmp r8, r4",
            "beq 9f",
            "strd r8, r11, [sp, #16]",
            "ldr r0, [r8, r5]",
            two!(),
            "add r3, r3, #(16 * (2 / {n}))",
            "bx r6",
            "33:",
            "ldm sp, {{r3, r4, r5, r6, r8, r10, r11, r12}}",
            "str r0, [r8], #4",
            "cmp r8, r4",
            "beq 9f",
            "strd r8, r12, [sp, #16]",
            "ldr r0, [r8, r5]",
            "bx r6",
            "9:",
            "add sp, sp, #36",
            "pop {{r6, r7}}",
            n = const N,
            inout("r0") rows => _, inout("r1") at.weights, inout("r2") at.positions, out("r3") _,
            out("r4") _, out("r5") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, inout("lr") at.x_end,
        );
    }
}
