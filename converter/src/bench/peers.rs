//! The peers: other people's dense and sparse products, on the same weights. The only file here with unsafe code, because
//! `gemm` and `matrixmultiply` have no other door.

use crate::edges::Edges;
use gemm::Parallelism;

/// `y = W·x` with the `gemm` crate, one thread; `w` has `y.len()` rows of `x.len()`.
///
/// # Panics
/// If `w` has another length.
pub fn gemm(w: &[f32], x: &[f32], y: &mut [f32]) {
    gemm_batch(w, x, y, 1);
}

/// `y = W·x` with `matrixmultiply`; `w` has `y.len()` rows of `x.len()`.
///
/// # Panics
/// If `w` has another length.
pub fn matrixmultiply(w: &[f32], x: &[f32], y: &mut [f32]) {
    matrixmultiply_batch(w, x, y, 1);
}

/// `Y = W·X` for many samples: `x` and `y` are `[feature][sample]`, of `samples` each.
pub type BatchProduct = fn(&[f32], &[f32], &mut [f32], usize);

/// The widths of `w`, from the numbers of values and samples.
fn widths(w: &[f32], x: &[f32], y: &[f32], samples: usize) -> (usize, usize) {
    let (n_in, n_out) = (x.len() / samples, y.len() / samples);
    assert_eq!((x.len(), y.len(), w.len()), (n_in * samples, n_out * samples, n_in * n_out));
    (n_in, n_out)
}

/// [`BatchProduct`] of the `gemm` crate, one thread.
///
/// # Panics
/// If lengths do not fit each other, or there are no samples.
pub fn gemm_batch(w: &[f32], x: &[f32], y: &mut [f32], samples: usize) {
    let (n_in, n_out) = widths(w, x, y, samples);
    let stride = samples as isize;
    // SAFETY: row-major W of n_out × n_in, X of n_in × samples and Y of n_out × samples: every address is inside the slices,
    // whose lengths were checked just above; y is borrowed uniquely.
    unsafe {
        gemm::gemm(
            n_out,
            samples,
            n_in,
            y.as_mut_ptr(),
            1,
            stride,
            false,
            w.as_ptr(),
            1,
            n_in as isize,
            x.as_ptr(),
            1,
            stride,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// [`BatchProduct`] of `matrixmultiply`.
///
/// # Panics
/// As for [`gemm_batch`].
pub fn matrixmultiply_batch(w: &[f32], x: &[f32], y: &mut [f32], samples: usize) {
    let (n_in, n_out) = widths(w, x, y, samples);
    let stride = samples as isize;
    // SAFETY: as for gemm_batch.
    unsafe {
        matrixmultiply::sgemm(
            n_out,
            n_in,
            samples,
            1.0,
            w.as_ptr(),
            n_in as isize,
            1,
            x.as_ptr(),
            stride,
            1,
            0.0,
            y.as_mut_ptr(),
            stride,
            1,
        );
    }
}

/// The matrix in the textbook form: compressed rows of `sprs`.
#[must_use]
pub fn csr(edges: &Edges) -> sprs::CsMat<f32> {
    let mut csr = sprs::CsMat::empty(sprs::CompressedStorage::CSR, edges.n_in());
    for (inputs, weights) in edges.rows() {
        let inputs = inputs.iter().map(|input| usize::from(*input)).collect();
        csr = csr.append_outer_csvec(sprs::CsVec::new(edges.n_in(), inputs, weights.to_vec()).view());
    }
    csr
}

/// `y = W·x` with `sprs`.
pub fn sprs(w: &sprs::CsMat<f32>, x: &[f32], y: &mut [f32]) {
    y.fill(0.0);
    sprs::prod::mul_acc_mat_vec_csr(w.view(), x, y);
}
