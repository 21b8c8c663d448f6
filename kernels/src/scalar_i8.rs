//! The scalar reference of int8 junctions: the specification of every packing, on every target. Plain loops, never optimised.
//!
//! Each function computes `y[o] = clamp(requantise(b[o] + Σ w·x[i]) + zero)` over the stored edges of output `o`, the sum in
//! int32 (see [`Int8`](crate::Int8)). Sums are exact, so that their order does not matter. Input-major ones add `w·(x[i] − input_zero)` and
//! leave out the edges of inputs that are the zero point.

use crate::deltas::Deltas;
use crate::isa::Isa;
use crate::junction::{INPUT_MAJOR_OUTPUTS, Junction, QuadLane, Quads, quads_a_word};
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, NMInputs, NMRow, Packing, above_zero};

/// `dense_i8_1x1`
pub static DENSE: Kernel = Kernel::new_i8("dense_i8_1x1", Isa::Scalar, Accepts::Dense, dense);
/// `rows8_i8_1x1`
pub static ROWS8: Kernel = Kernel::new_i8("rows8_i8_1x1", Isa::Scalar, Accepts::Rows(IndexWidth::Delta8), rows);
/// `rows16_i8_1x1`
pub static ROWS16: Kernel = Kernel::new_i8("rows16_i8_1x1", Isa::Scalar, Accepts::Rows(IndexWidth::Absolute16), rows);
/// `csr8_i8_1x1`
pub static CSR8: Kernel = Kernel::new_i8("csr8_i8_1x1", Isa::Scalar, Accepts::Csr(IndexWidth::Delta8), rows);
/// `csr16_i8_1x1`
pub static CSR16: Kernel = Kernel::new_i8("csr16_i8_1x1", Isa::Scalar, Accepts::Csr(IndexWidth::Absolute16), rows);
/// `block_i8_1x1`
pub static BLOCK: Kernel = Kernel::new_i8("block_i8_1x1", Isa::Scalar, Accepts::AnyBlock, block);
/// `coded4_i8_1x1`
pub static CODED4: Kernel = Kernel::new_i8("coded4_i8_1x1", Isa::Scalar, Accepts::Coded4, coded);
/// `rice_i8_1x1`
pub static RICE: Kernel = Kernel::new_i8("rice_i8_1x1", Isa::Scalar, Accepts::Rice, coded);
/// `nm_i8_1x1`
pub static NM: Kernel = Kernel::new_i8("nm_i8_1x1", Isa::Scalar, Accepts::AnyNM, nm);
/// `nm_lanes_i8_1x1`
pub static NM_LANES: Kernel = Kernel::new_i8("nm_lanes_i8_1x1", Isa::Scalar, Accepts::AnyNMLanes, nm_lanes);

/// `windows_i8_1x1`
pub static WINDOWS: Kernel = Kernel::new_i8("windows_i8_1x1", Isa::Scalar, Accepts::AnyWindows, windows);
/// `dense_input_major_i8_1x1`
pub static DENSE_INPUT_MAJOR: Kernel =
    Kernel::new_i8("dense_input_major_i8_1x1", Isa::Scalar, Accepts::DenseInputMajor, dense_input_major);
/// `input_major8_i8_1x1`
pub static INPUT_MAJOR8: Kernel =
    Kernel::new_i8("input_major8_i8_1x1", Isa::Scalar, Accepts::InputMajor(IndexWidth::Delta8), input_major);
/// `input_major16_i8_1x1`
pub static INPUT_MAJOR16: Kernel =
    Kernel::new_i8("input_major16_i8_1x1", Isa::Scalar, Accepts::InputMajor(IndexWidth::Absolute16), input_major);

/// `values[at]`, without the check.
///
/// # Safety
/// `at < values.len()`.
unsafe fn at<T: Copy>(values: &[T], at: usize) -> T {
    debug_assert!(at < values.len());
    // SAFETY: the caller's.
    unsafe { *values.get_unchecked(at) }
}

/// A weight's byte times an input.
fn product(weight: u8, x: i8) -> i32 {
    i32::from(weight as i8) * i32::from(x)
}

/// # Safety
/// As for every kernel (`RunI8`); packing dense.
unsafe fn dense(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    for ((o, y), row) in y.iter_mut().enumerate().zip(j.weights_i8().chunks_exact(j.n_in().max(1))) {
        *y = j.output_i8(o, row.iter().zip(x).map(|(w, x)| product(*w, *x)).sum());
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing rows or csr.
unsafe fn rows(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
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
        let (mut sum, mut input) = (0, 0);
        for _ in 0..in_degree {
            // SAFETY: Junction::new_i8 proved one weight and one index entry for each edge of each row, and that the input an
            // entry gives is below n_in, which is x's length.
            unsafe {
                input = match index {
                    IndexWidth::Delta8 => input + usize::from(at(j.index8(), edge)),
                    IndexWidth::Absolute16 => usize::from(u16::from_le_bytes(at(j.index16(), edge))),
                };
                sum += product(at(j.weights_i8(), edge), at(x, input));
            }
            edge += 1;
        }
        *y = j.output_i8(o, sum);
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing coded.
unsafe fn coded(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Coded { in_degree, code } = *j.packing() else { return };
    let mut deltas = Deltas::new(j.index8(), code);
    let mut edge = 0;
    for (o, y) in y.iter_mut().enumerate() {
        // Counts are there where in-degrees differ.
        let in_degree = j.counts().get(o).map_or(in_degree, |count| u16::from_le_bytes(*count));
        let (mut sum, mut next) = (0, 0);
        for _ in 0..in_degree {
            // The stream holds a distance for each edge.
            let input = next + deltas.next().unwrap_or(0);
            // SAFETY: Junction::new_i8 proved one weight for each edge of each row, and that the input that its distance leads
            // to is below n_in, which is x's length.
            sum += unsafe { product(at(j.weights_i8(), edge), at(x, input)) };
            next = input + 1;
            edge += 1;
        }
        *y = j.output_i8(o, sum);
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing block.
pub(crate) unsafe fn block(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Block { rows, cols, blocks } = *j.packing() else { return };
    let (rows, cols) = (above_zero(rows.into()), above_zero(cols.into()));
    let (mut first_block, mut first_weight) = (0, 0);
    for (row_block, y) in y.chunks_mut(rows).enumerate() {
        let count = match blocks {
            // SAFETY: without a constant number there is a count for each row block.
            0 => u16::from_le_bytes(unsafe { at(j.counts(), row_block) }),
            constant => constant,
        };
        let inputs = usize::from(count) * cols;
        for (r, y) in y.iter_mut().enumerate() {
            let mut sum = 0;
            for k in 0..inputs {
                // Groups of four inputs, the last one of what is left.
                let (group, width) = (k / 4 * 4, (inputs - k / 4 * 4).min(4));
                // SAFETY: Junction::new_i8 proved one index entry a block, rows · cols weights a block, and that a block's
                // inputs end at or below n_in, which is x's length.
                unsafe {
                    let input = usize::from(u16::from_le_bytes(at(j.index16(), first_block + k / cols))) + k % cols;
                    let weight = at(j.weights_i8(), first_weight + group * rows + r * width + k % 4);
                    sum += product(weight, at(x, input));
                }
            }
            *y = j.output_i8(row_block * rows + r, sum);
        }
        first_block += usize::from(count);
        first_weight += inputs * rows;
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing N:M.
pub(crate) unsafe fn nm(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NM { n, m } = *j.packing() else { return };
    let (n, m) = (usize::from(n), usize::from(m));
    let row = NMRow::new(j.n_in(), n, m);
    let rows =
        j.weights_i8().chunks_exact(row.in_degree.max(1)).zip(j.index8().chunks_exact(row.position_bytes.max(1)));
    for ((o, y), (weights, positions)) in y.iter_mut().enumerate().zip(rows) {
        let mut sum = 0;
        let mut inputs = NMInputs::new(row, n, m, positions);
        for w in weights {
            // SAFETY: Junction::new_i8 proved that every position lies within its page and its page within n_in, x's length.
            sum += product(*w, unsafe { at(x, inputs.next()) });
        }
        *y = j.output_i8(o, sum);
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing N:M for registers.
unsafe fn nm_lanes(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::NMLanes { n, m, lanes } = *j.packing() else { return };
    let quads = Quads::new(j.n_in(), n, m, lanes);
    for (o, y) in y.iter_mut().enumerate() {
        // SAFETY: y has n_out values.
        *y = j.output_i8(o, unsafe { lane_sum(j, &quads, o, 0, x) });
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing windows.
unsafe fn windows(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Windows { lanes, width, steps: each } = *j.packing() else { return };
    let (index, lanes, per_word) = (j.windows_index(), above_zero(lanes.into()), quads_a_word(width));
    let mut at_row = QuadLane { lanes, lane: 0, first_step: 0, first_word: 0, per_word };
    for (count, rows) in j.counts().iter().zip(index.order.chunks(lanes)) {
        let steps = usize::from(u16::from_le_bytes(*count));
        for (lane, output) in rows.iter().enumerate() {
            at_row.lane = lane;
            let mut sum = 0;
            for (step, k) in (0..4 * steps).map(|slot| (slot / 4, slot % 4)) {
                // SAFETY: Junction::new_i8 proved its window for each step, four weights and positions for each of its lanes, and
                // that the window and the positions in it lie below n_in, x's length.
                unsafe {
                    let start = usize::from(u16::from_le_bytes(at(
                        index.starts,
                        (at_row.first_step + step) >> each.trailing_zeros(),
                    )));
                    let (byte, part) = at_row.position_at(step, k);
                    let position = part.get(at(index.words, byte));
                    sum += product(at(j.weights_i8(), at_row.weight_at(step, k)), at(x, start + position));
                }
            }
            let output = usize::from(u16::from_le_bytes(*output));
            if let Some(y) = y.get_mut(output) {
                *y = j.output_i8(output, sum);
            }
        }
        at_row.first_step += steps;
        at_row.first_word += steps.div_ceil(per_word);
    }
}

/// # Safety
/// As for every kernel (`RunI8`); packing dense, input-major.
unsafe fn dense_input_major(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let mut sums = [0; INPUT_MAJOR_OUTPUTS];
    let columns = j.weights_i8().chunks_exact(j.n_out().max(1));
    for (difference, column) in differences(j, x).zip(columns) {
        if difference != 0 {
            sums.iter_mut().zip(column).for_each(|(sum, w)| *sum += i32::from(*w as i8) * difference);
        }
    }
    put(j, &sums, y);
}

/// # Safety
/// As for every kernel (`RunI8`); packing input-major.
unsafe fn input_major(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::InputMajor { out_degree, index } = *j.packing() else { return };
    let out_degree = usize::from(out_degree);
    let mut sums = [0; INPUT_MAJOR_OUTPUTS];
    for (i, difference) in differences(j, x).enumerate().filter(|(_, difference)| *difference != 0) {
        let mut output = 0;
        for edge in i * out_degree..(i + 1) * out_degree {
            // SAFETY: Junction::new_i8 proved out_degree weights and index entries for each input, that the output an entry gives is
            // below n_out, and that n_out is at most the number of sums.
            unsafe {
                output = match index {
                    IndexWidth::Delta8 => output + usize::from(at(j.index8(), edge)),
                    IndexWidth::Absolute16 => usize::from(u16::from_le_bytes(at(j.index16(), edge))),
                };
                *sums.get_unchecked_mut(output) += i32::from(at(j.weights_i8(), edge) as i8) * difference;
            }
        }
    }
    put(j, &sums, y);
}

/// What each input is above the zero point.
fn differences<'x>(j: &Junction<'_>, x: &'x [i8]) -> impl Iterator<Item = i32> + 'x {
    let zero = j.int8().map_or(0, |int8| i32::from(int8.input_zero));
    x.iter().map(move |x| i32::from(*x) - zero)
}

/// The outputs of the sums.
pub(crate) fn put(j: &Junction<'_>, sums: &[i32], y: &mut [i8]) {
    for ((o, y), sum) in y.iter_mut().enumerate().zip(sums) {
        *y = j.output_i8(o, *sum);
    }
}

/// The sum of an output's products from a step on.
///
/// # Safety
/// Packing N:M for registers, `quads` its geometry; `o < n_out`; `x.len() == n_in`.
pub(crate) unsafe fn lane_sum(j: &Junction<'_>, quads: &Quads, o: usize, first_step: usize, x: &[i8]) -> i32 {
    let Packing::NMLanes { n, m, .. } = *j.packing() else { return 0 };
    let mut sum = 0;
    for step in first_step..quads.row.in_degree {
        let page = (step / above_zero(n.into())).min(quads.row.whole_pages);
        // SAFETY: Junction::new_i8 proved a weight and a position for each step and lane of each group, and that every
        // position lies within its page and its page within n_in, x's length.
        unsafe {
            let (byte, part) = quads.position_at(o, step);
            let position = part.get(at(j.index8(), byte));
            sum += product(at(j.weights_i8(), quads.weight_at(o, step)), at(x, page * usize::from(m) + position));
        }
    }
    sum
}
