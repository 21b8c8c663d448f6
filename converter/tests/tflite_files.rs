//! TensorFlow Lite files, without a recipe.

mod support;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::source::Source;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use support::frameworks::{agrees, framework, refused};
use support::names;

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

/// Its own integers are kept: the engine's outputs are those of the interpreter, bit for bit.
#[test]
fn networks_in_int8() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["per-tensor", "per-channel", "floats"].map(|name| format!("tflite-int8-{name}")) {
        let report = convert(&framework(&format!("{name}.tflite")), None, dir.path(), &Options::default()).unwrap();
        assert!(report.junctions[0].density < 0.75, "{report:?}");
        let bytes = std::fs::read(dir.path().join(HEAD)).unwrap();
        let mut arrays = Source::open(&framework(&format!("{name}.expected.npz"))).unwrap();
        let [inputs, wanted] = ["inputs", "end"].map(|name| arrays.tensor(name, 16_000).unwrap().unwrap());
        assert_eq!((&inputs.shape[..], &wanted.shape[..]), (&[1000, 16][..], &[1000, 5][..]));
        for kernels in [KernelSet::ALL, KernelSet::SCALAR] {
            let model = Model::parse(&bytes, &kernels).unwrap();
            let mut scratch = vec![0; model.scratch_len()];
            let mut engine = Engine::new_i8(&model, &mut scratch).unwrap();
            for (sample, (input, wanted)) in inputs.values.chunks(16).zip(wanted.values.chunks(5)).enumerate() {
                engine.load(&input.iter().map(|value| *value as i8).collect::<Vec<_>>()).unwrap();
                let _ = engine.run(&mut Never);
                let found: Vec<f32> = engine.logits().iter().map(|logit| f32::from(*logit)).collect();
                assert_eq!(found, wanted, "{name}, sample {sample}");
            }
        }
    }
}

#[test]
fn what_is_refused() {
    let cases: [(&str, &[&str]); 28] = [
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
        ("version", &["version 4 of the schema"]),
        ("two-graphs", &["2 graphs"]),
        ("two-inputs", &["2 inputs"]),
        ("many-axes", &["a list of 100 entries"]),
        ("int8-order", &["do not stand in the file in their order"]),
        ("int8-partly", &["partly in int8 and partly in floats"]),
        ("int8-outputs", &["int8 network with several outputs"]),
        ("int8-rescaled", &["QUANTIZE", "changes the scale of int8 values"]),
        ("int8-zero-points", &["junction.1.weight_scale", "zero points other than 0"]),
        ("int8-scales", &["junction 1: 3 weight scales for 12 outputs"]),
        ("int8-weight-nan", &["junction 1", "make no scale"]),
        ("int8-no-scale", &["junction.1.output holds no scale above 0"]),
        ("int8-two-scales", &["junction.1.output", "not one scale and one zero point"]),
        ("int8-zero-point", &["junction.1.output holds no scale above 0 and zero point from -128 to 127"]),
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
