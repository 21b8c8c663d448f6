//! One junction of a network: where its weights stand, and its mathematics on a shard of a batch.
//!
//! Everything is stored feature by feature: `x[feature · width + sample]`, see [`lacewing_kernels::training`]. A junction
//! without zeros needs no indices and goes through dense matrix products instead.

use lacewing_kernels::training::{COLUMNS, Edges, ReadyTraining, Tables};
use lacewing_models::Mask;
use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

/// Outputs to a group that the kernels are quick with, where the mask lets so many share their inputs.
const GROUP: usize = 8;

/// Where a junction's weights stand. The weights themselves are kept by [`crate::parameters::Parameters`].
#[derive(Clone, Debug)]
pub(crate) struct Junction {
    /// `[n_out, n_in]`
    shape: [usize; 2],
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    /// All edges: the weights are the `n_out × n_in` matrix, row by row.
    Dense,
    /// The edges of the mask, in groups of one output or of [`GROUP`] that share their inputs.
    Sparse(SparseTables),
}

#[derive(Clone, Debug, Default)]
struct SparseTables {
    rows: usize,
    starts: Vec<u32>,
    inputs: Vec<u16>,
    column_starts: Vec<u32>,
    outputs: Vec<u16>,
    places: Vec<u32>,
}

/// A junction that is ready to be computed with: its indices are proved.
#[derive(Debug)]
pub(crate) enum Ready<'n> {
    Dense { n_in: usize, n_out: usize },
    Sparse(Edges<'n>),
}

impl Junction {
    pub(crate) fn new(mask: &Mask) -> Self {
        let shape = [mask.n_out(), mask.n_in()];
        if mask.nnz() == mask.n_in() * mask.n_out() {
            return Self { shape, layout: Layout::Dense };
        }
        Self { shape, layout: Layout::Sparse(SparseTables::new(mask)) }
    }

    pub(crate) fn n_in(&self) -> usize {
        self.shape[1]
    }

    pub(crate) fn n_out(&self) -> usize {
        self.shape[0]
    }

    /// `[n_out, n_in]`, the shape of weights and mask in files.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// `[n_out]`
    pub(crate) fn bias_shape(&self) -> &[usize] {
        &self.shape[..1]
    }

    pub(crate) fn nnz(&self) -> usize {
        match &self.layout {
            Layout::Dense => self.n_in() * self.n_out(),
            Layout::Sparse(tables) => tables.inputs.len() * tables.rows,
        }
    }

    /// The edges of output `output`, inputs ascending: the input, and where the weight stands.
    pub(crate) fn edges_of(&self, output: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (entries, rows, r) = match &self.layout {
            Layout::Dense => (output * self.n_in()..(output + 1) * self.n_in(), 1, 0),
            Layout::Sparse(tables) => {
                let group = output / tables.rows;
                let entries = tables.starts[group] as usize..tables.starts[group + 1] as usize;
                (entries, tables.rows, output % tables.rows)
            }
        };
        let first = entries.start;
        entries.map(move |entry| match &self.layout {
            Layout::Dense => (entry - first, entry),
            Layout::Sparse(tables) => (usize::from(tables.inputs[entry]), entry * rows + r),
        })
    }

    /// Proves the indices.
    pub(crate) fn ready(&self) -> Ready<'_> {
        let [n_out, n_in] = self.shape;
        match &self.layout {
            Layout::Dense => Ready::Dense { n_in, n_out },
            Layout::Sparse(it) => {
                let tables = Tables {
                    starts: &it.starts,
                    inputs: &it.inputs,
                    column_starts: &it.column_starts,
                    outputs: &it.outputs,
                    places: &it.places,
                };
                Ready::Sparse(Edges::new(n_in, n_out, it.rows, tables).expect("tables made from a mask are consistent"))
            }
        }
    }
}

impl SparseTables {
    fn new(mask: &Mask) -> Self {
        let shared = mask.n_out().is_multiple_of(GROUP)
            && (0..mask.n_out()).all(|output| mask.row(output).eq(mask.row(output - output % GROUP)));
        let mut tables = Self { rows: if shared { GROUP } else { 1 }, starts: vec![0], ..Self::default() };
        for output in (0..mask.n_out()).step_by(tables.rows) {
            // Widths are at most 65,535 (recipe), so an input's number fits.
            tables.inputs.extend(mask.row(output).map(|input| input as u16));
            tables.starts.push(tables.inputs.len() as u32);
        }
        if tables.rows == 1 {
            tables.list_by_input(mask.n_in());
        }
        tables
    }

    /// Fills the tables by input: a counting sort, which keeps the order of the outputs.
    fn list_by_input(&mut self, n_in: usize) {
        self.column_starts = vec![0; n_in + 1];
        self.inputs.iter().for_each(|&input| self.column_starts[usize::from(input) + 1] += 1);
        (0..n_in).for_each(|input| self.column_starts[input + 1] += self.column_starts[input]);
        let mut next = self.column_starts.clone();
        (self.outputs, self.places) = (vec![0; self.inputs.len()], vec![0; self.inputs.len()]);
        for (output, window) in self.starts.windows(2).enumerate() {
            for place in window[0]..window[1] {
                let at = &mut next[usize::from(self.inputs[place as usize])];
                self.outputs[*at as usize] = output as u16;
                self.places[*at as usize] = place;
                *at += 1;
            }
        }
    }
}

impl Ready<'_> {
    /// `sums = W·x + b`.
    pub(crate) fn forward(
        &self,
        kernels: ReadyTraining<'_>,
        (weights, biases): (&[f32], &[f32]),
        x: &[f32],
        width: usize,
        sums: &mut [f32],
    ) {
        match self {
            Self::Dense { n_in, n_out } => {
                for (sums, &bias) in sums.chunks_exact_mut(width).zip(biases) {
                    sums.fill(bias);
                }
                let (weights, x) = (matrix(weights, *n_out, *n_in), matrix(x, *n_in, width));
                general_mat_mul(1.0, &weights, &x, 1.0, &mut matrix_mut(sums, *n_out, width));
            }
            Self::Sparse(edges) => kernels.forward(edges, weights, biases, x, width, sums).expect(SHAPES),
        }
    }

    /// Given `delta`, the gradient of the loss by the sums: writes the gradient by the weights and biases to `by_weights` and
    /// `by_biases` and, where wanted, adds the gradient by the inputs, `Wᵀ·delta`, to `by_x`.
    pub(crate) fn backward(
        &self,
        kernels: ReadyTraining<'_>,
        weights: &[f32],
        x: &[f32],
        delta: &[f32],
        width: usize,
        into: Gradient<'_>,
    ) {
        sum_rows(delta, width, into.by_biases);
        match self {
            &Self::Dense { n_in, n_out } => {
                let (delta, x) = (matrix(delta, n_out, width), matrix(x, n_in, width));
                general_mat_mul(1.0, &delta, &x.t(), 0.0, &mut matrix_mut(into.by_weights, n_out, n_in));
                if let Some(by_x) = into.by_x {
                    let weights = matrix(weights, n_out, n_in);
                    general_mat_mul(1.0, &weights.t(), &delta, 1.0, &mut matrix_mut(by_x, n_in, width));
                }
            }
            Self::Sparse(edges) => {
                kernels.weight_gradient(edges, x, delta, width, into.by_weights).expect(SHAPES);
                if let Some(by_x) = into.by_x {
                    kernels.input_gradient(edges, weights, delta, width, by_x).expect(SHAPES);
                }
            }
        }
    }
}

/// Where [`Ready::backward`] puts its results.
pub(crate) struct Gradient<'a> {
    pub(crate) by_weights: &'a mut [f32],
    pub(crate) by_biases: &'a mut [f32],
    pub(crate) by_x: Option<&'a mut [f32]>,
}

/// The sum of each row, column after column; eight rows at a time, because one addition waits for the one before. `width` is a
/// multiple of [`COLUMNS`].
fn sum_rows(rows: &[f32], width: usize, sums: &mut [f32]) {
    for (rows, sums) in rows.chunks(8 * width).zip(sums.chunks_mut(8)) {
        let mut totals = [0.0; 8];
        for at in (0..width).step_by(COLUMNS) {
            let mut columns = [[0.0; 8]; COLUMNS];
            for (r, row) in rows.chunks_exact(width).enumerate() {
                columns.iter_mut().zip(&row[at..]).for_each(|(column, value)| column[r] = *value);
            }
            for column in columns {
                totals.iter_mut().zip(column).for_each(|(total, value)| *total += value);
            }
        }
        sums.copy_from_slice(&totals[..sums.len()]);
    }
}

const SHAPES: &str = "the network's buffers have its shapes";

fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect(SHAPES)
}

fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values).expect(SHAPES)
}
