//! int8 kernels in plain Rust, for targets without vector units.
//!
//! Coded rows: a window of the stream stays in a register, so that a distance costs a count of trailing zeros, a shift and a mask
//! instead of a loop over bits. Pseudo-code: for each row: for each edge: refill the window where it runs low; distance = its first
//! zeros and rest; sum += weight · x[next + distance].
//!
//! Input-major: four inputs that are the zero point cost one comparison, and what of an edge depends on the index is known when the loop is
//! compiled. Pseudo-code: for each four inputs, unless all are the zero point: for each that is not: for each of its edges:
//! `sum[output] += weight · (x − zero)`. An edge is two loads (weight, index), a multiplication and an addition to a sum in memory: about
//! the five or six instructions that one costs in rows, of which only those of inputs that are not zero remain.

use crate::deltas::DeltaCode;
use crate::isa::Isa;
use crate::junction::{INPUT_MAJOR_OUTPUTS, Junction};
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, Packing};
use crate::scalar_i8::put;

/// `coded4_i8_1x16`: sixteen nibbles a window.
pub static CODED4: Kernel = Kernel::new_i8("coded4_i8_1x16", Isa::Scalar, Accepts::Coded4, nibbles);
/// `rice_i8_1x64`: 64 bits a window.
pub static RICE: Kernel = Kernel::new_i8("rice_i8_1x64", Isa::Scalar, Accepts::Rice, rice);
/// `input_major8_i8_1x4`: four inputs a comparison.
pub static INPUT_MAJOR8: Kernel =
    Kernel::new_i8("input_major8_i8_1x4", Isa::Scalar, Accepts::InputMajor(IndexWidth::Delta8), input_major::<1>);
/// `input_major16_i8_1x4`: four inputs a comparison.
pub static INPUT_MAJOR16: Kernel =
    Kernel::new_i8("input_major16_i8_1x4", Isa::Scalar, Accepts::InputMajor(IndexWidth::Absolute16), input_major::<2>);

/// `W` bytes of index an edge: 1, the distance from the output before, or 2, the output itself.
///
/// # Safety
/// As for every kernel (`RunI8`); packing input-major with so many bytes.
unsafe fn input_major<const W: usize>(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let (Packing::InputMajor { out_degree, .. }, Some(int8)) = (*j.packing(), j.int8()) else { return };
    let out_degree = usize::from(out_degree).max(1);
    let zero = int8.input_zero;
    let mut sums = [0; INPUT_MAJOR_OUTPUTS];
    let mut columns = j.weights_i8().chunks(4 * out_degree).zip(j.index8().chunks(4 * W * out_degree));
    for x in x.chunks(4) {
        let Some((weights, index)) = columns.next() else { return };
        if *x == [zero; 4] {
            continue;
        }
        let each = weights.chunks_exact(out_degree).zip(index.chunks_exact(W * out_degree));
        for (x, (weights, index)) in x.iter().zip(each).filter(|(x, _)| **x != zero) {
            let difference = i32::from(*x) - i32::from(zero);
            let mut output = 0;
            for (weight, entry) in weights.iter().zip(index.as_chunks::<W>().0) {
                output = match entry.as_slice() {
                    [delta] => output + usize::from(*delta),
                    [low, high] => usize::from(u16::from_le_bytes([*low, *high])),
                    _ => output,
                };
                debug_assert!(output < y.len());
                // SAFETY: Junction::new_i8 proved that the output that an entry gives is below n_out, and that n_out is at most the
                // number of sums.
                let sum = unsafe { sums.get_unchecked_mut(output) };
                *sum += i32::from(*weight as i8) * difference;
            }
        }
    }
    put(j, &sums, y);
}

/// # Safety
/// As for every kernel (`RunI8`); packing coded with nibbles.
unsafe fn nibbles(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    // SAFETY: the caller's; `Window::nibbles` reads what `Deltas` reads.
    unsafe { rows(j, x, y, |window| window.nibbles()) }
}

/// # Safety
/// As for every kernel (`RunI8`); packing coded with Rice's code.
unsafe fn rice(j: &Junction<'_>, x: &[i8], y: &mut [i8]) {
    let Packing::Coded { code: DeltaCode::Rice(k), .. } = *j.packing() else { return };
    // SAFETY: the caller's; `Window::rice` reads what `Deltas` reads.
    unsafe { rows(j, x, y, |window| window.rice(u32::from(k))) }
}

/// # Safety
/// As for every kernel (`RunI8`); packing coded; `distance` reads the stream as [`Deltas`](crate::Deltas) does.
#[inline]
unsafe fn rows(j: &Junction<'_>, x: &[i8], y: &mut [i8], mut distance: impl FnMut(&mut Window<'_>) -> usize) {
    let Packing::Coded { in_degree, .. } = *j.packing() else { return };
    let mut window = Window { stream: j.index8(), bits: 0, have: 0 };
    let mut weights = j.weights_i8();
    let mut counts = j.counts().iter();
    for (o, y) in y.iter_mut().enumerate() {
        let in_degree = counts.next().map_or(in_degree, |count| u16::from_le_bytes(*count));
        // SAFETY: Junction::new_i8 proved in_degree weights for this row.
        let (row, after) = unsafe { weights.split_at_unchecked(usize::from(in_degree)) };
        weights = after;
        let (mut sum, mut next) = (0, 0);
        for weight in row {
            let input = next + distance(&mut window);
            debug_assert!(input < x.len());
            // SAFETY: Junction::new_i8 proved that the input that each edge's distance leads to is below n_in, x's length.
            sum += i32::from(*weight as i8) * i32::from(unsafe { *x.get_unchecked(input) });
            next = input + 1;
        }
        *y = j.output_i8(o, sum);
    }
}

/// The next bits of a stream, the first one lowest. Above `have` bits there may be more, which are the stream's as well: adding
/// them again changes nothing. Behind the stream's end come zeros.
struct Window<'m> {
    /// What is not wholly in `bits`.
    stream: &'m [u8],
    bits: u64,
    have: u32,
}

impl Window<'_> {
    /// Makes it 56 bits or more.
    #[inline]
    fn refill(&mut self) {
        if let Some((word, _)) = self.stream.split_first_chunk::<8>() {
            self.bits |= u64::from_le_bytes(*word) << self.have;
            let bytes = (63 - self.have) as usize / 8;
            self.stream = self.stream.split_at_checked(bytes).map_or(&[], |(_, rest)| rest);
            self.have |= 56;
            return;
        }
        while self.have < 56 {
            let (byte, rest) = self.stream.split_first().unwrap_or((&0, &[]));
            self.bits |= u64::from(*byte) << self.have;
            self.stream = rest;
            self.have += 8;
        }
    }

    #[inline]
    fn drop(&mut self, bits: u32) {
        self.bits >>= bits;
        self.have -= bits;
    }

    #[inline]
    fn nibbles(&mut self) -> usize {
        let mut distance = 0;
        loop {
            if self.have < 4 {
                self.refill();
            }
            let nibble = (self.bits & 15) as usize;
            self.drop(4);
            distance += nibble;
            if nibble < 15 {
                return distance;
            }
        }
    }

    #[inline]
    fn rice(&mut self, k: u32) -> usize {
        if self.have < 32 {
            self.refill();
        }
        let zeros = self.bits.trailing_zeros();
        if zeros + 1 + k > self.have {
            return self.far(k);
        }
        self.drop(zeros + 1);
        let low = self.bits & ((1 << k) - 1);
        self.drop(k);
        (zeros as usize) << k | low as usize
    }

    /// A distance that does not fit the window.
    #[cold]
    fn far(&mut self, k: u32) -> usize {
        let mut whole = 0;
        let mut zeros = self.bits.trailing_zeros();
        // Behind the stream's end there would be zeros for ever; a proven stream has the one before.
        while zeros >= self.have && !self.stream.is_empty() {
            whole += self.have as usize;
            self.drop(self.have);
            self.refill();
            zeros = self.bits.trailing_zeros();
        }
        let zeros = zeros.min(self.have - 1);
        self.drop(zeros + 1);
        self.refill();
        let low = self.bits & ((1 << k) - 1);
        self.drop(k);
        (whole + zeros as usize) << k | low as usize
    }
}
