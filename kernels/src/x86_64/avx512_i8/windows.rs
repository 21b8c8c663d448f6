//! Windows of int8, sixteen rows a group: lanes are outputs, which pick up to four inputs each of one window.
//!
//! Pseudo-code: for each group: for each step: xs = permute(window, positions); acc += dot.
//!
//! A step costs what a quad of N:M does, the load of its window counting twice where it crosses a cache line: about 2 cycles in L1. What it
//! costs beside is padding: lanes with fewer than four edges in the window. Of random masks of 800 inputs, sixteen rows as they come, a
//! window of 64 takes 1.09, 1.31 and 1.70 times the steps of no padding at densities of 1/4, 1/10 and 1/20, one of 32 takes 1.21, 1.71 and
//! 2.63 times, one of 16 1.51, 2.62 and 4.83 times.

use core::arch::x86_64::*;

use super::super::avx512::{four, part};
use super::{Copied, Dots, flip, positions, put, put_each};
use crate::junction::Junction;

/// # Safety
/// As for every kernel (`RunI8`); packing windows of W inputs with sixteen lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn windows<const W: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut copied = Copied::new();
    // SAFETY: the caller's; the inputs are x's or their copy.
    unsafe {
        match (copied.of(x), W) {
            (Some(copied), 16) => groups::<W, false, true>(j, copied, y),
            (Some(copied), _) => groups::<W, true, true>(j, copied, y),
            (None, 16) => groups::<W, false, false>(j, x.as_ptr().cast(), y),
            (None, _) => groups::<W, true, false>(j, x.as_ptr().cast(), y),
        }
    }
}

/// Positions are bytes, or halves of them; inputs are moved up by 128, or not yet.
///
/// # Safety
/// As for [`windows`]; `x` has n_in inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn groups<const W: usize, const BYTES: bool, const COPIED: bool>(j: &Junction<'_>, x: *const u8, y: &mut [i8]) {
    let index = j.windows_index();
    let (mut starts, mut words, mut weights) = (index.starts, index.words.as_ptr(), j.weights_i8().as_ptr());
    for (count, order) in j.counts().iter().zip(index.order.chunks(16)) {
        let mut dots = Dots::<4>::new();
        // SAFETY: Junction::new_i8 proved, for each group, `count` windows whose W inputs lie below n_in, as many vectors of weights, and
        // a vector of positions for each one or two of them begun; and that order holds outputs.
        unsafe {
            let steps = usize::from(u16::from_le_bytes(*count));
            let (now, after) = starts.split_at_unchecked(steps);
            starts = after;
            let add = |dots: &mut Dots<4>, step: usize, k: usize, start: usize| {
                let at = positions::<BYTES>(words, step + k, k);
                let picked = _mm512_permutexvar_epi8(at, window::<W>(x.add(start)));
                let picked = if COPIED { picked } else { _mm512_xor_si512(picked, flip()) };
                dots.add(k, picked, _mm512_loadu_si512(weights.add((step + k) * 64).cast()));
            };
            let (fours, rest) = now.as_chunks::<4>();
            for (turn, starts) in fours.iter().enumerate() {
                let starts = four(starts);
                for k in 0..4 {
                    add(&mut dots, 4 * turn, k, part(starts, k));
                }
            }
            for k in 0..3 {
                if let Some(start) = rest.get(k) {
                    add(&mut dots, 4 * fours.len(), k, usize::from(u16::from_le_bytes(*start)));
                }
            }
            words = words.add(if BYTES { steps } else { steps.div_ceil(2) } * 64);
            weights = weights.add(steps * 64);
            put_in_order(j, order, dots.sums(), y);
        }
    }
}

/// W inputs, as often as the register holds them.
///
/// # Safety
/// AVX-512; there are as many.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn window<const W: usize>(from: *const u8) -> __m512i {
    // SAFETY: the caller's; loads are unaligned ones.
    unsafe {
        match W {
            16 => _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())),
            32 => _mm512_broadcast_i64x4(_mm256_loadu_si256(from.cast())),
            _ => _mm512_loadu_si512(from.cast()),
        }
    }
}

/// The outputs of the rows that `order` names, at most sixteen.
///
/// # Safety
/// AVX-512; every output is below n_out, `y`'s length; the junction is an int8 one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn put_in_order(j: &Junction<'_>, order: &[[u8; 2]], sums: __m512i, y: &mut [i8]) {
    let outputs = order.iter().map(|output| usize::from(u16::from_le_bytes(*output)));
    let first = outputs.clone().next().unwrap_or(0);
    if outputs.clone().eq(first..first + order.len()) {
        let y = y.get_mut(first..first + order.len()).unwrap_or_default();
        // SAFETY: the caller's.
        return unsafe { put(j, first, sums, y) };
    }
    put_each(j, outputs, sums, y, 0);
}
