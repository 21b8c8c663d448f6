//! Bundled networks at batch 1: without their zeros beside the same shape without a zero.
//!
//! Images take turns, so that no processor learns which inputs of one are zero; copying an image in is part of every time.

use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::{Dataset, bundled};

use super::aligned::Aligned;
use super::measure::{Effort, interleaved};
use super::{BenchError, Comparison, Entrant, peers};
use crate::calibrate::nonzero_inputs;
use crate::convert::convert_network_for;
use crate::edges::Edges;
use crate::import::{Imported, embedded_recipe, import};
use crate::network::Network;
use crate::plan::Goal;
use crate::profile::Profile;
use crate::scratch::HeapScratch;
use crate::source::Source;

/// The networks that are measured.
pub const NETWORKS: [&str; 5] =
    ["mnist-flagship", "paper-800-40-40-10", "paper-800-100-10-fo10", "paper-800-100-10-fo50", "paper-800-100-100-10"];

/// Images that take turns.
const IMAGES: usize = 64;

/// A bundled network's trunk, with and without its zeros, and its dense layers for the peers.
pub struct Bundled {
    name: String,
    edges: usize,
    dense_weights: usize,
    /// Model files: those of the dense network come first.
    models: Vec<Converted>,
    layers: Vec<Layer>,
}

/// A way to convert the network.
struct Converted {
    name: String,
    dense: bool,
    /// At a cache line, as a file that is mapped.
    bytes: Aligned<u8>,
}

/// A layer as the peers take it.
struct Layer {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// `y = W·x` of a peer.
type Product = fn(&[f32], &[f32], &mut [f32]);

/// The peers, by name.
const PEERS: [(&str, Product); 2] = [("dense, gemm", peers::gemm), ("dense, matrixmultiply", peers::matrixmultiply)];

impl Bundled {
    /// Reads a bundled network and converts it to the smallest packings and, where there is a `profile`, to the fastest ones on
    /// that target: with and without counting the zero inputs of `images`.
    ///
    /// # Errors
    /// Its file is not there or not what it should be.
    pub fn load(name: &str, profile: Option<&Profile>, images: &Dataset) -> Result<Self, BenchError> {
        let mut source = Source::open(&bundled::weights(name))?;
        let recipe = embedded_recipe(&source)?.ok_or_else(|| BenchError::NoRecipe(name.into()))?;
        let Imported { mut network, .. } = import(&mut source, recipe)?;
        network.split = None;
        network.exits.clear();
        let edges = network.trunk.iter().map(|junction| junction.edges.nnz()).sum();
        let mut sparse = convert(&network, "sparse", profile, images)?;
        let layers = fill(&mut network);
        let mut models = convert(&network, "dense, ours", profile, images)?;
        models.iter_mut().for_each(|model| model.dense = true);
        models.append(&mut sparse);
        let dense_weights = layers.iter().map(|layer| layer.weights.len()).sum();
        Ok(Self { name: name.into(), edges, dense_weights, models, layers })
    }

    /// Its name, and every model file with the name of its contender.
    pub fn models(&self) -> (&str, impl Iterator<Item = (&str, &[u8])>) {
        (&self.name, self.models.iter().map(|model| (model.name.as_str(), &*model.bytes)))
    }

    /// The dense network, layer by layer, with a peer's matrix product; the logits are the last buffer.
    fn peer(&self, product: Product, buffers: &mut [Vec<f32>]) {
        for (k, layer) in self.layers.iter().enumerate() {
            let Some(([.., x], [y, ..])) = buffers.split_at_mut_checked(k + 1) else { return };
            product(&layer.weights, x, y);
            for (y, bias) in y.iter_mut().zip(&layer.bias) {
                *y += bias;
                if k + 1 < self.layers.len() && *y < 0.0 {
                    *y = 0.0;
                }
            }
        }
    }

    /// One vector for the input and one for each layer's outputs.
    fn buffers(&self, width: usize) -> Vec<Vec<f32>> {
        let outputs = self.layers.iter().map(|layer| vec![0.0; layer.bias.len()]);
        core::iter::once(vec![0.0; width]).chain(outputs).collect()
    }

    /// Compares the peers' logits with our own on the first image, then measures all contenders on the first 64.
    ///
    /// # Errors
    /// A peer computes something else; the images have another width.
    pub fn compare(&self, images: &Dataset, effort: Effort) -> Result<Comparison, BenchError> {
        let parsed = self.models.iter().map(|model| Model::parse(&model.bytes, &KernelSet::ALL));
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        let mut scratch: Vec<_> = parsed.iter().map(|model| HeapScratch::new(model.scratch_len())).collect();
        let engines = parsed.iter().zip(&mut scratch).map(|(model, scratch)| Engine::new(model, scratch.bytes()));
        let mut engines = engines.collect::<Result<Vec<_>, _>>()?;
        let first = images.sample(0);
        for engine in &mut engines {
            engine.load(first)?;
            engine.run(&mut Never);
        }
        let want = engines.first().map_or_else(Vec::new, |dense| dense.logits().to_vec());
        let mut by_peers = PEERS.map(|(name, product)| (name, product, self.buffers(first.len())));
        for (name, product, buffers) in &mut by_peers {
            load(buffers, first);
            self.peer(*product, buffers);
            self.check(name, buffers.last().map_or(&[], Vec::as_slice), &want)?;
        }
        let at = IMAGES.min(images.len()).max(1);
        let (dense, sparse) = engines.split_at_mut(self.models.iter().take_while(|model| model.dense).count());
        let ours = |engine: &'_ mut Engine<'_>, turn: &mut usize| {
            *turn += 1;
            engine.input().copy_from_slice(images.sample(*turn % at));
            core::hint::black_box(engine.run(&mut Never));
        };
        let mut calls: Vec<Box<dyn FnMut() + '_>> = Vec::new();
        for engine in dense {
            let mut turn = 0;
            calls.push(Box::new(move || ours(engine, &mut turn)));
        }
        for (_, product, buffers) in &mut by_peers {
            let mut turn = 0;
            calls.push(Box::new(move || {
                turn += 1;
                load(buffers, images.sample(turn % at));
                self.peer(*product, buffers);
            }));
        }
        for engine in sparse {
            let mut turn = 0;
            calls.push(Box::new(move || ours(engine, &mut turn)));
        }
        let mut calls: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|call| call.as_mut() as &mut dyn FnMut()).collect();
        let times = interleaved(&mut calls, effort);
        Ok(Comparison::new(&self.name, self.edges, self.dense_weights, self.entrants(), &times))
    }

    fn check(&self, peer: &str, found: &[f32], want: &[f32]) -> Result<(), BenchError> {
        for (output, (found, wanted)) in found.iter().zip(want).enumerate() {
            let right = (found - wanted).abs() <= 1e-4 * (1.0 + wanted.abs());
            if !right {
                let (shape, contender) = (self.name.clone(), peer.into());
                return Err(BenchError::Wrong { shape, contender, output, found: *found, wanted: *wanted });
            }
        }
        Ok(())
    }

    /// In the order of the calls: our dense ones, the peers, the sparse ones.
    fn entrants(&self) -> Vec<Entrant> {
        let entrant =
            |model: &Converted| Entrant { name: model.name.clone(), dense: model.dense, bytes: model.bytes.len() };
        let ours = self.models.iter().filter(|model| model.dense).map(entrant);
        let bytes = self.layers.iter().map(|layer| 4 * (layer.weights.len() + layer.bias.len())).sum();
        let peers = PEERS.iter().map(|(name, _)| Entrant { name: (*name).into(), dense: true, bytes });
        ours.chain(peers).chain(self.models.iter().filter(|model| !model.dense).map(entrant)).collect()
    }
}

fn load(buffers: &mut [Vec<f32>], image: &[f32]) {
    if let Some(input) = buffers.first_mut() {
        input.clear();
        input.extend_from_slice(image);
    }
}

fn convert(
    network: &Network,
    name: &str,
    profile: Option<&Profile>,
    images: &Dataset,
) -> Result<Vec<Converted>, BenchError> {
    let mut all = Vec::new();
    let mut add = |name: String, goal: Goal<'_>| -> Result<(), BenchError> {
        let bytes = Aligned::new(&convert_network_for(network, goal, None, &|_, _| {})?.head);
        all.push(Converted { name, dense: false, bytes });
        Ok(())
    };
    add(name.into(), Goal::Size)?;
    if let Some(profile) = profile {
        let inputs = nonzero_inputs(network, images);
        add(format!("{name}, for {}", profile.name), Goal::Speed { profile, inputs: &[] })?;
        add(format!("{name}, for {}, calibrated", profile.name), Goal::Speed { profile, inputs: &inputs })?;
    }
    Ok(all)
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
