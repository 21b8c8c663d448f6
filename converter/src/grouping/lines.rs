//! Steps of windows that begin at lines of sixteen inputs and are two lines long, counted without looking at a single edge.
//!
//! ```text
//! ahead[lane] = 0 in all lanes
//! for each line:                                        # a window begins here as long as an edge is left
//!     left[lane] = max(edges[line][lane] - ahead[lane], 0)
//!     steps += most = the largest left, up to a whole number of windows
//!     ahead[lane] = most - left[lane]                   # picked from the next line meanwhile
//! ```
//!
//! Which inputs of a line an edge has does not matter, only how many there are. A line is four vector instructions and a maximum
//! over the lanes, for some four to eight steps that would take as many sweeps over sixteen rows: a tenth of the time.

use crate::edges::Edges;

/// Rows a group.
pub(super) const LANES: usize = 16;
/// Inputs a line.
pub(super) const LINE: u16 = 16;
/// What sweeping a line of sixteen lanes takes, in places of the general sweep, about.
pub(super) const PLACES: usize = 4;

/// Edges of a group's rows: a line after the other, a lane each.
pub(super) type Columns = Vec<[u8; LANES]>;

/// How many edges each row has in each line.
pub(super) struct Lines {
    /// Lines of the inputs; the last may be ragged.
    pub lines: usize,
    /// Steps a window: a power of two.
    each: u8,
    counts: Vec<u8>,
}

impl Lines {
    /// Each input in its place.
    pub fn of(edges: &Edges, each: usize, place: &[u16]) -> Self {
        let lines = edges.n_in().div_ceil(usize::from(LINE)).max(1);
        let mut counts = vec![0u8; lines * edges.n_out()];
        for ((inputs, _), row) in edges.rows().zip(counts.chunks_exact_mut(lines)) {
            for place in inputs.iter().filter_map(|input| place.get(usize::from(*input))) {
                row.get_mut(usize::from(place / LINE)).into_iter().for_each(|count| *count += 1);
            }
        }
        Self { lines, each: u8::try_from(each).unwrap_or(1).next_power_of_two(), counts }
    }

    /// Puts a row into a lane.
    pub fn put(&self, columns: &mut Columns, lane: usize, row: u16) {
        let start = usize::from(row) * self.lines;
        for (line, count) in columns.iter_mut().zip(self.counts.get(start..).unwrap_or_default()) {
            line.get_mut(lane).into_iter().for_each(|place| *place = *count);
        }
    }

    pub fn columns(&self, rows: &[u16]) -> Columns {
        let mut columns = vec![[0; LANES]; self.lines];
        rows.iter().enumerate().for_each(|(lane, row)| self.put(&mut columns, lane, *row));
        columns
    }

    pub fn steps(&self, columns: &[[u8; LANES]]) -> usize {
        let (mut steps, mut ahead) = (0, [0u8; LANES]);
        for line in columns {
            let mut left = [0u8; LANES];
            for ((left, edges), ahead) in left.iter_mut().zip(line).zip(&ahead) {
                *left = edges.saturating_sub(*ahead);
            }
            let most = left.iter().fold(0, |most, left| most.max(*left));
            // A line has sixteen edges at most: nothing overflows.
            let most = (most + self.each - 1) & !(self.each - 1);
            steps += usize::from(most);
            for (ahead, left) in ahead.iter_mut().zip(&left) {
                *ahead = most - *left;
            }
        }
        steps
    }
}

/// Swaps lane `i` of one group with lane `j` of another.
pub(super) fn swap(a: &mut Columns, i: usize, b: &mut Columns, j: usize) {
    for (a, b) in a.iter_mut().zip(b) {
        if let (Some(a), Some(b)) = (a.get_mut(i), b.get_mut(j)) {
            core::mem::swap(a, b);
        }
    }
}
