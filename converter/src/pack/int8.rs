//! Packed junctions in int8, and back: the same packings with one byte a weight, in the order that int8 kernels read.

use lacewing_engine::Quantisation;
use lacewing_kernels::bytes::{groups_of_2, groups_of_4};
use lacewing_kernels::{Activation, DeltaCode, Deltas, Element, IndexWidth, Int8, Junction, Packing, Parts};

use super::{DoesNotFit, Packed, Sections, pack};
use crate::edges::{Edges, EdgesBuilder};
use crate::grouping::alignment;
use crate::settled::Settling;

/// What an int8 junction has beside its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedInt8 {
    /// Multipliers and shifts, as [`Int8::rescale`].
    pub rescale: Vec<u8>,
    /// The least and the greatest output.
    pub clamp: (i8, i8),
    /// What it reads.
    pub input: Quantisation,
    /// What it writes.
    pub output: Quantisation,
}

impl PackedInt8 {
    /// As a junction has it.
    #[must_use]
    pub fn int8(&self) -> Int8<'_> {
        let (low, high) = self.clamp;
        Int8 { rescale: &self.rescale, input_zero: self.input.zero, output_zero: self.output.zero, low, high }
    }
}

/// Lays out `edges`, whose weights are whole numbers from −127 to 127, as an int8 junction in `packing`. `biases` hold the input's zero
/// point (−zero · Σ w); of input-major packings it is taken out again.
///
/// # Errors
/// The edges do not fit the packing, int8 does not have it, or the proof refuses the numbers.
pub fn pack_int8(
    edges: &Edges,
    biases: &[i32],
    activation: Activation,
    packing: Packing,
    int8: &PackedInt8,
) -> Result<Packed, DoesNotFit> {
    if let Packing::Windows { lanes, width, steps } = packing {
        return windows(edges, biases, activation, (lanes, width, steps), int8);
    }
    if let Packing::NMLanes { n, m: m @ (32 | 64), lanes } = packing {
        return wide_pages(edges, biases, activation, (n, m, lanes), int8);
    }
    let index = IndexWidth::Absolute16;
    let (rows, code) = match packing {
        Packing::Coded { in_degree: 0, code } => (Packing::Csr { index }, Some(code)),
        Packing::Coded { in_degree, code } => (Packing::Rows { in_degree, index }, Some(code)),
        other => (other, None),
    };
    let biases =
        if packing.skips_zero_inputs() { &*without_zero_point(edges, biases, int8.input.zero) } else { biases };
    let packed = pack(edges, &[], activation, rows)?.narrowed(biases, int8.clone())?;
    match code {
        Some(code) => packed.coded(edges, code),
        None => Ok(packed),
    }
}

/// Biases that hold −zero · Σ w, without it; one too large for i32 stays so large that the proof refuses it.
fn without_zero_point(edges: &Edges, biases: &[i32], zero: i8) -> Vec<i32> {
    let folded = biases.iter().copied().chain(core::iter::repeat(0));
    let unfolded = edges.rows().zip(folded).map(|((_, weights), bias)| {
        let sum: i64 = weights.iter().map(|weight| *weight as i64).sum();
        let bias = i64::from(bias) + i64::from(zero) * sum;
        bias.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    });
    unfolded.collect()
}

impl Packed {
    /// The same junction in int8: its weights, which are whole numbers, as bytes, with one i32 bias an output.
    ///
    /// # Errors
    /// A packing that int8 does not have, or numbers that its proof refuses.
    fn narrowed(mut self, bias: &[i32], int8: PackedInt8) -> Result<Self, DoesNotFit> {
        let whole = |weight: &[u8; 4]| f32::from_le_bytes(*weight) as i8 as u8;
        let weights = Settling::of(groups_of_4(&self.weights).iter().map(whole))?;
        self.weights = match self.packing {
            Packing::Block { rows, cols, blocks } => {
                let counts = row_blocks(&self.counts, self.n_out, rows, blocks);
                fours(&weights, counts.map(|count| count * usize::from(cols)), usize::from(rows), true).into()
            }
            Packing::NMLanes { lanes, .. } => {
                let lanes = usize::from(lanes);
                let groups = usize::from(self.n_out).div_ceil(lanes);
                let steps = weights.len() / lanes / groups;
                self.index = positions(&self.index, true).into();
                Settling::of(weights.chunks(steps * lanes).flat_map(|group| quads(group, lanes)))?
            }
            _ => weights,
        };
        self.bias = bias.iter().flat_map(|bias| bias.to_le_bytes()).collect();
        self.int8 = Some(int8);
        self.junction()?;
        Ok(self)
    }
}

impl Packed {
    /// A junction of int8 rows with its inputs coded; anything else stays as it is.
    ///
    /// # Errors
    /// The proof refuses it.
    fn coded(mut self, edges: &Edges, code: DeltaCode) -> Result<Self, DoesNotFit> {
        let in_degree = match self.packing {
            Packing::Rows { in_degree, .. } => in_degree,
            Packing::Csr { .. } => 0,
            _ => return Ok(self),
        };
        self.packing = Packing::Coded { in_degree, code };
        self.index = stream(edges, code).into();
        self.junction()?;
        Ok(self)
    }
}

/// Bits that the inputs of all rows take.
pub(crate) fn coded_bits(edges: &Edges, code: DeltaCode) -> usize {
    edges.rows().flat_map(|(inputs, _)| distances(inputs)).map(|distance| code.bits(distance)).sum()
}

/// The inputs that each edge of a row passes over.
fn distances(inputs: &[u16]) -> impl Iterator<Item = usize> {
    let mut next = 0;
    inputs.iter().map(move |input| {
        let distance = usize::from(*input).saturating_sub(next);
        next = usize::from(*input) + 1;
        distance
    })
}

fn stream(edges: &Edges, code: DeltaCode) -> Vec<u8> {
    let mut bits = Bits { bytes: Vec::new(), used: 8 };
    for distance in edges.rows().flat_map(|(inputs, _)| distances(inputs)) {
        match code {
            DeltaCode::Nibbles => {
                (0..distance / 15).for_each(|_| bits.put(15, 4));
                bits.put(distance % 15, 4);
            }
            DeltaCode::Rice(k) => {
                (0..distance >> k).for_each(|_| bits.put(0, 1));
                bits.put(1, 1);
                bits.put(distance, usize::from(k));
            }
        }
    }
    bits.bytes
}

/// Bits, the lowest of each byte first.
struct Bits {
    bytes: Vec<u8>,
    /// Bits written of the last byte.
    used: usize,
}

impl Bits {
    /// The lowest `count` bits of `value`.
    fn put(&mut self, value: usize, count: usize) {
        for at in 0..count {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            if let Some(byte) = self.bytes.last_mut() {
                *byte |= ((value >> at & 1) as u8) << self.used;
            }
            self.used += 1;
        }
    }
}

/// Rows in file order, `lanes` a group; each window begins at the least input that is left, or at its line, and in each step each lane
/// takes up to four.
fn windows(
    edges: &Edges,
    biases: &[i32],
    activation: Activation,
    (lanes, width, each): (u8, u8, u8),
    int8: &PackedInt8,
) -> Result<Packed, DoesNotFit> {
    let mut sections = Sections::of(edges, Packing::Windows { lanes, width, steps: each })?;
    let fits = matches!(lanes, 4 | 8 | 16) && matches!(width, 4 | 8 | 16 | 32 | 64 | 128) && matches!(each, 1 | 2 | 4);
    if !fits || usize::from(width) > edges.n_in() {
        return Err(sections.misfit(0));
    }
    let mut rows: Vec<Vec<(u16, i8)>> = edges.rows().map(|(inputs, weights)| real_edges(inputs, weights)).collect();
    let (mut starts, mut words) = (Vec::new(), Vec::new());
    for (group, rows) in rows.chunks_mut(usize::from(lanes)).enumerate() {
        let mut rows: Vec<&[(u16, i8)]> = rows.iter().map(Vec::as_slice).collect();
        rows.resize(usize::from(lanes), &[]);
        let (mut steps, mut positions) = (0usize, Vec::new());
        while let Some(least) = rows.iter().filter_map(|row| row.first()).map(|(input, _)| *input).min() {
            let start = (least - least % alignment((width, each), 1)).min(sections.n_in - u16::from(width));
            starts.extend(start.to_le_bytes());
            steps += usize::from(each);
            for row in core::iter::repeat_n(0..usize::from(lanes), usize::from(each)).flatten() {
                let Some(row) = rows.get_mut(row) else { continue };
                let count = row.iter().take(4).take_while(|(input, _)| input - start < u16::from(width)).count();
                let (now, later) = row.split_at_checked(count).unwrap_or_default();
                *row = later;
                for k in 0..4 {
                    let (input, weight) = now.get(k).copied().unwrap_or((start, 0));
                    sections.weights.push(weight as u8);
                    positions.push((input - start) as u8);
                }
            }
        }
        let steps_bytes = u16::try_from(steps).map_err(|_| sections.misfit(group))?.to_le_bytes();
        sections.counts.extend(&steps_bytes);
        if width > 16 {
            words.extend(positions);
            continue;
        }
        positions.resize(steps.next_multiple_of(2) * 4 * usize::from(lanes), 0);
        for pair in positions.chunks(8 * usize::from(lanes)) {
            let (low, high) = pair.split_at_checked(4 * usize::from(lanes)).unwrap_or_default();
            words.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
        }
    }
    (0..sections.n_out).for_each(|output| sections.index.extend(&output.to_le_bytes()));
    [starts, words].iter().for_each(|part| sections.index.extend(part));
    let mut packed = sections.packed(activation, biases.iter().flat_map(|bias| bias.to_le_bytes()).collect())?;
    packed.int8 = Some(int8.clone());
    packed.junction()?;
    Ok(packed)
}

/// N:M in lanes of pages above 16 inputs: positions are bytes.
fn wide_pages(
    edges: &Edges,
    biases: &[i32],
    activation: Activation,
    (n, m, lanes): (u8, u8, u8),
    int8: &PackedInt8,
) -> Result<Packed, DoesNotFit> {
    let mut sections = Sections::of(edges, Packing::NMLanes { n, m, lanes })?;
    let steps = sections.edges_of_pages(edges, n, m)?;
    if !matches!(lanes, 4 | 8 | 16) {
        return Err(sections.misfit(0));
    }
    let rows: Vec<_> = edges.rows().collect();
    for rows in rows.chunks(usize::from(lanes)) {
        for quad in 0..steps.div_ceil(4) {
            for (lane, k) in (0..4 * usize::from(lanes)).map(|at| (at / 4, 4 * quad + at % 4)) {
                let edge = rows.get(lane).and_then(|(inputs, weights)| inputs.get(k).zip(weights.get(k)));
                let (input, weight) = edge.map_or((0, 0), |(input, weight)| (*input, *weight as i8));
                sections.weights.push(weight as u8);
                sections.index.push((input % u16::from(m)) as u8);
            }
        }
    }
    let mut packed = sections.packed(activation, biases.iter().flat_map(|bias| bias.to_le_bytes()).collect())?;
    packed.int8 = Some(int8.clone());
    packed.junction()?;
    Ok(packed)
}

/// The edges of int8 N:M in lanes of pages above 16 inputs.
pub(crate) fn unpack_wide_pages(junction: &Junction<'_>, n: u8, m: u8, lanes: u8) -> Option<Edges> {
    let parts = junction.parts();
    let (lanes, steps) = (usize::from(lanes), junction.nnz() / junction.n_out().max(1));
    let mut edges = EdgesBuilder::new(parts.n_in);
    for row in 0..junction.n_out() {
        for step in 0..steps {
            let at = ((row / lanes * steps.div_ceil(4) + step / 4) * lanes + row % lanes) * 4 + step % 4;
            let byte = |bytes: &[u8]| bytes.get(at).copied().unwrap_or(0);
            let page = (step / usize::from(n.max(1))) as u16 * u16::from(m);
            edges.push(page + u16::from(byte(parts.index)), f32::from(byte(parts.weights) as i8));
        }
        edges.end_row();
    }
    edges.finished().ok()
}

/// The edges whose weight is not 0.
fn real_edges(inputs: &[u16], weights: &[f32]) -> Vec<(u16, i8)> {
    let edges = inputs.iter().zip(weights).map(|(input, weight)| (*input, *weight as i8));
    edges.filter(|(_, weight)| *weight != 0).collect()
}

/// The edges of int8 windows.
pub(crate) fn unpack_windows(junction: &Junction<'_>, (lanes, width, each): (u8, u8, u8)) -> Option<Edges> {
    let parts = junction.parts();
    let (lanes, number) = (usize::from(lanes), |bytes: &[u8; 2]| u16::from_le_bytes(*bytes));
    let (order, rest) = parts.index.split_at_checked(2 * junction.n_out()).unwrap_or_default();
    let each = usize::from(each).max(1);
    let windows = parts.weights.len() / (4 * lanes * each);
    let (starts, mut words) = rest.split_at_checked(2 * windows).unwrap_or_default();
    let (mut starts, mut weights) = (groups_of_2(starts).iter().map(number), groups_of_4(parts.weights));
    let mut rows = vec![Vec::new(); junction.n_out()];
    for (group, count) in groups_of_2(parts.counts).iter().enumerate() {
        let steps = usize::from(number(count));
        // Steps a word.
        let per_word = if width <= 16 { 2 } else { 1 };
        let (now, later) = words.split_at_checked(steps.div_ceil(per_word) * 4 * lanes).unwrap_or_default();
        words = later;
        let starts = starts.by_ref().take(steps / each).flat_map(|start| core::iter::repeat_n(start, each));
        for (step, start) in starts.enumerate() {
            let (quads, after) = weights.split_at_checked(lanes).unwrap_or_default();
            weights = after;
            for (lane, quad) in quads.iter().enumerate() {
                let output = groups_of_2(order).get(group * lanes + lane).map(number);
                let row = output.and_then(|output| rows.get_mut(usize::from(output)));
                let position = |k| {
                    let byte = now.get((step / per_word * lanes + lane) * 4 + k).copied().unwrap_or(0);
                    if per_word == 2 { byte >> (step % 2 * 4) & 15 } else { byte }
                };
                let edges = quad.iter().enumerate().filter(|(_, weight)| **weight != 0);
                let edges = edges.map(|(k, weight)| (start + u16::from(position(k)), f32::from(*weight as i8)));
                row.into_iter().for_each(|row| row.extend(edges.clone()));
            }
        }
    }
    let mut edges = EdgesBuilder::new(parts.n_in);
    for row in rows {
        row.into_iter().for_each(|(input, weight)| edges.push(input, weight));
        edges.end_row();
    }
    edges.finished().ok()
}

/// Inputs of each row block.
fn row_blocks(counts: &[u8], n_out: u16, rows: u8, blocks: u16) -> impl Iterator<Item = usize> {
    let counted = groups_of_2(counts).iter().map(|count| usize::from(u16::from_le_bytes(*count)));
    let constant = if blocks > 0 { usize::from(n_out).div_ceil(usize::from(rows)) } else { 0 };
    counted.chain(core::iter::repeat_n(usize::from(blocks), constant))
}

/// Weights of row blocks, input by input, into groups of four inputs, output by output; or back.
fn fours(weights: &[u8], inputs: impl Iterator<Item = usize>, rows: usize, forth: bool) -> Vec<u8> {
    let mut rest = weights;
    let mut all = Vec::with_capacity(weights.len());
    for inputs in inputs {
        let Some((block, after)) = rest.split_at_checked(inputs * rows) else { break };
        rest = after;
        for group in block.chunks(4 * rows) {
            let width = group.len() / rows;
            let at = |output: usize, input: usize| if forth { input * rows + output } else { output * width + input };
            match forth {
                true => (0..rows).for_each(|o| (0..width).for_each(|i| all.extend(group.get(at(o, i))))),
                false => (0..width).for_each(|i| (0..rows).for_each(|o| all.extend(group.get(at(o, i))))),
            }
        }
    }
    all
}

/// One group's weights, step by step, into quads of steps, lane by lane; steps that are not there are zero.
fn quads(group: &[u8], lanes: usize) -> Vec<u8> {
    let quads = group
        .chunks(4 * lanes)
        .flat_map(|quad| (0..4 * lanes).map(move |at| quad.get(at % 4 * lanes + at / 4).copied().unwrap_or(0)));
    quads.collect()
}

/// Words of positions from half bytes in order to low halves first, or back.
fn positions(index: &[u8], forth: bool) -> Vec<u8> {
    let words = groups_of_4(index).iter().map(|word| {
        let word = u32::from_le_bytes(*word);
        let half_bytes = (0..8).map(|k| {
            let place = k % 4 * 8 + k / 4 * 4;
            if forth { (word >> (4 * k) & 15) << place } else { (word >> place & 15) << (4 * k) }
        });
        half_bytes.sum::<u32>()
    });
    words.flat_map(u32::to_le_bytes).collect()
}

/// The inputs of coded rows, two bytes each.
fn decoded(parts: &Parts<'_>, in_degree: u16, code: DeltaCode) -> Vec<u8> {
    let mut deltas = Deltas::new(parts.index, code);
    let mut counts = groups_of_2(parts.counts).iter().map(|count| u16::from_le_bytes(*count));
    let mut inputs = Vec::new();
    for _ in 0..parts.n_out {
        let mut next = 0;
        for _ in 0..counts.next().unwrap_or(in_degree) {
            let input = next + deltas.next().unwrap_or(0);
            inputs.extend(u16::try_from(input).unwrap_or(u16::MAX).to_le_bytes());
            next = input + 1;
        }
    }
    inputs
}

/// An int8 junction's packing as f32 has it, its weights as f32, in the order of f32 packings, and its index likewise; both as bytes.
pub(crate) fn widened(junction: &Junction<'_>) -> Option<(Packing, Vec<u8>, Vec<u8>)> {
    if junction.element() != Element::I8 {
        return None;
    }
    let Parts { packing, weights, counts, index, n_out, .. } = *junction.parts();
    let mut as_f32 = packing;
    let (weights, index) = match packing {
        Packing::Coded { in_degree, code } => {
            let index = IndexWidth::Absolute16;
            as_f32 = if in_degree > 0 { Packing::Rows { in_degree, index } } else { Packing::Csr { index } };
            (weights.to_vec(), decoded(junction.parts(), in_degree, code))
        }
        Packing::Block { rows, cols, blocks } => {
            let inputs = row_blocks(counts, n_out, rows, blocks).map(|count| count * usize::from(cols));
            (fours(weights, inputs, usize::from(rows), false), index.to_vec())
        }
        Packing::NMLanes { lanes, .. } => {
            let lanes = usize::from(lanes);
            let steps = junction.nnz() / junction.n_out();
            let groups = weights.chunks(steps.div_ceil(4) * 4 * lanes).flat_map(|group| {
                (0..steps * lanes).filter_map(move |at| {
                    let (step, lane) = (at / lanes, at % lanes);
                    group.get((step / 4 * lanes + lane) * 4 + step % 4).copied()
                })
            });
            (groups.collect(), positions(index, false))
        }
        _ => (weights.to_vec(), index.to_vec()),
    };
    Some((as_f32, weights.iter().flat_map(|weight| f32::from(*weight as i8).to_le_bytes()).collect(), index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unpack::unpack;

    #[test]
    fn pages_and_windows_of_every_width_come_back() {
        let int8 = |outputs: usize| PackedInt8 {
            rescale: vec![0; 5 * outputs],
            clamp: (-128, 127),
            input: Quantisation { scale: 1.0, zero: 0 },
            output: Quantisation { scale: 1.0, zero: 0 },
        };
        // One edge in every page of `m`, its weight never 0; 37 outputs leave a ragged group, 150 inputs a ragged page.
        for (n_in, m, lanes) in [(150, 8, 8), (150, 16, 16), (150, 32, 16), (150, 64, 16), (128, 64, 4), (65, 64, 8)] {
            let there = |output: usize, input: usize| {
                let (page, width) =
                    (input / usize::from(m), (n_in - input / usize::from(m) * usize::from(m)).min(m.into()));
                input % usize::from(m) == (output * 7 + page * 3) % width
            };
            let dense: Vec<f32> = (0..37 * n_in).map(|at| (at % 200) as f32 - 100.5).map(f32::ceil).collect();
            let dense: Vec<f32> = dense.iter().map(|weight| if *weight == 0.0 { 1.0 } else { *weight }).collect();
            let edges = Edges::from_dense(n_in as u16, 37, &dense, |output, input, _| there(output, input)).unwrap();
            let windows = [(m, 1), (m, 2), (128, 2)].map(|(width, steps)| Packing::Windows { lanes, width, steps });
            let fits =
                |packing: &Packing| !matches!(packing, Packing::Windows { width, .. } if usize::from(*width) > n_in);
            for packing in [Packing::NMLanes { n: 1, m, lanes }].into_iter().chain(windows).filter(fits) {
                let packed = pack_int8(&edges, &[], Activation::None, packing, &int8(37)).unwrap();
                assert_eq!(unpack(&packed.junction().unwrap()), Some(edges.clone()), "{packing} of {n_in}");
            }
        }
        let edges = Edges::from_dense(64, 1, &[1.0; 64], |_, input, _| input > 0).unwrap();
        for packing in [Packing::NMLanes { n: 1, m: 64, lanes: 4 }, Packing::Windows { lanes: 4, width: 128, steps: 1 }]
        {
            assert!(pack_int8(&edges, &[], Activation::None, packing, &int8(1)).is_err(), "{packing}");
        }
    }
}
