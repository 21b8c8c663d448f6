//! Every rule of the deployment packings has a junction that breaks it and nothing else.

use lacewing_kernels::{Activation, IndexWidth, Junction, JunctionError, Packing, Parts, Section};

/// Owned parts of 6 inputs and 2 outputs, to break one at a time.
#[derive(Clone)]
struct Bytes {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    weights: Vec<f32>,
    counts: Vec<u16>,
    /// 16-bit numbers at the front of the index.
    shorts: Vec<u16>,
    words: Vec<u32>,
}

impl Bytes {
    fn prove(&self) -> Result<(usize, f64), JunctionError> {
        let weights: Vec<u8> = self.weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let counts: Vec<u8> = self.counts.iter().flat_map(|c| c.to_le_bytes()).collect();
        let shorts = self.shorts.iter().flat_map(|s| s.to_le_bytes());
        let index: Vec<u8> = shorts.chain(self.words.iter().flat_map(|w| w.to_le_bytes())).collect();
        let junction = Junction::new(Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: Activation::Relu,
            weights: &weights,
            counts: &counts,
            index: &index,
            bias: &[],
        })?;
        Ok((junction.nnz(), junction.density()))
    }

    fn refused(&self, break_it: impl FnOnce(&mut Self)) -> JunctionError {
        let mut broken = self.clone();
        break_it(&mut broken);
        broken.prove().expect_err("this junction breaks a rule")
    }
}

/// A page of 4 and one of 2, one edge each, in two of four lanes.
fn pages() -> Bytes {
    Bytes {
        n_in: 6,
        n_out: 2,
        packing: Packing::NMLanes { n: 1, m: 4, lanes: 4 },
        weights: vec![1.0, 2.0, 0.0, 0.0, 3.0, -4.0, 0.0, 0.0],
        counts: vec![],
        shorts: vec![],
        words: vec![0x13, 0x00, 0, 0],
    }
}

/// Two steps: windows 0..4 and 2..6; row 0 is output 1 and has inputs 3 and 5, row 1 is output 0 and has input 2.
fn windows() -> Bytes {
    Bytes {
        n_in: 6,
        n_out: 2,
        packing: Packing::Windows { lanes: 4, width: 4, steps: 1 },
        weights: vec![1.0, -0.0, -0.0, -0.0, 3.0, 0.0, -0.0, -0.0],
        counts: vec![2],
        shorts: vec![1, 0, 0, 2],
        words: vec![0x33, 0x00, 0, 0],
    }
}

/// The same two steps of one window, 2..6; row 0 has inputs 3 and 5, row 1 has input 2.
fn paired() -> Bytes {
    let packing = Packing::Windows { lanes: 4, width: 4, steps: 2 };
    Bytes { packing, shorts: vec![1, 0, 2], words: vec![0x31, 0x00, 0, 0], ..windows() }
}

/// The same; beside the window row 0 has input 4, and row 1 inputs 0 and 5.
fn spilled() -> Bytes {
    let weights = [&paired().weights[..], &[5.0, 6.0, 0.0]].concat();
    let words = [&paired().words[..], &[0x0001_0004, 0x0000_0000, 0x0000_0005]].concat();
    Bytes { weights, words, ..paired() }
}

/// Both inputs of 2 reach outputs 0 and 2 of 3.
fn input_major(index: IndexWidth) -> Bytes {
    let shorts = if index == IndexWidth::Delta8 { vec![0x0200, 0x0200] } else { vec![0, 2, 0, 2] };
    Bytes {
        n_in: 2,
        n_out: 3,
        packing: Packing::InputMajor { out_degree: 2, index },
        weights: vec![1.0, 2.0, 3.0, 4.0],
        counts: vec![],
        shorts,
        words: vec![],
    }
}

fn dense_input_major() -> Bytes {
    Bytes {
        packing: Packing::DenseInputMajor,
        weights: vec![1.0; 6],
        shorts: vec![],
        ..input_major(IndexWidth::Delta8)
    }
}

fn wrong(section: Section, needed: usize, found: usize) -> JunctionError {
    JunctionError::WrongLength { section, needed, found }
}

#[test]
fn the_sound_ones_are_taken() {
    assert_eq!(pages().prove(), Ok((4, 4.0 / 12.0)));
    // The edge whose weight is +0 counts, padding of −0 does not.
    assert_eq!(windows().prove(), Ok((3, 0.25)));
    assert_eq!(paired().prove(), Ok((3, 0.25)));
    assert_eq!(spilled().prove(), Ok((6, 0.5)));
    for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
        assert_eq!(input_major(index).prove(), Ok((4, 4.0 / 6.0)));
    }
    assert_eq!(dense_input_major().prove(), Ok((6, 1.0)));
}

#[test]
fn packing_numbers_out_of_range() {
    for (n, m, lanes) in [(0, 4, 4), (5, 4, 4), (1, 6, 4), (1, 64, 4), (1, 4, 0), (1, 4, 5), (1, 4, 32)] {
        let refused = pages().refused(|b| b.packing = Packing::NMLanes { n, m, lanes });
        assert_eq!(refused, JunctionError::BadPacking, "{n}:{m} x{lanes}");
    }
    // A window of 8 is wider than the 6 inputs.
    for (lanes, width) in [(0, 4), (6, 4), (32, 4), (4, 0), (4, 5), (4, 64), (4, 8)] {
        let refused = windows().refused(|b| b.packing = Packing::Windows { lanes, width, steps: 1 });
        assert_eq!(refused, JunctionError::BadPacking, "{width} x{lanes}");
    }
    // Windows of four steps do not divide a group's two.
    for steps in [0, 3, 4, 8] {
        let refused = windows().refused(|b| b.packing = Packing::Windows { lanes: 4, width: 4, steps });
        assert_eq!(refused, JunctionError::BadPacking, "{steps}");
    }
    for out_degree in [0, 4] {
        let packing = Packing::InputMajor { out_degree, index: IndexWidth::Delta8 };
        assert_eq!(input_major(IndexWidth::Delta8).refused(|b| b.packing = packing), JunctionError::BadPacking);
    }
}

#[test]
fn lengths() {
    assert_eq!(pages().refused(|b| b.weights.truncate(7)), wrong(Section::Weights, 32, 28));
    assert_eq!(pages().refused(|b| b.counts.push(1)), wrong(Section::Counts, 0, 2));
    assert_eq!(pages().refused(|b| b.words.truncate(3)), wrong(Section::Index, 16, 12));
    assert_eq!(windows().refused(|b| b.weights.truncate(7)), wrong(Section::Weights, 32, 28));
    assert_eq!(windows().refused(|b| b.counts.push(0)), wrong(Section::Counts, 2, 4));
    assert_eq!(windows().refused(|b| b.counts[0] = 3), wrong(Section::Weights, 48, 32));
    assert_eq!(windows().refused(|b| b.words.truncate(3)), wrong(Section::Index, 24, 20));
    assert_eq!(paired().refused(|b| b.shorts.push(0)), wrong(Section::Index, 22, 24));
    assert_eq!(paired().refused(|b| b.weights.push(1.0)), wrong(Section::Index, 26, 22));
    assert_eq!(spilled().refused(|b| b.weights.truncate(10)), wrong(Section::Index, 30, 34));
    assert_eq!(spilled().refused(|b| b.words.truncate(6)), wrong(Section::Index, 34, 30));
    assert_eq!(dense_input_major().refused(|b| b.weights.truncate(5)), wrong(Section::Weights, 24, 20));
    assert_eq!(input_major(IndexWidth::Delta8).refused(|b| b.shorts.truncate(1)), wrong(Section::Index, 4, 2));
}

#[test]
fn inputs_and_outputs_out_of_range() {
    let out_of_range = |row| JunctionError::InputOutOfRange { row };
    // Position 2 in the last page, which has 2 inputs; 4 in a page of 4.
    assert_eq!(pages().refused(|b| b.words[0] = 0x23), out_of_range(0));
    assert_eq!(pages().refused(|b| b.words[1] = 0x04), out_of_range(1));
    assert_eq!(windows().refused(|b| b.shorts[3] = 3), out_of_range(0));
    assert_eq!(windows().refused(|b| b.words[0] = 0x34), out_of_range(0));
    assert_eq!(spilled().refused(|b| b.words[4] = 0x0001_0006), out_of_range(1));
    assert_eq!(spilled().refused(|b| b.words[6] = 0x0000_ffff), out_of_range(0));
    assert_eq!(input_major(IndexWidth::Delta8).refused(|b| b.shorts[1] = 0x0300), out_of_range(1));
    assert_eq!(input_major(IndexWidth::Absolute16).refused(|b| b.shorts[3] = 3), out_of_range(1));
}

#[test]
fn inputs_not_ascending() {
    let not_ascending = |row| JunctionError::InputsNotAscending { row };
    let two_a_page =
        Bytes { n_in: 4, packing: Packing::NMLanes { n: 2, m: 4, lanes: 4 }, words: vec![0x31, 0x10, 0, 0], ..pages() };
    assert_eq!(two_a_page.prove(), Ok((4, 0.5)));
    assert_eq!(two_a_page.refused(|b| b.words[1] = 0x11), not_ascending(1));
    assert_eq!(two_a_page.refused(|b| b.words[0] = 0x13), not_ascending(0));
    // Input 3 twice, and 2 after 3.
    assert_eq!(windows().refused(|b| b.words[0] = 0x13), not_ascending(0));
    assert_eq!(windows().refused(|b| b.words[0] = 0x03), not_ascending(0));
    // The spilled: what is in the row's window too, the same twice, descending, rows in another order than the windows', and an
    // output that is not there.
    assert_eq!(spilled().refused(|b| b.words[4] = 0x0001_0003), not_ascending(0));
    assert_eq!(spilled().refused(|b| b.words[4] = 0x0001_0005), not_ascending(0));
    assert_eq!(spilled().refused(|b| b.words[5] = 0x0000_0002), not_ascending(1));
    assert_eq!(spilled().refused(|b| b.words[5] = 0x0000_0005), not_ascending(1));
    assert_eq!(spilled().refused(|b| b.words.swap(5, 6)), not_ascending(1));
    assert_eq!(spilled().refused(|b| b.words.swap(4, 6)), not_ascending(1));
    assert_eq!(spilled().refused(|b| b.words[6] = 0x0002_0005), not_ascending(2));
    assert_eq!(spilled().refused(|b| b.words[6] = 0xffff_0005), not_ascending(0xffff));
    assert_eq!(input_major(IndexWidth::Absolute16).refused(|b| b.shorts[3] = 0), not_ascending(1));
}

#[test]
fn padding_not_zero() {
    // A weight, a position and unused bits of a lane without an output; unused bits of one that has.
    for (word, bits) in [(2, 0x10), (2, 0x100), (0, 0x8000_0013), (1, 0x100)] {
        assert_eq!(pages().refused(|b| b.words[word] = bits), JunctionError::PaddingNotZero, "{bits:x}");
    }
    for weight in [1.0, -0.0] {
        assert_eq!(pages().refused(|b| b.weights[6] = weight), JunctionError::PaddingNotZero);
    }
    for (word, bits) in [(2, 0x10), (3, 0x100), (0, 0x133), (1, 0x01)] {
        assert_eq!(windows().refused(|b| b.words[word] = bits), JunctionError::PaddingNotZero, "{bits:x}");
    }
    for weight in [1.0, 0.0] {
        assert_eq!(windows().refused(|b| b.weights[6] = weight), JunctionError::PaddingNotZero);
    }
    assert_eq!(spilled().refused(|b| b.weights[9] = -0.0), JunctionError::PaddingNotZero);
}

#[test]
fn order_not_a_permutation() {
    for (first, second) in [(0, 0), (1, 1), (1, 2), (0, 0xffff)] {
        let refused = windows().refused(|b| (b.shorts[0], b.shorts[1]) = (first, second));
        assert_eq!(refused, JunctionError::NotAPermutation, "{first} {second}");
    }
    // Around the 128 and 256 numbers that one pass of the proof covers.
    for n_out in [127, 128, 129, 255, 256, 257, 600] {
        let groups = usize::from(n_out).div_ceil(4);
        let order: Vec<u16> = (0..n_out).rev().collect();
        let many = Bytes { n_out, weights: vec![], counts: vec![0; groups], shorts: order, words: vec![], ..windows() };
        assert_eq!(many.prove(), Ok((0, 0.0)), "{n_out}");
        for at in [0, usize::from(n_out) / 2, usize::from(n_out) - 1] {
            let refused = many.refused(|b| b.shorts[at] = if b.shorts[at] == 7 { 8 } else { 7 });
            assert_eq!(refused, JunctionError::NotAPermutation, "{n_out}: entry {at}");
        }
    }
}
