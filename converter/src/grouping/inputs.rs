//! In which order hidden units are numbered, so that the windows of the junction that reads them take fewer steps.
//!
//! Who computes a hidden unit can put it anywhere, at no cost: its row is another row, or another entry of a list. With windows
//! that begin at lines of sixteen inputs, only which inputs share a line counts, and which lines come one after the other:
//!
//! ```text
//! rows grouped as without this
//! three times:
//!     many times: two inputs of different lines change places, where that takes no more steps,
//!                 or, now and then and less and less often, where it does
//!     rows are exchanged between groups anew
//! ```
//!
//! What it takes away depends on the groups that all have to be served by one order: the fewer, the more. Steps of windows of
//! 32 in sixteen lanes, two steps a window, random masks of constant in-degree, in percent of those with the rows grouped alone
//! (a minute of a search like this one, by random swaps):
//!
//! | junction | ρ = 1/4 | 1/10 | 1/20 |
//! |-|-|-|-|
//! | 100×100 | 99 (its last group of four rows takes the rest) | 93 | |
//! | 112×112 | 94 | | |
//! | 256×256 | 97 | 93 | |
//! | 800×112 | | 85 | |
//! | 1024×1024 | 100 | | 99.6 |
//! | 4096×1024 | 99.6 | | |
//!
//! So it is tried only where it can find something within the effort, and taken where it saves [`WORTH`].

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::lines::{LANES, LINE, Lines, PLACES};
use super::{Effort, Group, Rows, below, exchange, group};
use crate::edges::Edges;

/// Tries an input, at least: with fewer next to nothing is found. And at most: more find next to nothing either.
const TRIES: usize = 100;
const MOST_TRIES: usize = 4000;
/// Steps left over, in percent, that are worth another order.
const WORTH: usize = 98;
/// Chances in 65,536 that one step more is taken at the beginning.
const HEAT: usize = 16_384;

/// An order of inputs, and one of rows that goes with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    /// The input that comes to each place.
    pub inputs: Vec<u16>,
    /// Rows as [`Grouping`](super::Grouping) orders them.
    pub rows: Vec<u16>,
    /// Steps that all groups take.
    pub steps: usize,
}

/// Orders the inputs of `edges` for windows of so many lanes, inputs and steps; `None` where that is not worth it, or windows do not
/// begin at lines. Takes up to twice the places of [`group`], which it takes too.
#[must_use]
pub fn order_inputs(edges: &Edges, windows: (u8, u8, u8), effort: &Effort<'_>) -> Option<Ordered> {
    let (lanes, width, each) = windows;
    let mut rows = Rows::of(edges, usize::from(lanes), u16::from(width), usize::from(each));
    let a_try = rows.lines.as_ref()?.lines * PLACES * edges.n_out().div_ceil(LANES);
    let tries = (effort.places / 3 / a_try.max(1)).min(MOST_TRIES * edges.n_in() / 3);
    if tries * 3 < TRIES * edges.n_in() {
        return None;
    }
    let mut order = group(edges, windows, &Effort { progress: &|_| {}, ..*effort }).order;
    let before = rows.total(&order);
    let mut inputs: Vec<u16> = (0..edges.n_in()).map_while(|input| u16::try_from(input).ok()).collect();
    let readers = readers(edges);
    let mut steps = before;
    for round in 0..3 {
        let mut search = Search::of(&rows, &order, &readers, &inputs);
        search.run(tries, HEAT >> round, &mut ChaCha8Rng::seed_from_u64(round));
        inputs = search.inputs;
        rows.lines = Some(Lines::of(edges, usize::from(each), &places(&inputs)));
        let a_third = Effort { places: effort.places / 3, progress: &|_| {}, known: None };
        (order, steps, _) = exchange(&rows, order, a_third.places, &a_third);
        (effort.progress)((round + 1) as f64 / 3.0);
    }
    (steps * 100 <= before * WORTH).then_some(Ordered { inputs, rows: order, steps })
}

/// The place of each input.
pub(crate) fn places(inputs: &[u16]) -> Vec<u16> {
    let mut places = vec![0; inputs.len()];
    for (place, input) in (0..).zip(inputs) {
        places.get_mut(usize::from(*input)).into_iter().for_each(|at| *at = place);
    }
    places
}

/// The rows that have an edge from each input, ascending.
fn readers(edges: &Edges) -> Vec<Vec<u16>> {
    let mut readers = vec![Vec::new(); edges.n_in()];
    for (row, (inputs, _)) in (0..).zip(edges.rows()) {
        for input in inputs {
            readers.get_mut(usize::from(*input)).into_iter().for_each(|rows: &mut Vec<u16>| rows.push(row));
        }
    }
    readers
}

/// Two orders, of rows and inputs, while the latter changes.
struct Search<'s> {
    rows: &'s Rows,
    readers: &'s [Vec<u16>],
    inputs: Vec<u16>,
    groups: Vec<Group>,
    /// Group and lane of each row.
    seats: Vec<(usize, usize)>,
    /// Groups that the swap at hand changes, and which of all these are.
    touched: Vec<usize>,
    is_touched: Vec<bool>,
}

impl<'s> Search<'s> {
    fn of(rows: &'s Rows, order: &[u16], readers: &'s [Vec<u16>], inputs: &[u16]) -> Self {
        let groups = rows.groups(order);
        let mut seats = vec![(0, 0); order.len()];
        for (at, row) in order.iter().enumerate() {
            seats.get_mut(usize::from(*row)).into_iter().for_each(|seat| *seat = (at / LANES, at % LANES));
        }
        let is_touched = vec![false; groups.len()];
        Self { rows, readers, inputs: inputs.to_vec(), groups, seats, touched: Vec::new(), is_touched }
    }

    fn run(&mut self, tries: usize, heat: usize, random: &mut ChaCha8Rng) {
        let all = self.inputs.len();
        for left in (0..tries).rev() {
            let (p, q) = (below(random, all), below(random, all));
            if p / usize::from(LINE) == q / usize::from(LINE) {
                continue;
            }
            let before = self.swap(p, q);
            let after = self.touched.iter().filter_map(|at| self.groups.get(*at)).map(|group| group.steps).sum();
            let more = usize::saturating_sub(after, before);
            let chance = heat * left / tries;
            if !(0..more).all(|_| below(random, 1 << 16) < chance) {
                self.swap(p, q);
            }
        }
    }

    /// Swaps the inputs at two places. The steps that the groups touched took before.
    fn swap(&mut self, p: usize, q: usize) -> usize {
        let at = |place: usize| self.inputs.get(place).copied().unwrap_or(0);
        let (from_p, from_q) = (at(p), at(q));
        let of = |input: u16| self.readers.get(usize::from(input)).map_or(&[][..], Vec::as_slice);
        let (mut only_p, mut only_q) = (of(from_p), of(from_q));
        self.touched.clear();
        // A row that reads both stays as it is.
        while let Some(next) = only_p.first().into_iter().chain(only_q.first()).min().copied() {
            let (reads_p, reads_q) = (only_p.first() == Some(&next), only_q.first() == Some(&next));
            only_p = only_p.get(usize::from(reads_p)..).unwrap_or_default();
            only_q = only_q.get(usize::from(reads_q)..).unwrap_or_default();
            match (reads_p, reads_q) {
                (true, false) => self.shift(next, p, q),
                (false, true) => self.shift(next, q, p),
                _ => {}
            }
        }
        self.inputs.swap(p, q);
        let mut before = 0;
        for at in &self.touched {
            self.is_touched.get_mut(*at).into_iter().for_each(|touched| *touched = false);
            if let Some(group) = self.groups.get_mut(*at) {
                before += group.steps;
                group.steps = self.rows.steps(group);
            }
        }
        before
    }

    /// A row's edge goes from one place to another.
    fn shift(&mut self, row: u16, from: usize, to: usize) {
        let Some((at, lane)) = self.seats.get(usize::from(row)).copied() else { return };
        let Some(group) = self.groups.get_mut(at) else { return };
        let line = usize::from(LINE);
        let mut count = |place: usize, change: fn(u8) -> u8| {
            let counts = group.columns.get_mut(place / line).and_then(|line| line.get_mut(lane));
            counts.into_iter().for_each(|count| *count = change(*count));
        };
        count(from, |count| count - 1);
        count(to, |count| count + 1);
        if let Some(touched) = self.is_touched.get_mut(at).filter(|touched| !**touched) {
            *touched = true;
            self.touched.push(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::random_edges;
    use super::*;

    const WINDOWS: (u8, u8, u8) = (16, 32, 2);

    /// Steps counted on the edges themselves, inputs and rows in their new order.
    fn steps(edges: &Edges, ordered: &Ordered) -> usize {
        let edges = edges.arranged(None, Some(&ordered.inputs)).unwrap();
        let rows = Rows::of(&edges, 16, 32, 2);
        ordered.rows.chunks(16).map(|group| rows.sweep_rows(group)).sum()
    }

    #[test]
    fn another_order_takes_steps_away() {
        let edges = random_edges(112, 64, 9);
        let effort = Effort { places: 30_000_000, ..Effort::FULL };
        let found = order_inputs(&edges, WINDOWS, &effort).unwrap();
        let grouped = group(&edges, WINDOWS, &effort).order;
        let file: Vec<u16> = (0..112).collect();
        let before = steps(&edges, &Ordered { inputs: file.clone(), rows: grouped, steps: 0 });
        let after = steps(&edges, &found);
        assert_eq!(after, found.steps);
        assert!(after * 100 <= before * WORTH, "{before} steps, {after} with the inputs in another order");
        let mut sorted = found.inputs.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, file);
        // The same on any number of threads.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| order_inputs(&edges, WINDOWS, &effort)), Some(found));
    }

    #[test]
    fn what_cannot_gain_is_left_alone() {
        let effort = Effort { places: 3_000_000, ..Effort::FULL };
        // Two lines: one window holds all of them, whatever their order.
        assert_eq!(order_inputs(&random_edges(32, 32, 2), WINDOWS, &effort), None);
        // Too many groups for the effort, and windows that begin anywhere.
        assert_eq!(order_inputs(&random_edges(400, 400, 9), WINDOWS, &effort), None);
        assert_eq!(order_inputs(&random_edges(112, 64, 9), (8, 8, 1), &effort), None);
    }
}
