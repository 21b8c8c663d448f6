//! Draws a junction of a shape, seeded, and packs it in every packing that its edges allow.

use lacewing_kernels::{Activation, IndexWidth, Junction, Packing, Parts};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::shapes::{Edges, Shape};

/// A junction's edges, an input, and its packings.
pub struct Drawn {
    /// Inputs.
    pub n_in: u16,
    /// Outputs.
    pub n_out: u16,
    /// Each output's inputs, ascending, with their weights.
    pub rows: Vec<Vec<(u16, f32)>>,
    /// All weights, row by row, 0 where there is no edge.
    pub dense: Vec<f32>,
    /// An input without zeros.
    pub x: Vec<f32>,
    /// The packings; the first is dense.
    pub packed: Vec<Packed>,
}

/// One packing's bytes.
pub struct Packed {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    weights: Vec<u8>,
    index: Vec<u8>,
}

impl Packed {
    /// The junction, without bias or activation.
    ///
    /// # Panics
    /// If the packing was made wrongly.
    #[must_use]
    pub fn junction(&self) -> Junction<'_> {
        let parts = Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: Activation::None,
            weights: &self.weights,
            counts: &[],
            index: &self.index,
            bias: &[],
        };
        match Junction::new(parts) {
            Ok(junction) => junction,
            Err(error) => panic!("{}: {error}", self.packing),
        }
    }

    /// Bytes of weights and index.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weights.len() + self.index.len()
    }
}

/// Draws `shape`; the same for the same seed on every machine.
///
/// # Panics
/// If the pattern does not fit the shape: a block larger than it, `n > m`.
#[must_use]
pub fn draw(shape: &Shape, seed: u64) -> Drawn {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let inputs = draw_inputs(shape, &mut random);
    let mut weight = || random.random_range(-1.0f32..1.0);
    let rows: Vec<Vec<(u16, f32)>> =
        inputs.into_iter().map(|row| row.into_iter().map(|input| (input, weight())).collect()).collect();
    let x = (0..shape.n_in).map(|_| weight()).collect();
    let (n_in, n_out) = (shape.n_in, shape.n_out);
    let mut dense = vec![0.0; usize::from(n_in) * usize::from(n_out)];
    for (row, edges) in dense.chunks_exact_mut(usize::from(n_in)).zip(&rows) {
        for (input, weight) in edges {
            row[usize::from(*input)] = *weight;
        }
    }
    let packed_dense =
        Packed { n_in, n_out, packing: Packing::Dense, weights: little_endian(dense.iter().copied()), index: vec![] };
    let packed = core::iter::once(packed_dense).chain(pack(shape, &rows, &dense)).collect();
    Drawn { n_in, n_out, rows, dense, x, packed }
}

/// Each output's inputs, ascending.
fn draw_inputs(shape: &Shape, random: &mut ChaCha8Rng) -> Vec<Vec<u16>> {
    let (n_in, n_out) = (usize::from(shape.n_in), usize::from(shape.n_out));
    match shape.edges {
        Edges::Dense => vec![(0..shape.n_in).collect(); n_out],
        Edges::Rows { density } => {
            (0..n_out).map(|_| choose(share(n_in, density), n_in, random).map(|i| i as u16).collect()).collect()
        }
        Edges::Block { rows, cols, density } => {
            let (rows, cols) = (usize::from(rows), usize::from(cols));
            let columns = n_in / cols;
            let mut all = Vec::with_capacity(n_out);
            while all.len() < n_out {
                let starts = choose(share(columns, density), columns, random);
                let row: Vec<u16> = starts.flat_map(|s| s * cols..(s + 1) * cols).map(|i| i as u16).collect();
                all.extend(core::iter::repeat_n(row, rows.min(n_out - all.len())));
            }
            all
        }
        Edges::NM { n, m } => {
            let (n, m) = (usize::from(n), usize::from(m));
            let mut row = |_| {
                let pages = (0..n_in / m).flat_map(|page| choose(n, m, random).map(move |i| (page * m + i) as u16));
                pages.collect()
            };
            (0..n_out).map(&mut row).collect()
        }
    }
}

fn share(of: usize, density: f64) -> usize {
    ((of as f64 * density).round() as usize).clamp(1, of)
}

/// `k` of 0..n, ascending.
fn choose(k: usize, n: usize, random: &mut ChaCha8Rng) -> impl Iterator<Item = usize> + use<> {
    let mut all: Vec<usize> = (0..n).collect();
    let (chosen, _) = all.partial_shuffle(random, k);
    let mut chosen = chosen.to_vec();
    chosen.sort_unstable();
    chosen.into_iter()
}

fn little_endian(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

/// The packings other than dense.
fn pack(shape: &Shape, rows: &[Vec<(u16, f32)>], dense: &[f32]) -> Vec<Packed> {
    let (n_in, n_out) = (shape.n_in, shape.n_out);
    let packed = |packing, weights, index| Packed { n_in, n_out, packing, weights, index };
    let by_row = || little_endian(rows.iter().flatten().map(|(_, weight)| *weight));
    let mut all = Vec::new();
    let in_degree = rows.first().map_or(0, Vec::len) as u16;
    match shape.edges {
        Edges::Dense => return all,
        Edges::Rows { .. } => {}
        Edges::Block { rows: r, cols: c, .. } => {
            let (weights, index) = pack_blocks(rows, dense, usize::from(n_in), usize::from(r), usize::from(c));
            all.push(packed(Packing::Block { rows: r, cols: c, blocks: in_degree / u16::from(c) }, weights, index));
        }
        Edges::NM { n, m } => {
            all.push(packed(Packing::NM { n, m }, by_row(), rows.iter().flat_map(|row| positions(row, m)).collect()));
        }
    }
    if let Some(index) = deltas(rows) {
        all.push(packed(Packing::Rows { in_degree, index: IndexWidth::Delta8 }, by_row(), index));
    }
    let index = rows.iter().flatten().flat_map(|(input, _)| input.to_le_bytes()).collect();
    all.push(packed(Packing::Rows { in_degree, index: IndexWidth::Absolute16 }, by_row(), index));
    all
}

/// One byte an edge, where that is enough.
fn deltas(rows: &[Vec<(u16, f32)>]) -> Option<Vec<u8>> {
    let row_deltas = rows.iter().flat_map(|row| {
        let before = core::iter::once(0).chain(row.iter().map(|(input, _)| *input));
        row.iter().zip(before).map(|((input, _), before)| u8::try_from(input - before).ok())
    });
    row_deltas.collect()
}

fn pack_blocks(rows: &[Vec<(u16, f32)>], dense: &[f32], n_in: usize, r: usize, c: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut weights, mut index) = (Vec::new(), Vec::new());
    for (row_block, edges) in rows.iter().step_by(r).enumerate() {
        for start in edges.iter().step_by(c).map(|(input, _)| *input) {
            index.extend(start.to_le_bytes());
            for input in usize::from(start)..usize::from(start) + c {
                let column = (row_block * r..(row_block + 1) * r).map(|o| dense.get(o * n_in + input));
                weights.extend(column.flat_map(|weight| weight.copied().unwrap_or(0.0).to_le_bytes()));
            }
        }
    }
    (weights, index)
}

/// One row's positions within pages of `m` inputs, as a stream of bits.
fn positions(row: &[(u16, f32)], m: u8) -> Vec<u8> {
    let bits = m.trailing_zeros() as usize;
    let mut stream = vec![0; (row.len() * bits).div_ceil(8)];
    for (k, (input, _)) in row.iter().enumerate() {
        let position = input % u16::from(m);
        for bit in (0..bits).filter(|bit| position >> bit & 1 == 1) {
            let at = k * bits + bit;
            stream[at / 8] |= 1 << (at % 8);
        }
    }
    stream
}
