//! Networks that frameworks wrote, compared with what those frameworks answer.

use std::path::{Path, PathBuf};

use lacewing_converter::convert::{HEAD, Options, Report, TAIL, convert};
use lacewing_converter::source::Source;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome};

use super::{fixture, names};

struct Recorder(Vec<Vec<f32>>);

impl ExitPolicy for Recorder {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.push(exit.logits().to_vec());
        Decision::Continue
    }
}

pub fn framework(name: &str) -> PathBuf {
    fixture("frameworks").join(name)
}

/// An array of a fixture.
pub fn array(file: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = Source::open(file).unwrap().tensor(name, 100_000).unwrap().unwrap();
    (tensor.shape, tensor.values)
}

/// Every exit's logits, in the order in which exits are met, for each input.
pub fn logits(dir: &Path, inputs: &[f32], width: usize) -> Vec<Vec<Vec<f32>>> {
    let head = std::fs::read(dir.join(HEAD)).unwrap();
    let head = Model::parse(&head, &KernelSet::ALL).unwrap();
    let tail = std::fs::read(dir.join(TAIL)).ok();
    let tail = tail.as_ref().map(|tail| Model::parse(tail, &KernelSet::ALL).unwrap());
    let (mut scratch, mut tail_scratch) =
        (vec![0u128; head.scratch_len()], vec![0u128; tail.as_ref().map_or(0, Model::scratch_len)]);
    let mut head = Engine::new(&head, bytemuck::cast_slice_mut(&mut scratch)).unwrap();
    let mut tail = tail.as_ref().map(|tail| Engine::new(tail, bytemuck::cast_slice_mut(&mut tail_scratch)).unwrap());
    let mut run = |input: &[f32]| {
        let mut recorder = Recorder(Vec::new());
        head.load(input).unwrap();
        match head.run(&mut recorder) {
            Outcome::Offload { features, .. } => {
                let tail = tail.as_mut().unwrap();
                tail.resume(&features, &mut recorder).unwrap();
                recorder.0.push(tail.logits().to_vec());
            }
            Outcome::Answer(_) => recorder.0.push(head.logits().to_vec()),
        }
        recorder.0
    };
    inputs.chunks(width).map(&mut run).collect()
}

/// Converts `file` without a recipe, and compares each exit with the arrays `exits` of `expected`, on 1,000 inputs.
pub fn agrees(file: &str, expected: &str, exits: &[&str], options: &Options<'_>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let report = convert(&framework(file), None, dir.path(), options).unwrap();
    agrees_with(dir.path(), expected, exits);
    report
}

/// Compares what is converted in `dir` with the arrays `exits` of `expected`, on 1,000 inputs.
pub fn agrees_with(dir: &Path, expected: &str, exits: &[&str]) {
    let (shape, inputs) = array(&framework("inputs.npz"), "inputs");
    assert_eq!(shape, [1000, 12]);
    agrees_on(dir, &inputs, expected, exits, expected.contains("probabilities"));
}

/// Likewise, on the 1,000 `inputs`; the arrays are logits, or probabilities.
pub fn agrees_on(dir: &Path, inputs: &[f32], expected: &str, exits: &[&str], probabilities: bool) {
    let found = logits(dir, inputs, inputs.len() / 1000);
    for (exit, name) in exits.iter().enumerate() {
        let (shape, wanted) = array(&framework(expected), name);
        assert_eq!(shape[0], 1000, "{expected}");
        for (sample, wanted) in wanted.chunks(shape[1]).enumerate() {
            assert_eq!(found[sample].len(), exits.len(), "{expected}: number of exits");
            let mut found = found[sample][exit].clone();
            if probabilities {
                softmax(&mut found);
            }
            assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(wanted) {
                let bound = 1e-5 * wanted.abs().max(1.0);
                assert!((found - wanted).abs() <= bound, "{expected}, {name}, sample {sample}: {found}, not {wanted}");
            }
        }
    }
}

fn softmax(logits: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    logits.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
    let sum: f32 = logits.iter().sum();
    logits.iter_mut().for_each(|logit| *logit /= sum);
}

/// Converts, expects a refusal with all of `words`, and no file.
#[track_caller]
pub fn refused(file: &Path, options: &Options<'_>, words: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let error = convert(file, None, out.path(), options).unwrap_err().to_string();
    words.iter().for_each(|word| assert!(error.contains(word), "no {word:?} in: {error}"));
    assert!(names(out.path()).is_empty(), "{error}");
}
