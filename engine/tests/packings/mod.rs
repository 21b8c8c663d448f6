//! Sound files of each packing, and what breaks each rule of their sections.

use lacewing_engine::Rule;
use lacewing_kernels::{JunctionError, Section};

use super::support::{File, HEADER, Op, dense, dense_i8, exit, exit_i8, whole};
use super::{changed, of_int8};

/// One sound junction of each packing: 2 inputs, 2 outputs, W = (1 0; ½ −1) or all of it.
pub fn packed() -> Vec<(&'static str, File)> {
    let file = |packing: (u8, u8, u8, u16), weights: &[f32], counts: &[u8], index: &[u8]| File {
        operations: vec![Op {
            packing,
            counts: counts.to_vec(),
            index: index.to_vec(),
            ..dense(0, 2, weights, &[0.0, 0.0], false)
        }],
        exits: vec![exit(1, 0, 0.0)],
        ..whole()
    };
    let lanes_16 = [1.0, -1.0, 0.0, 0.0];
    vec![
        ("dense", file((1, 0, 0, 0), &[1.0, 0.0, 0.5, -1.0], &[], &[])),
        ("rows8", file((2, 0, 0, 1), &[1.0, -1.0], &[], &[0, 1])),
        ("rows16", file((2, 1, 0, 1), &[1.0, -1.0], &[], &[0, 0, 1, 0])),
        ("csr8", file((3, 0, 0, 0), &[1.0, 0.5, -1.0], &[1, 0, 2, 0], &[0, 0, 1])),
        ("csr16", file((3, 1, 0, 0), &[1.0, 0.5, -1.0], &[1, 0, 2, 0], &[0, 0, 0, 0, 1, 0])),
        ("block", file((4, 2, 1, 1), &[1.0, 0.5], &[], &[0, 0])),
        ("nm", file((5, 1, 4, 0), &[1.0, -1.0], &[], &[0, 1])),
        ("nm_lanes", file((64, 1, 4, 4), &lanes_16, &[], &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ("windows", {
            let index = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let mut file = file((65, 4, 4, 0), &[1.0, -1.0, -0.0, -0.0], &[1, 0], &index);
            file.operations[0].shape.0 = 4;
            file
        }),
        ("dense_input_major", file((66, 0, 0, 0), &[1.0, 0.5, 0.0, -1.0], &[], &[])),
        ("input_major8", file((67, 0, 0, 1), &[1.0, -1.0], &[], &[0, 1])),
        ("input_major16", file((67, 1, 0, 1), &[1.0, -1.0], &[], &[0, 0, 1, 0])),
    ]
}

/// Windows: 4 inputs, 2 outputs, one step of four edges a lane, of which each row has one.
pub fn windows_i8() -> File {
    let index = [1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut op = dense_i8(0, 4, &[7, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2], (1.0, 0), (1.0, 0));
    (op.packing, op.counts, op.index) = ((65, 4, 4, 0), vec![1, 0], index.to_vec());
    File { operations: vec![op], exits: vec![exit_i8(1, 0, 1, 0)], input: Some((1.0, 0)), ..whole() }
}

/// Pages of 64, a byte a position: 65 inputs, 2 outputs, two steps a row.
pub fn wide_pages_i8() -> File {
    let mut op = dense_i8(0, 65, &[7, 1, 0, 0, -1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2], (1.0, 0), (1.0, 0));
    let index = [63, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    (op.packing, op.index) = ((64, 1, 64, 4), index.to_vec());
    File { operations: vec![op], exits: vec![exit_i8(1, 0, 1, 0)], input: Some((1.0, 0)), ..whole() }
}

/// Windows of 32, a byte a position: 40 inputs, 2 outputs, one step of four edges a lane, of which each row has one.
pub fn wide_windows_i8() -> File {
    let index = [1, 0, 0, 0, 8, 0, 31, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut op = dense_i8(0, 40, &[7, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2], (1.0, 0), (1.0, 0));
    (op.packing, op.counts, op.index) = ((65, 4, 32, 0), vec![1, 0], index.to_vec());
    File { operations: vec![op], exits: vec![exit_i8(1, 0, 1, 0)], input: Some((1.0, 0)), ..whole() }
}

/// One sound int8 junction of each packing: 2 inputs (more in lanes), 2 outputs.
pub fn packed_i8() -> Vec<(&'static str, File)> {
    let file = |packing: (u8, u8, u8, u16), weights: &[i8], counts: &[u8], index: &[u8]| File {
        operations: vec![Op {
            packing,
            counts: counts.to_vec(),
            index: index.to_vec(),
            ..dense_i8(0, 2, weights, &[1, 2], (1.0, 0), (1.0, 0))
        }],
        exits: vec![exit_i8(1, 0, 1, 0)],
        input: Some((1.0, 0)),
        ..whole()
    };
    vec![
        ("dense", file((1, 0, 0, 0), &[1, 0, 5, -1], &[], &[])),
        ("rows8", file((2, 0, 0, 1), &[1, -1], &[], &[0, 1])),
        ("rows16", file((2, 1, 0, 1), &[1, -1], &[], &[0, 0, 1, 0])),
        ("csr8", file((3, 0, 0, 0), &[1, 5, -1], &[1, 0, 2, 0], &[0, 0, 1])),
        ("csr16", file((3, 1, 0, 0), &[1, 5, -1], &[1, 0, 2, 0], &[0, 0, 0, 0, 1, 0])),
        ("block", file((4, 2, 1, 1), &[1, 5], &[], &[0, 0])),
        ("nm", file((5, 1, 4, 0), &[1, -1], &[], &[0, 1])),
        ("coded4", file((6, 0, 0, 1), &[1, -1], &[], &[0x10])),
        ("rice", file((6, 1, 0, 0), &[1, 5, -1], &[1, 0, 2, 0], &[0b111])),
        ("nm_lanes", {
            let index = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            file((64, 1, 4, 4), &[1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[], &index)
        }),
        ("windows", windows_i8()),
        ("dense_input_major", file((66, 0, 0, 0), &[1, 5, 0, -1], &[], &[])),
        ("input_major8", file((67, 0, 0, 1), &[1, -1], &[], &[0, 1])),
        ("input_major16", file((67, 1, 0, 1), &[1, -1], &[], &[0, 0, 1, 0])),
        ("nm_lanes", wide_pages_i8()),
        ("windows", wide_windows_i8()),
    ]
}

/// Sound junctions that have more to break: two edges a row, pages or windows, ragged ends.
pub fn larger() -> Vec<(&'static str, File)> {
    let of_f32 = |n_in: u16, packing: (u8, u8, u8, u16), weights: &[f32], counts: &[u8], index: &[u8]| File {
        operations: vec![Op {
            packing,
            counts: counts.to_vec(),
            index: index.to_vec(),
            ..dense(0, n_in, weights, &[0.0, 0.0], false)
        }],
        exits: vec![exit(1, 0, 0.0)],
        ..whole()
    };
    let of_i8 = |n_in: u16, packing: (u8, u8, u8, u16), weights: &[i8], counts: &[u8], index: &[u8]| File {
        operations: vec![Op {
            packing,
            counts: counts.to_vec(),
            index: index.to_vec(),
            ..dense_i8(0, n_in, weights, &[1, 2], (1.0, 0), (1.0, 0))
        }],
        exits: vec![exit_i8(1, 0, 1, 0)],
        input: Some((1.0, 0)),
        ..whole()
    };
    let four = [1.0, 2.0, 3.0, 4.0];
    let lanes = [1.0, 2.0, 0.0, 0.0, 3.0, -4.0, 0.0, 0.0];
    let steps = [1.0, -0.0, -0.0, -0.0, 3.0, 0.0, -0.0, -0.0];
    // Outputs 1 and 0; windows from 0 and from 2; row 0 has inputs 3 and 5, row 1 has input 2.
    let windows = [1, 0, 0, 0, 0, 0, 2, 0, 0x33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Beside them row 0 has input 4 and row 1 input 5.
    let spilled_weights = [&steps[..], &[5.0, 6.0]].concat();
    let spilled = [&windows[..], &[4, 0, 1, 0, 5, 0, 0, 0]].concat();
    // Inputs 0 and 3, 1 and 3 in the low and high halves of the bytes of the first word of each lane.
    let quads = [0, 3, 0, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let quad_weights = [1, 2, 0, 0, 3, -4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        ("two rows8", of_f32(4, (2, 0, 0, 2), &four, &[], &[0, 3, 1, 2])),
        ("two rows16", of_f32(4, (2, 1, 0, 2), &four, &[], &[0, 0, 3, 0, 1, 0, 2, 0])),
        ("two blocks", of_f32(4, (4, 2, 1, 2), &four, &[], &[0, 0, 3, 0])),
        ("counted blocks", of_f32(4, (4, 2, 1, 0), &four, &[2, 0], &[0, 0, 3, 0])),
        ("nm 2:4", of_f32(4, (5, 2, 4, 0), &four, &[], &[0b1100, 0b1101])),
        (
            "ragged nm_lanes",
            of_f32(6, (64, 1, 4, 4), &lanes, &[], &[0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "nm_lanes 2:4",
            of_f32(4, (64, 2, 4, 4), &lanes, &[], &[0x31, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        ("two windows", of_f32(6, (65, 4, 4, 0), &steps, &[2, 0], &windows)),
        ("spilled windows", of_f32(6, (65, 4, 4, 0), &spilled_weights, &[2, 0], &spilled)),
        ("full input_major8", of_f32(2, (67, 0, 0, 2), &four, &[], &[0, 1, 0, 1])),
        ("full input_major16", of_f32(2, (67, 1, 0, 2), &four, &[], &[0, 0, 1, 0, 0, 0, 1, 0])),
        ("nm_lanes 2:4 of int8", of_i8(4, (64, 2, 4, 4), &quad_weights, &[], &quads)),
        ("full input_major8 of int8", of_i8(2, (67, 0, 0, 2), &[1, 2, 3, 4], &[], &[0, 1, 0, 1])),
    ]
}

/// What each packing asks of its sections: name, packing, the change that breaks it, rule.
type Broken = (&'static str, &'static str, fn(&mut Op), JunctionError);

const fn wrong(section: Section, needed: usize, found: usize) -> JunctionError {
    JunctionError::WrongLength { section, needed, found }
}

const fn out_of_range(row: u16) -> JunctionError {
    JunctionError::InputOutOfRange { row }
}

const fn not_ascending(row: u16) -> JunctionError {
    JunctionError::InputsNotAscending { row }
}

pub fn hostile_packings() -> Vec<(&'static str, Vec<u8>, Rule, usize)> {
    let of_f32: Vec<(&str, File)> = packed().into_iter().chain(larger()).collect();
    let of_i8: Vec<(&str, File)> =
        [("windows", windows_i8())].into_iter().chain(larger()).filter(|(_, file)| file.input.is_some()).collect();
    let file = |sound: &[(&str, File)], (name, packing, change, error): Broken| {
        let (_, sound) = sound.iter().find(|(of, _)| *of == packing).expect("it is there");
        (name, changed(sound.clone(), |f| change(&mut f.operations[0])), Rule::Junction(error), HEADER)
    };
    let f32s = [canonical().as_slice(), &pages_in_lanes(), &windows(), &input_major()].concat();
    let f32s = f32s.into_iter().map(|broken| file(&of_f32, broken));
    f32s.chain(int8().into_iter().map(|broken| file(&of_i8, broken))).collect()
}

fn canonical() -> Vec<Broken> {
    use JunctionError::{BadPacking, NotFinite, PaddingNotZero, ZeroWidth};
    vec![
        ("no-outputs", "dense", |op| op.shape.1 = 0, ZeroWidth),
        ("weights-short", "dense", |op| op.weights.truncate(3), wrong(Section::Weights, 16, 12)),
        ("bias-long", "dense", |op| op.bias.push(0.0), wrong(Section::Bias, 8, 12)),
        ("bias-infinite", "dense", |op| op.bias[1] = f32::INFINITY, NotFinite { section: Section::Bias }),
        ("dense-with-counts", "dense", |op| op.counts.push(1), wrong(Section::Counts, 0, 1)),
        ("dense-with-index", "dense", |op| op.index.push(1), wrong(Section::Index, 0, 1)),
        ("in-degree-0", "rows8", |op| op.packing.3 = 0, BadPacking),
        ("in-degree-3", "rows8", |op| op.packing.3 = 3, BadPacking),
        ("rows-past-end", "two rows8", |op| op.index[3] = 3, out_of_range(1)),
        ("rows-twice-the-same", "two rows8", |op| op.index[3] = 0, not_ascending(1)),
        ("rows-descending", "two rows16", |op| op.index[2] = 0, not_ascending(0)),
        ("rows-index-short", "two rows16", |op| op.index.truncate(7), wrong(Section::Index, 8, 7)),
        ("counts-short", "csr8", |op| op.counts.truncate(2), wrong(Section::Counts, 4, 2)),
        ("csr-twice-the-same", "csr8", |op| op.index[2] = 0, not_ascending(1)),
        ("csr-past-end", "csr16", |op| op.index[4] = 2, out_of_range(1)),
        ("csr-row-too-long", "csr8", |op| (op.counts[0], op.counts[2]) = (0, 3), BadPacking),
        ("block-rows-0", "block", |op| op.packing.1 = 0, BadPacking),
        ("block-rows-33", "block", |op| op.packing.1 = 33, BadPacking),
        ("block-wider-than-inputs", "block", |op| op.packing.2 = 3, BadPacking),
        ("block-past-end", "block", |op| op.index[0] = 2, out_of_range(0)),
        ("block-twice-the-same", "two blocks", |op| op.index[2] = 0, not_ascending(0)),
        ("blocks-one-too-many", "counted blocks", |op| op.counts[0] = 3, wrong(Section::Weights, 24, 16)),
        ("block-padding", "block", |op| (op.packing.1, op.weights) = (4, vec![1.0, 0.5, 0.0, 1.0]), PaddingNotZero),
        ("nm-n-0", "nm", |op| op.packing.1 = 0, BadPacking),
        ("nm-m-12", "nm", |op| op.packing.2 = 12, BadPacking),
        ("nm-unused-bits", "nm", |op| op.index[0] |= 4, PaddingNotZero),
        ("nm-out-of-range", "nm", |op| op.index[1] = 2, out_of_range(1)),
        ("nm-twice-the-same", "nm 2:4", |op| op.index[1] = 0b0101, not_ascending(1)),
    ]
}

fn pages_in_lanes() -> Vec<Broken> {
    use JunctionError::{BadPacking, PaddingNotZero};
    vec![
        ("nm-lanes-n-0", "nm_lanes", |op| op.packing.1 = 0, BadPacking),
        ("nm-lanes-n-5", "nm_lanes", |op| op.packing.1 = 5, BadPacking),
        ("nm-lanes-m-6", "nm_lanes", |op| op.packing.2 = 6, BadPacking),
        ("nm-lanes-m-64", "nm_lanes", |op| op.packing.2 = 64, BadPacking),
        ("nm-lanes-5", "nm_lanes", |op| op.packing.3 = 5, BadPacking),
        ("nm-lanes-32", "nm_lanes", |op| op.packing.3 = 32, BadPacking),
        ("nm-lanes-weights-short", "nm_lanes", |op| op.weights.truncate(3), wrong(Section::Weights, 16, 12)),
        ("nm-lanes-words-short", "nm_lanes", |op| op.index.truncate(12), wrong(Section::Index, 16, 12)),
        ("nm-lanes-padding", "nm_lanes", |op| op.weights[3] = 1.0, PaddingNotZero),
        ("nm-lanes-position-of-none", "nm_lanes", |op| op.index[8] = 1, PaddingNotZero),
        ("nm-lanes-unused-bits", "ragged nm_lanes", |op| op.index[3] = 0x80, PaddingNotZero),
        ("nm-lanes-past-page", "ragged nm_lanes", |op| op.index[4] = 4, out_of_range(1)),
        ("nm-lanes-past-end", "ragged nm_lanes", |op| op.index[0] = 0x23, out_of_range(0)),
        ("nm-lanes-twice-the-same", "nm_lanes 2:4", |op| op.index[4] = 0x11, not_ascending(1)),
        ("nm-lanes-descending", "nm_lanes 2:4", |op| op.index[0] = 0x13, not_ascending(0)),
    ]
}

fn windows() -> Vec<Broken> {
    use JunctionError::{BadPacking, NotAPermutation, PaddingNotZero};
    vec![
        ("windows-lanes-6", "two windows", |op| op.packing.1 = 6, BadPacking),
        ("windows-width-5", "two windows", |op| op.packing.2 = 5, BadPacking),
        ("windows-width-64", "two windows", |op| (op.packing.2, op.shape.0) = (64, 64), BadPacking),
        ("windows-steps-a-window-3", "two windows", |op| op.packing.3 = 2, BadPacking),
        ("windows-half-a-window", "two windows", |op| (op.packing.3, op.counts[0]) = (1, 3), BadPacking),
        ("windows-start-too-many", "two windows", |op| op.packing.3 = 1, wrong(Section::Index, 22, 24)),
        ("windows-wider-than-inputs", "two windows", |op| op.packing.2 = 8, BadPacking),
        ("windows-order", "windows", |op| op.index[2] = 0, NotAPermutation),
        ("windows-order-past-end", "two windows", |op| op.index[0] = 2, NotAPermutation),
        ("windows-past-end", "two windows", |op| op.index[6] = 3, out_of_range(0)),
        ("windows-far-past-end", "two windows", |op| op.index[5] = 0xff, out_of_range(0)),
        ("windows-position", "two windows", |op| op.index[8] = 0x34, out_of_range(0)),
        ("windows-counts-short", "two windows", |op| op.counts.truncate(1), wrong(Section::Counts, 2, 1)),
        ("windows-steps-1", "two windows", |op| op.counts[0] = 1, wrong(Section::Index, 38, 24)),
        ("windows-steps-3", "two windows", |op| op.counts[0] = 3, wrong(Section::Weights, 48, 32)),
        ("windows-steps-65535", "two windows", |op| op.counts.fill(255), wrong(Section::Weights, 65_535 * 16, 32)),
        ("windows-words-short", "two windows", |op| op.index.truncate(20), wrong(Section::Index, 24, 20)),
        ("windows-twice-the-same", "two windows", |op| op.index[8] = 0x13, not_ascending(0)),
        ("windows-descending", "two windows", |op| op.index[8] = 0x03, not_ascending(0)),
        ("windows-unused-bits", "two windows", |op| op.index[9] = 1, PaddingNotZero),
        ("windows-position-of-none", "two windows", |op| op.index[12] = 1, PaddingNotZero),
        ("windows-lane-of-none", "two windows", |op| op.weights[6] = 1.0, PaddingNotZero),
        ("windows-lane-of-plus-0", "two windows", |op| op.weights[6] = 0.0, PaddingNotZero),
        ("windows-spilled-no-entry", "two windows", |op| op.weights.push(1.0), wrong(Section::Index, 28, 24)),
        ("windows-spilled-no-weight", "two windows", |op| op.index.extend([4, 0, 1, 0]), wrong(Section::Index, 24, 28)),
        ("windows-spilled-input", "spilled windows", |op| op.index[24] = 6, out_of_range(1)),
        ("windows-spilled-output", "spilled windows", |op| op.index[31] = 1, not_ascending(256)),
        ("windows-spilled-in-window", "spilled windows", |op| op.index[24] = 3, not_ascending(0)),
        ("windows-spilled-order", "spilled windows", |op| op.index[24..].rotate_left(4), not_ascending(1)),
        ("windows-spilled-none", "spilled windows", |op| op.weights[8] = -0.0, PaddingNotZero),
    ]
}

fn input_major() -> Vec<Broken> {
    use JunctionError::BadPacking;
    vec![
        ("dense-input-major-short", "dense_input_major", |op| op.weights.truncate(3), wrong(Section::Weights, 16, 12)),
        ("dense-input-major-index", "dense_input_major", |op| op.index.push(0), wrong(Section::Index, 0, 1)),
        ("out-degree-0", "input_major8", |op| op.packing.3 = 0, BadPacking),
        ("out-degree-3", "input_major8", |op| op.packing.3 = 3, BadPacking),
        ("input-major-short", "input_major16", |op| op.index.truncate(3), wrong(Section::Index, 4, 3)),
        ("input-major-counts", "input_major8", |op| op.counts.push(0), wrong(Section::Counts, 0, 1)),
        ("input-major-out-of-range", "input_major8", |op| op.index[1] = 2, out_of_range(1)),
        ("input-major-twice-the-same", "full input_major8", |op| op.index[3] = 0, not_ascending(1)),
        ("input-major-descending", "full input_major16", |op| op.index[4] = 1, not_ascending(1)),
    ]
}

fn int8() -> Vec<Broken> {
    use JunctionError::{BadPacking, NotAPermutation, PaddingNotZero};
    vec![
        ("input-major-int8", "full input_major8 of int8", |op| op.packing.3 = 3, BadPacking),
        ("input-major-int8-out-of-range", "full input_major8 of int8", |op| op.index[1] = 2, out_of_range(0)),
        ("input-major-int8-twice-the-same", "full input_major8 of int8", |op| op.index[3] = 0, not_ascending(1)),
        ("windows-int8-order", "windows", |op| op.index[2] = 1, NotAPermutation),
        ("windows-int8-steps-2", "windows", |op| op.counts[0] = 2, wrong(Section::Weights, 32, 16)),
        ("windows-int8-words-short", "windows", |op| op.index.truncate(18), wrong(Section::Index, 22, 18)),
        ("windows-int8-position", "windows", |op| op.index[6] = 4, out_of_range(0)),
        ("windows-int8-position-of-none", "windows", |op| op.index[7] = 1, PaddingNotZero),
        ("windows-int8-unused-bits", "windows", |op| op.index[6] = 0x13, PaddingNotZero),
        (
            "windows-int8-twice-the-same",
            "windows",
            |op| (of_int8(op).weights[1], op.index[7]) = (1, 3),
            not_ascending(0),
        ),
        ("nm-lanes-int8-m-6", "nm_lanes 2:4 of int8", |op| op.packing.2 = 6, BadPacking),
        ("nm-lanes-int8-short", "nm_lanes 2:4 of int8", |op| op.index.truncate(12), wrong(Section::Index, 16, 12)),
        ("nm-lanes-int8-past-page", "nm_lanes 2:4 of int8", |op| op.index[5] = 4, out_of_range(1)),
        ("nm-lanes-int8-twice-the-same", "nm_lanes 2:4 of int8", |op| op.index[5] = 1, not_ascending(1)),
        ("nm-lanes-int8-past-last-step", "nm_lanes 2:4 of int8", |op| of_int8(op).weights[2] = 1, PaddingNotZero),
        ("nm-lanes-int8-unused-bits", "nm_lanes 2:4 of int8", |op| op.index[2] = 1, PaddingNotZero),
        ("nm-lanes-int8-lane-of-none", "nm_lanes 2:4 of int8", |op| of_int8(op).weights[9] = 1, PaddingNotZero),
    ]
}
