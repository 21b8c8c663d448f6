//! f32 rows of constant in-degree with the floating-point unit.
//!
//! ```text
//! for each row, for each 4 edges:
//!     x[i], one by one     two-byte indices: 4 ldrh, 4 ldr, 2 vmov of two; one-byte distances: 4 ldrb, 4 add, 4 vldr
//!     w; sum += w · x      vldmia, 4 vfma
//! ```
//!
//! 15 instructions for 4 edges (17 of distances), and 2 for the loop.

use core::arch::asm;

use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};
use crate::scalar;

/// `rows8_f32_1x4`
pub static ROWS8: Kernel = Kernel::new("rows8_f32_1x4", Isa::Fpu, Accepts::Rows(IndexWidth::Delta8), rows::<true>);
/// `rows16_f32_1x8`
pub static ROWS16: Kernel =
    Kernel::new("rows16_f32_1x8", Isa::Fpu, Accepts::Rows(IndexWidth::Absolute16), rows::<false>);

/// Where the next edges are.
struct Edges {
    weights: *const f32,
    /// A byte or two an edge.
    index: *const u8,
    /// The first input, or, of distances, the one of the edge before.
    x: *const f32,
}

/// # Safety
/// As for every kernel (`RunF32`); packing rows, with one-byte distances where `DELTA`, else with two-byte inputs.
unsafe fn rows<const DELTA: bool>(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    let mut edges = Edges { weights: j.parts().weights.as_ptr().cast(), index: j.index8().as_ptr(), x: x.as_ptr() };
    let in_degree = match *j.packing() {
        Packing::Rows { in_degree, .. } if edges.weights.is_aligned() => usize::from(in_degree),
        // SAFETY: the caller's, the same.
        _ => return unsafe { scalar::rows(j, x, y) },
    };
    // The loops' steps.
    let step = if DELTA { 4 } else { 8 };
    let (whole, rest) = (in_degree / step * step, in_degree % step);
    for (o, y) in y.iter_mut().enumerate() {
        let mut sum = j.bias(o);
        edges.x = x.as_ptr();
        // SAFETY: Junction::new proved one weight and one index entry for each edge of each row, and that inputs are below n_in, which
        // is x's length.
        unsafe {
            if whole > 0 {
                if DELTA {
                    fours_by_distance(&mut sum, &mut edges, whole);
                } else {
                    eights_by_input(&mut sum, &mut edges, whole);
                }
            }
            for _ in 0..rest {
                let x = if DELTA {
                    edges.x = edges.x.add(usize::from(*edges.index));
                    *edges.x
                } else {
                    *edges.x.add(usize::from(u16::from_le_bytes(*edges.index.cast::<[u8; 2]>())))
                };
                sum += *edges.weights * x;
                edges.index = edges.index.add(if DELTA { 1 } else { 2 });
                edges.weights = edges.weights.add(1);
            }
        }
        *y = j.activation().of(sum);
    }
}

/// # Safety
/// `n` is a multiple of 8 above 0; there are `n` more edges, whose inputs are those of `edges.x`; weights lie at a multiple of 4.
#[inline(always)]
unsafe fn eights_by_input(sum: &mut f32, edges: &mut Edges, n: usize) {
    // SAFETY: one past the last weight.
    let end = unsafe { edges.weights.add(n) };
    // Stable Rust names no floating-point register as an operand of this target.
    let mut bits = sum.to_bits();
    // SAFETY: reads n weights, n indices and the inputs they say, as the caller allows.
    unsafe {
        asm!(
            "vmov s16, {bits}",
            "2:",
            "ldrh {a}, [{index}, #2]", "ldrh {b}, [{index}, #4]", "ldrh {c}, [{index}, #6]", "ldrh {d}, [{index}]",
            "ldr {a}, [{x}, {a}, lsl #2]", "ldr {b}, [{x}, {b}, lsl #2]", "ldr {c}, [{x}, {c}, lsl #2]", "ldr {d}, [{x}, {d}, lsl #2]",
            "vmov s0, s1, {d}, {a}", "vmov s2, s3, {b}, {c}",
            "vldmia {weights}!, {{s8-s15}}",
            "ldrh {a}, [{index}, #10]", "ldrh {b}, [{index}, #12]", "ldrh {c}, [{index}, #14]", "ldrh {d}, [{index}, #8]",
            "ldr {a}, [{x}, {a}, lsl #2]", "ldr {b}, [{x}, {b}, lsl #2]", "ldr {c}, [{x}, {c}, lsl #2]", "ldr {d}, [{x}, {d}, lsl #2]",
            "vmov s4, s5, {d}, {a}", "vmov s6, s7, {b}, {c}",
            "add {index}, {index}, #16",
            "vfma.f32 s16, s0, s8", "vfma.f32 s16, s1, s9", "vfma.f32 s16, s2, s10", "vfma.f32 s16, s3, s11",
            "vfma.f32 s16, s4, s12", "vfma.f32 s16, s5, s13", "vfma.f32 s16, s6, s14", "vfma.f32 s16, s7, s15",
            "cmp {weights}, {end}",
            "bne 2b",
            "vmov {bits}, s16",
            bits = inout(reg) bits,
            weights = inout(reg) edges.weights, index = inout(reg) edges.index, x = in(reg) edges.x, end = in(reg) end,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s4") _, out("s5") _, out("s6") _, out("s7") _,
            out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s12") _, out("s13") _, out("s14") _, out("s15") _, out("s16") _,
            options(readonly, nostack),
        );
    }
    *sum = f32::from_bits(bits);
}

/// # Safety
/// As [`eights_by_input`], `n` a multiple of 4; `edges.x` is the input of the edge before.
#[inline(always)]
unsafe fn fours_by_distance(sum: &mut f32, edges: &mut Edges, n: usize) {
    // SAFETY: one past the last weight.
    let end = unsafe { edges.weights.add(n) };
    // Stable Rust names no floating-point register as an operand of this target.
    let mut bits = sum.to_bits();
    // SAFETY: as in `eights_by_input`.
    unsafe {
        asm!(
            "vmov s16, {bits}",
            "2:",
            "vldmia {weights}!, {{s8-s11}}",
            "ldrb {a}, [{index}, #1]", "ldrb {b}, [{index}, #2]", "ldrb {c}, [{index}, #3]", "ldrb {d}, [{index}], #4",
            "add {d}, {x}, {d}, lsl #2", "add {a}, {d}, {a}, lsl #2", "add {b}, {a}, {b}, lsl #2", "add {x}, {b}, {c}, lsl #2",
            "vldr s0, [{d}]", "vldr s1, [{a}]", "vldr s2, [{b}]", "vldr s3, [{x}]",
            "vfma.f32 s16, s0, s8", "vfma.f32 s16, s1, s9", "vfma.f32 s16, s2, s10", "vfma.f32 s16, s3, s11",
            "cmp {weights}, {end}",
            "bne 2b",
            "vmov {bits}, s16",
            bits = inout(reg) bits,
            weights = inout(reg) edges.weights, index = inout(reg) edges.index, x = inout(reg) edges.x, end = in(reg) end,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            out("s0") _, out("s1") _, out("s2") _, out("s3") _, out("s8") _, out("s9") _, out("s10") _, out("s11") _, out("s16") _,
            options(readonly, nostack),
        );
    }
    *sum = f32::from_bits(bits);
}
