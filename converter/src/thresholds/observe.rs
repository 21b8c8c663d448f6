//! What every exit says to every sample, and what the full network says.

use lacewing_engine::{Decision, ExitPolicy, ExitView, Metric, Model, Packet, Q15, Quantisation};
use lacewing_models::Dataset;
use rayon::prelude::*;

use super::ThresholdError;
use crate::evaluate::EvaluateError;
use crate::runner::{Policy, Ran, Runner};
use crate::scratch::HeapScratch;

/// Samples an engine runs before the next one is made: work for one thread.
const BATCH: usize = 64;

/// What one exit says to one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(super) class: u16,
    /// Max probability, margin, entropy, as the engine computes them; NaN where a logit is not finite.
    pub(super) metrics: [f32; 3],
    pub(super) logits: Vec<f32>,
}

/// One sample: what exits say to it, and the full network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// One an exit that has a branch, in order.
    pub(super) exits: Vec<Said>,
    /// The full network's class.
    pub(super) full: u16,
    /// The confidence of the end of a whole network; `None` where the tail ends it.
    pub(super) end: Option<Q15>,
    pub(super) label: usize,
}

impl Observation {
    /// Whether the full network is right.
    pub(crate) fn is_right_in_full(&self) -> bool {
        usize::from(self.full) == self.label
    }

    /// What its label says.
    pub(crate) const fn label(&self) -> usize {
        self.label
    }

    /// The full network's class.
    pub(crate) const fn full_class(&self) -> u16 {
        self.full
    }

    /// What the exit in this place, from 0, says.
    pub(crate) fn said_at(&self, place: usize) -> Option<&Said> {
        self.exits.get(place)
    }

    /// As if there were one exit only.
    pub(super) fn with_exit(&self, exit: usize) -> Self {
        Self { exits: self.exits.get(exit).cloned().into_iter().collect(), ..*self }
    }
}

/// Where a metric stands in [`Said::metrics`].
pub(super) const fn place(metric: Metric) -> usize {
    match metric {
        Metric::MaxProbability => 0,
        Metric::Margin => 1,
        Metric::Entropy => 2,
    }
}

impl Said {
    pub(crate) const fn class(&self) -> u16 {
        self.class
    }

    pub(crate) const fn max_probability(&self) -> f32 {
        let [probability, ..] = self.metrics;
        probability
    }

    /// Whether the engine would take the exit.
    pub(crate) fn is_taken(&self, metric: Metric, threshold: f32) -> bool {
        let least = if metric == Metric::Entropy { -threshold } else { threshold };
        self.sureness(metric).is_some_and(|sureness| sureness >= least)
    }

    /// The more the surer, whichever the metric; `None` where a logit is not finite: such an exit is never taken.
    pub(super) fn sureness(&self, metric: Metric) -> Option<f32> {
        let value = self.metrics.get(place(metric)).copied().filter(|value| !value.is_nan())?;
        Some(if metric == Metric::Entropy { -value } else { value })
    }
}

/// Keeps what exits say, and goes on.
struct Listen<'o> {
    said: &'o mut Vec<Said>,
    /// What int8 logits stand for, one an exit.
    logits: &'o [Option<Quantisation>],
}

impl ExitPolicy for Listen<'_> {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        let metrics = [exit.max_probability(), exit.margin(), exit.entropy()];
        self.said.push(Said { class: exit.class(), metrics, logits: exit.logits().to_vec() });
        Decision::Continue
    }
}

impl ExitPolicy<i8> for Listen<'_> {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        let metrics = [
            exit.max_probability().to_f32(),
            margin_of(exit.margin()),
            // Exact: both are multiples of 2⁻¹⁵.
            1.0 - exit.entropy().to_f32(),
        ];
        let quantisation = self.logits.get(self.said.len()).copied().flatten();
        let number = |q: &i8| quantisation.map_or_else(|| f32::from(*q), |logits| logits.dequantise(*q));
        self.said.push(Said { class: exit.class(), metrics, logits: exit.logits().iter().map(number).collect() });
        Decision::Continue
    }
}

/// The margin of an integer confidence, such that as a threshold it is that confidence again.
fn margin_of(confidence: Q15) -> f32 {
    /// For those that are 1 but for rounding.
    const MOST: f32 = 1e9;
    let steps = f64::from(confidence.steps());
    if confidence == Q15::ONE { MOST } else { (steps / (32768.0 - steps)) as f32 }
}

/// What the logits of the exit in this place, from 0, stand for; `None` where they are f32.
pub(super) fn logits_of(model: &Model<'_>, place: usize) -> Option<Quantisation> {
    let branch =
        model.operations().filter(|operation| operation.exit.is_some_and(|exit| usize::from(exit) == place + 1));
    branch.last()?.output
}

/// Runs every sample through every exit of `head`, a head or a whole network, to the end of `tail`. `progress` is called from
/// many threads with the number of samples done since.
///
/// # Errors
/// Models and data do not go together.
pub fn observe(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Observation>, ThresholdError> {
    let starts: Vec<usize> = (0..data.len()).step_by(BATCH).collect();
    let batches = starts.into_par_iter().map(|start| {
        let samples = start..data.len().min(start + BATCH);
        let done = samples.len();
        let observed = observe_some(head, tail, data, samples);
        progress(done);
        observed
    });
    Ok(batches.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn observe_some(
    head: &Model<'_>,
    tail: Option<&Model<'_>>,
    data: &Dataset,
    samples: core::ops::Range<usize>,
) -> Result<Vec<Observation>, ThresholdError> {
    let mut head_scratch = HeapScratch::new(head.scratch_len());
    let mut tail_scratch = HeapScratch::new(tail.map_or(0, Model::scratch_len));
    let mut engine = Runner::new(head, head_scratch.bytes())?;
    let mut tail = tail.map(|tail| Runner::new(tail, tail_scratch.bytes())).transpose()?;
    let logits: Vec<_> = (0..head.exits().count()).map(|place| logits_of(head, place)).collect();
    let (mut observed, mut packet) = (Vec::with_capacity(samples.len()), Vec::new());
    for sample in samples {
        let mut exits = Vec::new();
        engine.load(data.sample(sample)).map_err(EvaluateError::from)?;
        let ran = engine.run(&mut Listen { said: &mut exits, logits: &logits }, &mut packet);
        let (full, end) = match ran.map_err(EvaluateError::from)? {
            Ran::Answer(answer) => (answer.class, Some(answer.confidence)),
            Ran::Offload { .. } => {
                let tail = tail.as_mut().ok_or(ThresholdError::NoTail)?;
                let packet = Packet::parse(&packet).map_err(EvaluateError::from)?;
                let ended = tail.resume(&packet, &mut Policy::Never).map_err(EvaluateError::from)?;
                // A tail has an end.
                (ended.ok_or(ThresholdError::NoTail)?.class, None)
            }
        };
        observed.push(Observation { exits, full, end, label: data.label(sample) });
    }
    Ok(observed)
}
