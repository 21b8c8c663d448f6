//! Dense f32 with the floating-point unit.
//!
//! ```text
//! for each 4 rows:
//!     for each 12 inputs:                     55 instructions for 48 products, 1.15 each
//!         x                                   vldmia, shared by the rows
//!         for each row: w; sum += w · x       vldmia, 12 vfma
//!     for each 4 that are over:               the same in 23
//!     for each that is over then:             the same in 11
//! ```
//!
//! Twelve are what registers hold of x and of weights beside the sums. Rows beyond a multiple of four are computed by a tile that ends with
//! the last row and repeats some of the one before; two or three rows alone by one that repeats the last.

use core::arch::asm;

use super::apply;
use crate::bytes::as_f32;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::portable;

/// `dense_f32_4x12`
pub static DENSE: Kernel = Kernel::new("dense_f32_4x12", Isa::Fpu, Accepts::Dense, dense);

/// # Safety
/// As for every kernel (`RunF32`); packing dense.
unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let (n_in, n_out) = (j.n_in(), j.n_out());
    let sections = as_f32(j.parts().weights).zip(as_f32(j.parts().bias)).filter(|_| n_out > 1);
    let Some((weights, bias)) = sections else {
        // SAFETY: the caller's, the same.
        return unsafe { portable::dense(j, x, y) };
    };
    // Of fewer rows than a tile has the last one is repeated, and what comes of them is put where there is room.
    let [r1, r2, r3] = [1, 2, 3].map(|r| r.min(n_out - 1) * n_in);
    let (mut few_biases, mut few_outputs) = ([0.0; 4], [0.0; 4]);
    if n_out < 4 {
        few_biases.iter_mut().zip(bias).for_each(|(few, bias)| *few = *bias);
    }
    let own_biases = n_out >= 4 && !bias.is_empty();
    let mut o = 0;
    loop {
        // SAFETY: rows o to o + 3, or to the last one, are below n_out; dense has n_in weights a row and a bias a row or none
        // (Junction::new), x has n_in values, y n_out.
        unsafe {
            let row = weights.as_ptr().add(o * n_in);
            let bias = if own_biases { bias.as_ptr().add(o) } else { few_biases.as_ptr() };
            let sums = if n_out >= 4 { y.as_mut_ptr().add(o) } else { few_outputs.as_mut_ptr() };
            four_rows(sums, bias, [row, row.add(r1), row.add(r2), row.add(r3)], x);
        }
        if o + 4 >= n_out {
            break;
        }
        o = (o + 4).min(n_out - 4);
    }
    if n_out < 4 {
        y.iter_mut().zip(few_outputs).for_each(|(y, few)| *y = few);
    }
    apply(j.activation(), y);
}

/// Four rows' sums of bias and products.
///
/// # Safety
/// `x.len()` weights lie at each of `rows`, four biases at `bias`, and four sums can be written, all at multiples of 4; `x` is not empty.
#[inline(always)]
unsafe fn four_rows(sums: *mut f32, bias: *const f32, [r0, r1, r2, r3]: [*const f32; 4], x: &[f32]) {
    // SAFETY: reads x.len() values of each row and of x, and biases, and writes sums, as the caller allows.
    unsafe {
        asm!(
            "vldm {bias}, {{s0-s3}}",
            "subs {n}, {n}, #12",
            "blt 3f",
            "2:",
            "vldmia {x}!, {{s4-s15}}",
            "vldmia {r0}!, {{s16-s27}}",
            "vfma.f32 s0, s4, s16", "vfma.f32 s0, s5, s17", "vfma.f32 s0, s6, s18", "vfma.f32 s0, s7, s19",
            "vfma.f32 s0, s8, s20", "vfma.f32 s0, s9, s21", "vfma.f32 s0, s10, s22", "vfma.f32 s0, s11, s23",
            "vfma.f32 s0, s12, s24", "vfma.f32 s0, s13, s25", "vfma.f32 s0, s14, s26", "vfma.f32 s0, s15, s27",
            "vldmia {r1}!, {{s16-s27}}",
            "vfma.f32 s1, s4, s16", "vfma.f32 s1, s5, s17", "vfma.f32 s1, s6, s18", "vfma.f32 s1, s7, s19",
            "vfma.f32 s1, s8, s20", "vfma.f32 s1, s9, s21", "vfma.f32 s1, s10, s22", "vfma.f32 s1, s11, s23",
            "vfma.f32 s1, s12, s24", "vfma.f32 s1, s13, s25", "vfma.f32 s1, s14, s26", "vfma.f32 s1, s15, s27",
            "vldmia {r2}!, {{s16-s27}}",
            "vfma.f32 s2, s4, s16", "vfma.f32 s2, s5, s17", "vfma.f32 s2, s6, s18", "vfma.f32 s2, s7, s19",
            "vfma.f32 s2, s8, s20", "vfma.f32 s2, s9, s21", "vfma.f32 s2, s10, s22", "vfma.f32 s2, s11, s23",
            "vfma.f32 s2, s12, s24", "vfma.f32 s2, s13, s25", "vfma.f32 s2, s14, s26", "vfma.f32 s2, s15, s27",
            "vldmia {r3}!, {{s16-s27}}",
            "vfma.f32 s3, s4, s16", "vfma.f32 s3, s5, s17", "vfma.f32 s3, s6, s18", "vfma.f32 s3, s7, s19",
            "vfma.f32 s3, s8, s20", "vfma.f32 s3, s9, s21", "vfma.f32 s3, s10, s22", "vfma.f32 s3, s11, s23",
            "vfma.f32 s3, s12, s24", "vfma.f32 s3, s13, s25", "vfma.f32 s3, s14, s26", "vfma.f32 s3, s15, s27",
            "subs {n}, {n}, #12",
            "bge 2b",
            "3:",
            "adds {n}, {n}, #8",
            "blt 5f",
            "4:",
            "vldmia {x}!, {{s4-s7}}",
            "vldmia {r0}!, {{s16-s19}}",
            "vfma.f32 s0, s4, s16", "vfma.f32 s0, s5, s17", "vfma.f32 s0, s6, s18", "vfma.f32 s0, s7, s19",
            "vldmia {r1}!, {{s16-s19}}",
            "vfma.f32 s1, s4, s16", "vfma.f32 s1, s5, s17", "vfma.f32 s1, s6, s18", "vfma.f32 s1, s7, s19",
            "vldmia {r2}!, {{s16-s19}}",
            "vfma.f32 s2, s4, s16", "vfma.f32 s2, s5, s17", "vfma.f32 s2, s6, s18", "vfma.f32 s2, s7, s19",
            "vldmia {r3}!, {{s16-s19}}",
            "vfma.f32 s3, s4, s16", "vfma.f32 s3, s5, s17", "vfma.f32 s3, s6, s18", "vfma.f32 s3, s7, s19",
            "subs {n}, {n}, #4",
            "bge 4b",
            "5:",
            "adds {n}, {n}, #4",
            "beq 7f",
            "6:",
            "vldmia {x}!, {{s4}}",
            "vldmia {r0}!, {{s16}}", "vfma.f32 s0, s4, s16",
            "vldmia {r1}!, {{s16}}", "vfma.f32 s1, s4, s16",
            "vldmia {r2}!, {{s16}}", "vfma.f32 s2, s4, s16",
            "vldmia {r3}!, {{s16}}", "vfma.f32 s3, s4, s16",
            "subs {n}, {n}, #1",
            "bne 6b",
            "7:",
            "vstm {sums}, {{s0-s3}}",
            x = inout(reg) x.as_ptr() => _, n = inout(reg) x.len() => _,
            r0 = inout(reg) r0 => _, r1 = inout(reg) r1 => _, r2 = inout(reg) r2 => _, r3 = inout(reg) r3 => _,
            sums = in(reg) sums, bias = in(reg) bias,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _,
            out("s16") _, out("s17") _, out("s18") _, out("s19") _, out("s20") _, out("s21") _, out("s22") _, out("s23") _,
            out("s24") _, out("s25") _, out("s26") _, out("s27") _,
            options(nostack),
        );
    }
}
