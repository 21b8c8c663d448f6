//! The proof of int8 windows: in each step every lane picks up to four inputs of one window.

use super::int8::{Part, quads_a_word};
use super::lanes::{WindowsIndex, number_at, prove_order, windows_steps};
use super::{JunctionError, Parts, Section, bytes_of, length};
use crate::bytes::groups_of_2;
use crate::packing::above_zero;

/// Weights and positions a lane and step.
const QUAD: usize = 4;

/// Where a row's steps lie: its group's first one, the first of its words of positions, steps a word, and its lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuadLane {
    pub lanes: usize,
    pub lane: usize,
    pub first_step: usize,
    pub first_word: usize,
    pub per_word: usize,
}

impl QuadLane {
    /// Where the `k`-th weight of a step lies.
    pub(crate) const fn weight_at(&self, step: usize, k: usize) -> usize {
        ((self.first_step + step) * self.lanes + self.lane) * QUAD + k
    }

    /// Where the byte with the `k`-th position of a step lies, and what part of it that is.
    pub(crate) const fn position_at(&self, step: usize, k: usize) -> (usize, Part) {
        let byte = ((self.first_word + step / above_zero(self.per_word)) * self.lanes + self.lane) * QUAD + k;
        (byte, Part::of(step, self.per_word))
    }
}

pub(super) const fn prove(p: &Parts<'_>, lanes: u8, width: u8, each: u8) -> Result<usize, JunctionError> {
    let sound = matches!(lanes, 4 | 8 | 16) && matches!(width, 4 | 8 | 16 | 32 | 64 | 128) && matches!(each, 1 | 2 | 4);
    if !sound || width as u16 > p.n_in {
        return Err(JunctionError::BadPacking);
    }
    let (lanes, outputs, per_word) = (lanes as usize, p.n_out as usize, quads_a_word(width));
    let groups = outputs.div_ceil(lanes);
    check!(length(Section::Counts, p.counts, groups * 2));
    let (steps, words) = check!(windows_steps(p.counts, each, per_word));
    check!(length(Section::Weights, p.weights, bytes_of(steps, lanes * QUAD)));
    let windows = steps / above_zero(each as usize);
    let index_bytes = bytes_of(words, lanes * QUAD).saturating_add(windows * 2 + outputs * 2);
    check!(length(Section::Index, p.index, index_bytes));
    let index = WindowsIndex::new(p.index, outputs, windows, 0);
    check!(prove_order(index.order));
    let (mut nnz, mut row) = (0, 0);
    let mut at = QuadLane { lanes, lane: 0, first_step: 0, first_word: 0, per_word };
    while row < groups * lanes {
        let steps = number_at(groups_of_2(p.counts), row / lanes) as usize;
        at.lane = row % lanes;
        nnz += check!(prove_lane(p, &index, &at, steps, row, (width as usize, each as usize)));
        row += 1;
        if row % lanes == 0 {
            at.first_step += steps;
            at.first_word += steps.div_ceil(per_word);
        }
    }
    Ok(nnz)
}

/// Proves one row, or one lane that no output has, and gives its edges.
const fn prove_lane(
    p: &Parts<'_>,
    index: &WindowsIndex<'_>,
    at: &QuadLane,
    steps: usize,
    row: usize,
    (width, each): (usize, usize),
) -> Result<usize, JunctionError> {
    let (mut step, mut edges, mut next) = (0, 0, 0);
    // Words may hold two steps; the second may not be there.
    while step < steps.next_multiple_of(at.per_word) {
        let real = step < steps;
        let start = if real { number_at(index.starts, (at.first_step + step) / above_zero(each)) as usize } else { 0 };
        if start + width > p.n_in as usize {
            return Err(JunctionError::InputOutOfRange { row: (row / at.lanes) as u16 });
        }
        let mut k = 0;
        while k < QUAD {
            let (byte, part) = at.position_at(step, k);
            let position = part.get(super::int8::byte_at(index.words, byte));
            let weight = if real { super::int8::byte_at(p.weights, at.weight_at(step, k)) } else { 0 };
            if weight == 0 || row >= p.n_out as usize {
                if weight != 0 || position != 0 {
                    return Err(JunctionError::PaddingNotZero);
                }
            } else {
                if position >= width {
                    return Err(JunctionError::InputOutOfRange { row: (row / at.lanes) as u16 });
                }
                if start + position < next {
                    return Err(JunctionError::InputsNotAscending { row: row as u16 });
                }
                next = start + position + 1;
                edges += 1;
            }
            k += 1;
        }
        step += 1;
    }
    Ok(edges)
}
