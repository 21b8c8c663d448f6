//! N:M for registers and windows, four rows a group: lanes are outputs, which pick from inputs in registers by `tbl`.
//!
//! Pseudo-code: for each group: for each page or window: load it into 1, 2 or 4 registers; for each step: bytes = 4 · position +
//! (0, 1, 2, 3); xs = tbl(page, bytes); acc += weights · xs; positions >>= 4.
//!
//! Loads for 4 nonzeros and 1 FMA: 1 of weights, 1/8 of positions (1/6 in pages of 32), and M/4 registers of a page for its N
//! steps or of a window for one: 0.28 loads, M/(16·N) or M/16 of the page, and 0.25 FMAs a nonzero. Beside them a step is `and`,
//! `mla` with a copy, `tbl` and a shift. Pages of 32 lie in eight registers and take two look-ups, of which the second keeps what
//! the first found.
//!
//! Instructions a nonzero of 800×112, counted under QEMU: 4:16 3.9, 8:32 3.8, 3:32 5.0, windows of 16 3.4 (padding counted), where the
//! scalar reference takes 21 and 18, rows 5.4 and dense 0.68: by that count alone N:M passes dense below 1/6. Times are not measured:
//! no aarch64 machine is here.
//!
//! Windows of 32 are left to the scalar reference on purpose: eight registers for a window that serves one step are 2 loads a nonzero
//! where a window of 16 has 1 and rows, which have no padding, 2.25.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{NMRow, Packing};
use crate::spilled;

/// `nm_lanes4_f32_4x4`: pages of 4, four rows a group.
pub static NM_LANES4: Kernel =
    Kernel::new("nm_lanes4_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 4, lanes: 4 }, nm::<4>);
/// `nm_lanes8_f32_4x4`: pages of 8, four rows a group.
pub static NM_LANES8: Kernel =
    Kernel::new("nm_lanes8_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 8, lanes: 4 }, nm::<8>);
/// `nm_lanes16_f32_4x4`: pages of 16, four rows a group.
pub static NM_LANES16: Kernel =
    Kernel::new("nm_lanes16_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 16, lanes: 4 }, nm::<16>);
/// `nm_lanes32_f32_4x4`: pages of 32, four rows a group.
pub static NM_LANES32: Kernel =
    Kernel::new("nm_lanes32_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 32, lanes: 4 }, nm::<32>);
/// `windows8_f32_4x4`: windows of 8, four rows a group.
pub static WINDOWS8: Kernel =
    Kernel::new("windows8_f32_4x4", Isa::Neon, Accepts::Windows { lanes: 4, width: 8, steps: 1 }, windows::<8>);
/// `windows16_f32_4x4`: windows of 16, four rows a group.
pub static WINDOWS16: Kernel =
    Kernel::new("windows16_f32_4x4", Isa::Neon, Accepts::Windows { lanes: 4, width: 16, steps: 1 }, windows::<16>);

/// Steps a word of positions in pages of `m` inputs.
const fn word_of(m: usize) -> usize {
    if m > 16 { 6 } else { 8 }
}

/// M inputs, M = 4, 8, 16 or 32, as bytes; the registers above them are not used.
#[derive(Clone, Copy)]
struct Page<const M: usize>([uint8x16_t; 8]);

impl<const M: usize> Page<M> {
    /// # Safety
    /// `x` has M values.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(x: *const f32) -> Self {
        let mut page = [vdupq_n_u8(0); 8];
        for (k, part) in page.iter_mut().take(M / 4).enumerate() {
            // SAFETY: the caller's bound; vector loads take any address.
            *part = unsafe { vld1q_u8(x.add(4 * k).cast()) };
        }
        Self(page)
    }

    /// A page of fewer than M inputs.
    #[inline]
    #[target_feature(enable = "neon")]
    fn ragged(x: &[f32]) -> Self {
        let mut page = [0.0; 32];
        page.iter_mut().zip(x).for_each(|(page, x)| *page = *x);
        // SAFETY: the array has 32 values, M at most.
        unsafe { Self::load(page.as_ptr()) }
    }

    /// `page[positions]`, by the low bits of each lane, four of pages up to 16 and five of 32; they are below M.
    #[inline]
    #[target_feature(enable = "neon")]
    fn pick(self, positions: uint32x4_t) -> float32x4_t {
        let position = vandq_u32(positions, vdupq_n_u32(if M > 16 { 31 } else { 15 }));
        let bytes = vmlaq_u32(vdupq_n_u32(0x0302_0100), position, vdupq_n_u32(0x0404_0404));
        let (bytes, Self([a, b, c, d, e, f, g, h])) = (vreinterpretq_u8_u32(bytes), self);
        let picked = match M {
            4 => vqtbl1q_u8(a, bytes),
            8 => vqtbl2q_u8(uint8x16x2_t(a, b), bytes),
            16 => vqtbl4q_u8(uint8x16x4_t(a, b, c, d), bytes),
            // What is beyond the first four registers is 0 of them, and kept by the second look-up where it is below.
            _ => {
                let low = vqtbl4q_u8(uint8x16x4_t(a, b, c, d), bytes);
                vqtbx4q_u8(low, uint8x16x4_t(e, f, g, h), vsubq_u8(bytes, vdupq_n_u8(64)))
            }
        };
        vreinterpretq_f32_u8(picked)
    }
}

/// A group's weights and positions, as far as they are not read, and its sums.
struct Stream {
    weights: *const f32,
    words: *const u32,
    positions: uint32x4_t,
    /// Steps whose positions are loaded.
    left: usize,
    acc: [float32x4_t; 2],
}

impl Stream {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(weights: *const f32, words: *const u32) -> Self {
        Self { weights, words, positions: vdupq_n_u32(0), left: 0, acc: [vdupq_n_f32(0.0); 2] }
    }

    /// Loads the positions of the next steps, eight or, in pages of 32, six.
    ///
    /// # Safety
    /// There is another word.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn next_word(&mut self) {
        // SAFETY: the caller's; vector loads take any address.
        unsafe {
            self.positions = vreinterpretq_u32_u8(vld1q_u8(self.words.cast()));
            self.words = self.words.add(4);
        }
    }

    /// `count` steps that pick from one page, into the accumulators in turn.
    ///
    /// # Safety
    /// There are so many.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn steps<const M: usize>(&mut self, page: Page<M>, count: usize) {
        let mut next = |chain| {
            // SAFETY: the caller's.
            unsafe {
                if self.left == 0 {
                    self.next_word();
                    self.left = word_of(M);
                }
                self.left -= 1;
                self.step(page, chain);
            }
        };
        // In pairs: which accumulator it is must be a constant, or both are kept up to date for every step.
        for _ in 0..count / 2 {
            next(0);
            next(1);
        }
        if !count.is_multiple_of(2) {
            next(0);
        }
    }

    /// One step, into accumulator `chain`.
    ///
    /// # Safety
    /// There is another step, and its positions are loaded.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const M: usize>(&mut self, page: Page<M>, chain: usize) {
        let acc = &mut self.acc[chain % 2];
        // SAFETY: the caller's; vector loads take any address.
        unsafe {
            *acc = vfmaq_f32(*acc, vreinterpretq_f32_u8(vld1q_u8(self.weights.cast())), page.pick(self.positions));
            self.weights = self.weights.add(4);
        }
        self.positions = if M > 16 { vshrq_n_u32::<5>(self.positions) } else { vshrq_n_u32::<4>(self.positions) };
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn sums(&self) -> [f32; 4] {
        let [a, b] = self.acc;
        let mut sums = [0.0; 4];
        // SAFETY: four f32 fit the array.
        unsafe { vst1q_f32(sums.as_mut_ptr(), vaddq_f32(a, b)) };
        sums
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing N:M for registers with pages of M and four lanes.
#[target_feature(enable = "neon")]
unsafe fn nm<const M: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, .. } = *j.packing() else { return };
    let row = NMRow::new(j.n_in(), usize::from(n), M);
    let (mut weights, mut words) = (j.weights().as_ptr().cast::<f32>(), j.index32().as_ptr().cast::<u32>());
    for (group, y) in y.chunks_mut(4).enumerate() {
        let mut stream = Stream::new(weights, words);
        for page in 0..x.len().div_ceil(M) {
            let whole = page < row.whole_pages;
            // SAFETY: Junction::new proved in_degree steps of four weights for every group, the last one too, and a word of
            // positions a lane for every eight or six steps begun; whole pages lie in x.
            unsafe {
                let inputs = if whole {
                    Page::<M>::load(x.as_ptr().add(page * M))
                } else {
                    Page::ragged(x.get_unchecked(page * M..))
                };
                stream.steps(inputs, if whole { usize::from(n) } else { row.last_n });
            }
        }
        (weights, words) = (stream.weights, stream.words);
        for (r, (y, sum)) in y.iter_mut().zip(stream.sums()).enumerate() {
            *y = j.bias(group * 4 + r) + sum;
        }
    }
    j.activation().apply(y);
}

/// # Safety
/// As for every kernel (`RunF32`); packing windows with four lanes and windows of M.
#[target_feature(enable = "neon")]
unsafe fn windows<const M: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = j.windows_index();
    let (mut weights, mut words) = (j.weights().as_ptr().cast::<f32>(), index.words.as_ptr().cast::<u32>());
    let mut starts = index.starts;
    for (count, order) in j.counts().iter().zip(index.order.chunks(4)) {
        let mut stream = Stream::new(weights, words);
        // SAFETY: Junction::new proved for this group `count` starts, as many steps of four weights, and a word of
        // positions a lane for every eight steps begun; that every window lies within n_in, x's length; and that the order
        // holds outputs below n_out, y's length.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            for starts in now.chunks(word_of(M)) {
                stream.next_word();
                let window = |start: &[u8; 2]| Page::<M>::load(x.as_ptr().add(usize::from(u16::from_le_bytes(*start))));
                let (pairs, last) = starts.as_chunks::<2>();
                for [even, odd] in pairs {
                    stream.step(window(even), 0);
                    stream.step(window(odd), 1);
                }
                for start in last {
                    stream.step(window(start), 0);
                }
            }
            (weights, words) = (stream.weights, stream.words);
            for (output, sum) in order.iter().zip(stream.sums()) {
                let output = usize::from(u16::from_le_bytes(*output));
                *y.get_unchecked_mut(output) = j.bias(output) + sum;
            }
        }
    }
    // SAFETY: the caller's.
    unsafe { spilled::add(j, x, y) };
    j.activation().apply(y);
}
