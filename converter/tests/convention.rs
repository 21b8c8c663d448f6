//! Files that only name tensors, without a recipe.

mod support;

use lacewing_converter::convert::{Options, convert};
use support::frameworks::{self, agrees, agrees_with, framework};
use support::written::state_dict;
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
    for place in ["before the ReLU of 0.weight_orig as its place", "behind the ReLU of 4.weight_orig as its place"] {
        assert!(notes.iter().any(|note| note.contains(place)), "no {place} in {notes:?}");
    }
}

/// An exit reads what a junction gives: before or behind a normalisation, names do not tell.
#[test]
fn exits_beside_normalisations() {
    let network = |norm: &'static str| {
        let norm = ["running_mean", "running_var"].map(|what| format!("net.{norm}.{what}"));
        let tensors = [("net.0.weight", &[8, 12][..]), ("net.3.weight", &[3, 8]), ("exit.weight", &[3, 8])];
        let tensors = tensors.map(|(name, shape)| (name.to_owned(), shape)).into_iter();
        tensors.chain(norm.map(|name| (name, &[8][..]))).collect::<Vec<_>>()
    };
    let [before, behind] = ["1", "2"].map(network);
    let shaped = |tensors: &[(String, &'static [usize])]| {
        let error = converted(
            &tensors.iter().map(|(name, shape)| (&name[..], *shape)).collect::<Vec<_>>(),
            &Options::default(),
        );
        error.unwrap_or_default()
    };
    assert_eq!(shaped(&before), "");
    let error = shaped(&behind);
    for said in ["exit exit is behind junction 1", "normalisation net.2 stands behind the ReLU", "ONNX"] {
        assert!(error.contains(said), "no {said} in {error}");
    }
}

/// Name and shape.
type Shaped<'s> = (&'s str, &'s [usize]);

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
    let supported = ["supported are batch normalisations as PyTorch names them", "No recipe describes one", "ONNX"];
    refused(&norm, &none, &[&["batch normalisation norm."], &supported[..]].concat());
    let norm: [(&str, &[usize]); 2] = [("0.weight", &[3, 4]), ("1.running_mean", &[3])];
    refused(&norm, &none, &[&["1. has no running_mean or running_var"], &supported[..]].concat());
    let norm = [norm[0], norm[1], ("1.running_var", &[2][..])];
    refused(&norm, &none, &[&["1. has vectors of different lengths"], &supported[..]].concat());
}

const TWO: [(&str, &[usize]); 2] = [("fc1.weight", &[8, 12]), ("fc2.weight", &[3, 8])];

/// What would be another network without these tensors is no network.
#[test]
fn tensors_that_no_layer_claims() {
    let cases: [(&[Shaped<'_>], &[&str]); 13] = [
        (
            &[("rnn.weight_ih_l0", &[16, 12]), ("rnn.weight_hh_l0", &[16, 16])],
            &["rnn.weight_hh_l0", "recurrent layers"],
        ),
        (&[("fc3.weight_g", &[8, 1]), ("fc3.weight_v", &[8, 12])], &["fc3.weight_g", "remove_weight_norm"]),
        (
            &[("fc3.parametrizations.weight.original0", &[3, 1]), ("fc3.parametrizations.weight.original1", &[3, 3])],
            &["fc3.parametrizations.weight.original0", "remove_parametrizations"],
        ),
        (
            &[("ln.gamma", &[8]), ("ln.beta", &[8])],
            &["ln.beta of shape [8]", "nor do ln.gamma", "layer normalisation is not"],
        ),
        (&[("proj", &[8, 8])], &["tensor proj of shape [8, 8]", "supported are fully connected layers", "--recipe"]),
        (&[("U", &[8, 8])], &["tensor U of shape [8, 8]", "supported are fully connected layers", "--recipe"]),
        (&[("U_conv", &[8, 8, 3, 3])], &["tensor U_conv of shape [8, 8, 3, 3]", "No recipe makes a junction of it"]),
        (
            &[("fc1_mask", &[8, 12])],
            &["tensor fc1_mask", "fc1.weight_mask or fc1.mask", "the mask of its [[junction]]"],
        ),
        (&[("mask_fc1", &[8, 12])], &["tensor mask_fc1", "fc1.weight_mask or fc1.mask"]),
        (&[("mask", &[12, 8])], &["tensor mask of shape [12, 8]", "fc1.weight_mask or fc1.mask"]),
        (&[("fc1.bias_orig", &[8]), ("fc1.bias_mask", &[8])], &["fc1.bias_mask", "prune.remove"]),
        (&[("fc1.weight_scale", &[8])], &["fc1.weight_scale"]),
        (&[("inputs", &[100, 12])], &["tensor inputs"]),
    ];
    for (others, words) in cases {
        refused(&[&TWO[..], others].concat(), &Options::default(), &[words, &["belongs to no layer"][..]].concat());
    }
    let keras: [(&str, &[usize]); 6] = [
        ("dense/kernel:0", &[12, 8]),
        ("batch_normalization/gamma:0", &[8]),
        ("batch_normalization/beta:0", &[8]),
        ("batch_normalization/moving_mean:0", &[8]),
        ("batch_normalization/moving_variance:0", &[8]),
        ("dense_1/kernel:0", &[8, 3]),
    ];
    let words = ["batch_normalization/beta:0", "nor do batch_normalization/gamma:0", "model.save", "ONNX"];
    refused(&keras, &Options::default(), &words);
    let recurrent: [(&str, &[usize]); 3] =
        [("rnn/kernel:0", &[12, 8]), ("rnn/recurrent_kernel:0", &[8, 8]), ("dense/kernel:0", &[8, 3])];
    refused(&recurrent, &Options::default(), &["rnn/recurrent_kernel:0", "recurrent layers"]);
}

/// What training keeps beside a network changes nothing.
#[test]
fn tensors_that_change_nothing() {
    let beside: [(&str, &[usize]); 5] = [
        ("bn1.num_batches_tracked", &[]),
        ("iterations:0", &[]),
        ("optimizer/learning_rate", &[]),
        ("optimizer/vars/3/kernel", &[8, 12]),
        ("dropout/seed_generator/seed_generator_state", &[2]),
    ];
    assert_eq!(converted(&[&TWO[..], &beside].concat(), &Options::default()), None);
}

/// What converting notes.
fn notes(tensors: &[(&str, &[usize])]) -> Vec<String> {
    notes_with(tensors, &Options::default())
}

fn notes_with(tensors: &[(&str, &[usize])], options: &Options<'_>) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::default();
    for (name, shape) in tensors {
        trained.tensors.insert((*name).into(), Raw::f32(shape, &vec![1.0; shape.iter().product()]));
    }
    convert(&trained.write(dir.path()), None, &dir.path().join("out"), options).unwrap().warnings
}

/// `mask`, as `lacewing mask` writes it, is that of the only matrix of its shape; a square one may be turned.
#[test]
fn a_single_mask() {
    let notes = notes(&[&TWO[..], &[("mask", &[8, 12])]].concat());
    assert!(notes.iter().any(|note| note.contains("mask is taken as the mask of fc1.weight")), "{notes:?}");
    let mask: (&str, &[usize]) = ("mask", &[8, 8]);
    let none = Options::default();
    let twice: [(&str, &[usize]); 3] = [("fc1.weight", &[8, 8]), ("fc2.weight", &[8, 8]), mask];
    refused(&twice, &none, &["tensor mask", "none or several"]);
    refused(&[("fc1.weight", &[8, 8]), ("fc2.weight", &[3, 8]), mask], &none, &["tensor mask", "square"]);
    let own: [(&str, &[usize]); 3] = [("fc1.weight", &[8, 12]), ("fc1.mask", &[8, 12]), ("mask", &[8, 12])];
    refused(&own, &none, &["tensor mask"]);
}

/// Without biases, what is stored inputs first fits backwards: numbers say that it is not meant.
#[test]
fn numbers_are_not_turned_around() {
    let none = Options::default();
    let turned: [(&str, &[usize]); 2] = [("fc1.weight", &[4, 6]), ("fc2.weight", &[6, 3])];
    refused(
        &turned,
        &none,
        &["only against their numbers", "other way round", "the layout of matrices under [tensors]"],
    );
    let kernels: [(&str, &[usize]); 2] = [("dense/kernel:0", &[6, 4]), ("dense_1/kernel:0", &[3, 6])];
    refused(&kernels, &none, &["only against their numbers"]);
    // Square, the numbers are enough, and the axes are as usual.
    let square: [(&str, &[usize]); 2] = [("fc1.weight", &[4, 4]), ("fc2.weight", &[4, 4])];
    let said = notes(&square);
    let [note] = &said[..] else { panic!("{said:?}") };
    assert!(note.contains("order by names: fc1.weight") && note.contains("have outputs first"), "{note}");
    let said = notes(&[("dense/kernel:0", &[4, 4]), ("dense/bias:0", &[4])]);
    assert!(said.iter().any(|note| note.contains("have inputs first")), "{said:?}");
    // An exit's biases tell the axes of all; an exit has the axes of the trunk.
    let by_exit: [Shaped<'_>; 6] = [
        ("W1", &[4, 4]),
        ("W2", &[4, 4]),
        ("exit1.W1", &[4, 8]),
        ("exit1.b1", &[8]),
        ("exit1.W2", &[8, 4]),
        ("exit1.b2", &[4]),
    ];
    let said = notes_with(&by_exit, &Options { exit_after: Some(&[1]), ..none });
    assert!(said.iter().all(|note| !note.contains("first,")), "{said:?}");
    assert!(notes(&TWO).iter().all(|note| !note.contains("first,")), "the shapes tell the axes");
}

/// Where neither numbers nor shapes tell an order, that of the file does, in files that have one.
#[test]
fn the_order_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["stem.weight", "middle.weight", "body.weight"];
    let square: Vec<(&str, &[usize])> = names.iter().map(|name| (*name, &[6, 6][..])).collect();
    refused(&square, &Options::default(), &["several orders", "nor the file say which", "--recipe"]);
    let path = dir.path().join("net.npz");
    let mut archive = ndarray_npy::NpzWriter::new(std::fs::File::create(&path).unwrap());
    for name in names {
        archive.add_array(name, &ndarray::Array2::<f32>::ones((6, 6))).unwrap();
    }
    archive.finish().unwrap();
    let values = [1.0; 36];
    let views = [0, 1, 2].map(|at| (names[at], at, &[6, 6][..], &[6, 1][..]));
    let pickled = dir.path().join("net.pt");
    std::fs::write(&pickled, state_dict(&views, &[&values, &values, &values])).unwrap();
    for file in [path, pickled] {
        let out = dir.path().join("out");
        let said = convert(&file, None, &out, &Options::default()).unwrap().warnings;
        std::fs::remove_dir_all(&out).unwrap();
        let order =
            "order by their order in the file, one of several that fit: stem.weight, middle.weight, body.weight";
        assert!(said.iter().any(|note| note.contains(order)), "{said:?}");
    }
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
