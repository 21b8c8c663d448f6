//! Input-major, dense and sparse: inputs that are exactly zero cost an eighth of a comparison.
//!
//! Pseudo-code, dense: y = b; for each 128 inputs: list those that are not zero; for each tile of up to 112 outputs:
//! acc = y; for each on the list: acc += broadcast x · its weights; y = acc.
//!
//! Loads a multiply-add of 8, 112 outputs: 1 of weights and 1/14 of `x`; `y` is loaded and stored once in 128 inputs. So it
//! costs as much as dense rows for every input that is not zero, and nothing for the others.
//!
//! Sparse: for each on the list: for each of its edges: y[output] += w · x. Three loads and a store an edge.

use core::arch::x86_64::*;

use crate::junction::Junction;
use crate::packing::{IndexWidth, Packing};
use crate::scalar::start_from_bias;

/// Inputs a scan: the list lies on the stack.
const SCAN: usize = 128;

/// An input that is not zero: its number and value.
type Nonzero = (u32, f32);

/// Calls `with` for the nonzero inputs of every [`SCAN`] inputs. NaN is not zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn for_each_scan(x: &[f32], mut with: impl FnMut(&[Nonzero])) {
    let mut list: [Nonzero; SCAN] = [(0, 0.0); SCAN];
    for (scan, xs) in x.chunks(SCAN).enumerate() {
        let mut found = 0;
        let mut push = |place: usize, x: f32| {
            if let Some(entry) = list.get_mut(found) {
                *entry = ((scan * SCAN + place) as u32, x);
                found += 1;
            }
        };
        let (eights, rest) = xs.as_chunks::<8>();
        for (eight, xs) in eights.iter().enumerate() {
            // SAFETY: eight f32 are 32 bytes.
            let values = unsafe { _mm256_loadu_ps(xs.as_ptr()) };
            let mut mask = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(values, _mm256_setzero_ps()));
            while mask != 0 {
                let lane = mask.trailing_zeros() as usize;
                push(eight * 8 + lane, xs[lane]);
                mask &= mask - 1;
            }
        }
        for (k, x) in rest.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            push(eights.len() * 8 + k, *x);
        }
        with(list.get(..found).unwrap_or_default());
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing dense, input-major.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    start_from_bias(j, y);
    let weights = j.weights().as_ptr().cast::<f32>();
    for_each_scan(x, |nonzero| {
        let mut o = 0;
        // SAFETY: inputs on the list are below n_in, outputs below n_out; there are n_in · n_out weights, n_out an input.
        unsafe {
            while o < y.len() {
                o += match y.len() - o {
                    112.. => tile::<14, 1>(weights, nonzero, o, y),
                    64.. => tile::<8, 1>(weights, nonzero, o, y),
                    32.. => tile::<4, 2>(weights, nonzero, o, y),
                    8.. => tile::<1, 4>(weights, nonzero, o, y),
                    _ => last_tile(weights, nonzero, o, y),
                };
            }
        }
    });
    j.activation().apply(y);
}

/// Outputs o..o + 8·T; gives how many. U sets of accumulators take turns, to hide the FMA's latency in narrow tiles.
///
/// # Safety
/// AVX2 and FMA; `o + 8·T ≤ y.len()`; `weights` has `y.len()` values for each input up to the last on the list.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const T: usize, const U: usize>(
    weights: *const f32,
    nonzero: &[Nonzero],
    o: usize,
    y: &mut [f32],
) -> usize {
    let n_out = y.len();
    let mut acc = [[_mm256_setzero_ps(); T]; U];
    let (turns, rest) = nonzero.as_chunks::<U>();
    // SAFETY: the caller's bounds.
    unsafe {
        let weights = weights.add(o);
        for turn in turns {
            for u in 0..U {
                add_column(weights.add(turn[u].0 as usize * n_out), turn[u].1, &mut acc[u]);
            }
        }
        for (input, x) in rest {
            add_column(weights.add(*input as usize * n_out), *x, &mut acc[0]);
        }
        let to = y.as_mut_ptr().add(o);
        for t in 0..T {
            let total = acc.iter().fold(_mm256_loadu_ps(to.add(8 * t)), |total, acc| _mm256_add_ps(total, acc[t]));
            _mm256_storeu_ps(to.add(8 * t), total);
        }
    }
    8 * T
}

/// `acc += column · x`
///
/// # Safety
/// AVX2 and FMA; `column` has `8·T` values.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn add_column<const T: usize>(column: *const f32, x: f32, acc: &mut [__m256; T]) {
    let x = _mm256_set1_ps(x);
    for (t, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's bounds.
        *acc = unsafe { _mm256_fmadd_ps(_mm256_loadu_ps(column.add(8 * t)), x, *acc) };
    }
}

/// The last outputs, fewer than 8; gives how many.
///
/// # Safety
/// AVX2 and FMA; `o < y.len()`, fewer than 8 left; `weights` as for [`tile`].
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn last_tile(weights: *const f32, nonzero: &[Nonzero], o: usize, y: &mut [f32]) -> usize {
    let (n_out, left) = (y.len(), y.len() - o);
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left as i32), lanes);
    // SAFETY: masked lanes are neither read nor written, the others are the caller's.
    unsafe {
        let to = y.as_mut_ptr().add(o);
        let mut acc = _mm256_maskload_ps(to, mask);
        for (input, x) in nonzero {
            let column = _mm256_maskload_ps(weights.add(*input as usize * n_out + o), mask);
            acc = _mm256_fmadd_ps(column, _mm256_set1_ps(*x), acc);
        }
        _mm256_maskstore_ps(to, mask, acc);
    }
    left
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major with one-byte deltas.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn delta8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { scatter::<{ IndexWidth::Delta8 as u8 }>(j, x, y) };
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major with two-byte outputs.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn absolute16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's.
    unsafe { scatter::<{ IndexWidth::Absolute16 as u8 }>(j, x, y) };
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major with INDEX.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn scatter<const INDEX: u8>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::InputMajor { out_degree, .. } = *j.packing() else { return };
    let d = usize::from(out_degree);
    start_from_bias(j, y);
    for_each_scan(x, |nonzero| {
        for (input, x) in nonzero {
            let edges = *input as usize * d..(*input as usize + 1) * d;
            // SAFETY: Junction::new proved out_degree weights and index entries for each input, and that the output an entry
            // gives is below n_out, y's length.
            unsafe {
                let weights = j.weights().get_unchecked(edges.clone());
                if INDEX == IndexWidth::Delta8 as u8 {
                    let mut output = 0;
                    let deltas = j.index8().get_unchecked(edges);
                    add_edges(y, weights, *x, |edge| {
                        output += usize::from(*deltas.get_unchecked(edge));
                        output
                    });
                } else {
                    let outputs = j.index16().get_unchecked(edges);
                    add_edges(y, weights, *x, |edge| usize::from(u16::from_le_bytes(*outputs.get_unchecked(edge))));
                }
            }
        }
    });
    j.activation().apply(y);
}

/// `y[output_of(edge)] += weights · x`; `output_of` is called with 0, 1, 2 … Four at a time are loaded before the first is
/// stored: the outputs of one input differ.
///
/// # Safety
/// Every output is below `y.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn add_edges(y: &mut [f32], weights: &[[u8; 4]], x: f32, mut output_of: impl FnMut(usize) -> usize) {
    let (fours, rest) = weights.as_chunks::<4>();
    let mut edge = 0;
    let mut next = || {
        edge += 1;
        output_of(edge - 1)
    };
    // SAFETY: the caller's bound.
    unsafe {
        for four in fours {
            let outputs = [next(), next(), next(), next()];
            let sums: [f32; 4] =
                core::array::from_fn(|k| *y.get_unchecked(outputs[k]) + f32::from_le_bytes(four[k]) * x);
            for k in 0..4 {
                *y.get_unchecked_mut(outputs[k]) = sums[k];
            }
        }
        for w in rest {
            *y.get_unchecked_mut(next()) += f32::from_le_bytes(*w) * x;
        }
    }
}
