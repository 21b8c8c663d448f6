//! One specification for every kernel on the list: the result is the scalar reference's, within the stated bound.
//!
//! Sweeps are named by the boundary they cross. Each kernel runs every case whose packing it accepts; a kernel that no case
//! reaches fails the test, and so does an instruction set that `LACEWING_ISA` names and the machine lacks.

extern crate alloc;

mod support;

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

fn sweep(mut packing: impl FnMut(u16, u16, &mut Random) -> Vec<Packing>) {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let most = if std::env::var("LACEWING_SWEEP").is_ok_and(|sweep| sweep == "short") { SHORT } else { u32::MAX };
    let mut random = Random::new(1);
    for (k, (n_in, n_out)) in WIDTHS.into_iter().enumerate() {
        if u32::from(n_in) * u32::from(n_out) > most {
            continue;
        }
        for packing in packing(n_in, n_out, &mut random) {
            let case = Case::draw(n_in, n_out, packing, ACTIVATIONS[k % ACTIVATIONS.len()], k % 3 != 0, &mut random);
            case.check_all(widest);
        }
    }
}

#[test]
fn dense() {
    sweep(|_, _, _| vec![Packing::Dense]);
}

#[test]
fn constant_in_degree_one_to_full_row() {
    sweep(|n_in, _, _| {
        let mut degrees = vec![1, 2, 7, 8, 9, 16, 17, n_in / 4, n_in / 2, n_in - 1, n_in];
        degrees.retain(|d| (1..=n_in).contains(d));
        degrees.dedup();
        degrees
            .into_iter()
            .flat_map(|in_degree| {
                [IndexWidth::Delta8, IndexWidth::Absolute16].map(|index| Packing::Rows { in_degree, index })
            })
            .collect()
    });
}

#[test]
fn rows_of_any_length_with_empty_and_full_rows() {
    sweep(|_, _, _| [IndexWidth::Delta8, IndexWidth::Absolute16].map(|index| Packing::Csr { index }).to_vec());
}

#[test]
fn blocks_with_ragged_last_row_block_and_unaligned_starts() {
    sweep(|n_in, _, _| {
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
    });
}

#[test]
fn pages_whole_and_ragged() {
    sweep(|_, _, _| {
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
    });
}

#[test]
fn pages_in_lanes_whole_and_ragged_groups_and_pages() {
    sweep(|_, _, _| {
        let shapes = [(1, 4), (3, 4), (1, 8), (2, 8), (3, 8), (4, 8), (8, 8), (1, 16), (2, 16), (4, 16), (5, 16)];
        let wide = [(1, 32), (2, 32), (3, 32), (8, 32)];
        let all = shapes.into_iter().chain(wide);
        all.flat_map(|(n, m)| [4, 8, 16].map(|lanes| Packing::NMLanes { n, m, lanes })).collect()
    });
}

#[test]
fn windows_anywhere_with_empty_and_ragged_groups() {
    sweep(|n_in, _, _| {
        let widths = [4, 8, 16, 32].into_iter().filter(|width| u16::from(*width) <= n_in);
        widths.flat_map(|width| [4, 8, 16].map(|lanes| Packing::Windows { lanes, width })).collect()
    });
}

#[test]
fn input_major_with_zero_inputs() {
    sweep(|_, n_out, _| {
        let mut degrees = vec![1, 2, 7, n_out / 4, n_out - 1, n_out];
        degrees.retain(|d| (1..=n_out).contains(d));
        degrees.dedup();
        let widths = [IndexWidth::Delta8, IndexWidth::Absolute16];
        let sparse =
            degrees.into_iter().flat_map(|out_degree| widths.map(|index| Packing::InputMajor { out_degree, index }));
        sparse.chain([Packing::DenseInputMajor]).collect()
    });
}

#[test]
fn every_kernel_is_reached() {
    let covered = [
        Packing::Dense,
        Packing::Rows { in_degree: 1, index: IndexWidth::Delta8 },
        Packing::Rows { in_degree: 1, index: IndexWidth::Absolute16 },
        Packing::Csr { index: IndexWidth::Delta8 },
        Packing::Csr { index: IndexWidth::Absolute16 },
        Packing::NM { n: 1, m: 4 },
        Packing::NMLanes { n: 1, m: 4, lanes: 4 },
        Packing::NMLanes { n: 1, m: 8, lanes: 4 },
        Packing::NMLanes { n: 1, m: 16, lanes: 4 },
        Packing::Windows { lanes: 4, width: 8 },
        Packing::Windows { lanes: 4, width: 16 },
        Packing::NMLanes { n: 1, m: 4, lanes: 8 },
        Packing::NMLanes { n: 1, m: 8, lanes: 8 },
        Packing::NMLanes { n: 1, m: 16, lanes: 8 },
        Packing::NMLanes { n: 1, m: 4, lanes: 16 },
        Packing::NMLanes { n: 1, m: 8, lanes: 16 },
        Packing::NMLanes { n: 1, m: 16, lanes: 16 },
        Packing::NMLanes { n: 1, m: 32, lanes: 16 },
        Packing::Windows { lanes: 8, width: 8 },
        Packing::Windows { lanes: 16, width: 8 },
        Packing::Windows { lanes: 16, width: 16 },
        Packing::Windows { lanes: 16, width: 32 },
        Packing::DenseInputMajor,
        Packing::InputMajor { out_degree: 1, index: IndexWidth::Delta8 },
        Packing::InputMajor { out_degree: 1, index: IndexWidth::Absolute16 },
    ];
    let blocks = [1, 4, 8, 16, 32].map(|rows| Packing::Block { rows, cols: 1, blocks: 0 });
    let rows = [4, 8, 16].map(|cols| Packing::Block { rows: 1, cols, blocks: 0 });
    for kernel in kernel_list().iter().filter(|kernel| kernel.element() == Element::F32) {
        let mut packings = covered.iter().chain(&blocks).chain(&rows);
        let reached = packings.any(|packing| kernel.accepts(packing) || kernel.accepts_batch(packing));
        assert!(reached, "no sweep reaches {kernel}");
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
        Packing::Windows { lanes: 8, width: 8 },
        Packing::DenseInputMajor,
        Packing::InputMajor { out_degree: 5, index: IndexWidth::Delta8 },
    ] {
        let case = Case::draw(20, 16, packing, Activation::None, true, &mut random);
        for bad in [f32::NAN, f32::INFINITY] {
            case.check_poisoned(bad);
        }
    }
}
