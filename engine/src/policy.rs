//! Exit decisions: what an exit shows, and who decides.

use lacewing_kernels::math;

use crate::answer::{Answer, Q15};
use crate::confidence;
use crate::element::Element;
use crate::model::{Exit, Metric};
use crate::softmax::{self, Top};

/// What to do at an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Answer here.
    Take,
    /// Go on: to the next exit, and at the end of a head to the hand-over.
    Continue,
    /// Hand over without looking at further exits. In a whole network or a tail there is nobody to hand over to: as
    /// `Continue`.
    Offload,
}

/// Decides at each exit but the last one of a whole network or tail, which always answers.
pub trait ExitPolicy<T: Element = f32> {
    /// Called once for each exit met, with its logits.
    fn decide(&mut self, exit: &ExitView<'_, T>) -> Decision;
}

/// The metric, temperature and threshold that the model file gives each exit.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsTrained;

impl ExitPolicy for AsTrained {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        take_if(exit.is_sure(exit.exit.threshold))
    }
}

/// int8 logits: the model's metrics, temperatures and least confidences, in integers.
impl ExitPolicy<i8> for AsTrained {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        take_if(exit.exit.integer.is_some_and(|integer| exit.confidence.steps() >= integer.least))
    }
}

/// int8 logits: the model's metrics and temperatures, with this least confidence (see [`Answer::confidence`]) at every exit.
#[derive(Clone, Copy, Debug)]
pub struct Confidence(pub Q15);

impl ExitPolicy<i8> for Confidence {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        take_if(exit.confidence >= self.0)
    }
}

/// The model's metrics and temperatures, with this threshold at every exit.
#[derive(Clone, Copy, Debug)]
pub struct Threshold(pub f32);

impl ExitPolicy for Threshold {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        take_if(exit.is_sure(self.0))
    }
}

/// No exit is taken: a head hands everything over, a whole network answers at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl<T: Element> ExitPolicy<T> for Never {
    fn decide(&mut self, _: &ExitView<'_, T>) -> Decision {
        Decision::Continue
    }
}

const fn take_if(sure: bool) -> Decision {
    if sure { Decision::Take } else { Decision::Continue }
}

/// What an exit shows to whoever decides. The exit's own metric is computed once, with one exponential a class, rounded up to
/// four, for max probability and entropy and none for the margin; the other metrics are computed when asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExitView<'e, T: Element = f32> {
    exit: &'e Exit,
    logits: &'e [T],
    class: u16,
    top: T,
    /// Of f32 logits: of int8 ones it is looked for when asked for.
    second: T,
    finite: bool,
    metric: f32,
    confidence: Q15,
}

impl<'e, T: Element> ExitView<'e, T> {
    /// The exit, with the model's metric, temperature and threshold.
    #[must_use]
    pub const fn exit(&self) -> &'e Exit {
        self.exit
    }

    /// One value a class, before temperature.
    #[must_use]
    pub const fn logits(&self) -> &'e [T] {
        self.logits
    }

    /// The first of the largest logits.
    #[must_use]
    pub const fn class(&self) -> u16 {
        self.class
    }

    pub(crate) const fn is_finite(&self) -> bool {
        self.finite
    }

    /// How sure the exit is, by its own metric; see [`Answer::confidence`].
    #[must_use]
    pub const fn confidence(&self) -> Q15 {
        self.confidence
    }

    pub(crate) fn answer(&self) -> Answer {
        Answer { class: self.class, exit: self.exit.id, confidence: self.confidence }
    }
}

impl<'e> ExitView<'e, i8> {
    pub(crate) fn new_i8(exit: &'e Exit, logits: &'e [i8]) -> Self {
        let (mut class, mut top) = (0, i8::MIN);
        for (k, logit) in logits.iter().enumerate() {
            if *logit > top {
                (top, class) = (*logit, k as u16);
            }
        }
        let (metric, confidence) = (f32::NAN, Q15::ZERO);
        let mut view = Self { exit, logits, class, top, second: top, finite: true, metric, confidence };
        view.confidence = match exit.metric {
            Metric::MaxProbability => view.max_probability(),
            Metric::Margin => view.margin(),
            Metric::Entropy => view.entropy(),
        };
        view
    }

    /// As [`confidence`](Self::confidence), by the max probability.
    #[must_use]
    pub fn max_probability(&self) -> Q15 {
        confidence::max_probability(self.logits, self.top, self.step())
    }

    /// As [`confidence`](Self::confidence), by the margin; 1 for one class.
    #[must_use]
    pub fn margin(&self) -> Q15 {
        confidence::margin(self.top, self.second_i8(), self.step())
    }

    /// As [`confidence`](Self::confidence), by the entropy.
    #[must_use]
    pub fn entropy(&self) -> Q15 {
        confidence::entropy(self.logits, self.top, self.step())
    }

    /// Model::parse has seen that an exit with int8 logits has one.
    fn step(&self) -> u32 {
        self.exit.integer.map_or(0, |integer| integer.step)
    }

    /// The largest logit and the next one (the same where there is one class).
    #[must_use]
    pub const fn top_two(&self) -> (i8, i8) {
        match self.second_i8() {
            Some(second) => (self.top, second),
            None => (self.top, self.top),
        }
    }

    /// The largest logit of the other classes.
    const fn second_i8(&self) -> Option<i8> {
        let (mut rest, mut class, mut second) = (self.logits, 0, None);
        while let [logit, others @ ..] = rest {
            let larger = match second {
                Some(second) => *logit > second,
                None => true,
            };
            if larger && class != self.class as usize {
                second = Some(*logit);
            }
            class += 1;
            rest = others;
        }
        second
    }
}

impl<'e> ExitView<'e> {
    pub(crate) fn new(exit: &'e Exit, logits: &'e [f32]) -> Self {
        let Top { first: top, second, finite } = Top::of(logits);
        let class = logits.iter().position(|logit| *logit == top).unwrap_or(0) as u16;
        let mut view = Self { exit, logits, class, top, second, finite, metric: f32::NAN, confidence: Q15::ZERO };
        view.metric = match exit.metric {
            Metric::MaxProbability => view.max_probability(),
            Metric::Margin => view.margin(),
            Metric::Entropy => view.entropy(),
        };
        view.confidence = view.sureness();
        view
    }

    /// Whether the exit's own metric reaches `threshold`: never where a logit is NaN or infinite.
    #[must_use]
    pub fn is_sure(&self, threshold: f32) -> bool {
        match self.exit.metric {
            Metric::MaxProbability | Metric::Margin => self.metric >= threshold,
            Metric::Entropy => self.metric <= threshold,
        }
    }

    /// The exit's own metric; NaN where a logit is not finite.
    #[must_use]
    pub const fn metric(&self) -> f32 {
        self.metric
    }

    /// The largest probability of `softmax(logits / temperature)`; NaN where a logit is not finite.
    #[must_use]
    pub fn max_probability(&self) -> f32 {
        if !self.finite {
            return f32::NAN;
        }
        1.0 / softmax::sums(self.logits, self.top, self.exit.temperature).0
    }

    /// The two largest logits' distance over the temperature; infinite for one class, NaN where a logit is not finite.
    #[must_use]
    pub fn margin(&self) -> f32 {
        if !self.finite {
            return f32::NAN;
        }
        if self.logits.len() < 2 {
            return f32::INFINITY;
        }
        (self.top - self.second) / self.exit.temperature
    }

    /// Entropy of `softmax(logits / temperature)` over ln C, 0 to 1; 0 for one class, NaN where a logit is not finite.
    #[must_use]
    pub fn entropy(&self) -> f32 {
        if !self.finite {
            return f32::NAN;
        }
        if self.logits.len() < 2 {
            return 0.0;
        }
        // With s = (z − max)/T: H = ln Σ e^s − Σ s·e^s / Σ e^s.
        let (sum, weighted) = softmax::sums(self.logits, self.top, self.exit.temperature);
        let entropy = (math::ln(sum) - weighted / sum) * softmax::inverse_ln(self.logits.len());
        entropy.clamp(0.0, 1.0)
    }

    fn sureness(&self) -> Q15 {
        Q15::from_f32(match self.exit.metric {
            Metric::MaxProbability => self.metric,
            Metric::Margin if self.metric.is_infinite() => 1.0,
            Metric::Margin => self.metric / (1.0 + self.metric),
            Metric::Entropy => 1.0 - self.metric,
        })
    }
}
