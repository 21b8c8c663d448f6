//! aarch64 Advanced SIMD, int8: sixteen products a vector, exact; with the dot product extension (`sdot`) and without.
//!
//! Each 32-bit lane gets the sum of four products of neighbouring bytes. Without `sdot`: `smull` and `smull2` make 16-bit
//! products, `addp` adds neighbours (two products come to 32,512 at most, since |x| ≤ 128 and |w| ≤ 127, a rule of int8
//! junctions), `sadalp` adds neighbours again, into 32 bits.
//!
//! | kernel | instructions per 16 products: `sdot`, without | shape of the inner loop |
//! |-|-|-|
//! | dense | 1.6, 4.6 | four rows share each vector of `x`; loads are of two vectors |
//! | block R×C | 1.5, 4.5, and a broadcast of four inputs for every R/4 | lanes are outputs, four inputs each |
//! | N:M in lanes | 4.6, 7.6, and a load of the pages for every 8 rows | lanes are outputs, which pick four inputs each by `tbl` from up to four registers |
//! | windows | 3.6, 6.6, and half a load of the window | the same, from windows that start anywhere |
//!
//! `vdotq_s32` is not stable in Rust 1.95, hence the one instruction in `asm!`.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunI8};

mod block;
mod dense;
mod nm;
mod windows;

const fn plain(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::Neon, accepts, run)
}

const fn with_dot(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::NeonDot, accepts, run)
}

const fn lanes(m: u8) -> Accepts {
    Accepts::NMLanes { m, lanes: 8 }
}

const WINDOW: Accepts = Accepts::Windows { lanes: 8, width: 16, steps: 1 };

/// `dense_i8_4x16`
pub static DENSE: Kernel = plain("dense_i8_4x16", Accepts::Dense, dense::dense::<false>);
/// `block_i8_4x4`: blocks of 4 outputs.
pub static BLOCK_4: Kernel = plain("block_i8_4x4", Accepts::BlockOfRows(4), block::block::<false, 1>);
/// `block_i8_8x4`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = plain("block_i8_8x4", Accepts::BlockOfRows(8), block::block::<false, 2>);
/// `block_i8_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = plain("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<false, 4>);
/// `nm_lanes16_i8_8x4`: pages of 16, eight rows a group.
pub static NM_LANES16: Kernel = plain("nm_lanes16_i8_8x4", lanes(16), nm::nm::<false>);
/// `nm_lanes8_i8_8x4`: pages of 8, eight rows a group.
pub static NM_LANES8: Kernel = plain("nm_lanes8_i8_8x4", lanes(8), nm::nm::<false>);
/// `nm_lanes4_i8_8x4`: pages of 4, eight rows a group.
pub static NM_LANES4: Kernel = plain("nm_lanes4_i8_8x4", lanes(4), nm::nm::<false>);

/// `windows16_i8_8x4`: windows of 16, eight rows a group.
pub static WINDOWS16: Kernel = plain("windows16_i8_8x4", WINDOW, windows::windows::<false>);

/// `dense_i8_4x16`, with `sdot`.
pub static DOT_DENSE: Kernel = with_dot("dense_i8_4x16", Accepts::Dense, dense::dense::<true>);
/// `block_i8_4x4`, with `sdot`.
pub static DOT_BLOCK_4: Kernel = with_dot("block_i8_4x4", Accepts::BlockOfRows(4), block::block::<true, 1>);
/// `block_i8_8x4`, with `sdot`.
pub static DOT_BLOCK_8: Kernel = with_dot("block_i8_8x4", Accepts::BlockOfRows(8), block::block::<true, 2>);
/// `block_i8_16x4`, with `sdot`.
pub static DOT_BLOCK_16: Kernel = with_dot("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<true, 4>);
/// `nm_lanes16_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES16: Kernel = with_dot("nm_lanes16_i8_8x4", lanes(16), nm::nm::<true>);
/// `nm_lanes8_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES8: Kernel = with_dot("nm_lanes8_i8_8x4", lanes(8), nm::nm::<true>);
/// `nm_lanes4_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES4: Kernel = with_dot("nm_lanes4_i8_8x4", lanes(4), nm::nm::<true>);

/// `windows16_i8_8x4`, with `sdot`.
pub static DOT_WINDOWS16: Kernel = with_dot("windows16_i8_8x4", WINDOW, windows::windows::<true>);

/// `acc` plus, in each 32-bit lane, four products of `w` and `x`.
///
/// # Safety
/// The processor has Advanced SIMD and, where DOT, its dot product extension; no byte of `w` is −128.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn dot<const DOT: bool>(acc: int32x4_t, w: int8x16_t, x: int8x16_t) -> int32x4_t {
    if DOT {
        let mut acc = acc;
        // SAFETY: the processor has the instruction; it reads and writes nothing but these registers.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                "sdot {acc:v}.4s, {w:v}.16b, {x:v}.16b",
                acc = inout(vreg) acc,
                w = in(vreg) w,
                x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        return acc;
    }
    let (low, high) = (vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
    vpadalq_s16(acc, vpaddq_s16(low, high))
}

/// The outputs from `first` on of the sums of products, bias not yet in them: as many as `y` has, at most four.
///
/// # Safety
/// Advanced SIMD; `first + y.len() ≤ n_out`; the junction is an int8 one.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn put(j: &Junction<'_>, first: usize, sums: int32x4_t, y: &mut [i8]) {
    let Some(int8) = j.int8() else { return };
    let (biases, y_four) = (j.parts().bias, y.first_chunk_mut::<4>());
    let (Some(four), Some(shifts)) = (y_four, int8.shifts().get(first..).and_then(|shifts| shifts.first_chunk::<4>()))
    else {
        // SAFETY: the caller's.
        return unsafe { put_each(j, first, sums, y) };
    };
    // SAFETY: four outputs from `first` on exist, with a multiplier, a shift and, unless there are none at all, a bias each;
    // vector loads and stores of bytes take any address.
    unsafe {
        let shift = vreinterpret_s8_s32(vdup_n_s32(i32::from_ne_bytes(*shifts)));
        let shift = vmovl_s16(vget_low_s16(vmovl_s8(shift)));
        // A multiplication by a power of two is rare, and saturates.
        if vmaxvq_s32(shift) > 0 {
            return put_each(j, first, sums, y);
        }
        let multiplier = vreinterpretq_s32_u8(vld1q_u8(int8.multipliers().as_ptr().add(first).cast()));
        let sums = if biases.is_empty() {
            sums
        } else {
            vaddq_s32(sums, vreinterpretq_s32_u8(vld1q_u8(biases.as_ptr().add(4 * first))))
        };
        // `sqrdmulh` is the rounding, doubling high product; `srshl` rounds halves up, and one less below zero makes that away from it.
        let product = vqrdmulhq_s32(sums, multiplier);
        let scaled = vrshlq_s32(vqaddq_s32(product, vshrq_n_s32::<31>(vandq_s32(product, shift))), shift);
        // Saturating to 16 bits first, adding the zero point cannot wrap, and the clamp sees no difference.
        let words = vqmovn_s32(scaled);
        let words = vqadd_s16(words, vdup_n_s16(i16::from(int8.output_zero)));
        let bytes = vqmovn_s16(vcombine_s16(words, words));
        let bytes = vmax_s8(vmin_s8(bytes, vdup_n_s8(int8.high)), vdup_n_s8(int8.low));
        vst1_lane_s32::<0>(four.as_mut_ptr().cast(), vreinterpret_s32_s8(bytes));
    }
}

/// [`put`] one by one: the last outputs of a junction, and those that are multiplied by a power of two.
///
/// # Safety
/// As for [`put`].
#[cold]
#[target_feature(enable = "neon")]
unsafe fn put_each(j: &Junction<'_>, first: usize, sums: int32x4_t, y: &mut [i8]) {
    let mut each = [0i32; 4];
    // SAFETY: four i32 fit the array.
    unsafe { vst1q_s32(each.as_mut_ptr(), sums) };
    for (lane, (y, sum)) in y.iter_mut().zip(each).enumerate() {
        *y = j.output_i8(first + lane, sum);
    }
}
