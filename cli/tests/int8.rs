//! Training for int8 on the bundled MNIST, from the trainer to the engine.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use lacewing_converter::convert::{Dtype, Options, convert};
use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{Confidence, Engine, ExitPolicy, KernelSet, Model, Never, Outcome, Q15};
use lacewing_models::data::{Part, bundled_mnist, load_for};
use lacewing_models::recipe::{Int8Training, Training};
use lacewing_models::{Dataset, Recipe};
use lacewing_training::{Trained, fit_int8, train};

/// So narrow that steps of an int8 matter: two hidden numbers have to tell ten digits apart.
const NARROW: &str = r#"
name = "narrow"
classes = 10
[input]
width = 49
average_pool = 4
[[junction]]
outputs = 2
[[junction]]
outputs = 2
[[junction]]
outputs = 2
[[junction]]
outputs = 10
[training]
epochs = 4
batch = 128
learning_rate = 0.01
schedule = "cosine"
"#;

/// Masks, an exit, and a stage for int8 of its own.
const SPARSE: &str = r#"
name = "sparse"
classes = 10
[input]
width = 800
[[junction]]
outputs = 40
pattern = "random"
out_degree = 2
[[junction]]
outputs = 40
activation = "relu6"
pattern = "nm"
n = 1
m = 4
[[junction]]
outputs = 10
[[exit]]
after = 1
threshold = 0.9
loss_weight = 0.5
[training]
epochs = 2
batch = 128
learning_rate = 0.01
schedule = "cosine"
[training.int8]
epochs = 1
learning_rate = 0.001
"#;

fn load(recipe: &Recipe, part: Part) -> Dataset {
    load_for(bundled_mnist(), part, recipe).unwrap()
}

fn trained(recipe: &Recipe) -> Trained {
    train(recipe, &load(recipe, Part::Train), &load(recipe, Part::Validation), |_| {}).unwrap()
}

/// The trained file in int8, ranges from MNIST's validation part where that is wanted.
fn converted(trained: &Trained, folder: &Path, calibrate: bool) -> Vec<u8> {
    let (file, out, mnist): (PathBuf, PathBuf, PathBuf) =
        (folder.join("network.safetensors"), folder.join("out"), bundled_mnist());
    trained.save(&file).unwrap();
    let options = Options { dtype: Dtype::I8, calibrate: calibrate.then_some(mnist.as_path()), ..Options::default() };
    convert(&file, None, &out, &options).unwrap();
    std::fs::read(out.join("head.lace")).unwrap()
}

/// The classes that the engine answers with.
fn classes(bytes: &[u8], data: &Dataset, policy: &mut impl ExitPolicy<i8>) -> Vec<usize> {
    let model = Model::parse(bytes, &KernelSet::ALL).unwrap();
    let mut scratch = HeapScratch::new(model.scratch_len());
    let mut engine = Engine::<i8>::new_i8(&model, scratch.bytes()).unwrap();
    let scale = model.input().unwrap();
    let classes = data.iter().map(|(sample, _)| {
        engine.input().iter_mut().zip(sample).for_each(|(to, value)| *to = scale.quantise(*value));
        match engine.run(policy) {
            Outcome::Answer(answer) => usize::from(answer.class),
            Outcome::Offload { .. } => panic!("there is no tail"),
        }
    });
    classes.collect()
}

fn accuracy(classes: &[usize], data: &Dataset) -> f64 {
    let right = classes.iter().zip(data.labels()).filter(|(class, label)| **class == usize::from(**label)).count();
    right as f64 / data.len() as f64
}

/// The classes that an exit's logits say, the first of equals.
fn largest(logits: &[f32]) -> Vec<usize> {
    let best = |row: &[f32]| (0..10).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    logits.chunks(10).map(best).collect()
}

fn differences(one: &[usize], other: &[usize]) -> usize {
    one.iter().zip(other).filter(|(one, other)| one != other).count()
}

/// Quantised after training a narrow network loses points; trained on for int8 it has them again, in the engine.
#[test]
fn what_quantisation_costs_is_trained_back() {
    let recipe = Recipe::parse(NARROW).unwrap();
    let (data, validation, test) =
        (load(&recipe, Part::Train), load(&recipe, Part::Validation), load(&recipe, Part::Test));
    let before = trained(&recipe);
    let f32s = before.accuracies(&test).unwrap()[0];
    let folder = tempfile::tempdir().unwrap();
    let calibrated = accuracy(&classes(&converted(&before, folder.path(), true), &test, &mut Never), &test);
    assert!(calibrated < f32s - 0.02, "{calibrated} of {f32s}");
    let int8 = Some(Int8Training { epochs: 4, learning_rate: 0.005 });
    let settings = Training { int8, ..recipe.training.clone() };
    let tuned = fit_int8(before, &settings, &data, &validation, |_| {}).unwrap();
    let answers = classes(&converted(&tuned, folder.path(), false), &test, &mut Never);
    assert!(accuracy(&answers, &test) > calibrated + 0.03, "{} of {calibrated}", accuracy(&answers, &test));
    // What the trainer says of it is what the engine does, nearly.
    let told = tuned.int8().unwrap();
    let differ = differences(&answers, &largest(&told.logits(&test).unwrap()[0]));
    assert!(differ <= test.len() / 100, "{differ} of {}", test.len());
    assert!((accuracy(&answers, &test) - told.accuracies(&test).unwrap()[0]).abs() <= 0.005);
}

/// Masks and exits among it: of 100 images at most one gets another class from the engine than from the trainer, at every exit.
#[test]
fn the_engine_answers_as_the_trainer_said() {
    let recipe = Recipe::parse(SPARSE).unwrap();
    let (trained, test) = (trained(&recipe), load(&recipe, Part::Test));
    let folder = tempfile::tempdir().unwrap();
    let bytes = converted(&trained, folder.path(), false);
    let logits = trained.int8().unwrap().logits(&test).unwrap();
    let at_exit = classes(&bytes, &test, &mut Confidence(Q15::from_f32(0.0)));
    let at_end = classes(&bytes, &test, &mut Never);
    for (answers, logits) in [&at_exit, &at_end].into_iter().zip(&logits) {
        let differ = differences(answers, &largest(logits));
        assert!(differ <= test.len() / 100, "{differ} of {}", test.len());
        assert!(accuracy(answers, &test) > 0.85, "{}", accuracy(answers, &test));
    }
    // What the mask leaves out stays out: as many nonzeros as in f32, in the file and in the model.
    let model = Model::parse(&bytes, &KernelSet::ALL).unwrap();
    let edges: Vec<usize> = model.operations().map(|operation| operation.junction.nnz()).collect();
    assert_eq!(edges, trained.nonzeros().map(|(_, nonzeros)| nonzeros).collect::<Vec<_>>());
    // Ranges from data are had where they are asked for.
    let file = folder.path().join("network.safetensors");
    let mnist = bundled_mnist();
    let quantising = lacewing_converter::int8::Quantising {
        calibration: Some(lacewing_converter::int8::Calibration::MinMax),
        ..Default::default()
    };
    let options = Options { dtype: Dtype::I8, calibrate: Some(&mnist), quantising, ..Options::default() };
    convert(&file, None, &folder.path().join("other"), &options).unwrap();
    assert_ne!(std::fs::read(folder.path().join("other/head.lace")).unwrap(), bytes);
}
