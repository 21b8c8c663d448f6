//! Instructions of one junction: each shape below, run once between the counter's marks by the kernel that the target chooses. Prints a line
//! a run; the counter's regions come in the same order. Lines that follow each other and are the same are runs on several inputs.
#![no_std]
#![no_main]

use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::support::{Case, Random};
use lacewing_firmware_conformance::support_i8::{self, Extreme};
use lacewing_firmware_conformance::{entry, open_heap, read, roi_begin, roi_end};
use lacewing_kernels::{Activation, IndexWidth, Junction, KernelSet, Packing, ReadyKernel, RunError};
use semihosting::{println, process};

/// The paper's first junctions, its last ones, one that falls out of small caches elsewhere, and one of too few outputs for a tile.
const DENSE: [(u16, u16); 6] = [(800, 112), (800, 40), (100, 100), (40, 40), (40, 10), (800, 3)];
const SPARSE: (u16, u16) = (800, 112);
/// The host's file of MNIST images, padded to that many inputs: int8, with the zero point -128.
const IMAGES: &str = "images.i8";

fn rows(in_degree: u16, index: IndexWidth) -> Packing {
    Packing::Rows { in_degree, index }
}

fn block(rows: u8, blocks: u16) -> Packing {
    Packing::Block { rows, cols: 1, blocks }
}

#[entry]
fn main() -> ! {
    open_heap();
    let mut random = Random::new(1);
    for (n_in, n_out) in DENSE {
        int8(n_in, n_out, Packing::Dense, &mut random);
        float(n_in, n_out, Packing::Dense, &mut random);
    }
    let (n_in, n_out) = SPARSE;
    for in_degree in [200, 80, 40] {
        for size in [4, 8, 16] {
            int8(n_in, n_out, block(size, in_degree), &mut random);
            float(n_in, n_out, block(size, in_degree), &mut random);
        }
        for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
            int8(n_in, n_out, rows(in_degree, index), &mut random);
            float(n_in, n_out, rows(in_degree, index), &mut random);
        }
    }
    for n in [4, 2, 1] {
        int8(n_in, n_out, Packing::NM { n, m: 16 }, &mut random);
        float(n_in, n_out, Packing::NM { n, m: 16 }, &mut random);
    }
    // Rows of any length, and rows that end beside a loop's steps.
    for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
        int8(n_in, n_out, Packing::Csr { index }, &mut random);
        float(n_in, n_out, Packing::Csr { index }, &mut random);
        int8(40, 40, Packing::Csr { index }, &mut random);
        float(40, 40, Packing::Csr { index }, &mut random);
        int8(40, 40, rows(9, index), &mut random);
        float(40, 40, rows(9, index), &mut random);
    }
    let Ok(images) = read(IMAGES) else { process::exit(1) };
    for out_degree in [28, 11, 6] {
        for index in [IndexWidth::Delta8, IndexWidth::Absolute16] {
            image_by_image(&images, Packing::InputMajor { out_degree, index }, &mut random);
            image_by_image_f32(&images, Packing::InputMajor { out_degree, index }, &mut random);
        }
    }
    process::exit(0)
}

/// A line an image: what is not the zero point, black, counts.
fn image_by_image(images: &[u8], packing: Packing, random: &mut Random) {
    let (n_in, n_out) = SPARSE;
    let case = support_i8::Case::draw(n_in, n_out, packing, Extreme::None, random).with_shift(-9).with_input_zero(-128);
    let place = case.aligned();
    for image in images.chunks_exact(n_in.into()) {
        run_i8(&case.junction_on(&place), bytemuck::cast_slice(image), packing);
    }
}

/// The same in f32, black being 0.
fn image_by_image_f32(images: &[u8], packing: Packing, random: &mut Random) {
    let (n_in, n_out) = SPARSE;
    let case = Case::draw(n_in, n_out, packing, Activation::Relu, true, random);
    let (place, mut x) = (case.aligned(), vec![0.0; n_in.into()]);
    for image in images.chunks_exact(n_in.into()) {
        x.iter_mut().zip(image).for_each(|(x, byte)| *x = f32::from(byte.wrapping_add(128)) / 255.0);
        run(&case.junction_on(&place), &x, packing);
    }
}

fn int8(n_in: u16, n_out: u16, packing: Packing, random: &mut Random) {
    let case = support_i8::Case::draw(n_in, n_out, packing, Extreme::None, random).with_shift(-9);
    let place = case.aligned();
    run_i8(&case.junction_on(&place), &vec![3; n_in.into()], packing);
}

fn float(n_in: u16, n_out: u16, packing: Packing, random: &mut Random) {
    let case = Case::draw(n_in, n_out, packing, Activation::Relu, true, random);
    let place = case.aligned();
    run(&case.junction_on(&place), &vec![1.0; n_in.into()], packing);
}

/// Runs a junction by the kernel that the target chooses, and says so in a line.
fn run_i8(junction: &Junction<'_>, x: &[i8], packing: Packing) {
    let mut y = vec![0; junction.n_out()];
    let counted = |kernel: ReadyKernel<'_>| {
        roi_begin();
        let ran = kernel.run_i8(junction, x, &mut y);
        roi_end();
        ran
    };
    line(junction, "int8", packing, counted);
}

/// The same in f32.
fn run(junction: &Junction<'_>, x: &[f32], packing: Packing) {
    let mut y = vec![0.0; junction.n_out()];
    let counted = |kernel: ReadyKernel<'_>| {
        roi_begin();
        let ran = kernel.run(junction, x, &mut y);
        roi_end();
        ran
    };
    line(junction, "f32", packing, counted);
}

fn line(
    junction: &Junction<'_>,
    element: &str,
    packing: Packing,
    counted: impl FnOnce(ReadyKernel<'static>) -> Result<(), RunError>,
) {
    let Some(kernel) = KernelSet::ALL.choose_for(junction).ok().flatten() else { process::exit(1) };
    let name = kernel.kernel();
    if counted(kernel).is_err() {
        process::exit(1);
    }
    println!("{}x{} {element} {} {name} {packing}", junction.n_in(), junction.n_out(), junction.nnz());
}
