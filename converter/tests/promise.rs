//! The promise of calibrated thresholds, tested: the population is known, calibration sets are drawn from it, and the true risk
//! of what they choose is counted. `LACEWING_PROMISE_SETS` sets are drawn; `LACEWING_PROMISE_WEIGHTS` and `LACEWING_PROMISE_DATA`
//! name another network and its data.

use std::path::PathBuf;

use lacewing_converter::convert::{convert_network, convert_network_i8};
use lacewing_converter::edges::Edges;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::int8::Quantising;
use lacewing_converter::source::Source;
use lacewing_converter::thresholds::{
    Calibrated, Observation, Request, Target, ThresholdError, choose, curves, observe, thresholds,
};
use lacewing_engine::{CalibrationTarget, KernelSet, Metric, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, Recipe, bundled};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Samples of a calibration set, and of it those that choose what is not tested.
const SET: usize = 5000;
const FIRST: usize = 1000;

struct Network {
    recipe: Recipe,
    head: Vec<u8>,
    tail: Vec<u8>,
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

fn flagship() -> Network {
    changed(|_| ())
}

/// The flagship, changed before it is converted.
fn changed(change: impl FnOnce(&mut lacewing_converter::network::Network)) -> Network {
    let weights = named("LACEWING_PROMISE_WEIGHTS").unwrap_or_else(|| bundled::weights("mnist-flagship"));
    let mut source = Source::open(&weights).expect("it comes with the project");
    let recipe = embedded_recipe(&source).expect("readable").expect("a recipe");
    let Imported { mut network, .. } = import(&mut source, recipe.clone()).expect("a network");
    change(&mut network);
    let files = convert_network(&network, None).expect("model files");
    Network { recipe, head: files.head.into(), tail: files.tail.expect("it is split").into() }
}

fn load(network: &Network, part: Part) -> Dataset {
    let data = named("LACEWING_PROMISE_DATA").unwrap_or_else(data::bundled_mnist);
    data::load_for(data, part, &network.recipe).expect("its data")
}

fn parse(bytes: &[u8]) -> Model<'_> {
    Model::parse(bytes, &KernelSet::ALL).expect("sound")
}

fn request(risk: f64, confidence: f64) -> Request {
    Request { target: Target::Risk { risk, confidence }, metric: None, seed: 1 }
}

/// How many calibration sets: `LACEWING_PROMISE_SETS`, or few enough for every day.
fn sets() -> usize {
    std::env::var("LACEWING_PROMISE_SETS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn promises_are_kept_as_often_as_promised() {
    let network = flagship();
    let observed = observe(&parse(&network.head), Some(&parse(&network.tail)), &load(&network, Part::Test), &|_| ());
    let pool = observed.expect("they go together");
    let all: Vec<&Observation> = pool.iter().collect();
    // The largest share that any threshold of any metric could take with a risk of 1 % in the pool.
    let points = curves(&all).into_iter().flat_map(|curve| curve.points);
    let oracle = points.filter(|(_, _, risk)| *risk <= 0.01).map(|(rate, ..)| rate).fold(0.0, f64::max);
    // What is asked of MNIST, and of harder data.
    let enough = if named("LACEWING_PROMISE_DATA").is_some() { 0.8 } else { 0.9 };
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for confidence in [0.9, 0.95] {
        for risk in [0.005, 0.01, 0.02] {
            let (mut broken, mut rate) = (0, 0.0);
            for _ in 0..sets() {
                let drawn: Vec<&Observation> =
                    (0..SET).map(|_| &pool[(random.next_u64() % pool.len() as u64) as usize]).collect();
                let (first, rest) = drawn.split_at(FIRST);
                match thresholds(first, rest, &request(risk, confidence)) {
                    Ok(calibrated) => {
                        let truth = calibrated.figures_on(&all);
                        broken += usize::from(truth.disagreements as f64 > risk * truth.taken as f64);
                        rate += truth.exit_rate / sets() as f64;
                    }
                    // Nothing exits, and so no promise is broken.
                    Err(ThresholdError::NoneKeeps { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            let (share, allowed, n) = (broken as f64 / sets() as f64, 1.0 - confidence, sets() as f64);
            let error = (allowed * confidence / n).sqrt();
            assert!(
                share <= allowed + 2.0 * error,
                "risk {risk}, confidence {confidence}: {share} of the promises broken"
            );
            assert!(
                (risk, confidence) != (0.01, 0.9) || rate >= enough * oracle,
                "exits take {rate} of the samples on average, {oracle} is possible"
            );
        }
    }
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
    let (network, bytes, calibrated) = chosen(Target::Risk { risk: 0.01, confidence: 0.95 });
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
        let target = Target::Risk { risk: 0.01, confidence: 0.95 };
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
    let promise = Target::Risk { risk: 0.01, confidence: 0.95 };
    assert!(refused(&some(&mut (0..300)), promise).contains("it takes 374 or more"));
    assert!(refused(&some(&mut (0..9)), promise).contains("fewer samples than classes"));
    let fives = &mut (0..validation.len()).filter(|at| validation.label(*at) == 5);
    assert!(refused(&some(fives), promise).contains("same label"));
    for (risk, confidence, word) in
        [(0.0, 0.95, "risk is 0"), (1.0, 0.95, "risk is 1"), (f64::NAN, 0.95, "NaN"), (0.01, 1.5, "1.5")]
    {
        assert!(refused(&validation, Target::Risk { risk, confidence }).contains(word), "{risk} {confidence}");
    }
    assert!(refused(&validation, Target::Risk { risk: 0.01, confidence: 0.9999 }).contains("0.5 %"));
    assert!(refused(&validation, Target::Risk { risk: 1e-4, confidence: 0.99 }).contains("too few"));
    let alone = choose(&network.head, None, &validation, &request(0.01, 0.9), &|_| ()).expect_err("no tail");
    assert!(matches!(alone, ThresholdError::NoTail), "{alone}");
    assert!(head.exits().count() == 1);
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
    }
}
