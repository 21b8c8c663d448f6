//! Input-major of two edges an input, of inputs whose zero point is the lowest number: images, and what is behind a ReLU.
//!
//! ```text
//! for each 4 inputs:                                     3 instructions, and 2 for 16 inputs
//!     turn over their highest bits, unless all are zero  4: what they are above the zero point, as unsigned bytes
//!     for each that is not zero:                         13 instructions (12 of two-byte outputs), 2 for one that is
//!         two outputs                                    2 ldrb, add; 2 ldrh
//!         sums[output] += w · (x − zero)                 2 ldrsb, 2 of ldr, smlabb, str
//! ```

use core::arch::asm;

/// `$edges` is what adds the products of an input whose difference from the zero point is r3, by its number among four.
macro_rules! scatter {
    ($edges:ident, $places:literal, $weights:expr, $index:expr, $x:ident, $sums:ident) => {
        asm!(
            "push {{r6, r7}}",
            "b 3f",
            // Four inputs, not all of them the zero point.
            "2:",
            concat!("add r1, r11, r2, lsl #", $places),
            "add r0, r10, r2, lsl #1",
            "uxtb r3, r12",
            "cbz r3, 20f",
            $edges!("0"),
            "20:",
            "ubfx r3, r12, #8, #8",
            "cbz r3, 20f",
            $edges!("1"),
            "20:",
            "ubfx r3, r12, #16, #8",
            "cbz r3, 20f",
            $edges!("2"),
            "20:",
            "lsrs r3, r12, #24",
            "beq 3f",
            $edges!("3"),
            scan!("eors r12, r12, r8"),
            "ldrb r3, [r2], #1",
            "eors r3, r3, #0x80",
            "beq 70b",
            concat!("add r1, r11, r2, lsl #", $places),
            "add r0, r10, r2, lsl #1",
            $edges!("3"),
            "b 70b",
            "9:",
            "pop {{r6, r7}}",
            out("r0") _, out("r1") _, inout("r2") $x.as_ptr() => _, out("r3") _, in("r4") $sums,
            inout("r5") $x.as_ptr_range().end.wrapping_sub(16) => _, in("r8") 0x8080_8080u32, out("r9") _,
            in("r10") $weights, in("r11") $index, out("r12") _, out("lr") _,
        )
    };
}

/// Adds the products of every input that is not the zero point, which is -128.
///
/// # Safety
/// Two weights and two index entries lie there for each input, one-byte distances where `DELTA`, else two-byte outputs; the sums of those outputs
/// are there.
#[inline(always)]
pub(super) unsafe fn scatter<const DELTA: bool>(weights: *const u8, index: *const u8, x: &[i8], sums: *mut i32) {
    // Numbers that wrap around: what is added to them is twice (four times) the address behind an input.
    let base = |section: *const u8, bytes: usize| {
        section.expose_provenance().wrapping_sub(x.as_ptr().addr().wrapping_mul(bytes))
    };
    macro_rules! distances {
        ($input:literal) => {
            concat!(
                "ldrb r6, [r1, #(2 * ",
                $input,
                " - 8)]\nldrb r7, [r1, #(2 * ",
                $input,
                " - 7)]\nldrsb r9, [r0, #(2 * ",
                $input,
                " - 8)]\nldr lr, [r4, r6, lsl #2]\nadd r7, r7, r6\nsmlabb lr, r9, r3, lr\nldrsb r9, [r0, #(2 * ",
                $input,
                " - 7)]\nstr lr, [r4, r6, lsl #2]\nldr lr, [r4, r7, lsl #2]\nsmlabb lr, r9, r3, lr\nstr lr, [r4, r7, lsl #2]"
            )
        };
    }
    macro_rules! outputs {
        ($input:literal) => {
            concat!(
                "ldrh r6, [r1, #(4 * ",
                $input,
                " - 16)]\nldrh r7, [r1, #(4 * ",
                $input,
                " - 14)]\nldrsb r9, [r0, #(2 * ",
                $input,
                " - 8)]\nldr lr, [r4, r6, lsl #2]\nsmlabb lr, r9, r3, lr\nldrsb r9, [r0, #(2 * ",
                $input,
                " - 7)]\nstr lr, [r4, r6, lsl #2]\nldr lr, [r4, r7, lsl #2]\nsmlabb lr, r9, r3, lr\nstr lr, [r4, r7, lsl #2]"
            )
        };
    }
    // SAFETY: reads x, by words at any address, and of inputs that are not the zero point weights and index, all there by the caller's word; adds to
    // sums that are there. r6 and r7, which operands cannot name, are saved.
    unsafe {
        if DELTA {
            scatter!(distances, "1", base(weights, 2), base(index, 2), x, sums);
        } else {
            scatter!(outputs, "2", base(weights, 2), base(index, 4), x, sums);
        }
    }
}
