//! Sixteen samples at a time, for any packing: what evaluation, servers and training compute with.
//!
//! Values are stored `[feature][sample]`: a feature of all [`BATCH`] samples is one vector, so that any mask runs at full width
//! and nothing is gathered. Sixteen, because the inputs of a junction of 800 then fill 51 KB, near the first-level cache; a stride
//! of a larger batch would put them all into a few sets of it.
//!
//! One source for all instruction sets, over the private trait `Columns`; R is rows or chains that run side by side.
//!
//! | packing | pseudo-code | loads for 16 samples of an edge |
//! |-|-|-|
//! | dense, block of R outputs or more | for each R rows: for each input: load x once; R accumulators += weight · x | 1 weight, 1/R of x |
//! | rows, CSR, N:M, in lanes, windows | for each row: R chains in turn += weight · x\[input\] | 1 weight, 1 of x, index |
//! | input-major | for each input that is not zero in all samples: y\[output\] += weight · x | 1 weight, 1 of y and a store, index |
//!
//! Weights are broadcast from memory. With one chain the order of every sum is the scalar reference's of one sample, and so are
//! its bits: that is the reference here.

use crate::bytes::groups_of_4;
use crate::isa::Isa;
use crate::junction::Junction;
use crate::kernel::{Accepts, Kernel};
use crate::packing::{IndexWidth, NMInputs, NMRow, Packing};
use crate::spilled;

/// Samples a batch.
pub const BATCH: usize = 16;

/// `batch_f32_1x16`
pub static SCALAR: Kernel = Kernel::new_batch("batch_f32_1x16", Isa::Scalar, Accepts::Any, scalar);

/// One feature of all samples, in registers.
///
/// # Safety
/// All functions: the processor has the instruction set of the implementation.
pub(crate) trait Columns: Copy {
    /// `value` in every column.
    unsafe fn splat(value: f32) -> Self;
    /// One feature.
    unsafe fn load(from: &[f32; BATCH]) -> Self;
    /// `self + weight · x`
    unsafe fn plus_product(self, weight: f32, x: Self) -> Self;
    /// `self + other`
    unsafe fn plus(self, other: Self) -> Self;
    /// Whether it is exactly zero in every column; NaN is not.
    unsafe fn is_zero(self) -> bool;
    /// Writes one feature.
    unsafe fn store(self, to: &mut [f32; BATCH]);
}

impl Columns for [f32; BATCH] {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        [value; BATCH]
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; BATCH]) -> Self {
        *from
    }

    #[inline(always)]
    unsafe fn plus_product(mut self, weight: f32, x: Self) -> Self {
        self.iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x);
        self
    }

    #[inline(always)]
    unsafe fn plus(mut self, other: Self) -> Self {
        self.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        self
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        self == [0.0; BATCH]
    }

    #[inline(always)]
    unsafe fn store(self, to: &mut [f32; BATCH]) {
        *to = self;
    }
}

/// # Safety
/// As for every batched kernel (`RunBatch`).
unsafe fn scalar(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    // SAFETY: the caller's; plain Rust runs everywhere.
    unsafe { run::<[f32; BATCH], 1>(j, x, y) }
}

/// `y = act(W·x + b)` of sixteen samples, R rows or chains side by side.
///
/// # Safety
/// As for every batched kernel (`RunBatch`), with the instruction set of C.
#[inline(always)]
pub(crate) unsafe fn run<C: Columns, const R: usize>(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    // SAFETY: the caller's; each is called for its packing.
    unsafe {
        match *j.packing() {
            Packing::Dense => dense::<C, R>(j, x, y, (j.n_in(), 1)),
            Packing::DenseInputMajor => dense::<C, R>(j, x, y, (1, j.n_out())),
            Packing::Rows { index, .. } | Packing::Csr { index } => rows::<C, R>(j, x, y, index),
            Packing::Block { rows, cols, blocks } => block::<C, R>(j, x, y, (rows.into(), cols.into(), blocks)),
            Packing::NM { n, m } => pages::<C, R>(j, x, y, (n.into(), m.into())),
            Packing::NMLanes { n, m, lanes } if Packing::slots(m).0 == 4 => {
                page_lanes::<C, R, 4>(j, x, y, (n.into(), m, lanes.into()))
            }
            Packing::NMLanes { n, m, lanes } => page_lanes::<C, R, 5>(j, x, y, (n.into(), m, lanes.into())),
            Packing::Windows { lanes, width, steps } if Packing::slots(width).0 == 4 => {
                windows::<C, R, 4>(j, x, y, (lanes.into(), steps))
            }
            Packing::Windows { lanes, steps, .. } => windows::<C, R, 5>(j, x, y, (lanes.into(), steps)),
            Packing::InputMajor { out_degree, index } => input_major::<C>(j, x, y, (out_degree.into(), index)),
            // Of int8 alone: Junction::new refuses it.
            Packing::Coded { .. } => {}
        }
    }
    j.activation().apply(y.as_flattened_mut());
}

/// `values[at]`, without the check.
///
/// # Safety
/// `at < values.len()`.
#[inline(always)]
unsafe fn at<T>(values: &[T], at: usize) -> &T {
    debug_assert!(at < values.len());
    // SAFETY: the caller's.
    unsafe { values.get_unchecked(at) }
}

/// `bias + Σ weight · x[input]` over `edges` edges, which `next` gives one after the other.
///
/// # Safety
/// The instruction set of C; every input that `next` gives is below `x.len()`.
#[inline(always)]
unsafe fn row<C: Columns, const R: usize>(
    bias: f32,
    edges: usize,
    x: &[[f32; BATCH]],
    mut next: impl FnMut() -> (f32, usize),
) -> C {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [C::splat(0.0); R];
        if let Some(first) = sums.first_mut() {
            *first = C::splat(bias);
        }
        for _ in 0..edges / R {
            for sum in &mut sums {
                let (weight, input) = next();
                *sum = sum.plus_product(weight, C::load(at(x, input)));
            }
        }
        let Some((first, rest)) = sums.split_first() else { return C::splat(bias) };
        let mut total = *first;
        for _ in 0..edges % R {
            let (weight, input) = next();
            total = total.plus_product(weight, C::load(at(x, input)));
        }
        for sum in rest {
            total = total.plus(*sum);
        }
        total
    }
}

/// # Safety
/// As for [`run`]; dense, the weight of an output and an input at output · strides.0 + input · strides.1.
#[inline(always)]
unsafe fn dense<C: Columns, const R: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    strides: (usize, usize),
) {
    let weights = j.weights();
    let (tiles, rest) = y.as_chunks_mut::<R>();
    let done = tiles.len() * R;
    for (tile, y) in tiles.iter_mut().enumerate() {
        // SAFETY: the instruction set is the caller's promise; outputs are below n_out and inputs below n_in, and there is a
        // weight for each pair.
        unsafe {
            let mut sums: [C; R] = core::array::from_fn(|r| C::splat(j.bias(tile * R + r)));
            for (input, x) in x.iter().enumerate() {
                let x = C::load(x);
                for (r, sum) in sums.iter_mut().enumerate() {
                    let weight = at(weights, (tile * R + r) * strides.0 + input * strides.1);
                    *sum = sum.plus_product(f32::from_le_bytes(*weight), x);
                }
            }
            y.iter_mut().zip(sums).for_each(|(y, sum)| sum.store(y));
        }
    }
    for (o, y) in (done..).zip(rest) {
        let mut input = 0;
        // SAFETY: as above.
        unsafe {
            let next = || {
                let weight = f32::from_le_bytes(*at(weights, o * strides.0 + input * strides.1));
                input += 1;
                (weight, input - 1)
            };
            row::<C, R>(j.bias(o), x.len(), x, next).store(y);
        }
    }
}

/// # Safety
/// As for [`run`]; packing rows or csr with this index.
#[inline(always)]
unsafe fn rows<C: Columns, const R: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    index: IndexWidth,
) {
    let constant = match *j.packing() {
        Packing::Rows { in_degree, .. } => in_degree,
        _ => 0,
    };
    let mut counts = j.counts().iter();
    let mut edge = 0;
    for (o, y) in y.iter_mut().enumerate() {
        let in_degree = counts.next().map_or(constant, |count| u16::from_le_bytes(*count));
        let mut input = 0;
        // SAFETY: Junction::new proved one weight and one index entry for each edge of each row, and that the input an entry
        // gives is below n_in, x's length.
        unsafe {
            let next = || {
                input = match index {
                    IndexWidth::Delta8 => input + usize::from(*at(j.index8(), edge)),
                    IndexWidth::Absolute16 => usize::from(u16::from_le_bytes(*at(j.index16(), edge))),
                };
                edge += 1;
                (f32::from_le_bytes(*at(j.weights(), edge - 1)), input)
            };
            row::<C, R>(j.bias(o), in_degree.into(), x, next).store(y);
        }
    }
}

/// # Safety
/// As for [`run`]; packing block with these rows, columns and blocks.
#[inline(always)]
unsafe fn block<C: Columns, const R: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    (rows, cols, blocks): (usize, usize, u16),
) {
    let mut counts = j.counts().iter();
    let mut first = 0;
    for (row_block, y) in y.chunks_mut(rows).enumerate() {
        let count = usize::from(counts.next().map_or(blocks, |count| u16::from_le_bytes(*count)));
        let (tiles, rest) = y.as_chunks_mut::<R>();
        let done = tiles.len() * R;
        for (tile, y) in tiles.iter_mut().enumerate() {
            // SAFETY: the instruction set is the caller's promise; Junction::new proved one index entry a block, rows · cols
            // weights a block, and that a block's inputs end at or below n_in, x's length.
            unsafe {
                let mut sums: [C; R] = core::array::from_fn(|r| C::splat(j.bias(row_block * rows + tile * R + r)));
                for b in first..first + count {
                    let input = usize::from(u16::from_le_bytes(*at(j.index16(), b)));
                    for c in 0..cols {
                        let x = C::load(at(x, input + c));
                        for (r, sum) in sums.iter_mut().enumerate() {
                            let weight = at(j.weights(), (b * cols + c) * rows + tile * R + r);
                            *sum = sum.plus_product(f32::from_le_bytes(*weight), x);
                        }
                    }
                }
                y.iter_mut().zip(sums).for_each(|(y, sum)| sum.store(y));
            }
        }
        for (r, y) in (done..).zip(rest) {
            let (mut b, mut c) = (first, 0);
            // SAFETY: as above.
            unsafe {
                let next = || {
                    let input = usize::from(u16::from_le_bytes(*at(j.index16(), b))) + c;
                    let weight = f32::from_le_bytes(*at(j.weights(), (b * cols + c) * rows + r));
                    c += 1;
                    if c == cols {
                        (b, c) = (b + 1, 0);
                    }
                    (weight, input)
                };
                row::<C, R>(j.bias(row_block * rows + r), count * cols, x, next).store(y);
            }
        }
        first += count;
    }
}

/// # Safety
/// As for [`run`]; packing N:M.
#[inline(always)]
unsafe fn pages<C: Columns, const R: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    (n, m): (usize, usize),
) {
    let page = NMRow::new(j.n_in(), n, m);
    let all = j.weights().chunks_exact(page.in_degree).zip(j.index8().chunks_exact(page.position_bytes));
    for ((o, y), (weights, positions)) in y.iter_mut().enumerate().zip(all) {
        let (mut step, mut inputs) = (0, NMInputs::new(page, n, m, positions));
        // SAFETY: Junction::new proved that every position lies within its page and its page within n_in, x's length; a row
        // has in_degree weights.
        unsafe {
            let next = || {
                step += 1;
                (f32::from_le_bytes(*at(weights, step - 1)), inputs.next())
            };
            row::<C, R>(j.bias(o), page.in_degree, x, next).store(y);
        }
    }
}

/// # Safety
/// As for [`run`]; packing N:M for registers.
#[inline(always)]
unsafe fn page_lanes<C: Columns, const R: usize, const BITS: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    (n, m, lanes): (usize, u8, usize),
) {
    let page = NMRow::new(j.n_in(), n, m.into());
    let words = page.in_degree.div_ceil(32 / BITS);
    for (o, y) in y.iter_mut().enumerate() {
        let (group, lane) = (o / lanes, o % lanes);
        let mut lane = Lane::<BITS>::new(group * words * lanes + lane, group * page.in_degree * lanes + lane);
        let (mut first, mut left) = (0, n);
        // SAFETY: Junction::new proved a weight and a position for each step and lane of each group, and that every position
        // lies within its page and its page within n_in, x's length.
        unsafe {
            let next = || {
                let (weight, position) = lane.next(j.weights(), j.index32(), lanes);
                let input = first + position;
                left -= 1;
                if left == 0 {
                    (first, left) = (first + usize::from(m), n);
                }
                (weight, input)
            };
            row::<C, R>(j.bias(o), page.in_degree, x, next).store(y);
        }
    }
}

/// One lane's way through weights and words of positions of BITS bits.
struct Lane<const BITS: usize> {
    /// The next word, and the next weight: of this lane.
    word: usize,
    weight: usize,
    /// What is left of the word at hand, and a bit above it: that alone when nothing is.
    positions: u64,
}

impl<const BITS: usize> Lane<BITS> {
    const fn new(word: usize, weight: usize) -> Self {
        Self { word, weight, positions: 1 }
    }

    /// The next step's weight and position.
    ///
    /// # Safety
    /// There is another step.
    #[inline(always)]
    unsafe fn next(&mut self, weights: &[[u8; 4]], words: &[[u8; 4]], lanes: usize) -> (f32, usize) {
        // SAFETY: the caller's.
        unsafe {
            if self.positions == 1 {
                let end = 1 << (32 / BITS * BITS);
                self.positions = u64::from(u32::from_le_bytes(*at(words, self.word))) % end + end;
                self.word += lanes;
            }
            let position = self.positions as usize % (1 << BITS);
            self.positions >>= BITS;
            self.weight += lanes;
            (f32::from_le_bytes(*at(weights, self.weight - lanes)), position)
        }
    }
}

/// # Safety
/// As for [`run`]; packing windows.
#[inline(always)]
unsafe fn windows<C: Columns, const R: usize, const BITS: usize>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    (lanes, each): (usize, u8),
) {
    let index = j.windows_index();
    let words = groups_of_4(index.words);
    let (mut first_step, mut first_word) = (0, 0);
    for (count, order) in j.counts().iter().zip(index.order.chunks(lanes)) {
        let steps = usize::from(u16::from_le_bytes(*count));
        for (lane, output) in order.iter().enumerate() {
            let output = usize::from(u16::from_le_bytes(*output));
            let mut lane = Lane::<BITS>::new(first_word * lanes + lane, first_step * lanes + lane);
            let mut step = first_step;
            // SAFETY: Junction::new proved a start for each window, a weight and a position for each step and lane of each group,
            // that every window lies within n_in, x's length, and every position within its window; and that the order holds
            // outputs below n_out, y's length.
            unsafe {
                let next = || {
                    let (weight, position) = lane.next(j.weights(), words, lanes);
                    step += 1;
                    (
                        weight,
                        usize::from(u16::from_le_bytes(*at(index.starts, (step - 1) >> each.trailing_zeros())))
                            + position,
                    )
                };
                row::<C, R>(j.bias(output), steps, x, next).store(y.get_unchecked_mut(output));
            }
        }
        first_step += steps;
        first_word += steps.div_ceil(32 / BITS);
    }
    // SAFETY: the caller's.
    unsafe { spilled::add_batch::<C>(j, x, y) };
}

/// # Safety
/// As for [`run`]; packing input-major with this out-degree and index.
#[inline(always)]
unsafe fn input_major<C: Columns>(
    j: &Junction<'_>,
    x: &[[f32; BATCH]],
    y: &mut [[f32; BATCH]],
    (out_degree, index): (usize, IndexWidth),
) {
    y.iter_mut().enumerate().for_each(|(o, y)| *y = [j.bias(o); BATCH]);
    for (i, x) in x.iter().enumerate() {
        let edges = i * out_degree..(i + 1) * out_degree;
        // SAFETY: the instruction set is the caller's promise; Junction::new proved out_degree weights and index entries for
        // each input, and that the output an entry gives is below n_out, y's length.
        unsafe {
            let x = C::load(x);
            if x.is_zero() {
                continue;
            }
            let mut add = |weight: &[u8; 4], output: usize| {
                let y = y.get_unchecked_mut(output);
                C::load(y).plus_product(f32::from_le_bytes(*weight), x).store(y);
            };
            let weights = j.weights().get_unchecked(edges.clone());
            match index {
                IndexWidth::Delta8 => {
                    let mut output = 0;
                    for (weight, delta) in weights.iter().zip(j.index8().get_unchecked(edges)) {
                        output += usize::from(*delta);
                        add(weight, output);
                    }
                }
                IndexWidth::Absolute16 => {
                    for (weight, output) in weights.iter().zip(j.index16().get_unchecked(edges)) {
                        add(weight, u16::from_le_bytes(*output).into());
                    }
                }
            }
        }
    }
}
