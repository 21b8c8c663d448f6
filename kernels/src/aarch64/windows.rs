//! Windows of 16 inputs, eight rows a group: lanes are outputs, which pick from a window in four registers by `tbl`.
//!
//! Pseudo-code: for each group: for each word of positions (eight steps): for each step: load its window; for both halves of the
//! group: bytes = 4 · position + (0, 1, 2, 3); xs = tbl(window, bytes); acc += weights · xs.
//!
//! A step is 13 instructions: 4 for the window, 1 that loads weights, and for every four rows one that brings the position into the
//! four bytes of its lane, one that makes bytes of it, `tbl` and `fmla`. With the words that is 1.7 a place, where rows have 3.4 a
//! nonzero and dense 0.48. Instructions of 800×112, counted under QEMU, padding and all: 2.1 a nonzero at 1/4, 2.7 at 1/10, 3.5 at
//! 1/20. Times are not measured: no aarch64 machine is here.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::spilled;

/// `windows16_f32_8x4`: windows of 16, eight rows a group.
pub static WINDOWS16: Kernel =
    Kernel::new("windows16_f32_8x4", Isa::Neon, Accepts::Windows { lanes: 8, width: 16, steps: 1 }, windows);

/// Vectors of rows a group. Four need more registers than there are.
const G: usize = 2;

/// # Safety
/// As for every kernel (`RunF32`); packing windows of 16 inputs with eight lanes and one step.
#[target_feature(enable = "neon")]
unsafe fn windows(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.windows_index();
    let mut starts = index.starts;
    let mut run = Run {
        weights: j.weights().as_ptr().cast(),
        words: index.words.as_ptr(),
        bytes: vreinterpretq_u8_u32(vdupq_n_u32(0x0302_0100)),
    };
    for (count, order) in j.counts().iter().zip(index.order.chunks(4 * G)) {
        let mut acc = [vdupq_n_f32(0.0); G];
        // SAFETY: Junction::new proved for this group `count` windows whose 16 inputs lie below n_in, x's length, as many steps of
        // 4·G weights, and a word of positions a lane for every eight steps begun; and outputs below n_out, y's length, in the order.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            let (whole, rest) = now.as_chunks::<8>();
            for starts in whole {
                run.word(starts, x, &mut acc);
            }
            if !rest.is_empty() {
                run.part(rest, x, &mut acc);
            }
            scatter(order, acc, y);
        }
    }
    add_biases(j, y);
    // SAFETY: the caller's.
    unsafe { spilled::add(j, x, y) };
    j.activation().apply(y);
}

/// Where the next weights and words of positions lie.
struct Run {
    weights: *const u8,
    words: *const u8,
    /// The places of a window's bytes, of the last four rows; the lowest two bits say which of its lane's each byte is.
    bytes: uint8x16_t,
}

impl Run {
    /// A word of eight steps: its even steps, then its odd ones, so that half of the positions lie in registers at a time.
    ///
    /// # Safety
    /// There is such a word, and the inputs of its windows lie in `x`.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn word(&mut self, starts: &[[u8; 2]; 8], x: &[f32], acc: &mut [float32x4_t; G]) {
        // SAFETY: the caller's; vector loads of bytes take any address.
        unsafe {
            let positions = self.positions(false);
            self.step::<0>(starts[0], 0, positions, x, acc);
            self.step::<1>(starts[2], 2, positions, x, acc);
            self.step::<2>(starts[4], 4, positions, x, acc);
            self.step::<3>(starts[6], 6, positions, x, acc);
            let positions = self.positions(true);
            self.step::<0>(starts[1], 1, positions, x, acc);
            self.step::<1>(starts[3], 3, positions, x, acc);
            self.step::<2>(starts[5], 5, positions, x, acc);
            self.step::<3>(starts[7], 7, positions, x, acc);
            self.weights = self.weights.add(8 * 16 * G);
            self.words = self.words.add(16 * G);
        }
    }

    /// The last word of a group, of fewer than eight steps.
    ///
    /// # Safety
    /// As for [`word`](Self::word).
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn part(&mut self, starts: &[[u8; 2]], x: &[f32], acc: &mut [float32x4_t; G]) {
        let next = |positions: uint8x16_t| vreinterpretq_u8_u32(vshrq_n_u32::<8>(vreinterpretq_u32_u8(positions)));
        let (pairs, last) = starts.as_chunks::<2>();
        // SAFETY: the caller's.
        unsafe {
            let (mut even, mut odd) = (self.positions(false), self.positions(true));
            for starts in pairs {
                self.step::<0>(starts[0], 0, even, x, acc);
                self.step::<0>(starts[1], 1, odd, x, acc);
                (even, odd) = (even.map(next), odd.map(next));
                self.weights = self.weights.add(2 * 16 * G);
            }
            for start in last {
                self.step::<0>(*start, 0, even, x, acc);
                self.weights = self.weights.add(16 * G);
            }
            self.words = self.words.add(16 * G);
        }
    }

    /// The positions of the next word's even or odd steps, a byte each.
    ///
    /// # Safety
    /// There is another word.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn positions(&self, odd: bool) -> [uint8x16_t; G] {
        core::array::from_fn(|g| {
            // SAFETY: the caller's; vector loads of bytes take any address.
            let word = unsafe { vld1q_u8(self.words.add(16 * g)) };
            if odd { vshrq_n_u8::<4>(word) } else { vandq_u8(word, vdupq_n_u8(15)) }
        })
    }

    /// A step whose positions are the BYTE-th ones of their lanes, and whose weights lie `at` steps from here.
    ///
    /// # Safety
    /// The inputs of its window lie in `x`, and there are weights for it.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const BYTE: u32>(
        &mut self,
        start: [u8; 2],
        at: usize,
        positions: [uint8x16_t; G],
        x: &[f32],
        acc: &mut [float32x4_t; G],
    ) {
        // SAFETY: the caller's; vector loads of bytes take any address; four u32 are loaded from as many.
        unsafe {
            let window = x.as_ptr().add(usize::from(u16::from_le_bytes(start))).cast::<u8>();
            let load = |at: usize| vld1q_u8(window.add(16 * at));
            let window = uint8x16x4_t(load(0), load(1), load(2), load(3));
            // The byte of the position, four times.
            let four_times = [BYTE, 4 + BYTE, 8 + BYTE, 12 + BYTE].map(|byte| byte * 0x0101_0101);
            let four_times = vreinterpretq_u8_u32(vld1q_u32(four_times.as_ptr()));
            for g in 0..G {
                let bytes = times_four(&mut self.bytes, vqtbl1q_u8(positions[g], four_times));
                let weights = vreinterpretq_f32_u8(vld1q_u8(self.weights.add((at * G + g) * 16)));
                acc[g] = vfmaq_f32(acc[g], weights, vreinterpretq_f32_u8(vqtbl4q_u8(window, bytes)));
            }
        }
    }
}

/// Puts four times the positions into all but the lowest two bits of `bytes`. In `asm!`: of the intrinsic the compiler makes two
/// instructions.
#[inline]
#[target_feature(enable = "neon")]
fn times_four(bytes: &mut uint8x16_t, positions: uint8x16_t) -> uint8x16_t {
    // SAFETY: the instruction reads and writes nothing but these registers.
    unsafe {
        asm!(
            "sli {bytes:v}.16b, {positions:v}.16b, #2",
            bytes = inout(vreg) *bytes,
            positions = in(vreg) positions,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    *bytes
}

/// Puts the sums where the outputs of `order` lie.
///
/// # Safety
/// They lie in `y`; there are at most 4·G.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn scatter(order: &[[u8; 2]], acc: [float32x4_t; G], y: &mut [f32]) {
    let place = |output: [u8; 2]| usize::from(u16::from_le_bytes(output));
    // SAFETY: the caller's; four f32 fit the array.
    unsafe {
        let y = y.as_mut_ptr();
        let (fours, _) = order.as_chunks::<4>();
        if fours.len() == G {
            for g in 0..G {
                let [a, b, c, d] = fours[g].map(place);
                vst1q_lane_f32::<0>(y.add(a), acc[g]);
                vst1q_lane_f32::<1>(y.add(b), acc[g]);
                vst1q_lane_f32::<2>(y.add(c), acc[g]);
                vst1q_lane_f32::<3>(y.add(d), acc[g]);
            }
            return;
        }
        let mut sums = [[0.0; 4]; G];
        for (sums, acc) in sums.iter_mut().zip(acc) {
            vst1q_f32(sums.as_mut_ptr(), acc);
        }
        for (output, sum) in order.iter().zip(sums.as_flattened()) {
            *y.add(place(*output)) = *sum;
        }
    }
}

/// Adds the biases, where there are any.
#[inline]
#[target_feature(enable = "neon")]
fn add_biases(j: &Junction<'_>, y: &mut [f32]) {
    let (biases, _) = j.parts().bias.as_chunks::<4>();
    for (y, bias) in y.iter_mut().zip(biases) {
        *y += f32::from_le_bytes(*bias);
    }
}
