//! What can be wrong with data.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why data cannot be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// What was read from files is refused.
    #[error("{path}: {error}")]
    Of {
        /// The set.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<DataError>,
    },
    /// A file of the set is missing.
    #[error(
        "there is no {expected} (nor {expected}.gz) in {directory}: an image set is a directory of the IDX files \
         train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each \
         with or without .gz, or a NumPy archive, x.npz, of x_train, y_train, x_test and y_test"
    )]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// The file looked for.
        expected: String,
    },
    /// A file cannot be read, or its gzip stream is damaged or cut short.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file has another magic number than IDX files of bytes have.
    #[error(
        "{path} is not an IDX file of bytes with {axes} axes: it starts with {magic:02x?}, not [00, 00, 08, {axes:02x}]"
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        magic: Vec<u8>,
        /// The axes expected: 3 for images, 1 for labels.
        axes: u8,
    },
    /// A file holds fewer or more bytes than its header says.
    #[error("{path} has {found} bytes behind its header, which announces {expected}: download it again")]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes found; at most one more than announced.
        found: u64,
    },
    /// A NumPy archive that is damaged, or lacks an array or has one of another shape or type.
    #[error("cannot read images from {path}: {problem}")]
    Npz {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The images are empty or too large.
    #[error("{path} announces {count} images of {rows} x {cols}: at least one, of 1 to 65535 pixels")]
    ImageShape {
        /// The file.
        path: PathBuf,
        /// Number of images.
        count: usize,
        /// Rows an image.
        rows: usize,
        /// Columns an image.
        cols: usize,
    },
    /// Not as many labels as images.
    #[error("{images} images in {path} but {labels} labels beside them: are the files of one set?")]
    Count {
        /// The file of images.
        path: PathBuf,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A label that is not below the number of classes.
    #[error("sample {sample} (from 0) has label {label}: with {classes} classes labels are 0 to {}; mend it or leave the sample out", classes.saturating_sub(1))]
    Label {
        /// The sample, from 0.
        sample: usize,
        /// Its label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A value that is NaN or infinite.
    #[error("sample {sample}, value {position} (both from 0) is NaN or infinite; mend it or leave the sample out")]
    NotFinite {
        /// The sample, from 0.
        sample: usize,
        /// The value's place in it, from 0.
        position: usize,
    },
    /// Values and labels do not go together.
    #[error("{values} values are not {labels} samples of {width} (at least 1) each")]
    Shape {
        /// Values a sample.
        width: usize,
        /// Number of values.
        values: usize,
        /// Number of labels.
        labels: usize,
    },
    /// An image has more pixels than the network has inputs.
    #[error(
        "images have {pixels} pixels for a network of {width} inputs: set [input] width, crop or average_pool in the recipe (--recipe)"
    )]
    TooWide {
        /// Pixels, after crop and pooling.
        pixels: usize,
        /// The network's inputs.
        width: usize,
    },
    /// Crop or pooling does not fit the images.
    #[error("[input] {key} = {value} does not fit images of {rows} x {cols}: {rule}")]
    Transform {
        /// The key.
        key: &'static str,
        /// Its value.
        value: usize,
        /// Rows of the images it is applied to.
        rows: usize,
        /// Columns of the images it is applied to.
        cols: usize,
        /// What would fit.
        rule: &'static str,
    },
}

impl DataError {
    /// Of the set in `path`.
    pub(super) fn of(self, path: &Path) -> Self {
        Self::Of { path: path.to_path_buf(), error: Box::new(self) }
    }
}
