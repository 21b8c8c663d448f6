//! Model bytes, by FORMAT.md.

use lacewing_engine::{MAX_EXITS, Part, Quantisation};
use lacewing_kernels::{Activation, DeltaCode, IndexWidth, Packing};
use lacewing_models::JunctionId;
use lacewing_models::recipe::Metric;
use thiserror::Error;

use crate::network::{Network, TrainedExit};
use crate::pack::Packed;
use crate::plan::PlannedJunction;
use crate::settled::{SettleError, Settled, Settling};

const MAGIC: [u8; 4] = *b"LACE";
const BYTE_ORDER: u16 = 0x0102;
const VERSION: u8 = 1;
const HEADER: usize = 64;
const OPERATION: usize = 48;
const EXIT: usize = 32;
/// Where the header has the number of exits, and the length of the class names.
const EXITS: usize = 22;
const NAMES: core::ops::Range<usize> = 48..52;
const LENGTH: core::ops::Range<usize> = 8..12;
const CHECKSUM: core::ops::Range<usize> = 12..16;
/// Where the header has the alignment of sections.
const ALIGNMENT: usize = 30;

/// What pixels are multiplied with where the recipe does not say.
pub(crate) const BYTE_SCALE: f32 = 1.0 / 255.0;

/// Where sections may start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SectionAlign {
    /// At multiples of 16: the fewest bytes.
    #[default]
    To16,
    /// At multiples of 64, so that no load of a vector of 32 or 64 bytes crosses a cache line.
    To64,
}

impl SectionAlign {
    const fn bytes(self) -> usize {
        match self {
            Self::To16 => 16,
            Self::To64 => 64,
        }
    }
}

/// A network does not fit the format's limits. A checked recipe keeps all of them but the file's length.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// More than a field can hold.
    #[error("{what}: {value} is more than a model file can hold ({limit})")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        value: usize,
        /// The limit.
        limit: usize,
    },
    /// A packing that the format has no id for.
    #[error("the packing {0} has no id in the model format")]
    Packing(Packing),
    /// Bytes that were written cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// The bytes of one part of a network; `junctions` are all of the network's, in the order in which they run.
///
/// # Errors
/// Something exceeds the format's limits.
pub fn encode(
    network: &Network,
    junctions: &[PlannedJunction],
    part: Part,
    align: SectionAlign,
) -> Result<Settled<u8>, EncodeError> {
    let Records { file, here, names } = records(network, junctions, part)?;
    let here = here.iter().filter_map(|at| junctions.get(*at));
    file.with_sections(here.map(|junction| &junction.packed), &names, align)
}

/// A file without its sections.
struct Records {
    file: Bytes,
    /// The junctions that are in it, by their numbers among the network's.
    here: Vec<usize>,
    /// The last section.
    names: Vec<u8>,
}

fn records(network: &Network, junctions: &[PlannedJunction], part: Part) -> Result<Records, EncodeError> {
    let split = network.split.unwrap_or(0);
    let end = network.trunk.len();
    // Trunk junctions of this part: those above `from`, up to `to`.
    let (from, to) = match part {
        Part::Whole => (0, end),
        Part::Head => (0, split),
        Part::Tail => (split, end),
    };
    let here = |exit: &&TrainedExit| exit.after > from && exit.after <= to;
    let head_exits = network.exits.iter().filter(|exit| exit.after <= from).count();
    let exits: Vec<&TrainedExit> = network.exits.iter().filter(here).collect();
    let operations = junctions.iter().enumerate().filter_map(|(at, junction)| {
        // The exit's number in this file, 0 in the trunk.
        let number = match junction.id {
            JunctionId::Trunk(k) => (k > from && k <= to).then_some(0),
            JunctionId::Exit { exit, .. } => {
                exit.checked_sub(head_exits).filter(|number| (1..=exits.len()).contains(number))
            }
        };
        number.map(|number| (at, (number, junction)))
    });
    let (here, operations): (Vec<usize>, Vec<(usize, &PlannedJunction)>) = operations.unzip();
    let names = class_names(network)?;
    let ends = usize::from(part != Part::Head);
    let records = exits.len() + ends;
    if records > MAX_EXITS {
        return Err(EncodeError::TooMany {
            what: "exits, the end of the trunk included",
            value: records,
            limit: MAX_EXITS,
        });
    }
    let n_in = operations.first().map_or(0, |(_, junction)| usize::from(junction.packed.parts().n_in));

    let mut file = Bytes(Vec::with_capacity(HEADER));
    file.put(&MAGIC);
    file.u16(BYTE_ORDER);
    file.put(&[VERSION, VERSION]);
    file.put(&[0; 8]); // file length and checksum
    file.put(&network.pair_id().to_le_bytes());
    file.put(&[part_id(part)]);
    file.u8("operations", operations.len())?;
    file.u8("exits", records)?;
    file.u8("split", split)?;
    file.u16(narrow("inputs", n_in)?);
    file.u16(narrow("classes", network.classes)?);
    // int8 inputs where everything is, and what a tail gets: a head with f32 inputs hands over f32.
    let before = |id| match id {
        JunctionId::Trunk(k) => k <= to,
        JunctionId::Exit { exit, .. } => exit <= head_exits + exits.len(),
    };
    let is_int8 =
        junctions.iter().filter(|junction| before(junction.id)).all(|junction| junction.packed.int8().is_some());
    let first = operations.first().and_then(|(_, junction)| junction.packed.int8()).map(|int8| int8.input);
    let input = first.filter(|_| is_int8);
    file.put(&[u8::from(input.is_some())]);
    file.u8("head exits", if part == Part::Tail { head_exits } else { 0 })?;
    file.u16(0);
    // A tail's inputs are features, which come as they are.
    let scale = if part == Part::Tail { 1.0 } else { network.input.scale.unwrap_or(BYTE_SCALE) };
    let written = |exit: usize| {
        let last = operations.iter().rfind(|(number, _)| *number == exit);
        last.and_then(|(_, junction)| junction.packed.int8()).map(|int8| int8.output)
    };
    let scaling =
        |quantisation: Option<Quantisation>, scale| quantisation.map_or([scale, 0.0], |q| [q.scale, f32::from(q.zero)]);
    [scaling(input, scale), scaling(written(0), 1.0)].concat().into_iter().for_each(|number| file.f32(number));
    file.u32("class names, bytes", names.len())?;
    file.put(&[0; 12]);
    for (number, junction) in &operations {
        file.operation(*number, &junction.packed)?;
    }
    for (number, exit) in (1..).zip(exits) {
        let integers = written(number).map(|logits| integers(logits, exit.metric, exit.temperature, exit.threshold));
        let numbers = (exit.temperature, exit.threshold);
        file.exit(exit.after, metric_id(exit.metric), exit.branch.len(), numbers, integers)?;
    }
    if ends > 0 {
        let integers = written(0).map(|logits| integers(logits, Metric::MaxProbability, 1.0, 0.0));
        file.exit(end, metric_id(Metric::MaxProbability), 0, (1.0, 0.0), integers)?;
    }
    Ok(Records { file, here, names })
}

/// The model file `bytes`, which must be proven, with its junctions in other packings: `junctions` are those of the file, in its
/// order. Header, exits and names stay.
///
/// # Errors
/// The file grows beyond what the format holds.
pub(crate) fn with_junctions(
    bytes: &[u8],
    junctions: &[PlannedJunction],
    align: SectionAlign,
) -> Result<Settled<u8>, EncodeError> {
    let (operations, _) = bytes.get(HEADER..).unwrap_or_default().as_chunks::<OPERATION>();
    let exits_at = HEADER + junctions.len() * OPERATION;
    let exits = exits_at..exits_at + bytes.get(EXITS).copied().map_or(0, usize::from) * EXIT;
    let names =
        bytes.get(NAMES).and_then(|field| field.as_array()).map_or(0, |field| u32::from_le_bytes(*field) as usize);
    let mut file = Bytes(bytes.get(..HEADER).unwrap_or_default().to_vec());
    for (record, junction) in operations.iter().zip(junctions) {
        let [_, exit, ..] = record;
        file.operation(usize::from(*exit), &junction.packed)?;
    }
    file.put(bytes.get(exits).unwrap_or_default());
    let names = bytes.len().checked_sub(names).and_then(|at| bytes.get(at..)).unwrap_or_default();
    file.with_sections(junctions.iter().map(|junction| &junction.packed), names, align)
}

fn class_names(network: &Network) -> Result<Vec<u8>, EncodeError> {
    let mut names = Vec::new();
    for name in &network.class_names {
        names.push(narrow("class name, bytes", name.len())?);
        names.extend(name.as_bytes());
    }
    Ok(names)
}

fn narrow<T: TryFrom<usize> + Into<u64>>(what: &'static str, value: usize) -> Result<T, EncodeError> {
    let limit = (1usize << (8 * size_of::<T>())) - 1;
    T::try_from(value).map_err(|_| EncodeError::TooMany { what, value, limit })
}

/// A file being written.
struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    fn u8(&mut self, what: &'static str, value: usize) -> Result<(), EncodeError> {
        self.0.push(narrow(what, value)?);
        Ok(())
    }

    fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    fn u32(&mut self, what: &'static str, value: usize) -> Result<(), EncodeError> {
        self.put(&narrow::<u32>(what, value)?.to_le_bytes());
        Ok(())
    }

    fn f32(&mut self, value: f32) {
        self.put(&value.to_le_bytes());
    }

    fn operation(&mut self, exit: usize, packed: &Packed) -> Result<(), EncodeError> {
        let parts = packed.parts();
        let (packing, a, b, c) = packing_id(parts.packing)?;
        let (activation, slope) = activation_id(parts.activation);
        self.put(&[1]);
        self.u8("exits", exit)?;
        self.put(&[packing, activation]);
        self.u16(parts.n_in);
        self.u16(parts.n_out);
        self.f32(slope);
        self.put(&[u8::from(packed.int8().is_some()), 0, a, b]);
        self.u16(c);
        match packed.int8() {
            Some(int8) => {
                let (low, high) = int8.clamp;
                self.put(&[int8.output.zero, low, high, int8.input.zero, 0, 0].map(|byte| byte as u8));
            }
            None => self.put(&[0; 6]),
        }
        self.u32("weights, bytes", parts.weights.len())?;
        self.u32("counts, bytes", parts.counts.len())?;
        self.u32("index, bytes", parts.index.len())?;
        self.u32("biases, bytes", parts.bias.len())?;
        match packed.int8() {
            Some(int8) => [int8.input.scale, int8.output.scale].into_iter().for_each(|scale| self.f32(scale)),
            None => self.put(&[0; 8]),
        }
        Ok(())
    }

    fn exit(
        &mut self,
        after: usize,
        metric: u8,
        branch: usize,
        (temperature, threshold): (f32, f32),
        integers: Option<(u32, u16)>,
    ) -> Result<(), EncodeError> {
        self.u8("trunk junctions", after)?;
        self.put(&[metric]);
        self.u8("junctions of a branch", branch)?;
        self.put(&[0]);
        self.f32(temperature);
        self.f32(threshold);
        self.put(&[0; 4]); // samples
        let (step, least) = integers.unwrap_or_default();
        self.put(&step.to_le_bytes());
        self.u16(least);
        self.put(&[0; 10]);
        Ok(())
    }

    /// The file, with these sections behind what there is, and with alignment, length and checksum filled in.
    fn with_sections<'p>(
        mut self,
        junctions: impl Iterator<Item = &'p Packed>,
        names: &'p [u8],
        align: SectionAlign,
    ) -> Result<Settled<u8>, EncodeError> {
        let sections = junctions.flat_map(Packed::sections).chain([names]);
        let sections: Vec<&[u8]> = sections.filter(|section| !section.is_empty()).collect();
        let length =
            sections.iter().fold(self.0.len(), |end, section| end.next_multiple_of(align.bytes()) + section.len());
        let length = narrow::<u32>("file, bytes", length)?;
        if let Some(field) = self.0.get_mut(ALIGNMENT) {
            *field = u8::from(align == SectionAlign::To64);
        }
        if let Some(field) = self.0.get_mut(LENGTH) {
            field.copy_from_slice(&length.to_le_bytes());
        }
        if let Some(field) = self.0.get_mut(CHECKSUM) {
            field.fill(0);
        }
        // Twice over the sections, so that they need not be in memory together.
        let mut checksum = crc32fast::Hasher::new();
        in_order(&self.0, &sections, align, |bytes| checksum.update(bytes));
        if let Some(field) = self.0.get_mut(CHECKSUM) {
            field.copy_from_slice(&checksum.finalize().to_le_bytes());
        }
        let mut file = Settling::new();
        in_order(&self.0, &sections, align, |bytes| file.extend(bytes));
        Ok(file.settled()?)
    }
}

/// What is in a file, one piece after the other: records, and sections with zeros in front of each up to where it may start.
fn in_order(records: &[u8], sections: &[&[u8]], align: SectionAlign, mut put: impl FnMut(&[u8])) {
    put(records);
    let mut end = records.len();
    for section in sections {
        let start = end.next_multiple_of(align.bytes());
        put([0; 64].get(..start - end).unwrap_or_default());
        put(section);
        end = start + section.len();
    }
}

const fn part_id(part: Part) -> u8 {
    match part {
        Part::Whole => 0,
        Part::Head => 1,
        Part::Tail => 2,
    }
}

/// A model file's metric, as recipes name it.
pub(crate) const fn named(metric: lacewing_engine::Metric) -> Metric {
    match metric {
        lacewing_engine::Metric::MaxProbability => Metric::MaxProbability,
        lacewing_engine::Metric::Margin => Metric::Margin,
        lacewing_engine::Metric::Entropy => Metric::Entropy,
    }
}

/// Metrics that this crate does not know are none: models' list and the format's are the same.
pub(crate) const fn metric_id(metric: Metric) -> u8 {
    match metric {
        Metric::MaxProbability => 0,
        Metric::Margin => 1,
        _ => 2,
    }
}

/// An exit's decision in integers: the step of its logits and the least confidence.
pub(crate) fn integers(logits: Quantisation, metric: Metric, temperature: f32, threshold: f32) -> (u32, u16) {
    let step = f64::from(logits.scale) / f64::from(temperature) * f64::from(1 << 24);
    // `as` saturates; above 32,768 is never.
    let least = ((least_confidence(metric, threshold) * 32768.0).round() as u16).min(0x8001);
    ((step.round() as u32).max(1), least)
}

/// The confidence, by the metric, that an exit with this threshold asks for; above 1 where nothing reaches it.
pub(crate) fn least_confidence(metric: Metric, threshold: f32) -> f64 {
    let threshold = f64::from(threshold);
    match metric {
        // What nothing reaches.
        Metric::Margin if threshold >= f64::from(f32::MAX) => threshold,
        Metric::Margin => threshold.max(0.0) / (1.0 + threshold.max(0.0)),
        Metric::Entropy => 1.0 - threshold,
        _ => threshold,
    }
}

/// The activation's id and slope; +0 where it has none.
pub(crate) const fn activation_id(activation: Activation) -> (u8, f32) {
    match activation {
        Activation::Relu => (1, 0.0),
        Activation::LeakyRelu { slope } => (2, slope),
        Activation::Relu6 => (3, 0.0),
        Activation::Tanh => (4, 0.0),
        Activation::Sigmoid => (5, 0.0),
        _ => (0, 0.0),
    }
}

/// The packing's id and parameters a, b, c.
fn packing_id(packing: Packing) -> Result<(u8, u8, u8, u16), EncodeError> {
    let width = |index: IndexWidth| u8::from(index == IndexWidth::Absolute16);
    Ok(match packing {
        Packing::Dense => (1, 0, 0, 0),
        Packing::Rows { in_degree, index } => (2, width(index), 0, in_degree),
        Packing::Csr { index } => (3, width(index), 0, 0),
        Packing::Block { rows, cols, blocks } => (4, rows, cols, blocks),
        Packing::NM { n, m } => (5, n, m, 0),
        Packing::Coded { in_degree, code: DeltaCode::Nibbles } => (6, 0, 0, in_degree),
        Packing::Coded { in_degree, code: DeltaCode::Rice(k) } => (6, k.saturating_add(1), 0, in_degree),
        Packing::NMLanes { n, m, lanes } => (64, n, m, u16::from(lanes)),
        Packing::Windows { lanes, width, steps } => (65, lanes, width, u16::from(steps).saturating_sub(1)),
        Packing::DenseInputMajor => (66, 0, 0, 0),
        Packing::InputMajor { out_degree, index } => (67, width(index), 0, out_degree),
        other => return Err(EncodeError::Packing(other)),
    })
}
