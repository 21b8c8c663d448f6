//! Windows of int8, 4·G rows a group: lanes are outputs, which pick up to four inputs each of one window of W.
//!
//! Pseudo-code: for each group: for each step: load its window; for each four rows of the group: positions = half of a word or a
//! word; xs = table look-up; acc += dot. Sums lie on the stack in the order of the outputs until all are there.

use core::arch::aarch64::*;
use core::mem::MaybeUninit;

use super::dot;
use super::nm::pick;
use super::outputs::Outputs;
use crate::junction::{Junction, quads_a_word};

/// Outputs whose sums have room on the stack.
const ROOM: usize = 1024;

/// # Safety
/// As for every kernel (`RunI8`); packing windows of W inputs with 4·G lanes and one step; the dot product extension where DOT.
#[target_feature(enable = "neon")]
pub(super) unsafe fn windows<const DOT: bool, const W: usize, const G: usize>(
    j: &Junction<'_>,
    x: &[i8],
    y: &mut [i8],
) {
    let Some(outputs) = Outputs::new(j) else { return };
    let index = j.windows_index();
    let mut starts = index.starts;
    let mut group = Group::<DOT, W, G> { weights: j.weights_i8().as_ptr().cast(), words: index.words.as_ptr() };
    let mut sums = [const { MaybeUninit::<i32>::uninit() }; ROOM];
    let fits = y.len() <= ROOM;
    for (count, order) in j.counts().iter().zip(index.order.chunks(4 * G)) {
        // SAFETY: Junction::new_i8 proved, for each group, `count` windows whose W inputs lie below n_in, x's length, G vectors
        // of weights for each, and G of positions for each word of them begun; and outputs below n_out, y's length, in the order.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            let acc = group.sums(now, x);
            match order.as_chunks::<4>() {
                (fours, []) if fits && fours.len() == G => {
                    for g in 0..G {
                        scatter(fours[g], acc[g], sums.as_mut_ptr().cast());
                    }
                }
                _ if fits => each(order, &acc, |output, sum| _ = sums.get_unchecked_mut(output).write(sum)),
                _ => each(order, &acc, |output, sum| *y.get_unchecked_mut(output) = j.output_i8(output, sum)),
            }
        }
    }
    if !fits {
        return;
    }
    let (tiles, outputs_there) = (y.len().next_multiple_of(16), y.len());
    sums.iter_mut().take(tiles).skip(outputs_there).for_each(|sum| _ = sum.write(0));
    for (tile, (sums, y)) in sums.chunks(16).zip(y.chunks_mut(16)).enumerate() {
        // SAFETY: the order names every output, and the rest of the last sixteen was written just now: all sums are there.
        unsafe {
            let sums = core::array::from_fn::<_, 4, _>(|v| vld1q_s32(sums.as_ptr().add(4 * v).cast()));
            outputs.put(16 * tile, sums, y);
        }
    }
}

/// Puts four sums where their outputs' lie.
///
/// # Safety
/// Advanced SIMD; `sums` has room for the four.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn scatter(order: [[u8; 2]; 4], acc: int32x4_t, sums: *mut i32) {
    let [a, b, c, d] = order.map(|output| usize::from(u16::from_le_bytes(output)));
    // SAFETY: the caller's.
    unsafe {
        vst1q_lane_s32::<0>(sums.add(a), acc);
        vst1q_lane_s32::<1>(sums.add(b), acc);
        vst1q_lane_s32::<2>(sums.add(c), acc);
        vst1q_lane_s32::<3>(sums.add(d), acc);
    }
}

/// Calls `with` for every output that `order` names, and its sum.
#[inline(never)]
#[target_feature(enable = "neon")]
fn each<const G: usize>(order: &[[u8; 2]], acc: &[int32x4_t; G], mut with: impl FnMut(usize, i32)) {
    let mut sums = [[0i32; 4]; G];
    for (sums, acc) in sums.iter_mut().zip(acc) {
        // SAFETY: four i32 fit the array.
        unsafe { vst1q_s32(sums.as_mut_ptr(), *acc) };
    }
    for (output, sum) in order.iter().zip(sums.as_flattened()) {
        with(usize::from(u16::from_le_bytes(*output)), *sum);
    }
}

/// Where the next group's weights and positions lie.
struct Group<const DOT: bool, const W: usize, const G: usize> {
    weights: *const i8,
    words: *const u8,
}

impl<const DOT: bool, const W: usize, const G: usize> Group<DOT, W, G> {
    /// The sums of a group of so many steps.
    ///
    /// # Safety
    /// There is another group, and the inputs of its windows lie in `x`; the dot product extension where DOT.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn sums(&mut self, starts: &[[u8; 2]], x: &[i8]) -> [int32x4_t; G] {
        let mut acc = [vdupq_n_s32(0); G];
        // Four at a time share words of positions, and the overhead of the loop.
        let (fours, rest) = starts.as_chunks::<4>();
        let (pairs, last) = rest.as_chunks::<2>();
        // SAFETY: the caller's.
        unsafe {
            for [a, b, c, d] in fours {
                self.step::<0>(&mut acc, *a, x);
                self.step::<1>(&mut acc, *b, x);
                self.step::<0>(&mut acc, *c, x);
                self.step::<1>(&mut acc, *d, x);
            }
            for [even, odd] in pairs {
                self.step::<0>(&mut acc, *even, x);
                self.step::<1>(&mut acc, *odd, x);
            }
            for start in last {
                self.step::<0>(&mut acc, *start, x);
                self.words = self.words.add(if quads_a_word(W as u8) == 2 { 16 * G } else { 0 });
            }
        }
        acc
    }

    /// The ODD-th step of a pair.
    ///
    /// # Safety
    /// There is another step, and the inputs of its window lie in `x`; the dot product extension where DOT.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const ODD: usize>(&mut self, acc: &mut [int32x4_t; G], start: [u8; 2], x: &[i8]) {
        // SAFETY: the caller's; vector loads of bytes take any address.
        unsafe {
            let x = x.as_ptr().add(usize::from(u16::from_le_bytes(start)));
            let window: [int8x16_t; 4] =
                core::array::from_fn(|at| if 16 * at < W { vld1q_s8(x.add(16 * at)) } else { vdupq_n_s8(0) });
            for (g, acc) in acc.iter_mut().enumerate() {
                let word = vld1q_u8(self.words.add(16 * g));
                let positions = match (W, ODD) {
                    (16, 0) => vandq_u8(word, vdupq_n_u8(15)),
                    (16, _) => vshrq_n_u8::<4>(word),
                    _ => word,
                };
                *acc = dot::<DOT>(*acc, vld1q_s8(self.weights.add(16 * g)), pick(W, window, positions));
            }
            self.weights = self.weights.add(16 * G);
            if ODD == 1 || quads_a_word(W as u8) == 1 {
                self.words = self.words.add(16 * G);
            }
        }
    }
}
