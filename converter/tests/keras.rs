//! Keras files, without a recipe.

mod support;

use std::io::Read;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::evaluate::evaluate;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Input;
use support::frameworks::{agrees, agrees_with, framework, refused};
use support::written::Hdf5;
use support::{archive, names};

/// The paper's own networks: as many right answers on MNIST as the framework has, to the image.
#[test]
fn trained_networks_answer_as_in_the_framework() {
    let test = data::load(data::bundled_mnist(), Part::Test, &Input::plain(800)).unwrap();
    let cases = [
        ("800-40-40-10_fo-2-9-10.h5", 9_340, [1600, 360, 400]),
        ("800-100-100-10_fo-25-25-10.h5", 9_733, [20_000, 2500, 1000]),
    ];
    for (name, right, edges) in cases {
        let dir = tempfile::tempdir().unwrap();
        let report = convert(&framework(name), None, dir.path(), &Options::default()).unwrap();
        assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), edges);
        let head = std::fs::read(dir.path().join(HEAD)).unwrap();
        let head = Model::parse(&head, &KernelSet::ALL).unwrap();
        let found = evaluate(&head, None, &test, None, &|_| {}).unwrap();
        assert_eq!((found.correct, found.samples), (right, 10_000), "{name}");
    }
}

#[test]
fn layers_are_folded_as_the_framework_computes_them() {
    for (name, suffix) in [("keras2", "h5"), ("keras3", "h5"), ("keras3", "keras")] {
        let name = format!("{name}-sequential-probabilities");
        let (file, expected) = (format!("{name}.{suffix}"), format!("{name}.expected.npz"));
        let report = agrees(&file, &expected, &["end"], &Options::default());
        // Half of each matrix but the last is masked, with zeros of both signs.
        let density: Vec<_> = report.junctions.iter().map(|junction| junction.density).collect();
        assert!(density[..3].iter().all(|density| (0.3..0.7).contains(density)) && density[3] == 1.0, "{density:?}");
    }
}

#[test]
fn several_outputs_are_exits() {
    let (name, expected) = ("keras2-functional.h5", "keras2-functional.expected.npz");
    let report = agrees(name, expected, &["exit1", "end"], &Options::default());
    let places: Vec<&str> = report.junctions.iter().map(|junction| junction.place.as_str()).collect();
    let want = ["junction 1", "exit 1, junction 1", "exit 1, junction 2", "junction 2", "junction 3", "junction 4"];
    assert_eq!((places, report.name.as_str()), (want.to_vec(), "keras2-functional"));
    for file in ["keras3-functional.h5", "keras3-functional.keras"] {
        agrees(file, "keras3-functional.expected.npz", &["exit1", "end"], &Options::default());
    }
    // Split, and without the exit.
    for split in [1, 2, 3] {
        let options = Options { split_after: Some(split), ..Options::default() };
        agrees(name, expected, &["exit1", "end"], &options);
    }
    agrees(name, expected, &["exit1", "end"], &Options { exit_after: Some(&[1]), ..Options::default() });
    agrees(name, expected, &["end"], &Options { exit_after: Some(&[]), ..Options::default() });
}

/// Packed again by a zip tool, which compresses what Keras stores.
#[test]
fn compressed_archives_are_the_same_networks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("packed.keras");
    for (name, exits) in [("functional", &["exit1", "end"][..]), ("sequential-probabilities", &["end"])] {
        let stored = std::fs::File::open(framework(&format!("keras3-{name}.keras"))).unwrap();
        let mut stored = zip::ZipArchive::new(stored).unwrap();
        let members = ["config.json", "model.weights.h5"].map(|name| {
            let mut bytes = Vec::new();
            stored.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
            (name, bytes)
        });
        let members = members.iter().map(|(name, bytes)| (*name, bytes.as_slice()));
        std::fs::write(&file, archive(members, zip::CompressionMethod::Deflated)).unwrap();
        let out = dir.path().join(name);
        convert(&file, None, &out, &Options::default()).unwrap();
        agrees_with(&out, &format!("keras3-{name}.expected.npz"), exits);
    }
}

/// Datasets that h5py never wrote: gigabytes are claimed, and none is made.
#[test]
fn gigabytes_that_were_never_written_are_refused() {
    for name in ["keras-unwritten", "keras-unwritten-chunks"] {
        let file = framework(&format!("bad/{name}.h5"));
        assert!(std::fs::metadata(&file).unwrap().len() < 1 << 14);
        refused(
            &file,
            &Options::default(),
            &["dense/dense/kernel:0", "needs 2147483648 bytes", "never written", "save it"],
        );
    }
}

/// A softmax is left out at an output, where it changes no order; along another axis it would.
#[test]
fn a_softmax_works_along_the_last_axis() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("softmax.keras");
    let kernel: Vec<f32> = (0..12).map(|at| at as f32 - 5.5).collect();
    let weights = Hdf5::under("layers/dense/vars/0", Hdf5::Dataset(&[4, 3], &kernel)).file();
    let written = |axis: &str| {
        let config = r#"{"class_name": "Sequential", "config": {"layers": [
            {"class_name": "Dense", "config": {"name": "dense", "use_bias": false}},
            {"class_name": "Softmax", "config": {"name": "shares", "axis": AXIS}}]}}"#;
        let config = config.replace("AXIS", axis);
        let members = [("config.json", config.as_bytes()), ("model.weights.h5", &weights[..])];
        std::fs::write(&file, archive(members, zip::CompressionMethod::Stored)).unwrap();
    };
    for axis in ["-1", "1", "[-1]"] {
        written(axis);
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    }
    for axis in ["0", "2", "[0]", "[0, 1]", "\"last\""] {
        written(axis);
        refused(&file, &Options::default(), &["layer shares", "axis", "supported is the last"]);
    }
}

/// Weights alone, as `save_weights` writes them: names tell the layers, and a normalisation's place is not among what they tell.
#[test]
fn weights_without_their_description() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weights.h5");
    static VALUES: [f32; 96] = [0.5; 96];
    let layer = |name: &str, tensors: Vec<(&str, Hdf5<'static>)>| {
        let tensors = tensors.into_iter().map(|(tensor, values)| (format!("{tensor}:0"), values)).collect();
        (name.to_owned(), Hdf5::Group(vec![(name.to_owned(), Hdf5::Group(tensors))]))
    };
    let written = |normalised: bool| {
        let mut layers = vec![layer("dense", vec![("kernel", Hdf5::Dataset(&[12, 8], &VALUES))])];
        if normalised {
            let tensors = ["beta", "gamma", "moving_mean", "moving_variance"]
                .map(|name| (name, Hdf5::Dataset(&[8], &VALUES[..8])));
            layers.push(layer("batch_normalization", tensors.into()));
        }
        layers.push(layer("dense_1", vec![("kernel", Hdf5::Dataset(&[8, 3], &VALUES[..24]))]));
        std::fs::write(&file, Hdf5::Group(layers).file()).unwrap();
    };
    written(false);
    let report = convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    let order = "order by names: dense/dense/kernel:0, dense_1/dense_1/kernel:0";
    assert!(report.warnings.iter().any(|note| note.contains(order)), "{:?}", report.warnings);
    written(true);
    let words = ["batch_normalization/batch_normalization/beta:0 of shape [8]", "belongs to no layer", "model.save"];
    refused(&file, &Options::default(), &words);
}

#[test]
fn what_is_not_supported_is_named() {
    let none = Options::default();
    refused(&framework("keras2-convolution.h5"), &none, &["conv1d", "Conv1D", "supported are Dense"]);
    refused(&framework("keras2-shared.h5"), &none, &["shared", "several places"]);
    let functional = framework("keras2-functional.h5");
    let exit_after = |places| Options { exit_after: Some(places), ..Options::default() };
    refused(&functional, &exit_after(&[2]), &["no exit behind junction 2", "behind: 1"]);
    refused(&functional, &Options { split_after: Some(4), ..none }, &["split"]);
}

/// Cut anywhere, or with any byte changed, a file is refused or still converts; nothing panics, nothing is left behind.
#[test]
fn damaged_files() {
    damage("keras2-functional.h5");
    damage("keras3-functional.keras");
}

fn damage(name: &str) {
    let whole = std::fs::read(framework(name)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("damaged.h5");
    let mut refusals = 0;
    for at in (8..whole.len()).step_by(97) {
        std::fs::write(&file, &whole[..at]).unwrap();
        refused(&file, &Options::default(), &["damaged.h5"]);
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        std::fs::write(&file, &changed).unwrap();
        let out = dir.path().join("out");
        match convert(&file, None, &out, &Options::default()) {
            Ok(_) => std::fs::remove_dir_all(&out).unwrap(),
            Err(_) => {
                refusals += 1;
                assert!(names(&out).is_empty());
            }
        }
    }
    assert!(refusals > 20, "{refusals}");
}
