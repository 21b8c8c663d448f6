//! Packing for targets: what a profile says is fastest is taken, and a file packed anew computes the same.

mod support;

use lacewing_converter::convert::{Converted, convert_network, convert_network_for};
use lacewing_converter::import::import;
use lacewing_converter::inspect::inspect;
use lacewing_converter::network::Network;
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::Profile;
use lacewing_converter::repack::{RepackError, repack};
use lacewing_converter::source::Source;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome, Scratch};
use lacewing_models::Recipe;
use support::{Random, Trained, recipe};

/// A profile in which `family` costs a tenth of dense.
fn favouring(family: &str) -> Profile {
    let text = format!(
        r#"
        name = "test"
        isa = "scalar"
        processor = "none"
        [[packing]]
        family = "dense"
        points = [[10, 10, 1.0, 1.0, 1.0]]
        [[packing]]
        family = "{family}"
        points = [[10, 10, 0.5, 0.1, 0.0]]
        "#
    );
    Profile::parse("test", &text).unwrap()
}

fn network(recipe: &Recipe) -> Network {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(&Trained::of(recipe).write(dir.path())).unwrap();
    import(&mut source, recipe.clone()).unwrap().network
}

fn convert_for(network: &Network, profile: &Profile) -> Converted {
    convert_network_for(network, Goal::Speed { profile, inputs: &[] }, None, &|_, _| {}).unwrap()
}

/// Keeps every exit's logits and goes on.
struct Recorder(Vec<f32>);

impl ExitPolicy for Recorder {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.extend(exit.logits());
        Decision::Continue
    }
}

/// All logits and features of a head on one input, and the logits of a tail that goes on from there.
fn run(head: &[u8], tail: &[u8], input: &[f32]) -> Vec<f32> {
    let (head, tail) = (Model::parse(head, &KernelSet::ALL).unwrap(), Model::parse(tail, &KernelSet::ALL).unwrap());
    let (mut head_scratch, mut tail_scratch) = (Scratch::<4096>::new(), Scratch::<4096>::new());
    let mut head = Engine::new(&head, &mut head_scratch).unwrap();
    let mut tail = Engine::new(&tail, &mut tail_scratch).unwrap();
    let mut recorder = Recorder(Vec::new());
    head.load(input).unwrap();
    let Outcome::Offload { features, .. } = head.run(&mut recorder) else { panic!("a head hands over") };
    recorder.0.extend(features.values());
    tail.resume(&features, &mut recorder).unwrap();
    recorder.0.extend(tail.logits());
    recorder.0
}

#[test]
fn any_head_goes_with_any_tail_whatever_they_were_packed_for() {
    let network = network(&recipe());
    let plain = convert_network(&network, None).unwrap();
    let targets = ["windows 8 x8", "rows8", "block 4x1"].map(favouring);
    let mut all = vec![plain.clone()];
    all.extend(targets.iter().map(|profile| convert_for(&network, profile)));
    assert!(all[1].junctions[0].choice.packing.to_string().starts_with("windows"), "{:?}", all[1].junctions[0].choice);
    let mut random = Random(77);
    let inputs: Vec<Vec<f32>> = (0..20).map(|_| (0..40).map(|_| random.weight()).collect()).collect();
    let tail_of = |converted: &Converted| converted.tail.clone().unwrap();
    for input in &inputs {
        let want = run(&plain.head, &tail_of(&plain), input);
        for head in &all {
            for tail in &all {
                let found = run(&head.head, &tail_of(tail), input);
                assert_eq!(found.len(), want.len());
                for (found, want) in found.iter().zip(&want) {
                    assert!((found - want).abs() <= 1e-5 * want.abs().max(1.0), "{found}, want {want}");
                }
            }
        }
    }
}

#[test]
fn a_file_goes_to_a_target_and_comes_back_as_it_was() {
    let network = network(&recipe());
    let plain = convert_network(&network, None).unwrap();
    for file in [&plain.head, plain.tail.as_ref().unwrap()] {
        let profile = favouring("windows 8 x8");
        let there = repack(file, Goal::Speed { profile: &profile, inputs: &[] }, &|_, _| {}).unwrap();
        assert!(there.verified.samples > 0);
        let model = Model::parse(&there.bytes, &KernelSet::ALL).unwrap();
        let (old, new) = (inspect(&Model::parse(file, &KernelSet::ALL).unwrap()), inspect(&model));
        assert_eq!((old.pair_id, &old.exits, &old.class_names), (new.pair_id, &new.exits, &new.class_names));
        for (old, new) in old.junctions.iter().zip(&new.junctions) {
            assert_eq!((&old.place, old.nnz, old.in_degree), (&new.place, new.nnz, new.in_degree));
        }
        let back = repack(&there.bytes, Goal::Size, &|_, _| {}).unwrap();
        assert!(&back.bytes == file, "canonical → windows → canonical changes a file");
    }
    // The head has a sparse junction: something did change on the way.
    let profile = favouring("windows 8 x8");
    let there = repack(&plain.head, Goal::Speed { profile: &profile, inputs: &[] }, &|_, _| {}).unwrap();
    assert!(there.junctions[0].to.starts_with("windows") && there.bytes != plain.head, "{:?}", there.junctions);
}

#[test]
fn every_packing_can_win_and_dense_wins_near_ties() {
    let (rows, block) = ("rows8", "block 8x1");
    for (pattern, family) in [
        ("pattern = \"random\"\nout_degree = 8", rows),
        ("pattern = \"random\"\nout_degree = 8", "windows 8 x8"),
        ("pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.25", block),
        ("pattern = \"nm\"\nn = 2\nm = 8", "nm_lanes 8 x8"),
    ] {
        let text = format!(
            "name = \"one\"\nclasses = 3\n[input]\nwidth = 64\n[[junction]]\noutputs = 32\n{pattern}\n[[junction]]\noutputs = 3\n"
        );
        let network = network(&Recipe::parse(&text).unwrap());
        let packed = convert_for(&network, &favouring(family));
        let choice = &packed.junctions[0].choice;
        assert_eq!(lacewing_converter::profile::family(&choice.packing), family, "{choice:?}");
        assert!(choice.reason.contains("estimated on test"), "{choice:?}");
        // Dense is kept where the family is a hair faster only.
        let hair = favouring(family).to_toml().replace("0.1000", "3.9600");
        let hair = convert_for(&network, &Profile::parse("hair", &hair).unwrap());
        assert_eq!(hair.junctions[0].choice.packing.to_string(), "dense", "{family}");
    }
}

#[test]
fn zero_inputs_count_only_when_calibrated() {
    let text = "name = \"one\"\nclasses = 3\n[input]\nwidth = 64\n[[junction]]\noutputs = 32\npattern = \"random\"\nout_degree = 8\n[[junction]]\noutputs = 3\n";
    let network = network(&Recipe::parse(text).unwrap());
    let profile = favouring("input_major8");
    let packing = |inputs: &[_]| {
        let goal = Goal::Speed { profile: &profile, inputs };
        let converted = convert_network_for(&network, goal, None, &|_, _| {}).unwrap();
        (converted.junctions[0].choice.packing.to_string(), converted.junctions[0].choice.reason.clone())
    };
    assert_eq!(packing(&[]).0, "dense");
    let share = lacewing_converter::calibrate::NonzeroInputs { mean: 0.19, worst: 0.4, samples: 10 };
    let (packing, reason) = packing(&[share]);
    assert!(packing.starts_with("input_major8"), "{packing}: {reason}");
    assert!(reason.contains("19 %") && reason.contains("40 % at worst, which takes"), "{reason}");
}

#[test]
fn the_cautious_rule_is_kept() {
    let network = network(&recipe());
    let profile = Profile::load("aarch64-generic").unwrap();
    let first = &convert_for(&network, &profile).junctions[0];
    assert!(first.choice.packing.to_string().starts_with("rows8"), "{:?}", first.choice);
    let strict = profile.to_toml().replace("dense_above = 0.33", "dense_above = 0.1");
    let first = &convert_for(&network, &Profile::parse("strict", &strict).unwrap()).junctions[0];
    assert_eq!(first.choice.packing.to_string(), "dense");
    assert!(first.choice.reason.contains("by rule"), "{:?}", first.choice);
}

#[test]
fn what_is_no_model_is_not_packed() {
    assert!(matches!(repack(b"no model", Goal::Size, &|_, _| {}), Err(RepackError::Parse(_))));
}

#[test]
fn sections_for_wide_vectors_begin_at_cache_lines() {
    let network = network(&recipe());
    let plain = convert_network(&network, None).unwrap();
    for (isa, align) in [("scalar", 16), ("neon", 16), ("avx2", 64), ("avx512", 64)] {
        let profile = favouring("windows 8 x8").to_toml().replace("scalar", isa);
        let profile = Profile::parse(isa, &profile).unwrap();
        let files = convert_for(&network, &profile);
        let repacked = repack(&plain.head, Goal::Speed { profile: &profile, inputs: &[] }, &|_, _| {}).unwrap();
        for file in [&files.head, files.tail.as_ref().unwrap(), &repacked.bytes] {
            let model = Model::parse(file, &KernelSet::ALL).unwrap();
            let mut offsets = Vec::new();
            for operation in model.operations() {
                let parts = operation.junction.parts();
                let sections = [parts.weights, parts.counts, parts.index, parts.bias].into_iter();
                let there = sections.filter(|section| !section.is_empty());
                offsets.extend(there.map(|section| section.as_ptr() as usize - file.as_ptr() as usize));
            }
            assert!(offsets.iter().all(|at| at % align == 0), "{isa}: {offsets:?}");
            assert!(align == 64 || offsets.iter().any(|at| at % 64 != 0), "{isa}: {offsets:?}");
        }
        let back = repack(&repacked.bytes, Goal::Size, &|_, _| {}).unwrap();
        assert!(back.bytes == plain.head, "there and back changes a file ({isa})");
    }
}
