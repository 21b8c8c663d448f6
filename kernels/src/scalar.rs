//! The scalar reference: the specification of every packing, on every target. Plain loops, never optimised.
//!
//! Each function computes `y[o] = act(b[o] + Σ w·x[i])` over the stored edges of output `o`, in stored order, one
//! multiplication and one addition an edge. Input-major ones leave out the edges of inputs that are exactly zero.
//!
//! Lengths of chunks are proven to be above 0; `max(1)` tells the compiler, which would link a panic otherwise.

use crate::bytes::groups_of_4;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, NMInputs, NMRow, Packing, above_zero};
use crate::spilled;

/// `dense_f32_1x1`
pub static DENSE: Kernel = Kernel::new("dense_f32_1x1", Isa::Scalar, Accepts::Dense, dense);
/// `rows8_f32_1x1`
pub static ROWS8: Kernel = Kernel::new("rows8_f32_1x1", Isa::Scalar, Accepts::Rows(IndexWidth::Delta8), rows);
/// `rows16_f32_1x1`
pub static ROWS16: Kernel = Kernel::new("rows16_f32_1x1", Isa::Scalar, Accepts::Rows(IndexWidth::Absolute16), rows);
/// `csr8_f32_1x1`
pub static CSR8: Kernel = Kernel::new("csr8_f32_1x1", Isa::Scalar, Accepts::Csr(IndexWidth::Delta8), rows);
/// `csr16_f32_1x1`
pub static CSR16: Kernel = Kernel::new("csr16_f32_1x1", Isa::Scalar, Accepts::Csr(IndexWidth::Absolute16), rows);
/// `block_f32_1x1`
pub static BLOCK: Kernel = Kernel::new("block_f32_1x1", Isa::Scalar, Accepts::AnyBlock, block);
/// `nm_f32_1x1`
pub static NM: Kernel = Kernel::new("nm_f32_1x1", Isa::Scalar, Accepts::AnyNM, nm);
/// `nm_lanes_f32_1x1`
pub static NM_LANES: Kernel = Kernel::new("nm_lanes_f32_1x1", Isa::Scalar, Accepts::AnyNMLanes, nm_lanes);
/// `windows_f32_1x1`
pub static WINDOWS: Kernel = Kernel::new("windows_f32_1x1", Isa::Scalar, Accepts::AnyWindows, windows);
/// `dense_input_major_f32_1x1`
pub static DENSE_INPUT_MAJOR: Kernel =
    Kernel::new("dense_input_major_f32_1x1", Isa::Scalar, Accepts::DenseInputMajor, dense_input_major);
/// `input_major8_f32_1x1`
pub static INPUT_MAJOR8: Kernel =
    Kernel::new("input_major8_f32_1x1", Isa::Scalar, Accepts::InputMajor(IndexWidth::Delta8), input_major);
/// `input_major16_f32_1x1`
pub static INPUT_MAJOR16: Kernel =
    Kernel::new("input_major16_f32_1x1", Isa::Scalar, Accepts::InputMajor(IndexWidth::Absolute16), input_major);

/// `values[at]`, without the check.
///
/// # Safety
/// `at < values.len()`.
unsafe fn at<T: Copy>(values: &[T], at: usize) -> T {
    debug_assert!(at < values.len());
    // SAFETY: the caller's.
    unsafe { *values.get_unchecked(at) }
}

/// # Safety
/// As for every kernel (`RunF32`); packing dense.
pub(crate) unsafe fn dense(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    for ((o, y), row) in y.iter_mut().enumerate().zip(j.weights().chunks_exact(j.n_in().max(1))) {
        let mut sum = j.bias(o);
        for (w, x) in row.iter().zip(x) {
            sum += f32::from_le_bytes(*w) * x;
        }
        *y = j.activation().of(sum);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing rows or csr.
pub(crate) unsafe fn rows(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let index = match j.packing() {
        Packing::Rows { index, .. } | Packing::Csr { index } => *index,
        _ => return,
    };
    let mut edge = 0;
    for (o, y) in y.iter_mut().enumerate() {
        let in_degree = match j.packing() {
            Packing::Rows { in_degree, .. } => *in_degree,
            // SAFETY: csr has a count for each of the n_out rows.
            _ => u16::from_le_bytes(unsafe { at(j.counts(), o) }),
        };
        let mut sum = j.bias(o);
        let mut input = 0;
        for _ in 0..in_degree {
            // SAFETY: Junction::new proved one weight and one index entry for each edge of each row, and that the input
            // an entry gives is below n_in, which is x's length.
            unsafe {
                input = match index {
                    IndexWidth::Delta8 => input + usize::from(at(j.index8(), edge)),
                    IndexWidth::Absolute16 => usize::from(u16::from_le_bytes(at(j.index16(), edge))),
                };
                sum += f32::from_le_bytes(at(j.weights(), edge)) * at(x, input);
            }
            edge += 1;
        }
        *y = j.activation().of(sum);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing block.
pub(crate) unsafe fn block(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Block { rows, cols, blocks } = *j.packing() else { return };
    let (rows, cols) = (usize::from(rows), usize::from(cols));
    let mut first_block = 0;
    for (row_block, y) in y.chunks_mut(rows.max(1)).enumerate() {
        let count = match blocks {
            // SAFETY: without a constant number there is a count for each row block.
            0 => u16::from_le_bytes(unsafe { at(j.counts(), row_block) }),
            constant => constant,
        };
        for (r, y) in y.iter_mut().enumerate() {
            let mut sum = j.bias(row_block * rows + r);
            for b in first_block..first_block + usize::from(count) {
                // SAFETY: Junction::new proved one index entry a block, rows·cols weights a block, and that a block's
                // inputs end at or below n_in, which is x's length.
                unsafe {
                    let input = usize::from(u16::from_le_bytes(at(j.index16(), b)));
                    for c in 0..cols {
                        sum += f32::from_le_bytes(at(j.weights(), (b * cols + c) * rows + r)) * at(x, input + c);
                    }
                }
            }
            *y = j.activation().of(sum);
        }
        first_block += usize::from(count);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing N:M.
unsafe fn nm(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NM { n, m } = *j.packing() else { return };
    let (n, m) = (usize::from(n), usize::from(m));
    let row = NMRow::new(j.n_in(), n, m);
    let rows = j.weights().chunks_exact(row.in_degree.max(1)).zip(j.index8().chunks_exact(row.position_bytes.max(1)));
    for ((o, y), (weights, positions)) in y.iter_mut().enumerate().zip(rows) {
        let mut sum = j.bias(o);
        let mut inputs = NMInputs::new(row, n, m, positions);
        for w in weights {
            // SAFETY: Junction::new proved that every position lies within its page and its page within n_in, x's length.
            sum += f32::from_le_bytes(*w) * unsafe { at(x, inputs.next()) };
        }
        *y = j.activation().of(sum);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing N:M for registers.
unsafe fn nm_lanes(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let (bits, per_word) = Packing::slots(m);
    let (n, m, lanes) = (above_zero(n.into()), usize::from(m), above_zero(lanes.into()));
    let row = NMRow::new(j.n_in(), n, m);
    let words = row.in_degree.div_ceil(per_word);
    for (o, y) in y.iter_mut().enumerate() {
        let (group, lane) = (o / lanes, o % lanes);
        let mut sum = j.bias(o);
        for k in 0..row.in_degree {
            let page = (k / n).min(row.whole_pages);
            // SAFETY: Junction::new proved a weight and a position for each step and lane of each group, and that every
            // position lies within its page and its page within n_in, x's length.
            unsafe {
                let word = u32::from_le_bytes(at(j.index32(), (group * words + k / per_word) * lanes + lane));
                let position = (word >> (k % per_word * bits)) as usize % (1 << bits);
                let weight = f32::from_le_bytes(at(j.weights(), (group * row.in_degree + k) * lanes + lane));
                sum += weight * at(x, page * m + position);
            }
        }
        *y = j.activation().of(sum);
    }
}

/// # Safety
/// As for every kernel (`RunF32`); packing windows.
unsafe fn windows(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::Windows { lanes, width, steps: each } = *j.packing() else { return };
    let (bits, per_word) = Packing::slots(width);
    let lanes = above_zero(lanes.into());
    let index = j.windows_index();
    let words = groups_of_4(index.words);
    let (mut first_step, mut first_word) = (0, 0);
    for (count, order) in j.counts().iter().zip(index.order.chunks(lanes)) {
        let steps = usize::from(u16::from_le_bytes(*count));
        for (lane, output) in order.iter().enumerate() {
            let output = usize::from(u16::from_le_bytes(*output));
            let mut sum = j.bias(output);
            for k in 0..steps {
                // SAFETY: Junction::new proved a start for each window, a weight and a position for each step and lane of each
                // group, and that every window lies within n_in, x's length, and every position within its window.
                unsafe {
                    let word = u32::from_le_bytes(at(words, (first_word + k / per_word) * lanes + lane));
                    let position = (word >> (k % per_word * bits)) as usize % (1 << bits);
                    let start =
                        usize::from(u16::from_le_bytes(at(index.starts, (first_step + k) >> each.trailing_zeros())));
                    let weight = f32::from_le_bytes(at(j.weights(), (first_step + k) * lanes + lane));
                    sum += weight * at(x, start + position);
                }
            }
            if let Some(y) = y.get_mut(output) {
                *y = sum;
            }
        }
        first_step += steps;
        first_word += steps.div_ceil(per_word);
    }
    // SAFETY: the caller's.
    unsafe { spilled::add(j, x, y) };
    j.activation().apply(y);
}

/// # Safety
/// As for every kernel (`RunF32`); packing dense, input-major.
unsafe fn dense_input_major(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    start_from_bias(j, y);
    for (x, column) in x.iter().zip(j.weights().chunks_exact(j.n_out().max(1))) {
        if *x != 0.0 {
            for (y, w) in y.iter_mut().zip(column) {
                *y += f32::from_le_bytes(*w) * x;
            }
        }
    }
    j.activation().apply(y);
}

/// # Safety
/// As for every kernel (`RunF32`); packing input-major.
pub(crate) unsafe fn input_major(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let Packing::InputMajor { out_degree, index } = *j.packing() else { return };
    let out_degree = usize::from(out_degree);
    start_from_bias(j, y);
    for (i, x) in x.iter().enumerate() {
        if *x == 0.0 {
            continue;
        }
        let mut output = 0;
        for edge in i * out_degree..(i + 1) * out_degree {
            // SAFETY: Junction::new proved out_degree weights and index entries for each input, and that the output an entry
            // gives is below n_out, y's length.
            unsafe {
                output = match index {
                    IndexWidth::Delta8 => output + usize::from(at(j.index8(), edge)),
                    IndexWidth::Absolute16 => usize::from(u16::from_le_bytes(at(j.index16(), edge))),
                };
                *y.get_unchecked_mut(output) += f32::from_le_bytes(at(j.weights(), edge)) * x;
            }
        }
    }
    j.activation().apply(y);
}

/// `y = b`
pub(crate) fn start_from_bias(j: &Junction<'_>, y: &mut [f32]) {
    y.fill(0.0);
    for (y, bias) in y.iter_mut().zip(groups_of_4(j.parts().bias)) {
        *y = f32::from_le_bytes(*bias);
    }
}
