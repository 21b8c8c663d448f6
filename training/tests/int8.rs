//! Training for int8, on data small enough to be made here.
#![allow(clippy::unwrap_used)]

mod support;

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;

use lacewing_models::recipe::{Int8Training, Training};
use lacewing_models::{Dataset, JunctionId, Recipe};
use lacewing_training::{Control, Progress, TrainError, Trained, fit_int8, train, train_with};
use support::stripes;

const RECIPE: &str = r#"
name = "stripes"
classes = 3
[input]
width = 40
[[junction]]
outputs = 24
pattern = "block"
rows = 8
cols = 1
density = 0.5
[[junction]]
outputs = 20
activation = "relu6"
pattern = "random"
out_degree = 5
[[junction]]
outputs = 3
[[exit]]
after = 1
threshold = 0.9
loss_weight = 0.5
[training]
epochs = 4
batch = 150
learning_rate = 0.02
schedule = "cosine"
[training.int8]
epochs = 3
learning_rate = 0.002
"#;

fn recipe() -> Recipe {
    Recipe::parse(RECIPE).unwrap()
}

fn trained(recipe: &Recipe, progress: impl FnMut(&Progress) + Send) -> Trained {
    train(recipe, &stripes(700, 1), &stripes(300, 2), progress).unwrap()
}

/// In f32 and in int8.
fn bits(trained: &Trained) -> Vec<u32> {
    let data = stripes(64, 9);
    let logits = [trained.logits(&data).unwrap(), trained.int8().unwrap().logits(&data).unwrap()];
    logits.into_iter().flatten().flatten().map(f32::to_bits).collect()
}

#[test]
fn a_stage_behind_the_epochs_in_f32() {
    let mut seen = Vec::new();
    let trained = trained(&recipe(), |now| seen.push(now.clone()));
    let ends: Vec<_> = seen.iter().filter(|now| now.validation.is_some()).collect();
    let stages: Vec<_> = ends.iter().map(|now| (now.epoch, now.epochs, now.int8)).collect();
    assert_eq!(stages[2..5], [(3, 7, false), (4, 7, false), (5, 7, true)]);
    assert_eq!(stages.len(), 7);
    // What is shown in it is what int8 does, and all exits do well.
    let accuracies = trained.int8().unwrap().accuracies(&stripes(300, 2)).unwrap();
    assert_eq!(ends[6].validation.as_ref().unwrap(), &accuracies);
    assert!(accuracies.iter().all(|accuracy| *accuracy > 0.95), "{accuracies:?}");
    // Few logits are the same to the bit, most nearly so (some saturate); those of int8 are whole steps.
    let (data, int8) = (stripes(64, 9), trained.int8().unwrap());
    for (exact, rounded) in trained.logits(&data).unwrap().iter().zip(int8.logits(&data).unwrap()) {
        let largest = exact.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        let apart: f32 = exact.iter().zip(&rounded).map(|(a, b)| (a - b).abs()).sum();
        assert!(apart < 0.02 * largest * exact.len() as f32, "{apart} of {largest}");
        let mut steps = rounded.clone();
        steps.sort_by(f32::total_cmp);
        steps.dedup();
        assert!(steps.len() <= 256 && exact != &rounded, "{}", steps.len());
    }
}

#[test]
fn nonzeros_and_threads_change_nothing() {
    let plain = Recipe { training: Training { int8: None, ..recipe().training }, ..recipe() };
    let nonzeros = |trained: &Trained| trained.nonzeros().map(|(_, n)| n).collect::<Vec<_>>();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained(&recipe(), |_| {}))
    };
    let one = with(1);
    assert_eq!(nonzeros(&one), nonzeros(&trained(&plain, |_| {})));
    assert_eq!(bits(&one), bits(&with(2)));
    assert_eq!(bits(&one), bits(&with(5)));
}

fn with_checkpoint(recipe: &Recipe, path: &Path, stop_in: Option<usize>) -> Result<Trained, TrainError> {
    let stop = AtomicBool::new(false);
    let control = Control { checkpoint: Some(path), stop: Some(&stop) };
    train_with(recipe, &stripes(700, 1), &stripes(300, 2), control, |now| {
        if Some(now.epoch) == stop_in && now.batch == 2 {
            stop.store(true, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_training_that_goes_on_reaches_the_same_bits() {
    let directory = tempfile::tempdir().unwrap();
    for (name, epochs, patience, after) in [("plain", 4, 0, 4), ("stalled", 200, 2, 0)] {
        let mut recipe = recipe();
        (recipe.training.epochs, recipe.training.patience) = (epochs, patience);
        let mut first = None;
        let whole = trained(&recipe, |now| first = first.or(now.int8.then_some(now.epoch)));
        let first = first.unwrap();
        assert!(if after > 0 { first == after + 1 } else { first < epochs }, "{first}");
        let path = directory.path().join(name);
        // In f32, in the first epoch for int8 and in the last.
        for epoch in [2, first, first + 2] {
            let stopped = with_checkpoint(&recipe, &path, Some(epoch)).unwrap_err();
            assert!(matches!(stopped, TrainError::Stopped { epoch: at, saved: true } if at == epoch), "{stopped}");
        }
        let resumed = with_checkpoint(&recipe, &path, None).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "{name}");
        assert_eq!(bits(&with_checkpoint(&recipe, &path, None).unwrap()), bits(&whole), "{name}, once more");
    }
}

#[test]
fn damaged_checkpoints_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    with_checkpoint(&recipe(), &path, Some(6)).unwrap_err();
    let good = std::fs::read(&path).unwrap();
    let at = |what: &str| good.windows(what.len()).position(|window| window == what.as_bytes()).unwrap();
    let ranges = {
        let tensors = safetensors::SafeTensors::deserialize(&good).unwrap();
        tensors.tensor("int8.ranges").unwrap().data().as_ptr() as usize - good.as_ptr() as usize
    };
    let nan = f32::NAN.to_le_bytes();
    // The entry and the tensor renamed; more epochs before int8 than all; a scale and a range that are none.
    let changes: [(usize, &[u8]); 5] = [
        (at("\"int8-after\":\"4\"") + 15, b"x"),
        (at("int8.ranges"), b"unt8.ranges"),
        (at("\"int8-after\":\"4\"") + 14, b"9"),
        (ranges, &nan),
        (ranges + 12, &f32::INFINITY.to_le_bytes()),
    ];
    for (k, (at, change)) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        bad[at..at + change.len()].copy_from_slice(change);
        std::fs::write(&path, &bad).unwrap();
        let refused = with_checkpoint(&recipe(), &path, None).unwrap_err();
        assert!(matches!(refused, TrainError::Checkpoint(_)), "{k}: {refused}");
    }
}

#[test]
fn a_trained_network_is_trained_on() {
    let plain = Recipe { training: Training { int8: None, ..recipe().training }, ..recipe() };
    let (data, validation) = (stripes(700, 1), stripes(300, 2));
    let mut before = trained(&plain, |_| {});
    assert!(before.int8().is_none());
    before.calibrate_int8(&data).unwrap();
    assert!(before.int8().unwrap().accuracies(&validation).unwrap()[1] > 0.9);
    let settings = Training { int8: Some(Int8Training { epochs: 3, learning_rate: 0.002 }), ..plain.training.clone() };
    let mut epochs = Vec::new();
    let tuned = fit_int8(before, &settings, &data, &validation, |now| epochs.push((now.epoch, now.int8))).unwrap();
    epochs.dedup();
    assert_eq!(epochs, [(1, true), (2, true), (3, true)]);
    // The same as a stage of one training: the order of images is drawn from the same seed, but from its start.
    assert_eq!(tuned.recipe().training, settings);
    assert!(tuned.int8().unwrap().accuracies(&validation).unwrap()[1] > 0.95);
    // Pruned or trained on in f32, the scales are no longer its own.
    let on = lacewing_training::fine_tune(tuned, &plain.training, |_| true, &data, &validation, |_| {}).unwrap();
    assert!(on.int8().is_none());
}

#[test]
fn files_carry_the_scales() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.safetensors");
    let trained = trained(&recipe(), |_| {});
    trained.save(&path).unwrap();
    assert_eq!(bits(&Trained::load(&path).unwrap()), bits(&trained));
    let good = std::fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&good).unwrap();
    let exit = JunctionId::Exit { exit: 1, junction: 1 };
    for name in [JunctionId::Trunk(1).input(), JunctionId::Trunk(3).output(), exit.output()] {
        assert_eq!(tensors.tensor(&name).unwrap().shape(), [2], "{name}");
    }
    assert!(tensors.tensor(&JunctionId::Trunk(2).input()).is_err());
    let offset = |name: &str| tensors.tensor(name).unwrap().data().as_ptr() as usize - good.as_ptr() as usize;
    let refused = |at: usize, value: f32| {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
        std::fs::write(&path, bad).unwrap();
        Trained::load(&path).unwrap_err().to_string()
    };
    assert!(refused(offset("junction.1.input"), -1.0).contains("no scale above 0"));
    assert!(refused(offset("junction.2.output") + 4, 0.5).contains("no scale above 0"));
    assert!(refused(offset("junction.2.output"), 0.1).contains("16 bits"));
    assert!(refused(offset("exit.1.junction.1.output"), f32::NAN).contains("not finite"));
}

#[test]
fn what_int8_cannot_have_is_refused() {
    let (data, validation) = (stripes(700, 1), stripes(300, 2));
    // Sums so far below 0 that every ReLU is off: there is nothing to make steps of.
    let dead = Dataset::new(40, vec![0.0; 40 * 200], vec![1; 200]).unwrap();
    let mut trained = trained(&recipe(), |_| {});
    let error = trained.calibrate_int8(&dead).unwrap_err();
    assert!(matches!(&error, TrainError::Dead { place } if place == "the input"), "{error}");
    let narrow = Dataset::new(39, vec![0.5; 39], vec![1]).unwrap();
    assert!(matches!(trained.calibrate_int8(&narrow), Err(TrainError::Data { set: "calibration", .. })));
    let mut wild = recipe();
    wild.training.int8 = Some(Int8Training { epochs: 40, learning_rate: 1e30 });
    let error = train(&wild, &data, &validation, |_| {}).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 5.., table: "training.int8", .. }), "{error}");
    assert!(error.to_string().contains("`learning_rate` of [training.int8] (now 1e30)"), "{error}");
}
