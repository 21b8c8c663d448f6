//! Every rule of `Junction::new` has a junction that breaks it and nothing else.

use lacewing_kernels::{Activation, IndexWidth, Junction, JunctionError, Packing, Parts, Section};

/// A 4-input, 2-output junction of two edges a row, all in order.
fn sound(packing: Packing, counts: &'static [u8], index: &'static [u8]) -> Parts<'static> {
    Parts {
        n_in: 4,
        n_out: 2,
        packing,
        activation: Activation::Relu,
        weights: &[0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 128, 191, 0, 0, 0, 63],
        counts,
        index,
        bias: &[0; 8],
    }
}

const ROWS8: Packing = Packing::Rows { in_degree: 2, index: IndexWidth::Delta8 };
const ROWS16: Packing = Packing::Rows { in_degree: 2, index: IndexWidth::Absolute16 };
const CSR8: Packing = Packing::Csr { index: IndexWidth::Delta8 };
const BLOCKS: Packing = Packing::Block { rows: 2, cols: 1, blocks: 2 };
const COUNTED_BLOCKS: Packing = Packing::Block { rows: 2, cols: 1, blocks: 0 };
const PAGES: Packing = Packing::NM { n: 2, m: 4 };

fn refused(parts: Parts<'_>) -> JunctionError {
    Junction::new(parts).expect_err("this junction breaks a rule")
}

#[test]
fn the_sound_ones_are_taken() {
    for parts in [
        sound(ROWS8, &[], &[0, 3, 1, 1]),
        sound(ROWS16, &[], &[0, 0, 3, 0, 1, 0, 2, 0]),
        sound(CSR8, &[1, 0, 3, 0], &[2, 0, 1, 1]),
        sound(BLOCKS, &[], &[0, 0, 3, 0]),
        sound(COUNTED_BLOCKS, &[2, 0], &[0, 0, 3, 0]),
        sound(PAGES, &[], &[0b1101, 0b1000]),
    ] {
        let junction = Junction::new(parts).expect("sound");
        assert_eq!((junction.nnz(), junction.density()), (4, 0.5));
    }
}

#[test]
fn zero_width() {
    let parts = sound(ROWS8, &[], &[0, 3, 1, 1]);
    assert_eq!(refused(Parts { n_in: 0, ..parts }), JunctionError::ZeroWidth);
    assert_eq!(refused(Parts { n_out: 0, ..parts }), JunctionError::ZeroWidth);
}

#[test]
fn packing_numbers_out_of_range() {
    for packing in [
        Packing::Rows { in_degree: 0, index: IndexWidth::Delta8 },
        Packing::Rows { in_degree: 5, index: IndexWidth::Absolute16 },
        Packing::Block { rows: 0, cols: 1, blocks: 1 },
        Packing::Block { rows: 33, cols: 1, blocks: 1 },
        Packing::Block { rows: 1, cols: 5, blocks: 1 },
        Packing::Block { rows: 1, cols: 0, blocks: 1 },
        Packing::Block { rows: 1, cols: 1, blocks: 5 },
        Packing::NM { n: 0, m: 4 },
        Packing::NM { n: 5, m: 4 },
        Packing::NM { n: 1, m: 12 },
        Packing::NM { n: 1, m: 128 },
    ] {
        assert_eq!(refused(sound(packing, &[], &[0, 3, 1, 1])), JunctionError::BadPacking, "{packing:?}");
    }
    assert_eq!(
        refused(Parts { n_out: 1, ..sound(Packing::Csr { index: IndexWidth::Delta8 }, &[4, 0], &[0, 1, 1, 1]) })
            .to_string(),
        "Bias has 8 bytes where the packing needs 4"
    );
}

#[test]
fn lengths() {
    let wrong = |section, needed, found| JunctionError::WrongLength { section, needed, found };
    let rows = sound(ROWS8, &[], &[0, 3, 1, 1]);
    assert_eq!(refused(Parts { weights: &rows.weights[..12], ..rows }), wrong(Section::Weights, 16, 12));
    assert_eq!(refused(Parts { index: &[0, 3, 1], ..rows }), wrong(Section::Index, 4, 3));
    assert_eq!(refused(Parts { counts: &[0], ..rows }), wrong(Section::Counts, 0, 1));
    assert_eq!(refused(Parts { bias: &[0; 7], ..rows }), wrong(Section::Bias, 8, 7));
    assert_eq!(refused(sound(CSR8, &[1, 0], &[2, 0, 1, 1])), wrong(Section::Counts, 4, 2));
    assert_eq!(refused(sound(CSR8, &[1, 0, 2, 0], &[2, 0, 1])), wrong(Section::Weights, 12, 16));
    assert_eq!(refused(sound(BLOCKS, &[], &[0, 0, 3])), wrong(Section::Index, 4, 3));
    assert_eq!(refused(sound(COUNTED_BLOCKS, &[], &[0, 0, 3, 0])), wrong(Section::Counts, 2, 0));
    assert_eq!(refused(sound(PAGES, &[], &[0b1101])), wrong(Section::Index, 2, 1));
    assert_eq!(refused(sound(Packing::Dense, &[], &[])), wrong(Section::Weights, 32, 16));
}

#[test]
fn inputs_out_of_range() {
    for parts in [
        sound(ROWS8, &[], &[0, 3, 1, 3]),
        sound(ROWS16, &[], &[0, 0, 3, 0, 1, 0, 4, 0]),
        sound(CSR8, &[1, 0, 3, 0], &[2, 0, 1, 3]),
        sound(Packing::Csr { index: IndexWidth::Absolute16 }, &[1, 0, 3, 0], &[2, 0, 0, 0, 1, 0, 255, 255]),
    ] {
        assert_eq!(refused(parts), JunctionError::InputOutOfRange { row: 1 }, "{:?}", parts.packing);
    }
    assert_eq!(refused(sound(BLOCKS, &[], &[0, 0, 4, 0])), JunctionError::InputOutOfRange { row: 0 });
    assert_eq!(refused(sound(COUNTED_BLOCKS, &[2, 0], &[0, 0, 4, 0])), JunctionError::InputOutOfRange { row: 0 });
    // A ragged last page of 2 inputs: position 3 is beyond it.
    let ragged =
        Parts { n_in: 6, n_out: 1, weights: &[0; 12], index: &[0b11_1101], bias: &[], ..sound(PAGES, &[], &[]) };
    assert_eq!(refused(ragged), JunctionError::InputOutOfRange { row: 0 });
}

#[test]
fn inputs_not_ascending() {
    for parts in [
        sound(ROWS8, &[], &[0, 3, 1, 0]),
        sound(ROWS16, &[], &[0, 0, 3, 0, 2, 0, 1, 0]),
        sound(CSR8, &[1, 0, 3, 0], &[2, 0, 1, 0]),
        sound(PAGES, &[], &[0b1101, 0b0101]),
    ] {
        assert_eq!(refused(parts), JunctionError::InputsNotAscending { row: 1 }, "{:?}", parts.packing);
    }
    assert_eq!(refused(sound(BLOCKS, &[], &[3, 0, 3, 0])), JunctionError::InputsNotAscending { row: 0 });
}

#[test]
fn padding_not_zero() {
    // Three outputs in row blocks of two: the second block's second weights stand for no output.
    let weights = [0, 0, 128, 63, 0, 0, 0, 64, 0, 0, 128, 191, 0, 0, 0, 63];
    let ragged = Parts {
        n_out: 3,
        weights: &weights,
        index: &[0, 0, 0, 0],
        bias: &[],
        ..sound(Packing::Block { rows: 2, cols: 1, blocks: 1 }, &[], &[])
    };
    assert_eq!(refused(ragged), JunctionError::PaddingNotZero);
    // Positions of 3 + 3 bits leave two bits of the byte unused.
    let bits = Parts {
        n_in: 8,
        n_out: 1,
        weights: &[0; 8],
        index: &[0b0100_1000],
        bias: &[],
        ..sound(Packing::NM { n: 2, m: 8 }, &[], &[])
    };
    assert_eq!(refused(bits), JunctionError::PaddingNotZero);
}

#[test]
fn numbers_not_finite() {
    let rows = sound(ROWS8, &[], &[0, 3, 1, 1]);
    let (nan, infinity) = (f32::NAN.to_le_bytes(), f32::NEG_INFINITY.to_le_bytes());
    for bad in [nan, infinity] {
        let weights = [[0; 4], [0; 4], [0; 4], bad].concat();
        let bias = [[0; 4], bad].concat();
        let refused_weights = Junction::new(Parts { weights: &weights, ..rows });
        assert_eq!(refused_weights.err(), Some(JunctionError::NotFinite { section: Section::Weights }));
        let refused_bias = Junction::new(Parts { bias: &bias, ..rows });
        assert_eq!(refused_bias.err(), Some(JunctionError::NotFinite { section: Section::Bias }));
    }
    let slope = Activation::LeakyRelu { slope: f32::INFINITY };
    assert_eq!(refused(Parts { activation: slope, ..rows }), JunctionError::NotFinite { section: Section::Weights });
}
