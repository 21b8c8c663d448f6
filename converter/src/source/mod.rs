//! Files that hold trained networks: tensors by name. Which kind a file is, its content says, not its name.

mod npz;
mod safetensors;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::map;

/// A tensor, whatever its stored element type, as f32 in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Lengths of the axes, outermost first.
    pub shape: Vec<usize>,
    /// As many values as the shape says.
    pub values: Vec<f32>,
}

/// An open file of tensors.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Safetensors(safetensors::File),
    Npz(npz::File),
}

/// A file of tensors could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Neither a safetensors file nor an .npz archive.
    #[error("{0}: neither a safetensors file nor an .npz archive; save the network as one of the two")]
    UnknownKind(PathBuf),
    /// The file's own structure is broken.
    #[error("{path}: damaged: {reason}; save or copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor's elements are of a type that is not read.
    #[error("{path}: tensor {name} has elements of type {element}; save it as float32 (masks as uint8 or bool)")]
    Element {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The element type as the file names it.
        element: String,
    },
    /// A tensor that is far larger than the recipe lets it be; it was not read.
    #[error("{path}: tensor {name} is larger than {limit} bytes, far more than the recipe's shape needs")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where reading stopped.
        limit: u64,
    },
}

/// Why one tensor could not be read; [`Source`] adds the file and the name.
enum TensorError {
    Io(io::Error),
    Damaged(String),
    Element(String),
    TooLarge(u64),
}

impl Source {
    /// Opens a file; its tensors are read when asked for.
    ///
    /// # Errors
    /// The file cannot be read, is of no known kind, or its list of tensors is broken.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let map = map::map(path).map_err(|error| SourceError::Io { path: path.into(), error })?;
        let damaged = |reason| SourceError::Damaged { path: path.into(), reason };
        let kind = match &map[..] {
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Kind::Npz(npz::File::open(map).map_err(damaged)?),
            // Eight bytes of header length, then JSON.
            [_, _, _, _, _, _, _, _, b'{', ..] => Kind::Safetensors(safetensors::File::open(map).map_err(damaged)?),
            _ => return Err(SourceError::UnknownKind(path.into())),
        };
        Ok(Self { path: path.into(), kind })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = match &self.kind {
            Kind::Safetensors(file) => file.names(),
            Kind::Npz(file) => file.names(),
        };
        names.sort_unstable();
        names
    }

    /// A metadata entry: safetensors files have them, .npz archives have none.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        match &self.kind {
            Kind::Safetensors(file) => file.metadata(key),
            Kind::Npz(_) => None,
        }
    }

    /// Reads a tensor of which `wanted` values are expected; `None` where there is none of that name. A tensor of another
    /// length is read too, so that its shape can be told, unless it is far larger.
    ///
    /// # Errors
    /// The tensor is broken, far too large or of an element type that is not read.
    pub fn tensor(&mut self, name: &str, wanted: usize) -> Result<Option<Tensor>, SourceError> {
        let limit = (wanted as u64).saturating_mul(8 * 16).saturating_add(1 << 20);
        let found = match &mut self.kind {
            Kind::Safetensors(file) => file.tensor(name, limit),
            Kind::Npz(file) => file.tensor(name, limit),
        };
        let (path, name) = (self.path.clone(), name.to_owned());
        found.map_err(|error| match error {
            TensorError::Io(error) => SourceError::Io { path, error },
            TensorError::Damaged(reason) => SourceError::Damaged { path, reason: format!("tensor {name}: {reason}") },
            TensorError::Element(element) => SourceError::Element { path, name, element },
            TensorError::TooLarge(limit) => SourceError::TooLarge { path, name, limit },
        })
    }
}
