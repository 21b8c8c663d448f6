//! The mathematics of one junction on a shard of a batch: forward, weight gradient, input gradient.
//!
//! Everything is stored feature by feature: `x[feature · width + sample]`, `width` samples to a shard, a multiple of
//! [`LANES`]. A nonzero then costs one vector operation over neighbouring samples, whatever its place in the mask, and
//! the zeros of the mask cost nothing. Weights are the nonzeros only, row by row (one row per output, inputs
//! ascending). A junction without zeros needs no indices and goes through dense matrix products instead.

use lacewing_models::Mask;
use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

/// Samples handled by one pass of an inner loop; widths of shards are multiples of it.
pub(crate) const LANES: usize = 32;

/// Where a junction's weights stand. The weights themselves are kept by [`crate::parameters::Parameters`].
#[derive(Debug)]
pub(crate) struct Junction {
    /// `[n_out, n_in]`
    shape: [usize; 2],
    edges: Edges,
}

#[derive(Debug)]
enum Edges {
    /// All of them: the weights are the `n_out × n_in` matrix, row by row.
    Dense,
    /// Row `o` holds nonzeros `starts[o]..starts[o + 1]`; `inputs[k] < n_in` for each.
    Sparse { starts: Vec<usize>, inputs: Vec<u16> },
}

impl Junction {
    pub(crate) fn new(mask: &Mask) -> Self {
        let (n_in, n_out) = (mask.n_in(), mask.n_out());
        if mask.nnz() == n_in * n_out {
            return Self { shape: [n_out, n_in], edges: Edges::Dense };
        }
        let mut starts = vec![0];
        let mut inputs = Vec::with_capacity(mask.nnz());
        for output in 0..n_out {
            // Widths are at most 65,535 (recipe), so an input's number fits.
            inputs.extend(mask.row(output).map(|input| input as u16));
            starts.push(inputs.len());
        }
        Self { shape: [n_out, n_in], edges: Edges::Sparse { starts, inputs } }
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
        match &self.edges {
            Edges::Dense => self.n_in() * self.n_out(),
            Edges::Sparse { inputs, .. } => inputs.len(),
        }
    }

    /// Where row `output`'s weights are.
    pub(crate) fn row(&self, output: usize) -> core::ops::Range<usize> {
        match &self.edges {
            Edges::Dense => output * self.n_in()..(output + 1) * self.n_in(),
            Edges::Sparse { starts, .. } => starts[output]..starts[output + 1],
        }
    }

    /// The input that weight `k` of row `output` reads.
    pub(crate) fn input(&self, output: usize, k: usize) -> usize {
        match &self.edges {
            Edges::Dense => k - output * self.n_in(),
            Edges::Sparse { inputs, .. } => usize::from(inputs[k]),
        }
    }

    /// `sums = W·x + b`.
    pub(crate) fn forward(&self, weights: &[f32], biases: &[f32], x: &[f32], width: usize, sums: &mut [f32]) {
        match &self.edges {
            Edges::Dense => {
                for (sums, &bias) in sums.chunks_exact_mut(width).zip(biases) {
                    sums.fill(bias);
                }
                let (weights, x) = (matrix(weights, self.n_out(), self.n_in()), matrix(x, self.n_in(), width));
                general_mat_mul(1.0, &weights, &x, 1.0, &mut matrix_mut(sums, self.n_out(), width));
            }
            Edges::Sparse { starts, inputs } => {
                let x = x.as_chunks::<LANES>().0;
                for (o, sums) in sums.chunks_exact_mut(width).enumerate() {
                    let row = starts[o]..starts[o + 1];
                    forward_row(&inputs[row.clone()], &weights[row], biases[o], x, sums.as_chunks_mut::<LANES>().0);
                }
            }
        }
    }

    /// Given `delta`, the gradient of the loss by the sums: adds the gradient by the weights and biases to `by_weights` and
    /// `by_biases` and, where wanted, the gradient by the inputs, `Wᵀ·delta`, to `by_x`.
    pub(crate) fn backward(&self, weights: &[f32], x: &[f32], delta: &[f32], width: usize, into: Gradient<'_>) {
        for (by_bias, delta) in into.by_biases.iter_mut().zip(delta.chunks_exact(width)) {
            *by_bias += delta.iter().sum::<f32>();
        }
        match &self.edges {
            Edges::Dense => {
                let delta = matrix(delta, self.n_out(), width);
                let x = matrix(x, self.n_in(), width);
                general_mat_mul(1.0, &delta, &x.t(), 1.0, &mut matrix_mut(into.by_weights, self.n_out(), self.n_in()));
                if let Some(by_x) = into.by_x {
                    let weights = matrix(weights, self.n_out(), self.n_in());
                    general_mat_mul(1.0, &weights.t(), &delta, 1.0, &mut matrix_mut(by_x, self.n_in(), width));
                }
            }
            Edges::Sparse { starts, inputs } => {
                let x = x.as_chunks::<LANES>().0;
                let mut by_x = into.by_x;
                for (o, delta) in delta.chunks_exact(width).enumerate() {
                    let (row, delta) = (starts[o]..starts[o + 1], delta.as_chunks::<LANES>().0);
                    weight_gradient_row(&inputs[row.clone()], x, delta, &mut into.by_weights[row.clone()]);
                    if let Some(by_x) = by_x.as_deref_mut() {
                        let by_x = by_x.as_chunks_mut::<LANES>().0;
                        input_gradient_row(&inputs[row.clone()], &weights[row], delta, by_x);
                    }
                }
            }
        }
    }
}

/// Where [`Junction::backward`] adds its results.
pub(crate) struct Gradient<'a> {
    pub(crate) by_weights: &'a mut [f32],
    pub(crate) by_biases: &'a mut [f32],
    pub(crate) by_x: Option<&'a mut [f32]>,
}

fn forward_row(inputs: &[u16], weights: &[f32], bias: f32, x: &[[f32; LANES]], sums: &mut [[f32; LANES]]) {
    let chunks = sums.len();
    for (c, sums) in sums.iter_mut().enumerate() {
        let mut sum = [bias; LANES];
        for (&input, &weight) in inputs.iter().zip(weights) {
            add_scaled(&mut sum, weight, &x[usize::from(input) * chunks + c]);
        }
        *sums = sum;
    }
}

fn weight_gradient_row(inputs: &[u16], x: &[[f32; LANES]], delta: &[[f32; LANES]], by_weights: &mut [f32]) {
    // Two loops, because in a single one the compiler keeps the running sums in half-filled registers.
    const GROUP: usize = 32;
    let mut sums = [[0.0; PARTIAL]; GROUP];
    let chunks = delta.len();
    for (inputs, by_weights) in inputs.chunks(GROUP).zip(by_weights.chunks_mut(GROUP)) {
        for (&input, sums) in inputs.iter().zip(&mut sums) {
            let first = usize::from(input) * chunks;
            *sums = partial_dot(delta, &x[first..first + chunks]);
        }
        for (sums, by_weight) in sums.iter().zip(by_weights) {
            *by_weight += fold(sums);
        }
    }
}

fn input_gradient_row(inputs: &[u16], weights: &[f32], delta: &[[f32; LANES]], by_x: &mut [[f32; LANES]]) {
    let chunks = delta.len();
    for (c, delta) in delta.iter().enumerate() {
        for (&input, &weight) in inputs.iter().zip(weights) {
            add_scaled(&mut by_x[usize::from(input) * chunks + c], weight, delta);
        }
    }
}

fn add_scaled(to: &mut [f32; LANES], factor: f32, x: &[f32; LANES]) {
    for (to, x) in to.iter_mut().zip(x) {
        *to += factor * x;
    }
}

/// Running sums of a dot product.
const PARTIAL: usize = 8;

/// A dot product as [`PARTIAL`] sums that are still to be added up: a fixed order of additions, which the compiler may
/// keep in vector registers of any length without changing a bit of the result.
fn partial_dot(a: &[[f32; LANES]], b: &[[f32; LANES]]) -> [f32; PARTIAL] {
    let (mut even, mut odd) = ([0.0; PARTIAL], [0.0; PARTIAL]);
    for (a, b) in pairs(a).iter().zip(pairs(b)) {
        for k in 0..PARTIAL {
            even[k] += a[k] * b[k];
            odd[k] += a[k + PARTIAL] * b[k + PARTIAL];
        }
    }
    core::array::from_fn(|k| even[k] + odd[k])
}

fn pairs(values: &[[f32; LANES]]) -> &[[f32; 2 * PARTIAL]] {
    values.as_flattened().as_chunks().0
}

fn fold(sums: &[f32; PARTIAL]) -> f32 {
    let four: [f32; 4] = core::array::from_fn(|k| sums[k] + sums[k + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), values).expect("the network's buffers have its shapes")
}

fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), values).expect("the network's buffers have its shapes")
}
