//! int8 N:16 with the DSP extension.
//!
//! ```text
//! for each row, for each 8 edges, which are 8/N pages:
//!     word of positions → even ones, odd ones      ldr, 2 and
//!     x[page + position], one by one               8 uxtab, 8 ldrsb; the page within the word is the load's offset
//!     8 weights, 8 products                        2 ldr, 4 sxtb16, 4 smlabb, 4 smlabt
//!     next pages                                   add
//! ```
//!
//! 34 instructions for 8 edges, and 2 a turn of 16. Edges beyond a multiple of 8, which the ragged last page is among, are summed one by one.
//! Rows whose weights can be read by multiples of 4 have a loop of their own.

mod aligned;

use core::arch::asm;
use core::ops::Range;

use super::outputs::{AT_ONCE, Outputs};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunI8};
use crate::packing::NMRow;

const fn kernel(name: &'static str, n: u8, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::Dsp, Accepts::NM { n, m: 16 }, run)
}

// One each: a program holds those alone that its model needs, and each has ten kilobytes.

/// `nm1of16_i8_1x8`
pub static NM_1: Kernel = kernel("nm1of16_i8_1x8", 1, nm::<1>);
/// `nm2of16_i8_1x8`
pub static NM_2: Kernel = kernel("nm2of16_i8_1x8", 2, nm::<2>);
/// `nm4of16_i8_1x8`
pub static NM_4: Kernel = kernel("nm4of16_i8_1x8", 4, nm::<4>);
/// `nm8of16_i8_1x8`
pub static NM_8: Kernel = kernel("nm8of16_i8_1x8", 8, nm::<8>);

/// # Safety
/// As for every kernel (`RunI8`); packing N:16.
unsafe fn nm<const N: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    // SAFETY: the caller's, the same; what `aligned` asks for was looked at.
    unsafe {
        if aligned::fits::<N>(j) {
            aligned::rows::<N>(j, x, y);
        } else {
            pages_of_16::<N>(j, x, y);
        }
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing N:16.
unsafe fn pages_of_16<const N: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let row = NMRow::new(j.n_in(), N, 16);
    // Eights whose pages are whole.
    let eights = row.whole_pages * N / 8;
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut rows =
        j.weights_i8().chunks_exact(row.in_degree.max(1)).zip(j.index8().chunks_exact(row.position_bytes.max(1)));
    let mut first = 0;
    while first < n_out {
        let now = (n_out - first).min(AT_ONCE);
        let mut sums = [0; AT_ONCE];
        for ((r, sum), (weights, positions)) in sums.iter_mut().enumerate().take(now).zip(rows.by_ref()) {
            // SAFETY: a row below n_out.
            *sum = unsafe { outputs.bias(first + r) };
            // SAFETY: Junction::new_i8 proved that every position lies within its page and its page within n_in, x's length; `eights`
            // words of positions, twice as many of weights and the pages they are of lie inside the row.
            unsafe {
                if eights > 0 {
                    eight_by_eight::<N>(sum, weights.as_ptr(), positions.as_ptr(), x.as_ptr(), eights);
                }
                *sum += rest::<N>(weights.as_ptr(), positions.as_ptr(), x.as_ptr(), 8 * eights..row.in_degree);
            }
        }
        // SAFETY: rows first to first + now - 1 are below n_out.
        unsafe { outputs.write(first, sums.get_unchecked(..now)) };
        first += now;
    }
}

/// The products of edges that no eight has: those of the last whole pages, and the ragged page's, whose number is a page above theirs.
///
/// # Safety
/// They are edges of the row whose weights and positions begin there, the first one's number is a multiple of 8; their inputs are those of `x`.
#[inline(always)]
unsafe fn rest<const N: usize>(weights: *const u8, positions: *const u8, x: *const i8, edges: Range<usize>) -> i32 {
    let mut sum = 0;
    // SAFETY: the caller's.
    unsafe {
        let mut page = x.add(edges.start / N * 16);
        let mut byte = 0;
        for k in edges {
            byte = if k % 2 == 0 { *positions.add(k / 2) } else { byte >> 4 };
            sum += i32::from(*weights.add(k) as i8) * i32::from(*page.add(usize::from(byte & 15)));
            if k % N == N - 1 {
                page = page.add(16);
            }
        }
    }
    sum
}

/// # Safety
/// `eights` is above 0; there lie as many words of positions, twice as many of weights, and 128/N inputs for each.
#[inline(always)]
unsafe fn eight_by_eight<const N: usize>(
    sum: &mut i32,
    weights: *const u8,
    positions: *const u8,
    x: *const i8,
    eights: usize,
) {
    macro_rules! eight {
        () => {
            "ldr r8, [r2], #4
             and r5, r9, r8
             and r8, r9, r8, lsr #4
             ldr r10, [r1], #4
             uxtab r11, r3, r5
             ldrsb r11, [r11, #{p0}]
             sxtb16 r12, r10
             smlabb r0, r11, r12, r0
             uxtab r11, r3, r8
             ldrsb r11, [r11, #{p1}]
             sxtb16 r10, r10, ror #8
             smlabb r0, r11, r10, r0
             uxtab r11, r3, r5, ror #8
             ldrsb r11, [r11, #{p2}]
             smlabt r0, r11, r12, r0
             uxtab r11, r3, r8, ror #8
             ldrsb r11, [r11, #{p3}]
             smlabt r0, r11, r10, r0
             ldr r10, [r1], #4
             uxtab r11, r3, r5, ror #16
             ldrsb r11, [r11, #{p4}]
             sxtb16 r12, r10
             smlabb r0, r11, r12, r0
             uxtab r11, r3, r8, ror #16
             ldrsb r11, [r11, #{p5}]
             sxtb16 r10, r10, ror #8
             smlabb r0, r11, r10, r0
             uxtab r11, r3, r5, ror #24
             ldrsb r11, [r11, #{p6}]
             smlabt r0, r11, r12, r0
             uxtab r11, r3, r8, ror #24
             ldrsb r11, [r11, #{p7}]
             smlabt r0, r11, r10, r0
             add r3, r3, #{pages}"
        };
    }
    // SAFETY: reads what the caller says lies there, at any address.
    unsafe {
        asm!(
            "tst r4, #1",
            "add r4, r2, r4, lsl #2",
            "beq 2f",
            eight!(),
            "cmp r2, r4",
            "beq 3f",
            "2:",
            eight!(),
            eight!(),
            "cmp r2, r4",
            "bne 2b",
            "3:",
            p0 = const 0,
            p1 = const 16 * (1 / N),
            p2 = const 16 * (2 / N),
            p3 = const 16 * (3 / N),
            p4 = const 16 * (4 / N),
            p5 = const 16 * (5 / N),
            p6 = const 16 * (6 / N),
            p7 = const 16 * (7 / N),
            pages = const 128 / N,
            inout("r0") *sum, inout("r1") weights => _, inout("r2") positions => _, inout("r3") x => _, inout("r4") eights => _,
            in("r9") 0x0f0f_0f0fu32,
            out("r5") _, out("r8") _, out("r10") _, out("r11") _, out("r12") _,
            options(readonly, nostack),
        );
    }
}
