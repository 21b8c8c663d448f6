//! Masks in files of their own, for networks that are trained elsewhere.
//!
//! The file has one array, called `mask`, of `u8` 0 and 1 and shape (outputs, inputs): a NumPy `.npz` archive or a
//! `.safetensors` file, by the extension of its name.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use ndarray::ArrayView2;
use ndarray_npy::NpzWriter;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

use crate::mask::{Mask, MaskError};
use crate::npz::{Elements, Npz};
use crate::output::write_file;

/// Name of the array in a mask file.
pub const ARRAY: &str = "mask";

/// Why a mask file cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MaskFileError {
    /// The file's name has another extension.
    #[error("{path}: a mask file's name ends in .npz or .safetensors")]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written; nothing of it is there.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The mask cannot be put in the file's form.
    #[error("cannot write {path}: {problem}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The file cannot be read, or holds no array called `mask` of two axes and `u8` or `bool`.
    #[error("cannot read a mask from {path}: {problem}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The array is no mask.
    #[error("{path}: {source}")]
    Mask {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: MaskError,
    },
}

enum Form {
    Npz,
    Safetensors,
}

fn form(path: &Path) -> Result<Form, MaskFileError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npz") => Ok(Form::Npz),
        Some("safetensors") => Ok(Form::Safetensors),
        _ => Err(MaskFileError::Extension { path: path.to_path_buf() }),
    }
}

/// Writes a mask, whole or not at all.
///
/// # Errors
/// If the name ends in neither `.npz` nor `.safetensors`, or the file cannot be written.
pub fn write(path: impl AsRef<Path>, mask: &Mask) -> Result<(), MaskFileError> {
    let path = path.as_ref();
    let entries = mask.to_bytes();
    let bytes = match form(path)? {
        Form::Npz => npz(mask, &entries),
        Form::Safetensors => safetensors(mask, &entries),
    };
    let bytes = bytes.map_err(|problem| MaskFileError::Encode { path: path.to_path_buf(), problem })?;
    write_file(path, &bytes).map_err(|source| MaskFileError::Write { path: path.to_path_buf(), source })
}

fn npz(mask: &Mask, entries: &[u8]) -> Result<Vec<u8>, String> {
    let array = ArrayView2::from_shape((mask.n_out(), mask.n_in()), entries).map_err(|error| error.to_string())?;
    let mut writer = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    writer.add_array(ARRAY, &array).map_err(|error| error.to_string())?;
    writer.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
}

fn safetensors(mask: &Mask, entries: &[u8]) -> Result<Vec<u8>, String> {
    let shape = vec![mask.n_out(), mask.n_in()];
    let view = TensorView::new(Dtype::U8, shape, entries).map_err(|error| error.to_string())?;
    safetensors::serialize([(ARRAY, view)], None).map_err(|error| error.to_string())
}

/// Reads a mask.
///
/// # Errors
/// If the name ends in neither `.npz` nor `.safetensors`, or the file holds no mask.
pub fn read(path: impl AsRef<Path>) -> Result<Mask, MaskFileError> {
    let path = path.as_ref();
    let array = match form(path)? {
        Form::Npz => from_npz(path),
        Form::Safetensors => from_safetensors(path),
    };
    let (shape, entries) = array.map_err(|problem| MaskFileError::Read { path: path.to_path_buf(), problem })?;
    Mask::from_bytes(shape[1], shape[0], &entries)
        .map_err(|source| MaskFileError::Mask { path: path.to_path_buf(), source })
}

type Entries = ([usize; 2], Vec<u8>);

fn from_npz(path: &Path) -> Result<Entries, String> {
    let array = Npz::open(path)?.array(ARRAY)?.ok_or_else(no_array)?;
    match array.elements {
        Elements::Bytes(entries) => Ok((two_axes(&array.shape)?, entries)),
        Elements::Floats(_) | Elements::Integers(_) => Err(format!("the array {ARRAY} is not of type u8 or bool")),
    }
}

fn from_safetensors(path: &Path) -> Result<Entries, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| format!("it is no safetensors file: {error}"))?;
    let tensor = tensors.tensor(ARRAY).map_err(|_| no_array())?;
    match tensor.dtype() {
        Dtype::U8 | Dtype::BOOL => Ok((two_axes(tensor.shape())?, tensor.data().to_vec())),
        other => Err(format!("the array {ARRAY} is of type {other:?}, not U8 or BOOL")),
    }
}

fn no_array() -> String {
    format!("it has no array called {ARRAY}")
}

fn two_axes(shape: &[usize]) -> Result<[usize; 2], String> {
    shape.try_into().map_err(|_| format!("the array {ARRAY} has the shape {shape:?}: (outputs, inputs) is expected"))
}
