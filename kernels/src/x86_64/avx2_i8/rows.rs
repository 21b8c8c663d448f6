//! Rows of int8, of constant in-degree and of any: what a gather costs is two loads and a multiplication an edge, one after the
//! other. Two sums take turns, so that additions do not wait for each other.

use core::arch::x86_64::*;

use super::put;
use crate::junction::Junction;
use crate::packing::Packing;

/// # Safety
/// As for every kernel (`RunI8`); packing rows or csr with one-byte deltas.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn delta8(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut index = j.index8();
    // SAFETY: Junction::new_i8 proved one delta and one weight an edge, and that every sum of a row's deltas is an input below
    // n_in, x's length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            let mut input = 0;
            let edges = weights.iter().zip(row).map(|(w, delta)| {
                input += usize::from(*delta);
                i32::from(*w as i8) * i32::from(*x.get_unchecked(input))
            });
            edges.sum()
        });
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing rows or csr with two-byte inputs.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn absolute16(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut index = j.index16();
    // SAFETY: Junction::new_i8 proved one index entry and one weight an edge, and that every entry is an input below n_in, x's
    // length.
    unsafe {
        for_each_row(j, y, |weights| {
            let (row, after) = index.split_at_unchecked(weights.len());
            index = after;
            let edge = |(w, at): (&u8, &[u8; 2])| {
                i32::from(*w as i8) * i32::from(*x.get_unchecked(usize::from(u16::from_le_bytes(*at))))
            };
            let (pairs, last) = weights.as_chunks::<2>();
            let (pairs_at, last_at) = row.as_chunks::<2>();
            let (mut even, mut odd) = (0, 0);
            for ([w0, w1], [at0, at1]) in pairs.iter().zip(pairs_at) {
                even += edge((w0, at0));
                odd += edge((w1, at1));
            }
            even + odd + last.iter().zip(last_at).map(edge).sum::<i32>()
        });
    }
}

/// The outputs of the sums that `sum_of` gives for each row's weights.
///
/// # Safety
/// AVX2; packing rows or csr.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn for_each_row(j: &Junction<'_>, y: &mut [i8], mut sum_of: impl FnMut(&[u8]) -> i32) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => in_degree,
        _ => 0,
    };
    let mut counts = j.counts().iter();
    let mut weights = j.weights_i8();
    for (eight, y) in y.chunks_mut(8).enumerate() {
        let mut sums = [0; 8];
        for (_, sum) in y.iter().zip(&mut sums) {
            let in_degree = counts.next().map_or(constant, |count| u16::from_le_bytes(*count));
            // SAFETY: Junction::new_i8 proved in_degree weights for this row.
            let (row, after) = unsafe { weights.split_at_unchecked(usize::from(in_degree)) };
            weights = after;
            *sum = sum_of(row);
        }
        // SAFETY: eight i32 are loaded from as many; y's outputs exist.
        unsafe { put(j, eight * 8, _mm256_loadu_si256(sums.as_ptr().cast()), y) };
    }
}
