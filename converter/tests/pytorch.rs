//! PyTorch checkpoints, without a recipe and without Python.

mod support;

use std::io::Read;

use lacewing_converter::convert::{Options, convert};
use lacewing_converter::import::import_reading;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use support::frameworks::{agrees, framework, refused};
use support::written::{Pickled, View, checkpoint, state_dict};
use support::{archive, names};

/// State dicts as PyTorch writes them today and as it did before 1.6, and a whole module.
#[test]
fn pruned_and_normalised() {
    for file in ["torch-sequential.pt", "torch-sequential-legacy.pt", "torch-sequential-whole.pt"] {
        let report = agrees(file, "torch-sequential.expected.npz", &["end"], &Options::default());
        assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [36, 50, 30], "{file}");
        // Of these, the whole module alone says ε.
        let is_noted = report.warnings.iter().any(|note| note.contains('ε'));
        assert_eq!(is_noted, !file.contains("whole"), "{file}: {:?}", report.warnings);
    }
}

/// The state dict under a key, beside the optimizer's state.
#[test]
fn exits_in_a_checkpoint() {
    let split = Options { split_after: Some(1), exit_after: Some(&[1]), ..Options::default() };
    for options in [Options::default(), split] {
        agrees("torch-exits.pt", "torch-exits.expected.npz", &["exit1", "end"], &options);
    }
}

#[test]
fn a_hostile_pickle_is_refused_and_does_nothing() {
    let out = tempfile::tempdir().unwrap();
    let error = convert(&framework("torch-hostile.pt"), None, out.path(), &Options::default()).unwrap_err().to_string();
    for said in ["imports posix.system", "nothing of it was executed", "torch.save(model.state_dict(), FILE)"] {
        assert!(error.contains(said), "{error}");
    }
    // The file is what its author made it: to copy it again is no help.
    assert!(!error.contains("damaged") && !error.contains("copy it again"), "{error}");
    assert!(names(out.path()).is_empty());
    // What the pickle would have made, had it been executed.
    assert!(!std::path::Path::new("executed").exists());
}

/// What the call gives is thrown away: nothing of it is in the values.
#[test]
fn an_import_that_leaves_no_trace_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("network.pt");
    let pickle = b"\x80\x02cposix\nsystem\n(S'touch executed'\ntR0}.";
    let stored = zip::CompressionMethod::Stored;
    for bytes in [archive([("network/data.pkl", &pickle[..])], stored), [&b"\x80\x02}0"[..], &pickle[2..]].concat()] {
        std::fs::write(&file, bytes).unwrap();
        refused(&file, &Options::default(), &["imports posix.system", "nothing of it was executed"]);
    }
    assert!(!std::path::Path::new("executed").exists());
}

/// PyTorch and NumPy have functions that fetch and run code: names are let in, not packages.
#[test]
fn functions_of_pytorch_and_numpy_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("network.pt");
    let stored = zip::CompressionMethod::Stored;
    for (module, name) in [
        ("torch.hub", "load"),
        ("torch._inductor.codecache", "compile_file"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
    ] {
        let pickle = format!("\u{2}c{module}\n{name}\n(S'touch executed'\ntR0}}.");
        let pickle = [&b"\x80"[..], pickle.as_bytes()].concat();
        for bytes in [archive([("network/data.pkl", &pickle[..])], stored), [&b"\x80\x02}0"[..], &pickle[2..]].concat()]
        {
            std::fs::write(&file, bytes).unwrap();
            refused(&file, &Options::default(), &[&format!("imports {module}.{name}"), "nothing of it was executed"]);
        }
    }
    assert!(!std::path::Path::new("executed").exists());
}

/// A whole module whose layers are not what its names and shapes say: another class in the place of one that it has.
#[test]
fn whole_modules_with_other_layers_are_refused() {
    let mut stored =
        zip::ZipArchive::new(std::fs::File::open(framework("torch-sequential-whole.pt")).unwrap()).unwrap();
    let mut members = Vec::new();
    for at in 0..stored.len() {
        let (mut member, mut bytes) = (stored.by_index(at).unwrap(), Vec::new());
        member.read_to_end(&mut bytes).unwrap();
        members.push((member.name().to_owned(), bytes));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whole.pt");
    let other = |old: &str, new: &str| {
        let (old, new) = (format!("ctorch.nn.modules.{old}\n"), format!("ctorch.nn.modules.{new}\n"));
        let members = members.iter().map(|(name, bytes)| {
            let at = bytes.windows(old.len()).position(|part| part == old.as_bytes());
            let Some(at) = at.filter(|_| name.ends_with(".pkl")) else { return (name.clone(), bytes.clone()) };
            (name.clone(), [&bytes[..at], new.as_bytes(), &bytes[at + old.len()..]].concat())
        });
        let members: Vec<(String, Vec<u8>)> = members.collect();
        let members = members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
        std::fs::write(&file, archive(members, zip::CompressionMethod::Stored)).unwrap();
    };
    // As it is, packed again.
    other("activation\nReLU", "activation\nReLU");
    convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    let cases = [
        ("activation\nReLU", "activation\nTanh", "torch.nn.modules.activation.Tanh, which is not supported"),
        ("activation\nReLU", "activation\nSoftmax", "a softmax before its last Linear"),
        ("activation\nReLU", "linear\nIdentity", "without a ReLU between"),
        ("linear\nLinear", "sparse\nEmbedding", "torch.nn.modules.sparse.Embedding"),
        ("linear\nLinear", "rnn\nRNNCell", "torch.nn.modules.rnn.RNNCell"),
        ("batchnorm\nBatchNorm1d", "instancenorm\nInstanceNorm1d", "torch.nn.modules.instancenorm.InstanceNorm1d"),
        ("dropout\nDropout", "normalization\nLayerNorm", "torch.nn.modules.normalization.LayerNorm"),
    ];
    for (old, new, said) in cases {
        other(old, new);
        refused(
            &file,
            &Options::default(),
            &["whole.pt", said, "supported are Sequential", "state_dict()", "--recipe", "ONNX"],
        );
    }
}

/// A layer's tensors.
fn linear<'v>(shape: &'v [usize; 2]) -> Vec<(&'v str, Pickled<'v>)> {
    vec![("weight", Pickled::Tensor(shape, 0.5)), ("bias", Pickled::Tensor(&shape[..1], 0.25))]
}

/// A state dict of two layers under these names.
fn two<'v>(first: &'v str, second: &'v str) -> Vec<(&'v str, Pickled<'v>)> {
    vec![(first, Pickled::Tensor(&[5, 4], 0.5)), (second, Pickled::Tensor(&[3, 5], 0.5))]
}

/// A file of what is pickled.
fn written(root: &Pickled<'_>) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("network.pt");
    std::fs::write(&file, checkpoint(root)).unwrap();
    (dir, file)
}

#[track_caller]
fn widths(root: &Pickled<'_>) -> Vec<(usize, usize)> {
    let (dir, file) = written(root);
    let report = convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    report.junctions.iter().map(|junction| (junction.n_in, junction.n_out)).collect()
}

/// A name may begin like a key of checkpoints; a key is one only where it is one of the file.
#[test]
fn names_that_begin_like_keys() {
    for prefix in ["net", "model", "state_dict"] {
        let [first, second] = ["0.weight", "2.weight"].map(|name| format!("{prefix}.{name}"));
        assert_eq!(widths(&Pickled::Dict(two(&first, &second))), [(4, 5), (5, 3)], "{prefix}");
        assert_eq!(
            widths(&Pickled::Dict(vec![(prefix, Pickled::Dict(two("0.weight", "2.weight")))])),
            [(4, 5), (5, 3)]
        );
        // Beside others, and within a checkpoint.
        assert_eq!(widths(&Pickled::Dict(two(&first, "out.weight"))), [(4, 5), (5, 3)], "{prefix}");
        let within = Pickled::Dict(vec![("model_state_dict", Pickled::Dict(two(&first, "out.weight")))]);
        assert_eq!(widths(&within), [(4, 5), (5, 3)], "{prefix}");
    }
    // A whole module, and one within a checkpoint: `head` is not lost.
    let whole = || {
        let layer = |shape| Pickled::Module("linear\nLinear", linear(shape), None, Vec::new());
        let relu = Pickled::Module("activation\nReLU", Vec::new(), None, Vec::new());
        let within = vec![("net", layer(&[5, 4])), ("act", relu), ("out", layer(&[3, 5]))];
        Pickled::Module("container\nSequential", Vec::new(), None, within)
    };
    assert_eq!(widths(&whole()), [(4, 5), (5, 3)]);
    assert_eq!(widths(&Pickled::Dict(vec![("model", whole())])), [(4, 5), (5, 3)]);
}

/// ε and the place of a normalisation in a whole module.
#[test]
fn normalisations_of_whole_modules() {
    let whole = |names: [&'static str; 4], layers: [&str; 2], epsilon| {
        let layer = |shape| Pickled::Module("linear\nLinear", linear(shape), None, Vec::new());
        let inner = layers.map(|class| {
            let vectors =
                ["weight", "bias", "running_mean", "running_var"].map(|name| (name, Pickled::Tensor(&[5], 1.0)));
            match class {
                "norm" => Pickled::Module("batchnorm\nBatchNorm1d", vectors.into(), epsilon, Vec::new()),
                _ => Pickled::Module("activation\nReLU", Vec::new(), None, Vec::new()),
            }
        });
        let within = [layer(&[5, 4])].into_iter().chain(inner).chain([layer(&[3, 5])]);
        let within = names.into_iter().zip(within).collect();
        written(&Pickled::Module("container\nSequential", Vec::new(), None, within))
    };
    let numbers = ["0", "1", "2", "3"];
    let notes = |epsilon, layers| {
        let (dir, file) = whole(numbers, layers, epsilon);
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap().warnings
    };
    for layers in [["norm", "relu"], ["relu", "norm"]] {
        let said = notes(Some(1e-5), layers);
        assert!(said.iter().all(|note| !note.contains('ε')), "{said:?}");
        let said = notes(None, layers);
        assert!(said.iter().any(|note| note.contains("does not say ε") && !note.contains("place")), "{said:?}");
        let (_dir, file) = whole(numbers, layers, Some(1e-3));
        refused(&file, &Options::default(), &["BatchNorm1d with an ε of 1e-3", "supported is 1e-5", "ONNX"]);
    }
    // Where names say another place than the modules.
    let (_dir, file) = whole(["fc1", "act1", "bn1", "fc2"], ["relu", "norm"], Some(1e-5));
    refused(&file, &Options::default(), &["1 batch normalisations stand behind a ReLU, and 0 by their names", "ONNX"]);
}

/// Tensors beside the state dict may be of the network: none is dropped unseen, but what training keeps.
#[test]
fn tensors_beside_a_state_dict() {
    let state = || Pickled::Dict(two("0.weight", "2.weight"));
    let tensor = |shape| Pickled::Tensor(shape, 1.0);
    let optimizer = || {
        let moments = Pickled::Dict(vec![("exp_avg", tensor(&[5, 4])), ("step", tensor(&[]))]);
        Pickled::Dict(vec![("state", Pickled::Dict(vec![("0", moments)]))])
    };
    let beside = vec![
        ("model", state()),
        ("optimizer", optimizer()),
        ("optim_state_dict", optimizer()),
        ("lr_scheduler", Pickled::Dict(vec![("last", tensor(&[2]))])),
        ("scheduler_state", Pickled::Dict(vec![("last", tensor(&[2]))])),
        ("epoch", tensor(&[1])),
        ("best_accuracy", tensor(&[])),
        ("cuda_rng_state", tensor(&[16])),
    ];
    assert_eq!(widths(&Pickled::Dict(beside)), [(4, 5), (5, 3)]);
    let help = ["one state dict", "torch.save(", "--recipe"];
    let exit = || Pickled::Dict(linear(&[3, 5]));
    let cases: [(Pickled<'_>, &[&str]); 3] = [
        (
            Pickled::Dict(vec![("model", state()), ("exit", exit()), ("mask", tensor(&[5, 4]))]),
            &["beside the tensors under model it has exit.bias and 2 more", "model.0.weight"],
        ),
        (
            Pickled::Dict(vec![("state_dict", state()), ("model_ema", state())]),
            &["under state_dict it has model_ema.0.weight and 1 more"],
        ),
        (Pickled::Dict(vec![("model", state()), ("net", state())]), &["tensors under model and under net"]),
    ];
    for (root, words) in cases {
        let (_dir, file) = written(&root);
        refused(&file, &Options::default(), &[&help[..], words].concat());
    }
    // What is not told, a recipe can say.
    let toml = "name = \"chosen\"\nclasses = 3\n[input]\nwidth = 4\nscale = 1.0\n[[junction]]\noutputs = 5\nactivation = \"relu\"\n\
                weight = \"model.0.weight\"\nmask = \"mask\"\n[[junction]]\noutputs = 3\nweight = \"model.2.weight\"\n\
                [[exit]]\nafter = 1\nmetric = \"margin\"\nthreshold = 0.5\n[[exit.junction]]\noutputs = 3\n\
                weight = \"exit.weight\"\nbias = \"exit.bias\"\n";
    let root = Pickled::Dict(vec![("model", state()), ("exit", exit()), ("mask", Pickled::Tensor(&[5, 4], 0.0))]);
    let (dir, file) = written(&root);
    let recipe = Recipe::parse(toml).unwrap();
    let report = convert(&file, Some(recipe), &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [0, 15, 15]);
}

/// A view that repeats one number: gigabytes are claimed, and none is read.
#[test]
fn gigabytes_in_a_kilobyte_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vast.pt");
    std::fs::write(&file, state_dict(&[("0.weight", 0, &[40_000, 60_000], &[0, 0])], &[&[1.0]])).unwrap();
    let mut source = Source::open(&file).unwrap();
    let refused = source.tensor("0.weight", 40_000 * 60_000).unwrap_err().to_string();
    for said in ["needs 9600000000 bytes", "vast.pt", "tensor.contiguous()"] {
        assert!(refused.contains(said), "{refused}");
    }
    // It is as its author saved it.
    assert!(!refused.contains("damaged"), "{refused}");
}

/// Tied weights: two layers of one storage are two junctions with the same numbers.
#[test]
fn weights_shared_between_layers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tied.pt");
    let shared: Vec<f32> = (0..36).map(|at| at as f32 - 17.5).collect();
    let last: Vec<f32> = (0..12).map(|at| 0.1 + at as f32).collect();
    let tensors: [View<'_>; 3] =
        [("0.weight", 0, &[6, 6], &[6, 1]), ("2.weight", 0, &[6, 6], &[6, 1]), ("4.weight", 1, &[2, 6], &[6, 1])];
    std::fs::write(&file, state_dict(&tensors, &[&shared, &last])).unwrap();
    let mut source = Source::open(&file).unwrap();
    let reading = Reading::of(&mut source, None, None).unwrap();
    let trunk = import_reading(&mut source, reading).unwrap().network.trunk;
    let weights: Vec<Vec<f32>> = trunk.iter().map(|junction| junction.edges.to_dense()).collect();
    assert_eq!(weights, [shared.clone(), shared, last]);
    convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
}

/// Cut anywhere, or with any byte changed, a file is refused or still converts; nothing panics, nothing is left behind.
#[test]
fn damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("damaged.pt");
    let out = dir.path().join("out");
    for name in ["torch-sequential.pt", "torch-sequential-legacy.pt"] {
        let whole = std::fs::read(framework(name)).unwrap();
        let mut refusals = 0;
        for at in (8..whole.len()).step_by(61) {
            std::fs::write(&file, &whole[..at]).unwrap();
            assert!(convert(&file, None, &out, &Options::default()).is_err(), "{name} cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0x81;
            std::fs::write(&file, &changed).unwrap();
            match convert(&file, None, &out, &Options::default()) {
                Ok(_) => std::fs::remove_dir_all(&out).unwrap(),
                Err(_) => refusals += 1,
            }
            assert!(names(&out).is_empty());
        }
        assert!(refusals > 10, "{refusals}");
    }
}
