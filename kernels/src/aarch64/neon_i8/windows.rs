//! Windows of 16 inputs of int8, eight rows a group: lanes are outputs, which pick up to four inputs each of one window.
//!
//! Pseudo-code: for each group: for each two steps: load their windows; for both halves of the group: load a word of positions; twice: xs = table
//! look-up; acc += dot.

use core::arch::aarch64::*;

use super::{dot, put};
use crate::junction::Junction;

/// # Safety
/// As for every kernel (`RunI8`); packing windows of 16 inputs with eight lanes; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn windows<const DOT: bool>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let index = j.windows_index();
    let (mut starts, mut words) = (index.starts, index.words.as_ptr());
    let mut weights: *const i8 = j.weights_i8().as_ptr().cast();
    for (count, order) in j.counts().iter().zip(index.order.chunks(8)) {
        let mut acc = [vdupq_n_s32(0); 2];
        // SAFETY: Junction::new_i8 proved, for each group, `count` windows whose 16 inputs lie below n_in, x's length, two vectors
        // of weights for each, and two of positions for each two of them begun.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            // In pairs, which share a word of positions.
            let (pairs, last) = now.as_chunks::<2>();
            for (pair, starts) in pairs.iter().enumerate() {
                let [even, odd] = starts.map(|start| vld1q_s8(x.as_ptr().add(usize::from(u16::from_le_bytes(start)))));
                for (half, acc) in acc.iter_mut().enumerate() {
                    let word = vld1q_u8(words.add(pair * 32 + half * 16));
                    let xs = vqtbl1q_s8(even, vandq_u8(word, vdupq_n_u8(15)));
                    *acc = dot::<DOT>(*acc, vld1q_s8(weights.add(half * 16)), xs);
                    let xs = vqtbl1q_s8(odd, vshrq_n_u8::<4>(word));
                    *acc = dot::<DOT>(*acc, vld1q_s8(weights.add(32 + half * 16)), xs);
                }
                weights = weights.add(64);
            }
            for start in last {
                let window = vld1q_s8(x.as_ptr().add(usize::from(u16::from_le_bytes(*start))));
                for (half, acc) in acc.iter_mut().enumerate() {
                    let word = vld1q_u8(words.add(pairs.len() * 32 + half * 16));
                    let xs = vqtbl1q_s8(window, vandq_u8(word, vdupq_n_u8(15)));
                    *acc = dot::<DOT>(*acc, vld1q_s8(weights.add(half * 16)), xs);
                }
                weights = weights.add(32);
            }
            words = words.add(now.len().div_ceil(2) * 32);
        }
        for (order, sums) in order.chunks(4).zip(acc) {
            // SAFETY: order holds outputs.
            unsafe { put_in_order(j, order, sums, y) };
        }
    }
}

/// The outputs of the rows that `order` names, at most four.
///
/// # Safety
/// Advanced SIMD; every output is below n_out, `y`'s length; the junction is an int8 one.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put_in_order(j: &Junction<'_>, order: &[[u8; 2]], sums: int32x4_t, y: &mut [i8]) {
    let outputs = order.iter().map(|output| usize::from(u16::from_le_bytes(*output)));
    let first = outputs.clone().next().unwrap_or(0);
    if outputs.clone().eq(first..first + order.len()) {
        let y = y.get_mut(first..first + order.len()).unwrap_or_default();
        // SAFETY: the caller's.
        return unsafe { put(j, first, sums, y) };
    }
    let mut each = [0i32; 4];
    // SAFETY: four i32 fit the array.
    unsafe { vst1q_s32(each.as_mut_ptr(), sums) };
    for (output, sum) in outputs.zip(each) {
        if let Some(y) = y.get_mut(output) {
            *y = j.output_i8(output, sum);
        }
    }
}
