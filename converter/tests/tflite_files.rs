//! TensorFlow Lite files, without a recipe.

mod support;

use lacewing_converter::convert::{HEAD, Options, Report, TAIL, convert};
use lacewing_converter::source::Source;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome};
use support::frameworks::{agrees, framework, refused};
use support::names;
use support::written::tflite_between;

#[test]
fn networks_in_floats() {
    let options = Options::default();
    let name = "tflite-sequential-probabilities";
    let report = agrees(&format!("{name}.tflite"), &format!("{name}.expected.npz"), &["end"], &options);
    assert!(report.junctions[0].density < 0.7, "{report:?}");
    for options in [options, Options { split_after: Some(1), ..options }] {
        agrees("tflite-functional.tflite", "tflite-functional.expected.npz", &["exit1", "end"], &options);
    }
    agrees("tflite-hybrid.tflite", "tflite-hybrid.expected.npz", &["end"], &options);
}

/// Two operators with one buffer are two junctions with the same numbers.
#[test]
fn weights_shared_between_layers() {
    for split_after in [0, 1] {
        let options = Options { split_after: Some(split_after), ..Options::default() };
        let report = agrees("tflite-shared.tflite", "tflite-shared.expected.npz", &["end"], &options);
        assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [144, 144, 36]);
    }
}

/// Every exit's logits, in the order in which exits are met.
struct Recorder(Vec<Vec<f32>>);

impl ExitPolicy<i8> for Recorder {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        self.0.push(floats(exit.logits()));
        Decision::Continue
    }
}

fn floats(logits: &[i8]) -> Vec<f32> {
    logits.iter().map(|logit| f32::from(*logit)).collect()
}

/// An int8 network without a recipe: each of `exits`, arrays of what the interpreter answers, is met with its very bits.
fn same_bits(name: &str, exits: &[&str], options: &Options<'_>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let report = convert(&framework(&format!("{name}.tflite")), None, dir.path(), options).unwrap();
    let bytes = [HEAD, TAIL].map(|file| std::fs::read(dir.path().join(file)).ok());
    let mut arrays = Source::open(&framework(&format!("{name}.expected.npz"))).unwrap();
    let mut array = |name: &str, columns| {
        let tensor = arrays.tensor(name, 16_000).unwrap().unwrap();
        assert_eq!(tensor.shape, [1000, columns]);
        tensor.values
    };
    let inputs = array("inputs", 16);
    let wanted: Vec<Vec<f32>> = exits.iter().map(|exit| array(exit, 5)).collect();
    for kernels in [KernelSet::ALL, KernelSet::SCALAR] {
        let [head, tail] = bytes.each_ref().map(|part| part.as_ref().map(|part| Model::parse(part, &kernels).unwrap()));
        let mut scratch = [&head, &tail].map(|part| vec![0; part.as_ref().map_or(0, Model::scratch_len)]);
        let [head_scratch, tail_scratch] = &mut scratch;
        let mut head = Engine::new_i8(head.as_ref().unwrap(), head_scratch).unwrap();
        let mut tail = tail.as_ref().map(|tail| Engine::new_i8(tail, tail_scratch).unwrap());
        for (sample, input) in inputs.chunks(16).enumerate() {
            head.load(&input.iter().map(|value| *value as i8).collect::<Vec<_>>()).unwrap();
            let mut found = Recorder(Vec::new());
            let last = match (head.run(&mut found), &mut tail) {
                (Outcome::Offload { features, .. }, Some(tail)) => {
                    tail.resume(&features, &mut found).unwrap();
                    floats(tail.logits())
                }
                _ => floats(head.logits()),
            };
            found.0.push(last);
            let wanted: Vec<&[f32]> = wanted.iter().map(|exit| &exit[5 * sample..][..5]).collect();
            assert_eq!(found.0, wanted, "{name}, sample {sample}");
        }
    }
    report
}

/// Its own integers are kept: the engine's outputs are those of the interpreter, bit for bit.
#[test]
fn networks_in_int8() {
    for name in ["per-tensor", "per-channel", "floats"] {
        let report = same_bits(&format!("tflite-int8-{name}"), &["end"], &Options::default());
        assert!(report.junctions[0].density < 0.75, "{report:?}");
    }
}

/// Several outputs are exits, whole, split, and with some of them left out.
#[test]
fn networks_in_int8_with_exits() {
    for name in ["tflite-int8-exits", "tflite-int8-exits-floats"] {
        let report = same_bits(name, &["exit1", "exit2", "end"], &Options::default());
        let places: Vec<&str> = report.junctions.iter().map(|junction| junction.place.as_str()).collect();
        let [branch, last] = ["exit 1, junction 1", "exit 1, junction 2"];
        assert_eq!(
            places,
            ["junction 1", branch, last, "junction 2", "exit 2, junction 1", "junction 3", "junction 4"]
        );
        for split in [1, 2, 3] {
            let split = Options { split_after: Some(split), ..Options::default() };
            same_bits(name, &["exit1", "exit2", "end"], &split);
            same_bits(name, &["exit2", "end"], &Options { exit_after: Some(&[2]), ..split });
        }
        same_bits(name, &["end"], &Options { exit_after: Some(&[]), ..Options::default() });
    }
}

#[test]
fn what_is_refused() {
    let cases: [(&str, &[&str]); 27] = [
        ("convolution", &["layer of operator 6 is a CONV_2D", "supported are FULLY_CONNECTED"]),
        ("circle", &["feeds itself"]),
        ("short", &["tensor junction.1.weight", "needs 120 values, there are 25"]),
        ("nan", &["tensor junction.1.weight holds NaN at [0, 0]"]),
        ("huge", &["takes 10 values and is given 60000"]),
        ("negative", &["shape is beyond this machine"]),
        ("overflow", &["shape is beyond this machine"]),
        ("half", &["float16", "float32"]),
        ("no-buffer", &["its buffer is not there"]),
        ("sparse", &["sparse blocks"]),
        ("version", &["version.tflite: version 4 of the schema", "convert the network again"]),
        ("two-graphs", &["two-graphs.tflite: 2 graphs", "convert one signature alone"]),
        ("two-inputs", &["2 inputs"]),
        ("many-axes", &["many-axes.tflite: a list of 100 entries"]),
        ("int8-partly", &["partly in int8 and partly in floats"]),
        ("int8-outputs", &["ends in a ReLU"]),
        ("int8-rescaled", &["QUANTIZE", "changes the scale of int8 values"]),
        (
            "int8-zero-points",
            &["tflite: tensor junction.1.weight_scale: its weights have zero points other than 0", "defaults"],
        ),
        ("int8-scales", &["junction 1: 3 weight scales for 12 outputs"]),
        ("int8-weight-nan", &["junction 1", "make no scale"]),
        ("int8-no-scale", &["junction.1.output holds no scale above 0"]),
        ("int8-two-scales", &["tflite: tensor junction.1.output: it has not one scale and one zero point", "defaults"]),
        (
            "int8-zero-point",
            &["junction.1.output holds no scale above 0 and below 2^120 and zero point from -128 to 127"],
        ),
        ("int8-minus-128", &["junction 1: output 0 has weights that are no integers from -127 to 127"]),
        (
            "int8-bias",
            &["junction 1: output 3 has weights that are no integers", "or a bias that is none up to 16,777,216"],
        ),
        ("int8-tanh", &["tanh has no int8 form"]),
        ("int16", &["computes neither in floats nor in int8"]),
    ];
    for (name, words) in cases {
        refused(&framework(&format!("bad/tflite-{name}.tflite")), &Options::default(), words);
    }
}

/// Integers between layers in floats: values are rounded on the way, and the network is another without that.
#[test]
fn quantised_between_layers_in_floats() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("between.tflite");
    let matrices = [([5, 4], &[0.5; 20][..]), ([3, 5], &[0.5; 15])];
    for reshape in [&[][..], &[22]] {
        std::fs::write(&file, tflite_between(&matrices, reshape)).unwrap();
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
    }
    std::fs::write(&file, tflite_between(&matrices, &[114, 6])).unwrap();
    let words = ["QUANTIZE (operator", "rounds values to integers beside layers in floats", "without quantisation"];
    refused(&file, &Options::default(), &words);
}

/// Cut anywhere, or with any byte changed, a file is refused or still converts; nothing panics, nothing is left behind.
#[test]
fn damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("damaged.tflite"), dir.path().join("out"));
    let whole = std::fs::read(framework("tflite-functional.tflite")).unwrap();
    let mut refusals = 0;
    for at in (8..whole.len()).step_by(13) {
        for bytes in [whole[..at].to_vec(), [&whole[..at], &[whole[at] ^ 0x81], &whole[at + 1..]].concat()] {
            std::fs::write(&file, bytes).unwrap();
            match convert(&file, None, &out, &Options::default()) {
                Ok(_) => std::fs::remove_dir_all(&out).unwrap(),
                Err(_) => refusals += 1,
            }
            assert!(names(&out).is_empty());
        }
    }
    assert!(refusals > 300, "{refusals}");
}
