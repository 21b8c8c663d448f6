//! What takes part in a comparison: every kernel for every packing of a junction, and the peers.

use lacewing_kernels::{Isa, IsaError, Junction, Kernel, KernelSet, Packing, ReadyKernel, RunError, kernel_list};

use super::draw::Drawn;
use super::{BenchError, peers};

/// Which of our kernels take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// All that this processor runs and `LACEWING_ISA` allows.
    All,
    /// The same without the scalar ones, where there are others.
    Vector,
}

impl Kernels {
    /// The narrowest and the widest instruction set.
    pub(super) fn range(self) -> Result<(Isa, Isa), IsaError> {
        let dense = KernelSet::ALL.choose(&Packing::Dense)?.map_or(Isa::Scalar, |ready| ready.kernel().isa());
        Ok((if self == Self::All { Isa::Scalar } else { dense.min(Isa::Avx2) }, Isa::widest()?))
    }
}

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
    /// `LACEWING_ISA` asks for what cannot be had; a junction is refused, none that was drawn is.
    pub fn all(drawn: &'d Drawn, kernels: Kernels) -> Result<Vec<Self>, BenchError> {
        let (narrowest, widest) = kernels.range()?;
        let mut all = Vec::new();
        for packed in &drawn.packed {
            let junction = packed.junction()?;
            let packing = junction.packing();
            let fit = |isa: Isa| isa <= widest && isa >= narrowest;
            for kernel in kernel_list().iter().filter(|kernel| fit(kernel.isa()) && kernel.accepts(packing)) {
                let Some(ready) = kernel.ready() else { continue };
                all.push(Self {
                    name: format!("{} {kernel}", junction.packing()),
                    dense: is_dense(packing),
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

    /// The kernel, where it is one of ours.
    #[must_use]
    pub fn kernel(&self) -> Option<&'static Kernel> {
        match &self.way {
            Way::Kernel(ready, _) => Some(ready.kernel()),
            _ => None,
        }
    }

    /// The packing, where it is one of ours.
    #[must_use]
    pub fn packing(&self) -> Option<&Packing> {
        match &self.way {
            Way::Kernel(_, junction) => Some(junction.packing()),
            _ => None,
        }
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

/// Whether a packing stores every weight.
pub const fn is_dense(packing: &Packing) -> bool {
    matches!(packing, Packing::Dense | Packing::DenseInputMajor)
}

/// What the scalar reference gives.
pub(super) fn reference(drawn: &Drawn) -> Result<Vec<f32>, BenchError> {
    let mut want = vec![0.0; drawn.edges.n_out()];
    let reference = drawn.packed.first().map(|packed| packed.junction()).transpose()?;
    let kernel = KernelSet::SCALAR.choose(&Packing::Dense)?;
    if let (Some(dense), Some(kernel)) = (reference, kernel) {
        // The first packing is dense, and x and y have its widths.
        let ran = kernel.run(&dense, &drawn.x, &mut want);
        debug_assert!(ran.is_ok());
    }
    Ok(want)
}

/// Holds an answer to the reference's: within 1e-5 of the sum of magnitudes.
pub(super) fn compare(drawn: &Drawn, contender: &str, y: &[f32], want: &[f32]) -> Result<(), BenchError> {
    for (output, (((inputs, weights), y), want)) in drawn.edges.rows().zip(y).zip(want).enumerate() {
        let terms =
            inputs.iter().zip(weights).map(|(i, w)| drawn.x.get(usize::from(*i)).map_or(0.0, |x| (x * w).abs()));
        let magnitude: f32 = terms.sum();
        let right = (y - want).abs() <= 1e-5 * magnitude;
        if !right {
            let (shape, contender) = (drawn.name.clone(), contender.into());
            return Err(BenchError::Wrong { shape, contender, output, found: *y, wanted: *want });
        }
    }
    Ok(())
}

/// Runs every contender once and holds its answer to the scalar reference's.
///
/// # Errors
/// A wrong answer.
pub fn check_answers(drawn: &Drawn, contenders: &[Contender<'_>]) -> Result<(), BenchError> {
    let want = reference(drawn)?;
    for contender in contenders {
        let mut y = vec![f32::NAN; want.len()];
        // One that does not run leaves NaN, which is wrong.
        let _ = contender.run(&drawn.x, &mut y);
        compare(drawn, &contender.name, &y, &want)?;
    }
    Ok(())
}
