//! int8 rows of constant or any in-degree with the DSP extension.
//!
//! ```text
//! for each row, for each 4 edges:
//!     x[i], one by one             4 ldrsb; two-byte indices: 4 ldrh in front; one-byte distances: ldr and 4 uxtab
//!     w → (w0, w2), (w1, w3)       ldr, 2 sxtb16
//!     sum += products              2 smlabb, 2 smlabt
//! ```
//!
//! 15 instructions for 4 edges (16 of distances), and 2 a turn of 16 edges.

use core::arch::asm;

use super::outputs::{AT_ONCE, Outputs};
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

/// Where the next edges are.
struct Edges {
    weights: *const u8,
    /// A byte or two an edge.
    index: *const u8,
    /// The first input, or, of distances, the one of the edge before.
    x: *const i8,
}

/// # Safety
/// As for every kernel (`RunI8`); packing rows or csr, with one-byte distances where `DELTA`, else with two-byte inputs.
unsafe fn rows<const DELTA: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => in_degree,
        _ => 0,
    };
    let mut counts = j.counts().as_ptr();
    let mut edges = Edges { weights: j.weights_i8().as_ptr(), index: j.index8().as_ptr(), x: x.as_ptr() };
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut first = 0;
    while first < n_out {
        let rows = (n_out - first).min(AT_ONCE);
        let mut sums = [0; AT_ONCE];
        // SAFETY: Junction::new_i8 proved a count for each row of CSR, one weight and one index entry for each edge of each row, and
        // that inputs are below n_in, which is x's length; the rows are below n_out.
        unsafe {
            let sums = sums.get_unchecked_mut(..rows);
            for sum in sums.iter_mut() {
                let mut in_degree = usize::from(constant);
                if constant == 0 {
                    in_degree = usize::from(u16::from_le_bytes(*counts));
                    counts = counts.add(1);
                }
                edges.x = x.as_ptr();
                *sum = row::<DELTA>(&mut edges, in_degree);
            }
            outputs.write(first, sums);
        }
        first += rows;
    }
}

/// The sum of the next row.
///
/// # Safety
/// There are `in_degree` more edges, whose inputs are those of `edges.x`, which is the first one.
#[inline(always)]
unsafe fn row<const DELTA: bool>(edges: &mut Edges, in_degree: usize) -> i32 {
    let mut sum = 0;
    let whole = in_degree & !3;
    // SAFETY: the caller's.
    unsafe {
        if whole != 0 {
            if DELTA {
                fours_by_distance(&mut sum, edges, whole);
            } else {
                fours_by_input(&mut sum, edges, whole);
            }
        }
        for _ in 0..in_degree & 3 {
            let x = if DELTA {
                edges.x = edges.x.add(usize::from(*edges.index));
                *edges.x
            } else {
                *edges.x.add(usize::from(u16::from_le_bytes(*edges.index.cast::<[u8; 2]>())))
            };
            sum += i32::from(*edges.weights as i8) * i32::from(x);
            edges.index = edges.index.add(if DELTA { 1 } else { 2 });
            edges.weights = edges.weights.add(1);
        }
    }
    sum
}

/// `$four` for every four of `$n` edges: what is over sixteens first, then sixteen at a time. `$x` is the operand in r3.
macro_rules! each_four {
    ($four:ident, $sum:expr, $edges:ident, $n:ident, $($x:tt)+) => {
        asm!(
            "ands lr, r4, #12",
            "beq 3f",
            "bic r4, r4, #12",
            "2:",
            $four!(),
            "subs lr, lr, #4",
            "bne 2b",
            "cmp r4, #0",
            "beq 4f",
            "3:",
            "add r4, r1, r4",
            "5:",
            $four!(),
            $four!(),
            $four!(),
            $four!(),
            "cmp r1, r4",
            "bne 5b",
            "4:",
            inout("r0") $sum, inout("r1") $edges.weights, inout("r2") $edges.index, $($x)+, inout("r4") $n => _,
            out("r5") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            options(readonly, nostack),
        )
    };
}

/// # Safety
/// `n` is a multiple of 4 above 0; there are `n` more edges, whose inputs are those of `edges.x`.
#[inline(always)]
unsafe fn fours_by_input(sum: &mut i32, edges: &mut Edges, n: usize) {
    macro_rules! four {
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
    // SAFETY: reads n weights, n indices and the inputs they say, as the caller allows, at any address.
    unsafe { each_four!(four, *sum, edges, n, in("r3") edges.x) };
}

/// # Safety
/// As [`fours_by_input`]; `edges.x` is the input of the edge before.
#[inline(always)]
unsafe fn fours_by_distance(sum: &mut i32, edges: &mut Edges, n: usize) {
    macro_rules! four {
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
    // SAFETY: as in `fours_by_input`.
    unsafe { each_four!(four, *sum, edges, n, inout("r3") edges.x) };
}
