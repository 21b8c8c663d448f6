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
//! Rows beyond a multiple of four are computed by a tile that ends with the last row and repeats some of the one before.

use core::arch::asm;

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
        // The whole tiles, and one that ends with the last row.
        let mut sums = [0; AT_ONCE];
        let mut r = 0;
        // SAFETY: rows first to first + rows - 1 are below n_out; dense has n_in weights a row (Junction::new_i8), and x has n_in
        // values. A tile begins at most four rows before the last one's end.
        unsafe {
            while r + 4 <= rows {
                let bias = [0, 1, 2, 3].map(|k| outputs.bias(first + r + k));
                *sums.as_mut_ptr().add(r).cast() = tile(bias, weights.add((first + r) * n_in), x);
                r += 4;
            }
            if r < rows && n_out >= 4 {
                let bias = [4, 3, 2, 1].map(|k| outputs.bias(n_out - k));
                let last = tile(bias, weights.add((n_out - 4) * n_in), x);
                // The rows before the tile's own are there already.
                for (sum, row) in last.into_iter().zip(n_out - 4..).filter(|(_, row)| *row >= first + r) {
                    *sums.get_unchecked_mut(row - first) = sum;
                }
            } else {
                for (r, sum) in sums.iter_mut().enumerate().take(rows).skip(r) {
                    *sum = outputs.bias(first + r) + row(weights.add((first + r) * n_in), x);
                }
            }
            outputs.write(first, sums.get_unchecked(..rows));
        }
        first += rows;
    }
}

/// The sums of four rows, whose weights begin at `weights`, and of `sums`.
///
/// # Safety
/// `4 · x.len()` weights lie there.
#[inline(always)]
unsafe fn tile(mut sums: [i32; 4], weights: *const u8, x: &[i8]) -> [i32; 4] {
    let n_in = x.len();
    let whole = n_in & !3;
    if whole > 0 {
        // SAFETY: `whole` is a multiple of 4, not 0 and at most x.len(); four rows of it are read, and x.
        unsafe { four_rows(&mut sums, weights, x.as_ptr(), n_in, whole) };
    }
    for i in whole..n_in {
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: i is below n_in, row r is one of the four.
            *sum += unsafe { i32::from(*weights.add(r * n_in + i) as i8) * i32::from(*x.get_unchecked(i)) };
        }
    }
    sums
}

/// # Safety
/// `whole` is a multiple of 4 above 0; rows of `stride ≥ whole` weights begin at `weights`, four of them; `x` has `whole` values.
#[inline(never)]
unsafe fn four_rows(sums: &mut [i32; 4], weights: *const u8, x: *const i8, stride: usize, whole: usize) {
    let [mut s0, mut s1, mut s2, mut s3] = *sums;
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
    // SAFETY: reads what the caller says may be read: row r of group g at weights + r·stride + 4g, by words at any address. r6,
    // which an operand cannot name, is saved and holds 3 · stride; lr holds the end of x.
    unsafe {
        asm!(
            "push {{r6}}",
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
            "pop {{r6}}",
            inout("r0") s0, inout("r1") s1, inout("r2") s2, inout("r3") s3,
            inout("r4") weights => _, inout("r5") x => _, in("r8") stride, inout("lr") whole => _,
            out("r9") _, out("r10") _, out("r11") _, out("r12") _,
        );
    }
    *sums = [s0, s1, s2, s3];
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
