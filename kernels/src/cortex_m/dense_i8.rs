//! Dense int8 with the DSP extension.
//!
//! ```text
//! for each 4 rows:
//!     for each 4 inputs:                     24 instructions for 16 products, 1.5 each
//!         x → (x0, x2), (x1, x3)             ldr, 2 sxtb16, shared by the rows
//!         for each row:
//!             w → (w0, w2), (w1, w3)         ldr, 2 sxtb16
//!             sum += both products           2 smlad
//! ```
//!
//! Two rows beyond a multiple of four share their inputs as well, 13 instructions for 8 products; an odd one stands alone.

use core::arch::asm;
use core::mem::MaybeUninit;
use core::slice;

use super::outputs::{AT_ONCE, Outputs, even_bytes, odd_bytes, smlad};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};

/// `dense_i8_4x4`
pub static DENSE: Kernel = Kernel::new_i8("dense_i8_4x4", Isa::Dsp, Accepts::Dense, dense);

/// # Safety
/// As for every kernel (`RunI8`); packing dense.
unsafe fn dense(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let (n_in, n_out) = (j.n_in(), j.n_out());
    let weights = j.weights_i8().as_ptr();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut first = 0;
    while first < n_out {
        let rows = (n_out - first).min(AT_ONCE);
        let mut sums = [const { MaybeUninit::<i32>::uninit() }; AT_ONCE];
        let begin = sums.as_mut_ptr().cast::<i32>();
        // SAFETY: rows first to first + rows - 1 are below n_out; dense has n_in weights a row (Junction::new_i8), and x has n_in
        // values. Every row's sum is written.
        unsafe {
            outputs.copy_biases(first, begin, rows);
            let (mut sum, mut weights) = (begin, weights.add(first * n_in));
            for _ in 0..rows / 4 {
                tile::<4>(sum.cast(), weights, x);
                (sum, weights) = (sum.add(4), weights.add(4 * n_in));
            }
            if rows & 2 > 0 {
                tile::<2>(sum.cast(), weights, x);
                (sum, weights) = (sum.add(2), weights.add(2 * n_in));
            }
            if rows & 1 > 0 {
                *sum += row(weights, x);
            }
            outputs.write(first, slice::from_raw_parts(begin, rows));
        }
        first += rows;
    }
}

/// Adds the products of R rows to their sums; R is 4 or 2.
///
/// # Safety
/// `R · x.len()` weights lie there.
#[inline(always)]
unsafe fn tile<const R: usize>(sums: *mut [i32; R], weights: *const u8, x: &[i8]) {
    const { assert!(R == 4 || R == 2) };
    let n_in = x.len();
    let whole = n_in & !3;
    // SAFETY: the caller's. `whole` is a multiple of 4, and at most x.len(): so much of the rows is read, and of x, and then the rest of both.
    unsafe {
        if whole > 0 {
            if R == 4 {
                four_rows(sums.cast(), weights, x.as_ptr(), n_in, whole);
            } else {
                two_rows(sums.cast(), weights, x.as_ptr(), n_in, whole);
            }
        }
        for i in whole..n_in {
            for (r, sum) in (*sums).iter_mut().enumerate() {
                *sum += i32::from(*weights.add(r * n_in + i) as i8) * i32::from(*x.get_unchecked(i));
            }
        }
    }
}

/// # Safety
/// `whole` is a multiple of 4 above 0; rows of `stride ≥ whole` weights begin at `weights`, four of them; `x` has `whole` values. Four sums lie at
/// `sums`.
#[inline(always)]
unsafe fn four_rows(sums: *mut i32, weights: *const u8, x: *const i8, stride: usize, whole: usize) {
    macro_rules! group {
        () => {
            "ldr r9, [r5], #4
             sxtb16 r10, r9, ror #8
             sxtb16 r9, r9
             ldr r11, [r4, r8]
             sxtb16 r12, r11
             smlad r1, r12, r9, r1
             sxtb16 r11, r11, ror #8
             smlad r1, r11, r10, r1
             ldr r11, [r4, r8, lsl #1]
             sxtb16 r12, r11
             smlad r2, r12, r9, r2
             sxtb16 r11, r11, ror #8
             smlad r2, r11, r10, r2
             ldr r11, [r4, r6]
             sxtb16 r12, r11
             smlad r3, r12, r9, r3
             sxtb16 r11, r11, ror #8
             smlad r3, r11, r10, r3
             ldr r11, [r4], #4
             sxtb16 r12, r11
             smlad r0, r12, r9, r0
             sxtb16 r11, r11, ror #8
             smlad r0, r11, r10, r0"
        };
    }
    // SAFETY: reads what the caller says may be read: row r of group g at weights + r·stride + 4g, by words at any address; reads and writes the
    // sums. r6, which an operand cannot name, is saved and holds 3 · stride; lr holds the end of x.
    unsafe {
        asm!(
            "push {{r6}}",
            "push {{r0}}",
            "ldm r0, {{r0, r1, r2, r3}}",
            "add r6, r8, r8, lsl #1",
            "tst lr, #4",
            "add lr, lr, r5",
            "beq 2f",
            group!(),
            "cmp r5, lr",
            "beq 3f",
            "2:",
            group!(),
            group!(),
            "cmp r5, lr",
            "bne 2b",
            "3:",
            "pop {{r12}}",
            "stm r12, {{r0, r1, r2, r3}}",
            "pop {{r6}}",
            inout("r0") sums => _, out("r1") _, out("r2") _, out("r3") _,
            inout("r4") weights => _, inout("r5") x => _, in("r8") stride, inout("lr") whole => _,
            out("r9") _, out("r10") _, out("r11") _, out("r12") _,
        );
    }
}

/// # Safety
/// As [`four_rows`], of two.
#[inline(always)]
unsafe fn two_rows(sums: *mut i32, weights: *const u8, x: *const i8, stride: usize, whole: usize) {
    // SAFETY: as in `four_rows`.
    unsafe {
        asm!(
            "ldm r0, {{r1, r2}}",
            "2:",
            "ldr r9, [r5], #4",
            "sxtb16 r10, r9, ror #8",
            "sxtb16 r9, r9",
            "ldr r11, [r4, r8]",
            "sxtb16 r12, r11",
            "smlad r2, r12, r9, r2",
            "sxtb16 r11, r11, ror #8",
            "smlad r2, r11, r10, r2",
            "ldr r11, [r4], #4",
            "sxtb16 r12, r11",
            "smlad r1, r12, r9, r1",
            "sxtb16 r11, r11, ror #8",
            "smlad r1, r11, r10, r1",
            "cmp r5, lr",
            "bne 2b",
            "stm r0, {{r1, r2}}",
            in("r0") sums, out("r1") _, out("r2") _,
            inout("r4") weights => _, inout("r5") x => _, in("r8") stride, in("lr") x.add(whole),
            out("r9") _, out("r10") _, out("r11") _, out("r12") _,
            options(nostack),
        );
    }
}

/// The sum of one row.
///
/// # Safety
/// `x.len()` weights lie at `weights`.
unsafe fn row(weights: *const u8, x: &[i8]) -> i32 {
    let mut sum = 0;
    let (groups, rest) = x.as_chunks::<4>();
    for (g, x) in groups.iter().enumerate() {
        let x = u32::from_le_bytes(x.map(|x| x as u8));
        // SAFETY: group g lies inside the row.
        let w = u32::from_le(unsafe { weights.add(4 * g).cast::<u32>().read_unaligned() });
        sum = smlad(even_bytes(w), even_bytes(x), sum);
        sum = smlad(odd_bytes(w), odd_bytes(x), sum);
    }
    for (i, x) in (groups.len() * 4..).zip(rest) {
        // SAFETY: i is below x.len().
        sum += unsafe { i32::from(*weights.add(i) as i8) } * i32::from(*x);
    }
    sum
}
