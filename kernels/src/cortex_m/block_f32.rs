//! f32 blocks of single inputs with the floating-point unit.
//!
//! ```text
//! for each row block: R sums in registers
//!     for each input: index, x; sums += w · x     ldrh, add, vldr, 1 vldmia for 8 outputs, R vfma, and 2 for the loop
//! ```
//!
//! 14 instructions for 8 products, 23 for 16. Blocks of several inputs, and weights that do not lie at a multiple of 4, are left to the portable
//! kernels.

use core::arch::asm;

use super::apply;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::Packing;
use crate::portable;

/// `block_f32_8x1`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = Kernel::new("block_f32_8x1", Isa::Fpu, Accepts::BlockOfRows(8), block_8);
/// `block_f32_16x1`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = Kernel::new("block_f32_16x1", Isa::Fpu, Accepts::BlockOfRows(16), block_16);

/// # Safety
/// As for every kernel (`RunF32`); packing block with 8 rows.
unsafe fn block_8(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's, the same.
    unsafe { block::<8>(j, x, y, inputs_8) }
}

/// # Safety
/// As for every kernel (`RunF32`); packing block with 16 rows.
unsafe fn block_16(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    // SAFETY: the caller's, the same.
    unsafe { block::<16>(j, x, y, inputs_16) }
}

/// Where the next row block is.
struct At {
    index: *const [u8; 2],
    weights: *const f32,
}

/// # Safety
/// As for every kernel (`RunF32`); packing block with `R` rows.
#[inline(always)]
unsafe fn block<const R: usize>(
    j: &Junction<'_>,
    x: &[f32],
    y: &mut [f32],
    inputs: unsafe fn(&mut [f32; R], &mut At, *const f32, usize),
) {
    let mut at = At { index: j.index16().as_ptr(), weights: j.parts().weights.as_ptr().cast() };
    let blocks = match *j.packing() {
        Packing::Block { cols: 1, blocks, .. } if at.weights.is_aligned() => blocks,
        // SAFETY: the caller's, the same.
        _ => return unsafe { portable::block::<R>(j, x, y) },
    };
    let mut counts = j.counts().iter();
    for (row_block, y) in y.chunks_mut(R).enumerate() {
        let count = usize::from(counts.next().map_or(blocks, |count| u16::from_le_bytes(*count)));
        let mut sums = [0.0; R];
        for (r, sum) in sums.iter_mut().enumerate() {
            *sum = j.bias(row_block * R + r);
        }
        if count > 0 {
            // SAFETY: Junction::new proved one index entry below n_in, x's length, and R weights for each of the `count` blocks.
            unsafe { inputs(&mut sums, &mut at, x.as_ptr(), count) };
        }
        for (y, sum) in y.iter_mut().zip(sums) {
            *y = sum;
        }
    }
    apply(j.activation(), y);
}

/// # Safety
/// `count` is above 0; there are as many index entries, inputs of `x`, and 8 weights for each, at a multiple of 4.
unsafe fn inputs_8(sums: &mut [f32; 8], at: &mut At, x: *const f32, count: usize) {
    // SAFETY: one past the last entry.
    let end = unsafe { at.index.add(count) };
    // SAFETY: reads what the caller says lies there, and reads and writes the sums.
    unsafe {
        asm!(
            "vldm {sums}, {{s0-s7}}",
            "2:",
            "ldrh {i}, [{index}], #2",
            "add {i}, {x}, {i}, lsl #2",
            "vldr s16, [{i}]",
            "vldmia {weights}!, {{s8-s15}}",
            "vfma.f32 s0, s8, s16", "vfma.f32 s1, s9, s16", "vfma.f32 s2, s10, s16", "vfma.f32 s3, s11, s16",
            "vfma.f32 s4, s12, s16", "vfma.f32 s5, s13, s16", "vfma.f32 s6, s14, s16", "vfma.f32 s7, s15, s16",
            "cmp {index}, {end}",
            "bne 2b",
            "vstm {sums}, {{s0-s7}}",
            sums = in(reg) sums.as_mut_ptr(),
            i = out(reg) _, index = inout(reg) at.index, weights = inout(reg) at.weights, x = in(reg) x, end = in(reg) end,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _, out("s16") _,
            options(nostack),
        );
    }
}

/// # Safety
/// As [`inputs_8`], with 16 weights.
unsafe fn inputs_16(sums: &mut [f32; 16], at: &mut At, x: *const f32, count: usize) {
    // SAFETY: one past the last entry.
    let end = unsafe { at.index.add(count) };
    // SAFETY: reads what the caller says lies there, and reads and writes the sums.
    unsafe {
        asm!(
            "vldm {sums}, {{s0-s15}}",
            "2:",
            "ldrh {i}, [{index}], #2",
            "add {i}, {x}, {i}, lsl #2",
            "vldr s24, [{i}]",
            "vldmia {weights}!, {{s16-s23}}",
            "vfma.f32 s0, s16, s24", "vfma.f32 s1, s17, s24", "vfma.f32 s2, s18, s24", "vfma.f32 s3, s19, s24",
            "vfma.f32 s4, s20, s24", "vfma.f32 s5, s21, s24", "vfma.f32 s6, s22, s24", "vfma.f32 s7, s23, s24",
            "vldmia {weights}!, {{s16-s23}}",
            "vfma.f32 s8, s16, s24", "vfma.f32 s9, s17, s24", "vfma.f32 s10, s18, s24", "vfma.f32 s11, s19, s24",
            "vfma.f32 s12, s20, s24", "vfma.f32 s13, s21, s24", "vfma.f32 s14, s22, s24", "vfma.f32 s15, s23, s24",
            "cmp {index}, {end}",
            "bne 2b",
            "vstm {sums}, {{s0-s15}}",
            sums = in(reg) sums.as_mut_ptr(),
            i = out(reg) _, index = inout(reg) at.index, weights = inout(reg) at.weights, x = in(reg) x, end = in(reg) end,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _,
            out("s16") _, out("s17") _, out("s18") _, out("s19") _, out("s20") _, out("s21") _, out("s22") _, out("s23") _, out("s24") _,
            options(nostack),
        );
    }
}
