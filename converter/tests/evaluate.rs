//! Evaluation by its definitions, and the comparison that every conversion ends with, on networks small enough to check by
//! hand.

mod support;

use core::sync::atomic::{AtomicUsize, Ordering};

use lacewing_converter::convert::{Converted, convert_network};
use lacewing_converter::encode::{SectionAlign, encode};
use lacewing_converter::evaluate::{EvaluateError, Evaluation, evaluate, plain_input};
use lacewing_converter::import::import;
use lacewing_converter::network::Network;
use lacewing_converter::pack::pack;
use lacewing_converter::settled::Settled;
use lacewing_converter::source::Source;
use lacewing_converter::verify::{VerifyError, verify};
use lacewing_engine::{KernelSet, Model, Part};
use lacewing_kernels::{IndexWidth, Packing};
use lacewing_models::{Dataset, Recipe};
use support::{Raw, Trained, recipe};

fn network(recipe: &Recipe, trained: &Trained) -> Network {
    let dir = tempfile::tempdir().unwrap();
    import(&mut Source::open(&trained.write(dir.path())).unwrap(), recipe.clone()).unwrap().network
}

/// The exit shows the input as it is, the end of the trunk shows it swapped.
fn swapping(split: Option<usize>) -> Converted {
    let toml = "name = \"swap\"\nclasses = 2\n[input]\nwidth = 2\nscale = 0.5\n[[junction]]\noutputs = 2\n\
                [[junction]]\noutputs = 2\n[[exit]]\nafter = 1\nmetric = \"margin\"\nthreshold = 0.5";
    let mut recipe = Recipe::parse(toml).unwrap();
    recipe.split = split;
    let mut trained = Trained::of(&recipe);
    let (same, swap) = (Raw::f32(&[2, 2], &[1.0, 0.0, 0.0, 1.0]), Raw::f32(&[2, 2], &[0.0, 1.0, 1.0, 0.0]));
    for (name, weight) in [("junction.1", &same), ("exit.1.junction.1", &same), ("junction.2", &swap)] {
        trained.tensors.insert(format!("{name}.weight"), weight.clone());
        trained.tensors.insert(format!("{name}.bias"), Raw::f32(&[2], &[0.0; 2]));
        trained.tensors.remove(&format!("{name}.mask"));
    }
    convert_network(&network(&recipe, &trained), None).unwrap()
}

/// Sure and right; unsure, where only the tail is right; sure and wrong.
fn samples() -> Dataset {
    Dataset::new(2, vec![1.0, 0.0, 0.6, 0.5, 0.0, 1.0], vec![0, 1, 0]).unwrap()
}

fn run(converted: &Converted, with_tail: bool, threshold: Option<f32>) -> Result<Evaluation, EvaluateError> {
    let head = Model::parse(&converted.head, &KernelSet::ALL).unwrap();
    let tail = converted.tail.as_ref().filter(|_| with_tail);
    let tail = tail.map(|tail| Model::parse(tail, &KernelSet::ALL).unwrap());
    let done = AtomicUsize::new(0);
    let result = evaluate(&head, tail.as_ref(), &samples(), threshold, &|more| {
        done.fetch_add(more, Ordering::Relaxed);
    });
    assert!(result.is_err() || done.load(Ordering::Relaxed) == 3);
    result
}

#[test]
fn with_the_tail() {
    let found = serde_json::to_value(run(&swapping(Some(1)), true, None).unwrap()).unwrap();
    let want = serde_json::json!({
        "samples": 3, "correct": 2, "accuracy": 2.0 / 3.0, "answered_on_device": 2.0 / 3.0, "offloaded": 1,
        "bytes_per_sample": 8.0 / 3.0, "packet_bytes_per_sample": 28.0 / 3.0,
        "packet_bytes_without_zeros_per_sample": 28.0 / 3.0,
        "exits": [{"exit": 1, "after": 1, "metric": "margin", "threshold": 0.5, "answered": 2, "correct": 1, "accuracy": 0.5}],
        "tail": {"answered": 1, "correct": 1, "accuracy": 1.0, "exits": [
            {"exit": 2, "after": 2, "metric": "max_probability", "answered": 1, "correct": 1, "accuracy": 1.0}]},
    });
    assert_eq!(found, want);
}

#[test]
fn without_the_tail_the_last_exit_answers() {
    let found = run(&swapping(Some(1)), false, None).unwrap();
    assert_eq!((found.correct, found.offloaded, found.exits[0].score.answered), (1, 1, 2));
    assert_eq!(found.fallback.map(|score| (score.answered, score.correct)), Some((1, 0)));
    assert!(found.tail.is_none() && (found.bytes_per_sample - 8.0 / 3.0).abs() < 1e-12);
}

#[test]
fn one_threshold_for_all_exits() {
    let never = run(&swapping(Some(1)), true, Some(2.0)).unwrap();
    assert_eq!((never.correct, never.offloaded, never.answered_on_device), (2, 3, 0.0));
    assert_eq!((never.bytes_per_sample, never.exits[0].threshold), (8.0, Some(2.0)));
    let always = run(&swapping(Some(1)), true, Some(0.0)).unwrap();
    assert_eq!(
        (always.correct, always.offloaded, always.answered_on_device, always.bytes_per_sample),
        (1, 0, 1.0, 0.0)
    );
}

#[test]
fn a_whole_network_always_answers() {
    let found = run(&swapping(None), false, None).unwrap();
    assert_eq!((found.correct, found.offloaded, found.answered_on_device), (2, 0, 1.0));
    let exits: Vec<_> = found.exits.iter().map(|e| (e.exit, e.score.answered, e.score.correct, e.threshold)).collect();
    assert_eq!(exits, [(1, 2, 1, Some(0.5)), (2, 1, 1, None)]);
    assert!(found.tail.is_none() && found.fallback.is_none());
}

#[test]
fn models_and_data_that_do_not_fit() {
    let (split, whole, other) = (
        swapping(Some(1)),
        swapping(None),
        convert_network(&network(&recipe(), &Trained::of(&recipe())), None).unwrap(),
    );
    let parse = |bytes| Model::parse(bytes, &KernelSet::ALL).unwrap();
    let (head, tail) = (parse(&split.head), parse(split.tail.as_ref().unwrap()));
    let (whole, other_tail) = (parse(&whole.head), parse(other.tail.as_ref().unwrap()));
    let check = |head: &Model<'_>, tail: Option<&Model<'_>>, data: &Dataset, threshold, words: &str| {
        let error = evaluate(head, tail, data, threshold, &|_| {}).unwrap_err().to_string();
        assert!(error.contains(words), "no {words:?} in: {error}");
    };
    check(&tail, None, &samples(), None, "give its head");
    check(&whole, Some(&tail), &samples(), None, "leave the tail out");
    check(&head, Some(&whole), &samples(), None, "is a whole");
    check(&head, Some(&other_tail), &samples(), None, "pair id");
    check(&head, None, &samples(), Some(f32::NAN), "not a finite number");
    check(&head, None, &Dataset::new(2, vec![], vec![]).unwrap(), None, "empty");
    check(&head, None, &Dataset::new(3, vec![0.0; 3], vec![0]).unwrap(), None, "3 values where the network has 2");
    check(&head, None, &Dataset::new(2, vec![0.0; 4], vec![0, 2]).unwrap(), None, "sample 1 has label 2");
    let mut no_exit = recipe();
    no_exit.exits.clear();
    let no_exit = convert_network(&network(&no_exit, &Trained::of(&no_exit)), None).unwrap();
    let data = Dataset::new(40, vec![0.0; 40], vec![0]).unwrap();
    check(&parse(&no_exit.head), None, &data, None, "no exit");
    assert_eq!(
        evaluate(&parse(&no_exit.head), no_exit.tail.as_deref().map(parse).as_ref(), &data, None, &|_| {})
            .unwrap()
            .offloaded,
        1
    );
}

#[test]
fn the_model_says_how_its_input_is_scaled() {
    let scaled = swapping(None);
    assert_eq!(plain_input(&Model::parse(&scaled.head, &KernelSet::ALL).unwrap()).scale, Some(0.5));
    let bytes = convert_network(&network(&recipe(), &Trained::of(&recipe())), None).unwrap();
    let input = plain_input(&Model::parse(&bytes.head, &KernelSet::ALL).unwrap());
    assert_eq!((input.scale, input.width), (None, 40));
}

/// The checksum of a changed file, so that only the comparison can find the change.
fn seal(file: &mut [u8]) {
    file[12..16].fill(0);
    let checksum = crc32fast::hash(file);
    file[12..16].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn a_wrong_number_in_the_output_is_found() {
    let network = network(&recipe(), &Trained::of(&recipe()));
    let Converted { head, tail, .. } = convert_network(&network, None).unwrap();
    let tail = tail.unwrap();
    assert!(verify(&network, &head, Some(&tail), None).is_ok());
    let mut found = [0; 2];
    for (file, bytes) in [&head, &tail].into_iter().enumerate() {
        // Every 40th number of the sections, off by a 30th: the records take 64 + 48 an operation + 32 an exit.
        let operations = usize::from(bytes[21]);
        let start = 64 + 48 * operations + 32 * usize::from(bytes[22]);
        for at in (start..bytes.len() - 3).step_by(4).step_by(40) {
            let mut wrong = bytes.to_vec();
            let number: &mut [u8; 4] = (&mut wrong[at..at + 4]).try_into().unwrap();
            let value = f32::from_le_bytes(*number);
            if !(0.01..2.0).contains(&value.abs()) {
                continue;
            }
            *number = (value * (1.0 + 1.0 / 30.0)).to_le_bytes();
            seal(&mut wrong);
            let result = if file == 0 {
                verify(&network, &wrong, Some(&tail), None)
            } else {
                verify(&network, &head, Some(&wrong), None)
            };
            assert!(matches!(result, Err(VerifyError::Differs { .. })), "byte {at} of file {file}: {result:?}");
            found[file] += 1;
        }
    }
    assert!(found[0] >= 5 && found[1] >= 8, "{found:?}");
    assert!(matches!(verify(&network, &tail, Some(&tail), None), Err(VerifyError::Width(_))));
    assert!(matches!(verify(&network, &head, None, None), Err(VerifyError::Path { .. })));
    assert!(matches!(verify(&network, &head[..head.len() - 1], None, None), Err(VerifyError::Parse(_))));
}

#[test]
fn numbers_beyond_f32_are_said() {
    let mut trained = Trained::of(&recipe());
    trained.tensors.insert("junction.2.weight".into(), Raw::f32(&[16, 20], &[3e38; 320]));
    let error = convert_network(&network(&recipe(), &trained), None).unwrap_err().to_string();
    assert!(error.contains("exit 2") && error.contains("beyond what f32 holds"), "{error}");
}

/// Heads and tails of one network go together however they are packed: order never leaks.
#[test]
fn any_head_works_with_any_tail() {
    let network = network(&recipe(), &Trained::of(&recipe()));
    let converted = convert_network(&network, None).unwrap();
    let packings = [
        Packing::Dense,
        Packing::Csr { index: IndexWidth::Absolute16 },
        Packing::Block { rows: 1, cols: 1, blocks: 0 },
    ];
    let mut parts: Vec<(Settled<u8>, Settled<u8>)> = vec![(converted.head, converted.tail.unwrap())];
    for packing in packings {
        let mut junctions = converted.junctions.clone();
        for (planned, trained) in junctions.iter_mut().zip(network.junctions()) {
            planned.packed = pack(&trained.edges, &trained.bias, trained.activation, packing).unwrap();
        }
        let part = |part| encode(&network, &junctions, part, SectionAlign::To16).unwrap();
        parts.push((part(Part::Head), part(Part::Tail)));
    }
    for (head, _) in &parts {
        for (_, tail) in &parts {
            verify(&network, head, Some(tail), None).unwrap();
        }
    }
}
