//! Two conversions of one network side by side: f32 and int8, say.

use lacewing_engine::{Model, Packet};
use lacewing_models::Dataset;
use rayon::prelude::*;
use serde::Serialize;

use crate::evaluate::{EvaluateError, Evaluation, evaluate};
use crate::latency::Contender;
use crate::runner::{Policy, Ran, Runner};
use crate::scratch::HeapScratch;

/// Samples an engine runs before the next one is made.
const BATCH: usize = 64;

/// One network's figures beside another's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first.
    pub one: Side,
    /// The other.
    pub other: Side,
    /// Samples to which they give different classes, each by its own exits.
    pub disagreements: usize,
    /// The largest difference of a logit, over all samples and exits, the end included.
    pub largest_logit_error: f64,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// `f32` or `i8`: its inputs.
    pub element: &'static str,
    /// Bytes of its files, head and tail.
    pub file_bytes: usize,
    /// Its figures.
    pub evaluation: Evaluation,
}

/// Evaluates both and compares them, sample by sample. `threshold` replaces the threshold of every exit.
///
/// # Errors
/// As [`evaluate`]; networks of other exits or classes.
pub fn compare(
    one: Contender<'_>,
    other: Contender<'_>,
    data: &Dataset,
    threshold: Option<f32>,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Comparison, EvaluateError> {
    let side = |contender: Contender<'_>| {
        let evaluation = evaluate(contender.head, contender.tail, data, threshold, progress)?;
        let file_bytes = contender.head.bytes().len() + contender.tail.map_or(0, |tail| tail.bytes().len());
        let element = if contender.head.input().is_some() { "i8" } else { "f32" };
        Ok::<_, EvaluateError>(Side { element, file_bytes, evaluation })
    };
    let (first, second) = (side(one)?, side(other)?);
    let starts: Vec<usize> = (0..data.len()).step_by(BATCH).collect();
    let batches = starts.into_par_iter().map(|start| {
        let samples = start..data.len().min(start + BATCH);
        let (one, other) = (answers(one, data, samples.clone(), threshold)?, answers(other, data, samples, threshold)?);
        let pairs = one.iter().zip(&other);
        if pairs.clone().any(|(a, b)| !a.is_like(b)) {
            return Err(EvaluateError::OtherExits);
        }
        let disagreements = pairs.clone().filter(|(a, b)| a.class != b.class).count();
        let errors = pairs.map(|(a, b)| a.largest_difference(b));
        Ok((disagreements, errors.fold(0.0, f64::max)))
    });
    let (disagreements, largest_logit_error) =
        batches.try_reduce(|| (0, 0.0), |a, b| Ok((a.0 + b.0, f64::max(a.1, b.1))))?;
    Ok(Comparison { one: first, other: second, disagreements, largest_logit_error })
}

/// What a network makes of one sample.
struct Answered {
    class: Option<u16>,
    /// Of every exit and the end.
    logits: Vec<Vec<f32>>,
}

impl Answered {
    fn is_like(&self, other: &Self) -> bool {
        self.logits.len() == other.logits.len()
            && self.logits.iter().zip(&other.logits).all(|(a, b)| a.len() == b.len())
    }

    fn largest_difference(&self, other: &Self) -> f64 {
        let pairs = self.logits.iter().flatten().zip(other.logits.iter().flatten());
        pairs.map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
    }
}

fn answers(
    contender: Contender<'_>,
    data: &Dataset,
    samples: core::ops::Range<usize>,
    threshold: Option<f32>,
) -> Result<Vec<Answered>, EvaluateError> {
    let mut head_scratch = HeapScratch::new(contender.head.scratch_len());
    let mut tail_scratch = HeapScratch::new(contender.tail.map_or(0, Model::scratch_len));
    let mut head = Runner::new(contender.head, head_scratch.bytes())?;
    let mut tail = contender.tail.map(|tail| Runner::new(tail, tail_scratch.bytes())).transpose()?;
    let mut policy = threshold.map_or(Policy::AsTrained, Policy::At);
    let mut packet = Vec::new();
    let answered = samples.map(|sample| {
        head.load(data.sample(sample))?;
        let class = match (head.run(&mut policy, &mut packet)?, &mut tail) {
            (Ran::Answer(answer), _) => Some(answer.class),
            (Ran::Offload { .. }, Some(tail)) => {
                tail.resume(&Packet::parse(&packet)?, &mut policy)?.map(|answer| answer.class)
            }
            (Ran::Offload { fallback, .. }, None) => fallback.map(|answer| answer.class),
        };
        head.load(data.sample(sample))?;
        let mut logits = head.all_logits(&mut packet)?;
        if let Some(tail) = &mut tail {
            tail.put(&Packet::parse(&packet)?)?;
            logits.extend(tail.all_logits(&mut Vec::new())?);
        }
        Ok(Answered { class, logits })
    });
    answered.collect()
}
