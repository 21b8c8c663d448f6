//! The edges of one junction in memory, row by row: what importers make and packings are made from.

/// The edges of a junction with their weights: by output, inputs ascending. An edge may have the weight 0: where a mask was
/// given, the mask says what an edge is.
///
/// Inputs are below `n_in` and ascend within a row by construction; no weight is negative zero. Consecutive rows with the same
/// inputs share one list of them: a dense junction takes the memory of its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Edges {
    n_in: u16,
    /// Their number is `n_out`.
    rows: Vec<Row>,
    inputs: Vec<u16>,
    weights: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// Where its inputs begin.
    inputs: usize,
    /// Where its weights end, which begin where those of the row before end.
    end: usize,
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
        Self { n_in, rows: Vec::new(), inputs: Vec::new(), weights: Vec::new() }
    }

    /// Makes room for the weights of so many edges, no more.
    pub(crate) fn reserve(&mut self, nnz: usize) {
        self.weights.reserve_exact(nnz);
    }

    /// One more edge of the row being written; `input` is below `n_in` and above the row's inputs so far.
    pub(crate) fn push(&mut self, input: u16, weight: f32) {
        debug_assert!(input < self.n_in);
        debug_assert!(self.open().1.last().is_none_or(|last| *last < input));
        self.inputs.push(input);
        // −0 + 0 is +0; every other number stays.
        self.weights.push(weight + 0.0);
    }

    /// Where the inputs of the row being written begin, and what they are so far.
    fn open(&self) -> (usize, &[u16]) {
        let start = self.inputs.len() - (self.weights.len() - self.rows.last().map_or(0, |row| row.end));
        (start, self.inputs.get(start..).unwrap_or_default())
    }

    /// Ends the row being written, be it empty.
    pub(crate) fn end_row(&mut self) {
        let (start, written) = self.open();
        let before = self.rows.last().map(|row| row.inputs);
        let shared = before.filter(|before| self.inputs.get(*before..start) == Some(written));
        if shared.is_some() {
            self.inputs.truncate(start);
        }
        self.rows.push(Row { inputs: shared.unwrap_or(start), end: self.weights.len() });
    }

    /// Multiplies each weight with `factor(output, input)`. An edge stays an edge, whatever its weight becomes.
    pub(crate) fn scale(&mut self, factor: impl Fn(usize, usize) -> f64) {
        let mut start = 0;
        for (output, Row { inputs, end }) in self.rows.iter().enumerate() {
            let weights = self.weights.get_mut(start..*end).unwrap_or_default();
            start = *end;
            for (weight, input) in weights.iter_mut().zip(self.inputs.get(*inputs..).unwrap_or_default()) {
                *weight = (f64::from(*weight) * factor(output, usize::from(*input))) as f32 + 0.0;
            }
        }
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
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let weights = self.weights.get(start..row.end).unwrap_or_default();
            start = row.end;
            (self.inputs.get(row.inputs..row.inputs + weights.len()).unwrap_or_default(), weights)
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

    #[test]
    fn rows_alike_share_their_inputs() {
        // Twice the same inputs, none, none, others, the first again.
        let dense: Vec<f32> = [[1, 0, 2], [3, 0, 4], [0, 0, 0], [0, 0, 0], [0, 5, 0], [6, 0, 7]]
            .as_flattened()
            .iter()
            .map(|w| *w as f32)
            .collect();
        let mut edges = Edges::from_dense(3, 6, &dense, |_, _, w| w != 0.0).unwrap();
        assert_eq!(edges.inputs, [0, 2, 1, 0, 2]);
        assert_eq!((edges.to_dense(), edges.nnz(), edges.out_degrees()), (dense.clone(), 7, vec![3, 1, 3]));
        assert_eq!(edges.in_degrees().collect::<Vec<_>>(), [2, 2, 0, 0, 1, 2]);
        edges.scale(|output, input| (10 * output + input) as f64);
        assert_eq!(
            edges.rows().map(|(_, weights)| weights).collect::<Vec<_>>(),
            [&[0.0, 4.0][..], &[30.0, 48.0], &[], &[], &[205.0], &[300.0, 364.0]]
        );
    }
}
