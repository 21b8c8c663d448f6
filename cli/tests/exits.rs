//! `lacewing calibrate`, `plan` and `report` as a user types them.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lacewing(folder: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
    command.current_dir(folder).args(words.split_whitespace()).output().expect("the command runs")
}

fn done(folder: &Path, words: &str) -> String {
    let output = lacewing(folder, words);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn refused(folder: &Path, words: &str) -> String {
    let output = lacewing(folder, words);
    assert!(!output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn json(folder: &Path, words: &str) -> Value {
    serde_json::from_str(&done(folder, words)).expect("JSON")
}

/// A folder with the flagship's head and tail in `model`, and its weights.
fn flagship() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = lacewing_models::bundled::weights("mnist-flagship");
    std::fs::copy(weights, folder.path().join("flagship.safetensors")).expect("it comes with the project");
    done(folder.path(), "convert flagship.safetensors --out model");
    folder
}

#[test]
fn a_promise_is_written_into_the_head() {
    let (folder, head) = (flagship(), "model/head.lace");
    let folder = folder.path();
    let before = json(folder, "inspect model/head.lace --json");
    let promised = json(folder, "calibrate model/head.lace --tail model/tail.lace --risk 1% --confidence 95% --json");
    assert_eq!(
        (&promised["target"], &promised["samples"], &promised["tested"]),
        (&"risk".into(), &10_000.into(), &8_000.into())
    );
    assert!(promised["joint"]["risk_bound"].as_f64().expect("a number") <= 0.01);
    let after = json(folder, "inspect model/head.lace --json");
    assert_eq!(before["pair_id"], after["pair_id"]);
    assert_eq!(after["exits"][0]["samples"], 10_000);
    assert_eq!(after["exits"][0]["calibration"], "risk 1 %, confidence 95 %");
    // The tail still takes what it hands over.
    let data = lacewing_models::data::bundled_mnist();
    let run = json(folder, &format!("eval {head} --tail model/tail.lace --data {} --json", data.display()));
    assert!(run["answered_on_device"].as_f64().expect("a number") > 0.85, "{run}");
    let table =
        done(folder, "calibrate model/head.lace --tail model/tail.lace --max-accuracy-drop 0.2pt --out other.lace");
    assert!(table.contains("written into other.lace") && table.contains("--risk makes a promise"), "{table}");
    for (words, said) in [
        ("calibrate model/head.lace --risk 1%", "--tail"),
        ("calibrate model/head.lace --tail model/tail.lace", "--risk"),
        ("calibrate model/head.lace --tail model/tail.lace --risk 0", "above 0 and below 1"),
        ("calibrate model/head.lace --tail model/tail.lace --risk 1% --confidence 100%", "above 0 and below 1"),
        ("calibrate model/head.lace --tail model/tail.lace --risk 0.01% --confidence 99%", "too few to promise"),
        ("calibrate model/head.lace --tail model/tail.lace --risk a%", "no share"),
        ("calibrate model/tail.lace --risk 1%", "the model is a tail"),
    ] {
        let error = refused(folder, words);
        assert!(error.contains(said), "{words}: {error}");
    }
}

#[test]
fn a_plan_says_where_to_cut() {
    let folder = flagship();
    let folder = folder.path();
    std::fs::write(folder.join("link.toml"), "[link]\nbandwidth = 1e6\nround_trip = 0.02\n").expect("written");
    let plan = json(folder, "plan flagship.safetensors --costs link.toml --json");
    let choices = plan["choices"].as_array().expect("choices");
    assert!(choices.len() > 40 && choices.iter().all(|choice| choice.get("energy").is_none()), "{}", choices.len());
    let recommended = &choices[plan["recommended"].as_u64().expect("one") as usize];
    assert!(recommended["accuracy"].as_f64() >= plan["accuracy_full"].as_f64().map(|full| full - 0.002));
    let table = done(folder, "plan flagship.safetensors --costs link.toml");
    assert!(table.contains("*: recommended") && table.contains("measured on this machine"), "{table}");
    std::fs::write(folder.join("none.toml"), "[link]\nbandwidth = 0\nround_trip = 0.02\n").expect("written");
    assert!(refused(folder, "plan flagship.safetensors --costs none.toml").contains("link.bandwidth is 0"));
    assert!(
        refused(folder, "plan flagship.safetensors --costs link.toml --objective energy").contains("energy_per_byte")
    );
}

/// A data set of 1,200 images, of which 200 are for validation.
fn few_images(folder: &Path) {
    use lacewing_models::data::{Part, bundled_mnist, load_for};
    let recipe = lacewing_models::Recipe::parse(include_str!("../../models/recipes/mnist-flagship.toml"));
    let images =
        load_for(bundled_mnist(), Part::Validation, &recipe.expect("sound")).expect("it comes with the project");
    let header = |axes: &[u32]| -> Vec<u8> {
        let axes_count = u32::try_from(axes.len()).expect("few");
        core::iter::once(0x0800 + axes_count).chain(axes.iter().copied()).flat_map(u32::to_be_bytes).collect()
    };
    let (mut pixels, mut labels) = (header(&[1200, 28, 28]), header(&[1200]));
    for image in 0..1200 {
        pixels.extend(images.sample(image).iter().take(784).map(|value| (value * 255.0).round() as u8));
        labels.push(images.label(image) as u8);
    }
    std::fs::create_dir(folder).expect("a folder");
    std::fs::write(folder.join("train-images-idx3-ubyte"), pixels).expect("written");
    std::fs::write(folder.join("train-labels-idx1-ubyte"), labels).expect("written");
}

#[test]
fn a_plan_for_loopback_is_run_as_two_processes() {
    let folder = flagship();
    few_images(&folder.path().join("few"));
    let plan = json(folder.path(), "plan flagship.safetensors --data few --loopback --json");
    let ran = plan["ran"].as_array().expect("a list");
    let places: Vec<_> = ran.iter().map(|run| (run["split"].as_u64(), run["exit"].as_u64())).collect();
    assert_eq!(places, [(Some(1), None), (Some(1), Some(1)), (Some(2), None), (Some(2), Some(1))]);
    let number = |value: &Value| value.as_f64().expect("a number");
    assert!(number(&plan["link"]["round_trip"]) > 0.0 && number(&plan["link"]["bandwidth"]) > 0.0);
    for run in ran {
        let same = |choice: &&Value| ["split", "exit", "threshold"].iter().all(|key| choice[key] == run[key]);
        let planned = plan["choices"].as_array().expect("a list").iter().find(same).expect("it was planned");
        // The samples are the same ones: as many exits were taken as planned.
        assert_eq!(run["exit_rate"], planned["exit_rate"]);
        assert!(number(&run["measured"]) > 0.0 && number(&planned["latency"]) > 0.0);
    }
    // The server's operations stay measured here; a device's times would be another machine's.
    assert_eq!(plan["device_operations"].as_array().map(Vec::len), Some(4));
}

#[test]
fn data_without_labels_are_refused() {
    let folder = flagship();
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let images = "train-images-idx3-ubyte.gz";
    let from = lacewing_models::data::bundled_mnist().join(images);
    std::fs::copy(from, folder.path().join("data").join(images)).expect("it comes with the project");
    let words = "calibrate model/head.lace --tail model/tail.lace --data data --risk 1% --confidence 95%";
    let error = refused(folder.path(), words);
    assert!(error.contains("train-labels-idx1-ubyte"), "{error}");
}

#[test]
fn a_report_is_one_page_that_needs_nothing_else() {
    let folder = flagship();
    let folder = folder.path();
    done(folder, "report model/head.lace --tail model/tail.lace --out report.html --title MNIST<b>");
    let page = std::fs::read_to_string(folder.join("report.html")).expect("written");
    assert!(page.contains("<h1>MNIST&lt;b&gt;</h1>"));
    assert!(!page.contains("<script") && !page.contains("@import") && !page.contains("<link"));
    // Every address in it is data, or the name of SVG.
    for address in page.split("http").skip(1) {
        assert!(address.starts_with("://www.w3.org/"), "{}", &address[..40]);
    }
    for part in
        ["Accuracy against exits", "Exit 1, behind junction 1", "Bytes and time", "Samples that go on", "</svg>"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.matches("<figure>").count() > 20 && page.len() < 400_000, "{} bytes", page.len());
    assert!(refused(folder, "report model/head.lace --out other.html").contains("--tail"));
    assert!(!folder.join("other.html").exists());
}
