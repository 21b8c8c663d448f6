//! From the deployment packings back to edges.

use lacewing_kernels::bytes::{groups_of_2, groups_of_4};
use lacewing_kernels::{IndexWidth, Junction, Packing};

use crate::edges::{Edges, EdgesBuilder};
use crate::pack::last_page_n;

/// The edges of every output, in the order they are met.
struct Rows(Vec<Vec<(u16, f32)>>);

impl Rows {
    fn of(junction: &Junction<'_>) -> Self {
        Self(vec![Vec::new(); junction.n_out()])
    }

    fn push(&mut self, output: u16, input: u16, weight: f32) {
        self.0.get_mut(usize::from(output)).into_iter().for_each(|row| row.push((input, weight)));
    }

    /// An edge that was met behind those of its row.
    fn spill(&mut self, output: u16, input: u16, weight: f32) {
        let Some(row) = self.0.get_mut(usize::from(output)) else { return };
        row.insert(row.partition_point(|(before, _)| *before < input), (input, weight));
    }

    fn into_edges(self, n_in: u16) -> Option<Edges> {
        let mut edges = EdgesBuilder::new(n_in);
        for row in self.0 {
            row.into_iter().for_each(|(input, weight)| edges.push(input, weight));
            edges.end_row();
        }
        edges.finished().ok()
    }
}

/// Calls `with` for every step and lane of a group of `steps` steps: (step, lane, position, weight).
fn for_each_slot(
    weights: &[[u8; 4]],
    words: &[[u8; 4]],
    steps: usize,
    (lanes, inputs): (u8, u8),
    mut with: impl FnMut(usize, usize, u16, f32),
) {
    let (bits, per_word) = Packing::slots(inputs);
    let lanes = usize::from(lanes);
    for (step, weights) in weights.chunks(lanes).take(steps).enumerate() {
        for (lane, weight) in weights.iter().enumerate() {
            let word = words.get(step / per_word * lanes + lane).map_or(0, |word| u32::from_le_bytes(*word));
            let position = word >> (step % per_word * bits) & ((1 << bits) - 1);
            with(step, lane, position as u16, f32::from_le_bytes(*weight));
        }
    }
}

pub(super) fn page_lanes(junction: &Junction<'_>, n: u8, m: u8, lanes: u8) -> Option<Edges> {
    let parts = junction.parts();
    let page = usize::from(m);
    let last = junction.n_in() % page;
    let steps = junction.n_in() / page * usize::from(n) + if last > 0 { last_page_n(n, last, m) } else { 0 };
    let group_words = steps.div_ceil(Packing::slots(m).1) * usize::from(lanes);
    let mut rows = Rows::of(junction);
    let words = groups_of_4(parts.index).chunks(group_words);
    let groups = groups_of_4(parts.weights).chunks(steps * usize::from(lanes)).zip(words);
    for (group, (weights, words)) in groups.enumerate() {
        for_each_slot(weights, words, steps, (lanes, m), |step, lane, position, weight| {
            let output = group * usize::from(lanes) + lane;
            let first = step / usize::from(n) * page;
            // Lanes past the last output have no row.
            if let (Ok(output), Ok(first)) = (u16::try_from(output), u16::try_from(first)) {
                rows.push(output, first + position, weight);
            }
        });
    }
    rows.into_edges(parts.n_in)
}

pub(super) fn windows(junction: &Junction<'_>, (lanes, width, each): (u8, u8, u8)) -> Option<Edges> {
    let parts = junction.parts();
    let number = |bytes: &[u8; 2]| u16::from_le_bytes(*bytes);
    let mut weights = groups_of_4(parts.weights);
    let each = usize::from(each).max(1);
    let windows = groups_of_2(parts.counts).iter().map(|count| usize::from(number(count))).sum::<usize>() / each;
    let (order, rest) = parts.index.split_at_checked(junction.n_out() * 2).unwrap_or_default();
    let (starts, words) = rest.split_at_checked(windows * 2).unwrap_or_default();
    let (order, mut starts, mut words) = (groups_of_2(order), groups_of_2(starts), groups_of_4(words));
    let mut rows = Rows::of(junction);
    for (count, outputs) in groups_of_2(parts.counts).iter().zip(order.chunks(usize::from(lanes))) {
        let steps = usize::from(number(count));
        for_each_slot(weights, words, steps, (lanes, width), |step, lane, position, weight| {
            let padding = weight == 0.0 && weight.is_sign_negative();
            if let (false, Some(output), Some(start)) = (padding, outputs.get(lane), starts.get(step / each)) {
                rows.push(number(output), number(start) + position, weight);
            }
        });
        weights = weights.get(steps * usize::from(lanes)..).unwrap_or_default();
        starts = starts.get(steps / each..).unwrap_or_default();
        words = words.get(steps.div_ceil(Packing::slots(width).1) * usize::from(lanes)..).unwrap_or_default();
    }
    // What is left of weights and words is spilled.
    for (weight, [a, b, c, d]) in weights.iter().zip(words) {
        rows.spill(u16::from_le_bytes([*c, *d]), u16::from_le_bytes([*a, *b]), f32::from_le_bytes(*weight));
    }
    rows.into_edges(parts.n_in)
}

pub(super) fn dense_input_major(junction: &Junction<'_>) -> Option<Edges> {
    let parts = junction.parts();
    let mut rows = Rows::of(junction);
    for (input, column) in (0..parts.n_in).zip(groups_of_4(parts.weights).chunks(junction.n_out())) {
        (0..parts.n_out).zip(column).for_each(|(output, weight)| rows.push(output, input, f32::from_le_bytes(*weight)));
    }
    rows.into_edges(parts.n_in)
}

pub(super) fn input_major(junction: &Junction<'_>, out_degree: u16, index: IndexWidth) -> Option<Edges> {
    let parts = junction.parts();
    let mut rows = Rows::of(junction);
    let degree = usize::from(out_degree);
    let columns = groups_of_4(parts.weights).chunks(degree).zip(parts.index.chunks(degree * index.bytes()));
    for (input, (weights, entries)) in (0..parts.n_in).zip(columns) {
        let mut output = 0;
        for (weight, entry) in weights.iter().zip(entries.chunks(index.bytes())) {
            match entry {
                [delta] => output += u16::from(*delta),
                [low, high] => output = u16::from_le_bytes([*low, *high]),
                _ => {}
            }
            rows.push(output, input, f32::from_le_bytes(*weight));
        }
    }
    rows.into_edges(parts.n_in)
}
