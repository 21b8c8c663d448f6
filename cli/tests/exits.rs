//! `lacewing calibrate`, `plan` and `report` as a user types them.
#![allow(missing_docs)]

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Held by tests that wait for another process: beside each other they would wait for a processor until their patience ends.
static LOOPBACK: Mutex<()> = Mutex::new(());

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
    let no_loss = json(
        folder,
        "calibrate model/head.lace --tail model/tail.lace --max-accuracy-drop 0 --out no-loss.lace --json",
    );
    assert!(no_loss["accuracy"].as_f64() >= no_loss["accuracy_full"].as_f64(), "{no_loss}");
    assert_eq!(json(folder, "inspect no-loss.lace --json")["exits"][0]["calibration"], "accuracy drop 0 points");
    let before = json(folder, "inspect model/head.lace --json");
    let promised = json(folder, "calibrate model/head.lace --tail model/tail.lace --risk 1% --confidence 95% --json");
    assert_eq!(
        (&promised["target"], &promised["samples"], &promised["tested"]),
        (&"risk".into(), &10_000.into(), &8_000.into())
    );
    assert!(promised["joint"]["risk_bound"].as_f64().expect("a number") <= 0.01);
    assert_eq!(
        (&promised["each"], &promised["holds_for"]),
        (&false.into(), &"data exchangeable with these samples".into())
    );
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
        ("calibrate model/head.lace --tail model/tail.lace --risk 0.01% --confidence 99%", "--part all"),
        ("calibrate model/head.lace --tail model/tail.lace --risk -1%", "the risk is -0.01"),
        ("calibrate model/head.lace --tail model/tail.lace --risk 150%", "the risk is 1.5"),
        ("calibrate model/head.lace --tail model/tail.lace --max-accuracy-drop -0.1pt", "below 1, or 0"),
        ("calibrate model/head.lace --tail model/tail.lace --offload-budget 20% --each-exit", "--risk"),
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
    assert!(table.contains("*: recommended") && table.contains("times: on this machine"), "{table}");
    std::fs::write(folder.join("none.toml"), "[link]\nbandwidth = 0\nround_trip = 0.02\n").expect("written");
    assert!(refused(folder, "plan flagship.safetensors --costs none.toml").contains("link.bandwidth is 0"));
    for (words, said) in [
        ("--objective energy", "energy_per_byte"),
        ("--objective price", "price_per_hour"),
        ("--max-accuracy-drop -1pt", "the accuracy drop is -0.01"),
        ("--max-accuracy-drop nan", "the accuracy drop is NaN"),
    ] {
        let error = refused(folder, &format!("plan flagship.safetensors --costs link.toml {words}"));
        assert!(error.contains(said), "{words}: {error}");
    }
    let origin = |words: &str| {
        let list = plan[words].as_array().expect("a list").iter();
        list.map(|name| name.as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        origin("measured"),
        [
            "accuracy",
            "exit_rate",
            "packet lengths",
            "device_operations",
            "server_operations",
            "writing and reading packets"
        ]
    );
    assert_eq!(
        (origin("given"), origin("left_out")),
        (vec!["link".to_owned()], vec!["loss".to_owned(), "queues".to_owned()])
    );
}

#[test]
fn costs_are_this_networks_and_whole() {
    let folder = flagship();
    let folder = folder.path();
    few_images(&folder.join("few"));
    let link = "[link]\nbandwidth = 1e6\nround_trip = 0.02\n";
    let write = |name: &str, rest: &str| std::fs::write(folder.join(name), format!("{link}{rest}")).expect("written");
    write("link.toml", "");
    let id = json(folder, "plan flagship.safetensors --data few --costs link.toml --json")["pair_id"].clone();
    let id = id.as_str().expect("an id");
    let times = "operations = [1e-5, 1e-6, 4e-5, 2e-6]";
    write("other.toml", &format!("[device]\n{times}\npair_id = \"00000001\"\n"));
    let error = refused(folder, "plan flagship.safetensors --data few --costs other.toml");
    assert!(error.contains("measured with network 00000001") && error.contains(id), "{error}");
    let server = format!("[server]\n{times}\npair_id = \"{id}\"\nprice_per_hour = 3.6\n");
    write("mine.toml", &format!("[device]\n{times}\npair_id = \"{id}\"\npower = 0.5\n{server}"));
    let table = done(folder, "plan flagship.safetensors --data few --costs mine.toml --objective price");
    for words in [
        "price a million",
        "given: link, device_operations, server_operations, server.price_per_hour",
        "energy has no column",
        "writing and reading packets on the device",
        "calibrate fits others",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let plan = json(folder, "plan flagship.safetensors --data few --costs mine.toml --objective price --json");
    let prices = plan["choices"].as_array().expect("choices").iter();
    let least =
        prices.filter(|choice| choice["accuracy"].as_f64() >= plan["accuracy_full"].as_f64().map(|full| full - 0.002));
    let least = least.filter_map(|choice| choice["price_per_million"].as_f64()).fold(f64::MAX, f64::min);
    let recommended = &plan["choices"][plan["recommended"].as_u64().expect("one") as usize];
    assert_eq!((recommended["price_per_million"].as_f64(), &recommended["on_front"]), (Some(least), &true.into()));
}

#[test]
fn a_demo_is_cut_where_it_is_asked_to() {
    let _alone = LOOPBACK.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = flagship();
    let folder = folder.path();
    few_images(&folder.join("few"));
    for name in ["images-idx3", "labels-idx1"] {
        let file = |set: &str| folder.join(format!("few/{set}-{name}-ubyte"));
        std::fs::copy(file("train"), file("t10k")).expect("written");
    }
    let table = done(folder, "demo --split --after 2 --data few --network flagship.safetensors");
    assert!(table.contains("2 of 3 junctions, exit 1") && table.contains("median of 5 rounds"), "{table}");
    let error = refused(folder, "demo --split --after 3 --data few");
    assert!(error.contains("1 to 2 can be cut behind"), "{error}");
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
    let _alone = LOOPBACK.lock().unwrap_or_else(PoisonError::into_inner);
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
    let file = std::fs::File::create(folder.path().join("unlabelled.npz")).expect("a file");
    let mut archive = ndarray_npy::NpzWriter::new(file);
    archive.add_array("x_train", &ndarray::Array2::<f32>::zeros((20, 800))).expect("written");
    archive.finish().expect("written");
    let error = refused(folder.path(), &words.replace("data data", "data unlabelled.npz"));
    assert!(error.contains("it has no array y_train"), "{error}");
}

/// A file of samples that are for validation only is used whole where that is said.
#[test]
fn all_samples_are_used_where_asked() {
    let folder = flagship();
    few_images(&folder.path().join("few"));
    let words =
        "calibrate model/head.lace --tail model/tail.lace --data few --offload-budget 20% --out other.lace --json";
    let samples = |words: &str| json(folder.path(), words)["samples"].clone();
    assert_eq!((samples(words), samples(&format!("{words} --part all"))), (200.into(), 1200.into()));
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
    for part in [
        "junction 1: 800 → 256",
        "exit 1: from 256",
        ">split<",
        "Accuracy against exits",
        "Exit 1, behind junction 1",
        "Bytes and time",
        "Samples that go on",
        "</svg>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.matches("<figure>").count() > 20 && page.len() < 400_000, "{} bytes", page.len());
    assert!(refused(folder, "report model/head.lace --out other.html").contains("--tail"));
    assert!(!folder.join("other.html").exists());
}
