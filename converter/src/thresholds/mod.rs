//! Thresholds for exits, chosen on validation data: for an accuracy, for a share that is handed over, or with a promise.
//!
//! The promise: of the samples that exits take, a share of at most `risk` gets another class than the full network would give
//! it, unless the validation samples were misleading, which has probability 1 − `confidence` at most. It holds for samples that
//! are *exchangeable* with the validation samples, and for no others. It is Learn then Test (Angelopoulos et al., arXiv
//! 2110.01052) with a fixed sequence of binomial tests, in the manner of CALM (Schuster et al., arXiv 2207.07061):
//!
//! 1. A fifth of the samples, drawn by chance, chooses everything that is not tested: temperatures, metric, and a sequence of
//!    threshold vectors from strict to lax, each of which takes about one sample in a hundred more. With several exits, a vector
//!    has a threshold for each; they move together, so one sequence of joint decisions is tested: the promise is one of all that
//!    exits take together. Where it is asked of each exit too, the exit with the weakest evidence decides at every vector.
//! 2. On the rest, vector after vector is tested by the exact binomial p-value of "the risk is above `risk`", from the vector on
//!    that the fifth finds the most evident, until one is not below 1 − `confidence`. The one before it is taken. Tests in a fixed
//!    order need no correction for their number.

mod error;
mod observe;
mod path;
mod risk;
mod stamp;
mod temperature;

use lacewing_engine::{KernelSet, Metric, Model, Q15, Quantisation};
use lacewing_models::Dataset;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use crate::evaluate::check_parts;
pub use error::ThresholdError;
pub use observe::{Observation, observe};
pub use path::STEPS;
use path::{Path, Taken};

/// What thresholds are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "target", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// As many exits as the accuracy on the data stays within `most` of the full network's. Without a promise.
    AccuracyDrop {
        /// A fraction.
        most: f64,
    },
    /// At most `most` of the samples are handed over. Without a promise.
    OffloadBudget {
        /// A fraction.
        most: f64,
    },
    /// As many exits as the promise above allows.
    Risk {
        /// Of disagreement with the full network, given an exit.
        risk: f64,
        /// Of the promise.
        confidence: f64,
        /// Whether the risk is kept by each exit alone as well, not only by all of them together.
        each: bool,
    },
}

/// How to choose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// For what.
    pub target: Target,
    /// By which metric; the best one where it is left open.
    pub metric: Option<Metric>,
    /// Of the fifth that is drawn.
    pub seed: u64,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibrated {
    /// For what.
    #[serde(flatten)]
    pub target: Target,
    /// By which metric.
    pub metric: &'static str,
    /// Samples that the thresholds were chosen on.
    pub samples: usize,
    /// Of these, samples that the promise was tested on; 0 without one.
    pub tested: usize,
    /// One an exit with a branch, in order.
    pub exits: Vec<CalibratedExit>,
    /// All exits together, on the samples tested; on all without a promise.
    pub joint: Figures,
    /// Of which data all this holds.
    pub holds_for: &'static str,
    /// Accuracy on all samples with the exits, and of the full network.
    pub accuracy: f64,
    /// The full network's.
    pub accuracy_full: f64,
    /// For each metric, what its thresholds give on all samples, from strict to lax.
    pub curves: Vec<Curve>,
    /// Samples with logits that are not finite, which exits never take.
    pub not_finite: usize,
    #[serde(skip)]
    pub(crate) metric_of: Metric,
}

/// One exit's threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CalibratedExit {
    /// Its number.
    pub exit: u8,
    /// Logits are divided by it.
    pub temperature: f32,
    /// In the metric's unit; one that nothing reaches where the exit is better not taken.
    pub threshold: f32,
    /// What it takes, where earlier exits have not.
    #[serde(flatten)]
    pub figures: Figures,
    /// Mean confidence of the outcomes that it takes, and at the last exit of those that no exit takes too: its own where they
    /// are handed over, the end's in a whole network.
    pub mean_confidence: f64,
}

/// What exits take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Of all samples, the share that is taken.
    pub exit_rate: f64,
    /// Samples taken.
    pub taken: usize,
    /// Of these, those to which the full network gives another class.
    pub disagreements: usize,
    /// The highest share of disagreement that is compatible with that, at the promise's confidence, or 95 % without one. Of a
    /// threshold that was chosen on the same samples, and of one exit among several where the promise was not asked of each, it
    /// is an indication, no promise.
    pub risk_bound: f64,
}

/// The sweep of one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// Which.
    pub metric: &'static str,
    /// `(exit rate, accuracy, disagreement given exit)`.
    pub points: Vec<(f64, f64, f64)>,
}

const METRICS: [Metric; 3] = [Metric::MaxProbability, Metric::Margin, Metric::Entropy];

/// One sample in so many chooses what is not tested.
const DRAWN: usize = 5;

/// Chooses temperatures, metric and thresholds for the exits of `bytes`, a head or a whole network, on `data`; gives the file
/// with them in it, and what they are worth.
///
/// # Errors
/// See [`ThresholdError`]: models, data and target do not go together, or the data does not bear the promise.
pub fn choose(
    bytes: &[u8],
    tail: Option<&Model<'_>>,
    data: &Dataset,
    request: &Request,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<(Vec<u8>, Calibrated), ThresholdError> {
    let model = Model::parse(bytes, &KernelSet::ALL)?;
    check(&model, tail, data, request)?;
    let order = drawn_first(data.len(), request.seed);
    let drawn = data.len().div_ceil(DRAWN);
    // Temperatures first: metrics are the engine's own, so the file has to have them.
    let observed = observe(&model, tail, data, progress)?;
    let exits = model.exits().filter(|exit| exit.branch > 0).count();
    let chosen = order.get(..drawn).unwrap_or_default();
    let fit = |exit: usize| {
        let samples = chosen.iter().filter_map(|at| observed.get(*at));
        temperature::fit(samples.filter_map(|o| Some((o.exits.get(exit)?.logits.as_slice(), o.label))))
    };
    let temperatures: Vec<f32> = (0..exits).map(fit).collect();
    let logits: Vec<Option<Quantisation>> = (0..exits).map(|exit| observe::logits_of(&model, exit)).collect();
    let warm = stamp::temperatures(bytes, &temperatures, &logits);
    let model = Model::parse(&warm, &KernelSet::ALL)?;
    let observed = observe(&model, tail, data, progress)?;
    let (first, rest) = split(&observed, &order, drawn);
    let calibrated = thresholds(&first, &rest, request)?;
    let all: Vec<&Observation> = observed.iter().collect();
    let calibrated = Calibrated {
        curves: curves(&all, STEPS),
        exits: model
            .exits()
            .zip(calibrated.exits)
            .zip(temperatures)
            .map(|((exit, chosen), temperature)| CalibratedExit { exit: exit.id.0, temperature, ..chosen })
            .collect(),
        ..calibrated
    };
    let bytes = stamp::calibration(&warm, &calibrated, &logits);
    Model::parse(&bytes, &KernelSet::ALL)?;
    Ok((bytes, calibrated))
}

/// Metric and thresholds for what exits said: `first` chooses what is not tested, `rest` is tested. Temperatures and numbers of
/// the exits are not filled in.
///
/// # Errors
/// The samples do not bear the promise.
pub fn thresholds(
    first: &[&Observation],
    rest: &[&Observation],
    request: &Request,
) -> Result<Calibrated, ThresholdError> {
    let all: Vec<&Observation> = first.iter().chain(rest).copied().collect();
    let metrics = request.metric.map_or(METRICS.to_vec(), |metric| vec![metric]);
    let (path, at, tested) = match request.target {
        Target::Risk { risk, confidence, each } => {
            let promise = Promise { risk, confidence, each };
            let paths = metrics.iter().map(|metric| Path::over(*metric, first));
            let best = paths.max_by(|a, b| promise.promising(a, first).total_cmp(&promise.promising(b, first)));
            let path = best.ok_or(ThresholdError::NoExits)?;
            let at = test(&path, first, rest, &promise)?;
            (path, at, rest)
        }
        Target::AccuracyDrop { most } => {
            let drop = accuracy_drop(&all);
            let (path, at) = laxest(&metrics, &all, |taken| drop(taken) <= most + 1e-12)
                .ok_or_else(|| ThresholdError::DropNotMet { most, least: least(&metrics, &all, drop) })?;
            (path, at, &all[..])
        }
        Target::OffloadBudget { most } => {
            let handed = |taken: &Taken| 1.0 - taken.rate();
            let (path, at) = strictest(&metrics, &all, |taken| handed(taken) <= most + 1e-12)
                .ok_or_else(|| ThresholdError::BudgetNotMet { most, least: least(&metrics, &all, handed) })?;
            (path, at, &all[..])
        }
    };
    let confidence = match request.target {
        Target::Risk { confidence, .. } => confidence,
        _ => 0.95,
    };
    Ok(report(request, &path, at, tested, &all, confidence))
}

/// What a target of risk asks for.
struct Promise {
    risk: f64,
    confidence: f64,
    each: bool,
}

impl Promise {
    /// Samples taken and disagreements that have to keep it: of all exits together, or, where it is asked of each, of the one
    /// with the weakest evidence too. All have to keep it, so the largest of their p-values is one for all.
    fn weakest(&self, taken: &Taken) -> (usize, usize) {
        let exits = taken.by_exit.iter().copied().filter(|_| self.each);
        let all = core::iter::once((taken.taken, taken.disagreements)).chain(exits);
        all.max_by(|a, b| self.p_value_of(*a).total_cmp(&self.p_value_of(*b))).unwrap_or_default()
    }

    fn p_value_of(&self, (taken, disagreements): (usize, usize)) -> f64 {
        risk::p_value(disagreements, taken, self.risk)
    }

    /// The p-value of "the promise is broken" by what a vector takes.
    fn p_value(&self, taken: &Taken) -> f64 {
        self.p_value_of(self.weakest(taken))
    }

    /// The largest share that a vector takes of samples on which it is kept.
    fn promising(&self, path: &Path, samples: &[&Observation]) -> f64 {
        let fits = |taken: &Taken| {
            let (all, disagreements) = self.weakest(taken);
            all > 0 && disagreements as f64 <= self.risk * all as f64
        };
        let rates = (0..path.len()).map(|at| path.taken(at, samples)).filter(fits).map(|taken| taken.rate());
        rates.fold(0.0, f64::max)
    }
}

/// The laxest vector that passes every test from the most evident one on.
fn test(
    path: &Path,
    first: &[&Observation],
    rest: &[&Observation],
    promise: &Promise,
) -> Result<usize, ThresholdError> {
    let start = path.most_evident(|at| promise.p_value(&path.taken(at, first)));
    let passes = |at: &usize| promise.p_value(&path.taken(*at, rest)) <= 1.0 - promise.confidence;
    (start..path.len()).take_while(passes).last().ok_or_else(|| {
        let Promise { risk, confidence, .. } = *promise;
        let (taken, disagreements) = promise.weakest(&path.taken(start, rest));
        let bound = risk::upper_bound(disagreements, taken, confidence);
        let enough = risk::enough_samples(disagreements, taken, risk, confidence);
        // Of the samples tested the exits take a part, and a fifth of all is not tested.
        let needed = enough.map(|times| with_drawn((times * rest.len() as f64).ceil() as usize));
        ThresholdError::NoneKeeps { risk, confidence, taken, tested: rest.len(), disagreements, bound, needed }
    })
}

/// Samples in all, where so many are to be tested.
const fn with_drawn(tested: usize) -> usize {
    (tested.saturating_mul(DRAWN)).div_ceil(DRAWN - 1)
}

/// Of all metrics, the one whose laxest passing vector takes most.
fn laxest(metrics: &[Metric], all: &[&Observation], passes: impl Fn(&Taken) -> bool) -> Option<(Path, usize)> {
    let best = |metric: &Metric| {
        let path = Path::over(*metric, all);
        let passing = (0..path.len()).map(|at| (at, path.taken(at, all))).filter(|(_, taken)| passes(taken));
        let (at, taken) = passing.max_by_key(|(_, taken)| taken.taken)?;
        Some((path, at, taken.taken))
    };
    let best = metrics.iter().filter_map(best).max_by_key(|(_, _, taken)| *taken);
    best.map(|(path, at, _)| (path, at))
}

/// Of all metrics, the one whose strictest passing vector is the most accurate.
fn strictest(metrics: &[Metric], all: &[&Observation], passes: impl Fn(&Taken) -> bool) -> Option<(Path, usize)> {
    let best = |metric: &Metric| {
        let path = Path::over(*metric, all);
        let (at, taken) = (0..path.len()).map(|at| (at, path.taken(at, all))).find(|(_, taken)| passes(taken))?;
        Some((path, at, taken.accuracy))
    };
    let best = metrics.iter().filter_map(best).max_by(|a, b| a.2.total_cmp(&b.2));
    best.map(|(path, at, _)| (path, at))
}

/// The least that a vector of any metric comes to.
fn least(metrics: &[Metric], all: &[&Observation], of: impl Fn(&Taken) -> f64) -> f64 {
    let paths = metrics.iter().map(|metric| Path::over(*metric, all));
    let least_of = |path: Path| (0..path.len()).map(|at| of(&path.taken(at, all))).fold(1.0, f64::min);
    paths.map(least_of).fold(1.0, f64::min)
}

/// What a vector loses of the full network's accuracy.
fn accuracy_drop(all: &[&Observation]) -> impl Fn(&Taken) -> f64 + Copy {
    let full = accuracy_full(all);
    move |taken| full - taken.accuracy
}

fn report(
    request: &Request,
    path: &Path,
    at: usize,
    tested: &[&Observation],
    all: &[&Observation],
    confidence: f64,
) -> Calibrated {
    let figures = |taken, disagreements| Figures::of(taken, disagreements, tested.len(), confidence);
    let joint = path.taken(at, tested);
    let exits = path.thresholds(at).into_iter().enumerate().map(|(exit, threshold)| {
        let (taken, disagreements) = joint.by_exit.get(exit).copied().unwrap_or_default();
        let outcome = |o: &&Observation| match path.exit_of(at, o) {
            Some(by) => (by == exit).then(|| confidence_of(path.metric(), o.exits.get(exit)?)).flatten(),
            // The last exit has those that no exit takes, with the confidence of who answers them then.
            None if exit + 1 < o.exits.len() => None,
            None => {
                o.end.map(|end| f64::from(end.to_f32())).or_else(|| confidence_of(path.metric(), o.exits.get(exit)?))
            }
        };
        let decided: Vec<f64> = all.iter().filter_map(outcome).collect();
        CalibratedExit {
            exit: 0,
            temperature: 1.0,
            threshold,
            figures: figures(taken, disagreements),
            mean_confidence: decided.iter().sum::<f64>() / decided.len().max(1) as f64,
        }
    });
    Calibrated {
        target: request.target,
        metric: path.metric().name(),
        samples: all.len(),
        tested: if matches!(request.target, Target::Risk { .. }) { tested.len() } else { 0 },
        exits: exits.collect(),
        joint: figures(joint.taken, joint.disagreements),
        holds_for: "data exchangeable with these samples",
        accuracy: path.taken(at, all).accuracy,
        accuracy_full: accuracy_full(all),
        curves: Vec::new(),
        not_finite: all.iter().filter(|o| o.exits.iter().any(|said| said.sureness(path.metric()).is_none())).count(),
        metric_of: path.metric(),
    }
}

/// What thresholds of each metric give on `samples`, from strict to lax: `steps` of them, each of which takes as many samples
/// more.
#[must_use]
pub fn curves(samples: &[&Observation], steps: usize) -> Vec<Curve> {
    let curve = |metric: Metric| {
        let path = Path::in_steps(metric, samples, steps);
        let point = |at: usize| {
            let taken = path.taken(at, samples);
            (taken.rate(), taken.accuracy, taken.disagreements as f64 / taken.taken.max(1) as f64)
        };
        Curve { metric: metric.name(), points: (0..path.len()).map(point).collect() }
    };
    METRICS.map(curve).to_vec()
}

/// What one threshold of one exit, with no other exit, comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SingleExit {
    /// In the metric's unit.
    pub threshold: f32,
    /// Share of the samples that the exit takes.
    pub rate: f64,
    /// Of the final answers.
    pub accuracy: f64,
}

/// Thresholds of exit `exit` (from 0) alone, each of which takes a twentieth of the samples more than the one before it.
pub fn single_exits(
    samples: &[&Observation],
    exit: usize,
    metric: lacewing_models::recipe::Metric,
) -> impl Iterator<Item = SingleExit> {
    use lacewing_models::recipe::Metric as Named;
    let metric = match metric {
        Named::Margin => Metric::Margin,
        Named::Entropy => Metric::Entropy,
        // The metric of who does not name one.
        _ => Metric::MaxProbability,
    };
    let alone: Vec<Observation> = samples.iter().map(|o| o.with_exit(exit)).collect();
    let alone: Vec<&Observation> = alone.iter().collect();
    let path = Path::over(metric, &alone);
    let point = |at: usize| {
        let taken = path.taken(at, &alone);
        let threshold = path.thresholds(at).first().copied().unwrap_or(f32::MAX);
        SingleExit { threshold, rate: taken.rate(), accuracy: taken.accuracy }
    };
    (4..path.len()).step_by(5).map(point).collect::<Vec<_>>().into_iter()
}

impl Calibrated {
    /// What the thresholds take of other samples, observed under the same temperatures; the bound at a confidence of 95 %.
    #[must_use]
    pub fn figures_on(&self, samples: &[&Observation]) -> Figures {
        let taken = self.taken_of(samples);
        Figures::of(taken.taken, taken.disagreements, samples.len(), 0.95)
    }

    /// The same, exit by exit.
    #[must_use]
    pub fn exit_figures_on(&self, samples: &[&Observation]) -> Vec<Figures> {
        let exits = self.taken_of(samples).by_exit.into_iter();
        exits.map(|(taken, disagreements)| Figures::of(taken, disagreements, samples.len(), 0.95)).collect()
    }

    fn taken_of(&self, samples: &[&Observation]) -> Taken {
        let thresholds: Vec<f32> = self.exits.iter().map(|exit| exit.threshold).collect();
        Path::of(self.metric_of, &thresholds).taken(0, samples)
    }
}

impl Figures {
    /// Of `samples` samples.
    fn of(taken: usize, disagreements: usize, samples: usize, confidence: f64) -> Self {
        Self {
            exit_rate: taken as f64 / samples.max(1) as f64,
            taken,
            disagreements,
            risk_bound: risk::upper_bound(disagreements, taken, confidence),
        }
    }
}

/// As [`lacewing_engine::Answer::confidence`] has it.
fn confidence_of(metric: Metric, said: &observe::Said) -> Option<f64> {
    let value = said.metrics.get(observe::place(metric)).copied()?;
    let confidence = match metric {
        Metric::MaxProbability => value,
        Metric::Margin if value.is_infinite() => 1.0,
        Metric::Margin => value / (1.0 + value),
        Metric::Entropy => 1.0 - value,
    };
    // NaN, where a logit is not finite, is 0 there.
    Some(f64::from(Q15::from_f32(confidence).to_f32()))
}

fn accuracy_full(all: &[&Observation]) -> f64 {
    all.iter().filter(|o| usize::from(o.full) == o.label).count() as f64 / all.len().max(1) as f64
}

fn check(model: &Model<'_>, tail: Option<&Model<'_>>, data: &Dataset, request: &Request) -> Result<(), ThresholdError> {
    check_parts(model, tail)?;
    if model.part() == lacewing_engine::Part::Head && tail.is_none() {
        return Err(ThresholdError::NoTail);
    }
    if tail.is_some_and(|tail| tail.exits().any(|exit| exit.branch > 0)) {
        return Err(ThresholdError::TailExits);
    }
    if !model.exits().any(|exit| exit.branch > 0) {
        return Err(ThresholdError::NoExits);
    }
    crate::evaluate::check_data(model, data)?;
    let (samples, classes) = (data.len(), model.classes());
    if samples < classes {
        return Err(ThresholdError::TooFew { samples, classes });
    }
    if (0..samples).all(|sample| data.label(sample) == data.label(0)) {
        return Err(ThresholdError::OneClass(samples));
    }
    let within = |what: &'static str, value: f64| {
        if value > 0.0 && value < 1.0 { Ok(()) } else { Err(ThresholdError::Range { what, value }) }
    };
    match request.target {
        Target::AccuracyDrop { most: 0.0 } => Ok(()),
        Target::AccuracyDrop { most } => within(error::ACCURACY_DROP, most),
        Target::OffloadBudget { most } => within("the offload budget", most),
        Target::Risk { risk, confidence, .. } => {
            within("the risk", risk)?;
            within("the confidence", confidence)?;
            stamp::half_percents(confidence).ok_or(ThresholdError::Confidence(confidence))?;
            let tested = risk::fewest_samples(risk, confidence);
            let needed = with_drawn(tested);
            if samples - samples.div_ceil(DRAWN) < tested {
                return Err(ThresholdError::TooFewForPromise { samples, needed, risk, confidence });
            }
            Ok(())
        }
    }
}

/// The numbers below `len` in an order drawn by chance.
fn drawn_first(len: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
    }
    order
}

/// The first `drawn` of `order`, and the rest.
fn split<'o>(
    observed: &'o [Observation],
    order: &[usize],
    drawn: usize,
) -> (Vec<&'o Observation>, Vec<&'o Observation>) {
    let (first, rest) = order.split_at(drawn.min(order.len()));
    let of = |part: &[usize]| part.iter().filter_map(|at| observed.get(*at)).collect();
    (of(first), of(rest))
}
