//! Draws junctions of every packing and compares kernels with the scalar reference.

use alloc::vec;
use alloc::vec::Vec;

use lacewing_kernels::{Activation, BATCH, IndexWidth, Isa, Junction, Kernel, KernelSet, Packing, Parts, kernel_list};

/// A small generator of test data (xorshift64*), seeded.
pub struct Random {
    state: u64,
    spread: usize,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, spread: 0 }
    }

    /// Numbers as far apart as 2^`spread`.
    pub fn spread(self, spread: usize) -> Self {
        Self { spread, ..self }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Uniform in −1..1, and then halved up to `spread` times.
    pub fn unit(&mut self) -> f32 {
        let halvings = if self.spread == 0 { 0 } else { self.below(self.spread + 1) };
        ((self.next() % 2_000_001) as f32 / 1e6 - 1.0) / (1u32 << halvings) as f32
    }

    /// `k` of 0..n, ascending.
    pub fn choose(&mut self, k: usize, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..k {
            let j = i + self.below(n - i);
            all.swap(i, j);
        }
        all.truncate(k);
        all.sort_unstable();
        all
    }
}

/// One junction's bytes and an input. The bytes start at an odd address on purpose.
pub struct Case {
    n_in: u16,
    n_out: u16,
    packing: Packing,
    activation: Activation,
    weights: Vec<u8>,
    counts: Vec<u8>,
    index: Vec<u8>,
    bias: Vec<u8>,
    x: Vec<f32>,
    /// (output, input, weight) of every edge, as drawn: what the scalar reference itself is held to.
    edges: Vec<(usize, usize, f32)>,
}

impl Case {
    pub fn draw(
        n_in: u16,
        n_out: u16,
        packing: Packing,
        activation: Activation,
        bias: bool,
        random: &mut Random,
    ) -> Self {
        let mut case = Self {
            n_in,
            n_out,
            packing,
            activation,
            weights: vec![0],
            counts: vec![0],
            index: vec![0],
            bias: vec![0],
            edges: Vec::new(),
            x: (0..n_in).map(|_| if random.below(3) == 0 { 0.0 } else { random.unit() }).collect(),
        };
        let (width, outputs) = (usize::from(n_in), usize::from(n_out));
        match packing {
            Packing::Dense => (0..outputs).for_each(|o| (0..width).for_each(|i| case.push_edge(o, i, random))),
            Packing::Rows { in_degree, index } => {
                for row in 0..outputs {
                    case.push_row(row, usize::from(in_degree), index, random);
                }
            }
            Packing::Csr { index } => {
                for row in 0..outputs {
                    let d = match row % 4 {
                        0 => 0,
                        1 => width,
                        _ => random.below(width + 1),
                    };
                    case.counts.extend((d as u16).to_le_bytes());
                    case.push_row(row, d, index, random);
                }
            }
            Packing::Block { rows, cols, blocks } => case.push_blocks(rows, cols, blocks, random),
            Packing::NM { n, m } => case.push_pages(usize::from(n), usize::from(m), random),
            Packing::NMLanes { n, m, lanes } => case.push_page_lanes(n, m, usize::from(lanes), random),
            Packing::Windows { lanes, width, steps } => {
                case.push_windows(usize::from(lanes), (width, steps.into()), random)
            }
            Packing::DenseInputMajor => {
                (0..width).for_each(|i| (0..outputs).for_each(|o| case.push_edge(o, i, random)))
            }
            Packing::InputMajor { out_degree, index } => {
                // Rows of the transposed junction, whose edges are turned round.
                (case.n_in, case.n_out) = (n_out, n_in);
                (0..width).for_each(|i| case.push_row(i, usize::from(out_degree), index, random));
                (case.n_in, case.n_out) = (n_in, n_out);
                case.edges.iter_mut().for_each(|(output, input, _)| core::mem::swap(output, input));
            }
            _ => unreachable!("a packing without a generator"),
        }
        if bias {
            for _ in 0..outputs {
                case.bias.extend(random.unit().to_le_bytes());
            }
        }
        case
    }

    fn push_edge(&mut self, output: usize, input: usize, random: &mut Random) {
        let weight = random.unit();
        self.weights.extend(weight.to_le_bytes());
        self.edges.push((output, input, weight));
    }

    /// One row of `d` edges. Where a gap is wider than the index can say, the row's edges are made neighbours.
    fn push_row(&mut self, row: usize, d: usize, index: IndexWidth, random: &mut Random) {
        let width = usize::from(self.n_in);
        let mut inputs = random.choose(d, width);
        let fits = |inputs: &[usize]| {
            inputs.first().is_none_or(|first| *first < 256) && inputs.windows(2).all(|pair| pair[1] - pair[0] < 256)
        };
        if index == IndexWidth::Delta8 && !fits(&inputs) {
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

    fn push_blocks(&mut self, rows: u8, cols: u8, blocks: u16, random: &mut Random) {
        let (rows, cols) = (usize::from(rows), usize::from(cols));
        let starts = usize::from(self.n_in) - cols + 1;
        let row_blocks = usize::from(self.n_out).div_ceil(rows);
        for row_block in 0..row_blocks {
            let count = if blocks == 0 { random.below(starts + 1) } else { usize::from(blocks) };
            if blocks == 0 {
                self.counts.extend((count as u16).to_le_bytes());
            }
            let real = (usize::from(self.n_out) - row_block * rows).min(rows);
            for start in random.choose(count, starts) {
                self.index.extend((start as u16).to_le_bytes());
                for c in 0..cols {
                    (0..real).for_each(|r| self.push_edge(row_block * rows + r, start + c, random));
                    self.weights.extend(core::iter::repeat_n(0, (rows - real) * 4));
                }
            }
        }
    }

    fn push_pages(&mut self, n: usize, m: usize, random: &mut Random) {
        let bits = m.ilog2() as usize;
        for row in 0..usize::from(self.n_out) {
            let mut stream: Vec<bool> = Vec::new();
            for page in 0..usize::from(self.n_in).div_ceil(m) {
                let width = (usize::from(self.n_in) - page * m).min(m);
                let count = if width == m { n } else { ((2 * n * width + m) / (2 * m)).max(1) };
                for position in random.choose(count, width) {
                    stream.extend((0..bits).map(|bit| position >> bit & 1 == 1));
                    self.push_edge(row, page * m + position, random);
                }
            }
            for byte in stream.chunks(8) {
                self.index.push(byte.iter().enumerate().map(|(bit, set)| u8::from(*set) << bit).sum());
            }
        }
    }

    /// The number of edges of each page of a row.
    fn page_counts(&self, n: usize, m: usize) -> Vec<(usize, usize)> {
        let pages = (0..usize::from(self.n_in).div_ceil(m)).map(|page| {
            let width = (usize::from(self.n_in) - page * m).min(m);
            (width, if width == m { n } else { ((2 * n * width + m) / (2 * m)).max(1) })
        });
        pages.collect()
    }

    /// Words of one lane's positions, one word a row of the result.
    fn words(positions: &[usize], inputs: u8) -> Vec<u32> {
        let (bits, per_word) = if inputs <= 16 { (4, 8) } else { (5, 6) };
        let words = positions
            .chunks(per_word)
            .map(|word| word.iter().enumerate().map(|(slot, position)| (*position as u32) << (slot * bits)).sum());
        words.collect()
    }

    /// Writes `lanes` columns of `steps` weights and their words, turned into rows of one a lane.
    fn push_lanes(&mut self, columns: &[(Vec<f32>, Vec<usize>)], steps: usize, inputs: u8) -> Vec<u8> {
        for step in 0..steps {
            self.weights.extend(columns.iter().flat_map(|(weights, _)| weights[step].to_le_bytes()));
        }
        let words: Vec<Vec<u32>> = columns.iter().map(|(_, positions)| Self::words(positions, inputs)).collect();
        (0..words[0].len()).flat_map(|k| words.iter().flat_map(move |lane| lane[k].to_le_bytes())).collect()
    }

    fn push_page_lanes(&mut self, n: u8, m: u8, lanes: usize, random: &mut Random) {
        let pages = self.page_counts(usize::from(n), usize::from(m));
        let steps = pages.iter().map(|(_, count)| count).sum();
        let outputs = usize::from(self.n_out);
        for first in (0..outputs).step_by(lanes) {
            let mut columns = Vec::new();
            for row in first..first + lanes {
                let (mut weights, mut positions) = (vec![0.0; steps], vec![0; steps]);
                if row < outputs {
                    let mut step = 0;
                    for (page, (width, count)) in pages.iter().enumerate() {
                        for position in random.choose(*count, *width) {
                            (weights[step], positions[step]) = (random.unit(), position);
                            self.edges.push((row, page * usize::from(m) + position, weights[step]));
                            step += 1;
                        }
                    }
                }
                columns.push((weights, positions));
            }
            let words = self.push_lanes(&columns, steps, m);
            self.index.extend(words);
        }
    }

    /// Groups of any number of steps, none among them; windows anywhere, in no order; a lane takes an edge where it can.
    fn push_windows(&mut self, lanes: usize, (width, each): (u8, usize), random: &mut Random) {
        let (outputs, inputs) = (usize::from(self.n_out), usize::from(self.n_in));
        let mut order: Vec<usize> = (0..outputs).collect();
        (0..outputs).for_each(|k| order.swap(k, k + random.below(outputs - k)));
        self.index.extend(order.iter().flat_map(|output| (*output as u16).to_le_bytes()));
        let (mut starts, mut words) = (Vec::new(), Vec::new());
        for (group, rows) in order.chunks(lanes).enumerate() {
            let steps = if group % 5 == 4 { 0 } else { random.below(inputs + 2) / each * each };
            self.counts.extend((steps as u16).to_le_bytes());
            let mut columns = vec![(vec![-0.0f32; steps], vec![0; steps]); lanes];
            let mut next = vec![0; lanes];
            let mut start = 0;
            for step in 0..steps {
                if step % each == 0 {
                    start = (random.below(inputs) * step / steps).min(inputs - usize::from(width));
                    starts.extend((start as u16).to_le_bytes());
                }
                for ((lane, output), (weights, positions)) in rows.iter().enumerate().zip(&mut columns) {
                    let from = next[lane].max(start);
                    if from < start + usize::from(width) && random.below(4) > 0 {
                        let input = from + random.below(start + usize::from(width) - from);
                        (weights[step], positions[step]) = (random.unit(), input - start);
                        next[lane] = input + 1;
                        self.edges.push((*output, input, weights[step]));
                    }
                }
            }
            if steps > 0 {
                words.extend(self.push_lanes(&columns, steps, width));
            }
        }
        self.index.extend(starts);
        self.index.extend(words);
        if random.below(2) == 0 {
            self.push_spilled(&order, random);
        }
    }

    /// Some rows have an edge or two beside their windows.
    fn push_spilled(&mut self, order: &[usize], random: &mut Random) {
        for output in order {
            for input in 0..usize::from(self.n_in) {
                let in_window = self.edges.iter().any(|(row, at, _)| (row, at) == (output, &input));
                if random.below(usize::from(self.n_in)) == 0 && !in_window {
                    let weight = random.unit();
                    self.weights.extend(weight.to_le_bytes());
                    self.index.extend([input, *output].iter().flat_map(|number| (*number as u16).to_le_bytes()));
                    self.edges.push((*output, input, weight));
                }
            }
        }
    }

    pub fn junction(&self) -> Junction<'_> {
        Junction::new(Parts {
            n_in: self.n_in,
            n_out: self.n_out,
            packing: self.packing,
            activation: self.activation,
            weights: &self.weights[1..],
            counts: &self.counts[1..],
            index: &self.index[1..],
            bias: &self.bias[1..],
        })
        .unwrap_or_else(|error| panic!("{} {}x{}: {error}", self.packing, self.n_in, self.n_out))
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
        let [weights, counts, index, bias] = self.sections().map(|section| {
            let (bytes, after) = rest.split_at(section.len().next_multiple_of(16));
            rest = after;
            &bytes[..section.len()]
        });
        let parts = *self.junction().parts();
        Junction::new(Parts { weights, counts, index, bias, ..parts }).expect("the same junction")
    }

    /// Weights, counts, index and biases.
    fn sections(&self) -> [&[u8]; 4] {
        [&self.weights[1..], &self.counts[1..], &self.index[1..], &self.bias[1..]]
    }

    fn reference(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![f32::NAN; usize::from(self.n_out)];
        let kernel = KernelSet::SCALAR.choose(&self.packing).ok().flatten().expect("every packing has a reference");
        kernel.run(&self.junction(), x, &mut y).expect("lengths are right");
        y
    }

    /// What the edges and biases say, in f64, and the sum of magnitudes of each output's terms.
    fn expected(&self, x: &[f32]) -> Vec<(f64, f64)> {
        let mut sums: Vec<(f64, f64)> = vec![(0.0, 0.0); usize::from(self.n_out)];
        for (sum, bias) in sums.iter_mut().zip(self.bias[1..].chunks_exact(4)) {
            let bias = f64::from(f32::from_le_bytes([bias[0], bias[1], bias[2], bias[3]]));
            *sum = (bias, bias.abs());
        }
        for (output, input, weight) in &self.edges {
            let term = f64::from(*weight) * f64::from(x[*input]);
            sums[*output].0 += term;
            sums[*output].1 += term.abs();
        }
        sums
    }

    /// The scalar reference against the edges as drawn, and every kernel that accepts the packing, up to the widest
    /// instruction set, against the reference, within [`bound`](Self::bound). Gives the kernels that ran.
    pub fn check_all(&self, widest: Isa) -> Vec<&'static Kernel> {
        let junction = self.junction();
        assert_eq!(junction.nnz(), self.edges.len(), "{}", self.packing);
        let place = self.aligned();
        let aligned = self.junction_on(&place);
        let (want, expected) = (self.reference(&self.x), self.expected(&self.x));
        let exact: Vec<f32> = expected.iter().map(|(sum, _)| self.activation.of(*sum as f32)).collect();
        self.compare(&"scalar reference", &want, &exact, &expected);
        let mut ran = Vec::new();
        for kernel in kernel_list().iter().filter(|k| k.isa() <= widest && k.accepts(&self.packing)) {
            let Some(ready) = kernel.ready() else { continue };
            let mut y = vec![f32::NAN; usize::from(self.n_out)];
            ready.run(&junction, &self.x, &mut y).expect("lengths are right");
            self.compare(kernel, &y, &want, &expected);
            y.fill(f32::NAN);
            ready.run(&aligned, &self.x, &mut y).expect("lengths are right");
            self.compare(kernel, &y, &want, &expected);
            ran.push(*kernel);
        }
        ran.extend(self.check_batched(widest));
        ran
    }

    /// Every batched kernel against the scalar reference of one sample: the scalar one to the bit, the others as in `check_all`.
    /// Three different samples take turns over the columns.
    fn check_batched(&self, widest: Isa) -> Vec<&'static Kernel> {
        let turned = |by: usize| (0..self.x.len()).map(|i| self.x[(i + by) % self.x.len()]).collect::<Vec<f32>>();
        let columns = [0, 1, 2].map(turned);
        let samples = columns.each_ref().map(|x| (self.reference(x), self.expected(x)));
        let x: Vec<[f32; BATCH]> =
            (0..self.x.len()).map(|i| core::array::from_fn(|column| columns[column % 3][i])).collect();
        let mut ran = Vec::new();
        for kernel in kernel_list().iter().filter(|k| k.isa() <= widest && k.accepts_batch(&self.packing)) {
            let Some(ready) = kernel.ready() else { continue };
            let mut y = vec![[f32::NAN; BATCH]; usize::from(self.n_out)];
            ready.run_batch(&self.junction(), &x, &mut y).expect("lengths are right");
            for column in 0..BATCH {
                let got: Vec<f32> = y.iter().map(|y| y[column]).collect();
                let (want, expected) = &samples[column % 3];
                self.compare(kernel, &got, want, expected);
                if kernel.isa() == Isa::Scalar {
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&got), bits(want), "{kernel}, {}: the reference's very bits", self.packing);
                }
            }
            ran.push(*kernel);
        }
        ran
    }

    /// How far an output may be from `want`: 1e-5 of the sum of magnitudes of its terms, made as much larger or smaller as the
    /// activation is steep. Of tanh and sigmoid, which compute some digits beside the last one anew, also those.
    fn bound(&self, magnitude: f64, want: f32) -> f64 {
        let (slope, digits) = match self.activation {
            Activation::LeakyRelu { slope } => (f64::from(slope).abs().max(1.0), 0.0),
            Activation::Sigmoid => (0.25, 8.0),
            Activation::Tanh => (1.0, 8.0),
            _ => (1.0, 0.0),
        };
        1e-5 * slope * magnitude + digits * f64::from(f32::EPSILON * want.abs())
    }

    fn compare(&self, who: &dyn core::fmt::Display, got: &[f32], want: &[f32], expected: &[(f64, f64)]) {
        for (o, ((got, want), (_, magnitude))) in got.iter().zip(want).zip(expected).enumerate() {
            assert!(
                f64::from((got - want).abs()) <= self.bound(*magnitude, *want),
                "{who}, {} {}x{}, {:?}: output {o} is {got}, want {want}",
                self.packing,
                self.n_in,
                self.n_out,
                self.activation
            );
        }
    }

    /// One bad input value: every kernel gives a finite output exactly where the reference does.
    pub fn check_poisoned(&self, bad: f32) {
        for at in 0..self.x.len() {
            let mut x = self.x.clone();
            x[at] = bad;
            let want = self.reference(&x);
            for kernel in kernel_list().iter().filter(|k| k.accepts(&self.packing)) {
                let Some(ready) = kernel.ready() else { continue };
                let mut y = vec![0.0; usize::from(self.n_out)];
                ready.run(&self.junction(), &x, &mut y).expect("lengths are right");
                for (o, (got, want)) in y.iter().zip(&want).enumerate() {
                    assert_eq!(got.is_finite(), want.is_finite(), "{kernel}, {}: output {o}", self.packing);
                }
            }
        }
    }
}
