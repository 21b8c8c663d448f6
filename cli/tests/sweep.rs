//! `lacewing sweep` as a user types it, on a part of the bundled MNIST.
#![allow(missing_docs)]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Input;
use lacewing_training::sweep::{Settings, Size, sweep};
use ndarray::{Array1, Array3};
use ndarray_npy::NpzWriter;
use serde_json::Value;

const GRID: &str = r#"
name = "tiny"
seeds = 2
[training]
epochs = 3
batch = 50
learning_rate = 0.01
schedule = "cosine"
[[network]]
widths = [800, 20, 10]
[[network]]
name = "pooled"
widths = [49, 16, 10]
input = { average_pool = 4 }
pattern = [{ pattern = "dense" }]
[[pattern]]
pattern = "random"
densities = [0.1, 0.25]
[[pattern]]
pattern = "nm"
m = 16
densities = [0.25]
pruned = true
"#;

/// Lines of sweep.csv below its head.
const RUNS: usize = 8;

struct Place(tempfile::TempDir);

impl Place {
    /// With the grid, and 600 training and 200 test images.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        place.write("grid.toml", GRID);
        let images = data::load(data::bundled_mnist(), Part::Test, &Input::plain(784)).expect("the bundled data");
        let mut archive = NpzWriter::new(std::fs::File::create(place.path("tiny.npz")).expect("a temporary file"));
        for (part, first, count) in [("train", 0, 600), ("test", 600, 200)] {
            let pixel = |(i, row, col): (usize, usize, usize)| images.sample(first + i)[28 * row + col];
            let x = Array3::from_shape_fn((count, 28, 28), pixel);
            let y = Array1::from_shape_fn(count, |i| images.label(first + i) as u8);
            archive.add_array(format!("x_{part}"), &x).expect("written");
            archive.add_array(format!("y_{part}"), &y).expect("written");
        }
        archive.finish().expect("written");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a temporary file");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
        command.current_dir(self.0.path()).args(words.split_whitespace());
        command
    }

    fn works(&self, words: &str) -> String {
        let output = self.command(words).output().expect("the command starts");
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn refuses(&self, words: &str, said: &[&str]) {
        let output: Output = self.command(words).output().expect("the command starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {error}");
        assert!(error.starts_with("error: ") && !error.contains("panicked"), "{words}: {error}");
        said.iter().for_each(|part| assert!(error.contains(part), "{words}: no {part:?} in {error}"));
        assert!(output.stdout.is_empty(), "{words}");
    }
}

/// All columns but the last, which is a time.
fn without_times(csv: &str) -> Vec<&str> {
    csv.lines().map(|line| line.rsplit_once(',').expect("columns").0).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_grid_is_trained_the_same_on_any_number_of_threads_and_after_an_interruption() {
    let place = Place::new();
    let sweep = |folder: &str, threads: usize| {
        let words = format!("sweep grid.toml --data tiny.npz --out {folder} --threads {threads} --json");
        let report: Value = serde_json::from_str(&place.works(&words)).expect("one JSON object");
        report
    };
    let report = sweep("one", 1);
    assert_eq!(names(&place.path("one")), ["runs.jsonl", "summary.csv", "sweep.csv", "sweep.svg"]);
    let one = place.read("one/sweep.csv");
    assert_eq!(
        one.lines().next(),
        Some(
            "network,pattern,density,nonzeros,parameters,bytes,head_bytes,macs,instructions,head_instructions,seed,epochs,validation_accuracy,\
             test_accuracy,seconds_per_epoch"
        )
    );
    assert_eq!(one.lines().count(), 1 + RUNS);
    // Random at a tenth is out-degree 2; parameters are 1,600 + 200 and 30 biases.
    let first = one.lines().nth(1).expect("a run");
    assert!(first.starts_with("800-20-10,random,0.1,1800,1830,"), "{first}");
    let columns: Vec<&str> = first.split(',').collect();
    assert_eq!(
        (columns[5], columns[8], &columns[7..8], &columns[10..12]),
        (columns[6], columns[9], &["1800"][..], &["1", "3"][..])
    );
    assert!(one.lines().nth(5).expect("a run").starts_with("800-20-10,pruned nm 16,0.25,4200,4230,"), "{one}");
    assert!(one.lines().nth(6).expect("a run").contains(",2,6,0."), "{one}");
    assert!(one.lines().nth(8).expect("a run").starts_with("pooled,dense,1,944,970,"), "{one}");

    // It has learnt something, and the summary is the mean of the seeds.
    let (runs, summary) = (report["runs"].as_array().expect("runs"), report["summary"].as_array().expect("a summary"));
    assert_eq!((runs.len(), summary.len()), (RUNS, RUNS / 2));
    let accuracy = |run: &Value| run["test_accuracy"].as_f64().expect("a number");
    assert!(runs.iter().all(|run| accuracy(run) > 0.3), "{runs:?}");
    let mean = summary[0]["test_accuracy"]["mean"].as_f64().expect("a number");
    assert!((mean - (accuracy(&runs[0]) + accuracy(&runs[1])) / 2.0).abs() < 1e-9, "{summary:?}");
    let lines = place.read("one/summary.csv");
    assert!(
        lines.starts_with("network,pattern,density,nonzeros,parameters,bytes,head_bytes,macs,instructions,head_instructions,seeds,validation_mean,"),
        "{lines}"
    );
    assert!(lines.lines().nth(1).is_some_and(|line| line.contains(&format!(",{mean:.6},"))), "{lines}");
    let svg = place.read("one/sweep.svg");
    for text in ["<svg", "800-20-10: random", "800-20-10: pruned nm 16", "pooled: dense", "bytes of the model file"] {
        assert!(svg.contains(text), "no {text} in the chart");
    }

    let _ = sweep("two", 2);
    assert_eq!(without_times(&place.read("two/sweep.csv")), without_times(&one));

    // Killed while the fourth line was written: three are not trained again, times and all.
    let journal = place.read("one/runs.jsonl");
    let three: usize = journal.split_inclusive('\n').take(3).map(str::len).sum();
    std::fs::create_dir(place.path("three")).expect("a folder");
    place.write("three/runs.jsonl", &journal[..three + 40]);
    let _ = sweep("three", 2);
    let resumed = place.read("three/sweep.csv");
    assert_eq!(without_times(&resumed), without_times(&one));
    assert!(resumed.lines().take(4).eq(one.lines().take(4)), "{resumed}{one}");
    assert_eq!(place.read("three/runs.jsonl").lines().count(), RUNS);
    // Nothing is left to train: the same files, byte for byte.
    let before = ["sweep.csv", "summary.csv", "sweep.svg", "runs.jsonl"].map(|name| place.read(&format!("one/{name}")));
    let told = place.works("sweep grid.toml --data tiny.npz --out one");
    assert!(told.contains("8 networks trained") && told.contains(" ± "), "{told}");
    assert_eq!(
        before,
        ["sweep.csv", "summary.csv", "sweep.svg", "runs.jsonl"].map(|name| place.read(&format!("one/{name}")))
    );
    // Other data, or another setting, is another network.
    place.write("grid.toml", &GRID.replace("0.01", "0.02"));
    let _ = sweep("one", 2);
    assert_eq!(place.read("one/runs.jsonl").lines().count(), 2 * RUNS);

    place.write("torn.toml", GRID);
    std::fs::create_dir(place.path("torn")).expect("a folder");
    place.write("torn/runs.jsonl", "nothing of the kind\n");
    place.refuses("sweep torn.toml --data tiny.npz --out torn", &["runs.jsonl, line 1", "another folder"]);
}

#[test]
fn an_exit_is_looked_at_from_what_takes_nothing_to_what_takes_everything() {
    let place = Place::new();
    let split = "seeds = 2\n[training]\nepochs = 3\nbatch = 50\nlearning_rate = 0.01\n[[network]]\nwidths = [800, 20, 20, 10]\n\
                 exit = { after = 1, loss_weight = 0.5 }\n[[pattern]]\npattern = \"random\"\ndensities = [[0.1, 0.25], [0.1, 1]]\n";
    place.write("grid.toml", &format!("name = \"split\"\n{split}"));
    let report: Value =
        serde_json::from_str(&place.works("sweep grid.toml --data tiny.npz --out out --json")).expect("JSON");
    assert_eq!(
        names(&place.path("out")),
        ["exits.csv", "exits.svg", "runs.jsonl", "summary.csv", "sweep.csv", "sweep.svg"]
    );
    for run in report["runs"].as_array().expect("runs") {
        // Head and tail: 800 x 20 and the branch of 20 x 10, then 20 x 20 and 20 x 10.
        let (bytes, head) = (run["bytes"].as_u64().expect("bytes"), run["head_bytes"].as_u64().expect("bytes"));
        assert!(head > 4 * 1800 && bytes > head + 4 * 200, "{run}");
        assert!(run["head_instructions"].as_u64() < run["instructions"].as_u64(), "{run}");
        let points = run["exits"].as_array().expect("an exit");
        let at = |k: usize, field: &str| points[k][field].as_f64().expect("a number");
        assert_eq!(points.len(), 11);
        assert_eq!((at(0, "test_share"), at(10, "validation_share")), (0.0, 1.0));
        // Where the exit takes nothing, the end of the trunk answers.
        assert_eq!(at(0, "test_accuracy"), run["test_accuracy"].as_f64().expect("a number"));
        assert!((1..11).all(|k| at(k, "threshold") <= at(k - 1, "threshold")), "{run}");
        assert!((0..11).all(|k| at(k, "validation_share") >= at(k, "asked")), "{run}");
    }
    let exits = place.read("out/exits.csv");
    assert!(exits.starts_with("network,pattern,density,asked,seeds,threshold_mean,"), "{exits}");
    assert_eq!(exits.lines().count(), 1 + 2 * 11);
    assert!(exits.lines().nth(12).expect("a line").starts_with("800-20-20-10,random,0.1 1,0.0,2,2."), "{exits}");
    assert!(place.read("out/exits.svg").contains("800-20-20-10: random 0.1 0.25"));
    place.write("grid.toml", &format!("name = \"split\"\n{}", split.replace("after = 1", "after = 3")));
    place.refuses("sweep grid.toml --data tiny.npz --out no", &["grid.toml", "exit 1"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished() {
    let place = Place::new();
    let mut command = place.command("sweep grid.toml --data tiny.npz --out out --seeds 1000");
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let child = child.expect("the command starts");
    while !std::fs::read_to_string(place.path("out/runs.jsonl")).is_ok_and(|text| text.contains('\n')) {
        std::thread::sleep(core::time::Duration::from_millis(10));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    let output = child.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(killed.success() && output.status.code() == Some(1), "{error}");
    assert!(error.contains("of 4000 networks are trained") && error.contains("goes on from there"), "{error}");
    assert_eq!(names(&place.path("out")), ["runs.jsonl"]);
    let journal = place.read("out/runs.jsonl");
    assert!(
        journal.ends_with('\n') && journal.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{journal}"
    );
}

#[test]
fn what_cannot_be_trained_is_refused_before_anything_is() {
    let place = Place::new();
    for (old, new, said) in [
        ("seeds = 2", "seed = 2", &["bad.toml", "unknown field `seed`", "line 3"][..]),
        ("[0.1, 0.25]", "[0.1, 0.26]", &["800-20-10", "random", "0.26", "5 (in-degree 200)", "0.25 and 0.3"]),
        ("m = 16", "m = 12", &["bad.toml", "800-20-10", "M is one of"]),
        ("[0.1, 0.25]", "[]", &["densities of pattern random", "empty"]),
        ("[{ pattern = \"dense\" }]", "[]", &["pooled", "empty"]),
        ("widths = [49, 16, 10]", "widths = [48, 16, 10]", &["48"]),
        ("average_pool = 4", "average_pool = 5", &["5"]),
        ("batch = 50", "batch = 5000", &["5000", "500"]),
    ] {
        assert!(GRID.contains(old));
        place.write("bad.toml", &GRID.replacen(old, new, 1));
        place.refuses("sweep bad.toml --data tiny.npz --out bad", said);
        assert!(!place.path("bad").exists());
    }
    place.refuses("sweep nowhere.toml", &["nowhere.toml"]);
    place.refuses("sweep grid.toml --data nowhere --out no", &["nowhere"]);
    place.refuses("sweep grid.toml --data tiny.npz --out grid.toml", &["grid.toml"]);
    assert!(!place.path("no").exists());
    let wrong = place.command("sweep grid.toml --threads 0").output().expect("the command starts");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("1 to 1024"));
}

#[test]
fn networks_pruned_to_several_patterns_share_their_dense_training() {
    let place = Place::new();
    let (before, _) = GRID.split_once("[[network]]").expect("a network");
    let grid = |patterns: &[&str]| {
        let patterns = patterns.iter().map(|pattern| format!("[[pattern]]\npattern = {pattern}\npruned = true\n"));
        let text = format!("{before}[[network]]\nwidths = [800, 20, 10]\n{}", patterns.collect::<String>());
        lacewing_models::Grid::parse(&text).expect("a grid")
    };
    let (nm, random) = ("\"nm\"\nm = 16\ndensities = [0.25]", "\"random\"\ndensities = [0.1]");
    let swept = |patterns: &[&str], folder: &str, threads| {
        let epochs = AtomicUsize::new(0);
        let (data, out) = (place.path("tiny.npz"), place.path(folder));
        let settings = Settings {
            data: &data,
            out: &out,
            threads,
            stop: None,
            size: &|_| Ok(Size { bytes: 1, head_bytes: 1, macs: 1, instructions: 1, head_instructions: 1 }),
            progress: &|_| _ = epochs.fetch_add(1, Ordering::Relaxed),
        };
        let mut runs = sweep(&grid(patterns), &settings).expect("trained");
        runs.iter_mut().for_each(|run| run.seconds_per_epoch = 0.0);
        (runs, epochs.into_inner())
    };
    // Two seeds, three epochs before pruning and three after it.
    let (mut one_by_one, epochs) = swept(&[nm], "nm", 1);
    assert_eq!(epochs, 12);
    one_by_one.extend(swept(&[random], "random", 1).0);
    assert!(one_by_one.iter().all(|run| run.epochs == 6), "{one_by_one:?}");
    for threads in [1, 2] {
        let (together, epochs) = swept(&[nm, random], &format!("both{threads}"), threads);
        assert_eq!(together, one_by_one);
        assert_eq!(epochs, 6 + 12, "dense and pruned epochs on {threads} threads");
    }
}
