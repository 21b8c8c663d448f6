//! Dense rows of int8.

use core::arch::x86_64::*;

use super::{dot, put, sum};
use crate::junction::Junction;

/// Pseudo-code: for each 4 rows: for each 32 inputs: load x and take its magnitude once; four accumulators += dot. What is left
/// of a row is done one product at a time.
///
/// # Safety
/// As for every kernel (`RunI8`); packing dense.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    for (tile, y) in y.chunks_mut(8).enumerate() {
        let mut sums = [0; 8];
        for (half, sums) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let first = tile * 8 + half * 4;
            // SAFETY: the rows exist, as y's do.
            unsafe {
                match y.len().saturating_sub(half * 4) {
                    0 => {}
                    1 => rows::<1>(j, first, x, sums),
                    2 => rows::<2>(j, first, x, sums),
                    3 => rows::<3>(j, first, x, sums),
                    _ => rows::<4>(j, first, x, sums),
                }
            }
        }
        // SAFETY: eight i32 are loaded from as many; y's outputs exist.
        unsafe { put(j, tile * 8, _mm256_loadu_si256(sums.as_ptr().cast()), y) };
    }
}

/// The sums of R rows from `first` on, at the front of `sums`.
///
/// # Safety
/// AVX2; `first + R ≤ n_out`; `x.len() == n_in`; packing dense.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const R: usize>(j: &Junction<'_>, first: usize, x: &[i8], sums: &mut [i32; 4]) {
    let n_in = j.n_in();
    // SAFETY: dense has n_in · n_out weights, so that the rows are inside; inputs are read below n_in, 32 at a time only where
    // 32 are left; loads are unaligned ones.
    unsafe {
        let row: [*const u8; R] = core::array::from_fn(|r| j.weights_i8().as_ptr().add((first + r) * n_in));
        let mut acc = [_mm256_setzero_si256(); R];
        let mut i = 0;
        while i + 32 <= n_in {
            let xs = _mm256_loadu_si256(x.as_ptr().add(i).cast());
            let magnitude = _mm256_abs_epi8(xs);
            for (acc, row) in acc.iter_mut().zip(row) {
                *acc = dot(*acc, _mm256_loadu_si256(row.add(i).cast()), xs, magnitude);
            }
            i += 32;
        }
        for ((total, acc), row) in sums.iter_mut().zip(acc).zip(row) {
            *total = sum(acc);
            for i in i..n_in {
                *total += i32::from(*row.add(i) as i8) * i32::from(*x.get_unchecked(i));
            }
        }
    }
}
