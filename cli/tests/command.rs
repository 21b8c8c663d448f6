//! The command as a user types it: the whole way on a small data set, and bad input.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ndarray::{Array1, Array2, Array3};
use ndarray_npy::NpzWriter;
use serde_json::Value;

/// 64 inputs, two classes, an exit and a split.
const RECIPE: &str = r#"
name = "halves"
classes = 2
class_names = ["left", "right"]
[input]
width = 72
[[junction]]
outputs = 24
pattern = "nm"
n = 2
m = 8
[[junction]]
outputs = 8
pattern = "random"
out_degree = 2
[[junction]]
outputs = 2
[[exit]]
after = 1
threshold = 0.8
loss_weight = 0.5
[split]
after = 1
[training]
epochs = 6
batch = 32
learning_rate = 0.01
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).expect("a temporary file");
        self.path(name)
    }

    /// Runs `lacewing` with words separated by spaces, in this folder.
    fn run(&self, words: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
        command.current_dir(self.0.path()).args(words.split_whitespace()).output().expect("the command starts")
    }

    fn works(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Fails with code 1 and all of `said` on standard error, nothing on standard output, no panic.
    fn refuses(&self, words: &str, said: &[&str]) {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {error}");
        assert!(error.starts_with("error: ") && !error.contains("panicked"), "{words}: {error}");
        said.iter().for_each(|part| assert!(error.contains(part), "{words}: no {part:?} in {error}"));
        assert!(output.stdout.is_empty(), "{words}");
    }

    /// Images of 8 × 8 that are bright on the left or on the right, a quarter of them faintly.
    fn data(&self) {
        let mut archive = NpzWriter::new(std::fs::File::create(self.path("halves.npz")).expect("a temporary file"));
        for (part, count) in [("train", 600), ("test", 100)] {
            let image = |(i, row, col): (usize, usize, usize)| {
                let bright = if (col < 4) == (i % 2 == 0) { if i % 8 < 6 { 200 } else { 40 } } else { 0 };
                (bright + (i * 37 + row * 11 + col * 23) % 50) as u8
            };
            let images = Array3::from_shape_fn((count, 8, 8), image);
            let labels = Array1::from_shape_fn(count, |i| (i % 2) as u8);
            archive.add_array(format!("x_{part}"), &images).expect("written");
            archive.add_array(format!("y_{part}"), &labels).expect("written");
        }
        archive.finish().expect("written");
    }

    /// Trained and converted: head.lace and tail.lace in `model`.
    fn model(&self) {
        self.data();
        self.write("recipe.toml", RECIPE);
        self.works("train recipe.toml --data halves.npz --out trained.safetensors");
        self.works("convert trained.safetensors --out model");
    }

    fn json(&self, words: &str) -> Value {
        serde_json::from_str(&self.works(words)).expect("one JSON object")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace")
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_whole_way() {
    let place = Place::new();
    place.model();
    assert_eq!(names(&place.path("model")), ["head.lace", "tail.lace"]);

    let head = place.json("inspect model/head.lace --json");
    assert_eq!((&head["part"], &head["split"], &head["n_in"]), (&"head".into(), &1.into(), &72.into()));
    assert_eq!((&head["junctions"][0]["packing"], &head["junctions"][0]["nnz"]), (&"nm 2:8".into(), &(24 * 18).into()));
    assert_eq!(head["class_names"], serde_json::json!(["left", "right"]));
    assert_eq!(head["file_bytes"], std::fs::metadata(place.path("model/head.lace")).expect("a file").len());
    assert_eq!(place.json("inspect model/tail.lace --json")["pair_id"], head["pair_id"]);
    assert!(place.works("inspect model/head.lace").contains("nm 2:8"));

    let both = place.json("eval model/head.lace --tail model/tail.lace --data halves.npz --json");
    assert_eq!(both["samples"], 100);
    assert!(both["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.9), "{both}");
    let answered = |part: &Value| part["answered"].as_u64().expect("a count");
    assert_eq!(answered(&both["exits"][0]) + answered(&both["tail"]), 100);
    assert_eq!(both["offloaded"], both["tail"]["answered"]);

    // Nobody is sure, everybody is sure, and the tail is away.
    let never = place.json("eval model/head.lace --tail model/tail.lace --threshold 2 --data halves.npz --json");
    assert_eq!((&never["answered_on_device"], &never["bytes_per_sample"]), (&0.0.into(), &(24.0 * 4.0).into()));
    assert_eq!(never["packet_bytes_per_sample"], 24.0 * 4.0 + 20.0);
    let always = place.json("eval model/head.lace --threshold 0 --data halves.npz --json");
    assert_eq!((&always["answered_on_device"], &always["offloaded"]), (&1.0.into(), &0.into()));
    let alone = place.json("eval model/head.lace --threshold 2 --data halves.npz --json");
    assert_eq!((&alone["offloaded"], &alone["correct"]), (&100.into(), &always["correct"]));

    // In one piece it always answers.
    place.works("convert trained.safetensors --split-after 0 --out whole");
    assert_eq!(names(&place.path("whole")), ["head.lace"]);
    let whole = place.json("eval whole/head.lace --threshold 2 --data halves.npz --json");
    assert_eq!((&whole["answered_on_device"], &whole["correct"]), (&1.0.into(), &never["correct"]));
}

#[test]
fn packing_for_targets() {
    let place = Place::new();
    place.model();
    // This machine, measured.
    assert!(place.works("tune --target here --quick --out here.toml").contains("dense / packing"));
    let profile = std::fs::read_to_string(place.path("here.toml")).expect("a profile");
    assert!(profile.contains("name = \"here\"") && profile.contains("family = \"windows 8 x8\""), "{profile}");
    let (_, int8) = profile.split_once("[int8]").expect("times of int8");
    assert!(int8.contains("family = \"windows 16 x8\"") && int8.contains("family = \"block 16x4\""), "{int8}");

    let plain = place.json("eval model/head.lace --tail model/tail.lace --data halves.npz --json");
    for target in ["here.toml", "x86-64-avx2", "x86-64-avx512", "aarch64-generic"] {
        let report = place.json(&format!(
            "convert trained.safetensors --target {target} --calibrate halves.npz --out {target}-out --json"
        ));
        let first = &report["junctions"][0];
        assert!(first["nonzero_inputs"]["mean"].as_f64().is_some_and(|mean| mean > 0.0), "{first}");
        assert!(first["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{first}");
        let packed = place.works(&format!("pack model/head.lace --target {target} --out packed-{target}.lace"));
        assert!(packed.contains("nm 2:8"), "{packed}");
        // Heads and tails of every target go together.
        for (head, tail) in [
            (format!("packed-{target}.lace"), "model/tail.lace".to_owned()),
            ("model/head.lace".into(), format!("{target}-out/tail.lace")),
        ] {
            let mixed = place.json(&format!("eval {head} --tail {tail} --data halves.npz --json"));
            assert_eq!(mixed["correct"], plain["correct"], "{head} {tail}");
        }
        place.works(&format!("pack packed-{target}.lace --target canonical --out back.lace"));
        let read = |name: &str| std::fs::read(place.path(name)).expect("a file");
        assert!(read("back.lace") == read("model/head.lace"), "{target}: another file came back");
    }
    assert!(
        place.works("convert trained.safetensors --target here.toml --optimise size --out small").contains("nm 2:8")
    );

    place.refuses("convert trained.safetensors --optimise speed --out none", &["--target", "x86-64-avx2"]);
    place.refuses(
        "convert trained.safetensors --target nowhere --out none",
        &["nowhere", "x86-64-avx2", "lacewing tune"],
    );
    place.refuses("pack recipe.toml --target canonical --out none.lace", &["recipe.toml"]);
    place.refuses("pack model/head.lace --target recipe.toml --out none.lace", &["recipe.toml", "refused"]);
    assert!(!place.path("none").exists() && !place.path("none.lace").exists());
}

#[test]
fn a_mask_is_written_and_read_back() {
    let place = Place::new();
    for file in ["mask.npz", "mask.safetensors"] {
        let said = place
            .works(&format!("mask --pattern random --inputs 800 --outputs 40 --out-degree 2 --seed 7 --out {file}"));
        assert!(said.contains("1600 edges, density 0.0500, in-degree 40, out-degree 2"), "{said}");
        let mask = lacewing_models::mask_file::read(place.path(file)).expect("a mask");
        assert_eq!((mask.n_in(), mask.n_out(), mask.nnz()), (800, 40, 1600));
    }
    place.refuses("mask --pattern random --inputs 800 --outputs 70 --out-degree 3 --out m.npz", &["34.29", "7"]);
    place.refuses("mask --pattern nm --inputs 800 --outputs 70 --n 3 --out m.npz", &["pattern nm needs --m"]);
    place.refuses(
        "mask --pattern random --inputs 800 --outputs 40 --out-degree 2 --density 0.1 --out m.npz",
        &["pattern random has no --density"],
    );
    assert_eq!(names(place.0.path()), ["mask.npz", "mask.safetensors"]);
}

#[test]
fn model_files_that_are_none() {
    let place = Place::new();
    place.model();
    let sound = std::fs::read(place.path("model/head.lace")).expect("a file");
    let mut flipped = sound.clone();
    flipped[400] ^= 4;
    let mut newer = sound.clone();
    newer[6..8].copy_from_slice(&[9, 9]);
    let mut swapped = sound.clone();
    swapped[4..6].copy_from_slice(&[1, 2]);
    let longer = [sound.as_slice(), &[0; 100]].concat();
    let cases: [(&str, &[u8], &str); 7] = [
        ("cut", &sound[..sound.len() / 2], "cut off"),
        ("flipped", &flipped, "damaged"),
        ("empty", &[], "empty"),
        ("longer", &longer, "length"),
        ("newer", &newer, "version"),
        ("swapped", &swapped, "big-endian"),
        ("random", b"\x17\x03\x99 nothing of the kind, but long enough to be a header of sixty-four bytes", "no model"),
    ];
    for (name, bytes, said) in cases {
        place.write(name, bytes);
        for words in [
            format!("inspect {name}"),
            format!("eval {name} --data halves.npz"),
            format!("eval model/head.lace --tail {name} --data halves.npz"),
        ] {
            place.refuses(&words, &[name, "byte ", said]);
        }
    }
    place.refuses("inspect nowhere.lace", &["nowhere.lace", "No such file"]);
    // A terabyte behind a sound header, and bytes without end: neither is read.
    place.write("terabyte", &sound);
    std::fs::File::options()
        .append(true)
        .open(place.path("terabyte"))
        .and_then(|f| f.set_len(1 << 40))
        .expect("sparse");
    place.refuses("eval terabyte --data halves.npz", &["terabyte", "byte 8: ", "length"]);
    #[cfg(unix)]
    for words in ["inspect /dev/zero", "eval /dev/zero --data halves.npz"] {
        place.refuses(words, &["/dev/zero", "no model"]);
    }
}

#[test]
fn models_and_data_that_do_not_go_together() {
    let place = Place::new();
    place.model();
    place.works("train recipe.toml --seed 2 --data halves.npz --out other.safetensors");
    place.works("convert other.safetensors --out other");
    place.refuses("eval model/head.lace --tail other/tail.lace --data halves.npz", &["pair id", "one conversion"]);
    place.refuses("eval model/tail.lace --data halves.npz", &["tail", "--tail"]);
    place.refuses("eval model/head.lace --tail model/head.lace --data halves.npz", &["is a head"]);
    place.refuses("eval model/head.lace --data nowhere", &["nowhere"]);
    place.refuses("eval model/head.lace --threshold nan --data halves.npz", &["NaN"]);
    std::fs::create_dir(place.path("empty")).expect("a folder");
    place.refuses("eval model/head.lace --data empty", &["t10k-images-idx3-ubyte"]);
    let mnist = lacewing_models::data::bundled_mnist();
    place.refuses(&format!("eval model/head.lace --data {}", mnist.display()), &["784", "72"]);
}

#[test]
fn recipes_that_are_none() {
    let place = Place::new();
    place.data();
    let cases = [
        ("n = 2\nm = 8", "n = 2\nm = 8\nfanin = 3", "fanin"),
        ("out_degree = 2", "out_degree = 0", "out-degree 0"),
        ("out_degree = 2", "out_degree = 9", "out-degree 9"),
        ("[split]\nafter = 1", "[split]\nafter = 3", "split"),
        ("[[exit]]\nafter = 1", "[[exit]]\nafter = 0", "exit"),
        ("classes = 2", "classes = 3", "classes"),
    ];
    for (old, new, said) in cases {
        assert!(RECIPE.contains(old));
        place.write("bad.toml", RECIPE.replace(old, new));
        place.refuses("train bad.toml --data halves.npz --out bad.safetensors", &["bad.toml", said]);
        place.refuses("convert halves.npz --recipe bad.toml --out bad", &["bad.toml", said]);
    }
    place.write("good.toml", RECIPE);
    place.refuses("train nowhere.toml --out bad.safetensors", &["nowhere.toml"]);
    place.refuses("train good.toml --data nowhere --out bad.safetensors", &["nowhere"]);
    place.refuses("train good.toml --data halves.npz --out missing/bad.safetensors", &["no folder missing"]);
    place.refuses("train good.toml --data halves.npz --out bad.npz", &["bad.npz", ".safetensors"]);
    place.refuses("convert halves.npz --recipe good.toml --out bad", &["junction.1.weight"]);
    place.refuses("convert halves.npz --out bad", &["no tensor is named like weights", "recipe"]);
    assert_eq!(names(place.0.path()), ["bad.toml", "good.toml", "halves.npz"]);
}

#[test]
fn a_keras_network_without_a_recipe() {
    let place = Place::new();
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../converter/tests/fixtures/frameworks/keras2-functional.h5");
    place.write("functional.h5", std::fs::read(file).expect("the fixture"));
    let said = place.works("convert functional.h5 --split-after 1 --exit-after 1 --out split");
    assert!(said.contains("exit 1, junction 2") && said.contains("tail.lace"), "{said}");
    let said = place.works("convert functional.h5 --exit-after 1 --out whole --json");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["junctions"].as_array().map(Vec::len), Some(6));
    place.refuses("convert functional.h5 --exit-after 1,3 --out bad", &["no exit behind junction 3"]);
}

#[test]
fn int8_beside_f32() {
    let place = Place::new();
    place.model();
    place.works("convert trained.safetensors --out int8 --dtype i8 --calibrate halves.npz --calibration mse");
    // Packings change no number.
    place.works("convert trained.safetensors --out plain --dtype i8 --calibrate halves.npz");
    let plain = place.json("eval plain/head.lace --tail plain/tail.lace --data halves.npz --json");
    let eval = "eval model/head.lace --tail model/tail.lace --data halves.npz";
    let both = place.json(&format!("{eval} --beside int8/head.lace --beside-tail int8/tail.lace --json"));
    assert_eq!((&both["one"]["element"], &both["other"]["element"]), (&"f32".into(), &"i8".into()));
    let number = |side: &str, name: &str| both[side]["evaluation"][name].as_f64().expect("a number");
    assert!((number("one", "accuracy") - number("other", "accuracy")).abs() <= 0.03, "{both}");
    // One byte a feature instead of four, over as many samples handed over.
    assert!(number("other", "bytes_per_sample") <= 0.3 * number("one", "bytes_per_sample") + 1.0, "{both}");
    let bytes = |side: &str| both[side]["file_bytes"].as_u64().expect("a count");
    let length = |name: &str| std::fs::metadata(place.path(name)).expect("a file").len();
    assert_eq!(bytes("other"), length("int8/head.lace") + length("int8/tail.lace"));
    assert!(both["disagreements"].as_u64().is_some_and(|count| count <= 5), "{both}");
    let told = place.works(&format!("{eval} --beside int8/head.lace --beside-tail int8/tail.lace"));
    assert!(told.contains("samples get another class") && told.contains("model files, bytes"), "{told}");
    assert!(place.works("inspect int8/head.lace").contains("bits per nonzero for weights"));
    let board = "inspect int8/head.lace --target cortex-m4";
    assert!(place.works(board).contains("of an image without a zero"));
    assert!(place.works(&format!("{board} --data halves.npz")).contains("on average over 64"));
    assert_eq!(place.json(&format!("{board} --data halves.npz --json"))["board"]["images"], 64);
    place.refuses(&format!("{board} --data nowhere"), &["nowhere"]);

    // The first junction and the first exit's stay f32: the head's inputs are f32, and the tail takes f32 features.
    let mixed = "convert trained.safetensors --out mixed --dtype i8 --calibrate halves.npz --keep-f32 1,1.1";
    place.works(mixed);
    let other = place.json(&format!("{eval} --beside mixed/head.lace --beside-tail mixed/tail.lace --json"));
    assert_eq!(other["other"]["element"], "f32");

    place.refuses(
        "convert trained.safetensors --out no --dtype i8 --calibrate halves.npz --keep-f32 9",
        &["junction 9"],
    );
    place.refuses("convert trained.safetensors --out no --calibrate halves.npz", &["--dtype i8"]);
    place.refuses("convert trained.safetensors --out no --keep-f32 1", &["--dtype i8"]);
    let i8 = "--dtype i8 --calibrate halves.npz";
    place.refuses(&format!("convert trained.safetensors --out no {i8} --target x"), &["no target x", "x86-64-avx512"]);
    place.refuses(&format!("convert trained.safetensors --out no {i8} --optimise speed"), &["needs a --target"]);
    let old =
        "name = 'old'\nisa = 'avx2'\nprocessor = 'one'\n[[packing]]\nfamily = 'dense'\npoints = [[9, 9, 1, 1, 1]]";
    std::fs::write(place.path("old.toml"), old).expect("a file");
    place.refuses(&format!("convert trained.safetensors --out no {i8} --target old.toml"), &["int8", "lacewing tune"]);
    for target in ["x86-64-avx2", "x86-64-avx512", "aarch64-generic"] {
        let report =
            place.json(&format!("convert trained.safetensors --out for-{target} {i8} --target {target} --json"));
        let reason = report["junctions"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains(target), "{reason}");
        let files = format!("for-{target}/head.lace --tail for-{target}/tail.lace");
        let found = place.json(&format!("eval {files} --data halves.npz --json"));
        assert_eq!(found["correct"], plain["correct"], "{target}");
    }
    let needed = place.run("convert trained.safetensors --out no --dtype i8");
    assert!(!needed.status.success() && String::from_utf8_lossy(&needed.stderr).contains("--calibrate"));
    assert!(!place.path("no").exists());
    // A head that hands over f32 does not fit an int8 tail.
    place.refuses("eval mixed/head.lace --tail int8/tail.lace --data halves.npz", &["int8 features"]);
}

#[test]
fn a_bench_measures_beside_the_fastest_dense() {
    let place = Place::new();
    place.write("small.txt", "40 24 rows 1/4 # comment\n40 24 nm 2:8\n");
    let said = place.works("bench --shapes small.txt --no-networks --batch --quick --json");
    let report: Value = serde_json::from_str(&said).expect("JSON");
    for kind in ["junctions", "batches"] {
        let compared = report[kind].as_array().expect("a list");
        assert_eq!(compared.len(), 2);
        let rows = compared[0]["rows"].as_array().expect("a list");
        let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
        assert!(["dense gemm", "dense matrixmultiply"].iter().all(|peer| names.contains(peer)), "{names:?}");
        assert_eq!(rows.iter().filter(|row| row["best_dense"] == true).count(), 1);
        assert!(rows.iter().all(|row| row["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0)));
        assert!(rows.iter().all(|row| row["dense_gmacs"].as_f64() >= row["gmacs"].as_f64()));
    }
    let said = place.works("bench --shapes small.txt --no-networks --quick");
    assert!(said.contains("best dense") && said.contains("40 24 nm 2:8 (240 edges, density 0.2500)"), "{said}");
    place.write("bad.txt", "40 24\n");
    place.refuses("bench --shapes bad.txt", &["bad.txt", "line 1", "expected"]);
    place.refuses("bench --shapes nowhere.txt", &["nowhere.txt"]);
    place.refuses("bench --shapes small.txt --target nowhere", &["nowhere", "x86-64-avx2"]);
}

#[test]
fn training_with_seeds_a_log_and_a_checkpoint() {
    let place = Place::new();
    place.data();
    place.write("recipe.toml", RECIPE);
    let told = place.works("train recipe.toml --data halves.npz --out a.safetensors --seeds 2 --log log.jsonl");
    assert!(
        told.contains("a-seed1.safetensors") && told.contains("a-seed2.safetensors") && told.contains(" ± "),
        "{told}"
    );
    let log = std::fs::read_to_string(place.path("log.jsonl")).expect("a log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|line| line["validation"].as_array().is_some_and(|exits| exits.len() == 2)));
    // A training of one seed, with a checkpoint, is the first of those two.
    place.works("train recipe.toml --data halves.npz --out b.safetensors --checkpoint state");
    let network = |name| {
        place.works(&format!("convert {name} --out {name}.lace --json"));
        std::fs::read(place.path(&format!("{name}.lace/head.lace"))).expect("a head")
    };
    assert_eq!(network("a-seed1.safetensors"), network("b.safetensors"));
    assert_ne!(network("a-seed1.safetensors"), network("a-seed2.safetensors"));
    // The checkpoint is that of a finished training, and of no other.
    place.works("train recipe.toml --data halves.npz --out c.safetensors --checkpoint state");
    assert_eq!(network("c.safetensors"), network("b.safetensors"));
    let other = "train recipe.toml --data halves.npz --out d.safetensors --checkpoint state --seed 9";
    place.refuses(other, &["state", "another recipe or seed", "delete it"]);
    place.write("torn", &std::fs::read(place.path("state")).expect("a checkpoint")[..500]);
    place.refuses("train recipe.toml --data halves.npz --out d.safetensors --checkpoint torn", &["torn"]);
    place.refuses("train recipe.toml --data halves.npz --out d.safetensors --log no/log.jsonl", &["no/log.jsonl"]);
    assert!(!place.path("d.safetensors").exists());
}

/// Equal weights are shown, of whole layers and of outputs within one.
#[test]
fn duplicates_are_shown() {
    let place = Place::new();
    // Outputs 3 and 4 of six compute what output 2 does; the third layer repeats the second.
    let square = Array2::from_shape_fn((6, 6), |(output, input)| {
        let output = if (2..5).contains(&output) { 2 } else { output };
        (1 + output * 6 + input) as f32 / 36.0
    });
    let layers = [square.clone(), -square.clone(), -square, Array2::from_shape_fn((2, 6), |(o, i)| (1 + o + i) as f32)];
    let mut archive = NpzWriter::new(std::fs::File::create(place.path("twice.npz")).expect("a temporary file"));
    for (number, layer) in layers.iter().enumerate() {
        archive.add_array(format!("{number}.weight"), layer).expect("a layer");
    }
    archive.finish().expect("an archive");
    let said = place.works("inspect twice.npz");
    let line = |place: &str| said.lines().find(|line| line.starts_with(&format!("{place}: "))).unwrap_or_default();
    for junction in ["junction 1", "junction 2", "junction 3"] {
        assert!(line(junction).contains("; 2 outputs compute what another one does"), "{said}");
    }
    assert!(line("junction 3").ends_with("; the same weights as junction 2"), "{said}");
    assert_eq!(said.matches("the same weights as").count(), 1, "{said}");
    assert!(!line("junction 4").contains("compute what another"), "{said}");
    let found = place.json("inspect twice.npz --json");
    let of = |key: &str| found["junctions"].as_array().expect("junctions").iter().map(|j| j[key].clone()).collect();
    let (outputs, same): (Vec<Value>, Vec<Value>) = (of("duplicate_outputs"), of("same_as"));
    assert_eq!(outputs, [2, 2, 2, 0]);
    assert_eq!(same, [Value::Null, Value::Null, "junction 2".into(), Value::Null]);
}

/// What a dense network that Keras trained loses when three weights in four go: half a point at most, on the test images.
#[test]
fn a_network_trained_dense_is_pruned() {
    let place = Place::new();
    let dense = root().join("converter/tests/fixtures/frameworks/dense-800-112-10.h5");
    let (dense, mnist) = (dense.display(), root().join("models/data/mnist"));
    let mnist = mnist.display();
    let right = |model: &str| {
        let found = place.json(&format!("eval {model}/head.lace --data {mnist} --json"));
        found["correct"].as_u64().expect("a number of images")
    };
    place.works(&format!("convert {dense} --out dense"));
    place.works(&format!("prune {dense} --pattern 4:16 --data {mnist} --epochs 2 --out sparse.safetensors"));
    place.works("convert sparse.safetensors --out sparse");
    let kernels = place.json("inspect sparse/head.lace --json")["junctions"][0]["packing"].to_string();
    assert!(kernels.contains("nm 4:16"), "{kernels}");
    let (before, after) = (right("dense"), right("sparse"));
    assert_eq!(before, 9748);
    assert!(after + 50 >= before, "{before} right dense, {after} pruned");
}

#[test]
fn networks_from_elsewhere_are_inspected_pruned_and_exported() {
    let place = Place::new();
    place.data();
    // Dense, without exits, as another framework would have left it.
    let dense =
        RECIPE.replace("pattern = \"nm\"\nn = 2\nm = 8", "").replace("pattern = \"random\"\nout_degree = 2", "");
    let (before, after) = dense.split_once("[[exit]]").expect("an exit");
    let (_, training) = after.split_once("[training]").expect("a training");
    place.write("dense.toml", format!("{before}[training]{training}"));
    place.works("train dense.toml --data halves.npz --out dense.safetensors");
    let said = place.works("inspect dense.safetensors");
    assert!(said.contains("junction 3") && said.contains("converted: ") && said.contains("1.0 times fewer"), "{said}");

    let said =
        place.works("prune dense.safetensors --pattern 2:8 --data halves.npz --epochs 4 --out pruned.safetensors");
    assert!(said.contains("junction 2") && said.contains("accuracy trained on: 100.00 %"), "{said}");
    let found = place.json("inspect pruned.safetensors --json");
    assert_eq!(found["junctions"][0]["nnz"], 24 * 18);
    assert!(found["junctions"][0]["structure"].as_str().is_some_and(|words| words.contains("2:8")), "{found}");
    assert!(found["bytes"].as_u64() < found["dense_bytes"].as_u64());

    let said = place.works(
        "fit-exit pruned.safetensors --after 1,2 --hidden 6 --data halves.npz --epochs 20 --batch 32 --learning-rate 0.01 \
         --out fitted.safetensors",
    );
    assert!(said.contains("exit after junction 2: 100.00 %, fitted") && said.contains("at the end: "), "{said}");
    place.works("convert fitted.safetensors --split-after 1 --exit-after 1 --out model");
    let both = place.json("eval model/head.lace --tail model/tail.lace --data halves.npz --json");
    assert!(both["accuracy"].as_f64().is_some_and(|accuracy| accuracy > 0.95), "{both}");

    place.works("export model/tail.lace --onnx --tail --name digits --out repository");
    assert_eq!(names(&place.path("repository")), ["digits", "digits.inferenceservice.yaml"]);
    place.works("export model/head.lace --onnx --out head.onnx");
    place.works("convert fitted.safetensors --out whole");
    place.works("export whole/head.lace --onnx --out whole.onnx");
    place.works("export whole/head.lace --npz --out whole.npz");
    for words in ["whole.onnx --out again", "whole.npz --recipe whole.toml --out more"] {
        place.works(&format!("convert {words}"));
    }
    let correct = |file: &str| {
        place.json(&format!("eval {file}/head.lace --threshold 2 --data halves.npz --json"))["correct"].clone()
    };
    assert_eq!((correct("again"), correct("more")), (correct("whole"), correct("whole")));

    place.refuses(
        "prune dense.safetensors --pattern 2:8 --density 0.5 --data halves.npz --out no.safetensors",
        &["2:8"],
    );
    place.refuses("prune dense.safetensors --pattern odd --data halves.npz --out no.safetensors", &["odd", "4:16"]);
    place.refuses("prune dense.safetensors --pattern block8x1 --data halves.npz --out no.safetensors", &["density"]);
    place.refuses(
        "prune dense.safetensors --pattern 2:8 --junctions 9 --data halves.npz --out no.safetensors",
        &["junction 9"],
    );
    place.refuses("fit-exit dense.safetensors --after 3 --data halves.npz --out no.safetensors", &["exit"]);
    place.refuses("fit-exit fitted.safetensors --after 1 --data halves.npz --out no.safetensors", &["exit"]);
    place.refuses("export model/head.lace --onnx --tail --out no", &["it is a head"]);
    place.refuses("export halves.npz --onnx --out no", &["halves.npz"]);
    place.refuses("prune dense.safetensors --pattern 2:8 --data halves.npz --out no", &["name it .safetensors"]);
    place.refuses("fit-exit dense.safetensors --after 1 --data halves.npz --out no/a.safetensors", &["no folder no"]);
    assert!(!place.path("no").exists() && !place.path("no.safetensors").exists());
}
