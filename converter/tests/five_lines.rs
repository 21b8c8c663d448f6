//! The README's "five lines from other frameworks": what the snippets saved when `make_five_lines.py` ran them.

mod support;

use std::path::Path;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::evaluate::evaluate;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::mask_file;
use lacewing_models::recipe::Input;
use support::frameworks::{agrees_on, array, framework};

const FILES: [&str; 5] = ["keras.keras", "keras.h5", "torch.pt", "torch.onnx", "sklearn.npz"];

/// Whoever changes the snippets has to run them again.
#[test]
fn the_readme_says_what_was_run() {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let readme = read(&Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md"));
    let run = read(&framework("five-lines.md"));
    assert!(run.matches("# ").count() >= 3 && run.ends_with("```\n"), "{run}");
    assert!(readme.contains(&run), "the README's five lines are not those that make_five_lines.py ran");
}

/// Without a recipe: the mask's edges, the framework's own answers, and as many right ones of all test images.
#[test]
fn what_the_snippets_saved_is_converted() {
    let mask = mask_file::read(framework("five-lines-mask.npz")).unwrap();
    assert_eq!((mask.n_in(), mask.n_out(), mask.nnz()), (800, 8, 1600));
    let test = data::load(data::bundled_mnist(), Part::Test, &Input::plain(800)).unwrap();
    for name in FILES {
        let dir = tempfile::tempdir().unwrap();
        let report = convert(&framework(&format!("five-lines-{name}")), None, dir.path(), &Options::default()).unwrap();
        let nnz: Vec<usize> = report.junctions.iter().map(|junction| junction.nnz).collect();
        assert_eq!(nnz, [mask.nnz(), 80], "{name}");
        assert!(report.junctions[0].structure.contains("4:16"), "{name}: {}", report.junctions[0].structure);

        let expected = format!("five-lines-{}.expected.npz", name.split('.').next().unwrap());
        // Keras and scikit-learn answer with probabilities.
        let probabilities = !name.starts_with("torch");
        agrees_on(dir.path(), &test.values()[..1000 * 800], &expected, &["end"], probabilities);

        let head = std::fs::read(dir.path().join(HEAD)).unwrap();
        let head = Model::parse(&head, &KernelSet::ALL).unwrap();
        let found = evaluate(&head, None, &test, None, &|_| {}).unwrap();
        let (_, right) = array(&framework(&expected), "right");
        assert_eq!((found.correct as f32, found.samples), (right[0], 10_000), "{name}");
    }
}
