//! Every kernel of the target's list against the scalar reference, and that against the edges as drawn: the sweeps of kernels/tests, on the
//! target itself. Prints how many junctions each kernel ran.
#![no_std]
#![no_main]

use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::alloc::vec::Vec;
use lacewing_firmware_conformance::support::{Case, Random};
use lacewing_firmware_conformance::{entry, open_heap, support_i8};
use lacewing_kernels::{Activation, DeltaCode, Element, IndexWidth, Isa, Packing, kernel_list};
use semihosting::{println, process};

const WIDTHS: [(u16, u16); 11] =
    [(1, 1), (3, 3), (5, 7), (9, 15), (16, 16), (33, 31), (40, 40), (65, 4), (100, 10), (257, 21), (800, 12)];
const ACTIVATIONS: [Activation; 4] =
    [Activation::None, Activation::Relu, Activation::LeakyRelu { slope: 0.125 }, Activation::Tanh];
const EXTREMES: [support_i8::Extreme; 6] = [
    support_i8::Extreme::None,
    support_i8::Extreme::Low,
    support_i8::Extreme::High,
    support_i8::Extreme::Alternating,
    support_i8::Extreme::Saturating,
    support_i8::Extreme::LeftShift,
];

/// Packings that f32 and int8 have, for every boundary of the kernels of any bare-metal target.
fn packings(n_in: u16) -> Vec<Packing> {
    let mut all = vec![Packing::Dense];
    let indices = [IndexWidth::Delta8, IndexWidth::Absolute16];
    let degrees = [1, 3, 4, 7, 8, 9, 12, 19, n_in / 4, n_in - n_in.min(1), n_in];
    let mut degrees: Vec<u16> = degrees.into_iter().filter(|d| (1..=n_in).contains(d)).collect();
    degrees.dedup();
    for index in indices {
        all.extend(degrees.iter().map(|in_degree| Packing::Rows { in_degree: *in_degree, index }));
        all.push(Packing::Csr { index });
    }
    for (rows, cols) in [(4, 1), (8, 1), (16, 1), (4, 4), (8, 4), (16, 4), (8, 8), (16, 3), (8, 6), (3, 5), (32, 1)] {
        let most = n_in.saturating_sub(u16::from(cols) - 1);
        let counts =
            [1, 2, 5, 33, 130, most].into_iter().filter(|blocks| *blocks <= most && *blocks * u16::from(cols) <= 800);
        all.extend(counts.map(|blocks| Packing::Block { rows, cols, blocks }).filter(|_| most > 0));
        if most > 0 && n_in <= 100 {
            all.push(Packing::Block { rows, cols, blocks: 0 });
        }
    }
    let pages = [(1, 4), (2, 8), (1, 16), (2, 16), (3, 16), (4, 16), (8, 16), (4, 32), (5, 64)];
    all.extend(pages.map(|(n, m)| Packing::NM { n, m }));
    all.extend([(1, 4), (3, 8), (4, 16)].map(|(n, m)| Packing::NMLanes { n, m, lanes: 8 }));
    all
}

/// Packings that int8 alone has, its windows, and those that pass over zero inputs.
fn packings_of_int8(n_in: u16, n_out: u16) -> Vec<Packing> {
    let mut all = vec![Packing::DenseInputMajor];
    for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
        let degrees = [1, n_out / 4, n_out].into_iter().filter(|d| *d > 0);
        all.extend(degrees.map(|out_degree| Packing::InputMajor { out_degree, index }));
    }
    for code in [DeltaCode::Nibbles, DeltaCode::Rice(0), DeltaCode::Rice(3)] {
        let degrees = [1, 7, 16, 33, n_in].into_iter().filter(|d| (1..=n_in).contains(d));
        all.extend(degrees.map(|in_degree| Packing::Coded { in_degree, code }));
    }
    if n_in >= 16 {
        all.extend([(8, 1), (16, 2)].map(|(lanes, steps)| Packing::Windows { lanes, width: 16, steps }));
    }
    all
}

/// Packings that f32 alone has.
fn more_packings(n_in: u16, n_out: u16) -> Vec<Packing> {
    let mut all = vec![Packing::DenseInputMajor, Packing::NMLanes { n: 3, m: 32, lanes: 4 }];
    let widths = [4, 8].into_iter().filter(|width| u16::from(*width) <= n_in);
    all.extend(widths.map(|width| Packing::Windows { lanes: 8, width, steps: 1 }));
    for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
        let degrees = [1, n_out / 4, n_out].into_iter().filter(|d| *d > 0);
        all.extend(degrees.map(|out_degree| Packing::InputMajor { out_degree, index }));
    }
    all
}

#[entry]
fn main() -> ! {
    open_heap();
    let mut random = Random::new(1);
    let mut reached = vec![0usize; kernel_list().len()];
    let mut drawn = 0;
    let mut note = |element: Element, packing: &Packing| {
        for (count, kernel) in reached.iter_mut().zip(kernel_list()) {
            *count += usize::from(kernel.accepts_element(element, packing) && kernel.ready().is_some());
        }
    };
    for (n_in, n_out) in WIDTHS {
        for packing in packings(n_in).into_iter().chain(packings_of_int8(n_in, n_out)) {
            for extreme in [support_i8::Extreme::None, EXTREMES[drawn % EXTREMES.len()]] {
                support_i8::Case::draw(n_in, n_out, packing, extreme, &mut random).check_all(Isa::Avx512);
                drawn += 1;
            }
            note(Element::I8, &packing);
        }
        for packing in packings(n_in).into_iter().chain(more_packings(n_in, n_out)) {
            let activation = ACTIVATIONS[drawn % ACTIVATIONS.len()];
            Case::draw(n_in, n_out, packing, activation, drawn % 3 != 0, &mut random).check_all(Isa::Avx512);
            note(Element::F32, &packing);
            drawn += 1;
        }
    }
    // Every rest of edges beyond turns of 48 that whole pages leave, and more rows than are written at once.
    let widths = (2..=40).map(|pages| (16 * pages, 5)).chain([(272, 70), (288, 70), (304, 67)]);
    for (n_in, n_out) in widths {
        for n in [1, 2, 4, 8] {
            let (packing, extreme) = (Packing::NM { n, m: 16 }, EXTREMES[drawn % EXTREMES.len()]);
            support_i8::Case::draw(n_in, n_out, packing, extreme, &mut random).check_all(Isa::Avx512);
            drawn += 1;
        }
    }
    // Every rest of a loop over sixteen inputs, of inputs whose zero point is mostly the lowest number.
    for n_in in (1..=40).chain([100, 800]) {
        for (n_out, index) in [(2, IndexWidth::Delta8), (5, IndexWidth::Absolute16), (70, IndexWidth::Delta8)] {
            let packing = Packing::InputMajor { out_degree: 2, index };
            support_i8::Case::draw(n_in, n_out, packing, support_i8::Extreme::None, &mut random).check_all(Isa::Avx512);
            drawn += 1;
        }
    }
    // Every rest of groups of inputs and of tiles of rows, odd and even numbers of them, few and too many for a loop of their own.
    for blocks in (1..=21).chain([128, 129, 130, 132, 133]) {
        for (rows, n_out) in [(4, 6), (8, 70), (16, 37)] {
            let (packing, extreme) = (Packing::Block { rows, cols: 1, blocks }, EXTREMES[drawn % EXTREMES.len()]);
            support_i8::Case::draw(200, n_out, packing, extreme, &mut random).check_all(Isa::Avx512);
            drawn += 1;
        }
    }
    for (n_in, n_out) in (1..=13).flat_map(|n_in| [1, 2, 3, 4, 5, 6, 7, 9, 19, 34].map(|n_out| (n_in, n_out))) {
        let extreme = EXTREMES[drawn % EXTREMES.len()];
        support_i8::Case::draw(n_in, n_out, Packing::Dense, extreme, &mut random).check_all(Isa::Avx512);
        drawn += 1;
    }
    // Inputs that signed halves cannot count, the first of them among them.
    for n_in in [32_768, 32_769, 40_000] {
        let index = IndexWidth::Absolute16;
        for packing in [Packing::Rows { in_degree: 21, index }, Packing::Csr { index }] {
            Case::draw(n_in, 3, packing, Activation::None, true, &mut random).check_all(Isa::Avx512);
            support_i8::Case::draw(n_in, 3, packing, support_i8::Extreme::None, &mut random).check_all(Isa::Avx512);
            drawn += 2;
        }
    }
    let mut missed = 0;
    for (count, kernel) in reached.iter().zip(kernel_list()) {
        println!("{kernel}: {count}");
        missed += usize::from(*count == 0);
    }
    println!("{drawn} junctions, {} kernels, {missed} not reached", kernel_list().len());
    process::exit(i32::from(missed != 0))
}
