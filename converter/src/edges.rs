//! The edges of one junction in memory, row by row: what importers make and packings are made from.

/// The edges of a junction with their weights: by output, inputs ascending. An edge may have the weight 0: where a mask was
/// given, the mask says what an edge is.
///
/// Inputs are below `n_in` and ascend within a row by construction; no weight is negative zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges {
    n_in: u16,
    /// Where each row ends; its length is `n_out`.
    ends: Vec<usize>,
    inputs: Vec<u16>,
    weights: Vec<f32>,
}

impl Edges {
    /// The edges of a dense matrix, `n_out` rows of `n_in` weights, that `keep(output, input, weight)` says there are.
    /// Negative zeros become zeros. `None` where `dense` has another length.
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
        let mut edges = Self::without_rows(n_in);
        for (output, row) in dense.chunks_exact(usize::from(n_in)).enumerate() {
            for (input, weight) in (0..n_in).zip(row) {
                if keep(output, usize::from(input), *weight) {
                    edges.push(input, *weight);
                }
            }
            edges.end_row();
        }
        Some(edges)
    }

    pub(crate) const fn without_rows(n_in: u16) -> Self {
        Self { n_in, ends: Vec::new(), inputs: Vec::new(), weights: Vec::new() }
    }

    /// One more edge of the row being written; `input` is below `n_in` and above the row's inputs so far.
    pub(crate) fn push(&mut self, input: u16, weight: f32) {
        debug_assert!(input < self.n_in);
        debug_assert!(self.inputs.get(self.last_end()..).and_then(<[u16]>::last).is_none_or(|last| *last < input));
        self.inputs.push(input);
        // −0 + 0 is +0; every other number stays.
        self.weights.push(weight + 0.0);
    }

    /// Ends the row being written, be it empty.
    pub(crate) fn end_row(&mut self) {
        self.ends.push(self.inputs.len());
    }

    /// Multiplies each weight with `factor(output, input)`. An edge stays an edge, whatever its weight becomes.
    pub(crate) fn scale(&mut self, factor: impl Fn(usize, usize) -> f64) {
        let mut start = 0;
        for (output, end) in self.ends.iter().enumerate() {
            let range = start..*end;
            start = *end;
            let weights = self.weights.get_mut(range.clone()).unwrap_or_default();
            for (weight, input) in weights.iter_mut().zip(self.inputs.get(range).unwrap_or_default()) {
                *weight = (f64::from(*weight) * factor(output, usize::from(*input))) as f32 + 0.0;
            }
        }
    }

    fn last_end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Inputs.
    #[must_use]
    pub fn n_in(&self) -> usize {
        usize::from(self.n_in)
    }

    /// Outputs.
    #[must_use]
    pub fn n_out(&self) -> usize {
        self.ends.len()
    }

    /// Edges.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.inputs.len()
    }

    /// Density ρ = nnz / (n_in · n_out); 0 where there are no rows.
    #[must_use]
    pub fn density(&self) -> f64 {
        self.nnz() as f64 / (self.n_in() * self.n_out()).max(1) as f64
    }

    /// The rows in order of outputs: each row's inputs, ascending, and their weights.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[u16], &[f32])> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let range = start..*end;
            start = *end;
            let inputs = self.inputs.get(range.clone()).unwrap_or_default();
            (inputs, self.weights.get(range).unwrap_or_default())
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
        for input in &self.inputs {
            if let Some(degree) = degrees.get_mut(usize::from(*input)) {
                *degree += 1;
            }
        }
        degrees
    }

    /// Without the edges whose weight is 0.
    #[must_use]
    pub fn without_zeros(&self) -> Self {
        let mut edges = Self::without_rows(self.n_in);
        for (inputs, weights) in self.rows() {
            let kept = inputs.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
            kept.for_each(|(input, weight)| edges.push(*input, *weight));
            edges.end_row();
        }
        edges
    }

    /// All `n_out × n_in` weights, row by row, 0 where there is no edge.
    #[must_use]
    pub fn to_dense(&self) -> Vec<f32> {
        let mut dense = vec![0.0; self.n_in() * self.n_out()];
        for ((inputs, weights), row) in self.rows().zip(dense.chunks_exact_mut(self.n_in())) {
            for (input, weight) in inputs.iter().zip(weights) {
                if let Some(place) = row.get_mut(usize::from(*input)) {
                    *place = *weight;
                }
            }
        }
        dense
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
        assert_eq!(with_zeros.without_zeros(), implied);
        let masked = Edges::from_dense(3, 2, &dense, |_, i, _| i == 1).unwrap();
        assert_eq!(masked.rows().next(), Some((&[1u16][..], &[0.0f32][..])));
        assert!(masked.to_dense().iter().all(|w| w.to_bits() == 0));
        assert!(Edges::from_dense(3, 2, &dense[1..], |_, _, _| true).is_none());
    }
}
