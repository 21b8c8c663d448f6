//! What takes part in a comparison: every kernel for every packing of a junction, and the peers.

use lacewing_kernels::{Junction, JunctionError, KernelSet, Packing, ReadyKernel, RunError, kernel_list};

use crate::draw::Drawn;
use crate::peers;

/// One way to compute `y = W·x`.
pub struct Contender<'d> {
    name: String,
    dense: bool,
    bytes: usize,
    way: Way<'d>,
}

enum Way<'d> {
    Kernel(ReadyKernel<'static>, Junction<'d>),
    Gemm(&'d [f32]),
    MatrixMultiply(&'d [f32]),
    Sprs(sprs::CsMat<f32>),
}

impl<'d> Contender<'d> {
    /// Everything that can compute `drawn`'s product on this machine, the dense ones first.
    ///
    /// # Errors
    /// A junction is refused; none that was drawn is.
    pub fn all(drawn: &'d Drawn) -> Result<Vec<Self>, JunctionError> {
        let mut all = Vec::new();
        for packed in &drawn.packed {
            let junction = packed.junction()?;
            for kernel in kernel_list().iter().filter(|kernel| kernel.accepts(junction.packing())) {
                let Some(ready) = kernel.ready() else { continue };
                all.push(Self {
                    name: format!("{} {kernel}", junction.packing()),
                    dense: matches!(junction.packing(), Packing::Dense | Packing::DenseInputMajor),
                    bytes: packed.bytes(),
                    way: Way::Kernel(ready, junction),
                });
            }
        }
        let peer = |name: &str, dense, bytes, way| Self { name: name.to_owned(), dense, bytes, way };
        let bytes = drawn.dense.len() * 4;
        all.push(peer("dense gemm", true, bytes, Way::Gemm(&drawn.dense)));
        all.push(peer("dense matrixmultiply", true, bytes, Way::MatrixMultiply(&drawn.dense)));
        all.sort_by_key(|contender| !contender.dense);
        let csr = peers::csr(&drawn.edges);
        all.push(peer("csr sprs", false, csr.nnz() * 12 + (drawn.edges.n_out() + 1) * 8, Way::Sprs(csr)));
        Ok(all)
    }

    /// Packing with its numbers, and kernel or crate.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it multiplies every weight, zeros too.
    #[must_use]
    pub const fn is_dense(&self) -> bool {
        self.dense
    }

    /// Bytes of weights and index.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Computes `y = W·x`.
    ///
    /// # Errors
    /// `x` or `y` has the wrong length.
    pub fn run(&self, x: &[f32], y: &mut [f32]) -> Result<(), RunError> {
        match &self.way {
            Way::Kernel(kernel, junction) => kernel.run(junction, x, y)?,
            Way::Gemm(w) => peers::gemm(w, x, y),
            Way::MatrixMultiply(w) => peers::matrixmultiply(w, x, y),
            Way::Sprs(w) => peers::sprs(w, x, y),
        }
        Ok(())
    }
}

/// Runs every contender once and holds its answer to the scalar reference's: within 1e-5 of the sum of magnitudes.
///
/// # Panics
/// A wrong answer: a benchmark of it would be worth nothing.
pub fn check_answers(drawn: &Drawn, contenders: &[Contender<'_>]) {
    let mut want = vec![0.0; drawn.edges.n_out()];
    let reference = drawn.packed.first().and_then(|packed| packed.junction().ok());
    let ran = reference.and_then(|dense| {
        let kernel = KernelSet::SCALAR.choose(dense.packing()).ok().flatten()?;
        kernel.run(&dense, &drawn.x, &mut want).ok()
    });
    assert!(ran.is_some(), "the scalar reference runs everywhere");
    for contender in contenders {
        let mut y = vec![f32::NAN; want.len()];
        assert_eq!(contender.run(&drawn.x, &mut y), Ok(()), "{}", contender.name);
        for (((inputs, weights), y), want) in drawn.edges.rows().zip(&y).zip(&want) {
            let terms =
                inputs.iter().zip(weights).map(|(i, w)| drawn.x.get(usize::from(*i)).map_or(0.0, |x| (x * w).abs()));
            let magnitude: f32 = terms.sum();
            assert!((y - want).abs() <= 1e-5 * magnitude, "{}: {y}, want {want}", contender.name);
        }
    }
}
