//! The edges of one junction, row by row: what importers make and packings are made from.

use crate::settled::{SettleError, Settled, Settling};

/// The edges of a junction with their weights: by output, inputs ascending. An edge may have the weight 0: where a mask was
/// given, the mask says what an edge is.
///
/// Inputs are below `n_in` and ascend within a row by construction; no weight is negative zero or subnormal. Consecutive rows
/// with the same inputs share one list of them: a dense junction takes the room of its weights, which is in memory where they
/// are few.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges {
    n_in: u16,
    /// Their number is `n_out`.
    rows: Vec<Row>,
    inputs: Settled<u16>,
    weights: Settled<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// Where its inputs begin.
    inputs: usize,
    /// Where its weights end, which begin where those of the row before end.
    end: usize,
}

/// The weight that is kept for one that was read: zeros of either sign and subnormal numbers become +0. Optimisers with a
/// penalty on weights shrink those that nothing uses to subnormal numbers, and some processors take a hundred cycles more for
/// each of them.
fn normal(weight: f32) -> f32 {
    if weight == 0.0 || weight.is_subnormal() { 0.0 } else { weight }
}

/// Edges that are being made.
pub(crate) struct EdgesBuilder {
    n_in: u16,
    rows: Vec<Row>,
    inputs: Settling<u16>,
    weights: Settling<f32>,
    /// Inputs of the row being written.
    row: Vec<u16>,
    /// The list that was written last: where it begins, and what is in it.
    list: Option<(usize, Vec<u16>)>,
}

impl EdgesBuilder {
    pub(crate) const fn new(n_in: u16) -> Self {
        Self { n_in, rows: Vec::new(), inputs: Settling::new(), weights: Settling::new(), row: Vec::new(), list: None }
    }

    /// One more edge of the row being written; `input` is below `n_in` and above the row's inputs so far.
    pub(crate) fn push(&mut self, input: u16, weight: f32) {
        debug_assert!(input < self.n_in);
        debug_assert!(self.row.last().is_none_or(|last| *last < input));
        self.row.push(input);
        self.weights.push(normal(weight));
    }

    /// Ends the row being written, be it empty.
    pub(crate) fn end_row(&mut self) {
        let shared = self.list.as_ref().filter(|(_, list)| *list == self.row).map(|(start, _)| *start);
        let inputs = shared.unwrap_or_else(|| {
            let (start, mut list) = (self.inputs.len(), self.list.take().unwrap_or_default().1);
            self.inputs.extend(&self.row);
            core::mem::swap(&mut list, &mut self.row);
            self.list = Some((start, list));
            start
        });
        self.row.clear();
        self.rows.push(Row { inputs, end: self.weights.len() });
    }

    /// The edges, of as many rows as were ended.
    pub(crate) fn finished(self) -> Result<Edges, SettleError> {
        let Self { n_in, rows, inputs, weights, .. } = self;
        Ok(Edges { n_in, rows, inputs: inputs.settled()?, weights: weights.settled()? })
    }
}

impl Edges {
    /// The edges of a dense matrix, `n_out` rows of `n_in` weights, that `keep(output, input, weight)` says there are.
    /// Negative zeros and subnormal weights become zeros. `None` where `dense` has another length, or the edges cannot be kept.
    #[must_use]
    pub fn from_dense(
        n_in: u16,
        n_out: u16,
        dense: &[f32],
        mut keep: impl FnMut(usize, usize, f32) -> bool,
    ) -> Option<Self> {
        if n_in == 0 || dense.len() != usize::from(n_in) * usize::from(n_out) {
            return None;
        }
        let mut edges = EdgesBuilder::new(n_in);
        for (output, row) in dense.chunks_exact(usize::from(n_in)).enumerate() {
            for (input, weight) in (0..n_in).zip(row) {
                if keep(output, usize::from(input), *weight) {
                    edges.push(input, *weight);
                }
            }
            edges.end_row();
        }
        edges.finished().ok()
    }

    /// Each weight multiplied with `factor(output, input)`. An edge stays an edge, whatever its weight becomes.
    pub(crate) fn scaled(&self, factor: impl Fn(usize, usize) -> f64) -> Result<Self, SettleError> {
        let factor = &factor;
        let scaled = self.rows().enumerate().flat_map(|(output, (inputs, weights))| {
            let scaled = move |(input, weight): (&u16, &f32)| {
                normal((f64::from(*weight) * factor(output, usize::from(*input))) as f32)
            };
            inputs.iter().zip(weights).map(scaled)
        });
        Ok(Self {
            weights: Settling::of(scaled)?,
            n_in: self.n_in,
            rows: self.rows.clone(),
            inputs: self.inputs.clone(),
        })
    }

    /// The same edges with the outputs, the inputs or both in another order: the output, or input, that comes to each place, each
    /// once.
    pub(crate) fn arranged(&self, outputs: Option<&[u16]>, inputs: Option<&[u16]>) -> Result<Self, SettleError> {
        let rows: Vec<_> = self.rows().collect();
        let mut places = vec![0; self.n_in()];
        for (place, input) in (0..).zip(inputs.unwrap_or_default()) {
            places.get_mut(usize::from(*input)).into_iter().for_each(|at| *at = place);
        }
        let place = |input: u16| match inputs {
            Some(_) => places.get(usize::from(input)).copied().unwrap_or(0),
            None => input,
        };
        let mut edges = EdgesBuilder::new(self.n_in);
        let mut row: Vec<(u16, f32)> = Vec::new();
        for at in 0..rows.len() {
            let at = outputs.map_or(Some(at), |outputs| outputs.get(at).map(|output| usize::from(*output)));
            let (inputs, weights) = at.and_then(|at| rows.get(at)).copied().unwrap_or_default();
            row.clear();
            row.extend(inputs.iter().zip(weights).map(|(input, weight)| (place(*input), *weight)));
            row.sort_unstable_by_key(|(place, _)| *place);
            row.iter().for_each(|(place, weight)| edges.push(*place, *weight));
            edges.end_row();
        }
        edges.finished()
    }

    /// Lets go of the memory behind edges that are in a file, until they are looked at.
    pub(crate) fn release(&self) {
        self.inputs.release();
        self.weights.release();
    }

    /// Inputs.
    #[must_use]
    pub fn n_in(&self) -> usize {
        usize::from(self.n_in)
    }

    /// Outputs.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.rows.len()
    }

    /// Edges.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.weights.len()
    }

    /// Density ρ = nnz / (n_in · n_out); 0 where there are no rows.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.nnz() as f64 / (self.n_in() * self.n_out()).max(1) as f64
    }

    /// The rows in order of outputs: each row's inputs, ascending, and their weights.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[u16], &[f32])> + Clone {
        let (mut start, all_inputs, all_weights): (_, &[u16], &[f32]) = (0, &self.inputs, &self.weights);
        self.rows.iter().map(move |row| {
            let weights = all_weights.get(start..row.end).unwrap_or_default();
            start = row.end;
            (all_inputs.get(row.inputs..row.inputs + weights.len()).unwrap_or_default(), weights)
        })
    }

    /// In-degree of each output.
    pub fn in_degrees(&self) -> impl ExactSizeIterator<Item = usize> {
        self.rows().map(|(inputs, _)| inputs.len())
    }

    /// Out-degree of each input.
    #[must_use]
    pub fn out_degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.n_in()];
        for input in self.rows().flat_map(|(inputs, _)| inputs) {
            if let Some(degree) = degrees.get_mut(usize::from(*input)) {
                *degree += 1;
            }
        }
        degrees
    }

    /// Without the edges whose weight is 0.
    ///
    /// # Errors
    /// They are many, and the temporary file that they are in cannot be read.
    pub fn without_zeros(&self) -> Result<Self, SettleError> {
        let mut edges = EdgesBuilder::new(self.n_in);
        for (inputs, weights) in self.rows() {
            nonzero(inputs, weights).for_each(|(input, weight)| edges.push(input, weight));
            edges.end_row();
        }
        edges.finished()
    }

    /// Whether the edges whose weight is not 0 are the same.
    #[must_use]
    pub fn same_nonzeros(&self, other: &Self) -> bool {
        let mut rows = self.rows().zip(other.rows());
        (self.n_in, self.n_out()) == (other.n_in, other.n_out())
            && rows.all(|((inputs, weights), (others, wanted))| nonzero(inputs, weights).eq(nonzero(others, wanted)))
    }

    /// All `n_out × n_in` weights, row by row, 0 where there is no edge.
    #[must_use]
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_in() * self.n_out()];
        for ((inputs, weights), row) in self.rows().zip(dense.chunks_exact_mut(self.n_in())) {
            put_row(inputs, weights, row);
        }
        dense
    }
}

/// The edges of a row whose weight is not 0.
fn nonzero<'r>(inputs: &'r [u16], weights: &'r [f32]) -> impl Iterator<Item = (u16, f32)> + 'r {
    inputs.iter().zip(weights).filter(|(_, weight)| **weight != 0.0).map(|(input, weight)| (*input, *weight))
}

/// A row as a matrix has it, 0 where there is no edge.
pub(crate) fn put_row(inputs: &[u16], weights: &[f32], row: &mut [f32]) {
    row.fill(0.0);
    for (input, weight) in inputs.iter().zip(weights) {
        row.get_mut(usize::from(*input)).into_iter().for_each(|place| *place = *weight);
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;

    #[test]
    fn rows_keep_what_the_mask_keeps() {
        let dense = [1.0, -0.0, 0.0, 2.0, 0.0, 0.0];
        let implied = Edges::from_dense(3, 2, &dense, |_, _, w| w != 0.0).unwrap();
        assert_eq!(implied.rows().collect::<Vec<_>>(), [(&[0u16][..], &[1.0f32][..]), (&[0], &[2.0])]);
        assert_eq!((implied.nnz(), implied.out_degrees()), (2, vec![2, 0, 0]));
        let with_zeros = Edges::from_dense(3, 2, &dense, |_, _, _| true).unwrap();
        assert_eq!(with_zeros.without_zeros().unwrap(), implied);
        assert!(with_zeros.same_nonzeros(&implied));
        let masked = Edges::from_dense(3, 2, &dense, |_, i, _| i == 1).unwrap();
        assert_eq!(masked.rows().next(), Some((&[1u16][..], &[0.0f32][..])));
        assert!(masked.to_dense().iter().all(|w| w.to_bits() == 0));
        assert!(Edges::from_dense(3, 2, &dense[1..], |_, _, _| true).is_none());
    }

    #[test]
    fn subnormal_weights_become_zeros_and_stay_edges() {
        let least = f32::MIN_POSITIVE;
        let dense = [least, least.next_down(), -least, -least.next_down(), f32::from_bits(1), -1.0];
        let edges = Edges::from_dense(3, 2, &dense, |_, _, _| true).unwrap();
        assert_eq!((edges.nnz(), edges.to_dense()), (6, vec![least, 0.0, -least, 0.0, 0.0, -1.0]));
        assert!(edges.to_dense().iter().all(|w| *w != 0.0 || w.is_sign_positive()));
        let halved = edges.scaled(|_, _| 0.5).unwrap();
        assert_eq!((halved.nnz(), halved.to_dense()), (6, vec![0.0, 0.0, 0.0, 0.0, 0.0, -0.5]));
    }

    #[test]
    fn edges_are_arranged_in_another_order() {
        let edges = Edges::from_dense(3, 2, &[1.0, 2.0, 0.0, 0.0, 3.0, 4.0], |_, _, w| w != 0.0).unwrap();
        let dense = |outputs, inputs| edges.arranged(outputs, inputs).unwrap().to_dense();
        assert_eq!(dense(Some(&[1, 0]), None), [0.0, 3.0, 4.0, 1.0, 2.0, 0.0]);
        assert_eq!(dense(None, Some(&[2, 0, 1])), [0.0, 1.0, 2.0, 4.0, 0.0, 3.0]);
        assert_eq!(dense(Some(&[1, 0]), Some(&[2, 0, 1])), [4.0, 0.0, 3.0, 0.0, 1.0, 2.0]);
        assert_eq!(edges.arranged(None, None).unwrap(), edges);
    }

    #[test]
    fn rows_alike_share_their_inputs() {
        // Twice the same inputs, none, none, others, the first again.
        let dense: Vec<f32> = [[1, 0, 2], [3, 0, 4], [0, 0, 0], [0, 0, 0], [0, 5, 0], [6, 0, 7]]
            .as_flattened()
            .iter()
            .map(|w| *w as f32)
            .collect();
        let edges = Edges::from_dense(3, 6, &dense, |_, _, w| w != 0.0).unwrap();
        assert_eq!(*edges.inputs, [0, 2, 1, 0, 2]);
        assert_eq!((edges.to_dense(), edges.nnz(), edges.out_degrees()), (dense.clone(), 7, vec![3, 1, 3]));
        assert_eq!(edges.in_degrees().collect::<Vec<_>>(), [2, 2, 0, 0, 1, 2]);
        let edges = edges.scaled(|output, input| (10 * output + input) as f64).unwrap();
        assert_eq!(
            edges.rows().map(|(_, weights)| weights).collect::<Vec<_>>(),
            [&[0.0, 4.0][..], &[30.0, 48.0], &[], &[], &[205.0], &[300.0, 364.0]]
        );
    }
}
