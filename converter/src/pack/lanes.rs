//! The deployment packings: one row a lane, and input-major.

use lacewing_kernels::{IndexWidth, Packing};

use super::{DoesNotFit, Sections};
use crate::edges::Edges;
use crate::grouping::{self, Effort, Grouping, Padding};

/// Rows a group at most.
const MAX_LANES: usize = 16;

/// One lane of a group: its steps' weights and positions.
#[derive(Clone, Default)]
struct Lane {
    weights: Vec<f32>,
    positions: Vec<u32>,
}

impl Sections {
    /// N:M, one row a lane.
    pub(super) fn put_page_lanes(&mut self, edges: &Edges, n: u8, m: u8, lanes: u8) -> Result<(), DoesNotFit> {
        if !matches!(m, 4 | 8 | 16 | 32) || !matches!(lanes, 4 | 8 | 16) {
            return Err(self.misfit(0));
        }
        let steps = self.edges_of_pages(edges, n, m)?;
        let rows: Vec<_> = edges.rows().collect();
        for rows in rows.chunks(usize::from(lanes)) {
            let mut columns = vec![Lane { weights: vec![0.0; steps], positions: vec![0; steps] }; usize::from(lanes)];
            for ((inputs, weights), column) in rows.iter().zip(&mut columns) {
                column.weights = weights.to_vec();
                column.positions = inputs.iter().map(|input| u32::from(*input) % u32::from(m)).collect();
            }
            self.put_group_weights(&columns, steps);
            let words = group_words(&columns, steps, m);
            self.index.extend(&words);
        }
        Ok(())
    }

    /// Windows, rows grouped so that they share them.
    pub(super) fn put_windows(
        &mut self,
        edges: &Edges,
        (lanes, width, each): (u8, u8, u8),
        effort: &Effort<'_>,
    ) -> Result<(), DoesNotFit> {
        let fits = matches!(lanes, 4 | 8 | 16) && matches!(width, 4 | 8 | 16 | 32) && matches!(each, 1 | 2 | 4);
        if !fits || usize::from(width) > edges.n_in() {
            return Err(self.misfit(0));
        }
        let rows: Vec<_> = edges.rows().collect();
        let Grouping { order, padding, .. } = grouping::group(edges, (lanes, width, each), effort);
        let (mut starts, mut words, mut spilled) = (Vec::new(), Vec::new(), Vec::new());
        for (group, members) in order.chunks(usize::from(lanes)).enumerate() {
            let rows: Vec<_> = members.iter().filter_map(|row| rows.get(usize::from(*row)).copied()).collect();
            let mut columns = vec![Lane::default(); usize::from(lanes)];
            let before = starts.len();
            let windows = (width, grouping::alignment((width, each), 4), usize::from(each));
            let beside = put_steps(&rows, self.n_in, windows, &mut columns, &mut starts);
            let output = |lane: usize| members.get(lane).copied().unwrap_or_default();
            spilled.extend(beside.into_iter().map(|(lane, input, weight)| (input, output(lane), weight)));
            let steps = (starts.len() - before) * usize::from(each);
            let count = u16::try_from(steps).map_err(|_| self.misfit(group))?;
            self.counts.extend(&count.to_le_bytes());
            self.put_group_weights(&columns, steps);
            words.extend(group_words(&columns, steps, width));
        }
        order.iter().chain(&starts).for_each(|number| self.index.extend(&number.to_le_bytes()));
        self.index.extend(&words);
        let places = starts.len() * usize::from(each) * usize::from(lanes) + spilled.len();
        let packed = places as f64 / edges.nnz().max(1) as f64;
        self.padding = Some(Padding { packed, spilled: spilled.len(), ..padding });
        for (input, output, weight) in spilled {
            self.put_weights(&[weight]);
            [input, output].into_iter().for_each(|number| self.index.extend(&number.to_le_bytes()));
        }
        Ok(())
    }

    /// Step by step, one weight a lane.
    fn put_group_weights(&mut self, columns: &[Lane], steps: usize) {
        for step in 0..steps {
            let weights: Vec<f32> = columns.iter().filter_map(|lane| lane.weights.get(step).copied()).collect();
            self.put_weights(&weights);
        }
    }

    /// All weights, input by input.
    pub(super) fn put_dense_input_major(&mut self, edges: &Edges) {
        let dense = edges.to_dense();
        for input in 0..edges.n_in() {
            let column: Vec<f32> = dense.iter().skip(input).step_by(edges.n_in()).copied().collect();
            self.put_weights(&column);
        }
    }

    /// The edges of each input; all must have `out_degree`.
    pub(super) fn put_input_major(
        &mut self,
        edges: &Edges,
        out_degree: u16,
        index: IndexWidth,
    ) -> Result<(), DoesNotFit> {
        let degree = usize::from(out_degree);
        let degrees = edges.out_degrees();
        if let Some(input) = degrees.iter().position(|edges| *edges != degree) {
            return Err(self.misfit(input));
        }
        let mut columns = vec![(0, 0.0); edges.nnz()];
        let mut ends: Vec<usize> = (0..edges.n_in()).map(|input| input * degree).collect();
        for (output, (inputs, weights)) in (0u16..).zip(edges.rows()) {
            for (input, weight) in inputs.iter().zip(weights) {
                let Some(end) = ends.get_mut(usize::from(*input)) else { continue };
                columns.get_mut(*end).into_iter().for_each(|place| *place = (output, *weight));
                *end += 1;
            }
        }
        for (input, column) in columns.chunks(degree.max(1)).enumerate() {
            let mut previous = 0;
            for (output, weight) in column {
                match index {
                    IndexWidth::Delta8 => {
                        self.index.push(u8::try_from(output - previous).map_err(|_| self.misfit(input))?);
                    }
                    IndexWidth::Absolute16 => self.index.extend(&output.to_le_bytes()),
                }
                previous = *output;
                self.put_weights(&[*weight]);
            }
        }
        Ok(())
    }
}

/// Runs one group's rows through their windows of `each` steps: a weight and a position a lane and step, −0 and 0 where it has
/// no edge, and the window's first input. What is spilled instead: lane, input and weight, lane after lane.
fn put_steps(
    rows: &[(&[u16], &[f32])],
    n_in: u16,
    (width, alignment, each): (u8, u16, usize),
    columns: &mut [Lane],
    starts: &mut Vec<u16>,
) -> Vec<(usize, u16, f32)> {
    let mut spilled = Vec::new();
    let shape = grouping::Shape { n_in, width, alignment, each };
    let mut inputs: [&[u16]; MAX_LANES] = [&[]; MAX_LANES];
    inputs.iter_mut().zip(rows).for_each(|(inputs, row)| *inputs = row.0);
    let mut weights: [&[f32]; MAX_LANES] = [&[]; MAX_LANES];
    weights.iter_mut().zip(rows).for_each(|(weights, row)| *weights = row.1);
    while let Some(start) = grouping::next_window(&inputs, n_in, width, alignment) {
        if let Some(edges) = grouping::spilled(&inputs, start, shape) {
            for (lane, ((inputs, weights), edges)) in inputs.iter_mut().zip(&mut weights).zip(edges).enumerate() {
                spilled.extend(inputs.iter().zip(*weights).take(edges).map(|(input, weight)| (lane, *input, *weight)));
                *inputs = inputs.get(edges..).unwrap_or_default();
                *weights = weights.get(edges..).unwrap_or_default();
            }
            continue;
        }
        starts.push(start);
        for ((inputs, weights), column) in inputs.iter_mut().zip(&mut weights).zip(&mut *columns) {
            for _ in 0..each {
                let (mut weight, mut position) = (-0.0, 0);
                if let (Some((first, later)), Some((w, later_weights))) = (inputs.split_first(), weights.split_first())
                    && first - start < u16::from(width)
                {
                    (weight, position) = (*w, u32::from(first - start));
                    (*inputs, *weights) = (later, later_weights);
                }
                column.weights.push(weight);
                column.positions.push(position);
            }
        }
    }
    spilled.sort_by_key(|(lane, input, _)| (*lane, *input));
    spilled
}

/// The words of a group's positions, one a lane at a time.
fn group_words(columns: &[Lane], steps: usize, inputs: u8) -> Vec<u8> {
    let (bits, per_word) = Packing::slots(inputs);
    let mut bytes = Vec::new();
    for first in (0..steps).step_by(per_word) {
        for lane in columns {
            let slots = lane.positions.iter().skip(first).take(per_word).enumerate();
            let word: u32 = slots.map(|(slot, position)| position << (slot * bits)).sum();
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}
