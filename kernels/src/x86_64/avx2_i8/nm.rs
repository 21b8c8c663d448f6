//! N:M of int8 for registers, eight rows a group: lanes are outputs, four steps each.
//!
//! Pseudo-code: for each group: for each quad of steps: positions = half of a word; xs = shuffle of the 16 inputs that the quad's
//! pages begin at, page by page; acc += dot.
//!
//! `vpshufb` gives zero where a position's top bit is set: so a quad that spans several times 16 inputs is put together from as
//! many shuffles, each blind to the others' steps. N:M of a density of 1/4 spans 16 inputs a quad.

use core::arch::x86_64::*;

use super::{dot, put};
use crate::junction::{Junction, Quads};
use crate::packing::Packing;
use crate::scalar_i8::lane_sum;

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers with eight lanes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn nm(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, m, .. } = *j.packing() else { return };
    // SAFETY: the caller's.
    unsafe {
        match (n, m) {
            (4, 16) | (2, 8) | (1, 4) => groups::<1>(j, x, y),
            (2, 16) | (1, 8) => groups::<2>(j, x, y),
            (1, 16) => groups::<4>(j, x, y),
            _ => groups::<0>(j, x, y),
        }
    }
}

/// S is how many times 16 inputs the pages of a quad take, 0 for any number of them.
///
/// # Safety
/// As for [`nm`].
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn groups<const S: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, m, lanes);
    // Quads whose inputs all exist.
    let whole = j.n_in().checked_div(16 * S).unwrap_or(0).min(quads.quads);
    let sources = sources::<S>(usize::from(n), usize::from(m));
    for (group, y) in y.chunks_mut(8).enumerate() {
        let mut acc = [_mm256_setzero_si256(); 2];
        // SAFETY: Junction::new_i8 proved a vector of weights for each quad and one of positions for each two of this group, the
        // last one too; `whole` quads have S · 16 inputs each.
        unsafe {
            let weights = j.weights_i8().as_ptr().add(group * quads.quads * 32);
            let words = j.index8().as_ptr().add(group * quads.words * 32);
            let mut quad = 0;
            while quad < whole {
                let word = _mm256_loadu_si256(words.add(quad / 2 * 32).cast());
                for (half, acc) in acc.iter_mut().enumerate().take(whole - quad) {
                    let positions = if half == 0 { word } else { _mm256_srli_epi16::<4>(word) };
                    let xs = pick::<S>(x.as_ptr().add(quad * 16 * S), positions, &sources);
                    let w = _mm256_loadu_si256(weights.add(quad * 32).cast());
                    *acc = dot(*acc, w, xs, _mm256_abs_epi8(xs));
                    quad += 1;
                }
            }
            let mut sums = _mm256_add_epi32(acc[0], acc[1]);
            if whole * 4 < quads.row.in_degree {
                let mut rest = [0i32; 8];
                for (lane, rest) in rest.iter_mut().enumerate().take(y.len()) {
                    *rest = lane_sum(j, &quads, group * 8 + lane, whole * 4, x);
                }
                sums = _mm256_add_epi32(sums, _mm256_loadu_si256(rest.as_ptr().cast()));
            }
            put(j, group * 8, sums, y);
        }
    }
}

/// For each of a quad's S times 16 inputs: where its pages begin for the steps that read them, and the top bit for the others.
#[inline]
fn sources<const S: usize>(n: usize, m: usize) -> [[u8; 4]; S] {
    core::array::from_fn(|source| {
        core::array::from_fn(|step| {
            let start = step / n * m;
            if start / 16 == source { (start % 16) as u8 } else { 0x80 }
        })
    })
}

/// The inputs at `positions`, of which only the low halves count.
///
/// # Safety
/// AVX2; `x` has S · 16 values.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn pick<const S: usize>(x: *const i8, positions: __m256i, sources: &[[u8; 4]; S]) -> __m256i {
    let positions = _mm256_and_si256(positions, _mm256_set1_epi8(15));
    let mut picked = _mm256_setzero_si256();
    for (source, starts) in sources.iter().enumerate() {
        // SAFETY: the caller's bound; loads are unaligned ones.
        let inputs = unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(x.add(16 * source).cast())) };
        let at = _mm256_or_si256(positions, _mm256_set1_epi32(i32::from_le_bytes(*starts)));
        picked = _mm256_or_si256(picked, _mm256_shuffle_epi8(inputs, at));
    }
    picked
}
