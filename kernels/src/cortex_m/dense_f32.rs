//! Dense f32 with the floating-point unit.
//!
//! ```text
//! for each 4 rows, for each 8 inputs:     39 instructions for 32 products
//!     x                                   vldmia, shared by the rows
//!     for each row: w; sum += w · x       vldmia, 8 vfma
//! ```
//!
//! Rows beyond a multiple of four are computed by a tile that ends with the last row and repeats some of the one before.

use core::arch::asm;

use crate::bytes::as_f32;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::portable;

/// `dense_f32_4x8`
pub static DENSE: Kernel = Kernel::new("dense_f32_4x8", Isa::Fpu, Accepts::Dense, dense);

/// # Safety
/// As for every kernel (`RunF32`); packing dense.
unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let (n_in, n_out) = (j.n_in(), j.n_out());
    let Some(weights) = as_f32(j.parts().weights) else {
        // SAFETY: the caller's, the same.
        return unsafe { portable::dense(j, x, y) };
    };
    if n_out < 4 {
        // SAFETY: the caller's, the same.
        return unsafe { portable::dense(j, x, y) };
    }
    let mut o = 0;
    loop {
        // SAFETY: rows o to o + 3 are below n_out; dense has n_in weights a row (Junction::new), x has n_in values, y n_out.
        unsafe {
            let sums = four_rows(j, o, weights.as_ptr().add(o * n_in), x);
            *y.as_mut_ptr().add(o).cast::<[f32; 4]>() = sums;
        }
        if o + 4 == n_out {
            break;
        }
        o = (o + 4).min(n_out - 4);
    }
    j.activation().apply(y);
}

/// # Safety
/// `4 · x.len()` weights lie at `weights`.
#[inline(always)]
unsafe fn four_rows(j: &Junction<'_>, o: usize, weights: *const f32, x: &[f32]) -> [f32; 4] {
    let n_in = x.len();
    let whole = n_in & !7;
    let mut sums = [0, 1, 2, 3].map(|r| j.bias(o + r));
    // SAFETY: the caller's: rows inside the weights.
    let rows = unsafe { [weights, weights.add(n_in), weights.add(2 * n_in), weights.add(3 * n_in)] };
    if whole > 0 {
        // SAFETY: reads `whole` values of each row and of x, eight at a time, at multiples of 4, and reads and writes the sums.
        unsafe {
            asm!(
                "vldm {sums}, {{s16-s19}}",
                "2:",
                "vldmia {x}!, {{s0-s7}}",
                "vldmia {r0}!, {{s8-s15}}",
                "vfma.f32 s16, s0, s8", "vfma.f32 s16, s1, s9", "vfma.f32 s16, s2, s10", "vfma.f32 s16, s3, s11",
                "vfma.f32 s16, s4, s12", "vfma.f32 s16, s5, s13", "vfma.f32 s16, s6, s14", "vfma.f32 s16, s7, s15",
                "vldmia {r1}!, {{s8-s15}}",
                "vfma.f32 s17, s0, s8", "vfma.f32 s17, s1, s9", "vfma.f32 s17, s2, s10", "vfma.f32 s17, s3, s11",
                "vfma.f32 s17, s4, s12", "vfma.f32 s17, s5, s13", "vfma.f32 s17, s6, s14", "vfma.f32 s17, s7, s15",
                "vldmia {r2}!, {{s8-s15}}",
                "vfma.f32 s18, s0, s8", "vfma.f32 s18, s1, s9", "vfma.f32 s18, s2, s10", "vfma.f32 s18, s3, s11",
                "vfma.f32 s18, s4, s12", "vfma.f32 s18, s5, s13", "vfma.f32 s18, s6, s14", "vfma.f32 s18, s7, s15",
                "vldmia {r3}!, {{s8-s15}}",
                "vfma.f32 s19, s0, s8", "vfma.f32 s19, s1, s9", "vfma.f32 s19, s2, s10", "vfma.f32 s19, s3, s11",
                "vfma.f32 s19, s4, s12", "vfma.f32 s19, s5, s13", "vfma.f32 s19, s6, s14", "vfma.f32 s19, s7, s15",
                "cmp {x}, {end}",
                "bne 2b",
                "vstm {sums}, {{s16-s19}}",
                x = inout(reg) x.as_ptr() => _, end = in(reg) x.as_ptr().add(whole),
                r0 = inout(reg) rows[0] => _, r1 = inout(reg) rows[1] => _, r2 = inout(reg) rows[2] => _, r3 = inout(reg) rows[3] => _,
                sums = in(reg) sums.as_mut_ptr(),
                out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
                out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _,
                out("s16") _, out("s17") _, out("s18") _, out("s19") _,
                options(nostack),
            );
        }
    }
    for (i, x) in x.iter().enumerate().skip(whole) {
        // SAFETY: i is below n_in.
        let weights = rows.map(|row| unsafe { *row.add(i) });
        for (sum, w) in sums.iter_mut().zip(weights) {
            *sum += w * x;
        }
    }
    sums
}
