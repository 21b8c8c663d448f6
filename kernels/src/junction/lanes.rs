//! The proofs of packings that have one row a lane.

use super::{Junction, JunctionError, Parts, Section, bytes_of, length};
use crate::bytes::{groups_of_2, groups_of_4};
use crate::packing::{NMRow, Packing, above_zero};

const NEGATIVE_ZERO: u32 = 0x8000_0000;

/// The `at`-th number of `bytes`; 0 past the end, where no caller reads.
const fn u32_at(bytes: &[u8], at: usize) -> u32 {
    match groups_of_4(bytes).split_at_checked(at) {
        Some((_, [number, ..])) => u32::from_le_bytes(*number),
        _ => 0,
    }
}

const fn u16_at(bytes: &[u8], at: usize) -> u16 {
    number_at(groups_of_2(bytes), at)
}

/// The same of numbers that are told apart already.
pub(super) const fn number_at(numbers: &[[u8; 2]], at: usize) -> u16 {
    match numbers.split_at_checked(at) {
        Some((_, [number, ..])) => u16::from_le_bytes(*number),
        _ => 0,
    }
}

/// One lane of one group: `steps` weights and the words of their positions.
struct Lane<'m> {
    weights: &'m [u8],
    words: &'m [u8],
    lanes: usize,
    lane: usize,
    /// Steps before this group's first, and words before its first.
    first_step: usize,
    first_word: usize,
    steps: usize,
    bits: usize,
    per_word: usize,
}

impl Lane<'_> {
    const fn weight(&self, step: usize) -> u32 {
        u32_at(self.weights, (self.first_step + step) * self.lanes + self.lane)
    }

    const fn position(&self, step: usize) -> usize {
        let per_word = above_zero(self.per_word);
        let word = u32_at(self.words, (self.first_word + step / per_word) * self.lanes + self.lane);
        (word >> (step % per_word * self.bits)) as usize & ((1 << self.bits) - 1)
    }

    /// Whether the bits of all words that belong to no step are zero.
    const fn rest_is_zero(&self) -> bool {
        let mut word = 0;
        while word * self.per_word < self.steps {
            let left = self.steps - word * self.per_word;
            let used = self.bits * if left < self.per_word { left } else { self.per_word };
            let bits = u32_at(self.words, (self.first_word + word) * self.lanes + self.lane);
            if used < 32 && bits >> used != 0 {
                return false;
            }
            word += 1;
        }
        true
    }

    /// Whether every weight is `empty` and every position 0.
    const fn is_empty(&self, empty: u32) -> bool {
        let mut step = 0;
        while step < self.steps {
            if self.weight(step) != empty || self.position(step) != 0 {
                return false;
            }
            step += 1;
        }
        self.rest_is_zero()
    }
}

pub(super) const fn prove_nm(p: &Parts<'_>, n: u8, m: u8, lanes: u8) -> Result<usize, JunctionError> {
    if !matches!(lanes, 4 | 8 | 16) || !matches!(m, 4 | 8 | 16 | 32) || n == 0 || n > m {
        return Err(JunctionError::BadPacking);
    }
    let (lanes, outputs) = (lanes as usize, p.n_out as usize);
    let row = NMRow::new(p.n_in as usize, n as usize, m as usize);
    let (bits, per_word) = Packing::slots(m);
    let groups = outputs.div_ceil(lanes);
    let words = row.in_degree.div_ceil(per_word);
    check!(length(Section::Weights, p.weights, bytes_of(row.in_degree * lanes * 4, groups)));
    check!(length(Section::Counts, p.counts, 0));
    check!(length(Section::Index, p.index, bytes_of(words * lanes * 4, groups)));
    let mut output = 0;
    while output < groups * lanes {
        let group = output / lanes;
        let lane = Lane {
            weights: p.weights,
            words: p.index,
            lanes,
            lane: output % lanes,
            first_step: group * row.in_degree,
            first_word: group * words,
            steps: row.in_degree,
            bits,
            per_word,
        };
        if output >= outputs {
            if !lane.is_empty(0) {
                return Err(JunctionError::PaddingNotZero);
            }
        } else {
            check!(prove_nm_lane(&lane, output as u16, n as usize, m as usize, &row));
        }
        output += 1;
    }
    Ok(row.in_degree * outputs)
}

const fn prove_nm_lane(lane: &Lane<'_>, output: u16, n: usize, m: usize, row: &NMRow) -> Result<(), JunctionError> {
    let mut step = 0;
    let mut previous = 0;
    while step < lane.steps {
        let in_last = step >= row.whole_pages * n;
        let first_of_page = if in_last { step == row.whole_pages * n } else { step % above_zero(n) == 0 };
        let position = lane.position(step);
        if position >= if in_last { row.last_page } else { m } {
            return Err(JunctionError::InputOutOfRange { row: output });
        }
        if !first_of_page && position <= previous {
            return Err(JunctionError::InputsNotAscending { row: output });
        }
        previous = position;
        step += 1;
    }
    if lane.rest_is_zero() { Ok(()) } else { Err(JunctionError::PaddingNotZero) }
}

/// The parts of a windows index.
#[derive(Clone, Copy)]
pub(crate) struct WindowsIndex<'m> {
    /// The output of every row.
    pub order: &'m [[u8; 2]],
    /// The first input of every window.
    pub starts: &'m [[u8; 2]],
    /// The words of positions.
    pub words: &'m [u8],
    /// Of every spilled edge its input, two bytes, and its output.
    pub spilled: &'m [[u8; 4]],
}

impl<'m> WindowsIndex<'m> {
    /// Cuts `index`, whose length is proven; of a shorter one, the parts that lie past its end are empty.
    pub(crate) const fn new(index: &'m [u8], outputs: usize, windows: usize, spilled: usize) -> Self {
        let (order, rest) = split(index, outputs * 2);
        let (starts, rest) = split(rest, windows * 2);
        let (words, spilled) = split(rest, rest.len().saturating_sub(spilled * 4));
        Self { order: groups_of_2(order), starts: groups_of_2(starts), words, spilled: groups_of_4(spilled) }
    }
}

impl<'m> Junction<'m> {
    /// The index of a junction packed in windows; meaningless for others.
    pub(crate) const fn windows_index(&self) -> WindowsIndex<'m> {
        // One row of `lanes` f32, or of as many fours of int8, a step; both are powers of two, and kernels come here at every run.
        let (lanes, steps) = match self.parts.packing {
            Packing::Windows { lanes, steps, .. } => (lanes as usize, steps as usize),
            _ => (1, 1),
        };
        let spilled = self.spilled as usize;
        let windows = self.weights().len().saturating_sub(spilled) >> (lanes * steps).trailing_zeros();
        WindowsIndex::new(self.parts.index, self.n_out(), windows, spilled)
    }
}

const fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    match bytes.split_at_checked(at) {
        Some(parts) => parts,
        None => (bytes, &[]),
    }
}

/// Steps and words of all groups of windows, each group's steps a multiple of `steps`, those of a window.
pub(super) const fn windows_steps(counts: &[u8], steps: u8, per_word: usize) -> Result<(usize, usize), JunctionError> {
    let (mut all, mut words, mut group) = (0, 0, 0);
    while group < counts.len() / 2 {
        let count = u16_at(counts, group) as usize;
        if !count.is_multiple_of(steps as usize) {
            return Err(JunctionError::BadPacking);
        }
        all += count;
        words += count.div_ceil(per_word);
        group += 1;
    }
    Ok((all, words))
}

/// Proves windows and gives their edges, the spilled ones counted, and how many of them are spilled.
pub(super) const fn prove_windows(
    p: &Parts<'_>,
    lanes: u8,
    width: u8,
    each: u8,
) -> Result<(usize, usize), JunctionError> {
    let sound = matches!(lanes, 4 | 8 | 16) && matches!(width, 4 | 8 | 16 | 32) && matches!(each, 1 | 2 | 4);
    if !sound || width as u16 > p.n_in {
        return Err(JunctionError::BadPacking);
    }
    let (lanes, outputs) = (lanes as usize, p.n_out as usize);
    let (bits, per_word) = Packing::slots(width);
    let groups = outputs.div_ceil(lanes);
    check!(length(Section::Counts, p.counts, groups * 2));
    let (steps, words) = check!(windows_steps(p.counts, each, per_word));
    // What stands behind the lanes' weights is spilled: a weight each, and as many entries behind the index.
    let in_lanes = bytes_of(steps, lanes * 4);
    if p.weights.len() < in_lanes || !p.weights.len().is_multiple_of(4) {
        return Err(JunctionError::WrongLength { section: Section::Weights, needed: in_lanes, found: p.weights.len() });
    }
    let spilled = (p.weights.len() - in_lanes) / 4;
    let windows = steps / above_zero(each as usize);
    let index_bytes = bytes_of(words, lanes * 4).saturating_add(windows * 2 + outputs * 2 + spilled * 4);
    check!(length(Section::Index, p.index, index_bytes));
    let index = WindowsIndex::new(p.index, outputs, windows, spilled);
    check!(prove_order(index.order));
    let mut spills = Spilled { entries: index.spilled, at: 0 };
    let (mut nnz, mut first_step, mut first_word) = (0, 0, 0);
    let mut row = 0;
    while row < groups * lanes {
        let group = row / lanes;
        let steps = u16_at(p.counts, group) as usize;
        let lane = Lane {
            weights: p.weights,
            words: index.words,
            lanes,
            lane: row % lanes,
            first_step,
            first_word,
            steps,
            bits,
            per_word,
        };
        if row >= outputs {
            if !lane.is_empty(NEGATIVE_ZERO) {
                return Err(JunctionError::PaddingNotZero);
            }
        } else {
            let window = Window { starts: index.starts, width: width as u32, steps: each as usize };
            let output = number_at(index.order, row);
            nnz += check!(prove_windows_lane(p, &lane, &window, &mut spills, (row as u16, group as u16, output)));
        }
        row += 1;
        if row % lanes == 0 {
            first_step += steps;
            first_word += steps.div_ceil(per_word);
        }
    }
    check!(spills.prove(p, steps * lanes));
    Ok((nnz + spilled, spilled))
}

/// The spilled edges, row after row in the order of the rows, and where the proof stands in them.
struct Spilled<'m> {
    entries: &'m [[u8; 4]],
    at: usize,
}

impl Spilled<'_> {
    /// The input and the output of the `at`-th.
    const fn entry(&self, at: usize) -> Option<(u32, u16)> {
        match self.entries.split_at_checked(at) {
            Some((_, [[a, b, c, d], ..])) => Some((u16::from_le_bytes([*a, *b]) as u32, u16::from_le_bytes([*c, *d]))),
            _ => None,
        }
    }

    /// Passes over those of `output` whose inputs lie below `input`. Whether they ascend, and none is `input` itself.
    const fn pass(&mut self, output: u16, input: u32) -> bool {
        while let Some((mine, of)) = self.entry(self.at) {
            if of != output || mine > input {
                return true;
            }
            let ascends = match self.at.checked_sub(1) {
                Some(before) => match self.entry(before) {
                    Some((previous, of)) => of != output || previous < mine,
                    None => true,
                },
                None => true,
            };
            if mine == input || !ascends {
                return false;
            }
            self.at += 1;
        }
        true
    }

    /// Proves that all were passed, and that each has an input and a weight; `first` is where the first weight stands.
    const fn prove(&self, p: &Parts<'_>, first: usize) -> Result<(), JunctionError> {
        let mut at = 0;
        while let Some((input, output)) = self.entry(at) {
            if at >= self.at {
                return Err(JunctionError::InputsNotAscending { row: output });
            }
            if input >= p.n_in as u32 {
                return Err(JunctionError::InputOutOfRange { row: output });
            }
            if u32_at(p.weights, first + at) == NEGATIVE_ZERO {
                return Err(JunctionError::PaddingNotZero);
            }
            at += 1;
        }
        Ok(())
    }
}

/// The windows of all groups.
struct Window<'m> {
    starts: &'m [[u8; 2]],
    width: u32,
    /// Steps that each serves.
    steps: usize,
}

/// Proves one row, and that what it spilled is other edges, and gives those of the windows.
const fn prove_windows_lane(
    p: &Parts<'_>,
    lane: &Lane<'_>,
    windows: &Window<'_>,
    spilled: &mut Spilled<'_>,
    (row, group, output): (u16, u16, u16),
) -> Result<usize, JunctionError> {
    let (mut step, mut edges, mut next) = (0, 0, 0);
    while step < lane.steps {
        let start = number_at(windows.starts, (lane.first_step + step) / above_zero(windows.steps)) as u32;
        let position = lane.position(step) as u32;
        if start + windows.width > p.n_in as u32 || position >= windows.width {
            return Err(JunctionError::InputOutOfRange { row: group });
        }
        if lane.weight(step) == NEGATIVE_ZERO {
            if position != 0 {
                return Err(JunctionError::PaddingNotZero);
            }
        } else {
            if start + position < next || !spilled.pass(output, start + position) {
                return Err(JunctionError::InputsNotAscending { row });
            }
            next = start + position + 1;
            edges += 1;
        }
        step += 1;
    }
    if !spilled.pass(output, u32::MAX) {
        return Err(JunctionError::InputsNotAscending { row });
    }
    if lane.rest_is_zero() { Ok(edges) } else { Err(JunctionError::PaddingNotZero) }
}

/// Proves that `order` holds every number below its length once. In passes over ranges of 256 numbers, so that it needs 32
/// bytes of stack however long the order is.
pub(super) const fn prove_order(order: &[[u8; 2]]) -> Result<(), JunctionError> {
    let mut from = 0;
    while from < order.len() {
        let (mut low, mut high) = (0u128, 0u128);
        let mut rest = order;
        while let [entry, after @ ..] = rest {
            let output = u16::from_le_bytes(*entry) as usize;
            if output >= order.len() {
                return Err(JunctionError::NotAPermutation);
            }
            if output >= from && output < from + 128 {
                low |= 1 << (output - from);
            } else if output >= from + 128 && output < from + 256 {
                high |= 1 << (output - from - 128);
            }
            rest = after;
        }
        let wanted = if order.len() - from < 256 { order.len() - from } else { 256 };
        // As many entries as numbers: each number is there once where none is missing.
        if (low.count_ones() + high.count_ones()) as usize != wanted {
            return Err(JunctionError::NotAPermutation);
        }
        from += 256;
    }
    Ok(())
}
