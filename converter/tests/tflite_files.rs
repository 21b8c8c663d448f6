//! TensorFlow Lite files, without a recipe.

mod support;

use lacewing_converter::convert::{Options, convert};
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

#[test]
fn what_is_refused() {
    let cases: [(&str, &[&str]); 14] = [
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
    ];
    refused(&framework("tflite-int8-per-tensor.tflite"), &Options::default(), &["computes in int8"]);
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
