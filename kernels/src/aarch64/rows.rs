//! Rows of constant in-degree, and of any.
//!
//! Pseudo-code: for each row: for each 16 edges, then 4: for each edge: acc += x[input] · one lane of the weights, in four sums in turn.
//! y = act(b + sum).
//!
//! An edge is three instructions, its index, its input and its product; weights are loaded eight at a time. Distances also add up.
//!
//! Instructions a nonzero of 800×112, counted under QEMU: rows at 1/10 4.9 with distances and 3.9 with inputs, at 1/20 5.6 and 4.6,
//! where dense is 0.48 a weight. Times are not measured: no aarch64 machine is here.

use core::arch::aarch64::*;
use core::arch::asm;

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
    let (sixteens, rest) = weights.as_chunks::<16>();
    let (fours, last) = rest.as_chunks::<4>();
    let mut acc = [0.0; 4];
    let mut edge = 0;
    // SAFETY: the caller's bound, and every edge is asked for once and in order; four weights are 16 bytes, and vector loads take
    // any address.
    unsafe {
        for sixteen in sixteens {
            for four in 0..4 {
                let xs = core::array::from_fn(|k| *x.get_unchecked(input_of(edge + 4 * four + k)));
                acc = plus_products(acc, xs, vreinterpretq_f32_u8(vld1q_u8(sixteen.as_ptr().add(4 * four).cast())));
            }
            edge += 16;
        }
        for four in fours {
            let xs = core::array::from_fn(|k| *x.get_unchecked(input_of(edge + k)));
            acc = plus_products(acc, xs, vreinterpretq_f32_u8(vld1q_u8(four.as_ptr().cast())));
            edge += 4;
        }
        let mut total = (acc[0] + acc[1]) + (acc[2] + acc[3]);
        for weight in last {
            total += f32::from_le_bytes(*weight) * *x.get_unchecked(input_of(edge));
            edge += 1;
        }
        total
    }
}

/// Adds a product with each lane of the weights to a sum of its own: no input needs a lane.
#[inline]
#[target_feature(enable = "neon")]
fn plus_products([a, b, c, d]: [f32; 4], xs: [f32; 4], weights: float32x4_t) -> [f32; 4] {
    [
        plus_product::<0>(a, xs[0], weights),
        plus_product::<1>(b, xs[1], weights),
        plus_product::<2>(c, xs[2], weights),
        plus_product::<3>(d, xs[3], weights),
    ]
}

/// `acc + x · weights[LANE]`. In `asm!`: the compiler would move inputs into lanes to multiply two at a time, a third more instructions.
#[inline]
#[target_feature(enable = "neon")]
fn plus_product<const LANE: i32>(mut acc: f32, x: f32, weights: float32x4_t) -> f32 {
    // SAFETY: the instruction reads and writes nothing but these registers.
    unsafe {
        asm!(
            "fmla {acc:s}, {x:s}, {weights:v}.s[{lane}]",
            acc = inout(vreg) acc,
            x = in(vreg) x,
            weights = in(vreg) weights,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}
