//! The bundled models and the engine's sound test models, and what the host answers.

use std::path::Path;
use std::{fs, io};

use lacewing_converter::convert::{convert_network, convert_network_i8};
use lacewing_converter::int8::Quantising;
use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{Answer, AsTrained, Element, Engine, KernelSet, Model, Outcome};

use crate::cortex_m4::subject::{Read, SubjectError, trained_files};

/// Images that each bundled model answers on each target: the first of the test set.
pub const IMAGES: usize = 64;

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

/// The bundled models, in f32 and quantised to int8, with the first `images` of the test set, and the engine's sound models with as many made-up
/// inputs.
///
/// # Errors
/// A file cannot be read or converted.
pub fn goldens(root: &Path, images: usize) -> Result<Vec<Golden>, SubjectError> {
    let mut all = Vec::new();
    for file in trained_files(&root.join("models/weights"))? {
        let Read { name, network, inputs, calibration } = Read::of(&file, images)?;
        let float = convert_network(&network, None)?.head;
        let int8 = convert_network_i8(&network, &calibration, &Quantising::default())?.head;
        for (name, model) in [(name.clone(), float), (format!("{name}-int8"), int8)] {
            let model: Vec<u8> = model.into();
            let inputs = taken(&name, &model, &inputs)?;
            all.push(Golden { name, model, inputs });
        }
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
        let parsed = parse(&name, &model)?;
        let numbers = (0..images * parsed.n_in()).map(|k| (k * 37 % 255) as i16 - 127);
        let inputs = match parsed.input() {
            Some(_) => numbers.map(|number| number as i8 as u8).collect(),
            None => numbers.flat_map(|number| (f32::from(number) / 128.0).to_le_bytes()).collect(),
        };
        all.push(Golden { name, model, inputs });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Inputs as a model takes them: int8, or little-endian f32.
fn taken(name: &str, model: &[u8], inputs: &[f32]) -> Result<Vec<u8>, SubjectError> {
    Ok(match parse(name, model)?.input() {
        Some(quantisation) => inputs.iter().map(|value| quantisation.quantise(*value) as u8).collect(),
        None => inputs.iter().flat_map(|value| value.to_le_bytes()).collect(),
    })
}

fn parse<'m>(name: &str, model: &'m [u8]) -> Result<Model<'m>, SubjectError> {
    Model::parse(model, &KernelSet::ALL).map_err(|error| SubjectError::Parse { name: name.into(), error })
}

/// Lays the models, their inputs and a list of their names where the programs that run them look: in one folder.
///
/// # Errors
/// A file cannot be written.
pub fn lay_out(goldens: &[Golden], folder: &Path) -> io::Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    for Golden { name, model, inputs } in goldens {
        fs::write(folder.join(name).with_added_extension("lace"), model)?;
        fs::write(folder.join(name).with_added_extension("inputs"), inputs)?;
    }
    let names: String = goldens.iter().map(|golden| format!("{}\n", golden.name)).collect();
    fs::write(folder.join("names"), names)
}

impl Golden {
    /// Whether the answers of every processor are the same to the bit.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        Model::parse(&self.model, &KernelSet::ALL).is_ok_and(|model| model.input().is_some())
    }

    /// What a run needs.
    #[must_use]
    pub fn scratch_bytes(&self) -> usize {
        Model::parse(&self.model, &KernelSet::ALL).map_or(0, |model| model.scratch_len())
    }

    /// Bytes of one input.
    #[must_use]
    pub fn input_bytes(&self) -> u64 {
        let element = if self.is_exact() { 1 } else { size_of::<f32>() };
        Model::parse(&self.model, &KernelSet::ALL).map_or(1, |model| (element * model.n_in()) as u64)
    }

    /// What the host answers.
    ///
    /// # Errors
    /// The model is refused.
    pub fn expected(&self) -> Result<Vec<Line>, SubjectError> {
        let model = parse(&self.name, &self.model)?;
        let mut scratch = HeapScratch::new(model.scratch_len());
        let scratch = scratch.bytes();
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
