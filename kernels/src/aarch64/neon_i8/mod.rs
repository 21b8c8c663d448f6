//! aarch64 Advanced SIMD, int8: sixteen products a vector, exact; with the dot product extension (`sdot`) and without.
//!
//! Each 32-bit lane gets the sum of four products of neighbouring bytes. Without `sdot`: `smull` and `smull2` make 16-bit
//! products, `addp` adds neighbours (two products come to 32,512 at most, since |x| ≤ 128 and |w| ≤ 127, a rule of int8
//! junctions), `sadalp` adds neighbours again, into 32 bits.
//!
//! Instructions of the inner loops for 16 products, counted in the disassembly; without `sdot` three more:
//!
//! | kernel | with `sdot` | shape of the inner loop |
//! |-|-|-|
//! | dense | 2.2 | four rows share each vector of `x`; loads are of two vectors |
//! | block 16×4 | 2.3 (8×4 3.0, 4×4 4.5, 16×1 5.0) | lanes are outputs, four inputs each, which `sdot` takes from one lane |
//! | N:M in 16 lanes | 4:16 4.1, 2:16 4.4, 1:16 4.6, 4:32 3.6, 2:32 4.8, 4:64 3.9 | lanes are outputs, which pick four inputs each by `tbl` from up to four registers |
//! | N:M in 8 lanes | 0.4 to 0.9 more | pages are loaded for half as many rows |
//! | windows | of 64 4.3, of 32 4.1; of 16 in 8 lanes 5.4 | as N:M, from windows that start anywhere |
//!
//! Outputs take 2.6 instructions each where there are sixteen (`outputs`).
//!
//! `vdotq_s32` is not stable in Rust 1.95, hence the one instruction in `asm!`.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::isa::Isa;
use crate::kernel::{Accepts, Kernel, RunI8};

mod block;
mod dense;
mod nm;
mod outputs;
mod windows;

const fn plain(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::Neon, accepts, run)
}

const fn with_dot(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::NeonDot, accepts, run)
}

const fn lanes(m: u8, lanes: u8) -> Accepts {
    Accepts::NMLanes { m, lanes }
}

const fn window(width: u8, lanes: u8) -> Accepts {
    Accepts::Windows { lanes, width, steps: 1 }
}

/// `dense_i8_4x16`
pub static DENSE: Kernel = plain("dense_i8_4x16", Accepts::Dense, dense::dense::<false>);
/// `block_i8_4x4`: blocks of 4 outputs.
pub static BLOCK_4: Kernel = plain("block_i8_4x4", Accepts::BlockOfRows(4), block::block::<false, 1>);
/// `block_i8_8x4`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = plain("block_i8_8x4", Accepts::BlockOfRows(8), block::block::<false, 2>);
/// `block_i8_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = plain("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<false, 4>);
/// `nm_lanes4_i8_8x4`: pages of 4, eight rows a group.
pub static NM_LANES4: Kernel = plain("nm_lanes4_i8_8x4", lanes(4, 8), nm::nm::<false, 4, 2>);
/// `nm_lanes8_i8_8x4`: pages of 8, eight rows a group.
pub static NM_LANES8: Kernel = plain("nm_lanes8_i8_8x4", lanes(8, 8), nm::nm::<false, 8, 2>);
/// `nm_lanes16_i8_8x4`: pages of 16, eight rows a group.
pub static NM_LANES16: Kernel = plain("nm_lanes16_i8_8x4", lanes(16, 8), nm::nm::<false, 16, 2>);
/// `nm_lanes4_i8_16x4`: pages of 4, sixteen rows a group.
pub static NM_LANES4X16: Kernel = plain("nm_lanes4_i8_16x4", lanes(4, 16), nm::nm::<false, 4, 4>);
/// `nm_lanes8_i8_16x4`: pages of 8, sixteen rows a group.
pub static NM_LANES8X16: Kernel = plain("nm_lanes8_i8_16x4", lanes(8, 16), nm::nm::<false, 8, 4>);
/// `nm_lanes16_i8_16x4`: pages of 16, sixteen rows a group.
pub static NM_LANES16X16: Kernel = plain("nm_lanes16_i8_16x4", lanes(16, 16), nm::nm::<false, 16, 4>);
/// `nm_lanes32_i8_16x4`: pages of 32, sixteen rows a group.
pub static NM_LANES32: Kernel = plain("nm_lanes32_i8_16x4", lanes(32, 16), nm::nm::<false, 32, 4>);
/// `nm_lanes64_i8_16x4`: pages of 64, sixteen rows a group.
pub static NM_LANES64: Kernel = plain("nm_lanes64_i8_16x4", lanes(64, 16), nm::nm::<false, 64, 4>);

/// `windows16_i8_8x4`: windows of 16, eight rows a group.
pub static WINDOWS16: Kernel = plain("windows16_i8_8x4", window(16, 8), windows::windows::<false, 16, 2>);
/// `windows32_i8_16x4`: windows of 32, sixteen rows a group.
pub static WINDOWS32: Kernel = plain("windows32_i8_16x4", window(32, 16), windows::windows::<false, 32, 4>);
/// `windows64_i8_16x4`: windows of 64, sixteen rows a group.
pub static WINDOWS64: Kernel = plain("windows64_i8_16x4", window(64, 16), windows::windows::<false, 64, 4>);

/// `dense_i8_4x16`, with `sdot`.
pub static DOT_DENSE: Kernel = with_dot("dense_i8_4x16", Accepts::Dense, dense::dense::<true>);
/// `block_i8_4x4`, with `sdot`.
pub static DOT_BLOCK_4: Kernel = with_dot("block_i8_4x4", Accepts::BlockOfRows(4), block::block::<true, 1>);
/// `block_i8_8x4`, with `sdot`.
pub static DOT_BLOCK_8: Kernel = with_dot("block_i8_8x4", Accepts::BlockOfRows(8), block::block::<true, 2>);
/// `block_i8_16x4`, with `sdot`.
pub static DOT_BLOCK_16: Kernel = with_dot("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<true, 4>);
/// `nm_lanes4_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES4: Kernel = with_dot("nm_lanes4_i8_8x4", lanes(4, 8), nm::nm::<true, 4, 2>);
/// `nm_lanes8_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES8: Kernel = with_dot("nm_lanes8_i8_8x4", lanes(8, 8), nm::nm::<true, 8, 2>);
/// `nm_lanes16_i8_8x4`, with `sdot`.
pub static DOT_NM_LANES16: Kernel = with_dot("nm_lanes16_i8_8x4", lanes(16, 8), nm::nm::<true, 16, 2>);
/// `nm_lanes4_i8_16x4`, with `sdot`.
pub static DOT_NM_LANES4X16: Kernel = with_dot("nm_lanes4_i8_16x4", lanes(4, 16), nm::nm::<true, 4, 4>);
/// `nm_lanes8_i8_16x4`, with `sdot`.
pub static DOT_NM_LANES8X16: Kernel = with_dot("nm_lanes8_i8_16x4", lanes(8, 16), nm::nm::<true, 8, 4>);
/// `nm_lanes16_i8_16x4`, with `sdot`.
pub static DOT_NM_LANES16X16: Kernel = with_dot("nm_lanes16_i8_16x4", lanes(16, 16), nm::nm::<true, 16, 4>);
/// `nm_lanes32_i8_16x4`, with `sdot`.
pub static DOT_NM_LANES32: Kernel = with_dot("nm_lanes32_i8_16x4", lanes(32, 16), nm::nm::<true, 32, 4>);
/// `nm_lanes64_i8_16x4`, with `sdot`.
pub static DOT_NM_LANES64: Kernel = with_dot("nm_lanes64_i8_16x4", lanes(64, 16), nm::nm::<true, 64, 4>);

/// `windows16_i8_8x4`, with `sdot`.
pub static DOT_WINDOWS16: Kernel = with_dot("windows16_i8_8x4", window(16, 8), windows::windows::<true, 16, 2>);
/// `windows32_i8_16x4`, with `sdot`.
pub static DOT_WINDOWS32: Kernel = with_dot("windows32_i8_16x4", window(32, 16), windows::windows::<true, 32, 4>);
/// `windows64_i8_16x4`, with `sdot`.
pub static DOT_WINDOWS64: Kernel = with_dot("windows64_i8_16x4", window(64, 16), windows::windows::<true, 64, 4>);

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

/// `acc` plus, in each 32-bit lane, four products of `w` and the four bytes of `x`.
///
/// # Safety
/// As for [`dot`].
#[inline]
#[target_feature(enable = "neon")]
unsafe fn dot_four<const DOT: bool>(acc: int32x4_t, w: int8x16_t, x: f32) -> int32x4_t {
    if DOT {
        let mut acc = acc;
        // SAFETY: the processor has the instruction; it reads and writes nothing but these registers.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                "sdot {acc:v}.4s, {w:v}.16b, {x:v}.4b[0]",
                acc = inout(vreg) acc,
                w = in(vreg) w,
                x = in(vreg) x,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        return acc;
    }
    // SAFETY: the caller's.
    unsafe { dot::<false>(acc, w, vreinterpretq_s8_f32(vdupq_n_f32(x))) }
}
