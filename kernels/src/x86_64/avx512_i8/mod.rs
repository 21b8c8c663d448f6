//! AVX-512 with VNNI and VBMI, int8: 64 products a vector, exact.
//!
//! `vpdpbusd` adds to each 32-bit lane four products of an unsigned and a signed byte, without saturation. Inputs and weights are both
//! signed, so that one of them is moved up by 128 (its top bit flipped) and what that adds is taken off: modulo 2³² all the way,
//! and the sums of int8 junctions fit.
//!
//! * Dense moves the weights: Σ(w + 128)·x is Σ w·x + 128·Σx, and Σx is the same for all rows.
//! * The others move the inputs, once, into a copy on the stack (`Copied`): Σ w·(x + 128) is Σ w·x + 128·Σw, and Σw falls out of
//!   a second `vpdpbusd` of the weights that are loaded anyway, by ones.
//!
//! | kernel | vector operations per 64 products | loads | shape of the inner loop |
//! |-|-|-|-|
//! | dense | 2 | 1.25 | four rows share each vector of `x` |
//! | block R×C | 2 | 1, a broadcast and an index for every R/16 | lanes are outputs, four inputs each |
//! | N:M in lanes | 3 to 4.5 | 2.5 to 3 | lanes are outputs, which pick four inputs each from up to 64 in a register |
//! | windows | 3 or 3.5, and padding | 2.5 or 3 | the same, from windows that start anywhere, or at cache lines where they serve two steps |
//!
//! Sapphire Rapids does two vector operations of 512 bits a cycle, of which one may be a permutation, and two loads of 64 bytes from L1; from L2 a
//! vector takes 1.2 to 1.8 cycles. Rows and CSR are left to the AVX2 kernels, and so are blocks of 8 outputs and groups of eight rows.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::avx512::{first_lanes, nm_lanes, window};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel, RunI8};

mod block;
mod dense;
mod nm;
mod windows;

const fn kernel(name: &'static str, accepts: Accepts, run: RunI8) -> Kernel {
    Kernel::new_i8(name, Isa::Avx512Vnni, accepts, run)
}

/// `dense_i8_4x64`
pub static DENSE: Kernel = kernel("dense_i8_4x64", Accepts::Dense, dense::dense);
/// `block_i8_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = kernel("block_i8_16x4", Accepts::BlockOfRows(16), block::block::<1>);
/// `block_i8_32x4`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = kernel("block_i8_32x4", Accepts::BlockOfRows(32), block::block::<2>);
/// `nm_lanes4_i8_16x4`: pages of 4, sixteen rows a group.
pub static NM_LANES4: Kernel = kernel("nm_lanes4_i8_16x4", nm_lanes(4), nm::nm);
/// `nm_lanes8_i8_16x4`: pages of 8, sixteen rows a group.
pub static NM_LANES8: Kernel = kernel("nm_lanes8_i8_16x4", nm_lanes(8), nm::nm);
/// `nm_lanes16_i8_16x4`: pages of 16, sixteen rows a group.
pub static NM_LANES16: Kernel = kernel("nm_lanes16_i8_16x4", nm_lanes(16), nm::nm);

/// `nm_lanes32_i8_16x4`: pages of 32, sixteen rows a group.
pub static NM_LANES32: Kernel = kernel("nm_lanes32_i8_16x4", nm_lanes(32), nm::nm);
/// `nm_lanes64_i8_16x4`: pages of 64, sixteen rows a group.
pub static NM_LANES64: Kernel = kernel("nm_lanes64_i8_16x4", nm_lanes(64), nm::nm);
/// `windows16_i8_16x4`: windows of 16, sixteen rows a group.
pub static WINDOWS16: Kernel = kernel("windows16_i8_16x4", window(1, 16), windows::windows::<16, 1>);
/// `windows32_i8_16x4`: windows of 32, sixteen rows a group.
pub static WINDOWS32: Kernel = kernel("windows32_i8_16x4", window(1, 32), windows::windows::<32, 1>);
/// `windows64_i8_16x4`: windows of 64, sixteen rows a group.
pub static WINDOWS64: Kernel = kernel("windows64_i8_16x4", window(1, 64), windows::windows::<64, 1>);
/// `windows2of128_i8_16x4`: windows of 128 and two steps, sixteen rows a group.
pub static WINDOWS2OF128: Kernel = kernel("windows2of128_i8_16x4", window(2, 128), windows::windows::<128, 2>);

/// Inputs that a copy has room for.
const ROOM: usize = 4096;

/// Inputs moved up by 128, unsigned: a copy on the stack.
struct Copied([MaybeUninit<__m512i>; ROOM / 64 + 1]);

impl Copied {
    #[inline]
    const fn new() -> Self {
        Self([MaybeUninit::uninit(); ROOM / 64 + 1])
    }

    /// Copies `x`; `None` where it does not fit. From each input on, 64 bytes at least can be read; those past the last input mean nothing.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn of(&mut self, x: &[i8]) -> Option<*const u8> {
        if x.len() > ROOM {
            return None;
        }
        let mut rest = x;
        for place in &mut self.0 {
            // Not a masked load of nothing: from where no memory is, it takes an assist of some 200 cycles.
            if rest.is_empty() {
                place.write(flip());
                break;
            }
            // SAFETY: no more lanes than there are inputs.
            let inputs = unsafe { _mm512_maskz_loadu_epi8(first_bytes(rest.len()), rest.as_ptr()) };
            place.write(_mm512_xor_si512(inputs, flip()));
            rest = rest.get(64..).unwrap_or_default();
        }
        Some(self.0.as_ptr().cast())
    }
}

/// The top bit of each byte.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn flip() -> __m512i {
    _mm512_set1_epi8(i8::MIN)
}

/// The first `n` bytes; all for 64 and above.
#[inline]
const fn first_bytes(n: usize) -> __mmask64 {
    if n < 64 { (1 << n) - 1 } else { !0 }
}

/// Sixteen sums of products of unsigned inputs and weights, in U chains that hide the latency of five cycles.
struct Dots<const U: usize> {
    products: [__m512i; U],
    weights: [__m512i; U],
}

impl<const U: usize> Dots<U> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    fn new() -> Self {
        Self { products: [_mm512_setzero_si512(); U], weights: [_mm512_setzero_si512(); U] }
    }

    /// Four products more in each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    fn add(&mut self, chain: usize, inputs: __m512i, weights: __m512i) {
        self.products[chain] = _mm512_dpbusd_epi32(self.products[chain], inputs, weights);
        self.weights[chain] = _mm512_dpbusd_epi32(self.weights[chain], _mm512_set1_epi8(1), weights);
    }

    /// The sums, without what moving the inputs added.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
    fn sums(&self) -> __m512i {
        let (mut products, mut weights) = (self.products[0], self.weights[0]);
        for chain in 1..U {
            products = _mm512_add_epi32(products, self.products[chain]);
            weights = _mm512_add_epi32(weights, self.weights[chain]);
        }
        _mm512_sub_epi32(products, _mm512_slli_epi32::<7>(weights))
    }
}

/// Positions of a quad in the low halves of their bytes, those above them anything; or in whole bytes, where a word holds one quad.
/// `odd` says by its lowest bit whether the quad is its word's second one.
///
/// # Safety
/// AVX-512; `words` has those of the quad.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn positions<const BYTES: bool>(words: *const u8, quad: usize, odd: usize) -> __m512i {
    let word = if BYTES { quad } else { quad / 2 };
    // SAFETY: the caller's; loads are unaligned ones.
    let word = unsafe { _mm512_loadu_si512(words.add(word * 64).cast()) };
    if BYTES || odd.is_multiple_of(2) { word } else { _mm512_srli_epi16::<4>(word) }
}

/// The outputs from `first` on of the sums of products, bias not yet in them: as many as `y` has, at most sixteen.
///
/// # Safety
/// AVX-512; `first + y.len() ≤ n_out`; the junction is an int8 one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn put(j: &Junction<'_>, first: usize, sums: __m512i, y: &mut [i8]) {
    let Some(int8) = j.int8() else { return };
    let lanes = first_lanes(y.len());
    // SAFETY: a multiplier, a shift and, unless there are none at all, a bias for each of y's outputs, which `lanes` counts.
    let (multiplier, shift, bias) = unsafe {
        let biases = j.parts().bias;
        let bias = if biases.is_empty() {
            _mm512_setzero_si512()
        } else {
            _mm512_maskz_loadu_epi32(lanes, biases.as_ptr().add(4 * first).cast())
        };
        let shift = _mm_maskz_loadu_epi8(lanes, int8.shifts().as_ptr().add(first).cast());
        (_mm512_maskz_loadu_epi32(lanes, int8.multipliers().as_ptr().add(first).cast()), shift, bias)
    };
    // A multiplication by a power of two, and to round once, are rare.
    if _mm_cmpgt_epi8_mask(shift, _mm_setzero_si128()) != 0 {
        put_each(j, first..first + y.len(), sums, y, first);
        return;
    }
    let scaled = requantise(_mm512_add_epi32(sums, bias), multiplier, _mm512_cvtepi8_epi32(shift));
    // No sum is within 2²² of 2³¹, and no shift is positive: adding the zero point cannot wrap.
    let moved = _mm512_add_epi32(scaled, _mm512_set1_epi32(i32::from(int8.output_zero)));
    let (low, high) = (_mm512_set1_epi32(i32::from(int8.low)), _mm512_set1_epi32(i32::from(int8.high)));
    let bytes = _mm512_cvtepi32_epi8(_mm512_max_epi32(_mm512_min_epi32(moved, high), low));
    // SAFETY: no more lanes than y has values.
    unsafe { _mm_mask_storeu_epi8(y.as_mut_ptr(), lanes, bytes) };
}

/// The `outputs` of the sums, one by one; `y` holds those from `from` on.
#[cold]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
fn put_each(j: &Junction<'_>, outputs: impl Iterator<Item = usize>, sums: __m512i, y: &mut [i8], from: usize) {
    let mut each = [0i32; 16];
    // SAFETY: sixteen i32 fit the array.
    unsafe { _mm512_storeu_si512(each.as_mut_ptr().cast(), sums) };
    for (output, sum) in outputs.zip(each) {
        if let Some(y) = y.get_mut(output.wrapping_sub(from)) {
            *y = j.output_i8(output, sum);
        }
    }
}

/// [`crate::requantise`] in sixteen lanes, for shifts of 0 and below.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn requantise(acc: __m512i, multiplier: __m512i, shift: __m512i) -> __m512i {
    let half = _mm512_set1_epi64(1 << 30);
    let odd = |v| _mm512_srli_epi64::<32>(v);
    // 64-bit products, halves added; bits 31 to 62 are the high product.
    let even_product = _mm512_add_epi64(_mm512_mul_epi32(acc, multiplier), half);
    let odd_product = _mm512_add_epi64(_mm512_mul_epi32(odd(acc), odd(multiplier)), half);
    let product = _mm512_mask_mov_epi32(
        _mm512_srli_epi64::<31>(even_product),
        0b1010_1010_1010_1010,
        _mm512_add_epi64(odd_product, odd_product),
    );
    let divisor = _mm512_sub_epi32(_mm512_setzero_si512(), shift);
    let mask = _mm512_andnot_si512(_mm512_sllv_epi32(_mm512_set1_epi32(-1), divisor), _mm512_set1_epi32(-1));
    let negative = _mm512_srai_epi32::<31>(product);
    let threshold = _mm512_sub_epi32(_mm512_srli_epi32::<1>(mask), negative);
    let up = _mm512_cmpgt_epi32_mask(_mm512_and_si512(product, mask), threshold);
    let quotient = _mm512_srav_epi32(product, divisor);
    _mm512_mask_add_epi32(quotient, up, quotient, _mm512_set1_epi32(1))
}
