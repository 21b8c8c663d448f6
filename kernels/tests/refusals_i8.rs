//! Every rule of `Junction::new_i8` beside those of all junctions has a junction that breaks it and nothing else.

use lacewing_kernels::{Activation, DeltaCode, IndexWidth, Int8, Junction, JunctionError, Packing, Parts, Section};

/// Two outputs: multiplier 2³⁰ each, shifts 0 and −31.
const RESCALE: [u8; 10] = [0, 0, 0, 64, 0, 0, 0, 64, 0, 225];
const INT8: Int8<'static> = Int8 { rescale: &RESCALE, input_zero: -128, output_zero: -128, low: -128, high: 127 };

fn sound(packing: Packing, counts: &'static [u8], index: &'static [u8]) -> Parts<'static> {
    Parts {
        n_in: 4,
        n_out: 2,
        packing,
        activation: Activation::Relu,
        weights: &[1, 129, 127, 255],
        counts,
        index,
        bias: &[0, 0, 0, 64, 0, 0, 0, 192],
    }
}

fn rows() -> Parts<'static> {
    sound(Packing::Rows { in_degree: 2, index: IndexWidth::Delta8 }, &[], &[0, 3, 1, 1])
}

/// Inputs 0 and 3, 1 and 2 as distances 0, 2, 1, 0 in Rice's code of 1: 1 0 | 0 1 0 | 1 1 | 1 0.
fn coded() -> Parts<'static> {
    sound(Packing::Coded { in_degree: 2, code: DeltaCode::Rice(1) }, &[], &[0b1110_1001, 0])
}

/// An edge of each of four inputs.
fn input_major() -> Parts<'static> {
    sound(Packing::InputMajor { out_degree: 1, index: IndexWidth::Delta8 }, &[], &[0, 1, 1, 0])
}

/// Rows of any length, distances of four bits.
const CSR4: Packing = Packing::Coded { in_degree: 0, code: DeltaCode::Nibbles };

fn refused(parts: Parts<'_>, int8: Int8<'_>) -> JunctionError {
    Junction::new_i8(parts, int8).expect_err("this junction breaks a rule")
}

#[test]
fn the_sound_ones_are_taken() {
    for parts in [
        rows(),
        sound(Packing::Rows { in_degree: 2, index: IndexWidth::Absolute16 }, &[], &[0, 0, 3, 0, 1, 0, 2, 0]),
        sound(Packing::Csr { index: IndexWidth::Delta8 }, &[1, 0, 3, 0], &[2, 0, 1, 1]),
        sound(Packing::Block { rows: 2, cols: 1, blocks: 2 }, &[], &[0, 0, 3, 0]),
        sound(Packing::NM { n: 2, m: 4 }, &[], &[0b1101, 0b1000]),
        coded(),
        sound(CSR4, &[1, 0, 3, 0], &[0x02, 0x00]),
        input_major(),
        sound(Packing::InputMajor { out_degree: 1, index: IndexWidth::Absolute16 }, &[], &[0, 0, 1, 0, 1, 0, 0, 0]),
        Parts { n_in: 2, ..sound(Packing::DenseInputMajor, &[], &[]) },
    ] {
        let junction = Junction::new_i8(parts, INT8).expect("sound");
        assert_eq!((junction.nnz(), junction.int8()), (4, Some(&INT8)));
    }
}

#[test]
fn the_rules_of_the_packing_hold() {
    assert_eq!(refused(Parts { n_in: 0, ..rows() }, INT8), JunctionError::ZeroWidth);
    assert_eq!(refused(Parts { index: &[0, 3, 1, 3], ..rows() }, INT8), JunctionError::InputOutOfRange { row: 1 });
    let weights = JunctionError::WrongLength { section: Section::Weights, needed: 4, found: 16 };
    assert_eq!(refused(Parts { weights: &[0; 16], ..rows() }, INT8), weights);
    let bias = JunctionError::WrongLength { section: Section::Bias, needed: 8, found: 2 };
    assert_eq!(refused(Parts { bias: &[0; 2], ..rows() }, INT8), bias);
}

#[test]
fn coded_rows_hold_what_their_edges_need_and_no_more() {
    let index = |needed, found| JunctionError::WrongLength { section: Section::Index, needed, found };
    assert_eq!(refused(Parts { index: &[0b1110_1001], ..coded() }, INT8), index(2, 1), "the last bit is cut off");
    assert_eq!(refused(Parts { index: &[], ..coded() }, INT8), index(1, 0));
    assert_eq!(refused(Parts { index: &[0b1110_1001, 0, 0], ..coded() }, INT8), index(2, 3));
    assert_eq!(refused(Parts { index: &[0b1110_1001, 2], ..coded() }, INT8), JunctionError::PaddingNotZero);
    // A distance of 3 in front of the first input, then 0: beyond the last one.
    let out = Parts { index: &[0b1110_0110, 0], ..coded() };
    assert_eq!(refused(out, INT8), JunctionError::InputOutOfRange { row: 0 });
    assert_eq!(refused(Parts { counts: &[2, 0, 2, 0], ..coded() }, INT8), counts(0, 4));
    assert_eq!(refused(sound(CSR4, &[1, 0], &[2, 0]), INT8), counts(4, 2));
    assert_eq!(refused(sound(CSR4, &[5, 0, 0, 0], &[0, 0]), INT8), weights(5));
    let five = Parts { weights: &[1; 5], ..sound(CSR4, &[5, 0, 0, 0], &[0, 0]) };
    assert_eq!(refused(five, INT8), JunctionError::BadPacking, "more edges than inputs");
    assert_eq!(refused(sound(CSR4, &[1, 0, 3, 0], &[0xf2, 0x00]), INT8), JunctionError::InputOutOfRange { row: 1 });
    assert_eq!(refused(sound(CSR4, &[1, 0, 3, 0], &[0x02, 0xf0]), INT8), index(3, 2), "an escape ends the stream");
    let f32s = Parts { weights: &[0; 16], ..coded() };
    assert_eq!(Junction::new(f32s).expect_err("int8 alone has it"), JunctionError::BadPacking);
}

const fn counts(needed: usize, found: usize) -> JunctionError {
    JunctionError::WrongLength { section: Section::Counts, needed, found }
}

const fn weights(needed: usize) -> JunctionError {
    JunctionError::WrongLength { section: Section::Weights, needed, found: 4 }
}

/// Two rows in one group of four lanes, one step: inputs 0 and 3 of output 1, 1 and 2 of output 0.
fn windows() -> Parts<'static> {
    Parts {
        weights: &[1, 129, 0, 0, 127, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ..sound(
            Packing::Windows { lanes: 4, width: 4, steps: 1 },
            &[1, 0],
            &[1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        )
    }
}

#[test]
fn windows_hold_what_their_lanes_need_and_no_more() {
    assert_eq!(Junction::new_i8(windows(), INT8).map(|junction| junction.nnz()), Ok(4));
    let changed = |at: usize, byte: u8| {
        let mut index = windows().index.to_vec();
        index[at] = byte;
        refused(Parts { index: &index, ..windows() }, INT8)
    };
    assert_eq!(changed(0, 0), JunctionError::NotAPermutation);
    assert_eq!(changed(0, 2), JunctionError::NotAPermutation);
    assert_eq!(changed(4, 1), JunctionError::InputOutOfRange { row: 0 }, "a window that ends at 5");
    assert_eq!(changed(7, 4), JunctionError::InputOutOfRange { row: 0 }, "a position beyond the window");
    assert_eq!(changed(7, 0), JunctionError::InputsNotAscending { row: 0 });
    assert_eq!(changed(8, 1), JunctionError::PaddingNotZero, "a position without an edge");
    assert_eq!(changed(7, 0x13), JunctionError::PaddingNotZero, "a position of the step that is not there");
    assert_eq!(changed(20, 1), JunctionError::PaddingNotZero, "a position of a lane without an output");
    let mut weights = windows().weights.to_vec();
    weights[8] = 1;
    assert_eq!(refused(Parts { weights: &weights, ..windows() }, INT8), JunctionError::PaddingNotZero);
    let short = JunctionError::WrongLength { section: Section::Index, needed: 22, found: 21 };
    assert_eq!(refused(Parts { index: &windows().index[..21], ..windows() }, INT8), short);
    assert_eq!(refused(Parts { counts: &[1], ..windows() }, INT8), counts(2, 1));
    let two = JunctionError::WrongLength { section: Section::Weights, needed: 32, found: 16 };
    assert_eq!(refused(Parts { counts: &[2, 0], ..windows() }, INT8), two);
}

/// Its sums have a place each, and differences from the zero point nine bits.
#[test]
fn input_major_is_for_small_junctions() {
    assert_eq!(
        refused(Parts { index: &[0, 1, 2, 0], ..input_major() }, INT8),
        JunctionError::InputOutOfRange { row: 2 }
    );
    let two = Packing::InputMajor { out_degree: 2, index: IndexWidth::Absolute16 };
    let twice = Parts { n_in: 2, ..sound(two, &[], &[0, 0, 1, 0, 1, 0, 1, 0]) };
    assert_eq!(refused(twice, INT8), JunctionError::InputsNotAscending { row: 1 });
    let weights = |n: usize| vec![1; n];
    let rescale = |n: usize| vec![0; 5 * n];
    for (n_in, n_out, taken) in [(1, 256, true), (1, 257, false), (32_768, 1, true), (32_769, 1, false)] {
        let (places, rescale) = (weights(n_in * n_out), rescale(n_out));
        for packing in
            [Packing::DenseInputMajor, Packing::InputMajor { out_degree: n_out as u16, index: IndexWidth::Delta8 }]
        {
            let index: Vec<u8> = match packing {
                Packing::DenseInputMajor => Vec::new(),
                _ => (0..n_in).flat_map(|_| (0..n_out).map(|output| u8::from(output > 0))).collect(),
            };
            let parts = Parts {
                n_in: n_in as u16,
                n_out: n_out as u16,
                packing,
                activation: Activation::None,
                weights: &places,
                counts: &[],
                index: &index,
                bias: &[],
            };
            let found = Junction::new_i8(parts, Int8 { rescale: &rescale, ..INT8 }).map(|_| ());
            let wanted = if taken { Ok(()) } else { Err(JunctionError::BadPacking) };
            assert_eq!(found, wanted, "{n_in} {n_out} {packing}");
        }
    }
}

#[test]
fn packings_that_int8_does_not_have() {
    for packing in [
        Packing::Coded { in_degree: 5, code: DeltaCode::Nibbles },
        Packing::Coded { in_degree: 1, code: DeltaCode::Rice(16) },
        Packing::InputMajor { out_degree: 3, index: IndexWidth::Delta8 },
        Packing::Windows { lanes: 4, width: 4, steps: 3 },
        Packing::Windows { lanes: 4, width: 128, steps: 1 },
        Packing::Windows { lanes: 5, width: 4, steps: 1 },
        Packing::Windows { lanes: 4, width: 8, steps: 1 },
        Packing::NMLanes { n: 1, m: 128, lanes: 4 },
        Packing::NMLanes { n: 1, m: 4, lanes: 5 },
        Packing::NMLanes { n: 0, m: 4, lanes: 4 },
    ] {
        assert_eq!(refused(sound(packing, &[], &[]), INT8), JunctionError::BadPacking, "{packing}");
    }
}

#[test]
fn weights_are_symmetric() {
    assert_eq!(refused(Parts { weights: &[0, 0, 128, 0], ..rows() }, INT8), JunctionError::WeightOutOfRange);
}

#[test]
fn no_sum_overflows() {
    let beyond = [[0, 0, 0, 64], [255, 255, 255, 191]].concat();
    assert_eq!(refused(Parts { bias: &beyond, ..rows() }, INT8), JunctionError::SumOverflow { row: 1 });
    // 4,096 blocks of 32 inputs, one beside the other, are 131,072 products.
    let index: Vec<u8> = (0..4096u16).flat_map(|first| first.to_le_bytes()).collect();
    let weights = vec![1; 4096 * 32];
    let parts = Parts { n_in: 5000, n_out: 1, weights: &weights, index: &index, bias: &[], ..rows() };
    let one = Int8 { rescale: &[0, 0, 0, 64, 0], ..INT8 };
    let constant = Packing::Block { rows: 1, cols: 32, blocks: 4096 };
    assert_eq!(refused(Parts { packing: constant, ..parts }, one), JunctionError::SumOverflow { row: 0 });
    let counted = Packing::Block { rows: 1, cols: 32, blocks: 0 };
    let counts = 4096u16.to_le_bytes();
    let parts = Parts { packing: counted, counts: &counts, ..parts };
    assert_eq!(refused(parts, one), JunctionError::SumOverflow { row: 0 });
}

#[test]
fn multipliers_and_shifts() {
    let wrong = JunctionError::WrongLength { section: Section::Rescale, needed: 10, found: 9 };
    assert_eq!(refused(rows(), Int8 { rescale: &RESCALE[..9], ..INT8 }), wrong);
    for (at, byte, row) in [(3, 128, 0), (7, 255, 1), (8, 31, 0), (8, 32, 0), (8, 95, 0), (9, 224, 1)] {
        let mut rescale = RESCALE;
        rescale[at] = byte;
        assert_eq!(refused(rows(), Int8 { rescale: &rescale, ..INT8 }), JunctionError::BadRescale { row }, "{at}");
    }
}

#[test]
fn the_clamp_is_one() {
    assert_eq!(refused(rows(), Int8 { low: 1, high: 0, ..INT8 }), JunctionError::BadClamp);
}

#[test]
fn padding_not_zero() {
    // Three outputs in row blocks of two, inputs in groups of four: the second block's second row stands for no output.
    let ragged = |weights: &'static [u8]| Parts {
        n_out: 3,
        weights,
        index: &[0, 0, 0, 0],
        bias: &[],
        ..sound(Packing::Block { rows: 2, cols: 2, blocks: 1 }, &[], &[])
    };
    let three = Int8 { rescale: &[0; 15], ..INT8 };
    assert!(Junction::new_i8(ragged(&[1, 2, 3, 4, 5, 6, 0, 0]), three).is_ok());
    for weights in [&[1, 2, 3, 4, 5, 6, 7, 0], &[1, 2, 3, 4, 5, 6, 0, 8]] {
        assert_eq!(refused(ragged(weights), three), JunctionError::PaddingNotZero);
    }
    // Five inputs: two steps, of which one is in a page of one input; four lanes, of which two are outputs.
    let lanes = |weights: &'static [u8], index: &'static [u8]| Parts {
        n_in: 5,
        weights,
        index,
        bias: &[],
        ..sound(Packing::NMLanes { n: 1, m: 4, lanes: 4 }, &[], &[])
    };
    let (weights, index) =
        (&[1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(Junction::new_i8(lanes(weights, index), INT8).is_ok());
    // A weight beyond the last step, one of a lane without an output, and their positions.
    let wrong_weights: [&'static [u8]; 2] =
        [&[1, 2, 1, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1, 2, 0, 0, 3, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]];
    for weights in wrong_weights {
        assert_eq!(refused(lanes(weights, index), INT8), JunctionError::PaddingNotZero);
    }
    let wrong_index: [&'static [u8]; 3] = [
        &[3, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[19, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    ];
    for index in wrong_index {
        assert_eq!(refused(lanes(weights, index), INT8), JunctionError::PaddingNotZero);
    }
    assert_eq!(
        refused(lanes(weights, &[4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), INT8),
        JunctionError::InputOutOfRange { row: 0 }
    );
    let two = Packing::NMLanes { n: 2, m: 4, lanes: 4 };
    let index = &[3, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let parts = Parts { packing: two, n_in: 4, ..lanes(weights, index) };
    assert_eq!(refused(parts, INT8), JunctionError::InputsNotAscending { row: 0 });
}

/// 40 inputs in pages of 32: two steps, of which one is in a page of 8.
#[test]
fn wide_pages_have_a_byte_a_position() {
    let lanes = |index: [u8; 4]| {
        let index = [&index[..], &[1, 2, 0, 0], &[0; 8]].concat();
        let parts = Parts {
            n_in: 40,
            weights: &[1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            index: &index,
            bias: &[],
            ..sound(Packing::NMLanes { n: 1, m: 32, lanes: 4 }, &[], &[])
        };
        Junction::new_i8(parts, INT8).map(|junction| junction.nnz())
    };
    assert_eq!(lanes([31, 7, 0, 0]), Ok(4));
    assert_eq!(lanes([32, 7, 0, 0]), Err(JunctionError::InputOutOfRange { row: 0 }), "beyond the page");
    assert_eq!(lanes([31, 8, 0, 0]), Err(JunctionError::InputOutOfRange { row: 0 }), "beyond the last page");
    assert_eq!(lanes([31, 7, 16, 0]), Err(JunctionError::PaddingNotZero), "a position of no step");
}

#[test]
fn wide_windows_have_a_byte_a_position() {
    let windows = |positions: [u8; 8]| {
        let index = [&[1, 0, 0, 0, 0, 0][..], &positions, &[0; 8]].concat();
        let parts = Parts {
            n_in: 64,
            weights: &[1, 129, 0, 0, 127, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            index: &index,
            bias: &[],
            ..sound(Packing::Windows { lanes: 4, width: 64, steps: 1 }, &[1, 0], &[])
        };
        Junction::new_i8(parts, INT8).map(|junction| junction.nnz())
    };
    assert_eq!(windows([0, 63, 0, 0, 17, 18, 0, 0]), Ok(4));
    assert_eq!(windows([0, 64, 0, 0, 17, 18, 0, 0]), Err(JunctionError::InputOutOfRange { row: 0 }));
    assert_eq!(windows([0, 63, 0, 0, 18, 17, 0, 0]), Err(JunctionError::InputsNotAscending { row: 1 }));
    assert_eq!(windows([0, 63, 16, 0, 17, 18, 0, 0]), Err(JunctionError::PaddingNotZero));
}
