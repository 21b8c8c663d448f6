//! Training as a whole, on data small enough to be made here.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_models::recipe::Training;
use lacewing_models::{Dataset, Recipe};
use lacewing_training::{DatasetError, FileError, TrainError, Trained, fine_tune, train};
use support::stripes;

const RECIPE: &str = r#"
name = "three-blobs"
classes = 3
[input]
width = 40
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

fn trained() -> Trained {
    train(&recipe(), &stripes(700, 1), &stripes(300, 2), |_| {}).unwrap()
}

#[test]
fn learns_and_reports() {
    let mut seen = Vec::new();
    let trained = train(&recipe(), &stripes(700, 1), &stripes(300, 2), |progress| seen.push(progress.clone())).unwrap();
    // Five batches to an epoch, the last one short, and one report more at its end.
    assert_eq!(seen.len(), 6 * 6);
    assert_eq!((seen[0].batches, seen[0].epochs), (5, 6));
    let ends: Vec<_> = seen.iter().filter_map(|progress| progress.validation.as_ref()).collect();
    assert_eq!(ends.len(), 6);
    let accuracies = trained.accuracies(&stripes(300, 2)).unwrap();
    assert_eq!(ends.last().unwrap().as_slice(), accuracies);
    assert!(accuracies.iter().all(|&accuracy| accuracy > 0.95), "{accuracies:?}");
    assert!(seen.last().unwrap().loss < 0.5 * seen[0].loss);
}

#[test]
fn logits_agree_with_accuracies() {
    let (trained, data) = (trained(), stripes(130, 3));
    for (logits, accuracy) in trained.logits(&data).unwrap().iter().zip(trained.accuracies(&data).unwrap()) {
        let right = |(row, &label): (&[f32], &u16)| (0..3).all(|class| row[class] <= row[usize::from(label)]);
        let correct = logits.chunks(3).zip(data.labels()).filter(|&sample| right(sample)).count();
        assert_eq!(correct as f64 / 130.0, accuracy);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let logits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| trained().logits(&stripes(50, 4)).unwrap())
    };
    let one = logits(1);
    assert_eq!(one, logits(2));
    assert_eq!(one, logits(5));
}

#[test]
fn seeds_differ() {
    let mut other = recipe();
    other.training.seed = 2;
    let other = train(&other, &stripes(700, 1), &stripes(300, 2), |_| {}).unwrap();
    assert_ne!(other.logits(&stripes(50, 4)).unwrap(), trained().logits(&stripes(50, 4)).unwrap());
}

#[test]
fn weight_decay_shrinks() {
    let mut decayed = recipe();
    decayed.training.l2 = 0.1;
    let decayed = train(&decayed, &stripes(700, 1), &stripes(300, 2), |_| {}).unwrap();
    let size = |trained: &Trained| -> f32 {
        trained.logits(&stripes(50, 4)).unwrap().iter().flatten().map(|logit| logit.abs()).sum()
    };
    assert!(size(&decayed) < 0.5 * size(&trained()));
}

#[test]
fn files_there_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blobs.safetensors");
    let mut trained = trained();
    assert!(trained.set_exit(0, 0.75, 1.25) && !trained.set_exit(1, 0.5, 1.0));
    trained.save(&path).unwrap();
    let back = Trained::load(&path).unwrap();
    assert_eq!(back.recipe(), trained.recipe());
    assert_eq!(back.recipe().exits[0].threshold, 0.75);
    assert_eq!(back.logits(&stripes(50, 4)).unwrap(), trained.logits(&stripes(50, 4)).unwrap());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "the temporary file is gone");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        let plain = directory.path().join("plain");
        std::fs::write(&plain, b"").unwrap();
        assert_eq!(mode, std::fs::metadata(plain).unwrap().permissions().mode(), "readable as other files are");
    }
}

#[test]
fn masked_weights_are_positive_zeros() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blobs.safetensors");
    trained().save(&path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weights = tensors.tensor("junction.1.weight").unwrap();
    let mask = tensors.tensor("junction.1.mask").unwrap();
    assert_eq!((weights.shape(), mask.shape()), (&[20, 40][..], &[20, 40][..]));
    assert_eq!(mask.data().iter().map(|&bit| usize::from(bit)).sum::<usize>(), 200);
    for (weight, mask) in weights.data().chunks(4).zip(mask.data()) {
        assert_eq!(weight == [0; 4], *mask == 0);
    }
    for name in ["junction.2.weight", "junction.2.bias", "junction.2.mask", "exit.1.junction.1.weight"] {
        assert!(tensors.tensor(name).is_ok(), "{name}");
    }
}

#[test]
fn a_failed_save_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    // A directory stands where the file should go: the write succeeds, the rename cannot.
    let path = directory.path().join("taken");
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(trained().save(&path), Err(FileError::Io { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(matches!(trained().save(&path.join("no/such/place")), Err(FileError::Io { .. })));
}

#[test]
fn files_that_are_not_networks_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.safetensors");
    assert!(matches!(Trained::load(&path), Err(FileError::Io { .. })));
    trained().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Trained::load(&path)
    };
    for length in [0, 7, 100, good.len() - 1] {
        assert!(matches!(load(&good[..length]), Err(FileError::Safetensors { .. })), "{length} bytes");
    }
    let find = |what: &[u8]| good.windows(what.len()).position(|window| window == what).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let mut bytes = good.clone();
        let at = find(from);
        bytes[at..at + from.len()].copy_from_slice(to);
        bytes
    };
    assert!(matches!(load(&replaced(b"\"recipe\"", b"\"repice\"")), Err(FileError::Metadata { .. })));
    assert!(matches!(load(&replaced(b"classes = 3", b"classes = 4")), Err(FileError::Recipe { .. })));
    assert!(matches!(load(&replaced(b"junction.2.bias", b"junction.7.bias")), Err(FileError::Tensor { .. })));
}

#[test]
fn tensors_that_break_the_rules_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("network.safetensors");
    trained().save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let offset = |name: &str| {
        let tensors = safetensors::SafeTensors::deserialize(&good).unwrap();
        tensors.tensor(name).unwrap().data().as_ptr() as usize - good.as_ptr() as usize
    };
    let problem = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        std::fs::write(&path, bytes).unwrap();
        Trained::load(&path).unwrap_err().to_string()
    };
    let nan = f32::NAN.to_le_bytes();
    assert!(problem(offset("junction.2.bias") + 4, &nan).contains("not finite, number 1"));
    assert!(problem(offset("junction.1.mask"), &[2]).contains("junction.1.mask"));
    let masked = good[offset("junction.1.mask")..].iter().position(|&bit| bit == 0).unwrap();
    let outside = problem(offset("junction.1.weight") + 4 * masked, &1.0_f32.to_le_bytes());
    assert!(outside.contains("outside the mask"), "{outside}");
}

#[test]
fn divergence_stops() {
    let mut wild = recipe();
    wild.training.learning_rate = 1e30;
    let error = train(&wild, &stripes(700, 1), &stripes(300, 2), |_| {}).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
    assert!(error.to_string().contains("lower `learning_rate`"));
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let good = stripes(700, 1);
    let reason = |train_set: &Dataset, validation: &Dataset| match train(&recipe(), train_set, validation, |_| {}) {
        Err(TrainError::Data { set, source }) => (set, source),
        other => panic!("{other:?}"),
    };
    let set = |width: usize, values: Vec<f32>, labels: Vec<u16>| Dataset::new(width, values, labels).unwrap();
    let narrow = set(39, vec![0.0; 78], vec![0, 1]);
    assert_eq!(reason(&narrow, &good), ("training", DatasetError::Width { expected: 40, found: 39 }));
    let mislabelled = set(40, vec![0.0; 80], vec![0, 3]);
    assert_eq!(reason(&good, &mislabelled), ("validation", DatasetError::Label { sample: 1, label: 3, classes: 3 }));
    let empty = set(40, Vec::new(), Vec::new());
    assert_eq!(reason(&empty, &good), ("training", DatasetError::Empty));
    let few = stripes(149, 1);
    let error = train(&recipe(), &few, &good, |_| {}).unwrap_err();
    assert!(matches!(error, TrainError::Batch { batch: 150, samples: 149 }), "{error}");
}

#[test]
fn fine_tuning_goes_on_and_leaves_alone_what_is_frozen() {
    use lacewing_models::JunctionId;
    let (before, data, settings) = (trained(), stripes(700, 1), recipe().training);
    let logits = before.logits(&stripes(50, 3)).unwrap();
    // Only the exit's branch: the end of the trunk answers to the bit as before.
    let branch = |id| matches!(id, JunctionId::Exit { .. });
    let after = fine_tune(before, &settings, branch, &data, &stripes(300, 2), |_| {}).unwrap();
    let moved = after.logits(&stripes(50, 3)).unwrap();
    assert_eq!(moved[1], logits[1]);
    assert_ne!(moved[0], logits[0]);
    // The trunk's end alone.
    let after = fine_tune(after, &settings, |id| id == JunctionId::Trunk(2), &data, &stripes(300, 2), |_| {}).unwrap();
    let again = after.logits(&stripes(50, 3)).unwrap();
    assert_eq!(again[0], moved[0]);
    assert_ne!(again[1], moved[1]);
    let none = Training { batch: 0, ..settings };
    assert!(matches!(
        fine_tune(after, &none, |_| true, &data, &data, |_| {}),
        Err(TrainError::Recipe(_) | TrainError::Batch { .. })
    ));
}

#[test]
fn an_exit_is_put_into_a_trained_network() {
    use lacewing_models::JunctionId;
    let mut plain = recipe();
    plain.exits.clear();
    let (data, validation) = (stripes(700, 1), stripes(300, 2));
    let before = train(&plain, &data, &validation, |_| {}).unwrap();
    let end = before.logits(&validation).unwrap();
    let exit = recipe().exits[0].clone();
    let with = before.with_exit(exit.clone(), 7).unwrap();
    assert_eq!(with.logits(&validation).unwrap()[1], end[0]);
    let branch = |id| matches!(id, JunctionId::Exit { .. });
    let fitted = fine_tune(with, &recipe().training, branch, &data, &validation, |_| {}).unwrap();
    assert_eq!(fitted.logits(&validation).unwrap()[1], end[0]);
    assert!(fitted.accuracies(&validation).unwrap()[0] > 0.95);
    // There is one at that place now, and no place behind the last junction.
    assert!(fitted.with_exit(exit.clone(), 7).is_err());
    assert!(trained().with_exit(lacewing_models::recipe::ExitRecipe { after: 2, ..exit }, 7).is_err());
}
