//! The loops of every training kernel, over the lanes of an instruction set.
//!
//! Roofline, per multiply and add of a vector, batches of 64 columns. One output a group: one load of `x` (or `delta`), which
//! comes from L2 for layers of more than 128 features, so that L2 sets the pace; the sums of 64 columns stay in registers,
//! an edge's weight and index are loaded once for all of them. Eight outputs a group: an entry's row is loaded once for
//! four outputs, or all eight where there are registers, and the multiplications set the pace.
//!
//! Everything is inlined into functions that have the instruction set. Closures are not: one would be compiled without it,
//! and would call each intrinsic as a function. Hence loops.

use super::{Adam, COLUMNS, Edges, Lanes, Momentum, reference};

/// Vectors of columns that are kept in registers at once: 64 columns.
const PANEL: usize = 4;
/// Sums that are added up together.
const FOUR: usize = 4;

/// Makes the kernels of an instruction set: the loops of this file, compiled for `$feature` with the lanes `$lanes`,
/// `$at_once` outputs or edges at a time, 4 or 8, and its `$to_columns`.
macro_rules! kernels {
    ($(#[$doc:meta])* $name:ident, $isa:expr, $feature:literal, $lanes:ty, $at_once:literal, $to_columns:expr) => {
        $(#[$doc])*
        pub static $name: TrainingKernels =
            TrainingKernels { isa: $isa, to_columns: $to_columns, forward, weight_gradient, input_gradient, adam, momentum };

        #[target_feature(enable = $feature)]
        unsafe fn forward(e: &Edges<'_>, weights: &[f32], biases: &[f32], x: &[f32], width: usize, sums: &mut [f32]) {
            // SAFETY: the caller's (`Forward`).
            unsafe { body::forward::<$lanes, $at_once>(e, weights, biases, x, width, sums) }
        }

        #[target_feature(enable = $feature)]
        unsafe fn weight_gradient(e: &Edges<'_>, x: &[f32], delta: &[f32], width: usize, by_weights: &mut [f32]) {
            // SAFETY: the caller's (`WeightGradient`).
            unsafe { body::weight_gradient::<$lanes, $at_once>(e, x, delta, width, by_weights) }
        }

        #[target_feature(enable = $feature)]
        unsafe fn input_gradient(e: &Edges<'_>, weights: &[f32], delta: &[f32], width: usize, by_x: &mut [f32]) {
            // SAFETY: the caller's (`InputGradient`).
            unsafe { body::input_gradient::<$lanes, $at_once>(e, weights, delta, width, by_x) }
        }

        #[target_feature(enable = $feature)]
        unsafe fn adam(step: &Adam, gradients: &[&[f32]], p: &mut [f32], first: &mut [f32], second: &mut [f32]) {
            // SAFETY: the caller's (`AdamStep`).
            unsafe { body::adam::<$lanes>(step, gradients, p, first, second) }
        }

        #[target_feature(enable = $feature)]
        unsafe fn momentum(step: &Momentum, gradients: &[&[f32]], p: &mut [f32], velocity: &mut [f32]) {
            // SAFETY: the caller's (`MomentumStep`).
            unsafe { body::momentum::<$lanes>(step, gradients, p, velocity) }
        }
    };
}
pub(crate) use kernels;

/// `$pass` over all columns, in panels of 64 as long as there are so many, then of 16; `$column` is a panel's first.
macro_rules! panels {
    ($width:expr, $column:ident, $pass:ident::<$lanes:ty>($($argument:expr),+)) => {{
        let mut $column = 0;
        while $column + PANEL * COLUMNS <= $width {
            $pass::<$lanes, PANEL>($($argument),+);
            $column += PANEL * COLUMNS;
        }
        while $column < $width {
            $pass::<$lanes, 1>($($argument),+);
            $column += COLUMNS;
        }
    }};
}

/// # Safety
/// As for [`super::Forward`], with the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn forward<V: Lanes, const R: usize>(
    edges: &Edges<'_>,
    weights: &[f32],
    biases: &[f32],
    x: &[f32],
    width: usize,
    sums: &mut [f32],
) {
    let rows = edges.rows();
    for (g, (first, inputs)) in edges.groups().enumerate() {
        // SAFETY: the lengths that `ReadyTraining::forward` checked: each group has `rows` biases and rows of sums, each of
        // its entries `rows` weights; `Edges` has inputs below n_in.
        unsafe {
            let (weights, biases) = (weights.as_ptr().add(first * rows), biases.as_ptr().add(g * rows));
            let sums = sums.as_mut_ptr().add(g * rows * width);
            if rows == 1 {
                forward_row::<V>(inputs, weights, *biases, x.as_ptr(), width, sums);
            } else {
                for column in (0..width).step_by(COLUMNS) {
                    for r in (0..rows).step_by(R) {
                        let to = sums.add(r * width + column);
                        let (weights, biases) = (weights.add(r), biases.add(r));
                        forward_rows::<V, R>(inputs, weights, rows, biases, x.as_ptr().add(column), width, to);
                    }
                }
            }
        }
    }
}

/// Pseudo-code: for each panel of columns: acc = bias; for each edge: acc += weight · x[input]; store.
///
/// # Safety
/// As for [`forward`]; the pointers are those of one output.
#[inline(always)]
unsafe fn forward_row<V: Lanes>(
    inputs: &[u16],
    weights: *const f32,
    bias: f32,
    x: *const f32,
    width: usize,
    sums: *mut f32,
) {
    // SAFETY: the caller's; columns up to `width`, a multiple of `COLUMNS`.
    unsafe {
        panels!(width, column, forward_panel::<V>(inputs, weights, bias, x.add(column), width, sums.add(column)))
    };
}

/// # Safety
/// As for [`forward_row`]; the pointers are moved on by the panel's first column.
#[inline(always)]
unsafe fn forward_panel<V: Lanes, const P: usize>(
    inputs: &[u16],
    weights: *const f32,
    bias: f32,
    x: *const f32,
    width: usize,
    sums: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [V::splat(bias); P];
        for (k, &input) in inputs.iter().enumerate() {
            add_scaled(&mut acc, V::splat(*weights.add(k)), x.add(usize::from(input) * width));
        }
        for (p, acc) in acc.into_iter().enumerate() {
            acc.store(sums.add(p * COLUMNS));
        }
    }
}

/// `acc += factor · values`
///
/// # Safety
/// `values` reaches over P · 16 f32.
#[inline(always)]
unsafe fn add_scaled<V: Lanes, const P: usize>(acc: &mut [V; P], factor: V, values: *const f32) {
    for (p, acc) in acc.iter_mut().enumerate() {
        // SAFETY: the caller's.
        unsafe { *acc = acc.add(factor.mul(V::load(values.add(p * COLUMNS)))) };
    }
}

/// R outputs and 16 columns: acc[r] = biases[r]; for each entry: acc[r] += weights[r] · x[input]; store.
///
/// # Safety
/// As for [`forward`]; the pointers are those of the first of R outputs and of the columns.
#[inline(always)]
unsafe fn forward_rows<V: Lanes, const R: usize>(
    inputs: &[u16],
    weights: *const f32,
    rows: usize,
    biases: *const f32,
    x: *const f32,
    width: usize,
    sums: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [V::splat(0.0); R];
        for (r, acc) in acc.iter_mut().enumerate() {
            *acc = V::splat(*biases.add(r));
        }
        for (k, &input) in inputs.iter().enumerate() {
            let (x, weights) = (V::load(x.add(usize::from(input) * width)), weights.add(k * rows));
            for (r, acc) in acc.iter_mut().enumerate() {
                *acc = acc.add(V::splat(*weights.add(r)).mul(x));
            }
        }
        for (r, acc) in acc.into_iter().enumerate() {
            acc.store(sums.add(r * width));
        }
    }
}

/// # Safety
/// As for [`super::InputGradient`], with the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn input_gradient<V: Lanes, const R: usize>(
    edges: &Edges<'_>,
    weights: &[f32],
    delta: &[f32],
    width: usize,
    by_x: &mut [f32],
) {
    // SAFETY: the lengths that `ReadyTraining::input_gradient` checked, and the indices that `Edges` did.
    unsafe {
        if edges.rows() == 1 {
            for (input, (outputs, places)) in edges.columns().enumerate() {
                let by_x = by_x.as_mut_ptr().add(input * width);
                gather_input::<V>(outputs, places, weights.as_ptr(), delta.as_ptr(), width, by_x);
            }
        } else {
            for column in (0..width).step_by(COLUMNS) {
                scatter_groups::<V, R>(
                    edges,
                    weights.as_ptr(),
                    delta.as_ptr().add(column),
                    width,
                    by_x.as_mut_ptr().add(column),
                );
            }
        }
    }
}

/// Pseudo-code: for each panel of columns: acc = by_x; for each edge of the input: acc += weight · delta[output]; store.
///
/// # Safety
/// As for [`input_gradient`]; `by_x` is the row of the input.
#[inline(always)]
unsafe fn gather_input<V: Lanes>(
    outputs: &[u16],
    places: &[u32],
    weights: *const f32,
    delta: *const f32,
    width: usize,
    by_x: *mut f32,
) {
    // SAFETY: the caller's; columns up to `width`, a multiple of `COLUMNS`.
    unsafe {
        panels!(width, column, gather_panel::<V>(outputs, places, weights, delta.add(column), width, by_x.add(column)))
    };
}

/// # Safety
/// As for [`gather_input`]; the pointers are moved on by the panel's first column.
#[inline(always)]
unsafe fn gather_panel<V: Lanes, const P: usize>(
    outputs: &[u16],
    places: &[u32],
    weights: *const f32,
    delta: *const f32,
    width: usize,
    by_x: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [V::splat(0.0); P];
        for (p, acc) in acc.iter_mut().enumerate() {
            *acc = V::load(by_x.add(p * COLUMNS));
        }
        for (&output, &place) in outputs.iter().zip(places) {
            let weight = V::splat(*weights.add(place as usize));
            add_scaled(&mut acc, weight, delta.add(usize::from(output) * width));
        }
        for (p, acc) in acc.into_iter().enumerate() {
            acc.store(by_x.add(p * COLUMNS));
        }
    }
}

/// Pseudo-code, 16 columns: for each group and R of its outputs: d[r] = delta[r]; for each entry: by_x[input] +=
/// weights[r] · d[r], one r after the other.
///
/// # Safety
/// As for [`input_gradient`]; `delta` and `by_x` are moved on by the first column.
#[inline(always)]
unsafe fn scatter_groups<V: Lanes, const R: usize>(
    edges: &Edges<'_>,
    weights: *const f32,
    delta: *const f32,
    width: usize,
    by_x: *mut f32,
) {
    let rows = edges.rows();
    for (g, (first, inputs)) in edges.groups().enumerate() {
        for at in (0..rows).step_by(R) {
            // SAFETY: the caller's.
            unsafe {
                let mut d = [V::splat(0.0); R];
                for (r, d) in d.iter_mut().enumerate() {
                    *d = V::load(delta.add((g * rows + at + r) * width));
                }
                for (k, &input) in inputs.iter().enumerate() {
                    let (weights, by_x) = (weights.add((first + k) * rows + at), by_x.add(usize::from(input) * width));
                    let mut acc = V::load(by_x);
                    for (r, d) in d.into_iter().enumerate() {
                        acc = acc.add(V::splat(*weights.add(r)).mul(d));
                    }
                    acc.store(by_x);
                }
            }
        }
    }
}

/// # Safety
/// As for [`super::WeightGradient`], with the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn weight_gradient<V: Lanes, const R: usize>(
    edges: &Edges<'_>,
    x: &[f32],
    delta: &[f32],
    width: usize,
    by_weights: &mut [f32],
) {
    let rows = edges.rows();
    for (g, (first, inputs)) in edges.groups().enumerate() {
        // SAFETY: the lengths that `ReadyTraining::weight_gradient` checked, and the indices that `Edges` did.
        unsafe {
            let delta = delta.as_ptr().add(g * rows * width);
            let by_weights = by_weights.as_mut_ptr().add(first * rows);
            if rows == 1 {
                gradient_row::<V, R>(inputs, x.as_ptr(), delta, width, by_weights);
            } else {
                for (k, &input) in inputs.iter().enumerate() {
                    let x = x.as_ptr().add(usize::from(input) * width);
                    for r in (0..rows).step_by(R) {
                        let mut d = [delta; R];
                        for (k, d) in d.iter_mut().enumerate() {
                            *d = delta.add((r + k) * width);
                        }
                        V::store_sums(dots::<V, R>(d, x, width), by_weights.add(k * rows + r));
                    }
                }
            }
        }
    }
}

/// R edges of an output at a time, then four, so that their sums are added up together.
///
/// # Safety
/// As for [`weight_gradient`]; `delta` and `by_weights` are the output's.
#[inline(always)]
unsafe fn gradient_row<V: Lanes, const R: usize>(
    inputs: &[u16],
    x: *const f32,
    delta: *const f32,
    width: usize,
    by_weights: *mut f32,
) {
    let (whole, rest) = inputs.as_chunks::<R>();
    let (fours, rest) = rest.as_chunks::<FOUR>();
    // SAFETY: the caller's.
    unsafe {
        for (k, inputs) in whole.iter().enumerate() {
            V::store_sums(dots::<V, R>(rows_of(x, inputs, width), delta, width), by_weights.add(k * R));
        }
        let by_weights = by_weights.add(whole.len() * R);
        for (k, inputs) in fours.iter().enumerate() {
            V::store_sums(dots::<V, FOUR>(rows_of(x, inputs, width), delta, width), by_weights.add(k * FOUR));
        }
        let by_weights = by_weights.add(fours.len() * FOUR);
        for (k, input) in rest.iter().enumerate() {
            let zero = V::splat(0.0).half();
            let [one] = dots::<V, 1>(rows_of(x, &[*input], width), delta, width);
            let [sum, ..] = V::sums([one.half(), zero, zero, zero]);
            *by_weights.add(k) = sum;
        }
    }
}

/// Where the rows of inputs begin.
///
/// # Safety
/// `x` has such rows.
#[inline(always)]
unsafe fn rows_of<const N: usize>(x: *const f32, inputs: &[u16; N], width: usize) -> [*const f32; N] {
    let mut rows = [x; N];
    for (row, input) in rows.iter_mut().zip(inputs) {
        // SAFETY: the caller's.
        *row = unsafe { x.add(usize::from(*input) * width) };
    }
    rows
}

/// The dot products of N rows of columns with one, as sums that are still to be added up.
///
/// # Safety
/// All rows reach over `width` f32, a multiple of `COLUMNS`.
#[inline(always)]
unsafe fn dots<V: Lanes, const N: usize>(rows: [*const f32; N], with: *const f32, width: usize) -> [V; N] {
    // SAFETY: the caller's.
    unsafe {
        let mut acc = [V::splat(0.0); N];
        for column in (0..width).step_by(COLUMNS) {
            let with = V::load(with.add(column));
            for (acc, row) in acc.iter_mut().zip(&rows) {
                *acc = acc.add(V::load(row.add(column)).mul(with));
            }
        }
        acc
    }
}

/// The sum of the gradients of 16 parameters.
///
/// # Safety
/// Each gradient reaches over `at + 16` values.
#[inline(always)]
unsafe fn sum<V: Lanes>(gradients: &[&[f32]], at: usize) -> V {
    // SAFETY: the caller's.
    unsafe {
        let Some((first, rest)) = gradients.split_first() else { return V::splat(0.0) };
        let mut sum = V::load(first.as_ptr().add(at));
        for gradient in rest {
            sum = sum.add(V::load(gradient.as_ptr().add(at)));
        }
        sum
    }
}

/// # Safety
/// As for [`super::AdamStep`], with the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn adam<V: Lanes>(
    step: &Adam,
    gradients: &[&[f32]],
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let whole = parameters.len() / COLUMNS * COLUMNS;
    // SAFETY: all slices have the parameters' length (`ReadyTraining::adam`), of which `whole` is no more.
    unsafe {
        let (p, m, v) = (parameters.as_mut_ptr(), first.as_mut_ptr(), second.as_mut_ptr());
        let (rate, epsilon, l2) = (V::splat(step.rate), V::splat(step.epsilon), V::splat(step.l2));
        let (beta1, rest1) = (V::splat(step.beta1), V::splat(1.0 - step.beta1));
        let (beta2, rest2) = (V::splat(step.beta2), V::splat(1.0 - step.beta2));
        for at in (0..whole).step_by(COLUMNS) {
            let old = V::load(p.add(at));
            let g = sum::<V>(gradients, at).add(l2.mul(old));
            let m_new = beta1.mul(V::load(m.add(at))).add(rest1.mul(g));
            let v_new = beta2.mul(V::load(v.add(at))).add(rest2.mul(g).mul(g));
            m_new.store(m.add(at));
            v_new.store(v.add(at));
            old.sub(rate.mul(m_new).div(v_new.sqrt().add(epsilon))).store(p.add(at));
        }
    }
    reference::adam_from(whole, step, gradients, parameters, first, second);
}

/// # Safety
/// As for [`super::MomentumStep`], with the instruction set of `V`.
#[inline(always)]
pub(crate) unsafe fn momentum<V: Lanes>(
    step: &Momentum,
    gradients: &[&[f32]],
    parameters: &mut [f32],
    velocity: &mut [f32],
) {
    let whole = parameters.len() / COLUMNS * COLUMNS;
    // SAFETY: all slices have the parameters' length (`ReadyTraining::momentum`), of which `whole` is no more.
    unsafe {
        let (p, m) = (parameters.as_mut_ptr(), velocity.as_mut_ptr());
        let (rate, mu, l2) = (V::splat(step.rate), V::splat(step.momentum), V::splat(step.l2));
        for at in (0..whole).step_by(COLUMNS) {
            let old = V::load(p.add(at));
            let g = sum::<V>(gradients, at).add(l2.mul(old));
            let m_new = mu.mul(V::load(m.add(at))).add(g);
            m_new.store(m.add(at));
            old.sub(rate.mul(m_new)).store(p.add(at));
        }
    }
    reference::momentum_from(whole, step, gradients, parameters, velocity);
}
