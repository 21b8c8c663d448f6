//! A junction: the edges between two adjacent layers, proven.

use core::fmt;

use crate::activation::Activation;
use crate::bytes::{groups_of_2, groups_of_4};
use crate::packing::{IndexWidth, NMRow, Packing, above_zero, position_at};

/// What a [`Junction`] is made of, not yet proven. Byte slices may lie at any address.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'m> {
    /// Inputs, 1 to 65,535.
    pub n_in: u16,
    /// Outputs, 1 to 65,535.
    pub n_out: u16,
    /// How the nonzeros are laid out.
    pub packing: Packing,
    /// Applied to the sums.
    pub activation: Activation,
    /// The weights, f32 little-endian, in the packing's order.
    pub weights: &'m [u8],
    /// Lengths of rows or row blocks, u16 little-endian; empty where the packing has none.
    pub counts: &'m [u8],
    /// Inputs of the weights, as the packing stores them; empty for dense.
    pub index: &'m [u8],
    /// One f32 little-endian an output, or empty for no bias.
    pub bias: &'m [u8],
}

/// One junction `y = act(W·x + b)`, borrowed from model bytes.
///
/// Holding one is the proof that every index is below `n_in`, that every section has the length its packing needs, and
/// that every number is finite: the constructor is the only door. Kernels rely on it to read without checks.
#[derive(Clone, Copy, Debug)]
pub struct Junction<'m> {
    parts: Parts<'m>,
    nnz: u32,
    int8: Option<Int8<'m>>,
    usual: bool,
    /// Edges of windows that stand beside them.
    spilled: u32,
}

/// What a junction's weights, inputs and outputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Element {
    /// Single precision throughout.
    F32,
    /// int8, with int32 sums and biases.
    I8,
}

/// Bytes of a weight.
const F32: usize = 4;
const I8: usize = 1;

/// A section of a junction's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The weights.
    Weights,
    /// The lengths of rows or row blocks.
    Counts,
    /// The inputs of the weights.
    Index,
    /// The biases.
    Bias,
    /// The multipliers and shifts of int8 outputs.
    Rescale,
}

/// Why [`Junction::new`] refused. Rows and row blocks count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JunctionError {
    /// `n_in` or `n_out` is zero.
    ZeroWidth,
    /// The packing's own numbers are out of range: an in-degree of 0 or above `n_in`, a block wider than the inputs or of
    /// more than 32 rows or columns, more blocks than inputs, `n` outside 1..=`m`, `m` not 4, 8, 16, 32 or 64 (of N:M for
    /// registers: not 4, 8, 16 or 32), lanes not 4, 8 or 16, a window that is wider than the inputs, steps that are not whole windows', a
    /// Rice parameter above 15; or coded rows, that f32 does not have, or input-major int8 of more than 256 outputs or 32,768 inputs.
    BadPacking,
    /// A section has another length than the packing needs; a stream of coded distances that ends too early needs one byte more
    /// at least.
    WrongLength {
        /// Which.
        section: Section,
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
    /// An input is `n_in` or above, or a block or window reaches past it; input-major: an output is `n_out` or above.
    InputOutOfRange {
        /// In which row, row block, or, of windows, group; input-major: of which input.
        row: u16,
    },
    /// The inputs of a row do not ascend; input-major: the outputs of an input.
    InputsNotAscending {
        /// In which row, or row block; input-major: of which input.
        row: u16,
    },
    /// What stands for no edge (a weight below a ragged row block or group, a position without an edge, unused bits) is not
    /// zero.
    PaddingNotZero,
    /// An output is missing from the order of rows: another one is there twice, or one that does not exist.
    NotAPermutation,
    /// A weight, a bias or the activation's slope is NaN or infinite.
    NotFinite {
        /// Which section; the slope counts as weights.
        section: Section,
    },
    /// An int8 weight is −128: weights are symmetric, so that two products fit 16 bits.
    WeightOutOfRange,
    /// The sum of an int8 row could overflow: its bias is beyond ±2³⁰, or blocks give it more than 65,535 products.
    SumOverflow {
        /// Which row, or row block.
        row: u16,
    },
    /// A multiplier is negative, or a shift outside −31..=30 and 33..=94.
    BadRescale {
        /// Of which output.
        row: u16,
    },
    /// The clamp's lower end is above its upper one.
    BadClamp,
}

impl fmt::Display for JunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroWidth => f.write_str("a junction needs at least one input and one output"),
            Self::BadPacking => f.write_str("the packing's numbers do not fit the junction"),
            Self::WrongLength { section, needed, found } => {
                write!(f, "{section:?} has {found} bytes where the packing needs {needed}")
            }
            Self::InputOutOfRange { row } => write!(f, "row {row} reads an input that is not there"),
            Self::InputsNotAscending { row } => write!(f, "the inputs of row {row} do not ascend"),
            Self::PaddingNotZero => f.write_str("padding is not zero"),
            Self::NotAPermutation => f.write_str("the order of rows does not hold every output once"),
            Self::NotFinite { section } => write!(f, "{section:?} holds a number that is NaN or infinite"),
            Self::WeightOutOfRange => f.write_str("an int8 weight is -128: weights are -127 to 127"),
            Self::SumOverflow { row } => write!(f, "the int32 sum of row {row} could overflow"),
            Self::BadRescale { row } => {
                write!(f, "output {row} is rescaled by a negative multiplier or a shift out of range")
            }
            Self::BadClamp => f.write_str("the clamp's lower end is above its upper one"),
        }
    }
}

impl core::error::Error for JunctionError {}

/// `?` for const fns.
macro_rules! check {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

mod coded;
mod int8;
mod lanes;
mod windows_i8;

pub use int8::Int8;
pub(crate) use int8::{INPUT_MAJOR_OUTPUTS, Quads, quads_a_word};
pub(crate) use windows_i8::QuadLane;

impl<'m> Junction<'m> {
    /// Proves `parts`. Const, so that a model in flash can be proven at compile time; linear in the bytes.
    ///
    /// # Errors
    /// The first rule of the packing (see [`Packing`]) that `parts` break.
    pub const fn new(parts: Parts<'m>) -> Result<Self, JunctionError> {
        if parts.n_in == 0 || parts.n_out == 0 {
            return Err(JunctionError::ZeroWidth);
        }
        let mut spilled = 0;
        let nnz = match parts.packing {
            Packing::Dense => check!(prove_dense::<F32>(&parts)),
            Packing::Rows { in_degree, index } => check!(prove_rows::<F32>(&parts, in_degree, index)),
            Packing::Csr { index } => check!(prove_csr::<F32>(&parts, index)),
            Packing::Block { rows, cols, blocks } => check!(prove_blocks::<F32>(&parts, rows, cols, blocks)),
            Packing::NM { n, m } => check!(prove_nm::<F32>(&parts, n, m)),
            Packing::NMLanes { n, m, lanes } => check!(lanes::prove_nm(&parts, n, m, lanes)),
            Packing::Coded { .. } => return Err(JunctionError::BadPacking),
            Packing::Windows { lanes, width, steps } => {
                let (nnz, beside) = check!(lanes::prove_windows(&parts, lanes, width, steps));
                spilled = beside;
                nnz
            }
            Packing::DenseInputMajor => check!(prove_dense::<F32>(&parts)),
            Packing::InputMajor { out_degree, index } => {
                // The rows of the transposed junction.
                check!(prove_rows::<F32>(&Parts { n_in: parts.n_out, n_out: parts.n_in, ..parts }, out_degree, index))
            }
        };
        if !parts.bias.is_empty() {
            check!(length(Section::Bias, parts.bias, parts.n_out as usize * 4));
        }
        check!(finite(Section::Weights, parts.weights));
        check!(finite(Section::Bias, parts.bias));
        if !parts.activation.is_finite() {
            return Err(JunctionError::NotFinite { section: Section::Weights });
        }
        Ok(Self { parts, nnz: nnz as u32, int8: None, usual: false, spilled: spilled as u32 })
    }

    /// Proves the parts of an int8 junction: `weights` one byte each, −127 to 127, `bias` one i32 an output, `activation` what
    /// the clamp of `int8` stands for, with the order of weights that [`Packing`] states for int8. Sums cannot overflow.
    ///
    /// # Errors
    /// The first rule of the packing or of int8 that they break.
    pub const fn new_i8(parts: Parts<'m>, int8: Int8<'m>) -> Result<Self, JunctionError> {
        if parts.n_in == 0 || parts.n_out == 0 {
            return Err(JunctionError::ZeroWidth);
        }
        let nnz = match parts.packing {
            Packing::Dense => check!(prove_dense::<I8>(&parts)),
            Packing::Rows { in_degree, index } => check!(prove_rows::<I8>(&parts, in_degree, index)),
            Packing::Csr { index } => check!(prove_csr::<I8>(&parts, index)),
            Packing::Block { rows, cols, blocks } => check!(prove_blocks::<I8>(&parts, rows, cols, blocks)),
            Packing::NM { n, m } => check!(prove_nm::<I8>(&parts, n, m)),
            Packing::Coded { in_degree, code } => check!(coded::prove(&parts, in_degree, code)),
            Packing::NMLanes { n, m, lanes } => check!(int8::prove_nm_lanes(&parts, n, m, lanes)),
            Packing::Windows { lanes, width, steps } => check!(windows_i8::prove(&parts, lanes, width, steps)),
            Packing::DenseInputMajor => {
                check!(int8::prove_input_major(&parts));
                check!(prove_dense::<I8>(&parts))
            }
            Packing::InputMajor { out_degree, index } => {
                check!(int8::prove_input_major(&parts));
                check!(prove_rows::<I8>(&Parts { n_in: parts.n_out, n_out: parts.n_in, ..parts }, out_degree, index))
            }
        };
        let usual = check!(int8::prove(&parts, &int8));
        Ok(Self { parts, nnz: nnz as u32, int8: Some(int8), usual, spilled: 0 })
    }

    /// What it computes with.
    #[must_use]
    pub const fn element(&self) -> Element {
        match self.int8 {
            None => Element::F32,
            Some(_) => Element::I8,
        }
    }

    /// How an int8 junction comes from its sums to its outputs; `None` of f32.
    #[must_use]
    pub const fn int8(&self) -> Option<&Int8<'m>> {
        self.int8.as_ref()
    }

    /// Whether every shift of an int8 junction divides, by 2 to 2³¹, rounding twice, and no sum, its bias included, reaches ±2³⁰: kernels need not
    /// ask for each output.
    #[must_use]
    pub const fn outputs_are_usual(&self) -> bool {
        self.usual
    }

    /// Inputs.
    #[must_use]
    pub const fn n_in(&self) -> usize {
        self.parts.n_in as usize
    }

    /// Outputs.
    #[must_use]
    pub const fn n_out(&self) -> usize {
        self.parts.n_out as usize
    }

    /// Edges stored: what the packing multiplies, padding of ragged row blocks left out.
    #[must_use]
    pub const fn nnz(&self) -> usize {
        self.nnz as usize
    }

    /// Density ρ = nnz / (n_in · n_out).
    #[must_use]
    pub fn density(&self) -> f64 {
        self.nnz() as f64 / (self.n_in() as f64 * self.n_out() as f64)
    }

    /// The packing.
    #[must_use]
    pub const fn packing(&self) -> &Packing {
        &self.parts.packing
    }

    /// The activation.
    #[must_use]
    pub const fn activation(&self) -> Activation {
        self.parts.activation
    }

    /// The bytes it was proven from.
    #[must_use]
    pub const fn parts(&self) -> &Parts<'m> {
        &self.parts
    }

    /// The weights in the packing's order, f32 little-endian.
    pub(crate) const fn weights(&self) -> &'m [[u8; 4]] {
        groups_of_4(self.parts.weights)
    }

    /// The weights of an int8 junction in the packing's order, two's complement.
    pub(crate) const fn weights_i8(&self) -> &'m [u8] {
        self.parts.weights
    }

    /// The lengths of rows or row blocks, u16 little-endian.
    pub(crate) const fn counts(&self) -> &'m [[u8; 2]] {
        groups_of_2(self.parts.counts)
    }

    /// The index of a packing that stores one byte an edge, and the N:M position stream.
    pub(crate) const fn index8(&self) -> &'m [u8] {
        self.parts.index
    }

    /// The index of a packing that stores two bytes an entry.
    pub(crate) const fn index16(&self) -> &'m [[u8; 2]] {
        groups_of_2(self.parts.index)
    }

    /// The index of a packing that stores words of 32 bits.
    pub(crate) const fn index32(&self) -> &'m [[u8; 4]] {
        groups_of_4(self.parts.index)
    }

    /// The bias of output `o`, 0 where there is none.
    pub(crate) fn bias(&self, o: usize) -> f32 {
        groups_of_4(self.parts.bias).get(o).map_or(0.0, |b| f32::from_le_bytes(*b))
    }
}

/// The length of a section that has `n · size` bytes. Saturates, so that on 32-bit targets no product wraps to a length that
/// a section may have.
const fn bytes_of(n: usize, size: usize) -> usize {
    n.saturating_mul(size)
}

const fn length(section: Section, bytes: &[u8], needed: usize) -> Result<(), JunctionError> {
    if bytes.len() == needed { Ok(()) } else { Err(JunctionError::WrongLength { section, needed, found: bytes.len() }) }
}

const fn finite(section: Section, bytes: &[u8]) -> Result<(), JunctionError> {
    let mut rest = groups_of_4(bytes);
    while let [number, after @ ..] = rest {
        // The exponent all ones: infinity or NaN.
        if u32::from_le_bytes(*number) & 0x7f80_0000 == 0x7f80_0000 {
            return Err(JunctionError::NotFinite { section });
        }
        rest = after;
    }
    Ok(())
}

const fn prove_dense<const E: usize>(p: &Parts<'_>) -> Result<usize, JunctionError> {
    let nnz = p.n_in as usize * p.n_out as usize;
    check!(length(Section::Weights, p.weights, bytes_of(nnz, E)));
    check!(length(Section::Counts, p.counts, 0));
    check!(length(Section::Index, p.index, 0));
    Ok(nnz)
}

const fn prove_rows<const E: usize>(p: &Parts<'_>, in_degree: u16, index: IndexWidth) -> Result<usize, JunctionError> {
    if in_degree == 0 || in_degree > p.n_in {
        return Err(JunctionError::BadPacking);
    }
    let nnz = in_degree as usize * p.n_out as usize;
    check!(length(Section::Weights, p.weights, bytes_of(nnz, E)));
    check!(length(Section::Counts, p.counts, 0));
    check!(length(Section::Index, p.index, bytes_of(nnz, index.bytes())));
    let mut rest = p.index;
    let mut row = 0;
    while row < p.n_out {
        rest = check!(prove_row(p, row, rest, in_degree, index));
        row += 1;
    }
    Ok(nnz)
}

const fn prove_csr<const E: usize>(p: &Parts<'_>, index: IndexWidth) -> Result<usize, JunctionError> {
    check!(length(Section::Counts, p.counts, p.n_out as usize * 2));
    let nnz = sum_of_counts(p.counts);
    check!(length(Section::Weights, p.weights, bytes_of(nnz, E)));
    check!(length(Section::Index, p.index, bytes_of(nnz, index.bytes())));
    let mut counts = groups_of_2(p.counts);
    let mut rest = p.index;
    let mut row = 0;
    while let [count, after @ ..] = counts {
        let in_degree = u16::from_le_bytes(*count);
        if in_degree > p.n_in {
            return Err(JunctionError::BadPacking);
        }
        rest = check!(prove_row(p, row, rest, in_degree, index));
        counts = after;
        row += 1;
    }
    Ok(nnz)
}

/// Proves one row's inputs at the front of `rest` and gives what follows them.
const fn prove_row<'m>(
    p: &Parts<'m>,
    row: u16,
    mut rest: &'m [u8],
    in_degree: u16,
    index: IndexWidth,
) -> Result<&'m [u8], JunctionError> {
    let mut edge = 0;
    let mut previous = 0;
    while edge < in_degree {
        let input = match (index, rest) {
            (IndexWidth::Delta8, [delta, after @ ..]) => {
                rest = after;
                previous + *delta as u32
            }
            (IndexWidth::Absolute16, [low, high, after @ ..]) => {
                rest = after;
                u16::from_le_bytes([*low, *high]) as u32
            }
            // The section's length was checked before.
            _ => return Err(JunctionError::BadPacking),
        };
        if edge > 0 && input <= previous {
            return Err(JunctionError::InputsNotAscending { row });
        }
        if input >= p.n_in as u32 {
            return Err(JunctionError::InputOutOfRange { row });
        }
        previous = input;
        edge += 1;
    }
    Ok(rest)
}

const fn prove_blocks<const E: usize>(p: &Parts<'_>, rows: u8, cols: u8, blocks: u16) -> Result<usize, JunctionError> {
    if rows == 0 || rows > 32 || cols == 0 || cols > 32 || cols as u16 > p.n_in || blocks > p.n_in {
        return Err(JunctionError::BadPacking);
    }
    let row_blocks = (p.n_out as usize).div_ceil(rows as usize);
    let stored = if blocks > 0 {
        check!(length(Section::Counts, p.counts, 0));
        blocks as usize * row_blocks
    } else {
        check!(length(Section::Counts, p.counts, row_blocks * 2));
        sum_of_counts(p.counts)
    };
    let block_size = rows as usize * cols as usize;
    check!(length(Section::Weights, p.weights, bytes_of(stored, block_size * E)));
    check!(length(Section::Index, p.index, bytes_of(stored, 2)));
    let last_rows = p.n_out as usize - (row_blocks - 1) * rows as usize;
    let mut counts = groups_of_2(p.counts);
    let mut rest = groups_of_2(p.index);
    let mut last_row_blocks = 0;
    let mut row_block = 0;
    while row_block < row_blocks {
        let count = match counts {
            [count, after @ ..] => {
                counts = after;
                u16::from_le_bytes(*count)
            }
            [] => blocks,
        };
        if count > p.n_in {
            return Err(JunctionError::BadPacking);
        }
        rest = check!(prove_row_block(p, row_block as u16, rest, count, cols));
        last_row_blocks = count as usize;
        row_block += 1;
    }
    let missing_rows = rows as usize - last_rows;
    if missing_rows > 0 && E == I8 {
        check!(int8::prove_ragged_rows(p.weights, last_row_blocks * cols as usize, rows as usize, last_rows));
    } else if missing_rows > 0 {
        check!(prove_ragged_rows(p.weights, last_row_blocks * cols as usize, rows as usize, last_rows));
    }
    Ok((stored - last_row_blocks) * block_size + last_row_blocks * cols as usize * last_rows)
}

/// Proves the first inputs of one row block's blocks at the front of `rest` and gives what follows them.
const fn prove_row_block<'i>(
    p: &Parts<'_>,
    row: u16,
    mut rest: &'i [[u8; 2]],
    count: u16,
    cols: u8,
) -> Result<&'i [[u8; 2]], JunctionError> {
    let mut block = 0;
    let mut previous = 0;
    while block < count {
        let [entry, after @ ..] = rest else {
            // The section's length was checked before.
            return Err(JunctionError::BadPacking);
        };
        let first = u16::from_le_bytes(*entry);
        if block > 0 && first <= previous {
            return Err(JunctionError::InputsNotAscending { row });
        }
        if first as u32 + cols as u32 > p.n_in as u32 {
            return Err(JunctionError::InputOutOfRange { row });
        }
        previous = first;
        rest = after;
        block += 1;
    }
    Ok(rest)
}

/// The last row block's `groups` groups of `rows` weights: those past `real` must be +0.
const fn prove_ragged_rows(weights: &[u8], groups: usize, rows: usize, real: usize) -> Result<(), JunctionError> {
    let all = groups_of_4(weights);
    let Some((_, last)) = all.split_at_checked(all.len() - groups * rows) else {
        return Err(JunctionError::BadPacking);
    };
    let mut rest = last;
    let mut at = 0;
    while let [weight, after @ ..] = rest {
        if at % above_zero(rows) >= real && u32::from_le_bytes(*weight) != 0 {
            return Err(JunctionError::PaddingNotZero);
        }
        rest = after;
        at += 1;
    }
    Ok(())
}

const fn prove_nm<const E: usize>(p: &Parts<'_>, n: u8, m: u8) -> Result<usize, JunctionError> {
    if !matches!(m, 4 | 8 | 16 | 32 | 64) || n == 0 || n > m {
        return Err(JunctionError::BadPacking);
    }
    let geometry = NMRow::new(p.n_in as usize, n as usize, m as usize);
    let nnz = geometry.in_degree * p.n_out as usize;
    check!(length(Section::Weights, p.weights, bytes_of(nnz, E)));
    check!(length(Section::Counts, p.counts, 0));
    check!(length(Section::Index, p.index, bytes_of(p.n_out as usize, geometry.position_bytes)));
    let mut rest = p.index;
    let mut row = 0;
    while row < p.n_out {
        let Some((positions, after)) = rest.split_at_checked(geometry.position_bytes) else {
            return Err(JunctionError::BadPacking);
        };
        check!(prove_nm_row(positions, row, n as usize, m as usize, &geometry));
        rest = after;
        row += 1;
    }
    Ok(nnz)
}

const fn prove_nm_row(stream: &[u8], row: u16, n: usize, m: usize, g: &NMRow) -> Result<(), JunctionError> {
    let mut k = 0;
    let mut previous = 0;
    while k < g.in_degree {
        let in_last = k >= g.whole_pages * n;
        let first_of_page = if in_last { k == g.whole_pages * n } else { k % above_zero(n) == 0 };
        let position = position_at(stream, k, g.position_bits);
        if !first_of_page && position <= previous {
            return Err(JunctionError::InputsNotAscending { row });
        }
        if position >= if in_last { g.last_page } else { m } {
            return Err(JunctionError::InputOutOfRange { row });
        }
        previous = position;
        k += 1;
    }
    let unused = g.position_bytes * 8 - g.in_degree * g.position_bits;
    match stream.last() {
        Some(last) if unused > 0 && *last >> (8 - unused) != 0 => Err(JunctionError::PaddingNotZero),
        _ => Ok(()),
    }
}

const fn sum_of_counts(counts: &[u8]) -> usize {
    let mut rest = groups_of_2(counts);
    let mut sum = 0;
    while let [count, after @ ..] = rest {
        sum += u16::from_le_bytes(*count) as usize;
        rest = after;
    }
    sum
}
