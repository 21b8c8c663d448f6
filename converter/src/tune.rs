//! Measures what each packing costs on this machine, over sizes and densities, and makes a target profile of it.

use core::time::Duration;
use std::time::{Instant, SystemTime};

use lacewing_engine::Quantisation;
use lacewing_kernels::bytes::groups_of_4;
use lacewing_kernels::{
    Activation, Element, Isa, IsaError, Junction, JunctionError, KernelSet, Packing, Parts, ReadyKernel,
};
use lacewing_models::pattern::PatternError;
use lacewing_models::{Mask, Pattern};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use thiserror::Error;

use crate::choose::{pages, windows};
use crate::edges::{Edges, EdgesBuilder};
use crate::find::BLOCK_SHAPES;
use crate::grouping::Effort;
use crate::pack::{DoesNotFit, Packed, PackedInt8, pack_int8, pack_with};
use crate::profile::{Int8Times, Measured, Point, Profile, family};
use crate::settled::SettleError;

/// Inputs and outputs measured: three within the first-level cache, one of which ends in ten classes; one within the second level
/// when dense; one beyond it.
const SHAPES: [(usize, usize); 5] = [(32, 32), (256, 10), (128, 64), (800, 128), (1024, 1024)];
/// One edge in so many places.
const ONE_IN: [usize; 5] = [2, 4, 8, 16, 32];
const PAGES: [usize; 5] = [4, 8, 16, 32, 64];

/// Turns that every packing gets; the fastest counts.
const ROUNDS: usize = 60;
const QUICK_ROUNDS: usize = 12;
/// How long one turn lasts, about.
const TURN: Duration = Duration::from_micros(30);
/// No more turns are begun after this, for each shape.
const LIMIT: Duration = Duration::from_secs(20);

/// Share of the inputs that are not zero where packings that pass over zeros are measured a second time: about that of images.
const SOME: f64 = 0.2;
/// Inputs of that kind that take turns: a processor learns the branches of one.
const INPUTS: usize = 64;

/// Cache lines: numbers begin at one, so that no packing is luckier than another.
const LINE: usize = 64;

/// Why nothing could be measured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TuneError {
    /// `LACEWING_ISA` asks for what cannot be had.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A mask cannot be drawn; all shapes here can.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A junction is refused; none that was packed is.
    #[error(transparent)]
    Junction(#[from] JunctionError),
    /// A temporary file cannot be read.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Measures every packing that has a kernel of this machine's instruction set, of f32 and of int8. At most four minutes; `quick`
/// takes a fifth of the turns. `progress` is told the share that is done.
///
/// # Errors
/// `LACEWING_ISA` asks for what cannot be had.
pub fn tune(name: &str, processor: &str, quick: bool, progress: &dyn Fn(f64)) -> Result<Profile, TuneError> {
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let measured = Some(format!("{} by lacewing tune --target {name}{}", today(), if quick { " --quick" } else { "" }));
    let told = |element: usize, share: f64| progress((element as f64 + share) / 2.0);
    let f32s = times(Element::F32, rounds, &|share| told(0, share))?;
    let int8 = times(Element::I8, rounds, &|share| told(1, share))?;
    let profile = Profile {
        name: name.into(),
        isa: isa()?.name().into(),
        processor: processor.into(),
        measured: measured.clone(),
        cautious: None,
        packings: f32s,
        int8: Some(Int8Times {
            isa: isa_of(Element::I8)?.name().into(),
            processor: processor.into(),
            measured,
            cautious: None,
            packings: int8,
        }),
    };
    Ok(profile.with_break_evens())
}

/// Those of one element, over all shapes.
fn times(element: Element, rounds: usize, progress: &dyn Fn(f64)) -> Result<Vec<Measured>, TuneError> {
    let mut packings = Vec::new();
    for (at, (n_in, n_out)) in SHAPES.into_iter().enumerate() {
        let drawn = draw(n_in, n_out, element)?;
        let mut contenders = drawn.iter().map(Contender::new).collect::<Result<Vec<_>, _>>()?;
        let told = |share: f64| progress((at as f64 + share) / SHAPES.len() as f64);
        measure(&mut contenders, n_in, n_out, rounds, &told);
        contenders.iter().for_each(|contender| contender.report(&mut packings));
    }
    Ok(packings)
}

/// This machine's processor as a class: its model and second-level cache, where the system tells, else the architecture.
#[must_use]
pub fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    let cache = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
    let cache = cache.map(|size| format!(", second-level cache {}", size.trim())).unwrap_or_default();
    format!("{}{cache}", model.unwrap_or(std::env::consts::ARCH))
}

/// The instruction set that dense f32 junctions get: the one the figures are for.
///
/// # Errors
/// `LACEWING_ISA` asks for what cannot be had.
pub fn isa() -> Result<Isa, IsaError> {
    isa_of(Element::F32)
}

fn isa_of(element: Element) -> Result<Isa, IsaError> {
    let kernel = KernelSet::ALL.choose_element(element, &Packing::Dense)?;
    Ok(kernel.map_or(Isa::Scalar, |ready| ready.kernel().isa()))
}

/// `YYYY-MM-DD`, in universal time.
#[must_use]
pub fn today() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = date(since.as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date so many days after 1 January 1970.
const fn date(days: u64) -> (u64, u64, u64) {
    // Years from March, so that leap days end them: 400 of them have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let month_from_january = if month < 10 { month + 3 } else { month - 9 };
    let january_or_february = if month_from_january <= 2 { 1 } else { 0 };
    (era * 400 + year + january_or_february, month_from_january, of_year - (153 * month + 2) / 5 + 1)
}

/// A packed junction of a density, its sections at cache lines.
struct Drawn {
    density: f64,
    packed: Packed,
    bytes: Vec<u8>,
    /// Where weights, counts and index lie in `bytes`.
    sections: [core::ops::Range<usize>; 3],
    kernel: ReadyKernel<'static>,
}

impl Drawn {
    /// `None` where the mask does not fit the packing, or only the scalar kernel runs it beside a faster dense one.
    fn new(edges: &Edges, packing: Packing, element: Element) -> Option<Self> {
        let kernel = KernelSet::ALL.choose_element(element, &packing).ok().flatten()?;
        if kernel.kernel().isa() == Isa::Scalar && isa_of(element).ok()? != Isa::Scalar {
            return None;
        }
        let packed = match element {
            Element::I8 => pack_in_int8(edges, packing),
            _ => pack_with(edges, &[], Activation::None, packing, &Effort::NONE),
        };
        let packed = packed.ok()?;
        let parts = packed.parts();
        let mut bytes = vec![0; parts.weights.len() + parts.counts.len() + parts.index.len() + 4 * LINE];
        let mut at = bytes.as_ptr().align_offset(LINE).min(LINE);
        let sections = [parts.weights, parts.counts, parts.index].map(|section| {
            let range = at..at + section.len();
            bytes.get_mut(range.clone()).into_iter().for_each(|place| place.copy_from_slice(section));
            at += section.len().next_multiple_of(LINE);
            range
        });
        Some(Self { density: edges.density(), packed, bytes, sections, kernel })
    }
}

/// Every output is a 4096th of its sum.
fn pack_in_int8(edges: &Edges, packing: Packing) -> Result<Packed, DoesNotFit> {
    let multipliers = (1i32 << 30).to_le_bytes().repeat(edges.n_out());
    let rescale = [multipliers, vec![-11i8 as u8; edges.n_out()]].concat();
    let quantisation = Quantisation { scale: 1.0, zero: 0 };
    let int8 = PackedInt8 { rescale, clamp: (i8::MIN, i8::MAX), input: quantisation, output: quantisation };
    pack_int8(edges, &[], Activation::None, packing, &int8)
}

/// Every packing of masks of every family, for one shape.
fn draw(n_in: usize, n_out: usize, element: Element) -> Result<Vec<Drawn>, TuneError> {
    let mut all = Vec::new();
    let new = |edges: &Edges, packing| Drawn::new(edges, packing, element);
    let dense = edges(&Mask::dense(n_in, n_out))?;
    all.extend([Packing::Dense, Packing::DenseInputMajor].into_iter().filter_map(|packing| new(&dense, packing)));
    for one_in in ONE_IN {
        // Constant degrees where the widths allow them.
        if let Ok(mask) = (Pattern::Random { out_degree: n_out / one_in }).mask(n_in, n_out, 1) {
            let (random, in_degree) = (edges(&mask)?, n_in * (n_out / one_in) / n_out);
            all.extend(any_mask(in_degree, n_out / one_in, element).into_iter().filter_map(|p| new(&random, p)));
        }
        // All that are looked for in masks: one that is not measured is never chosen.
        for (rows, cols) in BLOCK_SHAPES {
            let density = 1.0 / one_in as f64;
            let pattern = Pattern::Block { rows: usize::from(rows), cols: usize::from(cols), density };
            let mask = pattern.mask(n_in, n_out, 1)?;
            all.extend(new(&edges(&mask)?, Packing::Block { rows, cols, blocks: 0 }));
        }
        for m in PAGES.into_iter().filter(|m| m / one_in > 0) {
            let mask = edges(&Pattern::NM { n: m / one_in, m }.mask(n_in, n_out, 1)?)?;
            let (n, m) = ((m / one_in) as u8, m as u8);
            let lanes = pages(element).iter().map(|(lanes, _)| Packing::NMLanes { n, m, lanes: *lanes });
            let packings = core::iter::once(Packing::NM { n, m }).chain(lanes);
            all.extend(packings.filter_map(|packing| new(&mask, packing)));
        }
    }
    Ok(all)
}

fn any_mask(in_degree: usize, out_degree: usize, element: Element) -> Vec<Packing> {
    use lacewing_kernels::IndexWidth::{Absolute16, Delta8};
    let (in_degree, out_degree) = (in_degree as u16, out_degree as u16);
    let mut all: Vec<Packing> = windows(element)
        .iter()
        .map(|(lanes, width, steps)| Packing::Windows { lanes: *lanes, width: *width, steps: *steps })
        .collect();
    for index in [Delta8, Absolute16] {
        all.push(Packing::Rows { in_degree, index });
        all.push(Packing::Csr { index });
        all.push(Packing::InputMajor { out_degree, index });
    }
    all
}

fn edges(mask: &Mask) -> Result<Edges, SettleError> {
    let mut edges = EdgesBuilder::new(mask.n_in() as u16);
    for output in 0..mask.n_out() {
        mask.row(output).for_each(|input| edges.push(input as u16, (1 + (input + output) % 7) as f32));
        edges.end_row();
    }
    edges.finished()
}

/// One packing in the race.
struct Contender<'d> {
    drawn: &'d Drawn,
    junction: Junction<'d>,
    skips: bool,
    /// The fastest run so far where no input is zero, and with [`SOME`] of them not zero; nanoseconds.
    best: [f64; 2],
}

impl<'d> Contender<'d> {
    fn new(drawn: &'d Drawn) -> Result<Self, JunctionError> {
        let [weights, counts, index] = &drawn.sections;
        let section = |range: &core::ops::Range<usize>| drawn.bytes.get(range.clone()).unwrap_or_default();
        let parts = drawn.packed.parts();
        let (weights, counts, index) = (section(weights), section(counts), section(index));
        let parts = Parts { weights, counts, index, bias: &[], ..parts };
        let junction = match drawn.packed.int8() {
            Some(int8) => Junction::new_i8(parts, int8.int8())?,
            None => Junction::new(parts)?,
        };
        let skips = parts.packing.skips_zero_inputs();
        Ok(Self { drawn, junction, skips, best: [f64::INFINITY; 2] })
    }

    /// Runs once to warm the caches, then for about a [`TURN`].
    fn turn(&mut self, inputs: [&[Input]; 2], y: &mut Output) {
        let run = |x: &Input, y: &mut Output| {
            let x = core::hint::black_box(x);
            let ran = match self.junction.element() {
                Element::I8 => self.drawn.kernel.run_i8(&self.junction, &x.int8, &mut y.int8),
                _ => self.drawn.kernel.run(&self.junction, &x.f32s, &mut y.f32s),
            };
            debug_assert!(ran.is_ok());
            core::hint::black_box(y);
        };
        for (inputs, best) in inputs.into_iter().zip(&mut self.best).take(1 + usize::from(self.skips)) {
            let known = if best.is_finite() { *best } else { 1e6 };
            let runs = (TURN.as_nanos() as f64 / known).clamp(2.0, 1000.0) as usize;
            inputs.iter().take(1).for_each(|x| run(x, y));
            let start = Instant::now();
            inputs.iter().cycle().skip(1).take(runs).for_each(|x| run(x, y));
            *best = best.min(start.elapsed().as_nanos() as f64 / runs as f64);
        }
    }

    fn report(&self, packings: &mut Vec<Measured>) {
        let parts = self.junction.parts();
        let stored = match self.junction.element() {
            Element::I8 => parts.weights.len(),
            _ => groups_of_4(parts.weights).len(),
        };
        let stored = stored.max(1) as f64;
        let [full, some] = self.best;
        // On the line through both.
        let idle = ((some - SOME * full) / (1.0 - SOME)).clamp(0.0, full);
        let point = Point {
            inputs: f64::from(parts.n_in),
            outputs: f64::from(parts.n_out),
            density: self.drawn.density,
            ns: full / stored,
            idle_ns: if self.skips { idle / stored } else { full / stored },
        };
        let family = family(&parts.packing);
        match packings.iter_mut().find(|measured| measured.family == family) {
            Some(measured) => measured.points.push(point),
            None => packings.push(Measured { family, points: vec![point], break_even: Vec::new() }),
        }
    }
}

/// The same numbers as either element has them.
struct Input {
    f32s: Vec<f32>,
    int8: Vec<i8>,
}

impl Input {
    fn of(values: impl Iterator<Item = i8>) -> Self {
        let int8: Vec<i8> = values.collect();
        Self { f32s: int8.iter().map(|value| f32::from(*value)).collect(), int8 }
    }
}

struct Output {
    f32s: Vec<f32>,
    int8: Vec<i8>,
}

fn measure(contenders: &mut [Contender<'_>], n_in: usize, n_out: usize, rounds: usize, progress: &dyn Fn(f64)) {
    let full = [Input::of((0..n_in).map(|i| 1 + (i % 9) as i8))];
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut value = |_| i8::from(f64::from(random.next_u32()) < SOME * f64::from(u32::MAX));
    let some: Vec<Input> = (0..INPUTS).map(|_| Input::of((0..n_in).map(&mut value))).collect();
    let mut y = Output { f32s: vec![0.0; n_out], int8: vec![0; n_out] };
    let start = Instant::now();
    for round in 0..rounds {
        contenders.iter_mut().for_each(|contender| contender.turn([&full, &some], &mut y));
        progress((round + 1) as f64 / rounds as f64);
        if start.elapsed() > LIMIT {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(
            [0, 59, 60, 11_016, 20_514].map(date),
            [(1970, 1, 1), (1970, 3, 1), (1970, 3, 2), (2000, 2, 29), (2026, 3, 2)]
        );
    }

    #[test]
    fn every_density_of_every_family_is_drawn() {
        for element in [Element::F32, Element::I8] {
            let drawn = draw(128, 64, element).unwrap();
            let families = |of: &str| drawn.iter().filter(|drawn| family(&drawn.packed.packing()) == of).count();
            assert_eq!(families("dense"), 1);
            assert_eq!(families("block 8x4"), 5);
            let x86 = cfg!(target_arch = "x86_64") && isa().unwrap() != Isa::Scalar;
            // What has a scalar kernel only is left out where dense has a faster one.
            let (rows, windows) = if element == Element::F32 { (5, 0) } else { (0, 5) };
            assert_eq!(families("rows8"), if x86 { 5 } else { rows });
            assert_eq!(families("windows 16 x8"), if x86 && element == Element::F32 { 0 } else { windows });
            let mut contenders = drawn.iter().map(|drawn| Contender::new(drawn).unwrap()).collect::<Vec<_>>();
            measure(&mut contenders, 128, 64, 1, &|_| {});
            let mut packings = Vec::new();
            contenders.iter().for_each(|contender| contender.report(&mut packings));
            let mut points = packings.iter().flat_map(|measured| &measured.points);
            assert!(points.all(|point| point.ns > 0.0 && point.ns.is_finite()));
        }
    }
}
