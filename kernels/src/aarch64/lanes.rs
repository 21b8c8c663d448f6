//! N:M for registers and windows, four rows a group: lanes are outputs, which pick from inputs in registers by `tbl`.
//!
//! Pseudo-code: for each group: for each page or window: load it into 1, 2 or 4 registers; for each step: bytes = 4 · position +
//! (0, 1, 2, 3); xs = tbl(page, bytes); acc += weights · xs; positions >>= 4.
//!
//! Instructions a step of 4 nonzeros: 1 load of weights, `and`, `mla` and `tbl` for the inputs, FMA, shift; 1/8 load of positions. N:M
//! adds 1/N of a page; windows add two loads and the start. That is 1.6 and 2.5 an edge beside 3.6 of rows, which load every
//! input by itself, and 0.6 of dense: counted in the source, times not measured, since no aarch64 machine is here.

use core::arch::aarch64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{NMRow, Packing};

/// `nm_lanes4_f32_4x4`: pages of 4, four rows a group.
pub static NM_LANES4: Kernel =
    Kernel::new("nm_lanes4_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 4, lanes: 4 }, nm::<4>);
/// `nm_lanes8_f32_4x4`: pages of 8, four rows a group.
pub static NM_LANES8: Kernel =
    Kernel::new("nm_lanes8_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 8, lanes: 4 }, nm::<8>);
/// `nm_lanes16_f32_4x4`: pages of 16, four rows a group.
pub static NM_LANES16: Kernel =
    Kernel::new("nm_lanes16_f32_4x4", Isa::Neon, Accepts::NMLanes { m: 16, lanes: 4 }, nm::<16>);
/// `windows8_f32_4x4`: windows of 8, four rows a group.
pub static WINDOWS8: Kernel =
    Kernel::new("windows8_f32_4x4", Isa::Neon, Accepts::Windows { lanes: 4, width: 8 }, windows::<8>);
/// `windows16_f32_4x4`: windows of 16, four rows a group.
pub static WINDOWS16: Kernel =
    Kernel::new("windows16_f32_4x4", Isa::Neon, Accepts::Windows { lanes: 4, width: 16 }, windows::<16>);

/// Steps a word of positions.
const WORD: usize = 8;

/// M inputs, M = 4, 8 or 16, as bytes; the registers above them are not used.
#[derive(Clone, Copy)]
struct Page<const M: usize>([uint8x16_t; 4]);

impl<const M: usize> Page<M> {
    /// # Safety
    /// `x` has M values.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn load(x: *const f32) -> Self {
        let mut page = [vdupq_n_u8(0); 4];
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
        let mut page = [0.0; 16];
        page.iter_mut().zip(x).for_each(|(page, x)| *page = *x);
        // SAFETY: the array has 16 values, M at most.
        unsafe { Self::load(page.as_ptr()) }
    }

    /// `page[positions]`, by the low four bits of each lane; they are below M.
    #[inline]
    #[target_feature(enable = "neon")]
    fn pick(self, positions: uint32x4_t) -> float32x4_t {
        let position = vandq_u32(positions, vdupq_n_u32(15));
        let bytes = vmlaq_u32(vdupq_n_u32(0x0302_0100), position, vdupq_n_u32(0x0404_0404));
        let (bytes, Self([a, b, c, d])) = (vreinterpretq_u8_u32(bytes), self);
        let picked = match M {
            4 => vqtbl1q_u8(a, bytes),
            8 => vqtbl2q_u8(uint8x16x2_t(a, b), bytes),
            _ => vqtbl4q_u8(uint8x16x4_t(a, b, c, d), bytes),
        };
        vreinterpretq_f32_u8(picked)
    }
}

/// A group's weights and positions, as far as they are not read, and its sums.
struct Stream {
    weights: *const f32,
    words: *const u32,
    positions: uint32x4_t,
    acc: [float32x4_t; 2],
}

impl Stream {
    /// Loads the positions of the next eight steps.
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

    /// One step, into accumulator `chain`.
    ///
    /// # Safety
    /// There is another step.
    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn step<const M: usize>(&mut self, page: Page<M>, chain: usize) {
        let acc = &mut self.acc[chain % 2];
        // SAFETY: the caller's; vector loads take any address.
        unsafe {
            *acc = vfmaq_f32(*acc, vreinterpretq_f32_u8(vld1q_u8(self.weights.cast())), page.pick(self.positions));
            self.weights = self.weights.add(4);
        }
        self.positions = vshrq_n_u32::<4>(self.positions);
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
        let mut stream = Stream { weights, words, positions: vdupq_n_u32(0), acc: [vdupq_n_f32(0.0); 2] };
        let mut step = 0;
        for page in 0..x.len().div_ceil(M) {
            let whole = page < row.whole_pages;
            // SAFETY: Junction::new proved in_degree steps of four weights for every group, the last one too, and a word of
            // eight positions a lane for every eight steps begun; whole pages lie in x.
            unsafe {
                let inputs = if whole {
                    Page::<M>::load(x.as_ptr().add(page * M))
                } else {
                    Page::ragged(x.get_unchecked(page * M..))
                };
                for k in 0..if whole { usize::from(n) } else { row.last_n } {
                    if step % WORD == 0 {
                        stream.next_word();
                    }
                    // Two chains, which two calls make constants.
                    if k % 2 == 0 {
                        stream.step(inputs, 0)
                    } else {
                        stream.step(inputs, 1)
                    }
                    step += 1;
                }
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
        let mut stream = Stream { weights, words, positions: vdupq_n_u32(0), acc: [vdupq_n_f32(0.0); 2] };
        // SAFETY: Junction::new proved for this group `count` starts, as many steps of four weights, and a word of eight
        // positions a lane for every eight steps begun; that every window lies within n_in, x's length; and that the order
        // holds outputs below n_out, y's length.
        unsafe {
            let (now, after) = starts.split_at_unchecked(usize::from(u16::from_le_bytes(*count)));
            starts = after;
            for starts in now.chunks(WORD) {
                stream.next_word();
                for (k, start) in starts.iter().enumerate() {
                    let window = Page::<M>::load(x.as_ptr().add(usize::from(u16::from_le_bytes(*start))));
                    if k % 2 == 0 { stream.step(window, 0) } else { stream.step(window, 1) }
                }
            }
            (weights, words) = (stream.weights, stream.words);
            for (output, sum) in order.iter().zip(stream.sums()) {
                let output = usize::from(u16::from_le_bytes(*output));
                *y.get_unchecked_mut(output) = j.bias(output) + sum;
            }
        }
    }
    j.activation().apply(y);
}
