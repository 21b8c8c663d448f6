//! int8 junctions: what they have beside the parts that all have, and its proof.

use super::{JunctionError, Parts, Section, bytes_of, length};
use crate::bytes::{groups_of_2, groups_of_4};
use crate::packing::{NMRow, Packing, above_zero};
use crate::requantise::{is_shift, requantise};

/// How an int8 junction comes from a sum to an output, `y = clamp(requantise(sum, multiplier, shift) + output_zero)`; the sum
/// is `b + Σ w·x` in int32, the input's zero point folded into the bias; of input-major packings `b + Σ w·(x − input_zero)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int8<'m> {
    /// A multiplier for each output, i32 little-endian and not negative, then a shift for each, i8, −31..=30, or
    /// 64 more: see [`requantise`].
    pub rescale: &'m [u8],
    /// The input that means 0. Input-major packings pass over it, and have no zero point in their biases; others have it there.
    pub input_zero: i8,
    /// The output that means 0.
    pub output_zero: i8,
    /// The least output.
    pub low: i8,
    /// The greatest output, at least `low`.
    pub high: i8,
}

/// Bytes of a multiplier and a shift.
pub(super) const RESCALE: usize = 5;
/// Biases lie within ± this: with at most 65,535 products of at most 127·128, no sum reaches 2³¹.
const MAX_BIAS: u32 = 1 << 30;
/// Products a row may have.
const MAX_PRODUCTS: usize = 65_535;

const _: () = assert!(MAX_BIAS as u64 + MAX_PRODUCTS as u64 * 127 * 128 < 1 << 31);

/// Outputs that an input-major junction may have: kernels keep a sum for each on the stack.
pub(crate) const INPUT_MAJOR_OUTPUTS: usize = 256;
/// Inputs that it may have: differences from the zero point have nine bits.
const INPUT_MAJOR_INPUTS: u16 = 32_768;

const _: () = assert!(MAX_BIAS as u64 + INPUT_MAJOR_INPUTS as u64 * 127 * 255 < 1 << 31);

/// Proves that an input-major junction is small enough.
pub(super) const fn prove_input_major(p: &Parts<'_>) -> Result<(), JunctionError> {
    if p.n_out as usize > INPUT_MAJOR_OUTPUTS || p.n_in > INPUT_MAJOR_INPUTS {
        return Err(JunctionError::BadPacking);
    }
    Ok(())
}

impl<'m> Int8<'m> {
    /// The multipliers, one an output.
    pub(crate) const fn multipliers(&self) -> &'m [[u8; 4]] {
        let (multipliers, _) = self.split();
        groups_of_4(multipliers)
    }

    /// The shifts, one an output, two's complement.
    pub(crate) const fn shifts(&self) -> &'m [u8] {
        let (_, shifts) = self.split();
        shifts
    }

    const fn split(&self) -> (&'m [u8], &'m [u8]) {
        match self.rescale.split_at_checked(self.rescale.len() / RESCALE * 4) {
            Some(parts) => parts,
            None => (&[], &[]),
        }
    }

    /// The output of a sum. By a multiplier and shift of 0 where `o` is no output.
    #[inline]
    pub(crate) fn output(&self, o: usize, sum: i32) -> i8 {
        let multiplier = self.multipliers().get(o).map_or(0, |m| i32::from_le_bytes(*m));
        let shift = self.shifts().get(o).map_or(0, |shift| *shift as i8);
        let scaled = requantise(sum, multiplier, shift).saturating_add(self.output_zero as i32);
        // Both ends are i8. The clamp of the standard library would ask whether they are in order, which is proven.
        scaled.max(self.low as i32).min(self.high as i32) as i8
    }
}

impl super::Junction<'_> {
    /// The bias of output `o` of an int8 junction, 0 where there is none.
    #[inline]
    pub(crate) fn bias_i8(&self, o: usize) -> i32 {
        groups_of_4(self.parts.bias).get(o).map_or(0, |b| i32::from_le_bytes(*b))
    }

    /// The output `o` of an int8 junction whose products come to `sum`; 0 of an f32 junction.
    #[inline]
    pub(crate) fn output_i8(&self, o: usize, sum: i32) -> i8 {
        self.int8.as_ref().map_or(0, |int8| int8.output(o, self.bias_i8(o) + sum))
    }
}

/// Everything but the packing; whether outputs are [`usual`](super::Junction::outputs_are_usual).
pub(super) const fn prove(p: &Parts<'_>, int8: &Int8<'_>) -> Result<bool, JunctionError> {
    let outputs = p.n_out as usize;
    check!(prove_weights(p.weights));
    if !p.bias.is_empty() {
        check!(length(Section::Bias, p.bias, bytes_of(outputs, 4)));
    }
    check!(length(Section::Rescale, int8.rescale, bytes_of(outputs, RESCALE)));
    let mut biases = groups_of_4(p.bias);
    let (mut largest, mut usual) = (0, true);
    let mut row = 0;
    while let [bias, after @ ..] = biases {
        let bias = i32::from_le_bytes(*bias).unsigned_abs();
        if bias > MAX_BIAS {
            return Err(JunctionError::SumOverflow { row });
        }
        if bias > largest {
            largest = bias;
        }
        biases = after;
        row += 1;
    }
    let (mut multipliers, mut shifts) = (int8.multipliers(), int8.shifts());
    let mut row = 0;
    while let ([multiplier, more @ ..], [shift, others @ ..]) = (multipliers, shifts) {
        if i32::from_le_bytes(*multiplier) < 0 || !is_shift(*shift as i8) {
            return Err(JunctionError::BadRescale { row });
        }
        usual &= (*shift as i8) < 0;
        (multipliers, shifts) = (more, others);
        row += 1;
    }
    if int8.low > int8.high {
        return Err(JunctionError::BadClamp);
    }
    check!(prove_products(p));
    let products = if matches!(p.packing, Packing::Block { .. }) { MAX_PRODUCTS } else { p.n_in as usize };
    // Zero points of inputs are taken off one by one where inputs are passed over.
    let furthest = if p.packing.skips_zero_inputs() { 255 } else { 128 };
    Ok(usual && products as u64 * 127 * furthest + (largest as u64) < 1 << 30)
}

const fn prove_weights(mut weights: &[u8]) -> Result<(), JunctionError> {
    while let [weight, after @ ..] = weights {
        if *weight as i8 == i8::MIN {
            return Err(JunctionError::WeightOutOfRange);
        }
        weights = after;
    }
    Ok(())
}

/// Rows have at most n_in products, but blocks may overlap.
const fn prove_products(p: &Parts<'_>) -> Result<(), JunctionError> {
    let Packing::Block { cols, blocks, .. } = p.packing else { return Ok(()) };
    if blocks as usize * cols as usize > MAX_PRODUCTS {
        return Err(JunctionError::SumOverflow { row: 0 });
    }
    let mut counts = groups_of_2(p.counts);
    let mut row = 0;
    while let [count, after @ ..] = counts {
        if u16::from_le_bytes(*count) as usize * cols as usize > MAX_PRODUCTS {
            return Err(JunctionError::SumOverflow { row });
        }
        counts = after;
        row += 1;
    }
    Ok(())
}

/// The last row block's `inputs` inputs of `rows` weights, in groups of four inputs: those past `real` must be 0.
pub(super) const fn prove_ragged_rows(
    weights: &[u8],
    inputs: usize,
    rows: usize,
    real: usize,
) -> Result<(), JunctionError> {
    let Some((_, mut rest)) = weights.split_at_checked(weights.len() - inputs * rows) else {
        return Err(JunctionError::BadPacking);
    };
    let (mut at, group) = (0, above_zero(4 * rows));
    while let [weight, after @ ..] = rest {
        let left = inputs - at / group * 4;
        let width = above_zero(if left < 4 { left } else { 4 });
        if at % group / width >= real && *weight != 0 {
            return Err(JunctionError::PaddingNotZero);
        }
        rest = after;
        at += 1;
    }
    Ok(())
}

/// The geometry of int8 N:M in lanes: steps in *quads* of four; a word has the positions of two quads, in pages above 16 of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quads {
    pub row: NMRow,
    pub lanes: usize,
    /// Quads of steps a row has.
    pub quads: usize,
    /// Words of positions a row has.
    pub words: usize,
    /// Steps a word of positions has.
    per_word: usize,
}

impl Quads {
    pub(crate) const fn new(n_in: usize, n: u8, m: u8, lanes: u8) -> Self {
        let row = NMRow::new(n_in, n as usize, m as usize);
        let per_word = 4 * quads_a_word(m);
        let (quads, words) = (row.in_degree.div_ceil(4), row.in_degree.div_ceil(per_word));
        Self { row, lanes: lanes as usize, quads, words, per_word }
    }

    /// A row's group, and its lane there.
    const fn lane_of(&self, row: usize) -> (usize, usize) {
        let lanes = above_zero(self.lanes);
        (row / lanes, row % lanes)
    }

    /// Where the weight of a row's step lies.
    pub(crate) const fn weight_at(&self, row: usize, step: usize) -> usize {
        let (group, lane) = self.lane_of(row);
        ((group * self.quads + step / 4) * self.lanes + lane) * 4 + step % 4
    }

    /// Where the byte with the position of a row's step lies, and what part of it that is.
    pub(crate) const fn position_at(&self, row: usize, step: usize) -> (usize, Part) {
        let (group, lane) = self.lane_of(row);
        let byte = ((group * self.words + step / above_zero(self.per_word)) * self.lanes + lane) * 4 + step % 4;
        (byte, Part::of(step / 4, self.per_word / 4))
    }
}

/// Quads of positions that a word holds, of pages or windows of `inputs`: half a byte each up to 16, a byte above.
pub(crate) const fn quads_a_word(inputs: u8) -> usize {
    if inputs <= 16 { 2 } else { 1 }
}

/// The part of a byte that a position takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Low,
    High,
    All,
}

impl Part {
    /// Of the `quad`-th quad, where a word holds `a_word` of them.
    pub(crate) const fn of(quad: usize, a_word: usize) -> Self {
        match (a_word, quad % above_zero(a_word)) {
            (1, _) => Self::All,
            (_, 0) => Self::Low,
            _ => Self::High,
        }
    }

    /// The position in `byte`.
    pub(crate) const fn get(self, byte: u8) -> usize {
        match self {
            Self::Low => (byte & 15) as usize,
            Self::High => (byte >> 4) as usize,
            Self::All => byte as usize,
        }
    }
}

pub(super) const fn prove_nm_lanes(p: &Parts<'_>, n: u8, m: u8, lanes: u8) -> Result<usize, JunctionError> {
    if !matches!(lanes, 4 | 8 | 16) || !matches!(m, 4 | 8 | 16 | 32 | 64) || n == 0 || n > m {
        return Err(JunctionError::BadPacking);
    }
    let outputs = p.n_out as usize;
    let quads = Quads::new(p.n_in as usize, n, m, lanes);
    let groups = outputs.div_ceil(lanes as usize);
    check!(length(Section::Weights, p.weights, bytes_of(quads.quads * quads.lanes * 4, groups)));
    check!(length(Section::Counts, p.counts, 0));
    check!(length(Section::Index, p.index, bytes_of(quads.words * quads.lanes * 4, groups)));
    let mut row = 0;
    while row < groups * quads.lanes {
        check!(prove_lane(p, &quads, row, n as usize, m as usize));
        row += 1;
    }
    Ok(quads.row.in_degree * outputs)
}

/// One row, or one lane that no output has.
const fn prove_lane(p: &Parts<'_>, quads: &Quads, row: usize, n: usize, m: usize) -> Result<(), JunctionError> {
    let g = &quads.row;
    let real = row < p.n_out as usize;
    let mut previous = 0;
    let mut step = 0;
    while step < quads.words * quads.per_word {
        let (at, part) = quads.position_at(row, step);
        let position = part.get(byte_at(p.index, at));
        if !real || step >= g.in_degree {
            let weight = if step < quads.quads * 4 { byte_at(p.weights, quads.weight_at(row, step)) } else { 0 };
            if position != 0 || weight != 0 {
                return Err(JunctionError::PaddingNotZero);
            }
        } else {
            let in_last = step >= g.whole_pages * n;
            let first_of_page = if in_last { step == g.whole_pages * n } else { step % above_zero(n) == 0 };
            if position >= if in_last { g.last_page } else { m } {
                return Err(JunctionError::InputOutOfRange { row: row as u16 });
            }
            if !first_of_page && position <= previous {
                return Err(JunctionError::InputsNotAscending { row: row as u16 });
            }
            previous = position;
        }
        step += 1;
    }
    Ok(())
}

/// The byte at `at`; the section's length is proven, so that none lies past the end.
pub(super) const fn byte_at(bytes: &[u8], at: usize) -> u8 {
    match bytes.split_at_checked(at) {
        Some((_, [byte, ..])) => *byte,
        _ => 0,
    }
}
