//! AVX2 with FMA: eight f32 a vector.
//!
//! Loads bound most of them while the weights lie in L1 or L2: two 32-byte loads a cycle, two FMAs. A load that crosses a
//! cache line costs three times as much, so weights are best aligned to 32 bytes; nothing but speed depends on it.
//!
//! | kernel | loads per 8 multiply-adds | shape of the inner loop |
//! |-|-|-|
//! | dense | 1.25: one of weights, a quarter of `x` | four rows share each vector of `x` |
//! | block R×C | 1 + 1 broadcast for every R/8 | lanes are outputs, `x` is broadcast |
//! | block 1×C | 2 | lanes are inputs, as dense with one row |
//! | rows, csr | 1 + 8 scalars + their indices | lanes are edges of one row |
//! | N:M in lanes | 1 + 1/N of a page | lanes are outputs, which pick from a page in a register |
//! | windows | 2, and padding | the same, pages start anywhere |
//! | dense, input-major | 1 and a share of a broadcast, of nonzero inputs only | lanes are outputs |
//! | input-major | 8 × 3 scalars and 8 stores, of nonzero inputs only | one edge at a time |
//!
//! Left out on purpose, with figures of 800×112 under `benches/record`: N:M in pages of 32, which four registers hold, so that a step
//! takes four permutations and three blends; pages of 16, with two and one, take 2.0 times as long as pages of 8 already (Zen 3, 1/4:
//! 3.27 and 1.67 µs), and windows of 8 run such masks 3.8 times as fast as dense (Zen 4, 3:32). Blocks of 4 outputs, which fill half a
//! vector: 2 loads for 4 multiply-adds are 3.2 times dense's, at most 1.25 times as fast at 1/4, where windows of 8 have 2.1 of masks
//! without any blocks (Zen 3). Windows wider than 8 would add what pages of 16 add.

use core::arch::x86_64::*;

use crate::bytes::groups_of_4;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunF32};
use crate::packing::IndexWidth;

mod batch;
mod block;
mod dense;
mod input_major;
mod nm;
mod rows;
mod windows;

const fn kernel(name: &'static str, accepts: Accepts, run: RunF32) -> Kernel {
    Kernel::new(name, Isa::Avx2, accepts, run)
}

/// `batch_f32_4x16`: sixteen samples at a time, any packing.
pub static BATCHED: Kernel = Kernel::new_batch("batch_f32_4x16", Isa::Avx2, Accepts::Any, batch::batch);
/// `dense_f32_4x8`
pub static DENSE: Kernel = kernel("dense_f32_4x8", Accepts::Dense, dense::dense);
/// `block_f32_8x8`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = kernel("block_f32_8x8", Accepts::BlockOfRows(8), block::block::<1, 4>);
/// `block_f32_16x8`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = kernel("block_f32_16x8", Accepts::BlockOfRows(16), block::block::<2, 4>);
/// `block_f32_32x8`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = kernel("block_f32_32x8", Accepts::BlockOfRows(32), block::block::<4, 2>);
/// `block1x8_f32_1x8`: blocks of one output and 8 inputs.
pub static BLOCK_1X8: Kernel = kernel("block1x8_f32_1x8", Accepts::BlockOfCols(8), block::block_1xc::<1>);
/// `block1x16_f32_1x8`: blocks of one output and 16 inputs.
pub static BLOCK_1X16: Kernel = kernel("block1x16_f32_1x8", Accepts::BlockOfCols(16), block::block_1xc::<2>);
/// `rows8_f32_1x8`
pub static ROWS8: Kernel = kernel("rows8_f32_1x8", Accepts::Rows(IndexWidth::Delta8), rows::delta8);
/// `rows16_f32_1x8`
pub static ROWS16: Kernel = kernel("rows16_f32_1x8", Accepts::Rows(IndexWidth::Absolute16), rows::absolute16);
/// `csr8_f32_1x8`
pub static CSR8: Kernel = kernel("csr8_f32_1x8", Accepts::Csr(IndexWidth::Delta8), rows::delta8);
/// `csr16_f32_1x8`
pub static CSR16: Kernel = kernel("csr16_f32_1x8", Accepts::Csr(IndexWidth::Absolute16), rows::absolute16);
/// `nm_lanes4_f32_8x8`: pages of 4, eight rows a group.
pub static NM_LANES4: Kernel = kernel("nm_lanes4_f32_8x8", Accepts::NMLanes { m: 4, lanes: 8 }, nm::nm::<4>);
/// `nm_lanes8_f32_8x8`: pages of 8, eight rows a group.
pub static NM_LANES8: Kernel = kernel("nm_lanes8_f32_8x8", Accepts::NMLanes { m: 8, lanes: 8 }, nm::nm::<8>);
/// `nm_lanes16_f32_8x8`: pages of 16, eight rows a group.
pub static NM_LANES16: Kernel = kernel("nm_lanes16_f32_8x8", Accepts::NMLanes { m: 16, lanes: 8 }, nm::nm::<16>);
/// `windows8_f32_8x8`: windows of 8, eight rows a group.
pub static WINDOWS8: Kernel =
    kernel("windows8_f32_8x8", Accepts::Windows { lanes: 8, width: 8, steps: 1 }, windows::windows);
/// `dense_input_major_f32_112x8`
pub static DENSE_INPUT_MAJOR: Kernel =
    kernel("dense_input_major_f32_112x8", Accepts::DenseInputMajor, input_major::dense);
/// `input_major8_f32_1x1`
pub static INPUT_MAJOR8: Kernel =
    kernel("input_major8_f32_1x1", Accepts::InputMajor(IndexWidth::Delta8), input_major::delta8);
/// `input_major16_f32_1x1`
pub static INPUT_MAJOR16: Kernel =
    kernel("input_major16_f32_1x1", Accepts::InputMajor(IndexWidth::Absolute16), input_major::absolute16);

/// Sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// `y = b + sums` for the outputs from `o` on; `y` has 8 of them, or fewer at the end.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn write_eight(j: &Junction<'_>, o: usize, sums: __m256, y: &mut [f32]) {
    let bias = groups_of_4(j.parts().bias);
    if let Some(y) = y.first_chunk_mut::<8>() {
        let bias = bias.get(o..).and_then(<[[u8; 4]]>::first_chunk::<8>);
        // SAFETY: eight f32 are 32 bytes, in both arrays.
        unsafe {
            let bias = bias.map_or(_mm256_setzero_ps(), |bias| _mm256_loadu_ps(bias.as_ptr().cast()));
            _mm256_storeu_ps(y.as_mut_ptr(), _mm256_add_ps(bias, sums));
        }
    } else {
        let mut all = [0.0; 8];
        // SAFETY: eight f32 fit the array.
        unsafe { _mm256_storeu_ps(all.as_mut_ptr(), sums) };
        for (lane, (y, sum)) in y.iter_mut().zip(all).enumerate() {
            *y = j.bias(o + lane) + sum;
        }
    }
}

/// Four 16-bit numbers by one load instead of four; [`part`] takes one out.
#[inline]
fn four(numbers: &[[u8; 2]; 4]) -> u64 {
    let [a, b, c, d] = *numbers;
    u64::from_le_bytes([a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]])
}

/// The `k`-th of [`four`] numbers, k below 4.
#[inline]
fn part(four: u64, k: usize) -> usize {
    usize::from((four >> (16 * k)) as u16)
}
