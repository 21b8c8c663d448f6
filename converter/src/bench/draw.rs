//! Draws a junction of a shape, seeded, and packs it in every packing that its edges allow.

use crate::choose::{candidates, deployment_candidates};
use crate::edges::{Edges, EdgesBuilder};
use crate::find::Structure;
use crate::grouping::Effort;
use crate::pack::{DoesNotFit, pack_with};
use lacewing_kernels::{Activation, Element, Isa, Junction, JunctionError, KernelSet, Packing, Parts};
use lacewing_models::data::{DataError, Part, bundled_mnist, load};
use lacewing_models::recipe::Input;
use lacewing_models::{Mask, Pattern, PatternError};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::aligned::Aligned;
use super::shapes::{Shape, ShapeEdges, ShapeInput};

/// A junction's edges, an input, and its packings.
pub struct Drawn {
    /// The shape's name.
    pub name: String,
    /// The edges and their weights.
    pub edges: Edges,
    /// All weights, row by row, 0 where there is no edge.
    pub dense: Aligned<f32>,
    /// An input.
    pub x: Aligned<f32>,
    /// The packings; the first is dense.
    pub packed: Vec<Packed>,
}

/// One packing's bytes, each section aligned to a cache line, as a careful loader would have them.
pub struct Packed {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    weights: Aligned<u8>,
    counts: Aligned<u8>,
    index: Aligned<u8>,
}

/// A shape cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The pattern is impossible for the widths.
    #[error("{0}: {1}")]
    Pattern(String, PatternError),
    /// The edges were not packed.
    #[error("{0}: {1}")]
    Pack(String, DoesNotFit),
    /// The images were not read.
    #[error("{0}: {1}")]
    Images(String, DataError),
}

impl Packed {
    /// The sections of `parts`, aligned; its bias and activation are left out.
    #[must_use]
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts { n_in, n_out, packing, weights, counts, index, .. } = parts;
        let (weights, counts, index) = (Aligned::new(weights), Aligned::new(counts), Aligned::new(index));
        Self { n_in, n_out, packing, weights, counts, index }
    }

    /// Its parts, without bias or activation.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: Activation::None,
            weights: &self.weights,
            counts: &self.counts,
            index: &self.index,
            bias: &[],
        }
    }

    /// The junction, without bias or activation.
    ///
    /// # Errors
    /// As [`Junction::new`]; what was drawn is never refused.
    pub fn junction(&self) -> Result<Junction<'_>, JunctionError> {
        Junction::new(self.parts())
    }

    /// Bytes of weights, counts and index.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights.len() + self.counts.len() + self.index.len()
    }
}

/// Draws `shape`; the same for the same seed on every machine.
///
/// # Errors
/// The pattern does not fit the shape, or the bundled images are missing.
pub fn draw(shape: &Shape, seed: u64) -> Result<Drawn, DrawError> {
    draw_with(shape, seed, &Effort::FULL)
}

/// [`draw`], with `effort` given to the grouping of rows.
///
/// # Errors
/// As [`draw`].
pub fn draw_with(shape: &Shape, seed: u64, effort: &Effort<'_>) -> Result<Drawn, DrawError> {
    let (n_in, n_out) = (usize::from(shape.n_in), usize::from(shape.n_out));
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mask = draw_mask(shape, seed, &mut random).map_err(|e| DrawError::Pattern(shape.name.clone(), e))?;
    let mut edges = EdgesBuilder::new(shape.n_in);
    for output in 0..n_out {
        for input in 0..shape.n_in {
            let weight = random.random_range(-1.0..1.0);
            if mask.contains(output, usize::from(input)) {
                edges.push(input, weight);
            }
        }
        edges.end_row();
    }
    let edges = edges.finished().map_err(|e| DrawError::Pack(shape.name.clone(), e.into()))?;
    let x = match shape.input {
        ShapeInput::Random { nonzero } => (0..n_in).map(|_| nonzero_or_zero(nonzero, &mut random)).collect(),
        ShapeInput::Mnist => median_image(n_in).map_err(|e| DrawError::Images(shape.name.clone(), e))?,
    };
    let structure = Structure::of(&edges);
    let sparse = candidates(&edges, &structure).into_iter().map(|(packing, _)| packing);
    let deployed = deployment_candidates(&edges, &structure, Element::F32);
    let deployed = deployed.into_iter().filter(has_vector_kernel);
    let packings = core::iter::once(Packing::Dense).chain(sparse.filter(|_| !structure.dense)).chain(deployed);
    let packed = packings.map(|packing| {
        let packed = pack_with(&edges, &[], Activation::None, packing, effort)?;
        Ok(Packed::new(packed.parts()))
    });
    let packed: Result<Vec<Packed>, DoesNotFit> = packed.collect();
    Ok(Drawn {
        name: shape.name.clone(),
        dense: Aligned::new(&edges.to_dense()),
        x: Aligned::new(&x),
        packed: packed.map_err(|e| DrawError::Pack(shape.name.clone(), e))?,
        edges,
    })
}

/// Whether the packing is for registers that this processor has, or there are none.
fn has_vector_kernel(packing: &Packing) -> bool {
    let isa = |packing| KernelSet::ALL.choose(packing).ok().flatten().map(|ready| ready.kernel().isa());
    isa(packing) != Some(Isa::Scalar) || isa(&Packing::Dense) == Some(Isa::Scalar)
}

fn draw_mask(shape: &Shape, seed: u64, random: &mut ChaCha8Rng) -> Result<Mask, PatternError> {
    let (n_in, n_out) = (usize::from(shape.n_in), usize::from(shape.n_out));
    let pattern = match shape.edges {
        ShapeEdges::Dense => Pattern::Dense,
        ShapeEdges::Random { out_degree } => Pattern::Random { out_degree },
        ShapeEdges::Any { density } => Pattern::RandomDensity { density },
        ShapeEdges::Block { rows, cols, density } => Pattern::Block { rows, cols, density },
        ShapeEdges::NM { n, m } => Pattern::NM { n, m },
        ShapeEdges::Rows { density } => {
            let in_degree = ((n_in as f64 * density).round() as usize).clamp(1, n_in);
            let mut mask = Mask::empty(n_in, n_out);
            let mut inputs: Vec<usize> = (0..n_in).collect();
            for output in 0..n_out {
                let (chosen, _) = inputs.partial_shuffle(random, in_degree);
                chosen.iter().for_each(|input| mask.insert(output, *input));
            }
            return Ok(mask);
        }
    };
    pattern.mask(n_in, n_out, seed)
}

fn nonzero_or_zero(nonzero: f64, random: &mut ChaCha8Rng) -> f32 {
    let x = random.random_range(-1.0..1.0);
    if random.random_bool(nonzero) { x } else { 0.0 }
}

/// The first test image of the bundled MNIST whose number of nonzero pixels is the median, zero-padded to `width`.
fn median_image(width: usize) -> Result<Vec<f32>, DataError> {
    let images = load(bundled_mnist(), Part::Validation, &Input::plain(width))?;
    let nonzero = |i: &usize| images.sample(*i).iter().filter(|x| **x != 0.0).count();
    let mut order: Vec<usize> = (0..images.len()).collect();
    order.sort_by_key(nonzero);
    Ok(order.get(order.len() / 2).map(|i| images.sample(*i).to_vec()).unwrap_or_default())
}
