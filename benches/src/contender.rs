//! What takes part in a comparison: every kernel for every packing of a junction, and the peers.

use lacewing_kernels::{Junction, KernelSet, Packing, ReadyKernel, kernel_list};

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
    #[must_use]
    pub fn all(drawn: &'d Drawn) -> Vec<Self> {
        let mut all = Vec::new();
        for packed in &drawn.packed {
            let junction = packed.junction();
            for kernel in kernel_list().iter().filter(|kernel| kernel.accepts(junction.packing())) {
                let Some(ready) = kernel.ready() else { continue };
                all.push(Self {
                    name: format!("{} {kernel}", junction.packing()),
                    dense: *junction.packing() == Packing::Dense,
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
        let csr = peers::csr(usize::from(drawn.n_in), &drawn.rows);
        all.push(peer("csr sprs", false, csr.nnz() * 12 + (drawn.rows.len() + 1) * 8, Way::Sprs(csr)));
        all
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
    /// # Panics
    /// If `x` or `y` has the wrong length.
    pub fn run(&self, x: &[f32], y: &mut [f32]) {
        match &self.way {
            Way::Kernel(kernel, junction) => {
                if let Err(error) = kernel.run(junction, x, y) {
                    panic!("{}: {error}", self.name);
                }
            }
            Way::Gemm(w) => peers::gemm(w, x, y),
            Way::MatrixMultiply(w) => peers::matrixmultiply(w, x, y),
            Way::Sprs(w) => peers::sprs(w, x, y),
        }
    }
}

/// The scalar reference's answer and, for each output, the sum of its terms' magnitudes.
///
/// # Panics
/// If there is no dense packing.
#[must_use]
pub fn reference(drawn: &Drawn, x: &[f32]) -> Vec<(f32, f32)> {
    let mut y = vec![0.0; usize::from(drawn.n_out)];
    let dense = drawn.packed[0].junction();
    let kernel = KernelSet::SCALAR.choose(dense.packing()).ok().flatten();
    let ran = kernel.map(|kernel| kernel.run(&dense, x, &mut y));
    assert_eq!(ran, Some(Ok(())), "the scalar dense kernel runs everywhere");
    let magnitudes = drawn.rows.iter().map(|row| row.iter().map(|(i, w)| (w * x[usize::from(*i)]).abs()).sum());
    y.into_iter().zip(magnitudes).collect()
}

/// Panics unless every contender's answer is the scalar reference's within 1e-5 of the sum of magnitudes.
///
/// # Panics
/// A wrong answer.
pub fn check_answers(drawn: &Drawn, contenders: &[Contender<'_>]) {
    let want = reference(drawn, &drawn.x);
    for contender in contenders {
        let mut y = vec![f32::NAN; usize::from(drawn.n_out)];
        contender.run(&drawn.x, &mut y);
        for (o, (got, (want, magnitude))) in y.iter().zip(&want).enumerate() {
            assert!((got - want).abs() <= 1e-5 * magnitude, "{}: output {o} is {got}, want {want}", contender.name);
        }
    }
}
