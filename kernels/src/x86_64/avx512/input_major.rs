//! Input-major, dense: inputs that are exactly zero cost a sixteenth of a comparison.
//!
//! Pseudo-code: y = b; for each 128 inputs: list those that are not zero; for each tile of up to 128 outputs:
//! acc = y; for each on the list: acc += broadcast x · its weights; y = acc.
//!
//! Loads a multiply-add of 16, 128 outputs: 1 of weights and 1/8 of `x`; `y` is loaded and stored once in 128 inputs. So it
//! costs as much as dense rows for every input that is not zero, and nothing for the others. The list is made by `vcompressps`
//! into a register, which is stored whole: into memory it is slow on Zen 4.

use core::arch::x86_64::*;

use super::{first_lanes, total};
use crate::junction::Junction;
use crate::scalar::start_from_bias;

/// Inputs a scan: the list lies on the stack.
const SCAN: usize = 128;

/// The inputs of a scan that are not zero: their numbers and values. Room for a whole vector behind the last.
struct Nonzeros {
    inputs: [u32; SCAN + 16],
    values: [f32; SCAN + 16],
    found: usize,
}

impl Nonzeros {
    /// Lists those of `x`, at most [`SCAN`], whose first is input `first`. NaN is not zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn list(&mut self, first: usize, x: &[f32]) {
        self.found = 0;
        let mut inputs = _mm512_add_epi32(
            _mm512_set1_epi32(first as i32),
            _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        );
        for xs in x.chunks(16) {
            // SAFETY: no more lanes of x than there are; `found` is at most the inputs before these, so below SCAN, and 16
            // numbers from it on lie in the arrays.
            unsafe {
                let values = _mm512_maskz_loadu_ps(first_lanes(xs.len()), xs.as_ptr());
                let mask = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(values, _mm512_setzero_ps());
                let (to_inputs, to_values) =
                    (self.inputs.as_mut_ptr().add(self.found), self.values.as_mut_ptr().add(self.found));
                _mm512_storeu_si512(to_inputs.cast(), _mm512_maskz_compress_epi32(mask, inputs));
                _mm512_storeu_ps(to_values, _mm512_maskz_compress_ps(mask, values));
                self.found += mask.count_ones() as usize;
            }
            inputs = _mm512_add_epi32(inputs, _mm512_set1_epi32(16));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, f32)> {
        self.inputs.iter().zip(&self.values).take(self.found).map(|(input, x)| (*input as usize, *x))
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing dense, input-major.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    start_from_bias(j, y);
    let weights = j.weights().as_ptr().cast::<f32>();
    let mut nonzeros = Nonzeros { inputs: [0; SCAN + 16], values: [0.0; SCAN + 16], found: 0 };
    for (scan, xs) in x.chunks(SCAN).enumerate() {
        nonzeros.list(scan * SCAN, xs);
        let mut o = 0;
        // SAFETY: inputs on the list are below n_in, outputs below n_out; there are n_in · n_out weights, n_out an input.
        unsafe {
            while o < y.len() {
                o += match y.len() - o {
                    128.. => tile::<8, 1>(weights, &nonzeros, o, y),
                    112.. => tile::<7, 1>(weights, &nonzeros, o, y),
                    64.. => tile::<4, 2>(weights, &nonzeros, o, y),
                    32.. => tile::<2, 4>(weights, &nonzeros, o, y),
                    _ => last_tile(weights, &nonzeros, o, y),
                };
            }
        }
    }
    j.activation().apply(y);
}

/// Outputs o..o + 16·T; gives how many. U sets of accumulators take turns, to hide the FMA's latency in narrow tiles.
///
/// # Safety
/// AVX-512; `o + 16·T ≤ y.len()`; `weights` has `y.len()` values for each input up to the last on the list.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tile<const T: usize, const U: usize>(
    weights: *const f32,
    nonzeros: &Nonzeros,
    o: usize,
    y: &mut [f32],
) -> usize {
    let n_out = y.len();
    let mut acc = [[_mm512_setzero_ps(); T]; U];
    // SAFETY: the caller's bounds; every turn ends at or before `found`, which is at most SCAN.
    unsafe {
        let weights = weights.add(o);
        let mut at = 0;
        while at + U <= nonzeros.found {
            for (u, acc) in acc.iter_mut().enumerate() {
                let input = *nonzeros.inputs.get_unchecked(at + u) as usize;
                add_column(weights.add(input * n_out), *nonzeros.values.get_unchecked(at + u), acc);
            }
            at += U;
        }
        for (input, x) in nonzeros.iter().skip(at) {
            add_column(weights.add(input * n_out), x, &mut acc[0]);
        }
        let to = y.as_mut_ptr().add(o);
        for t in 0..T {
            let sums = _mm512_add_ps(_mm512_loadu_ps(to.add(16 * t)), total(acc.map(|acc| acc[t])));
            _mm512_storeu_ps(to.add(16 * t), sums);
        }
    }
    16 * T
}

/// `acc += column · x`
///
/// # Safety
/// AVX-512; `column` has `16·T` values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn add_column<const T: usize>(column: *const f32, x: f32, acc: &mut [__m512; T]) {
    let x = _mm512_set1_ps(x);
    for (t, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's bounds.
        *acc = unsafe { _mm512_fmadd_ps(_mm512_loadu_ps(column.add(16 * t)), x, *acc) };
    }
}

/// The next outputs, 16 or as many as are left; gives how many.
///
/// # Safety
/// AVX-512; `o < y.len()`; `weights` as for [`tile`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn last_tile(weights: *const f32, nonzeros: &Nonzeros, o: usize, y: &mut [f32]) -> usize {
    let (n_out, outputs) = (y.len(), (y.len() - o).min(16));
    let lanes = first_lanes(outputs);
    // SAFETY: masked lanes are neither read nor written, the others are the caller's.
    unsafe {
        let to = y.as_mut_ptr().add(o);
        let mut acc = _mm512_maskz_loadu_ps(lanes, to);
        for (input, x) in nonzeros.iter() {
            let column = _mm512_maskz_loadu_ps(lanes, weights.add(input * n_out + o));
            acc = _mm512_fmadd_ps(column, _mm512_set1_ps(x), acc);
        }
        _mm512_mask_storeu_ps(to, lanes, acc);
    }
    outputs
}
