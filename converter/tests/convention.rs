//! Files that only name tensors, without a recipe.

mod support;

use lacewing_converter::convert::{Options, convert};
use support::frameworks::{self, agrees, agrees_with, framework};
use support::{Raw, Trained, names, recipe};

#[test]
fn exits_by_name() {
    for file in ["torch-exits.npz", "torch-exits.safetensors"] {
        let report = agrees(file, "torch-exits.expected.npz", &["exit1", "end"], &Options::default());
        assert_eq!(report.junctions.iter().map(|junction| junction.n_out).collect::<Vec<_>>(), [9, 3, 7, 3]);
        let [note] = &report.warnings[..] else { panic!("{:?}", report.warnings) };
        assert!(note.contains("ReLU between layers") && note.contains("fc1.weight, fc2.weight, out.weight"), "{note}");
        let split = Options { split_after: Some(1), exit_after: Some(&[1]), ..Options::default() };
        agrees(file, "torch-exits.expected.npz", &["exit1", "end"], &split);
    }
}

/// A folder with a file for each array, and one file alone.
#[test]
fn arrays_in_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let (arrays, out) = (dir.path().join("arrays"), dir.path().join("out"));
    std::fs::create_dir(&arrays).unwrap();
    let mut archive = zip::ZipArchive::new(std::fs::File::open(framework("torch-exits.npz")).unwrap()).unwrap();
    archive.extract(&arrays).unwrap();
    std::fs::write(arrays.join("notes.txt"), "passed over").unwrap();
    let options = Options { split_after: Some(1), exit_after: Some(&[1]), ..Options::default() };
    convert(&arrays, None, &out, &options).unwrap();
    agrees_with(&out, "torch-exits.expected.npz", &["exit1", "end"]);
    std::fs::remove_dir_all(&out).unwrap();
    let report = convert(&arrays.join("fc1.weight.npy"), None, &out, &Options::default()).unwrap();
    assert_eq!((report.junctions.len(), report.junctions[0].n_out), (1, 9));
    // Cut off, and empty.
    for bytes in [&b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (9, 12), }"[..], b""] {
        std::fs::write(arrays.join("fc1.weight.npy"), bytes).unwrap();
        frameworks::refused(&arrays, &Options::default(), &["damaged: tensor fc1.weight"]);
    }
}

#[test]
fn pruned_and_normalised() {
    let report = agrees("torch-sequential.safetensors", "torch-sequential.expected.npz", &["end"], &Options::default());
    // 70 % of 120 and 50 % of 100 edges are masked; the masked weights are not zero in the file.
    assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [36, 50, 30]);
    let notes = &report.warnings;
    assert!(notes.iter().any(|note| note.contains("84 weights outside the mask 0.weight_mask")), "{notes:?}");
    // What the file does not say, and is taken to be as PyTorch has it.
    for norm in [1, 6] {
        let said = format!("the batch normalisation {norm}: 1e-5 is taken");
        assert!(notes.iter().any(|note| note.contains("ε") && note.contains(&said)), "no {said} in {notes:?}");
    }
}

/// Tensors as `(name, shape)`, all of one value; `None` where the file converts.
fn converted(tensors: &[(&str, &[usize])], options: &Options<'_>) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::default();
    for (name, shape) in tensors {
        trained.tensors.insert((*name).into(), Raw::f32(shape, &vec![0.5; shape.iter().product()]));
    }
    let out = dir.path().join("out");
    let error = convert(&trained.write(dir.path()), None, &out, options).err().map(|error| error.to_string());
    assert_eq!(names(&out).is_empty(), error.is_some(), "{error:?}");
    error
}

#[track_caller]
fn refused(tensors: &[(&str, &[usize])], options: &Options<'_>, words: &[&str]) {
    let error = converted(tensors, options).expect("a refusal");
    words.iter().for_each(|word| assert!(error.contains(word), "no {word:?} in: {error}"));
}

const TWO_EQUAL: [(&str, &[usize]); 4] =
    [("fc1.weight", &[8, 12]), ("fc2.weight", &[8, 8]), ("fc3.weight", &[3, 8]), ("exit.weight", &[3, 8])];

#[test]
fn places_of_exits() {
    let none = Options::default();
    refused(&TWO_EQUAL, &none, &["exit fits behind each of the junctions [1, 2]", "--exit-after"]);
    for place in [1, 2] {
        assert_eq!(converted(&TWO_EQUAL, &Options { exit_after: Some(&[place]), ..none }), None);
    }
    refused(&TWO_EQUAL, &Options { exit_after: Some(&[3]), ..none }, &["junction 3", "fits behind [1, 2]"]);
    let misfit: [(&str, &[usize]); 3] = [("fc1.weight", &[8, 12]), ("fc2.weight", &[3, 8]), ("exit1.weight", &[3, 9])];
    refused(&misfit, &none, &["exit1 reads 9 values", "No recipe makes it fit", "lacewing fit-exit"]);
}

/// Each refusal says what is supported and whether a recipe helps.
#[test]
fn names_and_shapes_that_do_not_tell() {
    let none = Options::default();
    refused(&[("inputs", &[4, 4])], &none, &["no tensor is named like weights", "inputs", "--recipe"]);
    let supported = [
        "supported are fully connected layers",
        "biases, masks and batch statistics",
        "No recipe makes a junction of it",
    ];
    refused(&[("conv.weight", &[4, 4, 3, 3])], &none, &[&["conv.weight", "[4, 4, 3, 3]"], &supported[..]].concat());
    let layer_norm: [(&str, &[usize]); 2] = [("a.weight", &[4, 4]), ("norm.weight", &[4])];
    refused(&layer_norm, &none, &[&["tensor norm.weight has shape [4]"], &supported[..]].concat());
    refused(
        &[("a.weight", &[4, 4]), ("b.weight", &[3, 5])],
        &none,
        &["no order of the matrices fits", "b.weight 3x5", "--recipe", "the layout of matrices under [tensors]"],
    );
    refused(&[("a.weight", &[3, 4]), ("a.bias", &[5])], &none, &["no order of the matrices"]);
    refused(&[("a.weight", &[0, 4])], &none, &["0 is no width"]);
    refused(&[("a.weight", &[70_000, 4])], &none, &["70000"]);
    let many: Vec<(String, [usize; 2])> = (0..17).map(|k| (format!("{k}.weight"), [2, 2])).collect();
    let many: Vec<(&str, &[usize])> = many.iter().map(|(name, shape)| (name.as_str(), &shape[..])).collect();
    refused(&many, &none, &["17 tensors", "more than 16", "no recipe makes it more"]);
    let norm: [(&str, &[usize]); 4] =
        [("a.weight", &[3, 4]), ("norm.running_mean", &[3]), ("norm.running_var", &[3]), ("norm.weight", &[3])];
    let supported = ["supported are those of PyTorch", "No recipe describes one", "ONNX"];
    refused(&norm, &none, &[&["batch normalisation norm."], &supported[..]].concat());
    let norm: [(&str, &[usize]); 2] = [("0.weight", &[3, 4]), ("1.running_mean", &[3])];
    refused(&norm, &none, &[&["1. has no running_mean or running_var"], &supported[..]].concat());
    let norm = [norm[0], norm[1], ("1.running_var", &[2][..])];
    refused(&norm, &none, &[&["1. has vectors of different lengths"], &supported[..]].concat());
}

/// What this project's own trainer wrote, should the recipe in it be lost: all but the activations is still told.
#[test]
fn own_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::of(&recipe());
    trained.metadata.clear();
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    let places: Vec<&str> = report.junctions.iter().map(|junction| junction.place.as_str()).collect();
    let want =
        ["junction 1", "exit 1, junction 1", "junction 2", "exit 2, junction 1", "exit 2, junction 2", "junction 3"];
    assert_eq!(places, want);
}

/// Names are never paths: whatever they are, the files are called what they are always called.
#[test]
fn strange_names() {
    let names: [(&str, &[usize]); 2] = [("../../etc/0.weight", &[8, 12]), ("../../etc/1ß.weight", &[3, 8])];
    assert_eq!(converted(&names, &Options::default()), None);
}

/// Statistics that would take a weight beyond f32.
#[test]
fn normalisation_beyond_f32() {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::default();
    let mut put = |name: &str, shape: &[usize], value: f32| {
        let values = vec![value; shape.iter().product()];
        trained.tensors.insert(name.into(), Raw::f32(shape, &values));
    };
    put("0.weight", &[3, 4], 1e20);
    put("1.weight", &[3], 1e30);
    put("1.running_mean", &[3], 0.0);
    put("1.running_var", &[3], 1.0);
    put("3.weight", &[2, 3], 1.0);
    let error = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default());
    assert!(error.unwrap_err().to_string().contains("junction 1 is beyond f32"));
}

/// Names are names: what looks like a path, or is not ASCII, goes nowhere.
#[test]
fn names_like_paths() {
    for stem in ["../../etc/passwd", "/dev/null", "größe.层", "C:\\a\\b", "a\nb"] {
        let (first, second) = (format!("{stem}.1.weight"), format!("{stem}.2.weight"));
        assert_eq!(converted(&[(&first, &[8, 12]), (&second, &[3, 8])], &Options::default()), None, "{stem}");
    }
}
