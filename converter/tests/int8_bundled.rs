//! Every bundled network in int8, on the whole test set.

use lacewing_converter::compare::{Comparison, compare};
use lacewing_converter::convert::{Converted, convert_network, convert_network_i8};
use lacewing_converter::import::import;
use lacewing_converter::int8::{Calibration, Quantising};
use lacewing_converter::latency::Contender;
use lacewing_converter::source::Source;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{Part, bundled_mnist, load_for};
use lacewing_models::{Dataset, Recipe, bundled};

fn names() -> Vec<String> {
    let folder = bundled::recipe("x").parent().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names: Vec<_> = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert!(names.len() >= 10, "{names:?}");
    names
}

fn compared(one: &Converted, other: &Converted, test: &Dataset) -> Comparison {
    let parse = |bytes| Model::parse(bytes, &KernelSet::ALL).unwrap();
    let (heads, tails) = ([one, other].map(|c| parse(&c.head)), [one, other].map(|c| c.tail.as_deref().map(parse)));
    let [one, other] = [0, 1].map(|at| Contender { head: &heads[at], tail: tails[at].as_ref() });
    compare(one, other, test, None, &|_| {}).unwrap()
}

/// Post-training quantisation keeps the accuracy of each, exits and tail at work, within 0.3 points.
#[test]
fn accuracy_is_kept() {
    for name in names() {
        let recipe = Recipe::read(bundled::recipe(&name)).unwrap();
        let mut source = Source::open(&bundled::weights(&name)).unwrap();
        let network = import(&mut source, recipe.clone()).unwrap().network;
        let load = |part| load_for(bundled_mnist(), part, &recipe).unwrap();
        let (validation, test) = (load(Part::Validation), load(Part::Test));
        let f32s = convert_network(&network, None).unwrap();
        let calibration = Calibration::MinMax;
        let int8 = convert_network_i8(
            &network,
            &validation,
            &Quantising { calibration: Some(calibration), ..Quantising::default() },
        );
        let found = compared(&f32s, &int8.unwrap(), &test);
        let (one, other) = (found.one, found.other);
        assert_eq!((one.element, other.element, other.evaluation.samples), ("f32", "i8", 10_000), "{name}");
        let lost = one.evaluation.accuracy - other.evaluation.accuracy;
        assert!(lost.abs() <= 0.003, "{name}: {lost}");
        assert!(found.disagreements < 500, "{name}: {}", found.disagreements);
        assert!(
            found.largest_logit_error > 0.0 && found.largest_logit_error < 20.0,
            "{name}: {}",
            found.largest_logit_error
        );
        let most = match name.as_str() {
            "paper-800-40-40-10" => 6_000,
            "paper-800-100-10-fo10" => 18_000,
            _ => one.file_bytes / 2,
        };
        assert!(other.file_bytes <= most, "{name}: {} of {}", other.file_bytes, one.file_bytes);
    }
}
