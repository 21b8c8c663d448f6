//! One specification for every int8 kernel on the list: the result is the scalar reference's, bit for bit, and the scalar
//! reference's is that of the edges as drawn, summed in 64 bits.

extern crate alloc;

#[allow(dead_code, reason = "its generator of numbers alone is used here")]
mod support;
#[allow(dead_code, reason = "what counts instructions on boards sets shifts")]
mod support_i8;

use std::collections::BTreeSet;

use lacewing_kernels::{DeltaCode, Element, IndexWidth, Isa, Packing, kernel_list};
use support::Random;
use support_i8::{Case, Extreme};

/// Widths around every vector, quad, page and group, and real ones.
const WIDTHS: [(u16, u16); 20] = [
    (1, 1),
    (3, 3),
    (4, 4),
    (5, 7),
    (8, 8),
    (9, 15),
    (15, 9),
    (16, 16),
    (17, 17),
    (31, 33),
    (32, 32),
    (33, 31),
    (40, 40),
    (64, 10),
    (65, 4),
    (100, 100),
    (127, 12),
    (300, 21),
    (800, 40),
    (1030, 24),
];

const ALL_EXTREMES: [Extreme; 6] =
    [Extreme::None, Extreme::Low, Extreme::High, Extreme::Alternating, Extreme::Saturating, Extreme::LeftShift];

/// What `LACEWING_SWEEP=short` leaves of the widths: those of at most this many edges. For emulated processors.
const SHORT: u32 = 2_500;

fn is_short() -> bool {
    std::env::var("LACEWING_SWEEP").is_ok_and(|sweep| sweep == "short")
}

fn widths() -> impl Iterator<Item = (u16, u16)> {
    let most = if is_short() { SHORT } else { u32::MAX };
    WIDTHS.into_iter().filter(move |(n_in, n_out)| u32::from(*n_in) * u32::from(*n_out) <= most)
}

/// The packings of a sweep for junctions of so many inputs and outputs.
type Packings = fn(u16, u16) -> Vec<Packing>;

/// Runs every kernel that accepts one of the packings, and holds what ran against what should have.
fn sweep(packings: Packings) {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let mut random = Random::new(8);
    let (mut ran, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    let mut drawn = 0;
    for (n_in, n_out) in widths() {
        for packing in packings(n_in, n_out) {
            // Every packing meets every extreme as the widths go on.
            for extreme in [Extreme::None, ALL_EXTREMES[drawn % ALL_EXTREMES.len()]] {
                let case = Case::draw(n_in, n_out, packing, extreme, &mut random);
                ran.extend(case.check_all(widest).iter().map(ToString::to_string));
                drawn += 1;
            }
            let here = kernel_list().iter().filter(|kernel| kernel.isa() <= widest && kernel.isa().is_available());
            let here = here.filter(|kernel| kernel.accepts_element(Element::I8, &packing));
            wanted.extend(here.map(ToString::to_string));
        }
    }
    assert_eq!(ran, wanted, "the kernels that ran");
}

/// Makes a test of each sweep and the list of all, which `every_int8_kernel_is_reached` goes by.
macro_rules! sweeps {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            sweep(packings::$name);
        })*

        const SWEEPS: &[Packings] = &[$(packings::$name),*];
    };
}

sweeps! {
    dense
    constant_in_degree_one_to_full_row
    rows_of_any_length_with_empty_and_full_rows
    coded_rows_of_one_and_of_any_in_degree
    blocks_with_ragged_row_blocks_and_ragged_groups_of_inputs
    pages_whole_and_ragged
    pages_in_lanes_whole_and_ragged_groups_quads_and_pages
    windows_of_any_mask_and_order
    input_major_with_single_and_runs_of_zero_points
}

mod packings {
    use super::{DeltaCode, IndexWidth, Packing};

    pub fn input_major_with_single_and_runs_of_zero_points(_: u16, n_out: u16) -> Vec<Packing> {
        let mut degrees = vec![1, 2, 3, n_out / 4, n_out / 2, n_out - 1, n_out];
        degrees.retain(|d| (1..=n_out).contains(d));
        degrees.dedup();
        let widths = [IndexWidth::Delta8, IndexWidth::Absolute16];
        let sparse =
            degrees.into_iter().flat_map(|out_degree| widths.map(|index| Packing::InputMajor { out_degree, index }));
        core::iter::once(Packing::DenseInputMajor).chain(sparse).collect()
    }

    pub fn dense(_: u16, _: u16) -> Vec<Packing> {
        vec![Packing::Dense; 3]
    }

    pub fn constant_in_degree_one_to_full_row(n_in: u16, _: u16) -> Vec<Packing> {
        let mut degrees = vec![1, 2, 7, 8, 9, n_in / 4, n_in / 2, n_in - 1, n_in];
        degrees.retain(|d| (1..=n_in).contains(d));
        degrees.dedup();
        let widths = [IndexWidth::Delta8, IndexWidth::Absolute16];
        degrees.into_iter().flat_map(|in_degree| widths.map(|index| Packing::Rows { in_degree, index })).collect()
    }

    pub fn rows_of_any_length_with_empty_and_full_rows(_: u16, _: u16) -> Vec<Packing> {
        [IndexWidth::Delta8, IndexWidth::Absolute16].map(|index| Packing::Csr { index }).repeat(3)
    }

    pub fn coded_rows_of_one_and_of_any_in_degree(n_in: u16, _: u16) -> Vec<Packing> {
        let codes =
            [DeltaCode::Nibbles, DeltaCode::Rice(0), DeltaCode::Rice(1), DeltaCode::Rice(4), DeltaCode::Rice(15)];
        let degrees = [0, 1, n_in.div_ceil(20), n_in / 4, n_in];
        degrees.into_iter().flat_map(|in_degree| codes.map(|code| Packing::Coded { in_degree, code })).collect()
    }

    pub fn blocks_with_ragged_row_blocks_and_ragged_groups_of_inputs(n_in: u16, _: u16) -> Vec<Packing> {
        let shapes = [
            (1, 1),
            (4, 1),
            (8, 1),
            (16, 1),
            (32, 1),
            (4, 4),
            (8, 4),
            (16, 4),
            (32, 4),
            (8, 3),
            (16, 6),
            (3, 5),
            (1, 16),
        ];
        let shapes = shapes.into_iter().filter(|(_, cols)| u16::from(*cols) <= n_in);
        let counted = |(rows, cols): (u8, u8)| {
            let most = n_in - u16::from(cols) + 1;
            let counts = [0, 1, 2, 3, 5, most / 2, most].into_iter().filter(move |blocks| *blocks <= most);
            counts.map(move |blocks| Packing::Block { rows, cols, blocks })
        };
        shapes.flat_map(counted).collect()
    }

    pub fn pages_whole_and_ragged(_: u16, _: u16) -> Vec<Packing> {
        [(1, 4), (4, 4), (2, 8), (1, 16), (4, 16), (3, 32), (32, 32), (1, 64), (16, 64)]
            .map(|(n, m)| Packing::NM { n, m })
            .to_vec()
    }

    pub fn pages_in_lanes_whole_and_ragged_groups_quads_and_pages(_: u16, _: u16) -> Vec<Packing> {
        let narrow = [
            (1, 4),
            (2, 4),
            (3, 4),
            (1, 8),
            (2, 8),
            (3, 8),
            (8, 8),
            (1, 16),
            (2, 16),
            (3, 16),
            (4, 16),
            (5, 16),
            (8, 16),
        ];
        let wide = [
            (1, 32),
            (2, 32),
            (3, 32),
            (4, 32),
            (8, 32),
            (1, 64),
            (2, 64),
            (4, 64),
            (5, 64),
            (8, 64),
            (12, 64),
            (16, 64),
        ];
        narrow
            .into_iter()
            .chain(wide)
            .flat_map(|(n, m)| [4, 8, 16].map(|lanes| Packing::NMLanes { n, m, lanes }))
            .collect()
    }

    pub fn windows_of_any_mask_and_order(n_in: u16, _: u16) -> Vec<Packing> {
        let shapes = [4, 8, 16].into_iter().flat_map(|lanes| [4, 8, 16, 32, 64, 128].map(|width| (lanes, width)));
        let shapes = shapes.filter(|(_, width)| u16::from(*width) <= n_in);
        shapes.flat_map(|(lanes, width)| [1, 2, 2, 4].map(|steps| Packing::Windows { lanes, width, steps })).collect()
    }
}

/// Distances far beyond a kernel's window of the stream, and rows that end it.
#[test]
fn coded_rows_of_far_apart_inputs() {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let mut random = Random::new(11);
    for n_in in [700, 5000, 65_535].into_iter().take(if is_short() { 1 } else { 3 }) {
        for code in (0..=DeltaCode::MAX_RICE).map(DeltaCode::Rice).chain([DeltaCode::Nibbles]) {
            for in_degree in [1, 2, 9] {
                let packing = Packing::Coded { in_degree, code };
                Case::draw(n_in, if cfg!(miri) { 2 } else { 11 }, packing, Extreme::None, &mut random)
                    .check_all(widest);
            }
        }
    }
}

/// Kernels that work on a copy of the inputs have room for 4,096.
#[test]
fn inputs_beyond_a_copy() {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let mut random = Random::new(12);
    for n_in in [4095, 4096, 4097, 4161].into_iter().take(if is_short() { 1 } else { 4 }) {
        let blocks = [(16, 1), (16, 4), (16, 6), (32, 4)].map(|(rows, cols)| Packing::Block { rows, cols, blocks: 50 });
        let pages = [
            (2, 4),
            (3, 4),
            (1, 8),
            (2, 8),
            (4, 8),
            (1, 16),
            (2, 16),
            (4, 16),
            (5, 16),
            (1, 32),
            (2, 32),
            (4, 32),
            (4, 64),
            (6, 64),
        ];
        let pages = pages.map(|(n, m)| Packing::NMLanes { n, m, lanes: 16 });
        let windows = [(16, 1), (32, 1), (64, 1), (128, 2)];
        let windows = windows.map(|(width, steps)| Packing::Windows { lanes: 16, width, steps });
        for packing in blocks.into_iter().chain(pages).chain(windows) {
            for extreme in [Extreme::None, Extreme::Low] {
                Case::draw(n_in, 18, packing, extreme, &mut random).check_all(widest);
            }
        }
    }
}

/// Kernels that bring sums into the order of the outputs have room for 1,024.
#[test]
fn outputs_beyond_a_place_for_their_sums() {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let mut random = Random::new(13);
    for n_out in [1008, 1023, 1024, 1025, 1040].into_iter().take(if is_short() || cfg!(miri) { 0 } else { 5 }) {
        for (lanes, width) in [(8, 16), (16, 32), (16, 64)] {
            for extreme in [Extreme::None, Extreme::High, Extreme::LeftShift] {
                let packing = Packing::Windows { lanes, width, steps: 1 };
                Case::draw(70, n_out, packing, extreme, &mut random).check_all(widest);
            }
        }
    }
}

/// The kernels of int8 that none of the packings reaches.
fn unreached(packings: &[Packing]) -> Vec<String> {
    let of_i8 = kernel_list().iter().filter(|kernel| kernel.element() == Element::I8);
    let missed = of_i8.filter(|kernel| !packings.iter().any(|p| kernel.accepts_element(Element::I8, p)));
    missed.map(ToString::to_string).collect()
}

/// By the packings that the sweeps have, whatever this machine can run of them.
#[test]
fn every_int8_kernel_is_reached() {
    let all = SWEEPS.iter().flat_map(|packings| widths().flat_map(|(n_in, n_out)| packings(n_in, n_out)));
    assert_eq!(unreached(&all.collect::<Vec<_>>()), [""; 0], "no sweep reaches these kernels");
}

#[test]
fn elements_do_not_mix() {
    let mut random = Random::new(3);
    let case = Case::draw(8, 8, Packing::Dense, Extreme::None, &mut random);
    let junction = case.junction();
    let mut y = [0; 8];
    for kernel in kernel_list().iter().filter(|kernel| kernel.accepts(&Packing::Dense)) {
        let Some(ready) = kernel.ready() else { continue };
        assert!(ready.run(&junction, &[0.0; 8], &mut [0.0; 8]).is_err(), "{kernel} is for f32");
        assert!(ready.run_i8(&junction, &[0; 8], &mut y).is_err(), "{kernel} is for f32");
    }
    for kernel in kernel_list().iter().filter(|kernel| kernel.element() == Element::I8) {
        let Some(ready) = kernel.ready() else { continue };
        assert!(ready.run(&junction, &[0.0; 8], &mut [0.0; 8]).is_err(), "{kernel} is for int8");
        assert!(ready.run_i8(&junction, &[0; 7], &mut y).is_err(), "seven inputs");
    }
}

mod properties {
    use lacewing_kernels::{DeltaCode, IndexWidth, Isa, Packing};
    use proptest::prelude::*;

    use super::support::Random;
    use super::{ALL_EXTREMES, Case};

    fn packing(n_in: u16, kind: u8, a: u16, b: u8) -> Packing {
        let index = if a.is_multiple_of(2) { IndexWidth::Delta8 } else { IndexWidth::Absolute16 };
        let cols = (1 + b % 6).min(n_in.min(6) as u8);
        match kind {
            0 => Packing::Dense,
            1 => Packing::Rows { in_degree: 1 + a % n_in, index },
            2 => Packing::Csr { index },
            3 => Packing::Block { rows: [4, 8, 16, 32][usize::from(b % 4)], cols, blocks: 0 },
            4 => Packing::NM { n: 1 + b % 4, m: [4, 8, 16, 32, 64][usize::from(a % 5)] },
            5 => Packing::Coded {
                in_degree: a % (n_in + 1),
                code: if b == 0 { DeltaCode::Nibbles } else { DeltaCode::Rice(b % 9) },
            },
            6 if n_in >= 64 => {
                let width = [16, 32, 64, if n_in < 128 { 16 } else { 128 }][usize::from(a % 4)];
                Packing::Windows { lanes: [8, 16][usize::from(b % 2)], width, steps: 1 + b / 2 % 2 }
            }
            _ => {
                let (m, lanes) = ([4, 8, 16, 32, 64][usize::from(a % 5)], [8, 16][usize::from(b / 4 % 2)]);
                Packing::NMLanes { n: 1 + b % 4, m, lanes }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else if super::is_short() { 200 } else { 2000 }, ..ProptestConfig::default() })]

        #[test]
        fn kernels_are_bit_equal_to_the_reference(
            n_in in 1u16..200, n_out in 1u16..70, kind in 0u8..8, a: u16, b: u8, extreme in 0usize..6, seed: u64,
        ) {
            let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
            let mut random = Random::new(seed);
            Case::draw(n_in, n_out, packing(n_in, kind, a, b), ALL_EXTREMES[extreme], &mut random).check_all(widest);
        }
    }
}
