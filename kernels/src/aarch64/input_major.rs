//! Input-major, dense: inputs that are exactly zero cost a comparison for every 32 outputs.
//!
//! Pseudo-code: for each tile of up to 32 outputs: acc = b; for each input that is not zero: acc += x · its weights; y = acc.
//!
//! Loads for 4 multiply-adds, 32 outputs: 1 of weights and an eighth of `x`.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};

/// `dense_input_major_f32_32x4`
pub static DENSE_INPUT_MAJOR: Kernel =
    Kernel::new("dense_input_major_f32_32x4", Isa::Neon, Accepts::DenseInputMajor, dense);

/// # Safety
/// As for every kernel (`RunF32`); packing dense, input-major.
#[target_feature(enable = "neon")]
unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut o = 0;
    // SAFETY: a tile's outputs lie below n_out, y's length.
    unsafe {
        while o + 32 <= y.len() {
            tile::<8>(j, o, x, y);
            o += 32;
        }
        while o + 4 <= y.len() {
            tile::<1>(j, o, x, y);
            o += 4;
        }
    }
    let weights = j.weights();
    for (o, y) in y.iter_mut().enumerate().skip(o) {
        *y = j.bias(o);
        for (x, row) in x.iter().zip(weights.chunks_exact(j.n_out())).filter(|(x, _)| **x != 0.0) {
            *y += row.get(o).map_or(0.0, |weight| f32::from_le_bytes(*weight)) * x;
        }
    }
    j.activation().apply(y);
}

/// Outputs o..o + 4·V.
///
/// # Safety
/// `o + 4·V ≤ n_out`; `x.len() == n_in`; `y.len() == n_out`; packing dense, input-major.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn tile<const V: usize>(j: &Junction<'_>, o: usize, x: &[f32], y: &mut [f32]) {
    let n_out = y.len();
    let mut acc = [vdupq_n_f32(0.0); V];
    // SAFETY: the caller's bounds; there are n_in · n_out weights, n_out an input; vector loads take any address.
    unsafe {
        let mut weights = j.weights().as_ptr().add(o).cast::<u8>();
        for x in x {
            if *x != 0.0 {
                for (v, acc) in acc.iter_mut().enumerate() {
                    *acc = vfmaq_n_f32(*acc, vreinterpretq_f32_u8(vld1q_u8(weights.add(16 * v))), *x);
                }
            }
            weights = weights.wrapping_add(4 * n_out);
        }
        for (v, acc) in acc.iter().enumerate() {
            vst1q_f32(y.as_mut_ptr().add(o + 4 * v), *acc);
        }
    }
    for (k, y) in y.iter_mut().enumerate().skip(o).take(4 * V) {
        *y += j.bias(k);
    }
}
