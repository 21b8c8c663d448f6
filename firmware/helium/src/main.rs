//! A spike, not a kernel: four rows of int8 dot products, 800 inputs, with Helium by stable inline assembly, between the counter's marks; held against
//! plain Rust. HELIUM.md says what came of it. Prints whether the sums are the same.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use semihosting::{println, process};

const INPUTS: usize = 800;
const ROWS: usize = 4;

/// The count begins.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_begin() {
    // SAFETY: a no-operation; without it the compiler would drop the call.
    unsafe { asm!("nop", options(nostack, preserves_flags)) }
}

/// The count ends.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_end() {
    // SAFETY: as in `roi_begin`. Two of them: the linker would make one function of two that are alike.
    unsafe { asm!("nop", "nop", options(nostack, preserves_flags)) }
}

/// For each 16 inputs: load x once; of each of four rows load 16 weights and add the sum of 16 products. Ten instructions for 64 products.
#[inline(never)]
fn four_rows(weights: &[[i8; INPUTS]; ROWS], x: &[i8; INPUTS]) -> [i32; ROWS] {
    let mut sums = [0; ROWS];
    // SAFETY: INPUTS is a multiple of 16, and each pointer is moved on by 16 bytes so many times; byte loads take any address. The vector
    // registers written are named.
    unsafe {
        asm!(
            ".cpu cortex-m55",
            "dls lr, lr",
            "2:",
            "vldrb.u8 q0, [{x}], #16",
            "vldrb.u8 q1, [{w0}], #16",
            "vmladava.s8 r0, q0, q1",
            "vldrb.u8 q1, [{w1}], #16",
            "vmladava.s8 r2, q0, q1",
            "vldrb.u8 q1, [{w2}], #16",
            "vmladava.s8 r4, q0, q1",
            "vldrb.u8 q1, [{w3}], #16",
            "vmladava.s8 r8, q0, q1",
            "le lr, 2b",
            x = inout(reg) x.as_ptr() => _,
            w0 = inout(reg) weights[0].as_ptr() => _,
            w1 = inout(reg) weights[1].as_ptr() => _,
            w2 = inout(reg) weights[2].as_ptr() => _,
            w3 = inout(reg) weights[3].as_ptr() => _,
            inout("lr") INPUTS / 16 => _,
            inout("r0") 0 => sums[0],
            inout("r2") 0 => sums[1],
            inout("r4") 0 => sums[2],
            inout("r8") 0 => sums[3],
            out("d0") _, out("d1") _, out("d2") _, out("d3") _,
            options(nostack, readonly),
        );
    }
    sums
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let (mut weights, mut x) = ([[0i8; INPUTS]; ROWS], [0i8; INPUTS]);
    for (row, weights) in weights.iter_mut().enumerate() {
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = ((i * 37 + row * 11) % 255) as i8;
        }
    }
    for (i, value) in x.iter_mut().enumerate() {
        *value = ((i * 91) % 251) as i8;
    }
    let (weights, x) = (black_box(weights), black_box(x));
    roi_begin();
    let sums = four_rows(&weights, &x);
    roi_end();
    let same = weights
        .iter()
        .zip(sums)
        .all(|(row, sum)| row.iter().zip(&x).map(|(w, x)| i32::from(*w) * i32::from(*x)).sum::<i32>() == sum);
    println!("{ROWS} rows of {INPUTS}: the sums are {}", if same { "the same" } else { "WRONG" });
    process::exit(i32::from(!same))
}
