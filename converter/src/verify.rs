//! The converter's own output, run by the engine and compared with the network it was made from.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};

use lacewing_engine::{
    Decision, Engine, EngineError, ExitPolicy, ExitView, KernelSet, Model, Outcome, PacketError, ParseError, Part,
    ResumeError, WrongLength,
};
use lacewing_models::Dataset;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::network::Network;
use crate::reference::{self, Layer, Reference};
use crate::scratch::HeapScratch;

/// Random inputs that every conversion is checked on.
const RANDOM_INPUTS: usize = 64;
/// Samples an engine runs before the next one is made: work for one thread.
const BATCH: usize = 32;

/// What was compared, and how close it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verified {
    /// Inputs, random and from data.
    pub samples: usize,
    /// Exits compared on each, the end of the trunk included.
    pub exits: usize,
    /// The largest difference of a logit from the reference, over the largest |logit| of its exit and sample.
    pub largest_error: f64,
}

/// Where a number was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A logit of an exit, from 1; the end of the trunk counts as the last.
    Logit {
        /// The exit.
        exit: usize,
        /// The class, from 0.
        class: usize,
    },
    /// A feature at the split point, from 0.
    Feature(
        /// Which.
        usize,
    ),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logit { exit, class } => write!(f, "exit {exit}, logit of class {class}"),
            Self::Feature(at) => write!(f, "feature {at} at the split point"),
        }
    }
}

/// The engine computes something else than the network, or refuses the files.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The engine refuses a file.
    #[error("the engine refuses the converted file: {0}")]
    Parse(#[from] ParseError),
    /// No engine could be made.
    #[error("the converted file does not run: {0}")]
    Engine(#[from] EngineError),
    /// The tail refuses the head's features.
    #[error("the tail does not go with the head: {0}")]
    Resume(#[from] ResumeError),
    /// Data of another width.
    #[error("the data to verify with does not fit: {0}")]
    Width(#[from] WrongLength),
    /// A number differs.
    #[error(
        "sample {sample} with {kernels} kernels: {place} is {found} in the engine and {wanted} in f64; f32 arithmetic explains \
         at most {allowed:.1e}"
    )]
    Differs {
        /// Which sample, from 0: the random ones first.
        sample: usize,
        /// Which kernels ran.
        kernels: &'static str,
        /// Where.
        place: Place,
        /// The engine's number.
        found: f32,
        /// The reference's.
        wanted: f64,
        /// The difference that may be.
        allowed: f64,
    },
    /// A number is infinite or NaN in f32, though the network's are finite.
    #[error(
        "sample {sample}: {place} is {found} in f32 and {wanted} in f64: the network's numbers grow beyond what f32 holds; train \
         it with smaller weights or inputs"
    )]
    Overflow {
        /// Which sample, from 0: the random ones first.
        sample: usize,
        /// Where.
        place: Place,
        /// The engine's number.
        found: f32,
        /// The reference's.
        wanted: f64,
    },
    /// Another class answers.
    #[error(
        "sample {sample} with {kernels} kernels: exit {exit} answers class {found} in the engine and {wanted} in f64"
    )]
    Class {
        /// Which sample, from 0.
        sample: usize,
        /// Which kernels ran.
        kernels: &'static str,
        /// The exit, from 1.
        exit: usize,
        /// The engine's class.
        found: usize,
        /// The reference's.
        wanted: usize,
    },
    /// An int8 number differs from the network's own integers.
    #[error(
        "sample {sample} with {kernels} kernels: the engine's int8 numbers are not the network's; please report this"
    )]
    Int8Differs {
        /// Which sample, from 0: the random ones first.
        sample: usize,
        /// Which kernels ran.
        kernels: &'static str,
    },
    /// A junction that was packed does not unpack to the network's edges.
    #[error("a packed junction does not hold the network's edges; please report this")]
    NotTheNetwork,
    /// Features that no packet can carry.
    #[error("features cannot be handed over: {0}")]
    Packet(#[from] PacketError),
    /// The engine met another number of exits, or handed over where it should answer.
    #[error("sample {sample} with {kernels} kernels: the run ends in another place than the network's")]
    Path {
        /// Which sample, from 0.
        sample: usize,
        /// Which kernels ran.
        kernels: &'static str,
    },
}

/// Runs `head` (and `tail`, where the network is split) on random inputs and on `data`, with the fastest kernels and with the
/// scalar reference, and compares every exit's logits, every feature and every class with the network in f64.
///
/// # Errors
/// The first difference that rounding does not explain.
pub fn verify(
    network: &Network,
    head: &[u8],
    tail: Option<&[u8]>,
    data: Option<&Dataset>,
) -> Result<Verified, VerifyError> {
    verify_with(network, head, tail, data, &|_| {})
}

/// [`verify`]; `progress` is told the share that is done, 0 to 1.
///
/// # Errors
/// As [`verify`].
pub fn verify_with(
    network: &Network,
    head: &[u8],
    tail: Option<&[u8]>,
    data: Option<&Dataset>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Verified, VerifyError> {
    let random = random_inputs(network.input.width);
    let mut inputs: Vec<&[f32]> = random.iter().map(Vec::as_slice).collect();
    inputs.extend(data.into_iter().flat_map(|data| (0..data.len()).map(|at| data.sample(at))));
    let parse = |kernels: &KernelSet| {
        let tail = tail.map(|tail| Model::parse(tail, kernels)).transpose()?;
        Ok::<_, ParseError>((Model::parse(head, kernels)?, tail))
    };
    let (all, scalar) = (parse(&KernelSet::ALL)?, parse(&KernelSet::SCALAR)?);
    let runs = [("all", &all), ("scalar", &scalar)];
    // Of each sample the reference, and a run with each set of kernels.
    let counter = Counter::new((1 + runs.len()) * inputs.len(), progress);
    let checks =
        runs.map(|(kernels, (head, tail))| Check { kernels, head, tail: tail.as_ref(), counter: Some(&counter) });
    let batches = inputs.par_chunks(BATCH).enumerate();
    let errors = batches.map(|(at, batch)| {
        let reference = |input: &&[f32]| {
            let reference = reference::run(network, input);
            counter.add();
            reference
        };
        let references: Vec<Reference> = batch.iter().map(reference).collect();
        let errors = checks.iter().map(|check| check.batch(at * BATCH, batch, &references));
        errors.collect::<Result<Vec<f64>, _>>()
    });
    let errors = errors.collect::<Result<Vec<_>, _>>()?;
    let largest_error = errors.into_iter().flatten().fold(0.0, f64::max);
    Ok(Verified { samples: inputs.len(), exits: network.exits.len() + 1, largest_error })
}

/// As [`verify`], for a file alone: a whole network, a head or a tail. `network` is what it holds, a head's being split at its
/// end; a tail's inputs are features.
///
/// # Errors
/// The first difference that rounding does not explain.
pub fn verify_part(network: &Network, bytes: &[u8]) -> Result<Verified, VerifyError> {
    let inputs = random_inputs(network.input.width);
    let references: Vec<Reference> = inputs.par_iter().map(|input| reference::run(network, input)).collect();
    let mut largest_error = 0.0;
    for (kernels, set) in [("all", KernelSet::ALL), ("scalar", KernelSet::SCALAR)] {
        let model = Model::parse(bytes, &set)?;
        let check = Check { kernels, head: &model, tail: None, counter: None };
        let mut scratch = HeapScratch::new(model.scratch_len());
        let mut engine = Engine::new(&model, scratch.bytes())?;
        for (sample, (input, want)) in inputs.iter().zip(&references).enumerate() {
            largest_error = f64::max(largest_error, check.sample(sample, input, want, &mut engine, None)?);
        }
    }
    let ends = usize::from(network.split.is_none());
    Ok(Verified { samples: inputs.len(), exits: network.exits.len() + ends, largest_error })
}

/// All zeros, all ones, then values in 0..1 of which a growing share is zero, as pixels are, and some of either sign.
pub(crate) fn random_inputs(width: usize) -> Vec<Vec<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(0x1ace);
    let mut inputs = vec![vec![0.0; width], vec![1.0; width]];
    while inputs.len() < RANDOM_INPUTS {
        let (share, signed) = (inputs.len() as u32 % 8, inputs.len() % 16 < 4);
        let value = |_| {
            let bits = random.next_u32();
            let unit = (bits >> 8) as f32 / (1 << 24) as f32;
            match (bits & 7 < share, signed) {
                (true, _) => 0.0,
                (false, true) => 2.0 * unit - 1.0,
                (false, false) => unit,
            }
        };
        inputs.push((0..width).map(value).collect());
    }
    inputs
}

/// Goes past every exit and keeps what each showed.
struct Recorder(Vec<(Vec<f32>, usize)>);

impl ExitPolicy for Recorder {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.push((exit.logits().to_vec(), usize::from(exit.class())));
        Decision::Continue
    }
}

struct Check<'c> {
    kernels: &'static str,
    head: &'c Model<'c>,
    tail: Option<&'c Model<'c>>,
    counter: Option<&'c Counter<'c>>,
}

/// Counts what several threads do.
pub(crate) struct Counter<'p> {
    done: AtomicUsize,
    all: usize,
    progress: &'p (dyn Fn(f64) + Sync),
}

impl<'p> Counter<'p> {
    pub const fn new(all: usize, progress: &'p (dyn Fn(f64) + Sync)) -> Self {
        Self { done: AtomicUsize::new(0), all, progress }
    }

    pub fn add(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(done as f64 / self.all as f64);
    }
}

impl Check<'_> {
    /// The largest error of the logits of these inputs, the first of which is sample `first`.
    fn batch(&self, first: usize, inputs: &[&[f32]], references: &[Reference]) -> Result<f64, VerifyError> {
        let mut head_scratch = HeapScratch::new(self.head.scratch_len());
        let mut head = Engine::new(self.head, head_scratch.bytes())?;
        let mut tail_scratch = HeapScratch::new(self.tail.map_or(0, Model::scratch_len));
        let mut tail = self.tail.map(|tail| Engine::new(tail, tail_scratch.bytes())).transpose()?;
        let mut largest = 0.0;
        for (sample, (input, want)) in (first..).zip(inputs.iter().zip(references)) {
            let error = self.sample(sample, input, want, &mut head, tail.as_mut())?;
            self.counter.into_iter().for_each(Counter::add);
            largest = f64::max(largest, error);
        }
        Ok(largest)
    }

    fn sample(
        &self,
        sample: usize,
        input: &[f32],
        want: &Reference,
        head: &mut Engine<'_>,
        tail: Option<&mut Engine<'_>>,
    ) -> Result<f64, VerifyError> {
        let lost = VerifyError::Path { sample, kernels: self.kernels };
        let mut recorder = Recorder(Vec::new());
        head.load(input)?;
        let (class, last) = match (head.run(&mut recorder), tail) {
            (Outcome::Answer(answer), None) => (answer.class, head.logits()),
            (Outcome::Offload { features, .. }, Some(tail)) => {
                self.compare(sample, features.values(), &want.features, Place::Feature)?;
                let Outcome::Answer(answer) = tail.resume(&features, &mut recorder)? else { return Err(lost) };
                (answer.class, tail.logits())
            }
            // A head alone: what would be the end's logits are its features.
            (Outcome::Offload { features, .. }, None) if self.head.part() == Part::Head => {
                let (features, end) = (features.values().to_vec(), want.logits.last().ok_or(lost)?);
                self.compare(sample, &features, end, Place::Feature)?;
                return self.exits(sample, &recorder.0, want.logits.get(..want.logits.len() - 1).unwrap_or_default());
            }
            _ => return Err(lost),
        };
        recorder.0.push((last.to_vec(), usize::from(class)));
        self.exits(sample, &recorder.0, &want.logits)
    }

    /// The largest error of the exits that a run went past.
    fn exits(&self, sample: usize, found: &[(Vec<f32>, usize)], want: &[Layer]) -> Result<f64, VerifyError> {
        if found.len() != want.len() {
            return Err(VerifyError::Path { sample, kernels: self.kernels });
        }
        let mut largest = 0.0;
        for (exit, ((logits, class), want)) in (1..).zip(found.iter().zip(want)) {
            let error = self.compare(sample, logits, want, |class| Place::Logit { exit, class })?;
            largest = f64::max(largest, error);
            if want.class_is_certain() && *class != want.class() {
                let (kernels, found, wanted) = (self.kernels, *class, want.class());
                return Err(VerifyError::Class { sample, kernels, exit, found, wanted });
            }
        }
        Ok(largest)
    }

    /// The largest difference over the largest magnitude.
    fn compare(
        &self,
        sample: usize,
        found: &[f32],
        want: &Layer,
        place: impl Fn(usize) -> Place,
    ) -> Result<f64, VerifyError> {
        if found.len() != want.values.len() {
            return Err(VerifyError::Path { sample, kernels: self.kernels });
        }
        let scale = want.magnitude().max(f64::from(f32::MIN_POSITIVE));
        let mut largest = 0.0;
        for (at, (found, (wanted, allowed))) in found.iter().zip(want.values.iter().zip(&want.bounds)).enumerate() {
            if !found.is_finite() {
                return Err(VerifyError::Overflow { sample, place: place(at), found: *found, wanted: *wanted });
            }
            let error = (f64::from(*found) - wanted).abs();
            // False for NaN.
            let explained = error <= *allowed;
            if !explained {
                let (place, kernels) = (place(at), self.kernels);
                return Err(VerifyError::Differs {
                    sample,
                    kernels,
                    place,
                    found: *found,
                    wanted: *wanted,
                    allowed: *allowed,
                });
            }
            largest = f64::max(largest, error / scale);
        }
        Ok(largest)
    }
}
