//! Dense rows of int8.

use core::arch::aarch64::*;

use super::dot;
use super::outputs::Outputs;
use crate::junction::Junction;

/// Pseudo-code: for each 4 rows: for each 64 inputs, then 16: load x once; four accumulators += dot. What is left of a row is done one
/// product at a time.
///
/// # Safety
/// As for every kernel (`RunI8`); packing dense; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn dense<const DOT: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Some(outputs) = Outputs::new(j) else { return };
    for (tile, y) in y.chunks_mut(4).enumerate() {
        let (first, mut sums) = (tile * 4, [0; 4]);
        // SAFETY: the rows exist, as y's do; four i32 are loaded from as many.
        unsafe {
            match y.len() {
                1 => rows::<DOT, 1>(j, first, x, &mut sums),
                2 => rows::<DOT, 2>(j, first, x, &mut sums),
                3 => rows::<DOT, 3>(j, first, x, &mut sums),
                _ => rows::<DOT, 4>(j, first, x, &mut sums),
            }
            outputs.put(first, [vld1q_s32(sums.as_ptr())], y);
        }
    }
}

/// The sums of R rows from `first` on, at the front of `sums`.
///
/// # Safety
/// As for [`dense`]; `first + R ≤ n_out`; `x.len() == n_in`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn rows<const DOT: bool, const R: usize>(j: &Junction<'_>, first: usize, x: &[i8], sums: &mut [i32; 4]) {
    let n_in = j.n_in();
    // SAFETY: dense has n_in · n_out weights, so that the rows are inside; inputs are read below n_in, 16 at a time only where
    // 16 are left; vector loads of bytes take any address.
    unsafe {
        let row: [*const i8; R] = core::array::from_fn(|r| j.weights_i8().as_ptr().add((first + r) * n_in).cast());
        let mut acc = [vdupq_n_s32(0); R];
        let mut i = 0;
        while i + 64 <= n_in {
            let xs: [int8x16_t; 4] = core::array::from_fn(|k| vld1q_s8(x.as_ptr().add(i + 16 * k)));
            for (acc, row) in acc.iter_mut().zip(row) {
                for (k, xs) in xs.iter().enumerate() {
                    *acc = dot::<DOT>(*acc, vld1q_s8(row.add(i + 16 * k)), *xs);
                }
            }
            i += 64;
        }
        while i + 16 <= n_in {
            let xs = vld1q_s8(x.as_ptr().add(i));
            for (acc, row) in acc.iter_mut().zip(row) {
                *acc = dot::<DOT>(*acc, vld1q_s8(row.add(i)), xs);
            }
            i += 16;
        }
        for ((total, acc), row) in sums.iter_mut().zip(acc).zip(row) {
            *total = vaddvq_s32(acc);
            for i in i..n_in {
                *total += i32::from(*row.add(i)) * i32::from(*x.get_unchecked(i));
            }
        }
    }
}
