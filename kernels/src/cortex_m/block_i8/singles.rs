//! Row blocks of single inputs, equally many each: all of them without leaving the loop.

use core::arch::asm;

use super::{GATHERED, Group};

/// Whether the loop serves row blocks of so many inputs: a few groups of four, and one input beside them at most.
pub(super) const fn fits(inputs: usize) -> bool {
    inputs >= 4 && inputs / 4 <= GATHERED && inputs % 4 <= 1
}

/// Adds the products of row blocks to their sums, which lie from `sums` to `end`; gives where weights and index go on.
///
/// # Safety
/// There are R sums for each row block, which `fits`, and one row block at least; R weights an input lie at `weights`, a multiple of 4, as do the
/// sums, and an index entry each, that names an input of `x`. There is room for
/// [`GATHERED`] groups. R is a multiple of 4.
#[inline(always)]
pub(super) unsafe fn row_blocks<const R: usize>(
    sums: *mut i32,
    end: *mut i32,
    mut weights: *const u8,
    mut index: *const [u8; 2],
    x: *const i8,
    groups: *mut Group,
    inputs: usize,
) -> (*const u8, *const [u8; 2]) {
    // SAFETY: reads index and inputs at any address, weights at multiples of 4; writes and reads the groups, and the sums. r6 and r7, which
    // operands cannot name, are saved: r6 goes along the index, r7 is where the row block's sums end. An odd group enters the turn of two late.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r1, r2, r5, r12, lr}}",
            "mov r6, r3",
            "1:",
            "add r7, r0, #(4 * {rows})",
            "5:",
            gather_group!("r6", "r2", "r5"),
            "cmp r5, lr",
            "bne 5b",
            // Four rows after four.
            "4:",
            "push {{r0, r4}}",
            "ldr r5, [sp, #16]",
            "sub r8, lr, r5",
            "lsls r8, r8, #28",
            "ldm r0, {{r0, r1, r2, r3}}",
            "bne 3f",
            "2:",
            group!(),
            "3:",
            group!(),
            "cmp r5, lr",
            "bne 2b",
            // Behind the last four rows, where the next weights are.
            "sub r12, r4, #(4 * {rows} - 16)",
            "pop {{r8, r9}}",
            "stm r8!, {{r0, r1, r2, r3}}",
            "mov r0, r8",
            "add r4, r9, #16",
            "cmp r0, r7",
            "bne 4b",
            "mov r4, r12",
            "ldm sp, {{r1, r2, r5, r12, lr}}",
            "cmp r12, #0",
            "beq 7f",
            // One input more.
            "ldrh r3, [r6], #2",
            "ldrsb r3, [r2, r3]",
            "sub r0, r7, #(4 * {rows})",
            "6:",
            one_input!("r4", "r0", "r3", "r1"),
            "cmp r0, r7",
            "bne 6b",
            "ldr r1, [sp]",
            "7:",
            "cmp r0, r1",
            "bne 1b",
            "mov r3, r6",
            "add sp, sp, #20",
            "pop {{r6, r7}}",
            rows = const R,
            inout("r0") sums => _, inout("r1") end => _, inout("r2") x => _, inout("r3") index, inout("r4") weights,
            inout("r5") groups => _, inout("r12") inputs % 4 => _, inout("lr") groups.add(inputs / 4) => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    (weights, index)
}
