//! Rows of constant in-degree, and of any.
//!
//! Pseudo-code: for each row: for each 4 edges: xs = four inputs, one a lane; acc += weights · xs. y = act(b + sum of the lanes).
//!
//! Loads for 4 edges and 1 FMA: 1 of weights, 4 of `x`, 4 of the index, which distances also add up. That is 2.25 loads and 0.25
//! FMAs a nonzero, 1.1 cycles where two loads are done a cycle.
//!
//! Instructions a nonzero of 800×112, counted under QEMU: rows at 1/10 5.4 with distances and 4.9 with inputs, the scalar
//! reference's 9.2 and 8.3; CSR of rows of any length 5.1 and 4.6, 9.1 and 8.1 (dense: 0.68 a weight). Times are not measured: no
//! aarch64 machine is here.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunF32};
use crate::packing::{IndexWidth, Packing};

const fn kernel(name: &'static str, accepts: Accepts, run: RunF32) -> Kernel {
    Kernel::new(name, Isa::Neon, accepts, run)
}

/// `rows8_f32_1x4`
pub static ROWS8: Kernel = kernel("rows8_f32_1x4", Accepts::Rows(IndexWidth::Delta8), delta8);
/// `rows16_f32_1x4`
pub static ROWS16: Kernel = kernel("rows16_f32_1x4", Accepts::Rows(IndexWidth::Absolute16), absolute16);
/// `csr8_f32_1x4`
pub static CSR8: Kernel = kernel("csr8_f32_1x4", Accepts::Csr(IndexWidth::Delta8), delta8);
/// `csr16_f32_1x4`
pub static CSR16: Kernel = kernel("csr16_f32_1x4", Accepts::Csr(IndexWidth::Absolute16), absolute16);

/// # Safety
/// As for every kernel (`RunF32`); packing rows or csr with one-byte deltas.
#[target_feature(enable = "neon")]
unsafe fn delta8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut index = j.index8();
    // SAFETY: Junction::new proved one delta and one weight an edge, and that every sum of a row's deltas is an input below
    // n_in, x's length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            let mut input = 0;
            edges(weights, x, |edge| {
                input += usize::from(*row.get_unchecked(edge));
                input
            })
        });
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing rows or csr with two-byte inputs.
#[target_feature(enable = "neon")]
unsafe fn absolute16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut index = j.index16();
    // SAFETY: Junction::new proved one index entry and one weight an edge, and that every entry is an input below n_in, x's
    // length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            edges(weights, x, |edge| usize::from(u16::from_le_bytes(*row.get_unchecked(edge))))
        });
    }
}

/// `y = act(b + sum)` for each row, with the sum that `sum_of` gives for the row's weights.
///
/// # Safety
/// Packing rows or csr.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn for_each_row(j: &Junction<'_>, y: &mut [f32], mut sum_of: impl FnMut(&[[u8; 4]]) -> f32) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => in_degree,
        _ => 0,
    };
    let mut counts = j.counts().iter();
    let mut weights = j.weights();
    for (o, y) in y.iter_mut().enumerate() {
        let in_degree = counts.next().map_or(constant, |count| u16::from_le_bytes(*count));
        // SAFETY: Junction::new proved in_degree weights for this row.
        let (row, after) = unsafe { weights.split_at_unchecked(usize::from(in_degree)) };
        weights = after;
        *y = j.bias(o) + sum_of(row);
    }
    j.activation().apply(y);
}

/// `Σ weights · x[input_of(edge)]`; `input_of` is called with 0, 1, 2 …
///
/// # Safety
/// Every input is below `x.len()`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn edges(weights: &[[u8; 4]], x: &[f32], mut input_of: impl FnMut(usize) -> usize) -> f32 {
    let (steps, rest) = weights.as_chunks::<4>();
    let mut acc = vdupq_n_f32(0.0);
    let mut edge = 0;
    let mut next = || {
        edge += 1;
        input_of(edge - 1)
    };
    // SAFETY: the caller's bound; four weights are 16 bytes, and vector loads take any address.
    unsafe {
        for weights in steps {
            let mut xs = vld1q_dup_f32(x.get_unchecked(next()));
            xs = vld1q_lane_f32::<1>(x.get_unchecked(next()), xs);
            xs = vld1q_lane_f32::<2>(x.get_unchecked(next()), xs);
            xs = vld1q_lane_f32::<3>(x.get_unchecked(next()), xs);
            acc = vfmaq_f32(acc, vreinterpretq_f32_u8(vld1q_u8(weights.as_ptr().cast())), xs);
        }
        let mut total = vaddvq_f32(acc);
        for w in rest {
            total += f32::from_le_bytes(*w) * *x.get_unchecked(next());
        }
        total
    }
}
