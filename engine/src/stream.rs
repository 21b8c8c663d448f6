//! Policies and watches for streams: frames that resemble their predecessors, and data that changes with time.

use crate::answer::{Answer, Outcome, Q15};
use crate::element::Element;
use crate::model::{Exit, ExitId, MAX_EXITS, Model};
use crate::policy::{Decision, ExitPolicy, ExitView};

/// Takes an exit that has given the same class on so many frames of a stream in a row, whatever its confidence; else asks
/// another policy (after "Temporal Patience", Sponner et al., arXiv 2309.05686).
///
/// An exit counts the frames that reach it: where an earlier exit answers, later ones neither count nor forget. Logits that
/// are not finite are no agreement. Consecutive frames resemble each other, so agreement is weaker evidence than its number
/// suggests: the promise of a calibrated threshold does not extend to exits that were taken by agreement.
#[derive(Clone, Copy, Debug)]
pub struct TemporalPatience<P> {
    policy: P,
    frames: u16,
    seen: [Seen; MAX_EXITS],
}

/// What an exit said last, and for how many frames it has.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    class: u16,
    frames: u16,
}

impl<P> TemporalPatience<P> {
    /// Takes an exit at the `frames`-th frame in agreement (1 takes every exit), or where `policy` takes it.
    #[must_use]
    pub const fn new(frames: u16, policy: P) -> Self {
        Self { policy, frames, seen: [Seen { class: 0, frames: 0 }; MAX_EXITS] }
    }

    /// Forgets: the next frame belongs to another stream, or the stream was interrupted.
    pub fn reset(&mut self) {
        self.seen = [Seen::default(); MAX_EXITS];
    }
}

impl<T: Element, P: ExitPolicy<T>> ExitPolicy<T> for TemporalPatience<P> {
    fn decide(&mut self, exit: &ExitView<'_, T>) -> Decision {
        let decision = self.policy.decide(exit);
        // Exits of head and tail count on: neither has more than MAX_EXITS, so no two of one engine share a place.
        let Some(seen) = self.seen.get_mut(usize::from(exit.exit().id.0) % MAX_EXITS) else { return decision };
        if !exit.is_finite() {
            *seen = Seen::default();
            return decision;
        }
        if seen.frames > 0 && seen.class == exit.class() {
            seen.frames = seen.frames.saturating_add(1);
        } else {
            *seen = Seen { class: exit.class(), frames: 1 };
        }
        let agreed = decision == Decision::Continue && seen.frames >= self.frames;
        if agreed { Decision::Take } else { decision }
    }
}

/// What the calibration saw, and how far from it is too far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Share of the samples that an exit took.
    pub exit_rate: Q15,
    /// Mean confidence of the outcomes: of the exit that took a sample, of the last exit where the sample was handed over, of
    /// the end of a whole network where no exit took it.
    pub confidence: Q15,
    /// Distance of the running exit rate from the expected one that is flagged.
    pub rate_band: Q15,
    /// The same of the confidence.
    pub confidence_band: Q15,
    /// The last exit that can be taken or not: the end of a whole network has a higher number, and always answers.
    pub last_exit: ExitId,
}

impl Expected {
    /// What the exit records of `model`, a head or a whole network, expect of all exits together; `None` where an exit with a
    /// branch was not calibrated, or there is none.
    #[must_use]
    pub fn of(model: &Model<'_>, rate_band: Q15, confidence_band: Q15) -> Option<Self> {
        const ONE: u64 = Q15::ONE.steps() as u64;
        let branches = || model.exits().filter(|exit| exit.branch > 0);
        let last_exit = branches().last()?.id;
        let calibrated =
            |exit: &Exit| exit.calibration.map(|c| [c.exit_rate, c.confidence].map(|q| u64::from(q.steps())));
        let (mut rate, mut weighted) = (0, 0);
        for exit in branches() {
            let [taken, confidence] = calibrated(exit)?;
            // The last exit's confidence is also that of what goes on.
            let share = if exit.id == last_exit { ONE.saturating_sub(rate) } else { taken };
            weighted += share * confidence;
            rate += taken;
        }
        let confidence = Q15::saturating((weighted + ONE / 2) / ONE);
        Some(Self { exit_rate: Q15::saturating(rate), confidence, rate_band, confidence_band, last_exit })
    }
}

/// Watches whether a stream still looks like the data that the thresholds were chosen on. In integers, without memory that
/// grows: exponentially weighted means over about `window` outcomes.
#[derive(Clone, Copy, Debug)]
pub struct DriftMonitor {
    expected: Expected,
    /// log2 of the window.
    shift: u8,
    /// Outcomes so far, up to the window.
    frames: u32,
    /// Units of 2⁻³⁰.
    rate: u32,
    confidence: u32,
}

/// What a [`DriftMonitor`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Fewer outcomes so far than the window has.
    Settling,
    /// As calibrated.
    Inside,
    /// The promises of the calibration may not hold any more: measure anew.
    Outside {
        /// The exit rate is outside its band.
        rate: bool,
        /// The mean confidence is.
        confidence: bool,
    },
}

/// Q15 to units of 2⁻³⁰.
const FINE: u8 = 15;

impl DriftMonitor {
    /// Over about 2^`shift` outcomes (at most 2¹⁵), from the expected means on.
    #[must_use]
    pub const fn new(expected: Expected, shift: u8) -> Self {
        let shift = if shift > FINE { FINE } else { shift };
        let (rate, confidence) = (fine(expected.exit_rate), fine(expected.confidence));
        Self { expected, shift, frames: 0, rate, confidence }
    }

    /// Takes the outcome of a run into account.
    pub fn observe<T: Element>(&mut self, outcome: &Outcome<'_, T>) -> Drift {
        match outcome {
            Outcome::Answer(answer) => self.count(answer.exit <= self.expected.last_exit, answer.confidence),
            Outcome::Offload { fallback, .. } => {
                self.count(false, fallback.map_or(Q15::ZERO, |Answer { confidence, .. }| confidence))
            }
        }
    }

    /// The same, of a run whose outcome is gone: whether an exit (not the end of the network) took it, and its confidence.
    pub fn count(&mut self, taken: bool, confidence: Q15) -> Drift {
        self.frames = self.frames.saturating_add(1);
        self.rate = self.step(self.rate, if taken { Q15::ONE } else { Q15::ZERO });
        self.confidence = self.step(self.confidence, confidence);
        self.drift()
    }

    /// `mean + (value − mean) / window`. A quotient rounds towards the mean, which so stays within 2⁻¹⁵ of the true one.
    const fn step(&self, mean: u32, value: Q15) -> u32 {
        let value = fine(value);
        if value >= mean { mean + ((value - mean) >> self.shift) } else { mean - ((mean - value) >> self.shift) }
    }

    /// How things stand.
    #[must_use]
    pub fn drift(&self) -> Drift {
        if self.frames < 1 << self.shift {
            return Drift::Settling;
        }
        let far = |mean: u32, expected: Q15, band: Q15| mean.abs_diff(fine(expected)) > fine(band);
        let rate = far(self.rate, self.expected.exit_rate, self.expected.rate_band);
        let confidence = far(self.confidence, self.expected.confidence, self.expected.confidence_band);
        if rate || confidence { Drift::Outside { rate, confidence } } else { Drift::Inside }
    }

    /// The running share of runs that an exit took.
    #[must_use]
    pub const fn exit_rate(&self) -> Q15 {
        Q15::saturating((self.rate >> FINE) as u64)
    }

    /// The running mean confidence.
    #[must_use]
    pub const fn confidence(&self) -> Q15 {
        Q15::saturating((self.confidence >> FINE) as u64)
    }
}

const fn fine(value: Q15) -> u32 {
    (value.steps() as u32) << FINE
}
