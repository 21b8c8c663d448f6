//! int8 blocks with the DSP extension.
//!
//! ```text
//! for each row block, for each 32 groups of 4 inputs:
//!     gather the groups: (x0, x2), (x1, x3) each      13 instructions a group of single inputs
//!     for each 4 rows:
//!         for each group:                             20 instructions for 16 products
//!             both pairs of x, 4 words of weights     3 ldrd
//!             sums += products                        8 sxtb16, 8 smlad
//! ```
//!
//! A row block's last group may have fewer than four inputs: it is summed one by one. Row blocks of single inputs that are equally many have a loop
//! around all of this.

/// Four rows' products with a group: x at r5, weights at r4, sums in r0 to r3; both pointers go on, `{rows}` being a row block's.
macro_rules! group {
    () => {
        "ldrd r8, r9, [r5], #8
         ldrd r10, r11, [r4, #8]
         sxtb16 r12, r10
         smlad r2, r12, r8, r2
         sxtb16 r10, r10, ror #8
         smlad r2, r10, r9, r2
         sxtb16 r12, r11
         smlad r3, r12, r8, r3
         sxtb16 r11, r11, ror #8
         smlad r3, r11, r9, r3
         ldrd r10, r11, [r4], #(4 * {rows})
         sxtb16 r12, r10
         smlad r0, r12, r8, r0
         sxtb16 r10, r10, ror #8
         smlad r0, r10, r9, r0
         sxtb16 r12, r11
         smlad r1, r12, r8, r1
         sxtb16 r11, r11, ror #8
         smlad r1, r11, r9, r1"
    };
}

/// Gathers the group of the next four single inputs: index, `x` and groups are at these registers.
#[rustfmt::skip]
macro_rules! gather_group {
    ($index:literal, $x:literal, $groups:literal) => {
        concat!(
            "ldrh r8, [", $index, ", #2]\n",
            "ldrh r9, [", $index, ", #4]\n",
            "ldrh r10, [", $index, ", #6]\n",
            "ldrh r11, [", $index, "], #8\n",
            "ldrsb r8, [", $x, ", r8]\n",
            "ldrsb r9, [", $x, ", r9]\n",
            "ldrsb r10, [", $x, ", r10]\n",
            "ldrsb r11, [", $x, ", r11]\n",
            "pkhbt r9, r11, r9, lsl #16\n",
            "pkhbt r8, r8, r10, lsl #16\n",
            "strd r9, r8, [", $groups, "], #8",
        )
    };
}

/// Four rows' products with one input `x`: weights and sums are at these registers, and go on; `words` is one to write to.
#[rustfmt::skip]
macro_rules! one_input {
    ($weights:literal, $sums:literal, $x:literal, $words:literal) => {
        concat!(
            "ldr r12, [", $weights, "], #4\n",
            "ldm ", $sums, ", {{r8, r9, r10, r11}}\n",
            "sxtb16 ", $words, ", r12\n",
            "sxtb16 r12, r12, ror #8\n",
            "smlabb r8, ", $words, ", ", $x, ", r8\n",
            "smlabb r9, r12, ", $x, ", r9\n",
            "smlatb r10, ", $words, ", ", $x, ", r10\n",
            "smlatb r11, r12, ", $x, ", r11\n",
            "stm ", $sums, "!, {{r8, r9, r10, r11}}",
        )
    };
}

mod singles;

use core::arch::asm;
use core::mem::MaybeUninit;
use core::slice;

use super::outputs::{MOST_AT_ONCE, Outputs, even_bytes, odd_bytes, pair};
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::Packing;
use crate::scalar_i8;

/// `block_i8_4x4`: blocks of 4 outputs.
pub static BLOCK_4: Kernel = Kernel::new_i8("block_i8_4x4", Isa::Dsp, Accepts::BlockOfRows(4), block::<4>);
/// `block_i8_8x4`: blocks of 8 outputs.
pub static BLOCK_8: Kernel = Kernel::new_i8("block_i8_8x4", Isa::Dsp, Accepts::BlockOfRows(8), block::<8>);
/// `block_i8_16x4`: blocks of 16 outputs.
pub static BLOCK_16: Kernel = Kernel::new_i8("block_i8_16x4", Isa::Dsp, Accepts::BlockOfRows(16), block::<16>);

/// Groups gathered at once: 256 bytes of stack.
const GATHERED: usize = 32;

/// A group's inputs as two words of halves: 0 and 2, 1 and 3.
type Group = [u32; 2];

/// # Safety
/// As for every kernel (`RunI8`); packing block with `rows == R`, a multiple of 4.
unsafe fn block<const R: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    const { assert!(R.is_multiple_of(4) && MOST_AT_ONCE.is_multiple_of(R)) };
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let mut weights = j.weights_i8().as_ptr();
    if !weights.cast::<u32>().is_aligned() {
        // SAFETY: the caller's, the same.
        return unsafe { scalar_i8::block(j, x, y) };
    }
    let cols = usize::from(cols);
    let mut index = j.index16().as_ptr();
    let mut counts = j.counts().iter();
    let all_alike = j.counts().is_empty() && cols == 1 && singles::fits(blocks.into());
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut gathered = [const { MaybeUninit::<Group>::uninit() }; GATHERED];
    let groups = gathered.as_mut_ptr().cast();
    let mut first = 0;
    while first < n_out {
        let now = (n_out - first).min(MOST_AT_ONCE);
        let mut sums = [const { MaybeUninit::<i32>::uninit() }; MOST_AT_ONCE];
        let begin = sums.as_mut_ptr().cast::<i32>();
        // SAFETY: Junction::new_i8 proved that a row block's inputs are below n_in, x's length, and R weights for each of them. Weights
        // lie at a multiple of 4, R is one, and so they stay at one. Rows first to first + now - 1 are below n_out. Sums of row blocks are R,
        // which divides MOST_AT_ONCE; those beyond the last row are written here and not looked at.
        unsafe {
            outputs.copy_biases(first, begin, now);
            for r in now..now.next_multiple_of(R) {
                begin.add(r).write(0);
            }
            let mut r = 0;
            if all_alike {
                let end = begin.add(now.next_multiple_of(R));
                (weights, index) =
                    singles::row_blocks::<R>(begin, end, weights, index, x.as_ptr(), groups, usize::from(blocks));
                r = now;
            }
            while r < now {
                let count = usize::from(counts.next().map_or(blocks, |count| u16::from_le_bytes(*count)));
                let walk = Inputs { index, x: x.as_ptr(), cols, at: 0 };
                weights = row_block::<R>(begin.add(r), weights, walk, groups, count * cols);
                index = index.add(count);
                r += R;
            }
            outputs.write(first, slice::from_raw_parts(begin, now));
        }
        first += now;
    }
}

/// Adds a row block's products to its sums, and gives where the weights go on.
///
/// # Safety
/// `walk` has `inputs` inputs; R weights for each lie at `weights`, a multiple of 4. R sums lie at `sums`; R is a multiple of 4. There is room
/// for [`GATHERED`] groups.
#[inline(always)]
unsafe fn row_block<const R: usize>(
    sums: *mut i32,
    mut weights: *const u8,
    mut walk: Inputs,
    groups: *mut Group,
    inputs: usize,
) -> *const u8 {
    let mut left = inputs / 4;
    while left > 0 {
        let now = left.min(GATHERED);
        // SAFETY: 4 · left inputs are still to come, and R weights for each.
        unsafe {
            walk.gather(groups, now);
            weights = multiply::<R>(sums, weights, groups, now);
        }
        left -= now;
    }
    let rest = inputs % 4;
    // SAFETY: the last `rest` inputs of the row block, and the R · rest weights of its last group; one past them, at most one past their section's
    // end.
    unsafe {
        if rest == 1 {
            multiply_one::<R>(sums, weights, walk.next().into());
        } else {
            for k in 0..rest {
                let (x, weights) = (i32::from(walk.next()), weights.add(k));
                for r in 0..R {
                    *sums.add(r) += i32::from(*weights.add(r * rest) as i8) * x;
                }
            }
        }
        weights.add(R * rest)
    }
}

/// A row block's inputs, one block's after the other.
struct Inputs {
    /// First inputs of the blocks, little-endian, from the present one on.
    index: *const [u8; 2],
    x: *const i8,
    cols: usize,
    /// Inputs of the present block passed over.
    at: usize,
}

impl Inputs {
    /// The next input.
    ///
    /// # Safety
    /// There is one, and it is an input of `x`.
    #[inline(always)]
    unsafe fn next(&mut self) -> i8 {
        // SAFETY: the caller's.
        let x = unsafe { *self.first().add(self.at) };
        self.at += 1;
        if self.at == self.cols {
            // SAFETY: at most one past the index's end.
            self.index = unsafe { self.index.add(1) };
            self.at = 0;
        }
        x
    }

    /// The first input of the present block.
    ///
    /// # Safety
    /// There is one, and it is an input of `x`.
    #[inline(always)]
    unsafe fn first(&self) -> *const i8 {
        // SAFETY: the caller's.
        unsafe { self.x.add(usize::from(u16::from_le_bytes(*self.index))) }
    }

    /// Writes the next four inputs of each of `n` groups, one at least.
    ///
    /// # Safety
    /// There are as many, they are inputs of `x`, and `groups` has room for `n`.
    #[inline(always)]
    unsafe fn gather(&mut self, groups: *mut Group, n: usize) {
        // SAFETY: the caller's, for each input in turn.
        unsafe {
            if self.cols == 1 {
                self.index = gather_singles(self.index, self.x, groups, n);
            } else if self.cols.is_multiple_of(4) {
                for g in 0..n {
                    let word = u32::from_le(self.first().add(self.at).cast::<u32>().read_unaligned());
                    groups.add(g).write([even_bytes(word), odd_bytes(word)]);
                    self.at += 4;
                    if self.at == self.cols {
                        self.index = self.index.add(1);
                        self.at = 0;
                    }
                }
            } else {
                for g in 0..n {
                    let [a, b, c, d] = [self.next(), self.next(), self.next(), self.next()];
                    groups.add(g).write([pair(a, c), pair(b, d)]);
                }
            }
        }
    }
}

/// The same of blocks of one input; where the index goes on.
///
/// # Safety
/// `n` is above 0, four index entries a group lie there, each is an input of `x`, and `groups` has room for `n`.
#[inline(always)]
unsafe fn gather_singles(mut index: *const [u8; 2], x: *const i8, groups: *mut Group, n: usize) -> *const [u8; 2] {
    // SAFETY: reads the entries, at any address, and the inputs that they name; writes the groups, at multiples of 4.
    unsafe {
        asm!(
            "2:",
            gather_group!("{index}", "{x}", "{groups}"),
            "cmp {groups}, {end}",
            "bne 2b",
            index = inout(reg) index, x = in(reg) x, groups = inout(reg) groups => _, end = in(reg) groups.add(n),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    index
}

/// Adds the products of the gathered groups, four rows after four, and gives where the weights go on.
///
/// # Safety
/// `n` groups, at least one, lie at `groups`; `4 · R` weights for each at `weights`, a multiple of 4. R is a multiple of 4, and R sums lie at
/// `sums`.
#[inline(always)]
unsafe fn multiply<const R: usize>(sums: *mut i32, weights: *const u8, groups: *const Group, n: usize) -> *const u8 {
    // SAFETY: reads the groups and the weights, both at multiples of 4, and reads and writes the sums. An odd group enters the turn of two late.
    // r6 and r7, which operands cannot name, are saved; r6 is where the groups begin, r7 how many fours of rows are left.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "mov r6, r5",
            "mov r7, #({rows} / 4)",
            "4:",
            "push {{r0, r4}}",
            "ldm r0, {{r0, r1, r2, r3}}",
            "sub r8, lr, r6",
            "lsls r8, r8, #28",
            "bne 3f",
            "2:",
            group!(),
            "3:",
            group!(),
            "cmp r5, lr",
            "bne 2b",
            "pop {{r8, r9}}",
            "stm r8!, {{r0, r1, r2, r3}}",
            "mov r0, r8",
            "add r4, r9, #16",
            "mov r5, r6",
            "subs r7, r7, #1",
            "bne 4b",
            "pop {{r6, r7}}",
            rows = const R,
            inout("r0") sums => _, out("r1") _, out("r2") _, out("r3") _,
            inout("r4") weights => _, inout("r5") groups => _, in("lr") groups.add(n),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _,
        );
        // At most one past the section's end.
        weights.add(4 * R * n)
    }
}

/// Adds the products of one input.
///
/// # Safety
/// R weights lie at `weights`, a multiple of 4, and R sums at `sums`. R is a multiple of 4.
#[inline(always)]
unsafe fn multiply_one<const R: usize>(sums: *mut i32, weights: *const u8, x: i32) {
    // SAFETY: reads the weights, and reads and writes the sums.
    unsafe {
        asm!(
            "2:",
            one_input!("{weights}", "{sums}", "{x}", "lr"),
            "cmp {sums}, {end}",
            "bne 2b",
            weights = inout(reg) weights => _, sums = inout(reg) sums => _, x = in(reg) x, end = in(reg) sums.add(R),
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            options(nostack),
        );
    }
}
