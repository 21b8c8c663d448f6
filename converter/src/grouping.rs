//! Which rows share windows: the order of rows that keeps the windows packing's padding small.
//!
//! In a step the lanes of a group pick from one window, and a lane without an edge there is padding. For given rows the fewest
//! steps come of a simple rule, taken by `next_window`: the window begins at the first input that any row still wants, and
//! each row takes its first edge in it, or as many as the window has steps. (Steps can be sorted by their windows, since a row's edges ascend; the first edge left
//! needs a window that begins no later, and one that begins earlier serves nothing more.) What is left to choose is which rows
//! share a group:
//!
//! 1. Greedily: a group begins with the first row left, of those with the most edges, and the row joins it that adds the
//!    fewest steps, of the next rows left.
//! 2. By exchange: groups are paired at random, and each pair swaps rows as long as that takes away steps.
//!
//! Both are bounded in work, not in time, and draw from a fixed seed: the order is the same on every machine and for any number
//! of threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;

use crate::edges::Edges;

mod inputs;
mod lines;
mod spilled;

pub(crate) use inputs::places;
pub use inputs::{Ordered, order_inputs};
use lines::{Columns, Lines};
pub(crate) use spilled::{Shape, spilled};

/// How much is done to find an order, and who is told how far it is.
#[derive(Clone, Copy)]
pub struct Effort<'p> {
    /// Places (lanes × steps) swept in each of the two searches, at most; 0 keeps the order of the outputs.
    pub places: usize,
    /// An order of the rows that is known to be good: the exchange begins with it where nothing better is found.
    pub known: Option<&'p [u16]>,
    /// Told the share that is done, 0 to 1.
    pub progress: &'p (dyn Fn(f64) + Sync),
}

impl Effort<'_> {
    /// A second or two of one core at the most.
    pub const FULL: Self = Self { places: 500_000_000, known: None, progress: &|_| {} };
    /// The order of the outputs, as it is.
    pub const NONE: Self = Self { places: 0, known: None, progress: &|_| {} };
}

/// Places (lanes × steps) over edges: 1 is no padding at all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Padding {
    /// With the rows in the order of the outputs.
    pub file_order: f64,
    /// After the greedy search.
    pub greedy: f64,
    /// After the exchange, and with what is spilled counted: what is packed.
    pub packed: f64,
    /// Edges that stand beside the windows, spilled.
    pub spilled: usize,
}

/// An order of rows, `lanes` of them a group, and its padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// The output that each row computes; each once.
    pub order: Vec<u16>,
    /// The padding on the way.
    pub padding: Padding,
    /// Places swept by the two searches: what they took, on any machine.
    pub swept: usize,
}

/// Windows begin at multiples of this, but for the last ones. A load that begins anywhere crosses a cache line, and costs two:
/// windows of two lines that serve more than one step begin at lines, for a few steps more.
/// An input has `bytes`.
pub(crate) const fn alignment((width, each): (u8, u8), bytes: u16) -> u16 {
    let line = 64 / bytes;
    if width as u16 >= 2 * line && each > 1 { line } else { 1 }
}

/// The first input of the window of the next step, or `None` where no row has an edge left.
pub(crate) fn next_window(rows: &[&[u16]], n_in: u16, width: u8, alignment: u16) -> Option<u16> {
    let wanted = rows.iter().filter_map(|row| row.first().copied()).min()?;
    Some((wanted - wanted % alignment).min(n_in.saturating_sub(u16::from(width))))
}

/// Groups the rows of `edges` for windows of `width` inputs and `each` steps.
#[must_use]
pub fn group(edges: &Edges, (lanes, width, each): (u8, u8, u8), effort: &Effort<'_>) -> Grouping {
    let rows = Rows::of(edges, usize::from(lanes), u16::from(width), usize::from(each));
    let padding = |steps: usize| (steps * rows.lanes) as f64 / edges.nnz().max(1) as f64;
    let file_order = rows.file_order();
    let file_steps = rows.total(&file_order);
    if effort.places == 0 {
        let file = padding(file_steps);
        let padding = Padding { file_order: file, greedy: file, packed: file, spilled: 0 };
        return Grouping { order: file_order, padding, swept: 0 };
    }
    let (greedy, swept) = greedy(&rows, file_steps, effort);
    let known = effort.known.filter(|known| known.len() == file_order.len()).map(<[u16]>::to_vec);
    let orders = [Some(file_order), known, Some(greedy)].into_iter().flatten();
    let orders = orders.map(|order| (rows.total(&order), order));
    let (start_steps, start) = orders.min_by_key(|(steps, _)| *steps).unwrap_or_default();
    let left = (2 * effort.places).saturating_sub(swept);
    let (order, steps, exchanged) = exchange(&rows, start, left, effort);
    (effort.progress)(1.0);
    let [file_order, greedy, packed] = [file_steps, start_steps, steps].map(padding);
    let padding = Padding { file_order, greedy, packed, spilled: 0 };
    Grouping { order, padding, swept: swept + exchanged }
}

/// Stands behind every row's inputs; no input, since these are below 65,535.
const END: u16 = u16::MAX;

/// The inputs of all rows, [`END`] behind each.
struct Rows {
    lanes: usize,
    width: u16,
    /// Steps a window.
    each: usize,
    alignment: u16,
    inputs: Vec<u16>,
    starts: Vec<usize>,
    /// Where windows begin at lines and are two long.
    lines: Option<Lines>,
}

/// Rows that share windows.
struct Group {
    rows: Vec<u16>,
    steps: usize,
    /// Of [`Lines`]; empty without them.
    columns: Columns,
}

impl Rows {
    fn of(edges: &Edges, lanes: usize, width: u16, each: usize) -> Self {
        let alignment = alignment((width as u8, each as u8), 4);
        let (mut inputs, mut starts) = (Vec::with_capacity(edges.nnz() + edges.n_out()), Vec::new());
        for (row, _) in edges.rows() {
            starts.push(inputs.len());
            inputs.extend(row);
            inputs.push(END);
        }
        let by_lines = (lanes, width, alignment) == (lines::LANES, 2 * lines::LINE, lines::LINE);
        let in_place: Vec<u16> = (0..edges.n_in()).map_while(|input| u16::try_from(input).ok()).collect();
        let lines = by_lines.then(|| Lines::of(edges, each, &in_place));
        Self { lanes, width, each, alignment, inputs, starts, lines }
    }

    fn file_order(&self) -> Vec<u16> {
        (0..self.starts.len()).map_while(|row| u16::try_from(row).ok()).collect()
    }

    fn row(&self, row: u16) -> &[u16] {
        let start = self.starts.get(usize::from(row)).copied().unwrap_or(0);
        let end = self.starts.get(usize::from(row) + 1).copied().unwrap_or(self.inputs.len());
        self.inputs.get(start..end).unwrap_or_default()
    }

    fn group(&self, rows: Vec<u16>) -> Group {
        let columns = self.lines.as_ref().map_or_else(Vec::new, |lines| lines.columns(&rows));
        let mut group = Group { rows, steps: 0, columns };
        group.steps = self.steps(&group);
        group
    }

    /// Steps that a group takes.
    fn steps(&self, group: &Group) -> usize {
        match &self.lines {
            Some(lines) => lines.steps(&group.columns),
            None => self.sweep_rows(&group.rows),
        }
    }

    /// Steps that it would take with one more row.
    fn steps_with(&self, group: &Group, row: u16) -> usize {
        match &self.lines {
            Some(lines) => {
                let mut columns = group.columns.clone();
                lines.put(&mut columns, group.rows.len(), row);
                lines.steps(&columns)
            }
            None => {
                let mut rows = group.rows.clone();
                rows.push(row);
                self.sweep_rows(&rows)
            }
        }
    }

    /// Places that sweeping a group of so many steps takes.
    fn places(&self, steps: usize) -> usize {
        self.lines.as_ref().map_or(steps * self.lanes, |lines| lines.lines * lines::PLACES)
    }

    fn sweep_rows(&self, group: &[u16]) -> usize {
        match self.lanes {
            0..=4 => self.sweep::<4>(group),
            5..=8 => self.sweep::<8>(group),
            _ => self.sweep::<16>(group),
        }
    }

    fn sweep<const LANES: usize>(&self, group: &[u16]) -> usize {
        let mut next = [usize::MAX; LANES];
        let mut wanted = [END; LANES];
        for ((next, wanted), row) in next.iter_mut().zip(&mut wanted).zip(group) {
            *next = self.starts.get(usize::from(*row)).copied().unwrap_or(usize::MAX);
            *wanted = self.inputs.get(*next).copied().unwrap_or(END);
        }
        let mut steps = 0;
        loop {
            let start = wanted.iter().fold(END, |least, input| least.min(*input));
            if start == END {
                return steps;
            }
            steps += self.each;
            let start = start - start % self.alignment;
            for _ in 0..self.each {
                for (next, wanted) in next.iter_mut().zip(&mut wanted) {
                    if *wanted != END && *wanted - start < self.width {
                        *next += 1;
                        *wanted = self.inputs.get(*next).copied().unwrap_or(END);
                    }
                }
            }
        }
    }

    fn total(&self, order: &[u16]) -> usize {
        self.groups(order).iter().map(|group| group.steps).sum()
    }

    fn groups(&self, order: &[u16]) -> Vec<Group> {
        order.par_chunks(self.lanes).map(|rows| self.group(rows.to_vec())).collect()
    }
}

/// The order, and the places swept.
fn greedy(rows: &Rows, file_steps: usize, effort: &Effort<'_>) -> (Vec<u16>, usize) {
    let mut left = rows.file_order();
    // Rows of like length waste the fewest steps, and rows of the same inputs none.
    left.sort_by(|a, b| {
        let (a, b) = (rows.row(*a), rows.row(*b));
        b.len().cmp(&a.len()).then_with(|| a.cmp(b))
    });
    let all = left.len();
    // A row's share; every candidate for it is one sweep.
    let share = effort.places / all.max(1);
    let a_group = rows.places(file_steps / all.div_ceil(rows.lanes).max(1));
    let (mut order, mut swept) = (Vec::with_capacity(all), 0);
    while !left.is_empty() {
        let mut group = rows.group(vec![left.remove(0)]);
        while group.rows.len() < rows.lanes && !left.is_empty() {
            let candidates = (share / rows.places(group.steps).max(a_group).max(1)).min(left.len());
            let looked_at = left.get(..candidates).unwrap_or_default();
            let costs = looked_at.par_iter().enumerate().map(|(at, row)| (rows.steps_with(&group, *row), at));
            let costs = costs.map(|found| (found, rows.places(found.0)));
            let best = costs.reduce_with(|(a, swept_a), (b, swept_b)| (a.min(b), swept_a + swept_b));
            let ((_, at), places) = best.unwrap_or_default();
            swept += places;
            group.rows.push(left.remove(at));
            group = rows.group(group.rows);
        }
        order.append(&mut group.rows);
        (effort.progress)(0.5 * order.len() as f64 / all as f64);
    }
    (order, swept)
}

/// Rounds, at most, and rounds in a row without a step less after which no more are tried.
const ROUNDS: usize = 400;
const FRUITLESS: usize = 24;

/// The order, its steps, and the places swept, which are at most `places`.
fn exchange(rows: &Rows, order: Vec<u16>, places: usize, effort: &Effort<'_>) -> (Vec<u16>, usize, usize) {
    let mut groups = rows.groups(&order);
    let total = |groups: &[Group]| groups.iter().map(|group| group.steps).sum::<usize>();
    let mut steps = total(&groups);
    // Swaps that a pair of groups tries in a round; it does not take much where lines are counted.
    let tries = if rows.lines.is_some() { 256 } else { 32 };
    let all_groups = |groups: &[Group]| groups.iter().map(|group| rows.places(group.steps)).sum::<usize>();
    let mut a_round = tries * all_groups(&groups);
    let rounds = (places / a_round.max(1)).min(ROUNDS);
    let (mut fruitless, mut swept) = (0, 0);
    for round in 0..if groups.len() > 1 { rounds } else { 0 } {
        // Swaps that are taken back took a few steps more.
        if swept + a_round + a_round / 8 > places {
            break;
        }
        let mut random = ChaCha8Rng::seed_from_u64(round as u64);
        // The last group may be ragged: it keeps its place, and its number of rows.
        let mut pairs: Vec<(usize, Group)> = groups.drain(..).enumerate().collect();
        shuffle(&mut pairs, &mut random);
        let swapped = pairs.par_chunks_mut(2).enumerate().map(|(at, pair)| match pair {
            [(_, a), (_, b)] => {
                swap_rows(rows, a, b, tries, &mut ChaCha8Rng::seed_from_u64((round << 32 | at << 1 | 1) as u64))
            }
            _ => 0,
        });
        a_round = swapped.sum();
        swept += a_round;
        pairs.sort_by_key(|(place, _)| *place);
        groups.extend(pairs.into_iter().map(|(_, group)| group));
        let now = total(&groups);
        fruitless = if now < steps { 0 } else { fruitless + 1 };
        steps = now;
        if fruitless == FRUITLESS {
            break;
        }
        (effort.progress)(0.5 + 0.5 * (round + 1) as f64 / rounds as f64);
    }
    (groups.into_iter().flat_map(|group| group.rows).collect(), steps, swept)
}

/// A number below `limit`, which is at most 2³²; close enough to even for a search.
fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    ((u64::from(random.next_u32()) * limit as u64) >> 32) as usize
}

fn shuffle<T>(all: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..all.len()).rev() {
        all.swap(last, below(random, last + 1));
    }
}

/// Swaps a row of `a` with one of `b`, a few times, where both together then take no more steps. The places swept.
fn swap_rows(rows: &Rows, a: &mut Group, b: &mut Group, tries: usize, random: &mut ChaCha8Rng) -> usize {
    let mut swept = 0;
    for _ in 0..tries {
        let (i, j) = (below(random, a.rows.len()), below(random, b.rows.len()));
        swap(a, i, b, j);
        let (a_now, b_now) = (rows.steps(a), rows.steps(b));
        swept += rows.places(a_now) + rows.places(b_now);
        if a_now + b_now <= a.steps + b.steps {
            (a.steps, b.steps) = (a_now, b_now);
        } else {
            swap(a, i, b, j);
        }
    }
    swept
}

fn swap(a: &mut Group, i: usize, b: &mut Group, j: usize) {
    if let (Some(a), Some(b)) = (a.rows.get_mut(i), b.rows.get_mut(j)) {
        core::mem::swap(a, b);
    }
    lines::swap(&mut a.columns, i, &mut b.columns, j);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(n_in: u16, rows: &[&[u16]]) -> Edges {
        let dense = vec![1.0; usize::from(n_in) * rows.len()];
        Edges::from_dense(n_in, rows.len() as u16, &dense, |o, i, _| rows[o].contains(&(i as u16))).unwrap()
    }

    pub(super) fn random_edges(n_in: u16, n_out: u16, one_in: usize) -> Edges {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let dense = vec![1.0; usize::from(n_in) * usize::from(n_out)];
        Edges::from_dense(n_in, n_out, &dense, |_, _, _| below(&mut random, one_in) == 0).unwrap()
    }

    #[test]
    fn the_next_window_begins_at_the_first_input_wanted_and_ends_within_the_inputs() {
        assert_eq!(next_window(&[&[5, 9], &[3, 4], &[]], 20, 8, 1), Some(3));
        assert_eq!(next_window(&[&[19], &[]], 20, 8, 1), Some(12));
        assert_eq!(next_window(&[&[], &[]], 20, 8, 1), None);
        assert_eq!(next_window(&[&[37, 50], &[41]], 90, 32, 16), Some(32));
        assert_eq!(next_window(&[&[70], &[]], 90, 32, 16), Some(58));
    }

    #[test]
    fn steps_are_as_many_as_the_fullest_window_needs() {
        let of = |rows: &[&[u16]], each| {
            Rows::of(&edges(20, rows), 8, 8, each).sweep_rows(&(0..rows.len() as u16).collect::<Vec<_>>())
        };
        let steps = |rows| of(rows, 1);
        // One window holds all; three edges of one row take three steps.
        assert_eq!(steps(&[&[0, 1, 2], &[7]]), 3);
        // 8 lies outside the window that begins at 0.
        assert_eq!(steps(&[&[0], &[8]]), 2);
        assert_eq!(steps(&[&[0], &[7]]), 1);
        assert_eq!(steps(&[&[], &[]]), 0);
        // Two steps a window: the second window is begun for 2 alone.
        assert_eq!((of(&[&[0, 1, 2], &[7]], 2), of(&[&[9], &[11]], 2)), (4, 2));
        // One of 32 begins at a line: 33 is in the window of 15, but not in that of 0.
        let wide = |rows: &[&[u16]], each| Rows::of(&edges(64, rows), 8, 32, each).sweep_rows(&[0, 1]);
        assert_eq!((wide(&[&[15], &[33]], 1), wide(&[&[15], &[33]], 2)), (1, 4));
    }

    #[test]
    fn rows_that_share_windows_come_together() {
        let (a, b): (&[u16], &[u16]) = (&[0, 30], &[15, 45]);
        let found = group(&edges(60, &[a, b, a, b, a, b, a, b]), (4, 8, 1), &Effort::FULL);
        assert_eq!(found.padding, Padding { file_order: 2.0, greedy: 1.0, packed: 1.0, spilled: 0 });
        // Every row once, the last group ragged, empty rows too.
        let mut ragged = group(&edges(60, &[a, b, &[], b, a]), (4, 8, 1), &Effort::FULL).order;
        ragged.sort_unstable();
        assert_eq!(ragged, [0, 1, 2, 3, 4]);
        assert!(group(&edges(60, &[]), (4, 8, 1), &Effort::FULL).order.is_empty());
    }

    #[test]
    fn each_search_takes_padding_away_and_the_number_of_threads_changes_nothing() {
        let edges = random_edges(300, 70, 6);
        let effort = Effort { places: 3_000_000, ..Effort::FULL };
        let threads = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let found = [1, 3].map(|n| threads(n).install(|| group(&edges, (8, 8, 1), &effort)));
        assert_eq!(found[0], found[1]);
        let Padding { file_order, greedy, packed, .. } = found[0].padding;
        assert!(packed < greedy && greedy < 0.97 * file_order, "{:?}", found[0].padding);
        let plain = group(&edges, (8, 8, 1), &Effort::NONE);
        assert_eq!(plain.order, (0..70).collect::<Vec<_>>());
        assert_eq!((plain.padding.file_order, plain.padding.packed), (file_order, file_order));
    }

    /// Lines say the same as looking at each edge, whole and ragged, empty rows too.
    #[test]
    fn lines_count_the_steps_that_edges_take() {
        for (n_in, n_out, one_in) in [(32, 16, 1), (32, 5, 3), (100, 40, 4), (333, 33, 2), (800, 47, 12), (50, 20, 60)]
        {
            for each in [2, 4] {
                let rows = Rows::of(&random_edges(n_in, n_out, one_in), 16, 32, each);
                assert!(rows.lines.is_some());
                for group in rows.groups(&rows.file_order()) {
                    assert_eq!(group.steps, rows.sweep_rows(&group.rows), "{n_in}×{n_out}, one in {one_in}");
                    let (last, others) = group.rows.split_last().unwrap();
                    assert_eq!(rows.steps_with(&rows.group(others.to_vec()), *last), group.steps);
                }
            }
        }
    }

    /// What bounds the time: both searches together sweep no more places than twice the effort, whatever the shape.
    #[test]
    fn no_more_is_swept_than_was_asked_for() {
        for (n_in, n_out, one_in) in [(60, 200, 2), (300, 70, 6), (1000, 90, 20), (40, 3, 2)] {
            let edges = random_edges(n_in, n_out, one_in);
            for windows in [(8, 8, 1), (16, 16, 1), (16, 32, 2)] {
                for places in [0, 20_000, 1_000_000] {
                    let found = group(&edges, windows, &Effort { places, ..Effort::FULL });
                    assert!(found.swept <= 2 * places, "{n_in}×{n_out}, {windows:?}: {} of {places}", found.swept);
                    assert!(places < 1_000_000 || n_out == 3 || found.swept > 0);
                }
            }
        }
    }

    #[test]
    fn a_known_order_is_not_lost() {
        let edges = random_edges(200, 48, 5);
        let [all, few] = [20_000_000, 1].map(|places| Effort { places, ..Effort::FULL });
        let best = group(&edges, (16, 32, 2), &all);
        let again = group(&edges, (16, 32, 2), &Effort { known: Some(&best.order), ..few });
        assert_eq!((again.padding.packed, &again.order), (best.padding.packed, &best.order));
        assert!(group(&edges, (16, 32, 2), &few).padding.packed > best.padding.packed);
        // One of another length is passed over.
        assert_eq!(group(&edges, (16, 32, 2), &Effort { known: Some(&[0]), ..few }).order.len(), 48);
    }

    #[test]
    fn progress_rises_to_one() {
        let seen = std::sync::Mutex::new(vec![0.0]);
        let progress = |share| seen.lock().unwrap().push(share);
        let effort = Effort { places: 1_000_000, progress: &progress, known: None };
        let found = group(&random_edges(100, 40, 4), (4, 16, 1), &effort);
        assert_eq!(found.order.len(), 40);
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
    }
}
