//! AVX2, int8: 32 products a vector, exact.
//!
//! `vpmaddubsw` multiplies unsigned by signed bytes and adds neighbours with saturation at 16 bits. Made exact by moving signs:
//! |x| · (±w) is x · w, and with |x| ≤ 128 and |w| ≤ 127 (a rule of int8 junctions) two products come to 32,512 at most.
//! `vpmaddwd` by ones adds neighbours again: each 32-bit lane gets the sum of four products.
//!
//! | kernel | operations on vectors per 32 products | shape of the inner loop |
//! |-|-|-|
//! | dense | 4 + half a |x| | four rows share each vector of `x` and its magnitude |
//! | block R×C | 4, and a broadcast of four inputs for every R/8 | lanes are outputs, four inputs each |
//! | N:M in lanes | 7 to 13 by the pages a quad spans | lanes are outputs, which pick four inputs each from pages in registers |
//! | windows | 6 | the same, from windows that start anywhere |
//! | rows, csr | scalar | two sums take turns |

use core::arch::x86_64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunI8};
use crate::packing::IndexWidth;

mod block;
mod dense;
mod nm;
mod rows;
mod windows;

const fn kernel(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::Avx2, accepts, run)
}

/// `dense_i8_4x32`
pub static DENSE: Kernel = kernel("dense_i8_4x32", Accepts::Dense, dense::dense);
/// `block_i8_8x4`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = kernel("block_i8_8x4", Accepts::BlockOfRows(8), block::block::<1>);
/// `block_i8_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = kernel("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<2>);
/// `block_i8_32x4`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = kernel("block_i8_32x4", Accepts::BlockOfRows(32), block::block::<4>);
/// `nm_lanes16_i8_8x4`: pages of 16, eight rows a group.
pub static NM_LANES16: Kernel = kernel("nm_lanes16_i8_8x4", Accepts::NMLanes { m: 16, lanes: 8 }, nm::nm);
/// `nm_lanes8_i8_8x4`: pages of 8, eight rows a group.
pub static NM_LANES8: Kernel = kernel("nm_lanes8_i8_8x4", Accepts::NMLanes { m: 8, lanes: 8 }, nm::nm);
/// `nm_lanes4_i8_8x4`: pages of 4, eight rows a group.
pub static NM_LANES4: Kernel = kernel("nm_lanes4_i8_8x4", Accepts::NMLanes { m: 4, lanes: 8 }, nm::nm);
/// `windows16_i8_8x4`: windows of 16, eight rows a group.
pub static WINDOWS16: Kernel =
    kernel("windows16_i8_8x4", Accepts::Windows { lanes: 8, width: 16, steps: 1 }, windows::windows);
/// `rows8_i8_1x2`
pub static ROWS8: Kernel = kernel("rows8_i8_1x2", Accepts::Rows(IndexWidth::Delta8), rows::delta8);
/// `rows16_i8_1x2`
pub static ROWS16: Kernel = kernel("rows16_i8_1x2", Accepts::Rows(IndexWidth::Absolute16), rows::absolute16);
/// `csr8_i8_1x2`
pub static CSR8: Kernel = kernel("csr8_i8_1x2", Accepts::Csr(IndexWidth::Delta8), rows::delta8);
/// `csr16_i8_1x2`
pub static CSR16: Kernel = kernel("csr16_i8_1x2", Accepts::Csr(IndexWidth::Absolute16), rows::absolute16);

/// `acc` plus, in each 32-bit lane, four products of `w` and `x`; `magnitude` is |x|.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn dot(acc: __m256i, w: __m256i, x: __m256i, magnitude: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w, x));
    _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// Sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(v: __m256i) -> i32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b00_00_00_01>(two)))
}

/// The outputs from `first` on of the sums of products, bias not yet in them: as many as `y` has, at most eight.
///
/// # Safety
/// AVX2; `first + y.len() ≤ n_out`; the junction is an int8 one.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn put(j: &Junction<'_>, first: usize, sums: __m256i, y: &mut [i8]) {
    let Some(int8) = j.int8() else { return };
    let (multipliers, shifts) = (int8.multipliers(), int8.shifts());
    let few = y.len() < 8;
    let shift = if few {
        _mm256_setzero_si256()
    } else {
        // SAFETY: eight outputs from `first` on exist, with a shift each.
        unsafe { _mm256_cvtepi8_epi32(_mm_loadl_epi64(shifts.as_ptr().add(first).cast())) }
    };
    // A multiplication by a power of two is rare, and saturates.
    let positive = _mm256_movemask_epi8(_mm256_cmpgt_epi32(shift, _mm256_setzero_si256())) != 0;
    if few || positive {
        let mut each = [0i32; 8];
        // SAFETY: eight i32 fit the array.
        unsafe { _mm256_storeu_si256(each.as_mut_ptr().cast(), sums) };
        for (lane, (y, sum)) in y.iter_mut().zip(each).enumerate() {
            *y = j.output_i8(first + lane, sum);
        }
        return;
    }
    // SAFETY: likewise with a multiplier and, unless there are none at all, a bias each.
    let (multiplier, bias) = unsafe {
        let multiplier = _mm256_loadu_si256(multipliers.as_ptr().add(first).cast());
        let biases = j.parts().bias;
        let bias = if biases.is_empty() {
            _mm256_setzero_si256()
        } else {
            _mm256_loadu_si256(biases.as_ptr().add(4 * first).cast())
        };
        (multiplier, bias)
    };
    let scaled = requantise(_mm256_add_epi32(sums, bias), multiplier, shift);
    // Saturating to 16 bits first, adding the zero point cannot wrap, and the clamp sees no difference.
    let words = _mm_packs_epi32(_mm256_castsi256_si128(scaled), _mm256_extracti128_si256::<1>(scaled));
    let words = _mm_adds_epi16(words, _mm_set1_epi16(i16::from(int8.output_zero)));
    let bytes = _mm_packs_epi16(words, words);
    let bytes = _mm_max_epi8(_mm_min_epi8(bytes, _mm_set1_epi8(int8.high)), _mm_set1_epi8(int8.low));
    // SAFETY: y has eight values.
    unsafe { _mm_storel_epi64(y.as_mut_ptr().cast(), bytes) };
}

/// [`crate::requantise`] in eight lanes, for shifts of 0 and below.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn requantise(acc: __m256i, multiplier: __m256i, shift: __m256i) -> __m256i {
    let half = _mm256_set1_epi64x(1 << 30);
    let odd = |v| _mm256_srli_epi64::<32>(v);
    // 64-bit products, halves added; bits 31 to 62 are the high product.
    let even_product = _mm256_add_epi64(_mm256_mul_epi32(acc, multiplier), half);
    let odd_product = _mm256_add_epi64(_mm256_mul_epi32(odd(acc), odd(multiplier)), half);
    let product = _mm256_blend_epi32::<0b1010_1010>(
        _mm256_srli_epi64::<31>(even_product),
        _mm256_add_epi64(odd_product, odd_product),
    );
    let divisor = _mm256_sub_epi32(_mm256_setzero_si256(), shift);
    let ones = _mm256_set1_epi32(-1);
    let mask = _mm256_andnot_si256(_mm256_sllv_epi32(ones, divisor), ones);
    let negative = _mm256_srai_epi32::<31>(product);
    let threshold = _mm256_sub_epi32(_mm256_srli_epi32::<1>(mask), negative);
    let up = _mm256_cmpgt_epi32(_mm256_and_si256(product, mask), threshold);
    _mm256_sub_epi32(_mm256_srav_epi32(product, divisor), up)
}
