//! The peers: other people's dense and sparse products, on the same weights. The only file here with unsafe code, because
//! `gemm` and `matrixmultiply` have no other door.

use gemm::Parallelism;
use lacewing_converter::edges::Edges;

/// `y = W·x` with the `gemm` crate, one thread; `w` has `y.len()` rows of `x.len()`.
///
/// # Panics
/// If `w` has another length.
pub fn gemm(w: &[f32], x: &[f32], y: &mut [f32]) {
    let (n_out, n_in) = (y.len(), x.len());
    assert_eq!(w.len(), n_out * n_in);
    // SAFETY: row-major W of n_out × n_in, x and y as columns: every address is inside the slices, whose lengths were
    // checked just above; y is borrowed uniquely.
    unsafe {
        gemm::gemm(
            n_out,
            1,
            n_in,
            y.as_mut_ptr(),
            n_out as isize,
            1,
            false,
            w.as_ptr(),
            1,
            n_in as isize,
            x.as_ptr(),
            n_in as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `y = W·x` with `matrixmultiply`; `w` has `y.len()` rows of `x.len()`.
///
/// # Panics
/// If `w` has another length.
pub fn matrixmultiply(w: &[f32], x: &[f32], y: &mut [f32]) {
    let (n_out, n_in) = (y.len(), x.len());
    assert_eq!(w.len(), n_out * n_in);
    // SAFETY: as for gemm.
    unsafe {
        matrixmultiply::sgemm(
            n_out,
            n_in,
            1,
            1.0,
            w.as_ptr(),
            n_in as isize,
            1,
            x.as_ptr(),
            1,
            1,
            0.0,
            y.as_mut_ptr(),
            1,
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
