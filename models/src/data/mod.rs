//! Image sets: MNIST and what comes in the same form.
//!
//! A set has training and test images. The last sixth of the training images (10,000 of MNIST's 60,000) is the fixed
//! validation part, from which epochs, learning rates, thresholds and temperatures are chosen; the test part is opened
//! by evaluation, the demo and reports, and by what compares a board's answers with the host's.

mod error;
mod idx;
mod npz;
mod transform;

use std::path::{Path, PathBuf};

pub use error::DataError;
pub(crate) use transform::BYTE_SCALE;

use crate::recipe::{Input, Recipe};

/// A part of an image set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The training images without the validation part: all but the last sixth.
    Train,
    /// The last sixth of the training images.
    Validation,
    /// All training images.
    AllTrain,
    /// The test images.
    Test,
}

/// Samples and their labels, ready for the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    width: usize,
    values: Vec<f32>,
    labels: Vec<u16>,
}

impl Dataset {
    /// Puts samples together: `values` holds `width` finite numbers for each of the labels.
    ///
    /// # Errors
    /// If the lengths do not go together, or a value is NaN or infinite.
    pub fn new(width: usize, values: Vec<f32>, labels: Vec<u16>) -> Result<Self, DataError> {
        if width == 0 || labels.len().checked_mul(width) != Some(values.len()) {
            return Err(DataError::Shape { width, values: values.len(), labels: labels.len() });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(DataError::NotFinite { sample: at / width, position: at % width }),
            None => Ok(Self { width, values, labels }),
        }
    }

    /// Number of samples.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values a sample.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The values of sample `i`.
    ///
    /// # Panics
    /// If `i ≥ len`.
    #[must_use]
    pub fn sample(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// The class of sample `i`.
    ///
    /// # Panics
    /// If `i ≥ len`.
    #[must_use]
    pub fn label(&self, i: usize) -> usize {
        usize::from(self.labels[i])
    }

    /// All values, sample after sample.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The class of each sample.
    #[must_use]
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// Each sample with its class.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], usize)> {
        self.values.chunks_exact(self.width).zip(self.labels.iter().map(|&label| usize::from(label)))
    }

    /// Proves every label to be below `classes`.
    ///
    /// # Errors
    /// The first label that is not.
    pub fn check_classes(&self, classes: usize) -> Result<(), DataError> {
        match self.labels.iter().position(|&label| usize::from(label) >= classes) {
            Some(sample) => Err(DataError::Label { sample, label: self.label(sample), classes }),
            None => Ok(()),
        }
    }
}

/// Most pixels of an image.
const MAX_PIXELS: usize = 65_535;

/// Loads a part of the image set in `path`, as `input` asks. The set is
/// * a directory of four IDX files, each gzipped or not: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
///   `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, with or without `.gz`; or
/// * a NumPy archive, or a directory with just one, with the arrays `x_train`, `y_train`, `x_test` and `y_test`.
///
/// # Errors
/// If a file is missing, truncated or no image set, or does not fit `input`.
pub fn load(path: impl AsRef<Path>, part: Part, input: &Input) -> Result<Dataset, DataError> {
    let path = path.as_ref();
    let raw = match archive(path) {
        Some(archive) => npz::load(&archive, part)?,
        None => idx::load(path, part)?,
    };
    transform::apply(&raw.of(part), input).map_err(|error| error.of(path))
}

/// The NumPy archive that `path` is, or the only one in it where it has no IDX files.
fn archive(path: &Path) -> Option<PathBuf> {
    let is_archive = |path: &Path| path.extension().is_some_and(|extension| extension == "npz");
    if !path.is_dir() {
        // Also where there is nothing: what reads it says so.
        return Some(path.to_path_buf());
    }
    let files: Vec<PathBuf> = std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let is_idx = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("-ubyte"));
    match *files.iter().filter(|path| is_archive(path)).collect::<Vec<_>>() {
        [only] if !files.iter().any(|path| is_idx(path)) => Some(only.clone()),
        _ => None,
    }
}

/// [`load`] for a recipe: its input section, and labels below its class count.
///
/// # Errors
/// As [`load`], and if a label is not below the recipe's class count.
pub fn load_for(path: impl AsRef<Path>, part: Part, recipe: &Recipe) -> Result<Dataset, DataError> {
    let dataset = load(&path, part, &recipe.input)?;
    dataset.check_classes(recipe.classes).map_err(|error| error.of(path.as_ref()))?;
    Ok(dataset)
}

/// The directory of the MNIST files that come with this crate: beside its sources, or, where those are gone,
/// `models/data/mnist` of the working directory.
#[must_use]
pub fn bundled_mnist() -> PathBuf {
    let beside_sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
    if beside_sources.is_dir() { beside_sources } else { PathBuf::from("models/data/mnist") }
}

/// Images as they stand in files.
struct RawImages {
    rows: usize,
    cols: usize,
    pixels: Pixels,
    labels: Vec<u16>,
}

enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// A run of [`RawImages`].
struct RawPart<'r> {
    rows: usize,
    cols: usize,
    pixels: PixelsPart<'r>,
    labels: &'r [u16],
}

enum PixelsPart<'r> {
    Bytes(&'r [u8]),
    Floats(&'r [f32]),
}

impl RawImages {
    /// The images of `part`; `self` holds the training images, or the test images where `part` is those.
    fn of(&self, part: Part) -> RawPart<'_> {
        let count = self.labels.len();
        let validation_from = count - count / 6;
        let range = match part {
            Part::Train => 0..validation_from,
            Part::Validation => validation_from..count,
            Part::AllTrain | Part::Test => 0..count,
        };
        let size = self.rows * self.cols;
        let pixels = range.start * size..range.end * size;
        RawPart {
            rows: self.rows,
            cols: self.cols,
            pixels: match &self.pixels {
                Pixels::Bytes(bytes) => PixelsPart::Bytes(&bytes[pixels]),
                Pixels::Floats(floats) => PixelsPart::Floats(&floats[pixels]),
            },
            labels: &self.labels[range],
        }
    }
}
