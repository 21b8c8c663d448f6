//! The promise of calibrated thresholds, tested: the population is known, calibration sets are drawn from it, and the true risk
//! of what they choose is counted. `LACEWING_PROMISE_SETS` sets are drawn, and then a line a case is printed;
//! `LACEWING_PROMISE_WEIGHTS` and `LACEWING_PROMISE_DATA` name another network and its data.
//!
//! Temperatures are those of the network in all sets: that fitting them on the samples that are not tested leaves the promise
//! as it is follows from their not being tested, and is not counted here.

#[path = "support/flagship.rs"]
mod flagship;

use std::io::Write;
use std::path::PathBuf;

use flagship::{Network, add_an_exit, parse, taken_by_exit};
use lacewing_converter::convert::convert_network_i8;
use lacewing_converter::edges::Edges;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::int8::Quantising;
use lacewing_converter::scratch::HeapScratch;
use lacewing_converter::source::Source;
use lacewing_converter::thresholds::{
    Calibrated, Observation, Request, Target, ThresholdError, choose, curves, observe, thresholds,
};
use lacewing_engine::{AsTrained, CalibrationTarget, Drift, DriftMonitor, Engine, Expected, Metric, Model, Never, Q15};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Samples of a calibration set, and of it those that choose what is not tested.
const SET: usize = 5000;
const FIRST: usize = 1000;

/// The flagship, or the network that is asked for, changed before it is converted.
fn changed(change: impl FnOnce(&mut lacewing_converter::network::Network)) -> Network {
    let weights = named("LACEWING_PROMISE_WEIGHTS").unwrap_or_else(|| bundled::weights("mnist-flagship"));
    flagship::changed(&weights, change)
}

fn flagship() -> Network {
    changed(|_| ())
}

fn with_two_exits(split: Option<usize>) -> Network {
    changed(|network| add_an_exit(network, split))
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// The flagship whose exit always names the next class.
fn always_wrong() -> Network {
    changed(|network| {
        let junction = &mut network.exits[0].branch[0];
        let n_in = junction.edges.n_in();
        let mut weights = junction.edges.to_dense();
        weights.rotate_right(n_in);
        junction.edges = Edges::from_dense(n_in as u16, junction.edges.n_out() as u16, &weights, |_, _, w| w != 0.0)
            .expect("as many");
        junction.bias.rotate_right(1);
    })
}

fn load(network: &Network, part: Part) -> Dataset {
    let data = named("LACEWING_PROMISE_DATA").unwrap_or_else(data::bundled_mnist);
    data::load_for(data, part, &network.recipe).expect("its data")
}

const fn promise(risk: f64, confidence: f64) -> Target {
    Target::Risk { risk, confidence, each: false }
}

const fn request(risk: f64, confidence: f64) -> Request {
    Request { target: promise(risk, confidence), metric: None, seed: 1 }
}

/// How many calibration sets: `LACEWING_PROMISE_SETS`, or few enough for every day.
fn sets() -> usize {
    asked_sets().unwrap_or(100)
}

fn asked_sets() -> Option<usize> {
    std::env::var("LACEWING_PROMISE_SETS").ok()?.parse().ok()
}

/// Of thresholds of every metric (those of several exits move together): what they take, and their risk.
fn rates_and_risks(pool: &[&Observation]) -> Vec<(f64, f64)> {
    curves(pool, 2000).into_iter().flat_map(|curve| curve.points).map(|(rate, _, risk)| (rate, risk)).collect()
}

/// What `target` comes to over all sets: promises broken, by `is_broken`, and the mean share taken of the pool.
fn over_all_sets(
    pool: &[&Observation],
    target: Target,
    random: &mut ChaCha8Rng,
    is_broken: impl Fn(&Calibrated) -> bool,
) -> (usize, f64) {
    let (mut broken, mut rate) = (0, 0.0);
    for _ in 0..sets() {
        let drawn: Vec<&Observation> =
            (0..SET).map(|_| pool[(random.next_u64() % pool.len() as u64) as usize]).collect();
        let (first, rest) = drawn.split_at(FIRST);
        match thresholds(first, rest, &Request { target, metric: None, seed: 1 }) {
            Ok(calibrated) => {
                broken += usize::from(is_broken(&calibrated));
                rate += calibrated.figures_on(pool).exit_rate / sets() as f64;
            }
            // Nothing exits, and so no promise is broken.
            Err(ThresholdError::NoneKeeps { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    (broken, rate)
}

/// Every risk at every confidence over all sets; of 1 % at 90 %, exits take at least `enough` of what is possible.
fn promises_are_kept(name: &str, pool: &[&Observation], enough: f64) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let points = rates_and_risks(pool);
    for confidence in [0.9, 0.95] {
        for risk in [0.005, 0.01, 0.02] {
            let (broken, rate) = over_all_sets(pool, promise(risk, confidence), &mut random, |calibrated| {
                let truth = calibrated.figures_on(pool);
                truth.disagreements as f64 > risk * truth.taken as f64
            });
            let within = points.iter().filter(|(_, found)| *found <= risk);
            let possible = within.map(|(rate, _)| *rate).fold(0.0, f64::max);
            let (allowed, n) = (1.0 - confidence, sets() as f64);
            let most = n * (allowed + 2.0 * (allowed * confidence / n).sqrt());
            if asked_sets().is_some() {
                writeln!(
                    std::io::stdout(),
                    "{name}: risk {:.1} %, confidence {:.0} %: {broken} of {n} promises broken ({most:.0} allowed), exits take \
                     {:.2} %, {:.2} % possible",
                    100.0 * risk,
                    100.0 * confidence,
                    100.0 * rate,
                    100.0 * possible
                )
                .expect("standard output");
            }
            assert!(broken as f64 <= most, "risk {risk}, confidence {confidence}: {broken} of the promises broken");
            assert!(
                (risk, confidence) != (0.01, 0.9) || rate >= enough * possible,
                "exits take {rate} of the samples on average, {possible} is possible"
            );
        }
    }
}

fn pool_of(network: &Network) -> Vec<Observation> {
    let tail = (!network.tail.is_empty()).then(|| parse(&network.tail));
    observe(&parse(&network.head), tail.as_ref(), &load(network, Part::Test), &|_| ()).expect("they go together")
}

#[test]
fn promises_are_kept_as_often_as_promised() {
    let pool = pool_of(&flagship());
    // What is asked of MNIST, and of harder data.
    let enough = if named("LACEWING_PROMISE_DATA").is_some() { 0.8 } else { 0.9 };
    promises_are_kept("one exit", &pool.iter().collect::<Vec<_>>(), enough);
}

#[test]
fn promises_of_two_exits_are_kept_together() {
    let pool = pool_of(&with_two_exits(Some(2)));
    promises_are_kept("two exits together", &pool.iter().collect::<Vec<_>>(), 0.8);
}

#[test]
fn promises_asked_of_each_exit_are_kept_by_each() {
    let pool = pool_of(&with_two_exits(Some(2)));
    let pool: Vec<&Observation> = pool.iter().collect();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (risk, confidence) = (0.02, 0.9);
    let target = Target::Risk { risk, confidence, each: true };
    let (broken, rate) = over_all_sets(&pool, target, &mut random, |calibrated| {
        let of =
            |truth: lacewing_converter::thresholds::Figures| truth.disagreements as f64 > risk * truth.taken as f64;
        calibrated.exit_figures_on(&pool).into_iter().any(of)
    });
    let (allowed, n) = (1.0 - confidence, sets() as f64);
    assert!(broken as f64 <= n * (allowed + 2.0 * (allowed * confidence / n).sqrt()), "{broken}");
    assert!(rate > 0.3 || named("LACEWING_PROMISE_DATA").is_some(), "exits take {rate}");
}

/// Chosen on the validation samples, looked at on the test samples.
fn chosen(target: Target) -> (Network, Vec<u8>, Calibrated) {
    let network = flagship();
    let validation = load(&network, Part::Validation);
    let request = Request { target, metric: None, seed: 1 };
    let chosen = choose(&network.head, Some(&parse(&network.tail)), &validation, &request, &|_| ());
    let (bytes, calibrated) = chosen.expect("thresholds");
    (network, bytes, calibrated)
}

#[test]
fn the_model_says_what_its_thresholds_are_for() {
    let (network, bytes, calibrated) = chosen(promise(0.01, 0.95));
    let model = parse(&bytes);
    let exit = model.exits().next().copied().expect("an exit");
    assert_eq!((exit.threshold, exit.temperature), (calibrated.exits[0].threshold, calibrated.exits[0].temperature));
    assert_eq!((exit.samples, exit.metric.name()), (10_000, calibrated.metric));
    let calibration = exit.calibration.expect("it was calibrated");
    assert_eq!(calibration.target, CalibrationTarget::Risk { risk: 0.01, confidence: 190 });
    assert!((f64::from(calibration.exit_rate.to_f32()) - calibrated.exits[0].figures.exit_rate).abs() < 1e-4);
    assert_eq!(model.pair_id(), parse(&network.head).pair_id(), "it is still that tail's head");
    assert!(calibrated.joint.exit_rate > 0.5 && calibrated.joint.risk_bound <= 0.01, "{:?}", calibrated.joint);
    // What the engine does with it is what was counted.
    let validation = load(&network, Part::Validation);
    let ran = lacewing_converter::evaluate::evaluate(&model, Some(&parse(&network.tail)), &validation, None, &|_| ());
    let ran = ran.expect("they go together");
    assert_eq!(ran.accuracy, calibrated.accuracy);
}

/// A head with two exits, and the same as a whole network: what is counted is what the engine does, and a monitor that the
/// model itself gives its expectations sees no drift on the same samples.
#[test]
fn two_exits_do_what_was_counted_and_expected() {
    for split in [Some(2), None] {
        let network = with_two_exits(split);
        let tail = split.map(|_| parse(&network.tail));
        let validation = load(&network, Part::Validation);
        let chosen = choose(&network.head, tail.as_ref(), &validation, &request(0.01, 0.95), &|_| ());
        let (bytes, calibrated) = chosen.expect("thresholds");
        assert!(calibrated.joint.exit_rate > 0.5 && calibrated.joint.risk_bound <= 0.01, "{:?}", calibrated.joint);
        let model = parse(&bytes);
        let observed = observe(&model, tail.as_ref(), &validation, &|_| ()).expect("they go together");
        let all: Vec<&Observation> = observed.iter().collect();
        let taken: Vec<usize> = calibrated.exit_figures_on(&all).iter().map(|figures| figures.taken).collect();
        assert_eq!(taken, taken_by_exit(&model, &validation), "{split:?}");
        assert_eq!(taken.iter().sum::<usize>(), calibrated.figures_on(&all).taken);
        no_drift_but_under_another_policy(&model, &validation);
    }
}

fn no_drift_but_under_another_policy(model: &Model<'_>, validation: &Dataset) {
    let band = Q15::from_f32(0.05);
    let mut monitor = DriftMonitor::new(Expected::of(model, band, band).expect("it was calibrated"), 10);
    let mut scratch = HeapScratch::new(model.scratch_len());
    let mut engine = Engine::new(model, scratch.bytes()).expect("room enough");
    let mut says = Vec::new();
    for (sample, _) in validation.iter() {
        engine.load(sample).expect("as wide");
        says.push(monitor.observe(&engine.run(&mut AsTrained)));
    }
    assert!(says[..1023].iter().all(|drift| *drift == Drift::Settling));
    assert!(says[1023..].iter().all(|drift| *drift == Drift::Inside));
    for (sample, _) in validation.iter().take(4000) {
        engine.load(sample).expect("as wide");
        monitor.observe(&engine.run(&mut Never));
    }
    assert!(matches!(monitor.drift(), Drift::Outside { rate: true, .. }), "{:?}", monitor.drift());
}

#[test]
fn int8_models_are_calibrated_by_their_integers() {
    let mut source = Source::open(&bundled::weights("mnist-flagship")).expect("it comes with the project");
    let recipe = embedded_recipe(&source).expect("readable").expect("a recipe");
    let validation = data::load_for(data::bundled_mnist(), Part::Validation, &recipe).expect("its data");
    let Imported { network, .. } = import(&mut source, recipe).expect("a network");
    let files = convert_network_i8(&network, &validation, &Quantising::default()).expect("model files");
    let tail_bytes = files.tail.expect("it is split");
    let tail = parse(&tail_bytes);
    for metric in [Metric::MaxProbability, Metric::Margin, Metric::Entropy] {
        let target = promise(0.01, 0.95);
        let request = Request { target, metric: Some(metric), seed: 1 };
        let chosen = choose(&files.head, Some(&tail), &validation, &request, &|_| ());
        let (bytes, calibrated) = chosen.expect("thresholds");
        let model = parse(&bytes);
        let exit = model.exits().next().copied().expect("an exit");
        assert_eq!((exit.metric, exit.temperature), (metric, calibrated.exits[0].temperature));
        assert!(calibrated.joint.exit_rate > 0.8 && calibrated.joint.risk_bound <= 0.01, "{:?}", calibrated.joint);
        // What the engine does with its integers is what was counted.
        let ran = lacewing_converter::evaluate::evaluate(&model, Some(&tail), &validation, None, &|_| ());
        let ran = ran.expect("they go together");
        assert_eq!(ran.accuracy, calibrated.accuracy, "{metric:?}");
        let observed = observe(&model, Some(&tail), &validation, &|_| ()).expect("they go together");
        let taken = calibrated.figures_on(&observed.iter().collect::<Vec<_>>());
        assert_eq!(ran.answered_on_device, taken.exit_rate, "{metric:?}");
    }
}

#[test]
fn budgets_and_accuracies_are_met_on_the_samples() {
    let (.., calibrated) = chosen(Target::OffloadBudget { most: 0.2 });
    assert!((0.8..0.82).contains(&calibrated.joint.exit_rate), "{:?}", calibrated.joint);
    let (.., calibrated) = chosen(Target::AccuracyDrop { most: 0.002 });
    assert!(calibrated.accuracy >= calibrated.accuracy_full - 0.002 && calibrated.joint.exit_rate > 0.85);
    let (_, bytes, calibrated) = chosen(Target::AccuracyDrop { most: 0.0 });
    assert!(calibrated.accuracy >= calibrated.accuracy_full && calibrated.joint.exit_rate > 0.3, "{calibrated:?}");
    let stated = parse(&bytes).exits().next().and_then(|exit| exit.calibration).map(|calibration| calibration.target);
    assert_eq!(stated, Some(CalibrationTarget::AccuracyDrop(0.0)));
}

/// What cannot be met is said, with the best that can be.
#[test]
fn targets_that_nothing_meets_are_refused_with_the_best_there_is() {
    let network = always_wrong();
    let validation = load(&network, Part::Validation);
    let refused = |target: Target| {
        let request = Request { target, metric: None, seed: 1 };
        choose(&network.head, Some(&parse(&network.tail)), &validation, &request, &|_| ()).expect_err("refused")
    };
    let error = refused(Target::AccuracyDrop { most: 0.005 });
    assert!(matches!(error, ThresholdError::DropNotMet { least, .. } if least > 0.005 && least < 0.02), "{error}");
    assert!(error.to_string().contains("loses as little as 0.500 points"), "{error}");
    let error = refused(promise(0.01, 0.95)).to_string();
    assert!(error.contains("more samples will not help"), "{error}");
    for most in [-0.1, 1.0, f64::NAN] {
        assert!(matches!(refused(Target::AccuracyDrop { most }), ThresholdError::Range { .. }), "{most}");
    }
}

/// So few samples that they would only do without a mistake and if exits took all of them.
#[test]
fn a_promise_that_needs_more_samples_says_how_many() {
    let network = flagship();
    let validation = load(&network, Part::Validation);
    let values = (0..376).flat_map(|at| validation.sample(at)).copied().collect();
    let labels = (0..376).map(|at| validation.label(at) as u16).collect();
    let few = Dataset::new(validation.width(), values, labels).expect("as many values as labels");
    let error = choose(&network.head, Some(&parse(&network.tail)), &few, &request(0.01, 0.95), &|_| ());
    let error = error.expect_err("too few");
    assert!(matches!(error, ThresholdError::NoneKeeps { needed: Some(needed), .. } if needed > 376), "{error}");
    assert!(error.to_string().contains("it would take about"), "{error}");
}

#[test]
fn what_does_not_bear_a_promise_is_refused() {
    let network = flagship();
    let (head, tail) = (parse(&network.head), parse(&network.tail));
    let validation = load(&network, Part::Validation);
    let refused = |data: &Dataset, target: Target| {
        let request = Request { target, metric: None, seed: 1 };
        choose(&network.head, Some(&tail), data, &request, &|_| ()).expect_err("refused").to_string()
    };
    let some = |samples: &mut dyn Iterator<Item = usize>| {
        let samples: Vec<usize> = samples.collect();
        let values = samples.iter().flat_map(|at| validation.sample(*at)).copied().collect();
        let labels = samples.iter().map(|at| validation.label(*at) as u16).collect();
        Dataset::new(validation.width(), values, labels).expect("as many values as labels")
    };
    let target = promise(0.01, 0.95);
    assert!(refused(&some(&mut (0..300)), target).contains("it takes 374 or more"));
    assert!(refused(&some(&mut (0..9)), target).contains("fewer samples than classes"));
    let fives = &mut (0..validation.len()).filter(|at| validation.label(*at) == 5);
    assert!(refused(&some(fives), target).contains("same label"));
    for (risk, confidence, word) in [
        (0.0, 0.95, "risk is 0"),
        (-0.01, 0.95, "risk is -0.01"),
        (1.5, 0.95, "risk is 1.5"),
        (f64::NAN, 0.95, "NaN"),
        (0.01, 1.5, "1.5"),
    ] {
        assert!(refused(&validation, promise(risk, confidence)).contains(word), "{risk} {confidence}");
    }
    assert!(refused(&validation, promise(0.01, 0.9999)).contains("0.5 %"));
    assert!(refused(&validation, promise(1e-4, 0.99)).contains("too few"));
    let alone = choose(&network.head, None, &validation, &request(0.01, 0.9), &|_| ()).expect_err("no tail");
    assert!(matches!(alone, ThresholdError::NoTail), "{alone}");
    assert!(head.exits().count() == 1);
    let unseen = with_two_exits(Some(1));
    let unseen = choose(&unseen.head, Some(&parse(&unseen.tail)), &validation, &request(0.01, 0.9), &|_| ());
    assert!(matches!(unseen, Err(ThresholdError::TailExits)), "{unseen:?}");
}

/// Samples so large that an exit's logits are no finite numbers any more: whatever is asked for, they are handed over.
#[test]
fn samples_whose_logits_overflow_are_handed_over() {
    const LARGE: usize = 4;
    let network = changed(|network| {
        let edges = &mut network.exits[0].branch[0].edges;
        let weights: Vec<f32> = edges.to_dense().into_iter().map(|weight| weight * 1e36).collect();
        *edges = Edges::from_dense(edges.n_in() as u16, edges.n_out() as u16, &weights, |_, _, w| w != 0.0)
            .expect("as many");
    });
    let (head, tail) = (parse(&network.head), parse(&network.tail));
    let validation = load(&network, Part::Validation);
    let samples = 0..2000;
    let is_large = |at: usize| at.is_multiple_of(LARGE);
    let scale = |at: usize| if is_large(at) { 1e4 } else { 1.0 };
    let values = samples.clone().flat_map(|at| validation.sample(at).iter().map(move |value| value * scale(at)));
    let labels = samples.clone().map(|at| validation.label(at) as u16).collect();
    let data = Dataset::new(validation.width(), values.collect(), labels).expect("finite values");
    let request = |metric| Request { target: Target::OffloadBudget { most: 0.3 }, metric: Some(metric), seed: 1 };
    let observed = observe(&head, Some(&tail), &data, &|_| ()).expect("they go together");
    for metric in [Metric::MaxProbability, Metric::Margin, Metric::Entropy] {
        let chosen = choose(&network.head, Some(&tail), &data, &request(metric), &|_| ());
        let (_, calibrated) = chosen.expect("within the budget");
        let finite = 1.0 - 1.0 / LARGE as f64;
        assert!((0.69..=finite).contains(&calibrated.joint.exit_rate), "{metric:?}: {:?}", calibrated.joint);
        for (at, observation) in samples.clone().zip(&observed) {
            let taken = calibrated.figures_on(&[observation]).exit_rate;
            assert!(taken == 0.0 || !is_large(at), "{metric:?}: sample {at}");
        }
        // A quarter at least is handed over, whatever the threshold.
        let request = Request { target: Target::OffloadBudget { most: 0.2 }, ..request(metric) };
        let error = choose(&network.head, Some(&tail), &data, &request, &|_| ()).expect_err("too little");
        assert!(matches!(error, ThresholdError::BudgetNotMet { least: 0.25, .. }), "{metric:?}: {error}");
    }
}
