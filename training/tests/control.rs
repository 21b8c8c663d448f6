//! Checkpoints, stopping, optimisers and phases, on data small enough to be made here.
#![allow(clippy::unwrap_used)]

mod support;

use core::sync::atomic::{AtomicBool, Ordering};
use std::path::Path;

use lacewing_models::recipe::{Optimiser, Schedule};
use lacewing_models::{JunctionId, Recipe};
use lacewing_training::{CheckpointError, Control, TrainError, Trained, train, train_with};
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
pattern = "random"
out_degree = 5
[[junction]]
outputs = 3
[[exit]]
after = 1
threshold = 0.9
loss_weight = 0.5
[training]
epochs = 6
batch = 150
learning_rate = 0.02
schedule = "cosine"
"#;

fn recipe() -> Recipe {
    Recipe::parse(RECIPE).unwrap()
}

/// Every weight and bias that the network has, as bits: its logits on some data.
fn bits(trained: &Trained) -> Vec<u32> {
    let logits = trained.logits(&stripes(64, 9)).unwrap();
    logits.into_iter().flatten().map(f32::to_bits).collect()
}

fn whole(recipe: &Recipe) -> Trained {
    train(recipe, &stripes(700, 1), &stripes(300, 2), |_| {}).unwrap()
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
    for (name, optimiser, backbone_epochs, patience) in
        [("adam", Optimiser::Adam, 0, 0), ("sgd", Optimiser::Sgd, 0, 0), ("mixed", Optimiser::Adam, 3, 2)]
    {
        let mut recipe = recipe();
        recipe.training.optimiser = optimiser;
        recipe.training.backbone_epochs = backbone_epochs;
        recipe.training.patience = patience;
        let path = directory.path().join(name);
        // Stopped in the first epoch, when there is nothing to go on from, in the fourth, and in the fifth.
        let first = with_checkpoint(&recipe, &path, Some(1));
        assert!(matches!(first, Err(TrainError::Stopped { epoch: 1, saved: false })), "{first:?}");
        for epoch in [4, 5] {
            let stopped = with_checkpoint(&recipe, &path, Some(epoch));
            if patience == 0 {
                assert!(matches!(stopped, Err(TrainError::Stopped { epoch: at, saved: true }) if at == epoch));
            }
        }
        let resumed = with_checkpoint(&recipe, &path, None).unwrap();
        assert_eq!(bits(&resumed), bits(&whole(&recipe)), "{name}");
        // Once more: it is finished, and stays what it is.
        assert_eq!(bits(&with_checkpoint(&recipe, &path, None).unwrap()), bits(&resumed), "{name}");
    }
}

#[test]
fn checkpoints_of_other_trainings_and_damaged_ones_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    let mut recipe = recipe();
    with_checkpoint(&recipe, &path, Some(3)).unwrap_err();
    let good = std::fs::read(&path).unwrap();
    recipe.training.seed += 1;
    let error = with_checkpoint(&recipe, &path, None).unwrap_err();
    assert!(matches!(error, TrainError::Checkpoint(CheckpointError::Other { .. })), "{error}");
    recipe.training.seed -= 1;
    let control = Control { checkpoint: Some(&path), stop: None };
    let error = train_with(&recipe, &stripes(700, 5), &stripes(300, 2), control, |_| {}).unwrap_err();
    assert!(error.to_string().contains("other training data"), "{error}");
    // No byte of it can be cut off, and no flipped length goes unnoticed or panics.
    for length in [0, 7, 8, 9, 100, good.len() / 2, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        assert!(matches!(with_checkpoint(&recipe, &path, None), Err(TrainError::Checkpoint(_))), "{length} bytes");
    }
    for at in (0..good.len().min(3000)).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        std::fs::write(&path, &bad).unwrap();
        let _ = with_checkpoint(&recipe, &path, Some(3));
    }
    std::fs::write(&path, &good).unwrap();
    assert_eq!(bits(&with_checkpoint(&recipe, &path, None).unwrap()), bits(&whole(&recipe)));
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/checkpoint");
    let error = with_checkpoint(&recipe(), &path, None).unwrap_err();
    assert!(matches!(error, TrainError::Checkpoint(CheckpointError::Io { .. })), "{error}");
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none());
}

#[test]
fn a_training_that_diverges_leaves_the_checkpoint_of_the_epoch_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("checkpoint");
    let mut recipe = recipe();
    recipe.training.optimiser = Optimiser::Sgd;
    // Each step multiplies the weights by 1 - 0.1 · 50 = -4: they are soon no longer finite, but not in the first epoch.
    (recipe.training.learning_rate, recipe.training.l2, recipe.training.momentum) = (0.1, 50.0, 0.0);
    (recipe.training.schedule, recipe.training.epochs) = (Schedule::Constant, 40);
    let mut seen = 0;
    let control = Control { checkpoint: Some(&path), stop: None };
    let mut told = || train_with(&recipe, &stripes(700, 1), &stripes(300, 2), control, |_| seen += 1).unwrap_err();
    let first = told();
    assert!(matches!(first, TrainError::Diverged { epoch: 2.., saved: true, .. }), "{first}");
    assert!(first.to_string().contains("the checkpoint is that of the epoch before"), "{first}");
    // It is whole: the training goes on from it, and meets the same end at once.
    assert_eq!(told().to_string(), first.to_string());
    let TrainError::Diverged { epoch, batch, .. } = first else { return };
    assert_eq!(seen, (epoch - 1) * 6 + 2 * (batch - 1));
}

#[test]
fn gradient_descent_learns_too() {
    let mut recipe = recipe();
    (recipe.training.optimiser, recipe.training.learning_rate) = (Optimiser::Sgd, 0.1);
    let accuracies = whole(&recipe).accuracies(&stripes(300, 2)).unwrap();
    assert!(accuracies.iter().all(|&accuracy| accuracy > 0.95), "{accuracies:?}");
}

#[test]
fn branches_wait_for_the_backbone() {
    let mut recipe = recipe();
    (recipe.training.epochs, recipe.training.backbone_epochs) = (12, 6);
    let mut ends = Vec::new();
    let trained =
        train(&recipe, &stripes(700, 1), &stripes(300, 2), |now| ends.extend(now.validation.clone())).unwrap();
    // The exit is no better than at its start while the trunk learns, and learns in the epochs that are left.
    let exit: Vec<f64> = ends.iter().map(|accuracies| accuracies[0]).collect();
    assert!(exit[..6].iter().all(|&accuracy| accuracy < 0.9) && exit[11] > 0.9, "{exit:?}");
    assert!(ends[5][1] > 0.95, "{ends:?}");
    assert_eq!(trained.nonzeros().filter(|(id, _)| matches!(id, JunctionId::Exit { .. })).count(), 1);
}

#[test]
fn stops_early_and_keeps_the_best() {
    let mut recipe = recipe();
    (recipe.training.epochs, recipe.training.patience) = (200, 3);
    let mut ends = Vec::new();
    let trained = train(&recipe, &stripes(700, 1), &stripes(300, 2), |now| {
        if let Some(accuracies) = &now.validation {
            ends.push(accuracies[1]);
        }
    })
    .unwrap();
    let best = ends.iter().copied().fold(0.0, f64::max);
    let first = ends.iter().position(|&accuracy| accuracy == best).unwrap();
    assert_eq!(ends.len(), first + 1 + 3, "{ends:?}");
    assert_eq!(trained.accuracies(&stripes(300, 2)).unwrap()[1], best);
}
