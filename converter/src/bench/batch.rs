//! One junction on [`SAMPLES`] samples at a time: the batched kernels beside the fastest dense matrix product. Times are of all
//! samples together.

use core::hint::black_box;

use lacewing_kernels::{BATCH, Junction, Kernel, Packing, ReadyKernel, kernel_list};

use super::contender::Kernels;
use super::draw::{Drawn, draw};
use super::measure::{Effort, interleaved};
use super::shapes::Shape;
use super::{BenchError, Comparison, Entrant, peers};

/// Samples a call.
pub const SAMPLES: usize = 256;

/// A batched kernel for a packing of a junction, and its outputs.
pub struct Batched<'d> {
    kernel: ReadyKernel<'static>,
    junction: Junction<'d>,
    bytes: usize,
    y: Vec<[f32; BATCH]>,
}

impl<'d> Batched<'d> {
    /// Every batched kernel of every packing of `drawn`, of each the widest first.
    ///
    /// # Errors
    /// `LACEWING_ISA` asks for what cannot be had; a junction is refused, none that was drawn is.
    pub fn all(drawn: &'d Drawn, kernels: Kernels) -> Result<Vec<Self>, BenchError> {
        let (narrowest, widest) = kernels.range()?;
        let mut all = Vec::new();
        for packed in &drawn.packed {
            let junction = packed.junction()?;
            let fit = |kernel: &&&Kernel| (narrowest..=widest).contains(&kernel.isa());
            let batched = kernel_list().iter().filter(fit).filter(|kernel| kernel.accepts_batch(junction.packing()));
            for kernel in batched.filter_map(|kernel| kernel.ready()) {
                all.push(Self { kernel, junction, bytes: packed.bytes(), y: vec![[0.0; BATCH]; drawn.edges.n_out()] });
            }
        }
        Ok(all)
    }

    /// Packing with its numbers, and kernel.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.packing(), self.kernel())
    }

    /// The packing.
    #[must_use]
    pub const fn packing(&self) -> &Packing {
        self.junction.packing()
    }

    /// The kernel.
    #[must_use]
    pub const fn kernel(&self) -> &'static Kernel {
        self.kernel.kernel()
    }

    /// Computes the outputs of `x`, [`BATCH`] samples of all features behind each other.
    pub fn run(&mut self, x: &[[f32; BATCH]]) {
        for x in x.chunks_exact(self.junction.n_in()) {
            // Its answer was checked before.
            let ran = self.kernel.run_batch(&self.junction, black_box(x), &mut self.y);
            debug_assert!(ran.is_ok());
        }
    }
}

/// Draws, checks and measures one junction.
///
/// # Errors
/// The shape cannot be drawn, or a contender gives a wrong answer.
pub fn compare(shape: &Shape, effort: Effort) -> Result<Comparison, BenchError> {
    let drawn = draw(shape, 1)?;
    let (n_in, n_out) = (drawn.edges.n_in(), drawn.edges.n_out());
    // Sixteen samples behind each other, as the engine has them; and all samples of a feature, as matrix products do.
    let x = panels(&drawn, SAMPLES / BATCH);
    let rows: Vec<f32> = (0..n_in)
        .flat_map(|input| (0..SAMPLES).map(move |sample| (input, sample)))
        .map(|(input, sample)| value(&drawn, input, sample))
        .collect();
    let mut ours = Batched::all(&drawn, Kernels::All)?;
    // The one that would be used.
    ours.dedup_by_key(|ours| *ours.packing());
    check(&drawn, &mut ours)?;
    let products: [(&str, peers::BatchProduct); 2] =
        [("dense gemm", peers::gemm_batch), ("dense matrixmultiply", peers::matrixmultiply_batch)];
    let mut outputs = [vec![0.0; n_out * SAMPLES], vec![0.0; n_out * SAMPLES]];
    let mut named: Vec<(Entrant, Box<dyn FnMut() + '_>)> = Vec::new();
    for ours in &mut ours {
        let packing = ours.junction.packing();
        let entrant = Entrant { name: ours.name(), dense: super::contender::is_dense(packing), bytes: ours.bytes };
        let x = &x;
        named.push((entrant, Box::new(move || ours.run(x))));
    }
    for ((name, product), y) in products.into_iter().zip(&mut outputs) {
        let (weights, rows): (&[f32], &[f32]) = (&drawn.dense, &rows);
        let entrant = Entrant { name: name.into(), dense: true, bytes: weights.len() * 4 };
        named.push((entrant, Box::new(move || product(weights, black_box(rows), y, SAMPLES))));
    }
    named.sort_by_key(|(entrant, _)| !entrant.dense);
    let (entrants, mut calls): (Vec<_>, Vec<_>) = named.into_iter().unzip();
    let mut calls: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|call| call.as_mut() as &mut dyn FnMut()).collect();
    let times = interleaved(&mut calls, effort);
    let name = format!("{} on {SAMPLES} samples", shape.name);
    let mut compared = Comparison::new(&name, drawn.edges.nnz(), drawn.dense.len(), entrants, &times);
    compared.times_samples(SAMPLES);
    Ok(compared)
}

/// The drawn input, turned by one place for every sample: `batches` times [`BATCH`] samples of all features, as
/// [`Batched::run`] takes them.
#[must_use]
pub fn panels(drawn: &Drawn, batches: usize) -> Vec<[f32; BATCH]> {
    let panels = (0..batches).flat_map(|panel| (0..drawn.edges.n_in()).map(move |input| (panel, input)));
    panels.map(|(panel, input)| core::array::from_fn(|column| value(drawn, input, panel * BATCH + column))).collect()
}

fn value(drawn: &Drawn, input: usize, sample: usize) -> f32 {
    drawn.x.get((input + sample) % drawn.edges.n_in()).copied().unwrap_or(0.0)
}

/// Every kernel's answer for sixteen times the drawn input against the scalar reference's.
fn check(drawn: &Drawn, ours: &mut [Batched<'_>]) -> Result<(), BenchError> {
    let x: Vec<[f32; BATCH]> = drawn.x.iter().map(|x| [*x; BATCH]).collect();
    let want = super::contender::reference(drawn)?;
    for ours in ours {
        ours.run(&x);
        let name = ours.kernel.kernel().to_string();
        let y: Vec<f32> = ours.y.iter().map(|y| y[BATCH - 1]).collect();
        super::contender::compare(drawn, &name, &y, &want)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shapes;

    #[test]
    fn every_packing_runs_in_batches() {
        for shape in shapes::parse("40 24 rows 1/4\n40 24 block 8x1 1/4\n40 24 nm 2:8").unwrap() {
            let compared = compare(&shape, Effort::TEST).unwrap();
            assert!(compared.rows.len() >= 5 && compared.rows.iter().all(|row| row.ratio > 0.0), "{compared:?}");
        }
    }
}
