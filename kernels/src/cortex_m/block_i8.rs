//! int8 blocks with the DSP extension.
//!
//! ```text
//! for each row block, for each 32 groups of 4 inputs:
//!     gather the groups: (x0, x2), (x1, x3) each      14 instructions a group of single inputs
//!     for each 4 rows:
//!         for each group:                             20 instructions for 16 products
//!             both pairs of x, 4 words of weights     3 ldrd
//!             sums += products                        8 sxtb16, 8 smlad
//! ```
//!
//! A row block's last group may have fewer than four inputs: it is summed one by one.

use core::arch::asm;
use core::mem::MaybeUninit;

use super::outputs::{AT_ONCE, Outputs, even_bytes, odd_bytes, pair};
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
    const { assert!(R.is_multiple_of(4) && R <= AT_ONCE) };
    let Packing::Block { cols, blocks, .. } = *j.packing() else { return };
    let mut weights = j.weights_i8().as_ptr();
    if !weights.cast::<u32>().is_aligned() {
        // SAFETY: the caller's, the same.
        return unsafe { scalar_i8::block(j, x, y) };
    }
    let cols = usize::from(cols);
    let mut index = j.index16().as_ptr();
    let mut counts = j.counts().iter();
    let n_out = j.n_out();
    let Some(mut outputs) = Outputs::new(j, y) else { return };
    let mut first_row = 0;
    while first_row < n_out {
        let count = counts.next().map_or(blocks, |count| u16::from_le_bytes(*count));
        let inputs = usize::from(count) * cols;
        let rows = R.min(n_out - first_row);
        let mut sums = [0; R];
        for (r, sum) in sums.iter_mut().enumerate().take(rows) {
            // SAFETY: a row below n_out.
            *sum = unsafe { outputs.bias(first_row + r) };
        }
        let mut walk = Inputs { index, x: x.as_ptr(), cols, at: 0 };
        let mut left = inputs / 4;
        while left > 0 {
            let mut gathered = [const { MaybeUninit::<Group>::uninit() }; GATHERED];
            let now = left.min(GATHERED);
            // SAFETY: Junction::new_i8 proved that the row block's `inputs` inputs are below n_in, x's length, and R weights for
            // each of them; 4 · left of them are still to come. Weights lie at a multiple of 4, and so does each group of R ≥ 4 words.
            unsafe {
                let groups = gathered.as_mut_ptr().cast();
                walk.gather(groups, now);
                weights = multiply::<R>(&mut sums, weights, groups, now);
            }
            left -= now;
        }
        let rest = inputs % 4;
        for k in 0..rest {
            // SAFETY: the last `rest` inputs of the row block, and the R · rest weights of its last group.
            unsafe {
                let x = i32::from(walk.next());
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum += i32::from(*weights.add(r * rest + k) as i8) * x;
                }
            }
        }
        // SAFETY: one past the row block's index and weights, at most one past their sections' ends. R is a multiple of 4, so that
        // weights stay at one.
        unsafe {
            index = index.add(usize::from(count));
            weights = weights.add(R * rest);
        }
        // SAFETY: the row block's rows below n_out, at most R ≤ AT_ONCE.
        unsafe { outputs.write(first_row, sums.get_unchecked(..rows)) };
        first_row += R;
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

    /// Writes the next four inputs of each of `n` groups.
    ///
    /// # Safety
    /// There are as many, they are inputs of `x`, and `groups` has room for `n`.
    #[inline(always)]
    unsafe fn gather(&mut self, groups: *mut Group, n: usize) {
        // SAFETY: the caller's, for each input in turn.
        unsafe {
            if self.cols == 1 {
                for g in 0..n {
                    let at = |k: usize| *self.x.add(usize::from(u16::from_le_bytes(*self.index.add(k))));
                    groups.add(g).write([pair(at(0), at(2)), pair(at(1), at(3))]);
                    self.index = self.index.add(4);
                }
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

/// Adds the products of the gathered groups, and gives where the weights go on.
///
/// # Safety
/// `n` groups, at least one, lie at `groups`; `4 · R` weights for each at `weights`, a multiple of 4. R is a multiple of 4.
#[inline(always)]
unsafe fn multiply<const R: usize>(
    sums: &mut [i32; R],
    weights: *const u8,
    groups: *const Group,
    n: usize,
) -> *const u8 {
    for (four, sums) in sums.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        // SAFETY: the caller's: of each group's R words, those of these four rows.
        unsafe { four_rows::<R>(sums, weights.add(16 * four), groups, n) };
    }
    // SAFETY: at most one past the section's end.
    unsafe { weights.add(4 * R * n) }
}

/// # Safety
/// `n` groups, at least one, lie at `groups`; four words of weights at `weights`, a multiple of 4, and at each further 4 · R bytes, one a group.
#[inline(always)]
unsafe fn four_rows<const R: usize>(sums: &mut [i32; 4], weights: *const u8, groups: *const Group, n: usize) {
    // SAFETY: one past the end.
    let end = unsafe { groups.add(n) };
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
             ldrd r10, r11, [r4], #{stride}
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
    // SAFETY: reads the groups and what the caller says of the weights, both at multiples of 4, and reads and writes the sums, whose address
    // is on the stack meanwhile.
    unsafe {
        asm!(
            "push {{r0}}",
            "ldm r0, {{r0, r1, r2, r3}}",
            "tst r12, #1",
            "beq 2f",
            group!(),
            "cmp r5, lr",
            "beq 3f",
            "2:",
            group!(),
            group!(),
            "cmp r5, lr",
            "bne 2b",
            "3:",
            "pop {{r12}}",
            "stm r12, {{r0, r1, r2, r3}}",
            stride = const 4 * R,
            inout("r0") sums.as_mut_ptr() => _, out("r1") _, out("r2") _, out("r3") _,
            inout("r4") weights => _, inout("r5") groups => _, in("lr") end,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, inout("r12") n => _,
        );
    }
}
