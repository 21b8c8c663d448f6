//! Model files written as ONNX and NumPy arrays, and read back.

mod support;

use std::path::Path;

use lacewing_converter::convert::{HEAD, Options, TAIL, convert};
use lacewing_converter::export::{Repository, arrays, onnx, repository};
use lacewing_converter::import::{Imported, import, import_reading};
use lacewing_converter::network::Network;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use support::frameworks::{agrees_with, framework};

fn read(file: &Path) -> Network {
    let mut source = Source::open(file).unwrap();
    let reading = Reading::of(&mut source, None, None).unwrap();
    import_reading(&mut source, reading).unwrap().network
}

/// Converted, exported and read again, every number is the same. Edges of weight 0 are none in ONNX.
#[test]
fn there_and_back() {
    for file in ["onnx-operations.onnx", "keras2-functional.h5", "torch-exits.npz", "torch-sequential.pt"] {
        let dir = tempfile::tempdir().unwrap();
        convert(&framework(file), None, dir.path(), &Options::default()).unwrap();
        let model = std::fs::read(dir.path().join(HEAD)).unwrap();
        let path = dir.path().join("back.onnx");
        std::fs::write(&path, onnx(&model).unwrap()).unwrap();
        let (there, back) = (read(&framework(file)), read(&path));
        assert_eq!(back.exits.len(), there.exits.len(), "{file}");
        for (there, back) in there.junctions().zip(back.junctions()) {
            assert_eq!(back.edges, there.edges.without_zeros().unwrap(), "{file}, {}", there.id);
            assert_eq!((back.id, back.activation), (there.id, there.activation));
            let bias = if there.bias.is_empty() { vec![0.0; there.edges.n_out()] } else { there.bias.clone() };
            assert!(back.bias.is_empty() && bias.iter().all(|bias| *bias == 0.0) || back.bias == bias);
        }
        // NumPy, with the recipe that is written beside it.
        let (archive, recipe) = arrays(&model).unwrap();
        let path = dir.path().join("back.npz");
        std::fs::write(&path, archive).unwrap();
        let recipe = Recipe::parse(&recipe.unwrap()).unwrap();
        let Imported { network, .. } = import(&mut Source::open(&path).unwrap(), recipe).unwrap();
        assert_eq!(network.exits.len(), there.exits.len());
        for (there, back) in there.junctions().zip(network.junctions()) {
            assert!(back.edges.same_nonzeros(&there.edges), "{file}, {}", there.id);
            assert_eq!((back.id, back.activation), (there.id, there.activation));
        }
    }
}

/// What `check_export.py` had onnxruntime answer to these very files.
#[test]
fn onnxruntime_answers_as_the_engine_does() {
    let dir = tempfile::tempdir().unwrap();
    let split = Options { split_after: Some(1), ..Options::default() };
    convert(&framework("keras2-functional.h5"), None, dir.path(), &split).unwrap();
    for (part, name) in [(HEAD, "export-head"), (TAIL, "export-tail")] {
        let exported = onnx(&std::fs::read(dir.path().join(part)).unwrap()).unwrap();
        let checked = std::fs::read(framework(&format!("{name}.onnx"))).unwrap();
        assert!(exported == checked, "{name}.onnx is not what onnxruntime has run: run check_export.py again");
    }
    // Its answers, head and tail one after the other, against the engine's own.
    agrees_with(dir.path(), "export.expected.npz", &["exit1", "logits"]);
}

#[test]
fn a_tail_as_a_model_repository() {
    let dir = tempfile::tempdir().unwrap();
    let split = Options { split_after: Some(1), ..Options::default() };
    convert(&framework("keras2-functional.h5"), None, dir.path(), &split).unwrap();
    let tail = std::fs::read(dir.path().join(TAIL)).unwrap();
    let settings = Repository { name: "digits-tail", ..Repository::default() };
    let files = repository(&tail, &settings).unwrap();
    let [(model, onnx_bytes), (config, config_bytes), (service, service_bytes)] = &files[..] else {
        panic!("{files:?}")
    };
    assert_eq!(model, Path::new("digits-tail/1/model.onnx"));
    assert_eq!(config, Path::new("digits-tail/config.pbtxt"));
    assert_eq!(service, Path::new("digits-tail.inferenceservice.yaml"));
    assert_eq!(onnx_bytes, &onnx(&tail).unwrap());
    let config = String::from_utf8(config_bytes.clone()).unwrap();
    for line in ["name: \"digits-tail\"", "name: \"features\"", "dims: [ 10 ]", "name: \"logits\"", "dims: [ 3 ]"] {
        assert!(config.contains(line), "no {line} in {config}");
    }
    assert!(String::from_utf8(service_bytes.clone()).unwrap().contains("storageUri: \"pvc://models/repository\""));
    for name in ["", "a/b", "../x", "Upper", "-a", "a-", "ümlaut", &"a".repeat(64)] {
        let error = repository(&tail, &Repository { name, ..Repository::default() }).unwrap_err().to_string();
        assert!(error.contains("no name of a service"), "{error}");
    }
    let head = std::fs::read(dir.path().join(HEAD)).unwrap();
    assert!(repository(&head, &settings).unwrap_err().to_string().contains("it is a head"));
    assert!(onnx(&tail[..100]).is_err());
    assert!(arrays(b"no model").is_err());
    // A head's end is no classifier: arrays, but no recipe.
    assert!(arrays(&head).unwrap().1.is_none());
}
