//! Quantisation: what it refuses, and what comes out of made-up networks. Every conversion ends with the comparison of the engine
//! and the network's own integers, bit for bit.

mod support;

use lacewing_converter::convert::{ConvertError, Converted, Dtype, Options, convert, convert_network_i8};
use lacewing_converter::import::import;
use lacewing_converter::inspect::inspect;
use lacewing_converter::int8::{Calibration, Int8Error, Quantising};
use lacewing_converter::network::Network;
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::Profile;
use lacewing_converter::source::Source;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::JunctionId::{self, Exit, Trunk};
use lacewing_models::{Dataset, Recipe};
use support::{Random, Trained, recipe};

/// leaky ReLU and sigmoid, which have no int8 form.
const NOT_INT8: [JunctionId; 2] = [Trunk(2), Exit { exit: 2, junction: 1 }];

fn network(trained: &Trained, recipe: &Recipe) -> Network {
    let dir = tempfile::tempdir().unwrap();
    import(&mut Source::open(&trained.write(dir.path())).unwrap(), recipe.clone()).unwrap().network
}

/// The recipe of the tests with activations that int8 has.
fn clamped() -> Recipe {
    let toml = recipe().to_toml().replace("leaky_relu", "relu6").replace("sigmoid", "relu");
    let lines = toml.lines().filter(|line| !line.starts_with("slope"));
    Recipe::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap()
}

fn samples(width: usize, count: usize) -> Dataset {
    let mut random = Random(7);
    let values = (0..width * count).map(|_| random.below(256) as f32 / 255.0).collect();
    Dataset::new(width, values, (0..count).map(|at| at as u16 % 5).collect()).unwrap()
}

fn quantised(recipe: &Recipe, data: &Dataset, how: &Quantising<'_>) -> Result<Converted, ConvertError> {
    convert_network_i8(&network(&Trained::of(recipe), recipe), data, how)
}

fn refused(recipe: &Recipe, data: &Dataset, how: &Quantising<'_>) -> Int8Error {
    match quantised(recipe, data, how).unwrap_err() {
        ConvertError::Int8(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn every_calibration_and_goal_comes_out() {
    let recipe = clamped();
    let profiles = ["x86-64-avx2", "x86-64-avx512", "aarch64-generic"].map(|name| Profile::load(name).unwrap());
    let goals: Vec<_> =
        profiles.iter().map(|profile| Goal::Speed { profile, inputs: &[] }).chain([Goal::Size]).collect();
    for calibration in [Calibration::MinMax, Calibration::Percentile, Calibration::Mse] {
        for goal in goals.iter().copied() {
            let how = Quantising { calibration: Some(calibration), goal, ..Quantising::default() };
            let converted = quantised(&recipe, &samples(40, 50), &how).unwrap();
            let head = Model::parse(&converted.head, &KernelSet::ALL).unwrap();
            let tail = Model::parse(converted.tail.as_ref().unwrap(), &KernelSet::ALL).unwrap();
            // Bytes of a picture stay what they are, less 128; the tail takes what the head hands over.
            let input = head.input().unwrap();
            assert_eq!((input.zero, input.scale), (-128, 1.0 / 255.0));
            assert!(tail.input().unwrap().is(&head.output().unwrap()));
        }
    }
}

/// A profile in which dense costs 1 a weight and `family` a tenth of that, in int8; of f32 it knows dense alone.
fn favouring(family: &str) -> Profile {
    let dense = "family = \"dense\"\npoints = [[10, 10, 1.0, 1.0, 1.0]]";
    let about = "isa = \"scalar\"\nprocessor = \"none\"";
    let text = format!(
        "name = \"test\"\n{about}\n[[packing]]\n{dense}\n[int8]\n{about}\n[[int8.packing]]\n{dense}\n\
         [[int8.packing]]\nfamily = \"{family}\"\npoints = [[10, 10, 0.5, 0.1, 0.0]]"
    );
    Profile::parse("test", &text).unwrap()
}

#[test]
fn packings_are_what_the_target_does_fastest() {
    let random = "pattern = \"random\"\nout_degree = 4";
    for (pattern, density, family) in [
        (random, 8, "windows 16 x8"),
        (random, 8, "windows 32 x16"),
        (random, 8, "windows 64 x16"),
        (random, 8, "rows8"),
        (random, 8, "input_major8"),
        (random, 8, "input_major16"),
        ("pattern = \"block\"\nrows = 16\ncols = 4\ndensity = 0.25", 4, "block 16x4"),
        ("pattern = \"nm\"\nn = 4\nm = 16", 4, "nm_lanes 16 x8"),
        ("pattern = \"nm\"\nn = 4\nm = 32", 8, "nm_lanes 32 x16"),
        ("pattern = \"nm\"\nn = 4\nm = 64", 16, "nm_lanes 64 x16"),
    ] {
        let text = format!(
            "name = \"one\"\nclasses = 3\n[input]\nwidth = 128\n[[junction]]\noutputs = 32\n{pattern}\n[[junction]]\noutputs = 3\n"
        );
        let recipe = Recipe::parse(&text).unwrap();
        let profile = favouring(family);
        let few = lacewing_converter::calibrate::NonzeroInputs { mean: 0.2, worst: 0.4, samples: 20 };
        let inputs = [few, few];
        let goal = Goal::Speed { profile: &profile, inputs: &inputs };
        let how = Quantising { goal, ..Quantising::default() };
        let converted = quantised(&recipe, &samples(128, 20), &how).unwrap();
        let choice = &converted.junctions[0].choice;
        assert_eq!(lacewing_converter::profile::family(&choice.packing), family, "{choice:?}");
        assert!(choice.reason.contains("estimated on test, dense"), "{choice:?}");
        // An f32 junction among them goes by the profile's times of f32.
        let mixed = quantised(&recipe, &samples(128, 20), &Quantising { keep_f32: &[Trunk(1)], ..how }).unwrap();
        assert_eq!(mixed.junctions[0].choice.packing.to_string(), "dense");
        // Without calibration no zero is known of.
        let unknown = Goal::Speed { profile: &profile, inputs: &[] };
        let unknown = quantised(&recipe, &samples(128, 20), &Quantising { goal: unknown, ..how }).unwrap();
        assert_eq!(
            unknown.junctions[0].choice.packing == choice.packing,
            !family.starts_with("input_major"),
            "{family}"
        );
        // A hair faster than dense is not enough.
        let hair = format!("{:.4}", 0.99 * f64::from(density));
        let hair = Profile::parse("hair", &profile.to_toml().replace("0.1000", &hair)).unwrap();
        let goal = Goal::Speed { profile: &hair, inputs: &[] };
        let hair = quantised(&recipe, &samples(128, 20), &Quantising { goal, ..how }).unwrap();
        assert_eq!(hair.junctions[0].choice.packing.to_string(), "dense", "{family}");
    }
    let silent = Profile { int8: None, ..favouring("rows8") };
    let goal = Goal::Speed { profile: &silent, inputs: &[] };
    let how = Quantising { goal, ..Quantising::default() };
    assert_eq!(refused(&clamped(), &samples(40, 20), &how), Int8Error::NoTimes("test".into()));
}

#[test]
fn inputs_that_are_no_bytes_get_a_scale_of_their_own() {
    let values = (0..40 * 30).map(|at| (at % 41) as f32 / 10.0 - 2.0).collect();
    let converted = quantised(&clamped(), &Dataset::new(40, values, vec![0; 30]).unwrap(), &Quantising::default());
    let bytes = converted.unwrap().head;
    let input = Model::parse(&bytes, &KernelSet::ALL).unwrap().input().unwrap();
    assert!(input.packs() && (input.dequantise(127) - 2.0).abs() < 0.02 && input.dequantise(input.zero) == 0.0);
}

#[test]
fn data_that_does_not_serve() {
    let refuse = |data: Dataset| refused(&clamped(), &data, &Quantising::default());
    assert_eq!(refuse(Dataset::new(40, vec![], vec![]).unwrap()), Int8Error::Empty);
    assert_eq!(refuse(samples(39, 3)), Int8Error::Width { needed: 40, found: 39 });
    assert_eq!(refuse(Dataset::new(40, vec![0.5; 80], vec![0; 2]).unwrap()), Int8Error::Constant);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = samples(40, 3).values().to_vec();
        values[40 + 7] = bad;
        // A data set refuses such values of its own, or int8 does.
        match Dataset::new(40, values, vec![0; 3]) {
            Ok(data) => assert_eq!(refuse(data), Int8Error::NotFinite(1)),
            Err(error) => assert!(error.to_string().contains("finite"), "{error}"),
        }
    }
}

/// Scales of zero, of subnormal size and of infinity: a dead junction, one that is nearly dead, one that overflows.
#[test]
fn ranges_that_make_no_scale() {
    let recipe = clamped();
    for (factor, bias) in [(0.0, -1.0), (1e-42, 0.0), (1e38, 0.0)] {
        let mut trained = Trained::of(&recipe);
        let weights = trained.tensor("junction.1.weight");
        (0..800).for_each(|at| weights.set_f32(at, weights.get_f32(at) * factor));
        let biases = trained.tensor("junction.1.bias");
        (0..20).for_each(|at| biases.set_f32(at, bias));
        let error = convert_network_i8(&network(&trained, &recipe), &samples(40, 20), &Quantising::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains("junction") && error.contains("no scale"), "{factor}: {error}");
    }
}

#[test]
fn sums_that_could_overflow_are_refused_by_name() {
    let recipe = clamped();
    let mut trained = Trained::of(&recipe);
    let weights = trained.tensor("junction.1.weight");
    // Weights too small beside their bias: in their steps it is beyond 2³⁰, in larger steps they would be lost, and the outputs
    // are small themselves, the bias being below zero in front of a ReLU.
    (0..40).for_each(|at| weights.set_f32(2 * 40 + at, weights.get_f32(2 * 40 + at) * 1e-9));
    trained.tensor("junction.1.bias").set_f32(2, -1e6);
    let error = convert_network_i8(&network(&trained, &recipe), &samples(40, 20), &Quantising::default()).unwrap_err();
    let ConvertError::Int8(error) = error else { panic!("{error}") };
    assert_eq!(error, Int8Error::Overflow { junction: Trunk(1), output: 2 });
    assert!(error.to_string().starts_with("junction 1: the int32 sum of output 2 could overflow"));
}

/// A bias beyond 2³⁰ steps of its row's weights gets larger steps, where that moves no output.
#[test]
fn weights_far_below_their_bias_get_larger_steps() {
    let recipe = clamped();
    let mut trained = Trained::of(&recipe);
    let weights = trained.tensor("junction.3.weight");
    (0..16).for_each(|at| weights.set_f32(2 * 16 + at, 1e-9));
    trained.tensor("junction.3.bias").set_f32(2, 100.0);
    convert_network_i8(&network(&trained, &recipe), &samples(40, 20), &Quantising::default()).unwrap();
}

#[test]
fn activations_without_an_int8_form_stay_f32_or_are_refused() {
    let data = samples(40, 50);
    let error = refused(&recipe(), &data, &Quantising::default());
    assert_eq!(error, Int8Error::Activation { junction: Trunk(2), activation: "leaky_relu" });
    let missing = refused(&recipe(), &data, &Quantising { keep_f32: &[Trunk(9)], ..Quantising::default() });
    assert_eq!(missing, Int8Error::NoSuchJunction(Trunk(9)));

    let how = Quantising { keep_f32: &NOT_INT8, ..Quantising::default() };
    let converted = quantised(&recipe(), &data, &how).unwrap();
    let head = Model::parse(&converted.head, &KernelSet::ALL).unwrap();
    let tail = Model::parse(converted.tail.as_ref().unwrap(), &KernelSet::ALL).unwrap();
    // The head is int8 throughout and hands over int8; the tail's f32 junctions take them as numbers.
    assert!(head.input().is_some() && tail.input().is_none());
    let elements: Vec<bool> = tail.operations().map(|operation| operation.output.is_some()).collect();
    assert_eq!(elements, [false, false, true, true]);
}

/// An int8 tail behind a head with f32 junctions takes f32 features; head and tail of any sort fit each other.
#[test]
fn f32_and_int8_meet_at_every_boundary() {
    let (recipe, data) = (clamped(), samples(40, 50));
    let branch = |junction| Exit { exit: 2, junction };
    let kept: [&[JunctionId]; 6] = [
        &[Trunk(1)],
        &[Trunk(2), Trunk(3)],
        &[Trunk(3)],
        &[Exit { exit: 1, junction: 1 }],
        &[branch(1)],
        &[Trunk(1), Trunk(2), Trunk(3), Exit { exit: 1, junction: 1 }, branch(1), branch(2)],
    ];
    for keep_f32 in kept {
        let how = Quantising { keep_f32, ..Quantising::default() };
        let converted = quantised(&recipe, &data, &how).unwrap_or_else(|error| panic!("{keep_f32:?}: {error}"));
        let head = Model::parse(&converted.head, &KernelSet::ALL).unwrap();
        let tail = Model::parse(converted.tail.as_ref().unwrap(), &KernelSet::ALL).unwrap();
        let in_head = |id: &JunctionId| matches!(id, Trunk(1) | Exit { exit: 1, .. });
        assert_eq!(head.input().is_some(), !keep_f32.iter().any(in_head), "{keep_f32:?}");
        assert!(tail.input().is_none(), "{keep_f32:?}");
        let f32s = head.operations().chain(tail.operations()).filter(|operation| operation.output.is_none()).count();
        assert_eq!(f32s, keep_f32.len());
    }
}

#[test]
fn the_door_needs_data_and_writes_nothing_without() {
    let dir = tempfile::tempdir().unwrap();
    let file = Trained::of(&clamped()).write(dir.path());
    let out = dir.path().join("out");
    let error = convert(&file, None, &out, &Options { dtype: Dtype::I8, ..Options::default() }).unwrap_err();
    assert!(matches!(error, ConvertError::Int8(Int8Error::NoData)) && support::names(&out).is_empty());
}

/// A weight that rounds to 0 is still an edge, and what the mask leaves out stays out.
#[test]
fn the_mask_is_kept() {
    let recipe = clamped();
    let mut trained = Trained::of(&recipe);
    let weights = trained.tensor("junction.1.weight");
    let first = (0..40).find(|at| weights.get_f32(*at) != 0.0).unwrap();
    weights.set_f32(first, 1e-6);
    let converted = convert_network_i8(&network(&trained, &recipe), &samples(40, 20), &Quantising::default()).unwrap();
    let head = Model::parse(&converted.head, &KernelSet::ALL).unwrap();
    let plan = inspect(&head);
    assert_eq!((plan.junctions[0].nnz, plan.junctions[0].in_degree.constant()), (200, Some(10)));
}

/// Indices of random masks of constant in-degree take at most 1.35 of what their entropy is, whole junction, up to a density of ¼.
#[test]
fn indices_are_near_their_entropy() {
    let mut seen = Vec::new();
    for (width, out_degrees) in
        [(64, &[20, 10, 5][..]), (160, &[20, 10, 8, 4, 2, 1]), (800, &[20, 10, 8, 4, 2, 1]), (4000, &[20, 3, 1])]
    {
        for out_degree in out_degrees {
            let toml = format!(
                "name = \"random\"\nclasses = 4\n[input]\nwidth = {width}\n[[junction]]\noutputs = 80\nactivation = \"relu\"\n\
                 pattern = \"random\"\nout_degree = {out_degree}\n[[junction]]\noutputs = 4"
            );
            let recipe = Recipe::parse(&toml).unwrap();
            let converted = quantised(&recipe, &samples(width, 20), &Quantising::default()).unwrap();
            let plan = inspect(&Model::parse(&converted.head, &KernelSet::ALL).unwrap());
            let junction = &plan.junctions[0];
            let (bits, entropy) = (junction.index_bits, junction.index_entropy);
            assert!(
                entropy > 1.0 && bits >= entropy && bits <= 1.35 * entropy,
                "{width} {out_degree}: {bits} {entropy}"
            );
            seen.push(junction.packing.clone());
        }
    }
    assert!(
        seen.iter().any(|name| name.starts_with("rice k=1")) && seen.iter().any(|name| name.starts_with("rice k=5"))
    );
}
