//! Dense rows.
//!
//! Loads a multiply-add of 8: 1.25 (one of weights, a quarter of `x`), so 0.63 cycles where two vectors are loaded a cycle. The
//! weights of 800×112 stream from L2: 32 bytes a cycle at best make 1.0 cycles, and 28 bytes a cycle are reached.

use core::arch::x86_64::*;

use super::sum;
use crate::junction::Junction;

/// Pseudo-code: for each 4 rows: for each 8 inputs: load x once; four accumulators += weights · x. Two steps of 8 are taken
/// together, into separate accumulators, so that eight chains hide the FMA's latency of four cycles at two a cycle.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let n_in = j.n_in();
    let mut o = 0;
    while o + 4 <= y.len() {
        // SAFETY: rows o..o+4 exist, each of n_in weights.
        unsafe { dense_tile::<4>(j, o, n_in, x, y) };
        o += 4;
    }
    while o < y.len() {
        // SAFETY: row o exists.
        unsafe { dense_tile::<1>(j, o, n_in, x, y) };
        o += 1;
    }
    j.activation().apply(y);
}

/// # Safety
/// AVX2 and FMA; `o + R ≤ n_out`; `x.len() == n_in`; `y.len() == n_out`; packing dense.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn dense_tile<const R: usize>(j: &Junction<'_>, o: usize, n_in: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: dense has n_in·n_out weights, so rows o..o+R are inside; inputs are read below n_in; 8 at a time only where
    // 8 are left; loads are unaligned ones.
    unsafe {
        let row: [*const f32; R] = core::array::from_fn(|r| j.weights().as_ptr().add((o + r) * n_in).cast());
        let mut acc = [[_mm256_setzero_ps(); R]; 2];
        let mut i = 0;
        while i + 16 <= n_in {
            for (half, acc) in acc.iter_mut().enumerate() {
                let xs = _mm256_loadu_ps(x.as_ptr().add(i + 8 * half));
                for (acc, row) in acc.iter_mut().zip(row) {
                    *acc = _mm256_fmadd_ps(_mm256_loadu_ps(row.add(i + 8 * half)), xs, *acc);
                }
            }
            i += 16;
        }
        if i + 8 <= n_in {
            let xs = _mm256_loadu_ps(x.as_ptr().add(i));
            for (acc, row) in acc[0].iter_mut().zip(row) {
                *acc = _mm256_fmadd_ps(_mm256_loadu_ps(row.add(i)), xs, *acc);
            }
            i += 8;
        }
        for r in 0..R {
            let mut total = j.bias(o + r) + sum(_mm256_add_ps(acc[0][r], acc[1][r]));
            for i in i..n_in {
                total += row[r].add(i).read_unaligned() * *x.get_unchecked(i);
            }
            *y.get_unchecked_mut(o + r) = total;
        }
    }
}
