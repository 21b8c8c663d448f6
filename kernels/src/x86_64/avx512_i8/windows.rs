//! Windows of int8, sixteen rows a group: lanes are outputs, which pick up to four inputs each of one window.
//!
//! Pseudo-code: for each group: for each window: S times: xs = permute(window, positions); acc += dot.
//!
//! A step costs what a quad of N:M does and the load of its window, which counts twice where it crosses a cache line: loads of weights,
//! positions and, of 64 inputs, two more; of 128 from two registers, from a line on and for two steps, one more. Zen 4 takes 1.2 cycles a load.
//! What it costs beside is padding: lanes with fewer than four edges in the window. Of random masks of 800 inputs, sixteen rows as they come, a
//! window of 128 and two steps takes 1.08, 1.33 and 1.86 times the steps of no padding at densities of 1/4, 1/10 and 1/20, one of 64 takes
//! 1.08, 1.32 and 1.76 times, one of 32 1.19, 1.69 and 2.63 times, one of 16 1.51, 2.62 and 4.83 times.

use core::arch::x86_64::*;

use super::super::avx512::{four, part};
use super::{Copied, Dots, flip, positions, put, put_each};
use crate::junction::Junction;

/// # Safety
/// As for every kernel (`RunI8`); packing windows of W inputs and S steps, 1 or 2, with sixteen lanes.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn windows<const W: usize, const S: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut copied = Copied::new();
    // SAFETY: the caller's; the inputs are x's or their copy.
    unsafe {
        match (copied.of(x), W) {
            (Some(copied), 16) => groups::<W, S, false, true>(j, copied, y),
            (Some(copied), _) => groups::<W, S, true, true>(j, copied, y),
            (None, 16) => groups::<W, S, false, false>(j, x.as_ptr().cast(), y),
            (None, _) => groups::<W, S, true, false>(j, x.as_ptr().cast(), y),
        }
    }
}

/// Positions are bytes, or halves of them; inputs are moved up by 128, or not yet.
///
/// # Safety
/// As for [`windows`]; `x` has n_in inputs.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn groups<const W: usize, const S: usize, const BYTES: bool, const COPIED: bool>(
    j: &Junction<'_>,
    x: *const u8,
    y: &mut [i8],
) {
    let index = j.windows_index();
    let (mut starts, mut words, mut weights) = (index.starts, index.words.as_ptr(), j.weights_i8().as_ptr());
    for (count, order) in j.counts().iter().zip(index.order.chunks(16)) {
        let mut dots = Dots::<4>::new();
        // SAFETY: Junction::new_i8 proved, for each group, `count` vectors of weights, a multiple of S, a window for every S of them whose
        // W inputs lie below n_in, and a vector of positions for each one or two of them begun; and that order holds outputs.
        unsafe {
            let steps = usize::from(u16::from_le_bytes(*count));
            let (now, after) = starts.split_at_unchecked(steps / S);
            starts = after;
            // The k-th of four windows, from a step on.
            let add = |dots: &mut Dots<4>, step: usize, k: usize, start: usize| {
                let window = Window::<W>::load(x.add(start));
                for k in S * k..S * k + S {
                    let picked = window.pick(positions::<BYTES>(words, step + k, k));
                    let picked = if COPIED { picked } else { _mm512_xor_si512(picked, flip()) };
                    dots.add(k % 4, picked, _mm512_loadu_si512(weights.add((step + k) * 64).cast()));
                }
            };
            let (fours, rest) = now.as_chunks::<4>();
            for (turn, starts) in fours.iter().enumerate() {
                let starts = four(starts);
                for k in 0..4 {
                    add(&mut dots, 4 * S * turn, k, part(starts, k));
                }
            }
            for k in 0..3 {
                if let Some(start) = rest.get(k) {
                    add(&mut dots, 4 * S * fours.len(), k, usize::from(u16::from_le_bytes(*start)));
                }
            }
            words = words.add(if BYTES { steps } else { steps.div_ceil(2) } * 64);
            weights = weights.add(steps * 64);
            put_in_order(j, order, dots.sums(), y);
        }
    }
}

/// W inputs, as often as a register holds them, or in two.
#[derive(Clone, Copy)]
struct Window<const W: usize> {
    low: __m512i,
    /// Inputs 64 to 127; not used by smaller windows.
    high: __m512i,
}

impl<const W: usize> Window<W> {
    /// # Safety
    /// AVX-512; there are as many.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller's; loads are unaligned ones.
        unsafe {
            let low = match W {
                16 => _mm512_broadcast_i32x4(_mm_loadu_si128(from.cast())),
                32 => _mm512_broadcast_i64x4(_mm256_loadu_si256(from.cast())),
                _ => _mm512_loadu_si512(from.cast()),
            };
            Self { low, high: if W > 64 { _mm512_loadu_si512(from.add(64).cast()) } else { low } }
        }
    }

    /// The inputs at `positions`, of which the bits above W do not count.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    fn pick(self, positions: __m512i) -> __m512i {
        if W > 64 {
            _mm512_permutex2var_epi8(self.low, positions, self.high)
        } else {
            _mm512_permutexvar_epi8(positions, self.low)
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
    if in_sequence(order, first) {
        let y = y.get_mut(first..first + order.len()).unwrap_or_default();
        // SAFETY: the caller's.
        return unsafe { put(j, first, sums, y) };
    }
    put_each(j, outputs, sums, y, 0);
}

/// Whether `order`, of at most sixteen, is `first`, `first + 1` and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn in_sequence(order: &[[u8; 2]], first: usize) -> bool {
    if let Some(sixteen) = order.first_chunk::<16>() {
        let wanted = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        // SAFETY: sixteen numbers of 16 bits.
        let order = unsafe { _mm256_loadu_si256(sixteen.as_ptr().cast()) };
        return _mm256_cmpneq_epi16_mask(order, _mm256_add_epi16(wanted, _mm256_set1_epi16(first as i16))) == 0;
    }
    order.iter().map(|output| usize::from(u16::from_le_bytes(*output))).eq(first..first + order.len())
}
