//! The door as C goes through it: compiled without a warning, run under the address and undefined-behaviour sanitizers, and compared
//! with the engine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use lacewing::lacewing_status;
use lacewing_engine::{Answer, AsTrained, Engine, KernelSet, Model, Outcome, Step};

const STRICT: [&str; 8] =
    ["-std=c11", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-fsanitize=address,undefined"];
/// What Rust's standard library asks of the system.
const SYSTEM: [&str; 4] = ["-lpthread", "-ldl", "-lm", "-lgcc_s"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The engine's sound and hostile files.
fn models(prefix: &str) -> Vec<PathBuf> {
    let folder = here().join("../tests/hostile");
    let entries =
        fs::read_dir(folder).expect("the engine has hostile files").map(|entry| entry.expect("an entry").path());
    let named =
        |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix));
    let mut files: Vec<PathBuf> = entries.filter(named).collect();
    files.sort();
    files
}

/// The static library that cargo built for this test: the newest that was there when the test was.
fn library() -> PathBuf {
    let test = env::current_exe().expect("this test has a path");
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).expect("a time");
    let entries = fs::read_dir(test.parent().expect("target/PROFILE/deps")).expect("a folder");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("liblacewing-") && name.ends_with(".a") && written(path) <= written(&test)
    };
    let libraries = entries.map(|entry| entry.expect("an entry").path()).filter(is_library);
    libraries.max_by_key(|path| written(path)).expect("cargo builds all crate types of a package that it tests")
}

/// Compiles a program of tests/c and runs it; what it printed.
fn run(program: &str, arguments: &[PathBuf]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join(program);
    let mut compiler = Command::new("cc");
    compiler.args(STRICT).arg("-I").arg(here()).arg(here().join("tests/c").join(program).with_extension("c"));
    compiler.arg(library()).args(SYSTEM).arg("-o").arg(&binary);
    let output = compiler.output().expect("there is a C compiler");
    assert!(output.status.success(), "{program}.c:\n{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&binary).args(arguments).output().expect("the program runs");
    let messages = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} failed ({}):\n{messages}", output.status);
    assert_eq!(messages, "", "{program} has complaints");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn the_header_is_good_in_cpp_too() {
    let mut compiler = Command::new("c++");
    compiler.args(["-x", "c++", "-std=c++11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
    let output = compiler.arg(here().join("lacewing.h")).output().expect("there is a C++ compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn calls_that_cannot_be_right_are_refused() {
    let arguments = ["sound-head.lace", "sound-head-int8.lace", "sound-tail.lace"];
    run("misuse", &arguments.map(|name| here().join("../tests/hostile").join(name)));
}

#[test]
fn hostile_files_are_refused_by_the_engines_own_rules() {
    let files = models("");
    assert!(files.len() > 80, "only {} hostile files", files.len());
    let found = run("parse", &files);
    let expected = files.iter().map(|file| {
        let bytes = fs::read(file).expect("a file");
        match Model::parse(&bytes, &KernelSet::ALL) {
            Ok(_) => "0 0\n".to_owned(),
            Err(error) => format!("{} {}\n", lacewing_status::from(error.rule) as u32, error.at),
        }
    });
    assert_eq!(found, expected.collect::<String>());
}

fn answer(answer: Answer) -> String {
    format!(" class {} exit {} confidence {}", answer.class, answer.exit.0, answer.confidence.steps())
}

fn packet(encode: impl FnOnce(&mut [u8]) -> usize) -> String {
    let mut packet = vec![0; 4 * 65_535 + 64];
    let len = encode(&mut packet);
    format!(" packet{}", packet[..len].iter().map(|byte| format!(" {byte:02x}")).collect::<String>())
}

/// What the program prints of an outcome.
macro_rules! words {
    ($outcome:expr) => {
        match $outcome {
            Outcome::Answer(found) => format!("kind 1{}\n", answer(found)),
            Outcome::Offload { features, fallback } => {
                let fallback = fallback.map(answer).unwrap_or_default();
                let sent = features.with_sequence(7).without_zeros();
                format!("kind 2{fallback}{}\n", packet(|out| sent.encode(out).expect("room for it")))
            }
        }
    };
}

/// What the program prints of a model: one run, then the same step by step.
macro_rules! expected {
    ($engine:expr, $value:expr) => {{
        let mut engine = $engine;
        let fill = |input: &mut [_]| input.iter_mut().enumerate().for_each(|(i, x)| *x = $value(i * 37 % 255));
        fill(engine.input());
        let whole = words!(engine.run(&mut AsTrained));
        fill(engine.input());
        let mut steps = 1;
        let stepped = loop {
            match engine.step(&mut AsTrained) {
                Step::More => steps += 1,
                Step::Done(outcome) => break words!(outcome),
            }
        };
        format!("run {whole}steps {steps} and then {stepped}")
    }};
}

#[test]
fn runs_and_steps_are_the_engines() {
    let files = models("sound-");
    assert!(files.len() >= 8, "only {} sound files", files.len());
    let mut wanted = String::new();
    for file in &files {
        let bytes = fs::read(file).expect("a file");
        let model = Model::parse(&bytes, &KernelSet::ALL).expect("a sound file");
        let mut scratch = vec![0u64; model.scratch_len().div_ceil(8)];
        // SAFETY: the same memory as bytes.
        let scratch = unsafe { scratch.align_to_mut::<u8>().1 };
        wanted += &match model.input() {
            None => expected!(Engine::new(&model, scratch).expect("an engine"), |k| k as f32 / 128.0 - 1.0),
            Some(_) => expected!(Engine::new_i8(&model, scratch).expect("an engine"), |k| (k as i16 - 127) as i8),
        };
    }
    assert_eq!(run("run", &files), wanted);
}
