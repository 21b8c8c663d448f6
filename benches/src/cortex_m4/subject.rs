//! What runs on the board: a model file and inputs for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lacewing_converter::convert::{ConvertError, convert_network};
use lacewing_converter::import::{ImportError, embedded_recipe, import};
use lacewing_converter::network::Network;
use lacewing_converter::source::{Source, SourceError};
use lacewing_engine::{AsTrained, Engine, EngineError, KernelSet, Model, Outcome, ParseError, Part};
use lacewing_models::Dataset;
use lacewing_models::data::{self, DataError, bundled_mnist};
use lacewing_models::recipe::Input;
use thiserror::Error;

use crate::exits::{self, METRICS};

/// Inputs that each network runs on: the first of the test set.
pub const INPUTS: usize = 10;

/// A model file and [`INPUTS`] inputs for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The network's name.
    pub name: String,
    /// The file: the head where the network is split, else the whole network.
    pub model: Vec<u8>,
    /// As the network sees them, one after the other.
    pub inputs: Vec<f32>,
}

/// A network could not be made ready for the board.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The trained network cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It carries no recipe.
    #[error("{0} carries no recipe: the bundled networks do")]
    NoRecipe(PathBuf),
    /// It does not fit its recipe.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// It cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The images cannot be had.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model file is refused.
    #[error("{name}: {error}")]
    Parse {
        /// The network.
        name: String,
        /// Why.
        error: ParseError,
    },
    /// No engine for it here.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A trained network, inputs for it, and images to calibrate int8 on.
pub(crate) struct Read {
    pub(crate) name: String,
    pub(crate) network: Network,
    /// The first images of the test set.
    pub(crate) inputs: Vec<f32>,
    /// The validation part.
    pub(crate) calibration: Dataset,
}

impl Read {
    pub(crate) fn of(file: &Path, inputs: usize) -> Result<Self, SubjectError> {
        let mut source = Source::open(file)?;
        let recipe = embedded_recipe(&source)?.ok_or_else(|| SubjectError::NoRecipe(file.into()))?;
        let part = |part| data::load_for(bundled_mnist(), part, &recipe);
        let (images, calibration) = (part(lacewing_models::Part::Test)?, part(lacewing_models::Part::Validation)?);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let network = import(&mut source, recipe)?.network;
        let inputs = images.iter().take(inputs).flat_map(|(input, _)| input.iter().copied()).collect();
        Ok(Self { name, network, inputs, calibration })
    }
}

impl Subject {
    /// The trained network in a file that holds its own recipe, converted: what the device runs of it, and, where that is a head,
    /// the trunk as a whole network as well.
    ///
    /// # Errors
    /// The file or the images cannot be read, or the network cannot be converted.
    pub fn trained(file: &Path) -> Result<Vec<Self>, SubjectError> {
        let Read { name, mut network, inputs, .. } = Read::of(file, INPUTS)?;
        let mut models = vec![convert_network(&network, None)?.head];
        if network.split.take().is_some() {
            network.exits.clear();
            models.push(convert_network(&network, None)?.head);
        }
        Ok(models
            .into_iter()
            .map(|model| Self { name: name.clone(), model: model.into(), inputs: inputs.clone() })
            .collect())
    }

    /// The head of a trained network without its exit, and with an exit that decides by each metric: what a decision costs.
    /// Empty where the network has no exit.
    ///
    /// # Errors
    /// As [`trained`](Self::trained).
    pub fn deciding(file: &Path) -> Result<Vec<Self>, SubjectError> {
        let Read { name, network, inputs, .. } = Read::of(file, INPUTS)?;
        let Some(without) = exits::without_exit(&network) else { return Ok(Vec::new()) };
        let with = METRICS.map(|(metric, which)| (metric, exits::by(which, &network)));
        let subject = |(how, network): (&str, Network)| {
            let model = convert_network(&network, None)?.head.into();
            Ok(Self { name: format!("{name}, {how}"), model, inputs: inputs.clone() })
        };
        core::iter::once(("no exit", without)).chain(with).map(subject).collect()
    }

    /// What the firmware carries in its tree: `head.lace` and `inputs.f32` of a folder.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn in_tree(folder: &Path) -> Result<Self, SubjectError> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|error| SubjectError::Io { path, error })
        };
        let inputs = read("inputs.f32")?.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Self { name: "firmware/qemu".into(), model: read("head.lace")?, inputs })
    }

    /// The inputs as the firmware reads them: little-endian f32.
    #[must_use]
    pub fn input_bytes(&self) -> Vec<u8> {
        self.inputs.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// `head` or `whole`.
    ///
    /// # Errors
    /// The model file is refused.
    pub fn part(&self) -> Result<Part, SubjectError> {
        Ok(self.parse(&KernelSet::ALL)?.part())
    }

    /// What the firmware has to print: the host's own answers, by its own kernels, in the firmware's words.
    ///
    /// # Errors
    /// The model file is refused.
    pub fn expected(&self) -> Result<Vec<String>, SubjectError> {
        let model = self.parse(&KernelSet::ALL)?;
        // A multiple of 4 whatever the allocator does: f32 first, bytes of it then.
        let mut scratch = vec![0f32; model.scratch_len().div_ceil(size_of::<f32>())];
        let mut engine = Engine::new(&model, bytemuck::cast_slice_mut(&mut scratch))?;
        let mut lines = Vec::new();
        for (number, input) in self.inputs.chunks_exact(model.n_in()).enumerate() {
            engine.input().copy_from_slice(input);
            lines.push(match engine.run(&mut AsTrained) {
                Outcome::Answer(answer) => format!("{number} answer {} exit {}", answer.class, answer.exit.0),
                Outcome::Offload { features, fallback } => {
                    let fallback = fallback.map(|answer| format!(" fallback {}", answer.class)).unwrap_or_default();
                    format!("{number} offload {}{fallback}", features.values().len())
                }
            });
        }
        Ok(lines)
    }

    fn parse(&self, kernels: &KernelSet) -> Result<Model<'_>, SubjectError> {
        Model::parse(&self.model, kernels).map_err(|error| SubjectError::Parse { name: self.name.clone(), error })
    }
}

/// Images of the test set in int8 as networks of 800 inputs see them, zero point -128: 64, as far apart as they can be, since the first ones are
/// lighter than the mean of all.
///
/// # Errors
/// They cannot be read.
pub fn images_i8() -> Result<Vec<u8>, SubjectError> {
    const IMAGES: usize = 64;
    const WIDTH: usize = 800;
    let images = data::load(bundled_mnist(), lacewing_models::Part::Test, &Input::plain(WIDTH))?;
    let apart = images.labels().len() / IMAGES;
    let chosen = images.iter().step_by(apart.max(1)).take(IMAGES);
    Ok(chosen.flat_map(|(image, _)| image.iter().map(|value| ((value * 255.0).round() as i16 - 128) as u8)).collect())
}

/// The trained networks in a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn trained_files(folder: &Path) -> Result<Vec<PathBuf>, SubjectError> {
    let failed = |error| SubjectError::Io { path: folder.into(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
