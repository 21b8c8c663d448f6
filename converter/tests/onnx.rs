//! ONNX files, without a recipe.

mod support;

use lacewing_converter::convert::{Options, convert};
use support::frameworks::{agrees, framework, logits, refused};
use support::names;

#[test]
fn operators_are_folded_as_onnxruntime_computes_them() {
    let report = agrees("onnx-operations.onnx", "onnx-operations.expected.npz", &["end"], &Options::default());
    let shapes: Vec<_> = report.junctions.iter().map(|junction| (junction.n_in, junction.n_out)).collect();
    assert_eq!(shapes, [(12, 10), (10, 8), (8, 7), (7, 6), (6, 5), (5, 3)]);
    // Half of the first matrix is masked, 40 % of the third.
    assert!(report.junctions[0].density < 0.6 && report.junctions[2].density < 0.7);
}

#[test]
fn several_outputs_are_exits() {
    for file in ["onnx-exits", "onnx-external"] {
        let (name, expected) = (format!("{file}.onnx"), format!("{file}.expected.npz"));
        let report = agrees(&name, &expected, &["exit1", "end"], &Options::default());
        let places: Vec<&str> = report.junctions.iter().map(|junction| junction.place.as_str()).collect();
        assert_eq!(places, ["junction 1", "exit 1, junction 1", "junction 2", "junction 3", "junction 4"]);
        let split = Options { split_after: Some(1), exit_after: Some(&[1]), ..Options::default() };
        agrees(&name, &expected, &["exit1", "end"], &split);
        agrees(&name, &expected, &["end"], &Options { exit_after: Some(&[]), ..Options::default() });
    }
}

#[test]
fn sparse_initializers() {
    let report = agrees("onnx-sparse.onnx", "onnx-sparse.expected.npz", &["end"], &Options::default());
    assert!(report.junctions[0].density < 0.4 && report.junctions[1].density < 0.9);
}

/// Two nodes that read one initializer are two junctions with the same numbers.
#[test]
fn weights_shared_between_layers() {
    for split_after in [0, 1] {
        let options = Options { split_after: Some(split_after), ..Options::default() };
        let report = agrees("onnx-shared.onnx", "onnx-shared.expected.npz", &["end"], &options);
        assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [144, 144, 36]);
    }
}

/// PyTorch's exporter; a pruned weight is a product with its mask.
#[test]
fn exported_by_pytorch() {
    let report = agrees("torch-sequential.onnx", "torch-sequential.expected.npz", &["end"], &Options::default());
    assert_eq!(report.junctions.iter().map(|junction| junction.nnz).collect::<Vec<_>>(), [36, 50, 30]);
    agrees("torch-exits.onnx", "torch-exits.expected.npz", &["exit1", "end"], &Options::default());
}

/// Both exporters of PyTorch 2, from the layers and with weights in a file of their own.
#[test]
fn exported_by_pytorch_2() {
    for exporter in ["script", "dynamo"] {
        let name = format!("torch2-sequential-{exporter}.onnx");
        let report = agrees(&name, "torch2-sequential.expected.npz", &["end"], &Options::default());
        let edges: Vec<_> = report.junctions.iter().map(|junction| junction.nnz).collect();
        assert_eq!(edges, [36, 100, 90, 72, 56, 21], "{name}");
        let name = format!("torch2-exits-{exporter}.onnx");
        agrees(&name, "torch2-exits.expected.npz", &["exit1", "end"], &Options::default());
    }
}

#[test]
fn what_is_refused() {
    let cases: [(&str, &[&str]); 30] = [
        ("convolution", &["end is a Conv", "supported are Gemm"]),
        ("other-domain", &["com.microsoft.FusedGemm"]),
        ("circle", &["feeds itself"]),
        ("constant-circle", &["input b", "no stored tensor"]),
        ("residual", &["joins two branches"]),
        ("missing", &["no node gives the value nothing"]),
        ("no-tensor", &["input nothing is no stored tensor"]),
        ("unlike", &["takes 5 values and is given 4"]),
        ("two-names", &["two tensors of the name \"w\""]),
        ("short", &["tensor w", "needs 36 values, there are 25"]),
        ("half", &["tensor w", "float16", "float32"]),
        ("overflow", &["tensor w", "beyond this machine"]),
        ("negative", &["tensor w", "beyond this machine"]),
        ("huge", &["needs 240000000 values, there are 36"]),
        ("nan", &["tensor w holds NaN at [0, 0]"]),
        ("outside", &["../inputs.npz", "not in the folder"]),
        ("absolute", &["/etc/hostname", "not in the folder"]),
        ("no-file", &["nothing.data", "No such file"]),
        ("past-end", &["past the end of onnx-short.onnx, which has 206 bytes"]),
        ("far-offset", &["past the end"]),
        ("sparse-outside", &["index [36] is outside its shape [12, 3]"]),
        ("sparse-negative", &["index [-3] is outside"]),
        ("sparse-pairs-outside", &["index [3, 3] is outside"]),
        ("sparse-twice", &["do not ascend at [3]"]),
        ("sparse-unlike", &["2 values and 3 indices"]),
        ("sparse-huge", &["claims 256000000 places for 2 values", "store it dense"]),
        ("sparse-int32", &["int32"]),
        ("two-inputs", &["several inputs (x, y)"]),
        ("no-input", &["no input"]),
        ("input-is-output", &["is the input itself"]),
    ];
    for (name, words) in cases {
        refused(&framework(&format!("bad/onnx-{name}.onnx")), &Options::default(), words);
    }
}

/// A field of protobuf that is so many bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let length =
        if length < 0x80 { vec![length as u8] } else { vec![0x80 | (length & 0x7f) as u8, (length >> 7) as u8] };
    [&[number << 3 | 2][..], &length, content].concat()
}

/// A node with one integer attribute.
fn node(kind: &str, inputs: &[&str], output: &str, (key, value): (&str, u8)) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
    node.extend([field(2, output.as_bytes()), field(3, output.as_bytes()), field(4, kind.as_bytes())].concat());
    node.extend(field(5, &[&field(1, key.as_bytes())[..], &[0x18, value]].concat()));
    field(1, &node)
}

/// A cast to whole numbers cuts off what is behind the point: on data and on weights.
#[test]
fn casts_to_other_numbers_than_floats_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cast.onnx");
    let written = |weights: &str, to: u8| {
        let (data, cast) = if weights == "w" { ("cast", "x") } else { ("x", "w") };
        let raw: Vec<u8> = (0..12).flat_map(|at| (at as f32 - 5.5).to_le_bytes()).collect();
        let tensor = [&[8, 4, 8, 3, 0x10, 1][..], &field(8, b"w"), &field(9, &raw)].concat();
        let graph = [
            node("Cast", &[cast], "cast", ("to", to)),
            node("MatMul", &[data, weights], "end", ("unused", 0)),
            field(5, &tensor),
            field(11, &field(1, b"x")),
            field(12, &field(1, b"end")),
        ];
        std::fs::write(&file, [&[8, 8][..], &field(7, &graph.concat()), &field(8, &[0x10, 17])].concat()).unwrap();
    };
    for weights in ["w", "cast"] {
        for float in [1, 11] {
            written(weights, float);
            convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
        }
    }
    let words = |called| ["layer cast".to_owned(), format!("casts to {called}"), "float and double: export".to_owned()];
    let refused_data = |called| refused(&file, &Options::default(), &words(called).each_ref().map(String::as_str));
    for (half, called) in [(10, "float16"), (16, "bfloat16")] {
        written("cast", half);
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap();
        // Of data, the cast rounds each value.
        written("w", half);
        refused_data(called);
    }
    for (other, called) in [(0, "undefined"), (2, "uint8"), (3, "int8"), (7, "int64"), (9, "bool"), (99, "number 99")] {
        written("w", other);
        refused_data(called);
        written("cast", other);
        refused(&file, &Options::default(), &["layer end", "input cast is no stored tensor and not made of one"]);
    }
}

/// Weights and biases times a number, and by one.
#[test]
fn constants_times_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("times.onnx"), dir.path().join("out"));
    let written = |kind: &str, operands: [&str; 2], gemm: bool| {
        let tensor = |name: &str, shape: &[u8], values: &[f32]| {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let shape: Vec<u8> = shape.iter().flat_map(|length| [8, *length]).collect();
            field(5, &[&shape[..], &[0x10, 1], &field(8, name.as_bytes()), &field(9, &raw)].concat())
        };
        let bias =
            node(kind, &operands.map(|operand| if operand == "w" { "b" } else { operand }), "biases", ("unused", 0));
        let graph = [
            node(kind, &operands, "weights", ("unused", 0)),
            if gemm { bias } else { Vec::new() },
            match gemm {
                true => node("Gemm", &["x", "weights", "biases"], "end", ("transB", 0)),
                false => node("MatMul", &["x", "weights"], "end", ("unused", 0)),
            },
            tensor("w", &[4, 3], &[1.0; 12]),
            tensor("b", &[3], &[2.0; 3]),
            tensor("half", &[], &[0.5]),
            tensor("none", &[1], &[0.0]),
            field(11, &field(1, b"x")),
            field(12, &field(1, b"end")),
        ];
        std::fs::write(&file, [&[8, 8][..], &field(7, &graph.concat()), &field(8, &[0x10, 17])].concat()).unwrap();
    };
    for (kind, operands, product) in
        [("Mul", ["w", "half"], 2.0), ("Mul", ["half", "w"], 2.0), ("Div", ["w", "half"], 8.0)]
    {
        for gemm in [false, true] {
            written(kind, operands, gemm);
            convert(&file, None, &out, &Options::default()).unwrap();
            let sum = if gemm { product * 1.5 } else { product };
            assert_eq!(logits(&out, &[1.0; 4], 4), [[[sum; 3]]], "{kind} {operands:?} {gemm}");
        }
    }
    for (kind, operands) in [("Div", ["half", "w"]), ("Div", ["w", "none"]), ("Add", ["w", "half"])] {
        written(kind, operands, false);
        refused(&file, &Options::default(), &["layer end", "input weights is no stored tensor and not made of one"]);
    }
}

#[cfg(unix)]
#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::copy(framework("onnx-external.onnx"), inner.join("model.onnx")).unwrap();
    std::fs::copy(framework("onnx-external.data"), dir.path().join("secret")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("secret"), inner.join("onnx-external.data")).unwrap();
    refused(&inner.join("model.onnx"), &Options::default(), &["not in the folder"]);
}

/// Many parts of a few bytes each: refused before memory is asked for all.
#[test]
fn a_graph_of_very_many_parts() {
    let parts = 1 << 20;
    let mut bytes = vec![0x08, 8, 0x3a];
    let mut length = parts * 2;
    while length > 0x7f {
        bytes.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend([0x0a, 0].repeat(parts));
    // Version 17 of the operators.
    bytes.extend([0x42, 2, 0x10, 17]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("many.onnx");
    std::fs::write(&file, bytes).unwrap();
    refused(&file, &Options::default(), &["many.onnx: a graph of more than 65536 parts"]);
}

/// Cut anywhere, or with any byte changed, a file is refused or still converts; nothing panics, nothing is left behind.
#[test]
fn damaged_files() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("damaged.onnx"), dir.path().join("out"));
    for name in ["onnx-operations.onnx", "onnx-sparse.onnx"] {
        let whole = std::fs::read(framework(name)).unwrap();
        let mut refusals = 0;
        for at in (3..whole.len()).step_by(7) {
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
        assert!(refusals > 20, "{refusals}");
    }
}
