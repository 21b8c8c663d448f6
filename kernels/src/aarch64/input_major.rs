//! Input-major, dense and sparse: inputs that are exactly zero cost a comparison, of dense one for every 32 outputs.
//!
//! Pseudo-code, dense: for each tile of up to 32 outputs: acc = b; for each input that is not zero: acc += x · its weights; y = acc.
//!
//! Loads for 4 multiply-adds, 1 FMA, 32 outputs: 1 of weights and an eighth of `x`: 0.28 loads and 0.25 FMAs a nonzero.
//!
//! Sparse: y = b; for each input that is not zero: for each 4 of its edges: ys = y\[outputs\], one a lane; ys += x · weights;
//! y\[outputs\] = ys. The outputs of one input differ, so that four are loaded before the first is stored.
//!
//! Loads for 4 edges and 1 FMA: 1 of weights, 4 of `y`, 4 of the index, and 4 stores: 2.25 loads, a store and 0.25 FMAs a nonzero.
//! Instructions a nonzero of 800×112 with 12 outputs an input, counted under QEMU: 6.9 with distances and 6.3 with outputs, the
//! scalar reference's 11.0 and 9.9.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};
use crate::scalar::start_from_bias;

/// `dense_input_major_f32_32x4`
pub static DENSE_INPUT_MAJOR: Kernel =
    Kernel::new("dense_input_major_f32_32x4", Isa::Neon, Accepts::DenseInputMajor, dense);
/// `input_major8_f32_1x4`
pub static INPUT_MAJOR8: Kernel =
    Kernel::new("input_major8_f32_1x4", Isa::Neon, Accepts::InputMajor(IndexWidth::Delta8), delta8);
/// `input_major16_f32_1x4`
pub static INPUT_MAJOR16: Kernel =
    Kernel::new("input_major16_f32_1x4", Isa::Neon, Accepts::InputMajor(IndexWidth::Absolute16), absolute16);

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

/// # Safety
/// As for every kernel (`RunF32`); packing input-major with one-byte deltas.
#[target_feature(enable = "neon")]
unsafe fn delta8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.index8();
    // SAFETY: Junction::new proved out_degree weights and deltas for each input, and that every sum of its deltas is an output
    // below n_out, y's length; of one input they differ.
    unsafe {
        for_each_input(j, x, y, |y, x, edges, weights| {
            let mut output = 0;
            let deltas = index.get_unchecked(edges);
            add_edges(y, weights, x, |edge| {
                output += usize::from(*deltas.get_unchecked(edge));
                output
            });
        });
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major with two-byte outputs.
#[target_feature(enable = "neon")]
unsafe fn absolute16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.index16();
    // SAFETY: Junction::new proved out_degree weights and outputs for each input, every one below n_out, y's length; of one input
    // they differ.
    unsafe {
        for_each_input(j, x, y, |y, x, edges, weights| {
            let outputs = index.get_unchecked(edges);
            add_edges(y, weights, x, |edge| usize::from(u16::from_le_bytes(*outputs.get_unchecked(edge))));
        });
    }
}

/// Calls `add` with each input that is not zero, the places of its edges and their weights; NaN is not zero.
///
/// # Safety
/// `x.len() == n_in`; packing input-major.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn for_each_input(
    j: &Junction<'_>,
    x: &[f32],
    y: &mut [f32],
    mut add: impl FnMut(&mut [f32], f32, core::ops::Range<usize>, &[[u8; 4]]),
) {
    let Packing::InputMajor { out_degree, .. } = *j.packing() else { return };
    let d = usize::from(out_degree);
    start_from_bias(j, y);
    for (i, x) in x.iter().enumerate().filter(|(_, x)| **x != 0.0) {
        let edges = i * d..(i + 1) * d;
        // SAFETY: Junction::new proved out_degree weights for each of n_in inputs.
        add(y, *x, edges.clone(), unsafe { j.weights().get_unchecked(edges) });
    }
    j.activation().apply(y);
}

/// `y[output_of(edge)] += weights · x`; `output_of` is called with 0, 1, 2 …
///
/// # Safety
/// All outputs differ and are below `y.len()`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn add_edges(y: &mut [f32], weights: &[[u8; 4]], x: f32, mut output_of: impl FnMut(usize) -> usize) {
    let (fours, rest) = weights.as_chunks::<4>();
    let y = y.as_mut_ptr();
    let mut edge = 0;
    // SAFETY: the caller's; four weights are 16 bytes, and vector loads take any address.
    unsafe {
        let mut next = || {
            edge += 1;
            y.add(output_of(edge - 1))
        };
        for four in fours {
            let at = [next(), next(), next(), next()];
            let mut ys = vld1q_dup_f32(at[0]);
            ys = vld1q_lane_f32::<1>(at[1], ys);
            ys = vld1q_lane_f32::<2>(at[2], ys);
            ys = vld1q_lane_f32::<3>(at[3], ys);
            ys = vfmaq_n_f32(ys, vreinterpretq_f32_u8(vld1q_u8(four.as_ptr().cast())), x);
            vst1q_lane_f32::<0>(at[0], ys);
            vst1q_lane_f32::<1>(at[1], ys);
            vst1q_lane_f32::<2>(at[2], ys);
            vst1q_lane_f32::<3>(at[3], ys);
        }
        for w in rest {
            *next() += f32::from_le_bytes(*w) * x;
        }
    }
}
