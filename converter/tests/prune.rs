//! Dense networks made sparse, and handed to the trainer.

mod support;

use lacewing_converter::convert::{Options, convert};
use lacewing_converter::import::{Imported, import_reading};
use lacewing_converter::prune::prune;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_converter::trained::{recipe_of, write_trained};
use lacewing_models::{Pattern, Projection};
use support::frameworks::framework;

fn imported(file: &str) -> Imported {
    let mut source = Source::open(&framework(file)).unwrap();
    let reading = Reading::of(&mut source, None, None).unwrap();
    import_reading(&mut source, reading).unwrap()
}

/// Through the trainer's file a network stays as it is: edges of weight zero, folded layers, exits.
#[test]
fn as_the_trainers_file_it_is_the_same() {
    for file in ["torch-sequential.pt", "keras2-functional.h5", "onnx-operations.onnx", "torch-exits.npz"] {
        let Imported { network, recipe, .. } = imported(file);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("network.safetensors");
        write_trained(&path, &network, &recipe_of(&network, &recipe)).unwrap();
        let mut source = Source::open(&path).unwrap();
        let reading = Reading::of(&mut source, None, None).unwrap();
        let back = import_reading(&mut source, reading).unwrap();
        assert_eq!(back.warnings, Vec::<String>::new(), "{file}");
        assert_eq!(back.network.exits, network.exits);
        for (back, there) in back.network.trunk.iter().zip(&network.trunk) {
            assert_eq!((&back.edges, back.activation), (&there.edges, there.activation), "{file}, {}", there.id);
            // Where there were no biases, there are zeros.
            let bias = if there.bias.is_empty() { vec![0.0; there.edges.n_out()] } else { there.bias.clone() };
            assert_eq!(back.bias, bias);
        }
    }
}

#[test]
fn a_pruned_network_has_its_pattern_found_again() {
    let Imported { mut network, mut recipe, .. } = imported("torch-exits.npz");
    let dense = Imported { network: network.clone(), recipe: recipe.clone(), warnings: Vec::new() };
    // The second junction, 9 to 7; the first is masked already.
    let pruned = prune(&mut network, &mut recipe, &Projection::NM { n: 2, m: 8 }, Some(&[2])).unwrap();
    assert_eq!((pruned[0].before, pruned[0].after), (63, 7 * 3));
    assert!((0.3..1.0).contains(&pruned[0].kept), "{pruned:?}");
    assert_eq!(recipe.junctions[1].pattern, Pattern::NM { n: 2, m: 8 });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("network.safetensors");
    write_trained(&path, &network, &recipe_of(&network, &recipe)).unwrap();
    let report = convert(&path, None, &dir.path().join("out"), &Options::default()).unwrap();
    assert!(report.junctions.iter().any(|junction| junction.structure.contains("2:8")), "{report:?}");

    let refused = |projection, places: &[usize], words: &str| {
        let Imported { mut network, mut recipe, .. } = dense.clone();
        let error = prune(&mut network, &mut recipe, &projection, Some(places)).unwrap_err().to_string();
        assert!(error.contains(words), "no {words:?} in {error}");
    };
    refused(Projection::NM { n: 2, m: 8 }, &[0], "no trunk junction 0: the network has 3");
    refused(Projection::NM { n: 2, m: 8 }, &[4], "no trunk junction 4");
    refused(Projection::NM { n: 2, m: 5 }, &[2], "junction 2");
    refused(Projection::Block { rows: 8, cols: 2, density: 0.5 }, &[2], "junction 2");
    refused(Projection::InDegree { density: 0.9 }, &[1], "fewer than");
    // All but the last, where none is named.
    let Imported { mut network, mut recipe, .. } = dense;
    assert_eq!(prune(&mut network, &mut recipe, &Projection::Anywhere { density: 0.2 }, None).unwrap().len(), 2);
}
