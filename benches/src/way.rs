//! Every way to compute a junction, on one sample or on sixteen, by families of kernels.

use std::collections::{BTreeMap, BTreeSet};

use lacewing_converter::bench::BenchError;
use lacewing_converter::bench::batch::{Batched, panels};
use lacewing_converter::bench::contender::{Contender, Kernels, is_dense};
use lacewing_converter::bench::draw::Drawn;
use lacewing_converter::bench::shapes::Shape;
use lacewing_kernels::{BATCH, Kernel, Packing};

/// A contender, and where it writes.
pub enum Way<'d> {
    /// On one sample.
    One(Contender<'d>, Vec<f32>),
    /// On [`BATCH`] samples at a time.
    Batch(Batched<'d>),
}

impl<'d> Way<'d> {
    /// All for `drawn`'s product: our kernels, the peers, then the batched kernels.
    ///
    /// # Errors
    /// `LACEWING_ISA` asks for what cannot be had.
    pub fn all(drawn: &'d Drawn, kernels: Kernels) -> Result<Vec<Self>, BenchError> {
        let one = Contender::all(drawn, kernels)?.into_iter();
        let one = one.map(|contender| Self::One(contender, vec![0.0; drawn.edges.n_out()]));
        Ok(one.chain(Batched::all(drawn, kernels)?.into_iter().map(Self::Batch)).collect())
    }

    /// Packing with its numbers, and kernel or crate.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::One(contender, _) => contender.name().to_owned(),
            Self::Batch(batched) => batched.name(),
        }
    }

    /// The kernel, where it is one of ours.
    #[must_use]
    pub fn kernel(&self) -> Option<&'static Kernel> {
        match self {
            Self::One(contender, _) => contender.kernel(),
            Self::Batch(batched) => Some(batched.kernel()),
        }
    }

    /// The packing, where it is one of ours.
    #[must_use]
    pub fn packing(&self) -> Option<&Packing> {
        match self {
            Self::One(contender, _) => contender.packing(),
            Self::Batch(batched) => Some(batched.packing()),
        }
    }

    /// The packing's name, `batch` or `peers`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self {
            Self::One(contender, _) => contender.packing().map_or("peers", Packing::name),
            Self::Batch(_) => "batch",
        }
    }

    fn is_dense(&self) -> bool {
        match self {
            Self::One(contender, _) => contender.is_dense(),
            Self::Batch(batched) => is_dense(batched.packing()),
        }
    }

    /// Computes the junction; `panel` are the samples of a batch, of which `x` is the first.
    pub fn run(&mut self, x: &[f32], panel: &[[f32; BATCH]]) {
        match self {
            Self::One(contender, y) => {
                let ran = contender.run(core::hint::black_box(x), y);
                debug_assert!(ran.is_ok(), "lengths are the junction's own");
            }
            Self::Batch(batched) => batched.run(panel),
        }
    }
}

/// One bench of a family.
pub struct Member<'d> {
    /// The junction.
    pub drawn: &'d Drawn,
    /// What computes it.
    pub way: Way<'d>,
    /// Sixteen samples.
    pub panel: Vec<[f32; BATCH]>,
}

/// Everything that computes one of the junctions, by family. What does not depend on the mask stands there for the first junction of
/// its widths and input alone.
///
/// # Errors
/// `LACEWING_ISA` asks for what cannot be had.
pub fn families(
    junctions: &[(Shape, Drawn)],
    kernels: Kernels,
) -> Result<BTreeMap<&'static str, Vec<Member<'_>>>, BenchError> {
    let mut families: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (shape, drawn) in junctions {
        let widths_and_input = format!("{} {} {:?}", shape.n_in, shape.n_out, shape.input);
        for way in Way::all(drawn, kernels)? {
            let family = way.family();
            if !way.is_dense() || seen.insert((family, way.name(), widths_and_input.clone())) {
                families.entry(family).or_default().push(Member { drawn, way, panel: panels(drawn, 1) });
            }
        }
    }
    Ok(families)
}

#[cfg(test)]
mod tests {
    use lacewing_converter::bench::SHAPES;
    use lacewing_converter::bench::draw::draw_with;
    use lacewing_converter::bench::shapes::parse;
    use lacewing_converter::grouping::Effort;
    use lacewing_kernels::{Element, Isa, kernel_list};

    use super::*;

    /// Dense has its own group beside those of every packing, and no vector kernel of f32 is left out of all of them.
    #[test]
    fn every_vector_kernel_is_in_a_group() {
        let shapes =
            parse(SHAPES).unwrap().into_iter().filter(|shape| u32::from(shape.n_in) * u32::from(shape.n_out) < 100_000);
        let junctions: Vec<(Shape, Drawn)> =
            shapes.map(|shape| (shape.clone(), draw_with(&shape, 1, &Effort::NONE).unwrap())).collect();
        let families = families(&junctions, Kernels::All).unwrap();
        let benched: BTreeSet<String> =
            families.values().flatten().filter_map(|member| member.way.kernel()).map(ToString::to_string).collect();
        let widest = Isa::widest().unwrap();
        let missing =
            kernel_list().iter().filter(|kernel| kernel.element() == Element::F32 && kernel.isa() != Isa::Scalar);
        let missing = missing.filter(|kernel| kernel.isa() <= widest && kernel.ready().is_some());
        let missing: Vec<String> = missing.map(ToString::to_string).filter(|name| !benched.contains(name)).collect();
        assert_eq!(missing, [""; 0], "no shape has an edge for them");
        let times =
            |family: &str, name: &str| families[family].iter().filter(|member| member.way.name() == name).count();
        assert!(["batch", "csr8", "windows", "dense_input_major"].iter().all(|family| families.contains_key(family)));
        // Two of 800x112, with two inputs, and one of each other pair of widths.
        let pairs: BTreeSet<_> = junctions.iter().map(|(shape, _)| (shape.n_in, shape.n_out)).collect();
        assert_eq!(times("peers", "dense gemm"), pairs.len() + 1);
    }
}
