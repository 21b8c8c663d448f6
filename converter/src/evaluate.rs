//! A model on a data set: accuracy, who answered, and what went over the wire.

use lacewing_engine::{
    Answer, BatchEngine, BatchError, EngineError, Model, Outcome, Packet, PacketError, Part, ResumeError, WrongLength,
};
use lacewing_models::Dataset;
use lacewing_models::recipe::Input;
use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::encode::BYTE_SCALE;
use crate::runner::{Policy, Ran, Runner};
use crate::scratch::HeapScratch;

/// Samples an engine runs before the next one is made: work for one thread.
const BATCH: usize = 64;

/// What an evaluation found. Fractions are 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Samples.
    pub samples: usize,
    /// Samples whose final answer was right.
    pub correct: usize,
    /// `correct / samples`.
    pub accuracy: f64,
    /// Share of the samples that an exit of the first model took, 1 where that is a whole network.
    pub answered_on_device: f64,
    /// Samples that no exit of the head took.
    pub offloaded: usize,
    /// Bytes of features handed over, over *all* samples.
    pub bytes_per_sample: f64,
    /// Bytes of packets handed over, features and frame, over *all* samples.
    pub packet_bytes_per_sample: f64,
    /// The same where the packets leave zeros out, if that makes them smaller.
    pub packet_bytes_without_zeros_per_sample: f64,
    /// The exits of the first model, in order.
    pub exits: Vec<ExitScore>,
    /// What was handed over, as the tail answered it; absent without a tail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<TailScore>,
    /// What was handed over, as the head's last exit would have answered it; absent with a tail or in a whole network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Score>,
}

/// How many samples somebody answered, and how many of them rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// Samples answered.
    pub answered: usize,
    /// Of these, right ones.
    pub correct: usize,
    /// `correct / answered`, 0 where nothing was answered.
    pub accuracy: f64,
}

/// One exit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ExitScore {
    /// Its number in the whole network, from 1.
    pub exit: u8,
    /// The trunk junction of the whole network behind which it sits.
    pub after: u8,
    /// Its confidence metric.
    pub metric: &'static str,
    /// The threshold used; absent at the end of a trunk, which always answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// What it answered.
    #[serde(flatten)]
    pub score: Score,
}

/// The tail.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TailScore {
    /// What it answered in all.
    #[serde(flatten)]
    pub score: Score,
    /// Its exits, in order.
    pub exits: Vec<ExitScore>,
}

/// An evaluation could not be made.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// No samples.
    #[error("the data set is empty")]
    NoSamples,
    /// The first model is a tail.
    #[error("the model is a tail: give its head first, and it with --tail")]
    StartsWithTail,
    /// A tail behind a model that hands nothing over.
    #[error("the model is a whole network, which hands nothing over: leave the tail out")]
    TailNotNeeded,
    /// A second model that is no tail.
    #[error("the model given as the tail is a {0}: give the tail.lace of the same conversion")]
    NotATail(&'static str),
    /// The tail cannot finish what the head hands over.
    #[error("the tail does not go with the head: {0}")]
    Pair(#[from] ResumeError),
    /// Samples of another width.
    #[error("the data does not fit the model: {0}")]
    Width(#[from] WrongLength),
    /// A label that is no class of the model.
    #[error("sample {sample} has label {label}, the model has {classes} classes: is this the data it was trained for?")]
    Label {
        /// Which sample, from 0.
        sample: usize,
        /// Its label.
        label: usize,
        /// The model's classes.
        classes: usize,
    },
    /// A head that has no exits, without its tail.
    #[error("the head has no exit and hands every sample over: give its tail with --tail")]
    NobodyAnswers,
    /// A threshold that is no number.
    #[error("the threshold {0} is not a finite number")]
    Threshold(f32),
    /// Features that no packet can carry.
    #[error("features cannot be handed over: {0}")]
    Packet(#[from] PacketError),
    /// Two networks to be compared that are not the same.
    #[error("the two networks have other exits or classes: give two conversions of one network, both with their tails")]
    OtherExits,
    /// No engine could be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nor a batch of samples.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// What to do to images so that they suit `model`: its width, its scale. Crop and pooling are not in a model file; a model
/// that was trained with them needs its recipe's input.
#[must_use]
pub fn plain_input(model: &Model<'_>) -> Input {
    let scale = model.input_scaling().scale;
    // The default leaves f32 data, which is scaled already, as it is.
    Input { scale: (scale != BYTE_SCALE).then_some(scale), ..Input::plain(model.n_in()) }
}

/// Runs every sample through `head`, and through `tail` what no exit takes. `threshold` replaces the threshold of every exit
/// of both. `progress` is called from many threads with the number of samples done since.
///
/// # Errors
/// Models and data do not fit each other; see [`EvaluateError`].
pub fn evaluate(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    threshold: Option<f32>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Evaluation, EvaluateError> {
    check(head, tail, data, threshold)?;
    let starts: Vec<usize> = (0..data.len()).step_by(BATCH).collect();
    let batches = starts.into_par_iter().map(|start| {
        let samples = start..data.len().min(start + BATCH);
        let done = samples.len();
        let counts = run_batch(head, tail, data, samples, threshold);
        progress(done);
        counts
    });
    let counts = batches.try_reduce(|| Counts::new(head, tail), |a, b| Ok(a.plus(&b)))?;
    Ok(counts.evaluation(head, tail, data.len(), threshold))
}

/// Whether `head` can be evaluated, with `tail` behind it.
///
/// # Errors
/// A head that is none, or a tail that is none, is not needed, or does not go with the head.
pub fn check_parts(head: &Model<'_>, tail: Option<&Model<'_>>) -> Result<(), EvaluateError> {
    match (head.part(), tail) {
        (Part::Tail, _) => Err(EvaluateError::StartsWithTail),
        (Part::Whole, Some(_)) => Err(EvaluateError::TailNotNeeded),
        (Part::Head, None) if head.exits().next().is_none() => Err(EvaluateError::NobodyAnswers),
        (_, Some(tail)) if tail.part() != Part::Tail => Err(EvaluateError::NotATail(tail.part().name())),
        (_, Some(tail)) => {
            tail.admits(head.pair_id(), head.split(), head.features_len())?;
            match (head.output(), tail.input()) {
                (_, None) => Ok(()),
                (Some(features), Some(input)) if head.input().is_some() && features.is(&input) => Ok(()),
                _ => Err(ResumeError::WrongQuantisation.into()),
            }
        }
        (_, None) => Ok(()),
    }
}

fn check(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    threshold: Option<f32>,
) -> Result<(), EvaluateError> {
    check_parts(head, tail)?;
    if let Some(threshold) = threshold.filter(|threshold| !threshold.is_finite()) {
        return Err(EvaluateError::Threshold(threshold));
    }
    check_data(head, data)
}

/// Whether there is data, of the model's width and classes.
pub(crate) fn check_data(head: &Model<'_>, data: &Dataset) -> Result<(), EvaluateError> {
    if data.is_empty() {
        return Err(EvaluateError::NoSamples);
    }
    if data.width() != head.n_in() {
        return Err(WrongLength { needed: head.n_in(), found: data.width() }.into());
    }
    let classes = head.classes();
    match (0..data.len()).find(|sample| data.label(*sample) >= classes) {
        Some(sample) => Err(EvaluateError::Label { sample, label: data.label(sample), classes }),
        None => Ok(()),
    }
}

fn run_batch(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    samples: core::ops::Range<usize>,
    threshold: Option<f32>,
) -> Result<Counts, EvaluateError> {
    let policy = threshold.map_or(Policy::AsTrained, Policy::At);
    // Batches are f32 throughout.
    if head.is_f32() && tail.is_none_or(Model::is_f32) {
        side_by_side(head, tail, data, samples, policy)
    } else {
        one_by_one(head, tail, data, samples, policy)
    }
}

fn side_by_side(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    samples: core::ops::Range<usize>,
    mut policy: Policy,
) -> Result<Counts, EvaluateError> {
    let mut counts = Counts::new(head, tail);
    let right = |sample: usize, answer: &Answer| usize::from(answer.class) == data.label(sample);
    let mut scratch = HeapScratch::new(head.batch_scratch_len());
    let mut engine = BatchEngine::new(head, scratch.bytes())?;
    let (first, mut handed_over) = (samples.start, Vec::new());
    engine.run_batch(samples.map(|sample| data.sample(sample)), &mut policy, |at, outcome, _| match outcome {
        Outcome::Answer(answer) => counts.head.add(answer.exit.0, right(first + at, &answer)),
        Outcome::Offload { features, fallback } => {
            counts.offloaded += 1;
            counts.bytes += features.payload_len();
            counts.packet_bytes += features.packet_len();
            counts.without_zeros += features.without_zeros().packet_len();
            match tail {
                Some(_) => handed_over.push((first + at, features.values().to_vec())),
                None => counts.fallback += usize::from(fallback.is_some_and(|answer| right(first + at, &answer))),
            }
        }
    })?;
    if let Some(tail) = tail {
        // That it goes with the head was checked before.
        let mut scratch = HeapScratch::new(tail.batch_scratch_len());
        let mut engine = BatchEngine::new(tail, scratch.bytes())?;
        let features = handed_over.iter().map(|(_, features)| features.as_slice());
        engine.run_batch(features, &mut policy, |at, outcome, _| {
            // A tail has an end, so it always answers.
            if let (Outcome::Answer(answer), Some((sample, _))) = (outcome, handed_over.get(at)) {
                counts.tail.add(answer.exit.0, right(*sample, &answer));
            }
        })?;
    }
    Ok(counts)
}

fn one_by_one(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    samples: core::ops::Range<usize>,
    mut policy: Policy,
) -> Result<Counts, EvaluateError> {
    let mut counts = Counts::new(head, tail);
    let mut head_scratch = HeapScratch::new(head.scratch_len());
    let mut tail_scratch = HeapScratch::new(tail.map_or(0, Model::scratch_len));
    let mut runner = Runner::new(head, head_scratch.bytes())?;
    let mut tail_runner = tail.map(|tail| Runner::new(tail, tail_scratch.bytes())).transpose()?;
    let mut packet = Vec::new();
    for sample in samples {
        let label = data.label(sample);
        runner.load(data.sample(sample))?;
        match runner.run(&mut policy, &mut packet)? {
            Ran::Answer(answer) => counts.head.add(answer.exit.0, usize::from(answer.class) == label),
            Ran::Offload { fallback, payload, without_zeros } => {
                counts.offloaded += 1;
                counts.bytes += payload;
                counts.packet_bytes += packet.len();
                counts.without_zeros += without_zeros;
                match &mut tail_runner {
                    Some(tail) => {
                        // A tail has an end, so it always answers.
                        if let Some(answer) = tail.resume(&Packet::parse(&packet)?, &mut policy)? {
                            counts.tail.add(answer.exit.0, usize::from(answer.class) == label);
                        }
                    }
                    None => {
                        counts.fallback +=
                            usize::from(fallback.is_some_and(|answer| usize::from(answer.class) == label));
                    }
                }
            }
        }
    }
    Ok(counts)
}

/// Answered and correct of each exit of one model.
#[derive(Clone, Debug)]
struct Tally {
    /// Number of the first exit in the whole network.
    first: u8,
    exits: Vec<(usize, usize)>,
}

impl Tally {
    fn new(model: Option<&Model<'_>>) -> Self {
        let exits = || model.into_iter().flat_map(Model::exits);
        Self { first: exits().next().map_or(1, |exit| exit.id.0), exits: vec![(0, 0); exits().count()] }
    }

    fn add(&mut self, exit: u8, correct: bool) {
        if let Some((answered, right)) = self.exits.get_mut(usize::from(exit.saturating_sub(self.first))) {
            *answered += 1;
            *right += usize::from(correct);
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        for (a, b) in self.exits.iter_mut().zip(&other.exits) {
            (a.0, a.1) = (a.0 + b.0, a.1 + b.1);
        }
        self
    }

    fn total(&self) -> Score {
        let (answered, correct) = self.exits.iter().fold((0, 0), |sum, exit| (sum.0 + exit.0, sum.1 + exit.1));
        Score::new(answered, correct)
    }

    fn scores(&self, model: &Model<'_>, threshold: Option<f32>) -> Vec<ExitScore> {
        let scores = model.exits().zip(&self.exits).map(|(exit, (answered, correct))| ExitScore {
            exit: exit.id.0,
            after: exit.after,
            metric: exit.metric.name(),
            // The end of a trunk has no branch and asks nothing.
            threshold: (exit.branch > 0).then_some(threshold.unwrap_or(exit.threshold)),
            score: Score::new(*answered, *correct),
        });
        scores.collect()
    }
}

impl Score {
    fn new(answered: usize, correct: usize) -> Self {
        Self { answered, correct, accuracy: correct as f64 / answered.max(1) as f64 }
    }
}

/// Sums over samples.
#[derive(Clone, Debug)]
struct Counts {
    head: Tally,
    tail: Tally,
    offloaded: usize,
    fallback: usize,
    bytes: usize,
    packet_bytes: usize,
    without_zeros: usize,
}

impl Counts {
    fn new(head: &Model<'_>, tail: Option<&Model<'_>>) -> Self {
        let (head, tail) = (Tally::new(Some(head)), Tally::new(tail));
        Self { head, tail, offloaded: 0, fallback: 0, bytes: 0, packet_bytes: 0, without_zeros: 0 }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            head: self.head.plus(&other.head),
            tail: self.tail.plus(&other.tail),
            offloaded: self.offloaded + other.offloaded,
            fallback: self.fallback + other.fallback,
            bytes: self.bytes + other.bytes,
            packet_bytes: self.packet_bytes + other.packet_bytes,
            without_zeros: self.without_zeros + other.without_zeros,
        }
    }

    fn evaluation(
        &self,
        head: &Model<'_>,
        tail: Option<&Model<'_>>,
        samples: usize,
        threshold: Option<f32>,
    ) -> Evaluation {
        let per_sample = |count: usize| count as f64 / samples as f64;
        let on_device = self.head.total();
        let correct = on_device.correct + self.tail.total().correct + self.fallback;
        Evaluation {
            samples,
            correct,
            accuracy: per_sample(correct),
            answered_on_device: per_sample(on_device.answered),
            offloaded: self.offloaded,
            bytes_per_sample: per_sample(self.bytes),
            packet_bytes_per_sample: per_sample(self.packet_bytes),
            packet_bytes_without_zeros_per_sample: per_sample(self.without_zeros),
            exits: self.head.scores(head, threshold),
            tail: tail.map(|tail| TailScore { score: self.tail.total(), exits: self.tail.scores(tail, threshold) }),
            fallback: (tail.is_none() && head.part() == Part::Head).then(|| Score::new(self.offloaded, self.fallback)),
        }
    }
}
