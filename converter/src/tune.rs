//! Measures what each packing costs on this machine, over sizes and densities, and makes a target profile of it.

use core::time::Duration;
use std::time::{Instant, SystemTime};

use lacewing_kernels::bytes::groups_of_4;
use lacewing_kernels::{Activation, Isa, IsaError, Junction, JunctionError, KernelSet, Packing, Parts, ReadyKernel};
use lacewing_models::pattern::PatternError;
use lacewing_models::{Mask, Pattern};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use thiserror::Error;

use crate::choose::{PAGES as PAGES_IN_LANES, WINDOWS};
use crate::edges::{Edges, EdgesBuilder};
use crate::grouping::Effort;
use crate::pack::{Packed, pack_with};
use crate::profile::{Measured, Point, Profile, family};
use crate::settled::SettleError;

/// Inputs and outputs measured: three within the first-level cache, one of which ends in ten classes; one within the second level
/// when dense; one beyond it.
const SHAPES: [(usize, usize); 5] = [(32, 32), (256, 10), (128, 64), (800, 128), (1024, 1024)];
/// One edge in so many places.
const ONE_IN: [usize; 5] = [2, 4, 8, 16, 32];
const BLOCKS: [(usize, usize); 8] = [(4, 1), (8, 1), (16, 1), (32, 1), (8, 4), (16, 4), (1, 8), (1, 16)];
const PAGES: [usize; 4] = [4, 8, 16, 32];

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

/// Measures every packing that has a kernel of this machine's instruction set. At most two minutes; `quick` takes a fifth of
/// the turns. `progress` is told the share that is done.
///
/// # Errors
/// `LACEWING_ISA` asks for what cannot be had.
pub fn tune(name: &str, processor: &str, quick: bool, progress: &dyn Fn(f64)) -> Result<Profile, TuneError> {
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let mut profile = Profile {
        name: name.into(),
        isa: isa()?.name().into(),
        processor: processor.into(),
        measured: Some(format!("{} by lacewing tune --target {name}{}", today(), if quick { " --quick" } else { "" })),
        cautious: None,
        packings: Vec::new(),
    };
    for (at, (n_in, n_out)) in SHAPES.into_iter().enumerate() {
        let drawn = draw(n_in, n_out)?;
        let mut contenders = drawn.iter().map(Contender::new).collect::<Result<Vec<_>, _>>()?;
        let told = |share: f64| progress((at as f64 + share) / SHAPES.len() as f64);
        measure(&mut contenders, n_in, n_out, rounds, &told);
        contenders.iter().for_each(|contender| contender.report(&mut profile.packings));
    }
    Ok(profile)
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

/// The instruction set that dense junctions get: the one the figures are for.
///
/// # Errors
/// `LACEWING_ISA` asks for what cannot be had.
pub fn isa() -> Result<Isa, IsaError> {
    let kernel = KernelSet::ALL.choose(&Packing::Dense)?;
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
    fn new(edges: &Edges, packing: Packing) -> Option<Self> {
        let kernel = KernelSet::ALL.choose(&packing).ok().flatten()?;
        if kernel.kernel().isa() == Isa::Scalar && isa().ok()? != Isa::Scalar {
            return None;
        }
        let packed = pack_with(edges, &[], Activation::None, packing, &Effort::NONE).ok()?;
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

/// Every packing of masks of every family, for one shape.
fn draw(n_in: usize, n_out: usize) -> Result<Vec<Drawn>, TuneError> {
    let mut all = Vec::new();
    let dense = edges(&Mask::dense(n_in, n_out))?;
    all.extend(
        [Packing::Dense, Packing::DenseInputMajor].into_iter().filter_map(|packing| Drawn::new(&dense, packing)),
    );
    for one_in in ONE_IN {
        // Constant degrees where the widths allow them.
        if let Ok(mask) = (Pattern::Random { out_degree: n_out / one_in }).mask(n_in, n_out, 1) {
            let (random, in_degree) = (edges(&mask)?, n_in * (n_out / one_in) / n_out);
            all.extend(any_mask(in_degree, n_out / one_in).into_iter().filter_map(|p| Drawn::new(&random, p)));
        }
        for (rows, cols) in BLOCKS {
            let mask = Pattern::Block { rows, cols, density: 1.0 / one_in as f64 }.mask(n_in, n_out, 1)?;
            let packing = Packing::Block { rows: rows as u8, cols: cols as u8, blocks: 0 };
            all.extend(Drawn::new(&edges(&mask)?, packing));
        }
        for m in PAGES.into_iter().filter(|m| m / one_in > 0) {
            let mask = edges(&Pattern::NM { n: m / one_in, m }.mask(n_in, n_out, 1)?)?;
            let (n, m) = ((m / one_in) as u8, m as u8);
            let lanes = PAGES_IN_LANES.iter().map(|(lanes, _)| Packing::NMLanes { n, m, lanes: *lanes });
            let packings = core::iter::once(Packing::NM { n, m }).chain(lanes);
            all.extend(packings.filter_map(|packing| Drawn::new(&mask, packing)));
        }
    }
    Ok(all)
}

fn any_mask(in_degree: usize, out_degree: usize) -> Vec<Packing> {
    use lacewing_kernels::IndexWidth::{Absolute16, Delta8};
    let (in_degree, out_degree) = (in_degree as u16, out_degree as u16);
    let mut all: Vec<Packing> =
        WINDOWS.into_iter().map(|(lanes, width, steps)| Packing::Windows { lanes, width, steps }).collect();
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
        mask.row(output).for_each(|input| edges.push(input as u16, 0.01 * (1 + (input + output) % 7) as f32));
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
        let junction = Junction::new(Parts { weights, counts, index, bias: &[], ..parts })?;
        let skips = matches!(parts.packing, Packing::DenseInputMajor | Packing::InputMajor { .. });
        Ok(Self { drawn, junction, skips, best: [f64::INFINITY; 2] })
    }

    /// Runs once to warm the caches, then for about a [`TURN`].
    fn turn(&mut self, inputs: [&[Vec<f32>]; 2], y: &mut [f32]) {
        let run = |x: &[f32], y: &mut [f32]| {
            let ran = self.drawn.kernel.run(&self.junction, core::hint::black_box(x), y);
            debug_assert!(ran.is_ok());
            core::hint::black_box(y);
        };
        for (inputs, best) in inputs.into_iter().zip(&mut self.best).take(1 + usize::from(self.skips)) {
            let mut inputs = inputs.iter().cycle();
            let mut next = || inputs.next().map(Vec::as_slice).unwrap_or_default();
            run(next(), y);
            let known = if best.is_finite() { *best } else { 1e6 };
            let runs = (TURN.as_nanos() as f64 / known).clamp(2.0, 1000.0) as u32;
            let start = Instant::now();
            (0..runs).for_each(|_| run(next(), y));
            *best = best.min(start.elapsed().as_nanos() as f64 / f64::from(runs));
        }
    }

    fn report(&self, packings: &mut Vec<Measured>) {
        let parts = self.junction.parts();
        let stored = groups_of_4(parts.weights).len().max(1) as f64;
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
            None => packings.push(Measured { family, points: vec![point] }),
        }
    }
}

fn measure(contenders: &mut [Contender<'_>], n_in: usize, n_out: usize, rounds: usize, progress: &dyn Fn(f64)) {
    let full = [(0..n_in).map(|i| 0.1 + (i % 9) as f32).collect::<Vec<f32>>()];
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut value = |_| if f64::from(random.next_u32()) < SOME * f64::from(u32::MAX) { 0.5 } else { 0.0 };
    let some: Vec<Vec<f32>> = (0..INPUTS).map(|_| (0..n_in).map(&mut value).collect()).collect();
    let mut y = vec![0.0; n_out];
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
        let drawn = draw(128, 64).unwrap();
        let families = |of: &str| drawn.iter().filter(|drawn| family(&drawn.packed.packing()) == of).count();
        assert_eq!(families("dense"), 1);
        assert_eq!(["rows8", "block 8x1"].map(families), [5, 5]);
        // What has a scalar kernel only is left out where dense has a faster one.
        assert_eq!(families("windows 8 x8"), if cfg!(target_arch = "aarch64") { 0 } else { 5 });
        let mut contenders = drawn.iter().map(|drawn| Contender::new(drawn).unwrap()).collect::<Vec<_>>();
        measure(&mut contenders, 128, 64, 1, &|_| {});
        let mut packings = Vec::new();
        contenders.iter().for_each(|contender| contender.report(&mut packings));
        assert!(
            packings.iter().flat_map(|measured| &measured.points).all(|point| point.ns > 0.0 && point.ns.is_finite())
        );
    }
}
