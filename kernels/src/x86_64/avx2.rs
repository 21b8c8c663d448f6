//! AVX2 with FMA: eight f32 a vector.
//!
//! Loads bound all of them while the weights lie in L1 or L2 (two 32-byte loads a cycle, two FMAs):
//!
//! | kernel | loads per 8 multiply-adds | shape of the inner loop |
//! |-|-|-|
//! | dense | 1.25: one of weights, a quarter of `x` | four rows share each vector of `x` |
//! | block R×C | 1 + 1 broadcast for every R/8 | lanes are outputs, `x` is broadcast |
//! | block 1×C | 2 | lanes are inputs, as dense with one row |
//! | rows | 1 + 8 (gathered) | lanes are edges of one row |

use core::arch::x86_64::*;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};

/// `dense_f32_4x8`
pub static DENSE: Kernel = Kernel::new("dense_f32_4x8", Isa::Avx2, Accepts::Dense, dense);
/// `block_f32_8x8`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = Kernel::new("block_f32_8x8", Isa::Avx2, Accepts::BlockOfRows(8), block::<1, 4>);
/// `block_f32_16x8`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = Kernel::new("block_f32_16x8", Isa::Avx2, Accepts::BlockOfRows(16), block::<2, 2>);
/// `block_f32_32x8`: blocks of 32 outputs.
pub static BLOCK_32: Kernel = Kernel::new("block_f32_32x8", Isa::Avx2, Accepts::BlockOfRows(32), block::<4, 1>);
/// `block1x8_f32_1x8`: blocks of one output and 8 inputs.
pub static BLOCK_1X8: Kernel = Kernel::new("block1x8_f32_1x8", Isa::Avx2, Accepts::BlockOfCols(8), block_1xc::<1>);
/// `block1x16_f32_1x8`: blocks of one output and 16 inputs.
pub static BLOCK_1X16: Kernel = Kernel::new("block1x16_f32_1x8", Isa::Avx2, Accepts::BlockOfCols(16), block_1xc::<2>);
/// `rows8_f32_1x8`
pub static ROWS8: Kernel = Kernel::new("rows8_f32_1x8", Isa::Avx2, Accepts::Rows(IndexWidth::Delta8), rows8);
/// `rows16_f32_1x8`
pub static ROWS16: Kernel = Kernel::new("rows16_f32_1x8", Isa::Avx2, Accepts::Rows(IndexWidth::Absolute16), rows16);

/// Sum of the lanes.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// Pseudo-code: for each 4 rows: for each 8 inputs: load x once; four accumulators += weights · x. Two steps of 8 are taken
/// together, into separate accumulators, so that eight chains hide the FMA's latency of four cycles at two a cycle.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
#[target_feature(enable = "avx2,fma")]
unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let n_in = j.n_in();
    let mut o = 0;
    while o + 4 <= y.len() {
        // SAFETY: rows o..o+4 exist, each of n_in weights.
        unsafe { dense_tile::<4>(j, o, n_in, x, y) };
        o += 4;
    }
    while o < y.len() {
        // SAFETY: row o exists.
        unsafe { dense_tile::<1>(j, o, n_in, x, y) };
        o += 1;
    }
    j.activation().apply(y);
}

/// # Safety
/// AVX2 and FMA; `o + R ≤ n_out`; `x.len() == n_in`; `y.len() == n_out`; packing dense.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn dense_tile<const R: usize>(j: &Junction<'_>, o: usize, n_in: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: dense has n_in·n_out weights, so rows o..o+R are inside; inputs are read below n_in; 8 at a time only where
    // 8 are left; loads are unaligned ones.
    unsafe {
        let row: [*const f32; R] = core::array::from_fn(|r| j.weights().as_ptr().add((o + r) * n_in).cast());
        let mut acc = [[_mm256_setzero_ps(); R]; 2];
        let mut i = 0;
        while i + 16 <= n_in {
            for (half, acc) in acc.iter_mut().enumerate() {
                let xs = _mm256_loadu_ps(x.as_ptr().add(i + 8 * half));
                for (acc, row) in acc.iter_mut().zip(row) {
                    *acc = _mm256_fmadd_ps(_mm256_loadu_ps(row.add(i + 8 * half)), xs, *acc);
                }
            }
            i += 16;
        }
        if i + 8 <= n_in {
            let xs = _mm256_loadu_ps(x.as_ptr().add(i));
            for (acc, row) in acc[0].iter_mut().zip(row) {
                *acc = _mm256_fmadd_ps(_mm256_loadu_ps(row.add(i)), xs, *acc);
            }
            i += 8;
        }
        for r in 0..R {
            let mut total = j.bias(o + r) + sum(_mm256_add_ps(acc[0][r], acc[1][r]));
            for i in i..n_in {
                total += row[r].add(i).read_unaligned() * *x.get_unchecked(i);
            }
            *y.get_unchecked_mut(o + r) = total;
        }
    }
}

/// Blocks of R = 8·V outputs. Pseudo-code: for each row block: acc = bias; for each block and each of its inputs:
/// acc[v] += weights · broadcast x. U independent sets of accumulators take turns, to hide the FMA's latency.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 8·V`.
#[target_feature(enable = "avx2,fma")]
unsafe fn block<const V: usize, const U: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (row_block, y) in y.chunks_mut(8 * V).enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        // SAFETY: Junction::new proved `count` index entries for this row block, R·cols weights for each, and that a
        // block's inputs lie below n_in, which is x's length. The last row block has R weights an input as well.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            weights = row_block_sums::<V, U>(now, usize::from(cols), weights, x, |sums: &[[f32; 8]; V]| {
                for (r, (y, sum)) in y.iter_mut().zip(sums.as_flattened()).enumerate() {
                    *y = j.bias(row_block * 8 * V + r) + sum;
                }
            });
        }
    }
    j.activation().apply(y);
}

/// One row block: hands `write` the sums of its 8·V outputs and gives where the next row block's weights begin.
///
/// # Safety
/// AVX2 and FMA; `weights` has `8·V·cols` values for each of `index`; `index` entries plus `cols` are at most `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn row_block_sums<const V: usize, const U: usize>(
    index: &[[u8; 2]],
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    write: impl FnOnce(&[[f32; 8]; V]),
) -> *const f32 {
    let mut acc = [[_mm256_setzero_ps(); V]; U];
    // SAFETY: the caller's bounds; `weights` moves on by 8·V for each input used.
    unsafe {
        let (groups, rest) = index.as_chunks::<U>();
        for group in groups {
            for (entry, acc) in group.iter().zip(&mut acc) {
                weights = one_block(*entry, cols, weights, x, acc);
            }
        }
        for (entry, acc) in rest.iter().zip(&mut acc) {
            weights = one_block(*entry, cols, weights, x, acc);
        }
    }
    let mut sums = [[0.0; 8]; V];
    for (v, sums) in sums.iter_mut().enumerate() {
        let total = acc.iter().fold(_mm256_setzero_ps(), |total, acc| _mm256_add_ps(total, acc[v]));
        // SAFETY: eight f32 fit the array.
        unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), total) };
    }
    write(&sums);
    weights
}

/// `acc += weights · x` over the `cols` inputs of one block; gives where the next block's weights begin.
///
/// # Safety
/// AVX2 and FMA; `weights` has `8·V·cols` values; `entry` plus `cols` is at most `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn one_block<const V: usize>(
    entry: [u8; 2],
    cols: usize,
    mut weights: *const f32,
    x: &[f32],
    acc: &mut [__m256; V],
) -> *const f32 {
    let input = usize::from(u16::from_le_bytes(entry));
    for c in 0..cols {
        // SAFETY: the caller's bounds.
        unsafe {
            let x = _mm256_broadcast_ss(x.get_unchecked(input + c));
            for (v, acc) in acc.iter_mut().enumerate() {
                *acc = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(8 * v)), x, *acc);
            }
            weights = weights.add(8 * V);
        }
    }
    weights
}

/// Blocks of one output and C = 8·V inputs. Pseudo-code: for each row: for each block: acc[v] += weights · x from its
/// first input on.
///
/// # Safety
/// As for every kernel (`RunF32`); packing block with `rows == 1` and `cols == 8·V`.
#[target_feature(enable = "avx2,fma")]
unsafe fn block_1xc<const V: usize>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { blocks, .. } = *j.packing() else { return };
    let mut counts = j.counts().iter();
    let mut index = j.index16();
    let mut weights: *const f32 = j.weights().as_ptr().cast();
    for (o, y) in y.iter_mut().enumerate() {
        let count = counts.next().map_or(blocks, |c| u16::from_le_bytes(*c));
        let mut acc = [[_mm256_setzero_ps(); V]; 2];
        // SAFETY: Junction::new proved `count` index entries for this row, 8·V weights for each, and that a block's inputs
        // end at or below n_in, which is x's length.
        unsafe {
            let (now, after) = index.split_at_unchecked(usize::from(count));
            index = after;
            for (b, entry) in now.iter().enumerate() {
                let x = x.as_ptr().add(usize::from(u16::from_le_bytes(*entry)));
                for (v, acc) in acc[b % 2].iter_mut().enumerate() {
                    *acc = _mm256_fmadd_ps(_mm256_loadu_ps(weights.add(8 * v)), _mm256_loadu_ps(x.add(8 * v)), *acc);
                }
                weights = weights.add(8 * V);
            }
        }
        let total = acc.as_flattened().iter().fold(_mm256_setzero_ps(), |total, acc| _mm256_add_ps(total, *acc));
        *y = j.activation().of(j.bias(o) + sum(total));
    }
}

/// Eight edges a step: the deltas become inputs by a prefix sum in 16-bit lanes, then one gather and one FMA.
///
/// # Safety
/// As for every kernel (`RunF32`); packing rows with one-byte deltas.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Rows { in_degree, .. } = *j.packing() else { return };
    let d = usize::from(in_degree);
    let activation = j.activation();
    let rows = j.weights().chunks_exact(d).zip(j.index8().chunks_exact(d));
    for ((o, y), (weights, deltas)) in y.iter_mut().enumerate().zip(rows) {
        let mut acc = _mm256_setzero_ps();
        let mut last = 0usize;
        let (steps, weights_left) = weights.as_chunks::<8>();
        let (deltas, deltas_left) = deltas.as_chunks::<8>();
        // SAFETY: loads of 8 bytes and of 8 weights from arrays of that size; every prefix sum of a row's deltas is an
        // input below n_in (proved by Junction::new), so the gather stays in x and 16 bits suffice.
        unsafe {
            for (weights, deltas) in steps.iter().zip(deltas) {
                let mut p = _mm_cvtepu8_epi16(_mm_loadl_epi64(deltas.as_ptr().cast()));
                p = _mm_add_epi16(p, _mm_slli_si128::<2>(p));
                p = _mm_add_epi16(p, _mm_slli_si128::<4>(p));
                p = _mm_add_epi16(p, _mm_slli_si128::<8>(p));
                p = _mm_add_epi16(p, _mm_set1_epi16(last as i16));
                last = _mm_extract_epi16::<7>(p) as usize;
                acc = gathered(x, _mm256_cvtepu16_epi32(p), weights, acc);
            }
        }
        let mut total = j.bias(o) + sum(acc);
        for (w, delta) in weights_left.iter().zip(deltas_left) {
            last += usize::from(*delta);
            // SAFETY: as above, the input is below n_in.
            total += f32::from_le_bytes(*w) * unsafe { *x.get_unchecked(last) };
        }
        *y = activation.of(total);
    }
}

/// Eight edges a step: one gather and one FMA.
///
/// # Safety
/// As for every kernel (`RunF32`); packing rows with two-byte inputs.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Rows { in_degree, .. } = *j.packing() else { return };
    let d = usize::from(in_degree);
    let activation = j.activation();
    let rows = j.weights().chunks_exact(d).zip(j.index16().chunks_exact(d));
    for ((o, y), (weights, inputs)) in y.iter_mut().enumerate().zip(rows) {
        let mut acc = _mm256_setzero_ps();
        let (steps, weights_left) = weights.as_chunks::<8>();
        let (inputs, inputs_left) = inputs.as_chunks::<8>();
        // SAFETY: loads of 8 inputs and of 8 weights from arrays of that size; every input is below n_in (proved by
        // Junction::new), so the gather stays in x.
        unsafe {
            for (weights, inputs) in steps.iter().zip(inputs) {
                let inputs = _mm256_cvtepu16_epi32(_mm_loadu_si128(inputs.as_ptr().cast()));
                acc = gathered(x, inputs, weights, acc);
            }
        }
        let mut total = j.bias(o) + sum(acc);
        for (w, input) in weights_left.iter().zip(inputs_left) {
            // SAFETY: as above, the input is below n_in.
            total += f32::from_le_bytes(*w) * unsafe { *x.get_unchecked(usize::from(u16::from_le_bytes(*input))) };
        }
        *y = activation.of(total);
    }
}

/// `acc + weights · x[inputs]`
///
/// # Safety
/// AVX2 and FMA; every input is below `x.len()`.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn gathered(x: &[f32], inputs: __m256i, weights: &[[u8; 4]; 8], acc: __m256) -> __m256 {
    // SAFETY: the caller's bound; 8 weights of 4 bytes are 32 bytes.
    unsafe {
        let xs = _mm256_i32gather_ps::<4>(x.as_ptr(), inputs);
        _mm256_fmadd_ps(_mm256_loadu_ps(weights.as_ptr().cast()), xs, acc)
    }
}
