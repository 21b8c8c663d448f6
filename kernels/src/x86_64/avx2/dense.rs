//! Dense rows.
//!
//! Loads a multiply-add of 8: 1.25 (one of weights, a quarter of `x`), so 0.63 cycles where two vectors are loaded a cycle. The
//! weights of 800×112 stream from L2: 32 bytes a cycle at best make 1.0 cycles, and 28 bytes a cycle are reached.

use core::arch::x86_64::*;

use crate::junction::Junction;

/// Pseudo-code: for each 4 rows: for each 8 inputs: load x once; four accumulators += weights · x. Two steps of 8 are taken
/// together, into separate accumulators, so that eight chains hide the FMA's latency of four cycles at two a cycle.
///
/// # Safety
/// As for every kernel (`RunF32`); packing dense.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let n_in = j.n_in();
    let mut o = 0;
    while o + 4 <= y.len() {
        // SAFETY: rows o..o+4 exist, each of n_in weights.
        unsafe { tile::<4>(j, o, n_in, x, y) };
        o += 4;
    }
    // SAFETY: as above, of as many rows as are left.
    unsafe {
        match y.len() - o {
            3 => tile::<3>(j, o, n_in, x, y),
            2 => tile::<2>(j, o, n_in, x, y),
            1 => tile::<1>(j, o, n_in, x, y),
            _ => {}
        }
    }
    j.activation().apply(y);
}

/// # Safety
/// AVX2 and FMA; `o + R ≤ n_out`, R at most 4; `x.len() == n_in`; `y.len() == n_out`; packing dense.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const R: usize>(j: &Junction<'_>, o: usize, n_in: usize, x: &[f32], y: &mut [f32]) {
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
        let mut sums = [_mm256_setzero_ps(); 4];
        let mut rest = [0.0; 4];
        for r in 0..R {
            sums[r] = _mm256_add_ps(acc[0][r], acc[1][r]);
            rest[r] = j.bias(o + r);
            for i in i..n_in {
                rest[r] += row[r].add(i).read_unaligned() * *x.get_unchecked(i);
            }
        }
        let [a, b, c, d] = rest;
        store::<R>(_mm_add_ps(sum_of_each(sums), _mm_set_ps(d, c, b, a)), y.as_mut_ptr().add(o));
    }
}

/// The sum of the lanes of each.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn sum_of_each([a, b, c, d]: [__m256; 4]) -> __m128 {
    let halves = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves))
}

/// Stores the first R of four. One store where there are two or four: whoever loads a vector from there at once, as an exit does
/// with its logits, waits for several stores until they have reached the cache, but not for one.
///
/// # Safety
/// R values at `y`, at most 4, are the caller's to write.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn store<const R: usize>(four: __m128, y: *mut f32) {
    // SAFETY: as many values as the caller gave; stores are unaligned ones.
    unsafe {
        match R {
            1 => _mm_store_ss(y, four),
            2 => _mm_storel_epi64(y.cast(), _mm_castps_si128(four)),
            3 => {
                _mm_storel_epi64(y.cast(), _mm_castps_si128(four));
                _mm_store_ss(y.add(2), _mm_movehl_ps(four, four));
            }
            _ => _mm_storeu_ps(y, four),
        }
    }
}
