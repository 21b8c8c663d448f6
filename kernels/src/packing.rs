//! Packings: how a junction's nonzeros are laid out in bytes.

use core::fmt;

use crate::deltas::DeltaCode;

/// How wide the stored input indices of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexWidth {
    /// One byte an edge: the distance from the row's previous input, the first from input 0.
    Delta8,
    /// Two bytes an edge, little-endian: the input itself.
    Absolute16,
}

impl IndexWidth {
    /// Bytes an edge.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Delta8 => 1,
            Self::Absolute16 => 2,
        }
    }
}

/// The packings. Weights are f32, little-endian (of int8 junctions: bytes); their order is stated for each. Inputs within a row ascend.
///
/// Dense, rows, CSR, block, N:M and coded rows are *canonical*: the interchange form. The others are *deployment* packings, laid out for
/// what a processor's registers do well; they convert to and from a canonical one without loss.
///
/// Weights of int8 junctions are one byte each, in the same order but for two packings. In [`Block`](Self::Block) the inputs of
/// a row block, its blocks' one after the other, are taken in groups of four (the last one of what is left), and a group holds
/// output after output, one weight for each of its inputs: what dot-product instructions read at once. In
/// [`NMLanes`](Self::NMLanes) steps are taken in quads: quad by quad, lane by lane, four weights each, those past the row's
/// last step zero; and a word of positions holds steps 0 to 3 in the low halves of its bytes, 4 to 7 in the high ones; in pages of 32
/// and 64 inputs it holds those of four steps, a byte each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Packing {
    /// All `n_out × n_in` weights, row by row.
    Dense,
    /// Rows of constant in-degree: `in_degree` weights an output, their inputs in `index`.
    Rows {
        /// Nonzeros of every output, 1 to `n_in`.
        in_degree: u16,
        /// How the inputs are stored.
        index: IndexWidth,
    },
    /// Rows of any length: `counts` holds each row's in-degree, two bytes little-endian.
    Csr {
        /// How the inputs are stored.
        index: IndexWidth,
    },
    /// Dense blocks of `rows` outputs × `cols` consecutive inputs. A *row block* is `rows` outputs; the last may be
    /// ragged, its missing outputs' weights are zero. `index` holds each block's first input, two bytes little-endian;
    /// blocks may start at any input, so that the last columns of a ragged width are covered by a block that ends there.
    /// Weights: block by block, and in a block input by input, `rows` weights each.
    Block {
        /// Outputs a block, 1 to 32.
        rows: u8,
        /// Inputs a block, 1 to 32.
        cols: u8,
        /// Blocks in every row block, or 0: then `counts` holds each row block's number, two bytes little-endian.
        blocks: u16,
    },
    /// Exactly `n` nonzeros in every page of `m` consecutive inputs of every row; a last page of `r < m` inputs has
    /// `max(1, round(n·r/m))`, halves up. `index` holds, row after row and each row from a fresh byte, the positions within
    /// the pages, `bits` bits each, least significant bit first.
    NM {
        /// Nonzeros a page.
        n: u8,
        /// Inputs a page: 4, 8, 16, 32 or 64.
        m: u8,
    },
    /// Rows of int8, their inputs as distances in a stream of bits: the fewest bytes for an arbitrary mask.
    Coded {
        /// Nonzeros of every output, 1 to `n_in`; or 0: then `counts` holds each row's, two bytes little-endian.
        in_degree: u16,
        /// The code. `index` is the stream; bits that are left of its last byte are zero.
        code: DeltaCode,
    },
    /// N:M for registers: one row a lane. `lanes` consecutive outputs are a *group*; the last may be ragged. A row's k-th
    /// nonzero is its group's step k. Weights: group by group, step by step, one a lane. `index`: group by group, words of 32
    /// bits, one a lane; a word holds the positions of [`slots`](Packing::slots) consecutive steps, the first in its lowest
    /// bits. What belongs to no output or no step is zero.
    NMLanes {
        /// Nonzeros a page, as for N:M.
        n: u8,
        /// Inputs a page: 4, 8, 16 or 32, of int8 also 64.
        m: u8,
        /// Rows a group: 4, 8 or 16.
        lanes: u8,
    },
    /// Any mask, for registers: one row a lane, and in each step the lanes of a group pick from one window of `width`
    /// consecutive inputs, which may start anywhere and serves `steps` steps. `counts` holds each group's steps, whole windows'
    /// worth, two bytes little-endian. Weights: group by group, step by step, one a lane; −0 stands for no edge, and its
    /// position is 0. `index` holds, one behind the other: the output of every row (a permutation, so that rows which share
    /// windows can share a group), the first input of every window, both two bytes little-endian, and words of positions as for
    /// N:M for registers, each group from fresh words.
    ///
    /// Edges that too few lanes would share a window for may stand beside the windows, *spilled*: behind the weights a weight each,
    /// behind the index input and output each, two bytes little-endian, row after row in the order of the rows, inputs ascending.
    ///
    /// Of int8 junctions no edge is spilled, and a step has four edges a lane: four weights, 0 for no edge, and in a word the positions of two steps, those
    /// of the first in the low halves of its bytes; of windows of more than 16 inputs those of one step, a byte each.
    ///
    /// The window's first input is multiplied by zero where a lane has no edge: one that is NaN or infinite may reach outputs
    /// that have no edge to it.
    Windows {
        /// Rows a group: 4, 8 or 16.
        lanes: u8,
        /// Inputs a window: 4, 8, 16 or 32, of int8 also 64 and 128, at most `n_in`.
        width: u8,
        /// Steps a window: 1, 2 or 4.
        steps: u8,
    },
    /// All weights, input by input, `n_out` each. Inputs that are exactly zero (of int8 junctions, the zero point) are skipped. int8 has
    /// at most 256 outputs there, a sum of each being kept, and biases without the input's zero point.
    DenseInputMajor,
    /// Inputs of constant out-degree: `out_degree` weights an input, their outputs in `index`, ascending. Inputs that are
    /// exactly zero are skipped, as in [`DenseInputMajor`](Self::DenseInputMajor); of int8 the same holds.
    InputMajor {
        /// Nonzeros of every input, 1 to `n_out`.
        out_degree: u16,
        /// How the outputs are stored.
        index: IndexWidth,
    },
}

impl Packing {
    /// The packing's name in kernel names, reports and messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Rows { index: IndexWidth::Delta8, .. } => "rows8",
            Self::Rows { index: IndexWidth::Absolute16, .. } => "rows16",
            Self::Csr { index: IndexWidth::Delta8 } => "csr8",
            Self::Csr { index: IndexWidth::Absolute16 } => "csr16",
            Self::Block { .. } => "block",
            Self::NM { .. } => "nm",
            Self::Coded { code: DeltaCode::Nibbles, .. } => "coded4",
            Self::Coded { code: DeltaCode::Rice(_), .. } => "rice",
            Self::NMLanes { .. } => "nm_lanes",
            Self::Windows { .. } => "windows",
            Self::DenseInputMajor => "dense_input_major",
            Self::InputMajor { index: IndexWidth::Delta8, .. } => "input_major8",
            Self::InputMajor { index: IndexWidth::Absolute16, .. } => "input_major16",
        }
    }

    /// Whether it goes input by input, and passes over those that mean zero.
    #[must_use]
    pub const fn skips_zero_inputs(&self) -> bool {
        matches!(self, Self::DenseInputMajor | Self::InputMajor { .. })
    }

    /// Bits of a position in a page or window of `inputs`, and how many of them a 32-bit word of N:M for registers or windows
    /// holds: 8 of four bits up to 16 inputs, 6 of five for 32.
    #[must_use]
    pub const fn slots(inputs: u8) -> (usize, usize) {
        if inputs <= 16 { (4, 8) } else { (5, 6) }
    }
}

/// The name with its parameters: `block 8x1`, `nm 4:16`, `rows8 d=40`, `windows 2:32 x16` (two steps a window).
impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Dense | Self::Csr { .. } | Self::DenseInputMajor => Ok(()),
            Self::Rows { in_degree, .. } => write!(f, " d={in_degree}"),
            Self::Coded { in_degree, code } => {
                if let DeltaCode::Rice(k) = code {
                    write!(f, " k={k}")?;
                }
                if *in_degree > 0 { write!(f, " d={in_degree}") } else { Ok(()) }
            }
            Self::Block { rows, cols, .. } => write!(f, " {rows}x{cols}"),
            Self::NM { n, m } => write!(f, " {n}:{m}"),
            Self::NMLanes { n, m, lanes } => write!(f, " {n}:{m} x{lanes}"),
            Self::Windows { lanes, width, steps: 1 } => write!(f, " {width} x{lanes}"),
            Self::Windows { lanes, width, steps } => write!(f, " {steps}:{width} x{lanes}"),
            Self::InputMajor { out_degree, .. } => write!(f, " d={out_degree}"),
        }
    }
}

/// A number that a junction's proof has found above 0: said to the compiler, since a division by what may be 0 can panic, and an image with such a
/// kernel would hold all that panicking takes.
pub(crate) const fn above_zero(number: usize) -> usize {
    if number == 0 { 1 } else { number }
}

/// The geometry of N:M rows: how many nonzeros a row has and how many bytes its positions take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NMRow {
    pub whole_pages: usize,
    /// Inputs in the ragged last page; 0 where there is none.
    pub last_page: usize,
    /// Nonzeros in the ragged last page.
    pub last_n: usize,
    pub in_degree: usize,
    pub position_bits: usize,
    pub position_bytes: usize,
}

impl NMRow {
    /// `n` in 1..=m and `m` a power of two are the caller's to check.
    pub const fn new(n_in: usize, n: usize, m: usize) -> Self {
        let m = above_zero(m);
        let whole_pages = n_in / m;
        let last_page = n_in % m;
        let last_n = if last_page == 0 {
            0
        } else {
            // round(n·r/m), halves up, at least 1; n ≤ m makes it at most r.
            let rounded = (2 * n * last_page + m) / (2 * m);
            if rounded == 0 { 1 } else { rounded }
        };
        let in_degree = whole_pages * n + last_n;
        let position_bits = m.trailing_zeros() as usize;
        Self {
            whole_pages,
            last_page,
            last_n,
            in_degree,
            position_bits,
            position_bytes: (in_degree * position_bits).div_ceil(8),
        }
    }
}

/// The `k`-th `bits`-wide number (at most 6 bits) of a little-endian bit stream; bits past the end read as 0.
pub(crate) const fn position_at(stream: &[u8], k: usize, bits: usize) -> usize {
    let at = k * bits;
    let low = byte_or_zero(stream, at / 8) as usize;
    let high = byte_or_zero(stream, at / 8 + 1) as usize;
    ((low | high << 8) >> (at % 8)) & ((1 << bits) - 1)
}

/// The inputs of a row of N:M, one after the other: the pages' `n` each, and what the last page has.
pub(crate) struct NMInputs<'p> {
    row: NMRow,
    n: usize,
    m: usize,
    /// What of the positions is not read, and what is read and not yet given: `count` bits.
    bytes: core::slice::Iter<'p, u8>,
    held: u32,
    count: usize,
    /// The page at hand, and what of its positions is still to come.
    page: usize,
    left: usize,
}

impl<'p> NMInputs<'p> {
    pub(crate) fn new(row: NMRow, n: usize, m: usize, positions: &'p [u8]) -> Self {
        let left = if row.whole_pages == 0 { row.last_n } else { n };
        Self { row, n, m, bytes: positions.iter(), held: 0, count: 0, page: 0, left }
    }

    /// The next one; there are `in_degree`.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> usize {
        let input = self.page * self.m + self.position();
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            self.page += 1;
            self.left = if self.page == self.row.whole_pages { self.row.last_n } else { self.n };
        }
        input
    }

    /// The next number of the stream that [`position_at`] reads anywhere; it has at most 8 bits.
    #[inline(always)]
    fn position(&mut self) -> usize {
        let bits = self.row.position_bits;
        if self.count < bits {
            self.held |= u32::from(self.bytes.next().copied().unwrap_or_default()) << self.count;
            self.count += 8;
        }
        let position = self.held as usize % (1 << bits);
        self.held >>= bits;
        self.count -= bits;
        position
    }
}

const fn byte_or_zero(stream: &[u8], at: usize) -> u8 {
    match stream.split_at_checked(at) {
        Some((_, rest)) => match rest.first() {
            Some(byte) => *byte,
            None => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_those_of_the_pages() {
        let stream: [u8; 64] = core::array::from_fn(|k| (k * 89 + 37) as u8);
        for (n_in, n, m) in [(100, 4, 16), (7, 2, 8), (40, 1, 4), (130, 3, 64), (96, 8, 32)] {
            let row = NMRow::new(n_in, n, m);
            let mut inputs = NMInputs::new(row, n, m, &stream);
            for k in 0..row.in_degree {
                let page = (k / n).min(row.whole_pages);
                let input = page * m + position_at(&stream, k, row.position_bits);
                assert_eq!(inputs.next(), input, "{k} of {n}:{m} of {n_in}");
            }
        }
    }

    #[test]
    fn ragged_page_has_its_share() {
        // 100 inputs at 4:16: six whole pages, then 4 inputs with round(4·4/16) = 1.
        let row = NMRow::new(100, 4, 16);
        assert_eq!((row.whole_pages, row.last_page, row.last_n, row.in_degree), (6, 4, 1, 25));
        assert_eq!((row.position_bits, row.position_bytes), (4, 13));
        // A share below one half is still one; halves go up.
        assert_eq!(NMRow::new(17, 1, 16).last_n, 1);
        assert_eq!(NMRow::new(20, 2, 8).last_n, 1);
        assert_eq!(NMRow::new(18, 2, 8).last_n, 1);
        assert_eq!(NMRow::new(22, 2, 8).last_n, 2);
    }

    #[test]
    fn positions_cross_bytes() {
        // 5-bit numbers 1, 31, 2: 00001 11111 00010 from the low end.
        let stream = [0b1110_0001, 0b0000_1011];
        assert_eq!([0, 1, 2].map(|k| position_at(&stream, k, 5)), [1, 31, 2]);
        assert_eq!(position_at(&stream, 9, 5), 0);
    }
}
