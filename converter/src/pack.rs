//! From edges to the bytes of a packing, and back.

use lacewing_kernels::{Activation, IndexWidth, Junction, JunctionError, Packing, Parts};
use thiserror::Error;

use crate::blocks;
use crate::edges::{Edges, put_row};
use crate::grouping::{Effort, Padding};
use crate::settled::{SettleError, Settled, Settling};

mod int8;
mod lanes;

pub use int8::{PackedInt8, pack_int8};
pub(crate) use int8::{coded_bits, unpack_wide_pages, unpack_windows, widened};

/// A junction's bytes, owned: what [`Junction`] borrows.
#[derive(Clone, Debug, PartialEq)]
pub struct Packed {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    activation: Activation,
    weights: Settled<u8>,
    counts: Settled<u8>,
    index: Settled<u8>,
    bias: Vec<u8>,
    padding: Option<Padding>,
    int8: Option<PackedInt8>,
}

/// What a packing lays out, while it is laid out.
struct Sections {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    weights: Settling<u8>,
    counts: Settling<u8>,
    index: Settling<u8>,
    padding: Option<Padding>,
}

/// The edges do not have the structure that a packing needs.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum DoesNotFit {
    /// More than 65,535 rows, or none.
    #[error("{0} outputs: a junction has 1 to 65,535")]
    Outputs(usize),
    /// A bias for each output is needed, or none at all.
    #[error("{found} biases for {outputs} outputs")]
    Biases {
        /// Biases given.
        found: usize,
        /// Outputs.
        outputs: usize,
    },
    /// The rows, pages or row blocks (input-major: the inputs) are not what the packing says.
    #[error("row or row block {row} does not fit the packing {packing}")]
    Row {
        /// Which row, row block or group, or which input, from 0.
        row: usize,
        /// The packing asked for.
        packing: Packing,
    },
    /// A packing that this version does not write.
    #[error("the packing {0} cannot be written by this version")]
    Unknown(Packing),
    /// The index proof refused the bytes.
    #[error("the packed junction is refused: {0}")]
    Refused(#[from] JunctionError),
    /// Bytes that were laid out cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl Packed {
    /// The bytes, not yet proven.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: self.activation,
            weights: &self.weights,
            counts: &self.counts,
            index: &self.index,
            bias: &self.bias,
        }
    }

    /// The junction, proven.
    ///
    /// # Errors
    /// As [`Junction::new`]; what [`pack`] made is never refused.
    pub fn junction(&self) -> Result<Junction<'_>, JunctionError> {
        match &self.int8 {
            Some(int8) => Junction::new_i8(self.parts(), int8.int8()),
            None => Junction::new(self.parts()),
        }
    }

    /// What an int8 junction has beside its parts; `None` of f32.
    #[must_use]
    pub const fn int8(&self) -> Option<&PackedInt8> {
        self.int8.as_ref()
    }

    /// The packing.
    #[must_use]
    pub const fn packing(&self) -> Packing {
        self.packing
    }

    /// Places over edges, where rows were grouped: windows.
    #[must_use]
    pub const fn padding(&self) -> Option<Padding> {
        self.padding
    }

    /// Bytes of all sections together.
    #[must_use]
    pub fn len(&self) -> usize {
        let rescale = self.int8.as_ref().map_or(0, |int8| int8.rescale.len());
        self.weights.len() + self.counts.len() + self.index.len() + self.bias.len() + rescale
    }

    /// All sections, in the order of the model format.
    pub(crate) fn sections(&self) -> [&[u8]; 5] {
        let rescale = self.int8.as_ref().map_or(&[][..], |int8| &int8.rescale);
        [&self.weights, &self.counts, &self.index, &self.bias, rescale]
    }

    /// Lets go of the memory behind bytes that are in a file, until they are looked at.
    pub(crate) fn release(&self) {
        [&self.weights, &self.counts, &self.index].into_iter().for_each(Settled::release);
    }

    /// Whether there are no bytes at all: no edges and no biases.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Lays out `edges` in `packing`, with one bias an output or none; all-zero biases are left out.
///
/// # Errors
/// The edges do not fit the packing, or a number is NaN or infinite.
pub fn pack(edges: &Edges, bias: &[f32], activation: Activation, packing: Packing) -> Result<Packed, DoesNotFit> {
    pack_with(edges, bias, activation, packing, &Effort::FULL)
}

/// [`pack`], with `effort` given to the grouping of rows where the packing is windows.
///
/// # Errors
/// As [`pack`].
pub fn pack_with(
    edges: &Edges,
    bias: &[f32],
    activation: Activation,
    packing: Packing,
    effort: &Effort<'_>,
) -> Result<Packed, DoesNotFit> {
    let outputs = edges.n_out();
    if !bias.is_empty() && bias.len() != outputs {
        return Err(DoesNotFit::Biases { found: bias.len(), outputs });
    }
    let mut sections = Sections::of(edges, packing)?;
    match packing {
        Packing::Dense => sections.put_dense(edges),
        Packing::Rows { in_degree, index } => sections.put_rows(edges, Some(usize::from(in_degree)), index)?,
        Packing::Csr { index } => sections.put_rows(edges, None, index)?,
        Packing::Block { rows, cols, blocks } => sections.put_blocks(edges, rows, cols, blocks)?,
        Packing::NM { n, m } => sections.put_pages(edges, n, m)?,
        Packing::NMLanes { n, m, lanes } => sections.put_page_lanes(edges, n, m, lanes)?,
        Packing::Windows { lanes, width, steps } => sections.put_windows(edges, (lanes, width, steps), effort)?,
        Packing::DenseInputMajor => sections.put_dense_input_major(edges),
        Packing::InputMajor { out_degree, index } => sections.put_input_major(edges, out_degree, index)?,
        other => return Err(DoesNotFit::Unknown(other)),
    }
    let is_there = bias.iter().any(|bias| *bias != 0.0);
    let bias = if is_there { bias.iter().flat_map(|bias| (bias + 0.0).to_le_bytes()).collect() } else { Vec::new() };
    let packed = sections.packed(activation, bias)?;
    packed.junction()?;
    Ok(packed)
}

impl Sections {
    /// Empty ones, of a junction of these widths.
    fn of(edges: &Edges, packing: Packing) -> Result<Self, DoesNotFit> {
        let (n_in, outputs) = (u16::try_from(edges.n_in()).unwrap_or(u16::MAX), edges.n_out());
        let n_out = u16::try_from(outputs).map_err(|_| DoesNotFit::Outputs(outputs))?;
        let (weights, counts, index) = (Settling::new(), Settling::new(), Settling::new());
        Ok(Self { n_in, n_out, packing, weights, counts, index, padding: None })
    }

    /// The junction that they are of, in f32, not yet proven.
    fn packed(self, activation: Activation, bias: Vec<u8>) -> Result<Packed, SettleError> {
        let Self { n_in, n_out, packing, weights, counts, index, padding } = self;
        let (weights, counts, index) = (weights.settled()?, counts.settled()?, index.settled()?);
        Ok(Packed { n_in, n_out, packing, activation, weights, counts, index, bias, padding, int8: None })
    }

    fn put_weights(&mut self, weights: &[f32]) {
        weights.iter().for_each(|weight| self.weights.extend(&weight.to_le_bytes()));
    }

    /// Every weight, row by row, zeros included.
    fn put_dense(&mut self, edges: &Edges) {
        let mut row = vec![0.0; edges.n_in()];
        for (inputs, weights) in edges.rows() {
            put_row(inputs, weights, &mut row);
            self.put_weights(&row);
        }
    }

    fn misfit(&self, row: usize) -> DoesNotFit {
        DoesNotFit::Row { row, packing: self.packing }
    }

    /// Rows of `in_degree` edges, or of any number with their counts.
    fn put_rows(&mut self, edges: &Edges, in_degree: Option<usize>, index: IndexWidth) -> Result<(), DoesNotFit> {
        for (row, (inputs, weights)) in edges.rows().enumerate() {
            match in_degree {
                Some(degree) if degree != inputs.len() => return Err(self.misfit(row)),
                Some(_) => {}
                None => {
                    let count = u16::try_from(inputs.len()).map_err(|_| self.misfit(row))?;
                    self.counts.extend(&count.to_le_bytes());
                }
            }
            let mut previous = 0;
            for input in inputs {
                match index {
                    IndexWidth::Delta8 => {
                        self.index.push(u8::try_from(input - previous).map_err(|_| self.misfit(row))?);
                    }
                    IndexWidth::Absolute16 => self.index.extend(&input.to_le_bytes()),
                }
                previous = *input;
            }
            self.put_weights(weights);
        }
        Ok(())
    }

    /// Blocks; where two overlap, the second has zeros on the inputs both have.
    fn put_blocks(&mut self, edges: &Edges, rows: u8, cols: u8, blocks: u16) -> Result<(), DoesNotFit> {
        if rows == 0 || cols == 0 {
            return Err(self.misfit(0));
        }
        let all_rows: Vec<_> = edges.rows().collect();
        for (row_block, in_block) in all_rows.chunks(usize::from(rows)).enumerate() {
            let inputs = in_block.first().map_or(&[][..], |(inputs, _)| inputs);
            let starts = match blocks::starts(inputs, cols) {
                Some(starts) if in_block.iter().all(|(others, _)| *others == inputs) => starts,
                _ => return Err(self.misfit(row_block)),
            };
            match (blocks, u16::try_from(starts.len())) {
                (0, Ok(count)) => self.counts.extend(&count.to_le_bytes()),
                (constant, Ok(count)) if constant == count => {}
                _ => return Err(self.misfit(row_block)),
            }
            let mut edge = 0;
            for start in starts {
                self.index.extend(&start.to_le_bytes());
                for column in 0..cols {
                    let input = start + u16::from(column);
                    let fresh = inputs.get(edge).is_some_and(|next| *next == input);
                    for row in 0..usize::from(rows) {
                        let weight = in_block.get(row).and_then(|(_, weights)| weights.get(edge)).filter(|_| fresh);
                        self.put_weights(&[weight.copied().unwrap_or(0.0)]);
                    }
                    edge += usize::from(fresh);
                }
            }
        }
        Ok(())
    }

    /// N:M rows. That every page has its number is left to the index proof and the length checks here.
    fn put_pages(&mut self, edges: &Edges, n: u8, m: u8) -> Result<(), DoesNotFit> {
        let all = self.edges_of_pages(edges, n, m)?;
        let bits = m.trailing_zeros() as usize;
        for (inputs, weights) in edges.rows() {
            let mut stream = vec![0u8; (all * bits).div_ceil(8)];
            for (k, input) in inputs.iter().enumerate() {
                put_bits(&mut stream, k * bits, usize::from(*input) % usize::from(m));
            }
            self.index.extend(&stream);
            self.put_weights(weights);
        }
        Ok(())
    }

    /// The edges of a row, where every page of `m` inputs has its `n` in every row, and a ragged last one its share.
    fn edges_of_pages(&self, edges: &Edges, n: u8, m: u8) -> Result<usize, DoesNotFit> {
        if !matches!(m, 4 | 8 | 16 | 32 | 64) || n == 0 || n > m {
            return Err(self.misfit(0));
        }
        let (page, each) = (usize::from(m), usize::from(n));
        let (whole, last) = (edges.n_in() / page, edges.n_in() % page);
        let all = whole * each + if last > 0 { last_page_n(n, last, m) } else { 0 };
        let page_of = |edge: usize| (edge / each).min(whole);
        let fits = |inputs: &[u16]| {
            let mut pages = inputs.iter().map(|input| usize::from(*input) / page).enumerate();
            inputs.len() == all && pages.all(|(edge, page)| page == page_of(edge))
        };
        match edges.rows().position(|(inputs, _)| !fits(inputs)) {
            Some(row) => Err(self.misfit(row)),
            None => Ok(all),
        }
    }
}

/// The number of edges that a ragged last page of `width` inputs has: `max(1, round(n·width/m))`, halves up.
pub(crate) fn last_page_n(n: u8, width: usize, m: u8) -> usize {
    let (n, m) = (usize::from(n), usize::from(m));
    ((2 * n * width + m) / (2 * m)).max(1)
}

/// Writes `value`, at most 6 bits, at bit `at` of a stream of zeros, least significant bit first.
fn put_bits(stream: &mut [u8], at: usize, value: usize) {
    let [low, high, ..] = (value << (at % 8)).to_le_bytes();
    if let Some(byte) = stream.get_mut(at / 8) {
        *byte |= low;
    }
    if let Some(byte) = stream.get_mut(at / 8 + 1) {
        *byte |= high;
    }
}
