//! The bundled models and the engine's sound test models, and what the host answers.

use std::fs;
use std::path::Path;

use lacewing_engine::{Answer, AsTrained, Element, Engine, KernelSet, Model, Outcome};

use crate::cortex_m4::subject::{Subject, SubjectError, trained_files};

/// Steps of 2⁻¹⁵ by which the confidence of an f32 model may differ between processors: sums are taken in another order.
pub const CONFIDENCE_STEPS: u16 = 8;

/// A model and its inputs, as bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// Its name.
    pub name: String,
    /// The file.
    pub model: Vec<u8>,
    /// Little-endian f32, or int8, one input after the other.
    pub inputs: Vec<u8>,
}

/// What a line of the program, or the host, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The model's name, and `answer` or `offload`, class and exit.
    pub words: String,
    /// Of 2⁻¹⁵, where there is an answer.
    pub confidence: Option<u16>,
}

impl Line {
    /// Reads a line of the program.
    #[must_use]
    pub fn read(line: &str) -> Self {
        match line.rsplit_once(' ').map(|(words, last)| (words, last.parse())) {
            Some((words, Ok(confidence))) => Self { words: words.to_owned(), confidence: Some(confidence) },
            _ => Self { words: line.to_owned(), confidence: None },
        }
    }

    /// Whether a board that says this agrees with the host's line.
    #[must_use]
    pub fn agrees(&self, host: &Self, exactly: bool) -> bool {
        let steps = if exactly { 0 } else { CONFIDENCE_STEPS };
        let near = match (self.confidence, host.confidence) {
            (Some(here), Some(there)) => here.abs_diff(there) <= steps,
            (here, there) => here == there,
        };
        self.words == host.words && near
    }
}

/// The bundled models with their first test images, and the engine's sound models with made-up inputs.
///
/// # Errors
/// A file cannot be read or converted.
pub fn goldens(root: &Path, inputs: usize) -> Result<Vec<Golden>, SubjectError> {
    let mut all = Vec::new();
    for file in trained_files(&root.join("models/weights"))? {
        // What the device runs of it, the first.
        let Some(subject) = Subject::trained(&file)?.into_iter().next() else { continue };
        let mut bytes = subject.input_bytes();
        bytes.truncate(bytes.len() / crate::cortex_m4::subject::INPUTS * inputs);
        all.push(Golden { name: subject.name, model: subject.model, inputs: bytes });
    }
    let folder = root.join("engine/tests/hostile");
    let failed = |error| SubjectError::Io { path: folder.clone(), error };
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("sound-") {
            continue;
        }
        let model = fs::read(&path).map_err(failed)?;
        let parsed =
            Model::parse(&model, &KernelSet::ALL).map_err(|error| SubjectError::Parse { name: name.clone(), error })?;
        let numbers = (0..inputs * parsed.n_in()).map(|k| (k * 37 % 255) as i16 - 127);
        let inputs = match parsed.input() {
            Some(_) => numbers.map(|number| number as i8 as u8).collect(),
            None => numbers.flat_map(|number| (f32::from(number) / 128.0).to_le_bytes()).collect(),
        };
        all.push(Golden { name, model, inputs });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

impl Golden {
    /// Whether the answers of every processor are the same to the bit.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        Model::parse(&self.model, &KernelSet::ALL).is_ok_and(|model| model.input().is_some())
    }

    /// What the host answers.
    ///
    /// # Errors
    /// The model is refused.
    pub fn expected(&self) -> Result<Vec<Line>, SubjectError> {
        let model = Model::parse(&self.model, &KernelSet::ALL)
            .map_err(|error| SubjectError::Parse { name: self.name.clone(), error })?;
        let mut scratch = vec![0f32; model.scratch_len().div_ceil(size_of::<f32>())];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        let mut lines = Vec::new();
        if model.input().is_some() {
            let mut engine = Engine::new_i8(&model, scratch)?;
            for input in self.inputs.chunks_exact(model.n_in()) {
                engine.input().copy_from_slice(bytemuck::cast_slice(input));
                lines.push(self.line(&engine.run(&mut AsTrained)));
            }
        } else {
            let mut engine = Engine::new(&model, scratch)?;
            for input in self.inputs.chunks_exact(4 * model.n_in()) {
                for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
                lines.push(self.line(&engine.run(&mut AsTrained)));
            }
        }
        Ok(lines)
    }

    fn line<T: Element>(&self, outcome: &Outcome<'_, T>) -> Line {
        let line = |how: &str, answer: &Answer| Line {
            words: format!("{} {how} {} {}", self.name, answer.class, answer.exit.0),
            confidence: Some(answer.confidence.steps()),
        };
        match outcome {
            Outcome::Answer(answer) => line("answer", answer),
            Outcome::Offload { fallback: Some(answer), .. } => line("offload", answer),
            Outcome::Offload { fallback: None, .. } => {
                Line { words: format!("{} offload", self.name), confidence: None }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_agree_within_their_bound_and_int8_to_the_bit() {
        let (host, near) = (Line::read("mnist answer 7 1 30000"), Line::read("mnist answer 7 1 30008"));
        assert_eq!((host.words.as_str(), host.confidence), ("mnist answer 7 1", Some(30_000)));
        assert!(near.agrees(&host, false) && !near.agrees(&host, true) && host.agrees(&host, true));
        assert!(!Line::read("mnist answer 7 1 30009").agrees(&host, false), "nine steps");
        assert!(!Line::read("mnist answer 8 1 30000").agrees(&host, false), "another class");
        assert!(Line::read("mnist offload").agrees(&Line::read("mnist offload"), true));
    }
}
