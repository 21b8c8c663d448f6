//! ARCHITECTURE.md held against the tree: who depends on whom, where unsafe code may stand, how long a file may be.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Where unsafe code may stand; everything in a folder, or one file.
const MAY_BE_UNSAFE: [&str; 12] = [
    "kernels/",
    "engine/capi/",
    "engine/tests/no_alloc.rs",
    "converter/src/map.rs",
    "converter/src/bench/peers.rs",
    "converter/tests/memory.rs",
    "firmware/qemu/src/board.rs",
    "firmware/conformance/src/lib.rs",
    "firmware/helium/src/main.rs",
    "firmware/qemu/src/stack.rs",
    "firmware/qemu/src/uart.rs",
    "firmware/board/src/main.rs",
];

/// Crate roots that forbid it to the compiler's satisfaction too.
const FORBID_UNSAFE: [&str; 4] = ["engine/src/lib.rs", "training/src/lib.rs", "tail/src/lib.rs", "cli/src/main.rs"];

const LONGEST_FILE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("cli lies in the workspace").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rooms and what each may depend on, as ARCHITECTURE.md lists them.
fn arrows() -> BTreeMap<String, Vec<String>> {
    read("ARCHITECTURE.md")
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(" → "))
        .map(|(room, others)| {
            let others = others.split(", ").filter(|other| *other != "nothing").map(str::to_owned).collect();
            (room.to_owned(), others)
        })
        .collect()
}

/// The packages of a workspace: the folder in the tree, and the manifest.
fn packages(manifest: &Path) -> Vec<(String, Value)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages.map(|package| (folder(&package["manifest_path"]), package.clone())).collect()
}

/// The folder of a manifest or of a path dependency, relative to the root.
fn folder(path: &Value) -> String {
    let path = Path::new(path.as_str().expect("a path"));
    let path = if path.ends_with("Cargo.toml") { path.parent().expect("a folder") } else { path };
    path.strip_prefix(root()).expect("inside the tree").to_str().expect("UTF-8").to_owned()
}

/// The room that a folder belongs to: packages of the firmware workspace all belong to firmware.
fn room(folder: &str) -> &str {
    if folder.starts_with("firmware/") { "firmware" } else { folder }
}

fn all_packages() -> Vec<(String, Value)> {
    let manifests = ["Cargo.toml", "firmware/Cargo.toml", "engine/capi/Cargo.toml"].map(|path| root().join(path));
    manifests.iter().filter(|manifest| manifest.exists()).flat_map(|manifest| packages(manifest)).collect()
}

#[test]
fn dependencies_follow_the_arrows() {
    let arrows = arrows();
    assert!(arrows.contains_key("kernels") && arrows.contains_key("cli"), "no list of arrows: {arrows:?}");
    let mut seen = 0;
    for (folder_of_package, package) in all_packages() {
        let from = room(&folder_of_package);
        let allowed = arrows.get(from).unwrap_or_else(|| panic!("{from} has no arrows in ARCHITECTURE.md"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["path"].is_string() {
                let to = folder(&dependency["path"]);
                let to = room(&to);
                assert!(from == to || allowed.iter().any(|room| room == to), "{from} → {to} is no arrow");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} arrows found: the manifests were not read");
}

#[test]
fn device_crates_depend_on_nothing_else() {
    for (from, package) in all_packages().into_iter().filter(|(folder, _)| folder == "kernels" || folder == "engine") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let ships = dependency["kind"] != "dev";
            assert!(!ships || dependency["path"].is_string(), "{from} depends on {}", dependency["name"]);
        }
    }
}

/// Every file of ours with one of these endings.
fn files(endings: &[&str]) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            if path.is_dir() && name != "target" && (!name.starts_with('.') || name == ".ci") {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                files.push(path.strip_prefix(root()).expect("inside").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    assert!(files.len() > 3, "no sources found");
    files
}

/// Whether a line of Rust uses the word outside a comment.
fn says_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn unsafe_code_stands_where_it_may() {
    assert!(says_unsafe("    unsafe { go() }") && !says_unsafe("#![forbid(unsafe_code)] // unsafe"));
    for path in files(&[".rs"]) {
        if MAY_BE_UNSAFE.iter().any(|place| path.starts_with(place)) || path == "cli/tests/house.rs" {
            continue;
        }
        for (number, line) in (1..).zip(read(&path).lines()) {
            assert!(!says_unsafe(line), "{path}:{number} has unsafe code, which ARCHITECTURE.md does not allow there");
        }
    }
    for path in FORBID_UNSAFE {
        assert!(read(path).contains("#![forbid(unsafe_code)]"), "{path} does not forbid unsafe code");
    }
}

#[test]
fn files_are_short_and_named_for_what_they_hold() {
    for path in files(&[".rs", ".sh", ".c", ".h", "ci.sh"]) {
        let lines = read(&path).lines().count();
        assert!(lines < LONGEST_FILE, "{path} has {lines} lines: split it below {LONGEST_FILE}");
        let stem = Path::new(&path).file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
        assert!(!["util", "utils", "helpers", "misc", "common"].contains(&stem), "{path}: name it for what it holds");
    }
}
