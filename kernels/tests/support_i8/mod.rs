//! Draws int8 junctions of every packing and compares kernels with the scalar reference, and that with exact sums.

use alloc::vec;
use alloc::vec::Vec;

use lacewing_kernels::{
    Activation, DeltaCode, Element, IndexWidth, Int8, Isa, Junction, Kernel, KernelSet, Packing, Parts, ROUND_ONCE,
    kernel_list, requantise,
};

use crate::support::Random;

/// What is driven to its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// Nothing.
    None,
    /// Inputs −128, weights −127, zero point −128.
    Low,
    /// Inputs 127, weights 127, zero point 127.
    High,
    /// Inputs −128, weights of either sign, so that neighbours' products go both ways.
    Alternating,
    /// Scales under which every output saturates, biases at their bounds.
    Saturating,
    /// Positive shifts, and those that round once.
    LeftShift,
}

/// One junction's bytes and an input. The bytes start at an odd address on purpose.
pub struct Case {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    extreme: Extreme,
    weights: Vec<u8>,
    counts: Vec<u8>,
    index: Vec<u8>,
    bias: Vec<u8>,
    rescale: Vec<u8>,
    input_zero: i8,
    zero: i8,
    clamp: (i8, i8),
    x: Vec<i8>,
    /// (output, input, weight) of every edge, as drawn.
    edges: Vec<(usize, usize, i8)>,
}

impl Case {
    pub fn draw(n_in: u16, n_out: u16, packing: Packing, extreme: Extreme, random: &mut Random) -> Self {
        let (width, outputs) = (usize::from(n_in), usize::from(n_out));
        let any = |random: &mut Random| random.next() as i8;
        let x = (0..width).map(|_| match extreme {
            Extreme::Low | Extreme::Alternating => -128,
            Extreme::High => 127,
            _ => any(random),
        });
        let x: Vec<i8> = x.collect();
        let zero = match extreme {
            Extreme::Low => -128,
            Extreme::High => 127,
            _ => any(random),
        };
        let (a, b) = (any(random), any(random));
        let clamp = if random.below(2) == 0 { (-128, 127) } else { (a.min(b), a.max(b)) };
        let mut case = Self {
            n_in,
            n_out,
            packing,
            extreme,
            weights: vec![0],
            counts: vec![0],
            index: vec![0],
            bias: vec![0],
            rescale: vec![0],
            // The lowest number is what images and a ReLU have.
            input_zero: match random.below(4) {
                0 => random.next() as i8,
                1 => i8::MIN,
                _ => zero,
            },
            zero,
            clamp,
            x,
            edges: Vec::new(),
        };
        match packing {
            Packing::Dense => (0..outputs).for_each(|o| (0..width).for_each(|i| case.push_edge(o, i, random))),
            Packing::Rows { in_degree, index } => {
                (0..outputs).for_each(|row| case.push_row(row, usize::from(in_degree), index, random));
            }
            Packing::Csr { index } => {
                for row in 0..outputs {
                    let d = [0, width, random.below(width + 1), random.below(width + 1)][row % 4];
                    case.counts.extend((d as u16).to_le_bytes());
                    case.push_row(row, d, index, random);
                }
            }
            Packing::Block { rows, cols, blocks } => {
                case.push_blocks(usize::from(rows), usize::from(cols), blocks, random);
            }
            Packing::NM { n, m } => case.push_pages(usize::from(n), usize::from(m), random),
            Packing::NMLanes { n, m, lanes } => case.push_lanes(usize::from(n), usize::from(m), lanes, random),
            Packing::Coded { in_degree, code } => case.push_coded(in_degree, code, random),
            Packing::Windows { lanes, width, steps } => {
                case.push_windows(usize::from(lanes), (usize::from(width), usize::from(steps)), random);
            }
            Packing::DenseInputMajor => {
                case.put_zeros(random);
                (0..width).for_each(|i| (0..outputs).for_each(|o| case.push_edge(o, i, random)));
            }
            Packing::InputMajor { out_degree, index } => case.push_columns(usize::from(out_degree), index, random),
            _ => unreachable!("int8 has no such packing"),
        }
        case.draw_outputs(random);
        case
    }

    /// Biases, multipliers and shifts.
    fn draw_outputs(&mut self, random: &mut Random) {
        let outputs = usize::from(self.n_out);
        if random.below(4) > 0 {
            for o in 0..outputs {
                let bias: i32 = match self.extreme {
                    Extreme::Saturating => [1 << 30, -(1 << 30)][o % 2],
                    _ => random.next() as i32 >> 16,
                };
                self.bias.extend(bias.to_le_bytes());
            }
        }
        for o in 0..outputs {
            let multiplier =
                [0, 1 << 30, i32::MAX, (1 << 30) + (random.next() as i32 & 0x3fff_ffff)][[0, 1, 2, 3, 3, 3][o % 6]];
            self.rescale.extend(multiplier.to_le_bytes());
        }
        // Kernels may take another way where all shifts are below 0.
        let most = -(self.zero & 1);
        for _ in 0..outputs {
            let shift = match self.extreme {
                Extreme::Saturating => -(random.below(3) as i8),
                Extreme::LeftShift => random.below(62) as i8 - 31 + [0, ROUND_ONCE][random.below(2)],
                _ => most - random.below(20) as i8,
            };
            self.rescale.push(shift as u8);
        }
    }

    fn weight(&self, random: &mut Random) -> i8 {
        match self.extreme {
            Extreme::Low => -127,
            Extreme::High => 127,
            Extreme::Alternating => [127, -127][random.below(2)],
            _ => (random.below(255) as i16 - 127) as i8,
        }
    }

    fn draw_edge(&mut self, output: usize, input: usize, random: &mut Random) -> u8 {
        let weight = self.weight(random);
        self.edges.push((output, input, weight));
        weight as u8
    }

    fn push_edge(&mut self, output: usize, input: usize, random: &mut Random) {
        let weight = self.draw_edge(output, input, random);
        self.weights.push(weight);
    }

    /// One row of `d` edges. Where a gap is wider than the index can say, the row's edges are made neighbours.
    fn push_row(&mut self, row: usize, d: usize, index: IndexWidth, random: &mut Random) {
        let width = usize::from(self.n_in);
        let mut inputs = random.choose(d, width);
        let far = inputs.first().is_some_and(|first| *first > 255) || inputs.windows(2).any(|p| p[1] - p[0] > 255);
        if index == IndexWidth::Delta8 && far {
            let first = random.below((width - d).min(255) + 1);
            inputs = (first..first + d).collect();
        }
        let mut previous = 0;
        for input in inputs {
            match index {
                IndexWidth::Delta8 => self.index.push((input - previous) as u8),
                IndexWidth::Absolute16 => self.index.extend((input as u16).to_le_bytes()),
            }
            previous = input;
            self.push_edge(row, input, random);
        }
    }

    /// About half of the inputs are the zero point, some of them four and more in a row.
    fn put_zeros(&mut self, random: &mut Random) {
        for inputs in self.x.chunks_mut(6) {
            let all = random.below(3) == 0;
            let zeros = inputs.iter_mut().filter(|_| all || random.below(4) == 0);
            zeros.for_each(|x| *x = self.input_zero);
        }
    }

    /// The `d` outputs of each input.
    fn push_columns(&mut self, d: usize, index: IndexWidth, random: &mut Random) {
        self.put_zeros(random);
        for input in 0..usize::from(self.n_in) {
            let mut previous = 0;
            for output in random.choose(d, usize::from(self.n_out)) {
                match index {
                    IndexWidth::Delta8 => self.index.push((output - previous) as u8),
                    IndexWidth::Absolute16 => self.index.extend((output as u16).to_le_bytes()),
                }
                previous = output;
                self.push_edge(output, input, random);
            }
        }
    }

    /// Rows in a stream of bits; some rows' edges are far from each other, some are neighbours.
    fn push_coded(&mut self, in_degree: u16, code: DeltaCode, random: &mut Random) {
        let width = usize::from(self.n_in);
        let mut stream = Vec::new();
        for row in 0..usize::from(self.n_out) {
            let mut d = usize::from(in_degree);
            if in_degree == 0 {
                d = [0, width, 1, random.below(width + 1)][row % 4];
                self.counts.extend((d as u16).to_le_bytes());
            }
            let mut next = 0;
            let inputs = if row % 5 == 4 { (width - d..width).collect() } else { random.choose(d, width) };
            for input in inputs {
                let distance = input - next;
                match code {
                    DeltaCode::Nibbles => {
                        (0..distance / 15).for_each(|_| stream.extend([true; 4]));
                        stream.extend((0..4).map(|bit| ((distance % 15) >> bit) & 1 == 1));
                    }
                    DeltaCode::Rice(k) => {
                        stream.extend((0..distance >> k).map(|_| false));
                        stream.push(true);
                        stream.extend((0..k).map(|bit| distance >> bit & 1 == 1));
                    }
                }
                next = input + 1;
                self.push_edge(row, input, random);
            }
        }
        let bytes = stream.chunks(8);
        self.index.extend(bytes.map(|byte| byte.iter().enumerate().map(|(k, bit)| u8::from(*bit) << k).sum::<u8>()));
    }

    fn push_blocks(&mut self, rows: usize, cols: usize, blocks: u16, random: &mut Random) {
        let starts = usize::from(self.n_in) - cols + 1;
        for row_block in 0..usize::from(self.n_out).div_ceil(rows) {
            let count = if blocks == 0 { random.below(starts + 1) } else { usize::from(blocks) };
            if blocks == 0 {
                self.counts.extend((count as u16).to_le_bytes());
            }
            let real = (usize::from(self.n_out) - row_block * rows).min(rows);
            let first = random.choose(count, starts);
            self.index.extend(first.iter().flat_map(|start| (*start as u16).to_le_bytes()));
            let inputs: Vec<usize> = first.iter().flat_map(|start| *start..start + cols).collect();
            for group in inputs.chunks(4) {
                for row in 0..rows {
                    for input in group {
                        match row < real {
                            true => self.push_edge(row_block * rows + row, *input, random),
                            false => self.weights.push(0),
                        }
                    }
                }
            }
        }
    }

    /// Number of edges of every page and its first input, with the ragged one's share.
    fn pages(&self, n: usize, m: usize) -> Vec<(usize, usize, usize)> {
        let width = usize::from(self.n_in);
        let pages = (0..width.div_ceil(m)).map(|page| {
            let inputs = (width - page * m).min(m);
            let count = if inputs == m { n } else { ((2 * n * inputs + m) / (2 * m)).max(1) };
            (page * m, inputs, count)
        });
        pages.collect()
    }

    fn push_pages(&mut self, n: usize, m: usize, random: &mut Random) {
        let bits = m.ilog2() as usize;
        for row in 0..usize::from(self.n_out) {
            let mut positions = Vec::new();
            for (first, inputs, count) in self.pages(n, m) {
                for position in random.choose(count, inputs) {
                    positions.extend((0..bits).map(|bit| position >> bit & 1 == 1));
                    self.push_edge(row, first + position, random);
                }
            }
            let bytes = positions.chunks(8);
            let bytes = bytes.map(|byte| byte.iter().enumerate().map(|(k, bit)| u8::from(*bit) << k).sum::<u8>());
            self.index.extend(bytes);
        }
    }

    fn push_lanes(&mut self, n: usize, m: usize, lanes: u8, random: &mut Random) {
        let (lanes, outputs, pages) = (usize::from(lanes), usize::from(self.n_out), self.pages(n, m));
        let steps: usize = pages.iter().map(|(_, _, count)| count).sum();
        for first in (0..outputs).step_by(lanes) {
            // A word holds the positions of two quads, or of one.
            let per_word = if m <= 16 { 8 } else { 4 };
            let (mut weights, mut words) =
                (vec![0; steps.div_ceil(4) * lanes * 4], vec![0; steps.div_ceil(per_word) * lanes * 4]);
            for lane in 0..lanes.min(outputs - first) {
                let mut step = 0;
                for (start, inputs, count) in &pages {
                    for position in random.choose(*count, *inputs) {
                        weights[(step / 4 * lanes + lane) * 4 + step % 4] =
                            self.draw_edge(first + lane, start + position, random);
                        let half = if step % per_word >= 4 { 4 } else { 0 };
                        words[(step / per_word * lanes + lane) * 4 + step % 4] |= (position << half) as u8;
                        step += 1;
                    }
                }
            }
            self.weights.extend(weights);
            self.index.extend(words);
        }
    }

    /// Rows in any order; each window begins at the least input that is left, or a little before it.
    fn push_windows(&mut self, lanes: usize, (width, each): (usize, usize), random: &mut Random) {
        let (n_in, outputs) = (usize::from(self.n_in), usize::from(self.n_out));
        let order = if random.below(2) == 0 { (0..outputs).collect() } else { shuffled(outputs, random) };
        let (mut starts, mut words) = (Vec::new(), Vec::new());
        for rows in order.chunks(lanes) {
            let mut left: Vec<Vec<usize>> = (0..rows.len())
                .map(|row| {
                    let d = [random.below(n_in + 1), 0, n_in, random.below(n_in / 4 + 1)][row % 4];
                    random.choose(d, n_in)
                })
                .collect();
            let (mut steps, mut positions) = (0usize, Vec::new());
            while let Some(least) = left.iter().filter_map(|row| row.first().copied()).min() {
                let start = least.saturating_sub(random.below(3)).min(n_in - width);
                starts.extend((start as u16).to_le_bytes());
                for lane in (0..each).flat_map(|_| 0..lanes) {
                    let (row, output) = (left.get_mut(lane), rows.get(lane).copied().unwrap_or(0));
                    let here = row.map_or(Vec::new(), |row| {
                        let count = row.iter().take(4).take_while(|input| **input < start + width).count();
                        row.drain(..count).collect()
                    });
                    for k in 0..4 {
                        let weight = here.get(k).map_or(0, |input| self.draw_nonzero(output, *input, random));
                        self.weights.push(weight);
                        positions.push(here.get(k).map_or(0, |input| (input - start) as u8));
                    }
                }
                steps += each;
            }
            self.counts.extend((steps as u16).to_le_bytes());
            if width > 16 {
                words.extend(positions);
                continue;
            }
            positions.resize(steps.next_multiple_of(2) * lanes * 4, 0);
            for pair in positions.chunks(8 * lanes) {
                let (low, high) = pair.split_at(4 * lanes);
                words.extend(low.iter().zip(high).map(|(low, high)| low | high << 4));
            }
        }
        self.index.extend(order.iter().flat_map(|row| (*row as u16).to_le_bytes()));
        self.index.extend(starts);
        self.index.extend(words);
    }

    /// An edge whose weight is not 0, which would be none in windows.
    fn draw_nonzero(&mut self, output: usize, input: usize, random: &mut Random) -> u8 {
        let weight = match self.weight(random) {
            0 => 1,
            weight => weight,
        };
        self.edges.push((output, input, weight));
        weight as u8
    }

    pub fn junction(&self) -> Junction<'_> {
        let parts = Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: Activation::None,
            weights: &self.weights[1..],
            counts: &self.counts[1..],
            index: &self.index[1..],
            bias: &self.bias[1..],
        };
        let (low, high) = self.clamp;
        let (input_zero, output_zero) = (self.input_zero, self.zero);
        let int8 = Int8 { rescale: &self.rescale[1..], input_zero, output_zero, low, high };
        Junction::new_i8(parts, int8)
            .unwrap_or_else(|error| panic!("{} {}x{}: {error}", self.packing, self.n_in, self.n_out))
    }

    /// The same with this shift for every output, as the scales of a trained network give: they are well below 1. Nothing is clamped but
    /// to int8: the zero point behind a ReLU is -128.
    pub fn with_shift(mut self, shift: i8) -> Self {
        self.clamp = (i8::MIN, i8::MAX);
        let at = self.rescale.len() - usize::from(self.n_out);
        self.rescale[at..].fill(shift as u8);
        self
    }

    /// The same with this zero point of the inputs.
    pub fn with_input_zero(mut self, zero: i8) -> Self {
        self.input_zero = zero;
        self
    }

    /// The sections one behind the other, each at an address that is a multiple of 16, as in a file.
    pub fn aligned(&self) -> Vec<u128> {
        let sections = self.sections();
        let length = sections.iter().map(|section| section.len().div_ceil(16)).sum();
        let mut place = vec![0u128; length];
        let mut free: &mut [u8] = bytemuck::cast_slice_mut(&mut place);
        for section in sections {
            let (bytes, rest) = free.split_at_mut(section.len().next_multiple_of(16));
            bytes[..section.len()].copy_from_slice(section);
            free = rest;
        }
        place
    }

    /// The junction with its sections there.
    pub fn junction_on<'c>(&'c self, place: &'c [u128]) -> Junction<'c> {
        let mut rest: &[u8] = bytemuck::cast_slice(place);
        let [weights, counts, index, bias, rescale] = self.sections().map(|section| {
            let (bytes, after) = rest.split_at(section.len().next_multiple_of(16));
            rest = after;
            &bytes[..section.len()]
        });
        let junction = self.junction();
        let int8 = Int8 { rescale, ..*junction.int8().expect("an int8 junction") };
        Junction::new_i8(Parts { weights, counts, index, bias, ..*junction.parts() }, int8).expect("the same junction")
    }

    /// Weights, counts, index, biases and what rescales.
    fn sections(&self) -> [&[u8]; 5] {
        [&self.weights[1..], &self.counts[1..], &self.index[1..], &self.bias[1..], &self.rescale[1..]]
    }

    /// The outputs that the edges as drawn make, summed in 64 bits.
    fn expected(&self) -> Vec<i8> {
        let outputs = usize::from(self.n_out);
        let mut sums = vec![0i64; outputs];
        for (sum, bias) in sums.iter_mut().zip(self.bias[1..].as_chunks().0) {
            *sum = i64::from(i32::from_le_bytes(*bias));
        }
        // Elsewhere the zero point is in the bias.
        let unfolded = matches!(self.packing, Packing::DenseInputMajor | Packing::InputMajor { .. });
        let zero = if unfolded { i64::from(self.input_zero) } else { 0 };
        for (output, input, weight) in &self.edges {
            sums[*output] += i64::from(*weight) * (i64::from(self.x[*input]) - zero);
        }
        let (multipliers, shifts) = self.rescale[1..].split_at(4 * outputs);
        let numbers = sums.iter().zip(multipliers.as_chunks().0).zip(shifts);
        let outputs = numbers.map(|((sum, multiplier), shift)| {
            let sum = i32::try_from(*sum).expect("no sum overflows");
            let scaled = i64::from(requantise(sum, i32::from_le_bytes(*multiplier), *shift as i8));
            (scaled + i64::from(self.zero)).clamp(i64::from(self.clamp.0), i64::from(self.clamp.1)) as i8
        });
        outputs.collect()
    }

    /// The scalar reference against the edges, and every kernel up to the widest instruction set against both. Gives the kernels
    /// that ran.
    pub fn check_all(&self, widest: Isa) -> Vec<&'static Kernel> {
        let junction = self.junction();
        assert_eq!((junction.nnz(), junction.element()), (self.edges.len(), Element::I8), "{}", self.packing);
        let place = self.aligned();
        let aligned = self.junction_on(&place);
        let want = self.expected();
        let reference = KernelSet::SCALAR.choose_for(&junction).ok().flatten();
        assert!(reference.is_some(), "every packing has a reference");
        let mut ran = Vec::new();
        let accepted = |k: &&&Kernel| k.accepts_element(Element::I8, &self.packing);
        for kernel in kernel_list().iter().filter(|k| k.isa() <= widest).filter(accepted) {
            let Some(ready) = kernel.ready() else { continue };
            for junction in [&junction, &aligned] {
                let mut y = vec![0x55; want.len()];
                ready.run_i8(junction, &self.x, &mut y).expect("lengths are right");
                assert_eq!(y, want, "{kernel}, {} {}x{}, {:?}", self.packing, self.n_in, self.n_out, self.extreme);
            }
            ran.push(*kernel);
        }
        ran
    }
}

/// All numbers below `n`, in any order.
fn shuffled(n: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_cached_key(|_| random.next());
    order
}
