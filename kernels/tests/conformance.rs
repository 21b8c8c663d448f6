//! One specification for every kernel on the list: the result is the scalar reference's, within the stated bound.
//!
//! Sweeps are named by the boundary they cross. Each kernel runs every case whose packing it accepts; a kernel that no case
//! reaches fails the test, and so does an instruction set that `LACEWING_ISA` names and the machine lacks. What no list of
//! boundaries foresees, the properties at the end draw.

extern crate alloc;

mod support;

use std::collections::BTreeSet;

use lacewing_kernels::{Activation, Element, IndexWidth, Isa, KernelSet, Packing, kernel_list};
use support::{Case, Random};

const ACTIVATIONS: [Activation; 6] = [
    Activation::None,
    Activation::Relu,
    Activation::LeakyRelu { slope: 0.125 },
    Activation::Relu6,
    Activation::Tanh,
    Activation::Sigmoid,
];

/// Widths around every lane count, tile and page: 1, below, at and above 4, 8, 16, 32, and real ones.
const WIDTHS: [(u16, u16); 22] = [
    (1, 1),
    (3, 3),
    (4, 4),
    (5, 7),
    (7, 5),
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
    (112, 10),
    (300, 21),
    (800, 3),
    (800, 40),
    (800, 112),
];

/// What `LACEWING_SWEEP=short` leaves of the widths: those of at most this many edges. For emulated processors.
const SHORT: u32 = 2500;

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
    let mut random = Random::new(1);
    let (mut ran, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    for (k, (n_in, n_out)) in widths().enumerate() {
        for packing in packings(n_in, n_out) {
            let case = Case::draw(n_in, n_out, packing, ACTIVATIONS[k % ACTIVATIONS.len()], k % 3 != 0, &mut random);
            ran.extend(case.check_all(widest).iter().map(ToString::to_string));
            let here = kernel_list().iter().filter(|kernel| kernel.isa() <= widest && kernel.isa().is_available());
            let here = here.filter(|kernel| kernel.accepts(&packing) || kernel.accepts_batch(&packing));
            wanted.extend(here.map(ToString::to_string));
        }
    }
    assert_eq!(ran, wanted, "the kernels that ran");
}

/// Makes a test of each sweep and the list of all, which `every_kernel_is_reached` goes by.
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
    blocks_with_ragged_last_row_block_and_unaligned_starts
    pages_whole_and_ragged
    pages_in_lanes_whole_and_ragged_groups_and_pages
    windows_anywhere_with_empty_and_ragged_groups
    input_major_with_zero_inputs
}

mod packings {
    use super::{IndexWidth, Packing};

    const INDEXES: [IndexWidth; 2] = [IndexWidth::Delta8, IndexWidth::Absolute16];

    pub fn dense(_: u16, _: u16) -> Vec<Packing> {
        vec![Packing::Dense]
    }

    pub fn constant_in_degree_one_to_full_row(n_in: u16, _: u16) -> Vec<Packing> {
        let mut degrees = vec![1, 2, 7, 8, 9, 16, 17, n_in / 4, n_in / 2, n_in - 1, n_in];
        degrees.retain(|d| (1..=n_in).contains(d));
        degrees.dedup();
        degrees.into_iter().flat_map(|in_degree| INDEXES.map(|index| Packing::Rows { in_degree, index })).collect()
    }

    pub fn rows_of_any_length_with_empty_and_full_rows(_: u16, _: u16) -> Vec<Packing> {
        INDEXES.map(|index| Packing::Csr { index }).to_vec()
    }

    pub fn blocks_with_ragged_last_row_block_and_unaligned_starts(n_in: u16, _: u16) -> Vec<Packing> {
        let mut packings = Vec::new();
        for (rows, cols) in [
            (1, 4),
            (1, 8),
            (1, 16),
            (4, 1),
            (8, 1),
            (16, 1),
            (32, 1),
            (4, 4),
            (8, 4),
            (16, 4),
            (8, 8),
            (3, 5),
            (2, 2),
            (32, 2),
        ] {
            if u16::from(cols) <= n_in {
                for blocks in [0, 1, 2, 3, 4, 5, 9, (n_in - u16::from(cols)) / 2, n_in - u16::from(cols) + 1] {
                    if blocks <= n_in - u16::from(cols) + 1 {
                        packings.push(Packing::Block { rows, cols, blocks });
                    }
                }
            }
        }
        packings
    }

    pub fn pages_whole_and_ragged(_: u16, _: u16) -> Vec<Packing> {
        [
            (1, 4),
            (2, 4),
            (4, 4),
            (1, 8),
            (2, 8),
            (8, 8),
            (1, 16),
            (4, 16),
            (2, 32),
            (3, 32),
            (8, 32),
            (32, 32),
            (1, 64),
            (4, 64),
        ]
        .map(|(n, m)| Packing::NM { n, m })
        .to_vec()
    }

    pub fn pages_in_lanes_whole_and_ragged_groups_and_pages(_: u16, _: u16) -> Vec<Packing> {
        let shapes = [(1, 4), (3, 4), (1, 8), (2, 8), (3, 8), (4, 8), (8, 8), (1, 16), (2, 16), (4, 16), (5, 16)];
        let wide = [(1, 32), (2, 32), (3, 32), (8, 32)];
        let all = shapes.into_iter().chain(wide);
        all.flat_map(|(n, m)| [4, 8, 16].map(|lanes| Packing::NMLanes { n, m, lanes })).collect()
    }

    pub fn windows_anywhere_with_empty_and_ragged_groups(n_in: u16, _: u16) -> Vec<Packing> {
        let widths = [4, 8, 16, 32].into_iter().filter(|width| u16::from(*width) <= n_in);
        let all = widths.flat_map(|width| [1, 2, 4].map(|steps| (width, steps)));
        all.flat_map(|(width, steps)| [4, 8, 16].map(|lanes| Packing::Windows { lanes, width, steps })).collect()
    }

    pub fn input_major_with_zero_inputs(_: u16, n_out: u16) -> Vec<Packing> {
        let mut degrees = vec![1, 2, 7, n_out / 4, n_out - 1, n_out];
        degrees.retain(|d| (1..=n_out).contains(d));
        degrees.dedup();
        let sparse =
            degrees.into_iter().flat_map(|out_degree| INDEXES.map(|index| Packing::InputMajor { out_degree, index }));
        sparse.chain([Packing::DenseInputMajor]).collect()
    }
}

/// The kernels of f32 that none of the packings reaches.
fn unreached(packings: &[Packing]) -> Vec<String> {
    let of_f32 = kernel_list().iter().filter(|kernel| kernel.element() == Element::F32);
    let missed = of_f32.filter(|kernel| !packings.iter().any(|p| kernel.accepts(p) || kernel.accepts_batch(p)));
    missed.map(ToString::to_string).collect()
}

/// Cortex-M's rows take an index for a signed half, and have another way for more inputs than that.
#[test]
fn more_inputs_than_signed_halves_count() {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let (index, mut random) = (IndexWidth::Absolute16, Random::new(3));
    for n_in in [32_768, 32_769, 65_535] {
        for packing in [Packing::Rows { in_degree: 21, index }, Packing::Csr { index }] {
            let ran = Case::draw(n_in, 3, packing, Activation::None, true, &mut random).check_all(widest);
            assert!(ran.iter().any(|kernel| kernel.isa() == Isa::Scalar), "{packing} of {n_in}");
        }
    }
}

/// By the packings that the sweeps have, whatever this machine can run of them.
#[test]
fn every_kernel_is_reached() {
    let all = SWEEPS.iter().flat_map(|packings| widths().flat_map(|(n_in, n_out)| packings(n_in, n_out)));
    let all: Vec<Packing> = all.collect();
    assert_eq!(unreached(&all), [""; 0], "no sweep reaches these kernels");
    // Nor would it pass with a sweep less: each has a packing of its own.
    for left_out in 0..SWEEPS.len() {
        let others = SWEEPS.iter().enumerate().filter(|(k, _)| *k != left_out).map(|(_, packings)| packings);
        let others = others.flat_map(|packings| widths().flat_map(|(n_in, n_out)| packings(n_in, n_out)));
        assert!(!unreached(&others.collect::<Vec<_>>()).is_empty(), "sweep {left_out} reaches no kernel of its own");
    }
}

#[test]
fn names_are_unique_and_the_choice_is_the_widest_allowed() {
    for (k, kernel) in kernel_list().iter().enumerate() {
        assert!(
            kernel_list().iter().skip(k + 1).all(|other| other.to_string() != kernel.to_string()),
            "{kernel} twice"
        );
    }
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let chosen = KernelSet::ALL.choose(&Packing::Dense).expect("as above").expect("dense is always there").kernel();
    assert!(chosen.isa() <= widest);
    let batched = KernelSet::ALL.choose_batch(&Packing::Dense).expect("as above").map(|ready| ready.kernel());
    assert!(batched.is_some() || cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))));
    assert!(batched.is_none_or(|batched| batched.is_batched() && batched.isa() == chosen.isa()));
    assert!(!chosen.is_batched());
    if std::env::var("LACEWING_ISA").is_ok() {
        // A set may add to another for int8 alone: the widest one that has a kernel for these junctions.
        let dense = kernel_list().iter().filter(|kernel| kernel.accepts(&Packing::Dense) && kernel.isa() <= widest);
        let asked_for = dense.map(|kernel| kernel.isa()).max();
        assert_eq!(Some(chosen.isa()), asked_for, "the instruction set asked for is the one used");
    }
}

#[test]
fn infinities_and_nan_reach_the_output() {
    let mut random = Random::new(2);
    for packing in [
        Packing::Dense,
        Packing::Rows { in_degree: 20, index: IndexWidth::Delta8 },
        Packing::Block { rows: 8, cols: 1, blocks: 20 },
        Packing::Block { rows: 1, cols: 8, blocks: 2 },
        Packing::NM { n: 20, m: 32 },
        Packing::NMLanes { n: 2, m: 8, lanes: 8 },
        Packing::Windows { lanes: 8, width: 8, steps: 1 },
        Packing::DenseInputMajor,
        Packing::InputMajor { out_degree: 5, index: IndexWidth::Delta8 },
    ] {
        let case = Case::draw(20, 16, packing, Activation::None, true, &mut random);
        for bad in [f32::NAN, f32::INFINITY] {
            case.check_poisoned(bad);
        }
    }
}

mod properties {
    use lacewing_kernels::{Activation, IndexWidth, Isa, Packing};
    use proptest::prelude::*;

    use super::support::{Case, Random};
    use super::{ACTIVATIONS, unreached};

    const KINDS: u8 = 9;

    /// Some packing of the kind for the widths; `a` and `b` are any numbers.
    fn packing((n_in, n_out): (u16, u16), kind: u8, a: u16, b: u8) -> Packing {
        let index = if b.is_multiple_of(2) { IndexWidth::Delta8 } else { IndexWidth::Absolute16 };
        let lanes = [4, 8, 16][usize::from(b % 3)];
        match kind {
            0 => Packing::Dense,
            1 => Packing::Rows { in_degree: 1 + a % n_in, index },
            2 => Packing::Csr { index },
            3 => {
                let rows = [1, 4, 8, 16, 32, 1 + b % 32][usize::from(a % 6)];
                let cols = [1, 4, 8, 16, 1 + b % 6][usize::from(b % 5)].min(n_in.min(32) as u8);
                let blocks = if b > 127 { 0 } else { a % (n_in - u16::from(cols) + 2) };
                Packing::Block { rows, cols, blocks }
            }
            4 => {
                let m = [4, 8, 16, 32, 64][usize::from(a % 5)];
                Packing::NM { n: 1 + b % m, m }
            }
            5 => {
                let m = [4, 8, 16, 32][usize::from(a % 4)];
                Packing::NMLanes { n: 1 + b / 3 % m, m, lanes }
            }
            6 if n_in >= 4 => {
                let fitting = [4, 8, 16, 32].into_iter().filter(|width| u16::from(*width) <= n_in);
                let fitting: Vec<u8> = fitting.collect();
                Packing::Windows {
                    lanes,
                    width: fitting[usize::from(a) % fitting.len()],
                    steps: [1, 2, 4][usize::from(b / 3 % 3)],
                }
            }
            7 => Packing::DenseInputMajor,
            _ => Packing::InputMajor { out_degree: 1 + a % n_out, index },
        }
    }

    #[test]
    fn every_kernel_can_be_drawn() {
        let numbers = (0..KINDS).flat_map(|kind| (0..60).flat_map(move |a| (0..=255).map(move |b| (kind, a, b))));
        let all: Vec<Packing> = numbers.map(|(kind, a, b)| packing((199, 69), kind, a, b)).collect();
        assert_eq!(unreached(&all), [""; 0]);
    }

    const CASES: u32 = if cfg!(miri) { 4 } else { 2000 };

    fn cases() -> u32 {
        if super::is_short() { CASES.min(200) } else { CASES }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

        /// Any shape, packing, mask, activation and weights, as far apart as 2^`spread`: every kernel of every instruction set
        /// of this machine is within 1e-5 of the sum of magnitudes of the scalar reference.
        #[test]
        fn kernels_are_near_the_reference(
            widths in (1u16..200, 1u16..70), kind in 0..KINDS, a: u16, b: u8, activation in 0..ACTIVATIONS.len(),
            slope in -2f32..2.0, bias: bool, spread in 0usize..24, seed: u64,
        ) {
            let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
            let activation = match ACTIVATIONS[activation] {
                Activation::LeakyRelu { .. } => Activation::LeakyRelu { slope },
                other => other,
            };
            let mut random = Random::new(seed).spread(spread);
            let packing = packing(widths, kind, a, b);
            Case::draw(widths.0, widths.1, packing, activation, bias, &mut random).check_all(widest);
        }
    }
}
