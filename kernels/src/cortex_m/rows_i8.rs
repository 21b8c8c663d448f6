//! int8 rows of constant or any in-degree with the DSP extension.
//!
//! ```text
//! for each row:
//!     sum = bias
//!     for each 4 edges:
//!         x[i], one by one             4 ldrsb; two-byte indices: 4 ldrh in front; one-byte distances: ldr and 4 uxtab
//!         w → (w0, w2), (w1, w3)       ldr, 2 sxtb16
//!         sum += products              2 smlabb, 2 smlabt
//!     for each edge that is over: the same alone
//! ```
//!
//! 15 instructions for 4 edges (16 of distances), 2 a turn of 16 edges, and 12 a row.

use core::arch::asm;
use core::mem::MaybeUninit;
use core::slice;

use super::outputs::{MOST_AT_ONCE, Outputs};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};

/// `rows8_i8_1x4`
pub static ROWS8: Kernel = Kernel::new_i8("rows8_i8_1x4", Isa::Dsp, Accepts::Rows(IndexWidth::Delta8), rows::<true>);
/// `rows16_i8_1x4`
pub static ROWS16: Kernel =
    Kernel::new_i8("rows16_i8_1x4", Isa::Dsp, Accepts::Rows(IndexWidth::Absolute16), rows::<false>);
/// `csr8_i8_1x4`
pub static CSR8: Kernel = Kernel::new_i8("csr8_i8_1x4", Isa::Dsp, Accepts::Csr(IndexWidth::Delta8), rows::<true>);
/// `csr16_i8_1x4`
pub static CSR16: Kernel =
    Kernel::new_i8("csr16_i8_1x4", Isa::Dsp, Accepts::Csr(IndexWidth::Absolute16), rows::<false>);

/// Where the next edges are, and how many a row has.
struct Rows {
    weights: *const u8,
    /// A byte or two an edge.
    index: *const u8,
    x: *const i8,
    in_degree: usize,
}

/// # Safety
/// As for every kernel (`RunI8`); packing rows or csr, with one-byte distances where `DELTA`, else with two-byte inputs.
unsafe fn rows<const DELTA: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => usize::from(in_degree),
        _ => 0,
    };
    let mut counts = j.counts().iter();
    let mut at =
        Rows { weights: j.weights_i8().as_ptr(), index: j.index8().as_ptr(), x: x.as_ptr(), in_degree: constant };
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut first = 0;
    while first < n_out {
        let rows = (n_out - first).min(MOST_AT_ONCE);
        let mut sums = [const { MaybeUninit::<i32>::uninit() }; MOST_AT_ONCE];
        let begin = sums.as_mut_ptr().cast::<i32>();
        // SAFETY: Junction::new_i8 proved a count for each row of CSR, one weight and one index entry for each edge of each row, and
        // that inputs are below n_in, which is x's length; the rows are below n_out, and their sums, all written, at most MOST_AT_ONCE.
        unsafe {
            let bias = outputs.biases(first);
            // Rows of CSR one by one.
            let step = if constant > 0 { rows } else { 1 };
            let mut r = 0;
            while r < rows {
                if let Some(count) = counts.next() {
                    at.in_degree = usize::from(u16::from_le_bytes(*count));
                }
                sum_rows::<DELTA>(&mut at, begin.add(r), step, bias.add(r));
                r += step;
            }
            outputs.write(first, slice::from_raw_parts(begin, rows));
        }
        first += rows;
    }
}

/// The next rows' sums of bias and products; `$four` and `$one` are what adds those of so many edges, `$first_input` what goes back to it. Rows enter
/// the turn of sixteen edges where its rest brings them to the end of it.
macro_rules! sum_rows {
    ($first_input:literal, $four:ident, $one:ident, $at:ident, $sums:ident, $end:expr, $bias:expr) => {
        asm!(
            // What adr counts from is a multiple of 4.
            ".p2align 2",
            "push {{r6, r7}}",
            "push {{r3, r4, r8, r9}}",
            "mov r6, r0",
            "mov r7, r5",
            "lsrs r8, r5, #2",
            "adr.w lr, 9f",
            "beq 2f",
            "adr.w lr, 5f",
            "ands r8, r8, #3",
            "beq 2f",
            "adr.w lr, 8f",
            "cmp r8, #2",
            "blo 2f",
            "adr.w lr, 7f",
            "beq 2f",
            "adr.w lr, 6f",
            // A row: its sum begins at the bias, which lies at the sum's own distance from the sums.
            "2:",
            "ldr r0, [sp, #8]",
            $first_input,
            "ldr r0, [r6, r0]",
            "bic r4, r7, #3",
            "add r4, r4, r1",
            "mov pc, lr",
            "5:",
            $four!(),
            "6:",
            $four!(),
            "7:",
            $four!(),
            "8:",
            $four!(),
            "cmp r1, r4",
            "bne 5b",
            "9:",
            "ands r4, r7, #3",
            "beq 4f",
            "3:",
            $one!(),
            "subs r4, r4, #1",
            "bne 3b",
            "4:",
            "ldr r4, [sp, #4]",
            "str r0, [r6], #4",
            "cmp r6, r4",
            "bne 2b",
            "add sp, sp, #16",
            "pop {{r6, r7}}",
            inout("r0") $sums => _, inout("r1") $at.weights, inout("r2") $at.index, inout("r3") $at.x => _,
            inout("r4") $end => _, inout("r5") $at.in_degree => _, inout("r8") $bias => _,
            out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// # Safety
/// `rows` is above 0, and there are as many more rows of `at.in_degree` edges each, whose inputs are those of `at.x`; as many sums can be written
/// and biases read, at any address.
#[inline(always)]
unsafe fn sum_rows<const DELTA: bool>(at: &mut Rows, sums: *mut i32, rows: usize, bias: *const i32) {
    macro_rules! four_inputs {
        () => {
            "ldrh r8, [r2, #2]
             ldrh r9, [r2, #4]
             ldrh r10, [r2, #6]
             ldrh r5, [r2], #8
             ldr r11, [r1], #4
             ldrsb r5, [r3, r5]
             ldrsb r8, [r3, r8]
             ldrsb r9, [r3, r9]
             ldrsb r10, [r3, r10]
             sxtb16 r12, r11
             sxtb16 r11, r11, ror #8
             smlabb r0, r5, r12, r0
             smlabb r0, r8, r11, r0
             smlabt r0, r9, r12, r0
             smlabt r0, r10, r11, r0"
        };
    }
    macro_rules! one_input {
        () => {
            "ldrh r5, [r2], #2
             ldrsb r8, [r1], #1
             ldrsb r5, [r3, r5]
             smlabb r0, r5, r8, r0"
        };
    }
    macro_rules! four_distances {
        () => {
            "ldr r10, [r2], #4
             ldr r11, [r1], #4
             uxtab r5, r3, r10
             uxtab r8, r5, r10, ror #8
             uxtab r9, r8, r10, ror #16
             uxtab r3, r9, r10, ror #24
             ldrsb r5, [r5]
             ldrsb r8, [r8]
             ldrsb r9, [r9]
             ldrsb r10, [r3]
             sxtb16 r12, r11
             sxtb16 r11, r11, ror #8
             smlabb r0, r5, r12, r0
             smlabb r0, r8, r11, r0
             smlabt r0, r9, r12, r0
             smlabt r0, r10, r11, r0"
        };
    }
    macro_rules! one_distance {
        () => {
            "ldrb r5, [r2], #1
             ldrsb r8, [r1], #1
             add r3, r3, r5
             ldrsb r5, [r3]
             smlabb r0, r5, r8, r0"
        };
    }
    let end = sums.wrapping_add(rows);
    let bias = bias.addr().wrapping_sub(sums.addr());
    // SAFETY: reads the rows' weights, indices and the inputs they say, and biases, at any address, and writes the sums. r6 and r7, which
    // operands cannot name, are saved.
    unsafe {
        if DELTA {
            sum_rows!("ldr r3, [sp]", four_distances, one_distance, at, sums, end, bias);
        } else {
            sum_rows!("", four_inputs, one_input, at, sums, end, bias);
        }
    }
}
