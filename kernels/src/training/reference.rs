//! The specification: plain loops. Each rounding and its order is part of it.

use super::{Adam, COLUMNS, Edges, Momentum, TrainingKernels};
use crate::isa::Isa;

/// The reference as kernels on the list.
pub static KERNELS: TrainingKernels = TrainingKernels {
    isa: Isa::Scalar,
    to_columns: |samples, width, x| to_columns(samples, width, x),
    forward: |edges, weights, biases, x, width, sums| forward(edges, weights, biases, x, width, sums),
    weight_gradient: |edges, x, delta, width, by_weights| weight_gradient(edges, x, delta, width, by_weights),
    input_gradient: |edges, weights, delta, width, by_x| input_gradient(edges, weights, delta, width, by_x),
    adam: |step, gradients, parameters, first, second| adam(step, gradients, parameters, first, second),
    momentum: |step, gradients, parameters, velocity| momentum(step, gradients, parameters, velocity),
};

/// `x[feature][column] = samples[column][feature]`, 0 where there is no such sample.
pub fn to_columns(samples: &[&[f32]], width: usize, x: &mut [f32]) {
    to_columns_from(0, samples, width, x);
}

/// The same for the features from `from` on.
pub(crate) fn to_columns_from(from: usize, samples: &[&[f32]], width: usize, x: &mut [f32]) {
    for (feature, row) in x.chunks_exact_mut(width).enumerate().skip(from) {
        row.fill(0.0);
        for (x, sample) in row.iter_mut().zip(samples) {
            *x = sample.get(feature).copied().unwrap_or_default();
        }
    }
}

/// A row of columns.
fn row(values: &[f32], row: usize, width: usize) -> &[f32] {
    values.get(row * width..(row + 1) * width).unwrap_or_default()
}

fn row_mut(values: &mut [f32], row: usize, width: usize) -> &mut [f32] {
    values.get_mut(row * width..(row + 1) * width).unwrap_or_default()
}

/// The edges of output `r` of a group: the input and the number of the weight.
fn edges_of(first: usize, inputs: &[u16], rows: usize, r: usize) -> impl Iterator<Item = (usize, usize)> {
    inputs.iter().enumerate().map(move |(k, &input)| (usize::from(input), (first + k) * rows + r))
}

/// `sums = b`, then `+ w·x`, edge after edge.
pub fn forward(edges: &Edges<'_>, weights: &[f32], biases: &[f32], x: &[f32], width: usize, sums: &mut [f32]) {
    let mut outputs = sums.chunks_exact_mut(width).zip(biases);
    for (first, inputs) in edges.groups() {
        for (r, (sums, &bias)) in outputs.by_ref().take(edges.rows()).enumerate() {
            sums.fill(bias);
            for (input, place) in edges_of(first, inputs, edges.rows(), r) {
                let weight = weights.get(place).copied().unwrap_or_default();
                sums.iter_mut().zip(row(x, input, width)).for_each(|(sum, x)| *sum += weight * x);
            }
        }
    }
}

/// `by_x += w·delta`, output after output, edge after edge.
pub fn input_gradient(edges: &Edges<'_>, weights: &[f32], delta: &[f32], width: usize, by_x: &mut [f32]) {
    let mut outputs = delta.chunks_exact(width);
    for (first, inputs) in edges.groups() {
        for (r, delta) in outputs.by_ref().take(edges.rows()).enumerate() {
            for (input, place) in edges_of(first, inputs, edges.rows(), r) {
                let weight = weights.get(place).copied().unwrap_or_default();
                row_mut(by_x, input, width).iter_mut().zip(delta).for_each(|(by_x, delta)| *by_x += weight * delta);
            }
        }
    }
}

/// The product of an input's row and an output's row of `delta`: sixteen running sums, the columns taking turns; then
/// halves are added, 8 + 8, 4 + 4, 2 + 2, 1 + 1.
pub fn weight_gradient(edges: &Edges<'_>, x: &[f32], delta: &[f32], width: usize, by_weights: &mut [f32]) {
    let mut outputs = delta.chunks_exact(width);
    for (first, inputs) in edges.groups() {
        for (r, delta) in outputs.by_ref().take(edges.rows()).enumerate() {
            for (input, place) in edges_of(first, inputs, edges.rows(), r) {
                if let Some(by_weight) = by_weights.get_mut(place) {
                    *by_weight = dot(row(x, input, width), delta);
                }
            }
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; COLUMNS];
    for (a, b) in a.as_chunks::<COLUMNS>().0.iter().zip(b.as_chunks::<COLUMNS>().0) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let mut sums = sums.as_mut_slice();
    while sums.len() > 1 {
        let (low, high) = sums.split_at_mut(sums.len() / 2);
        low.iter_mut().zip(&*high).for_each(|(low, high)| *low += *high);
        sums = low;
    }
    sums.first().copied().unwrap_or_default()
}

/// The sum over the gradients of parameter `k`, one after the other.
fn sum(gradients: &[&[f32]], k: usize) -> f32 {
    let mut of_k = gradients.iter().filter_map(|gradient| gradient.get(k).copied());
    let first = of_k.next().unwrap_or_default();
    of_k.fold(first, |sum, gradient| sum + gradient)
}

/// [`Adam`] as its documentation writes it, from left to right.
pub fn adam(step: &Adam, gradients: &[&[f32]], parameters: &mut [f32], first: &mut [f32], second: &mut [f32]) {
    adam_from(0, step, gradients, parameters, first, second);
}

/// The same for the parameters from `from` on: what is left of a vector.
pub(super) fn adam_from(
    from: usize,
    step: &Adam,
    gradients: &[&[f32]],
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let moments = first.iter_mut().zip(second);
    for (k, (p, (m, v))) in parameters.iter_mut().zip(moments).enumerate().skip(from) {
        let g = sum(gradients, k) + step.l2 * *p;
        *m = step.beta1 * *m + (1.0 - step.beta1) * g;
        *v = step.beta2 * *v + (1.0 - step.beta2) * g * g;
        *p -= step.rate * *m / (v.sqrt() + step.epsilon);
    }
}

/// [`Momentum`] as its documentation writes it, from left to right.
pub fn momentum(step: &Momentum, gradients: &[&[f32]], parameters: &mut [f32], velocity: &mut [f32]) {
    momentum_from(0, step, gradients, parameters, velocity);
}

/// The same for the parameters from `from` on.
pub(super) fn momentum_from(
    from: usize,
    step: &Momentum,
    gradients: &[&[f32]],
    parameters: &mut [f32],
    velocity: &mut [f32],
) {
    for (k, (p, m)) in parameters.iter_mut().zip(velocity).enumerate().skip(from) {
        let g = sum(gradients, k) + step.l2 * *p;
        *m = step.momentum * *m + g;
        *p -= step.rate * *m;
    }
}
