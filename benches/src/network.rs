//! Whole networks at batch 1: without their zeros beside the same shape without a zero.

use std::io::{self, Write};

use lacewing_converter::convert::convert_network;
use lacewing_converter::edges::Edges;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::network::Network;
use lacewing_converter::source::Source;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::bundled;

use crate::measure::{Effort, interleaved};
use crate::peers;

/// A bundled network's trunk, with and without its zeros, and its dense layers for the peers.
pub struct Bundled {
    /// Its name.
    pub name: String,
    /// Model bytes as converted.
    pub sparse: Vec<u8>,
    /// Model bytes with every edge there.
    pub dense: Vec<u8>,
    layers: Vec<Layer>,
}

/// A layer as the peers take it.
struct Layer {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Bundled {
    /// Reads and converts a bundled network.
    ///
    /// # Errors
    /// Its file is not there or not what it should be.
    pub fn load(name: &str) -> Result<Self, Box<dyn core::error::Error>> {
        let mut source = Source::open(&bundled::weights(name))?;
        let recipe =
            embedded_recipe(&source)?.ok_or_else(|| format!("the bundled network {name} carries no recipe"))?;
        let Imported { mut network, .. } = import(&mut source, recipe)?;
        network.split = None;
        network.exits.clear();
        let sparse = convert_network(&network, None)?.head;
        let layers = fill(&mut network);
        let dense = convert_network(&network, None)?.head;
        Ok(Self { name: name.into(), sparse, dense, layers })
    }

    /// The dense network, layer by layer, with a peer's matrix product.
    fn peer(&self, product: fn(&[f32], &[f32], &mut [f32]), buffers: &mut [Vec<f32>]) {
        let last = self.layers.len() - 1;
        for (k, layer) in self.layers.iter().enumerate() {
            let Some(([.., x], [y, ..])) = buffers.split_at_mut_checked(k + 1) else { return };
            product(&layer.weights, x, y);
            for (y, bias) in y.iter_mut().zip(&layer.bias) {
                *y += bias;
                if k < last && *y < 0.0 {
                    *y = 0.0;
                }
            }
        }
    }

    /// One vector for the input and one for each layer's outputs.
    fn buffers(&self, input: &[f32]) -> Vec<Vec<f32>> {
        let outputs = self.layers.iter().map(|layer| vec![0.0; layer.bias.len()]);
        core::iter::once(input.to_vec()).chain(outputs).collect()
    }
}

/// Makes every zero of the trunk an edge.
fn fill(network: &mut Network) -> Vec<Layer> {
    let mut layers = Vec::new();
    for junction in &mut network.trunk {
        let widths = (u16::try_from(junction.edges.n_in()), u16::try_from(junction.edges.n_out()));
        let weights = junction.edges.to_dense();
        if let (Ok(n_in), Ok(n_out)) = widths
            && let Some(edges) = Edges::from_dense(n_in, n_out, &weights, |_, _, _| true)
        {
            junction.edges = edges;
        }
        layers.push(Layer { weights, bias: junction.bias.clone() });
    }
    layers
}

/// The contenders' names, in the order of [`table`]'s rows: the dense ones first.
const NAMES: [&str; 4] = ["dense, ours", "dense, gemm", "dense, matrixmultiply", "sparse"];

/// Measures one network and prints each contender's time and its ratio to the best dense.
///
/// # Errors
/// `out` cannot be written.
///
/// # Panics
/// Dense contenders give different answers.
pub fn table(network: &Bundled, input: &[f32], effort: Effort, out: &mut dyn Write) -> io::Result<()> {
    let sparse = Model::parse(&network.sparse, &KernelSet::ALL).expect("converted");
    let dense = Model::parse(&network.dense, &KernelSet::ALL).expect("converted");
    let mut scratch = [vec![0u128; sparse.scratch_len().div_ceil(16)], vec![0u128; dense.scratch_len().div_ceil(16)]];
    let [sparse_scratch, dense_scratch] = &mut scratch;
    let mut sparse = Engine::new(&sparse, bytemuck::cast_slice_mut(sparse_scratch)).expect("room enough");
    let mut dense = Engine::new(&dense, bytemuck::cast_slice_mut(dense_scratch)).expect("room enough");
    let (mut by_gemm, mut by_matrixmultiply) = (network.buffers(input), network.buffers(input));
    let run = |engine: &mut Engine<'_>| {
        engine.input().copy_from_slice(input);
        core::hint::black_box(engine.run(&mut Never));
    };
    run(&mut dense);
    for (product, buffers) in
        [(peers::gemm as fn(&[f32], &[f32], &mut [f32]), &mut by_gemm), (peers::matrixmultiply, &mut by_matrixmultiply)]
    {
        network.peer(product, buffers);
        let answers = buffers.last().expect("layers").iter().zip(dense.logits());
        answers.for_each(|(peer, ours)| assert!((peer - ours).abs() <= 1e-4 * (1.0 + ours.abs()), "{peer} {ours}"));
    }
    let times = interleaved(
        &mut [
            &mut || run(&mut dense),
            &mut || network.peer(peers::gemm, &mut by_gemm),
            &mut || network.peer(peers::matrixmultiply, &mut by_matrixmultiply),
            &mut || run(&mut sparse),
        ],
        effort,
    );
    let best = times.fastest(0..3).unwrap_or(0);
    writeln!(out, "\n{} ({} bytes, dense {})", network.name, network.sparse.len(), network.dense.len())?;
    writeln!(out, "  {:<24} {:>9} {:>9} {:>7}", "network", "median ns", "least ns", "ratio")?;
    for (k, name) in NAMES.iter().enumerate() {
        let mark = if k == best { "  best dense" } else { "" };
        let ratio = times.ratio(best, k);
        writeln!(out, "  {name:<24} {:>9.0} {:>9.0} {ratio:>6.2}x{mark}", times.median(k), times.least(k))?;
    }
    out.flush()
}
