//! AVX-512 F, BW and VL: sixteen f32 a vector, 32 registers, masks for ragged ends.
//!
//! Measured on Zen 4 (benches/record/x86_64-zen4), where a load of 64 bytes and an FMA of 16 take a cycle each, and 64 bytes come
//! from L2 in two: dense and blocks take two cycles a vector of weights, a step of N:M (FMA, permutation, shift) two and a half.
//! On Sapphire Rapids 512-bit operations have two ports and L2 gives 64 bytes a cycle.
//!
//! | kernel | loads per 16 multiply-adds | permutations | shape of the inner loop |
//! |-|-|-|-|
//! | dense | 1.25: one of weights, a quarter of `x` | | four rows share each vector of `x` |
//! | block R×C | 1 + 1 broadcast for every R/16 | | lanes are outputs, `x` is broadcast |
//! | block 1×16 | 2 | | lanes are inputs, as dense with one row |
//! | N:M in lanes, M up to 16 | 1 + 1/N of a page + 1/8 | 1, and a shift | lanes are outputs, which pick from a page in a register |
//! | N:32 in lanes | 1 + 2/N of a page + 1/6 | 1, and a shift | the page lies in two registers |
//! | windows | 2.2, and padding | 1, and a shift | the same; windows of 32 start at cache lines and serve two steps |
//! | dense, input-major | 1 and a share of a broadcast, of nonzero inputs only | | lanes are outputs |
//!
//! Rows, CSR, sparse input-major and blocks of 8 outputs are left to the AVX2 kernels, since every one for sixteen lanes that was
//! tried is slower on a processor of AVX-512. Times of AVX2's kernels for rows of 800×112 at 1/4, 1/10, 1/20 are 1: sixteen scalar
//! loads into one register take 1.2, 1.1 and 1.9 on Emerald Rapids (more shuffles for as many loads); `vgatherdps` 0.7, 0.7, 0.8
//! there, but is dozens of micro-operations on Zen 4, and microcode against data sampling made it many times slower up to Ice Lake.
//! Input-major, sums gathered and scattered: 0.9, 1.0, 1.7 on Emerald Rapids. Windows are before all of them (800×112, 1/10, Zen 4:
//! 0.81 µs, rows 2.02). A block of 8 is one FMA of 256 bits on either (0.40 µs, one of 16 0.29).
//! N:M and windows in 8 lanes are the AVX2 kernels' for the same reason.

use core::arch::x86_64::*;

use crate::bytes::groups_of_4;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunF32};

mod batch;
mod block;
mod dense;
mod input_major;
mod nm;
mod page;
mod windows;

const fn kernel(name: &'static str, accepts: Accepts, run: RunF32) -> Kernel {
    Kernel::new(name, Isa::Avx512, accepts, run)
}

/// N:M for sixteen rows a group.
pub(super) const fn nm_lanes(m: u8) -> Accepts {
    Accepts::NMLanes { m, lanes: 16 }
}

/// Windows for sixteen rows a group, of one step or more each.
pub(super) const fn window(steps: u8, width: u8) -> Accepts {
    Accepts::Windows { lanes: 16, width, steps }
}

/// `batch_f32_8x16`: sixteen samples at a time, any packing.
pub static BATCHED: Kernel = Kernel::new_batch("batch_f32_8x16", Isa::Avx512, Accepts::Any, batch::batch);
/// `dense_f32_4x16`
pub static DENSE: Kernel = kernel("dense_f32_4x16", Accepts::Dense, dense::dense);
/// `block_f32_16x16`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = kernel("block_f32_16x16", Accepts::BlockOfRows(16), block::block::<1, 4>);
/// `block_f32_32x16`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = kernel("block_f32_32x16", Accepts::BlockOfRows(32), block::block::<2, 4>);
/// `block1x16_f32_1x16`: blocks of one output and 16 inputs.
pub static BLOCK_1X16: Kernel = kernel("block1x16_f32_1x16", Accepts::BlockOfCols(16), block::block_1x16);
/// `nm_lanes4_f32_16x16`: pages of 4, sixteen rows a group.
pub static NM_LANES4: Kernel = kernel("nm_lanes4_f32_16x16", nm_lanes(4), nm::nm::<4>);
/// `nm_lanes8_f32_16x16`: pages of 8, sixteen rows a group.
pub static NM_LANES8: Kernel = kernel("nm_lanes8_f32_16x16", nm_lanes(8), nm::nm::<8>);
/// `nm_lanes16_f32_16x16`: pages of 16, sixteen rows a group.
pub static NM_LANES16: Kernel = kernel("nm_lanes16_f32_16x16", nm_lanes(16), nm::nm::<16>);
/// `nm_lanes32_f32_16x16`: pages of 32, sixteen rows a group.
pub static NM_LANES32: Kernel = kernel("nm_lanes32_f32_16x16", nm_lanes(32), nm::nm::<32>);
/// `windows2of32_f32_16x16`: windows of 32 and two steps, sixteen rows a group.
pub static WINDOWS2OF32: Kernel = kernel("windows2of32_f32_16x16", window(2, 32), windows::windows);
/// `dense_input_major_f32_128x16`
pub static DENSE_INPUT_MAJOR: Kernel =
    kernel("dense_input_major_f32_128x16", Accepts::DenseInputMajor, input_major::dense);

/// The first `n` lanes; all for 16 and above.
#[inline]
pub(in crate::x86_64) const fn first_lanes(n: usize) -> __mmask16 {
    if n < 16 { (1 << n) - 1 } else { !0 }
}

/// `y = b + sums` for the outputs from `o` on; `y` has 16 of them, or fewer at the end.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn write_sixteen(j: &Junction<'_>, o: usize, sums: __m512, y: &mut [f32]) {
    let bias = groups_of_4(j.parts().bias).get(o..).unwrap_or_default();
    // SAFETY: whole vectors where sixteen f32 are there, else no more lanes than values.
    unsafe {
        let bias = match bias.len() {
            // Not a masked load of nothing: from where no memory is, it takes an assist of some 200 cycles.
            0 => _mm512_setzero_ps(),
            16.. => _mm512_loadu_ps(bias.as_ptr().cast()),
            few => _mm512_maskz_loadu_ps(first_lanes(few), bias.as_ptr().cast()),
        };
        let sums = _mm512_add_ps(bias, sums);
        match y.len() {
            16.. => _mm512_storeu_ps(y.as_mut_ptr(), sums),
            few => _mm512_mask_storeu_ps(y.as_mut_ptr(), first_lanes(few), sums),
        }
    }
}

/// Sum of sets of accumulators.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn total<const U: usize>(acc: [__m512; U]) -> __m512 {
    acc.into_iter().fold(_mm512_setzero_ps(), |total, acc| _mm512_add_ps(total, acc))
}

/// Four 16-bit numbers by one load instead of four; [`part`] takes one out.
#[inline]
pub(in crate::x86_64) fn four(numbers: &[[u8; 2]; 4]) -> u64 {
    let [a, b, c, d] = *numbers;
    u64::from_le_bytes([a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]])
}

/// The `k`-th of [`four`] numbers, k below 4.
#[inline]
pub(in crate::x86_64) fn part(four: u64, k: usize) -> usize {
    usize::from((four >> (16 * k)) as u16)
}
