//! Keras files, without a recipe.

mod support;

use std::io::Read;
use std::path::Path;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::evaluate::evaluate;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Input;
use support::frameworks::{agrees, agrees_with, framework, logits, refused};
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

/// An archive of Keras 3: a layer with a config, before a matrix of ones from 4 values to 3.
fn before_ones(file: &Path, class: &str, settings: &str, members: Vec<(String, Hdf5<'_>)>) {
    let config = format!(
        r#"{{"class_name": "Sequential", "config": {{"layers": [
            {{"class_name": "{class}", "config": {{"name": "first"{settings}}}}},
            {{"class_name": "Dense", "config": {{"name": "dense", "use_bias": false}}}}]}}}}"#
    );
    let dense = Hdf5::under("dense/vars/0", Hdf5::Dataset(&[4, 3], &[1.0; 12]));
    let Hdf5::Group(mut layers) = dense else { panic!("no group") };
    layers.extend(members);
    let weights = Hdf5::under("layers", Hdf5::Group(layers)).file();
    let members = [("config.json", config.as_bytes()), ("model.weights.h5", &weights[..])];
    std::fs::write(file, archive(members, zip::CompressionMethod::Stored)).unwrap();
}

#[test]
fn rescaling_by_a_number_and_by_lists() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("rescaled.keras"), dir.path().join("out"));
    for (settings, sum) in [
        ("", 4.0),
        (r#", "scale": 0.5, "offset": null"#, 2.0),
        (r#", "scale": [1.0, 2.0, 3.0, 4], "offset": [0.0, 0.0, 1.0, 2.0]"#, 13.0),
        (r#", "scale": {"class_name": "__numpy__", "config": {"value": [1.0, 1.0, 1.0, 2.0]}}, "offset": 0"#, 5.0),
        (r#", "scale": {"type": "ndarray", "value": 3}"#, 12.0),
    ] {
        before_ones(&file, "Rescaling", settings, Vec::new());
        convert(&file, None, &out, &Options::default()).unwrap();
        assert_eq!(logits(&out, &[1.0; 4], 4), [[[sum; 3]]], "{settings}");
    }
    for (settings, said) in [
        (r#", "scale": "large""#, r#"its scale is "large""#),
        (r#", "scale": [1.0, null, 1.0, 1.0]"#, "supported are a number and a list"),
        (r#", "offset": []"#, "its offset is []"),
        (r#", "scale": true"#, "its scale is true"),
        (r#", "scale": [1.0, 2.0]"#, "takes"),
    ] {
        before_ones(&file, "Rescaling", settings, Vec::new());
        refused(&file, &Options::default(), &["rescaled.keras", said]);
    }
}

/// A setting that is there and cannot be read is refused: the default in its place would be another network.
#[test]
fn settings_that_cannot_be_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.keras");
    for (class, settings, said) in [
        ("LeakyReLU", r#", "negative_slope": "0.1""#, "layer first: its negative_slope is"),
        ("LeakyReLU", r#", "alpha": [0.1, 0.2]"#, "layer first: its alpha is [0.1,0.2]"),
        ("ReLU", r#", "max_value": "6""#, "layer first: its max_value is"),
        ("ReLU", r#", "threshold": {}"#, "layer first: its threshold is"),
        ("BatchNormalization", r#", "scale": "no""#, "layer first: its scale is \"no\", neither true nor false"),
        ("BatchNormalization", r#", "epsilon": "small""#, "layer first: its epsilon is"),
        ("Flatten", r#", "data_format": "channels_first""#, "layer first: its data_format is \"channels_first\""),
        ("Flatten", r#", "data_format": 1"#, "supported is channels_last"),
        ("Dense", r#", "use_bias": 1"#, "its use_bias is 1, neither true nor false"),
    ] {
        let ones = || Hdf5::Dataset(&[4], &[1.0; 4]);
        let vars = ["0", "1", "2", "3"].map(|name| (name.to_owned(), ones())).into();
        let norm = Hdf5::under("vars", Hdf5::Group(vars));
        let square = Hdf5::under("vars/0", Hdf5::Dataset(&[4, 4], &[1.0; 16]));
        // The first Dense is in the folder "dense", so that the second has to be in "dense_1".
        let members = match class {
            "Dense" => vec![("dense_1".to_owned(), square)],
            _ => vec![("batch_normalization".to_owned(), norm)],
        };
        before_ones(&file, class, settings, members);
        refused(&file, &Options::default(), &["settings.keras", said]);
    }
    for settings in ["", r#", "data_format": "channels_last""#, r#", "data_format": null"#] {
        before_ones(&file, "Flatten", settings, Vec::new());
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    }
}

/// What is wrong with a statistic is said as it is.
#[test]
fn statistics_that_are_no_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("norm.keras");
    for (variable, value, said) in [
        ("0", f32::NAN, "batch_normalization/vars/0 holds NaN at [2]"),
        ("2", f32::NAN, "batch_normalization/vars/2 holds NaN at [2]"),
        ("3", f32::INFINITY, "batch_normalization/vars/3 holds inf at [2]"),
        ("3", -1.0, "its moving_variance and epsilon come to no number above 0 at [2]"),
    ] {
        let wrong = [1.0, 1.0, value, 1.0];
        let values = |name: &str| if name == variable { &wrong } else { &[1.0; 4] };
        let vars = ["0", "1", "2", "3"].map(|name| (name.to_owned(), Hdf5::Dataset(&[4], values(name)))).into();
        let norm = Hdf5::under("vars", Hdf5::Group(vars));
        before_ones(&file, "BatchNormalization", "", vec![("batch_normalization".to_owned(), norm)]);
        refused(&file, &Options::default(), &["norm.keras", "layer first", said]);
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
