//! Files that hold trained networks: tensors by name. Which kind a file is, its content says, not its name.

mod archive;
mod hdf5;
mod keras;
mod npy;
mod npz;
mod onnx;
mod pytorch;
mod safetensors;
mod tflite;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;

use crate::layers::{Graph, GraphError};
use crate::map::{self, Map};
use archive::Contents;

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
    format: Box<dyn Format>,
    /// The file, where it is mapped.
    map: Option<Map>,
}

/// What a kind of file can be asked.
trait Format: core::fmt::Debug {
    /// The tensors' names, in any order.
    fn names(&self) -> Vec<String>;

    /// A metadata entry.
    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    /// The shape of a tensor, without reading it; `None` where there is none of that name.
    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, TensorError>;

    /// Reads a tensor, unless it is larger than `limit` bytes.
    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, TensorError>;

    /// The layers, where this kind of file describes them.
    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        Ok(None)
    }
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
        #[source]
        error: io::Error,
    },
    /// A file of no kind that is known.
    #[error("{0}: not a file of a trained network; known are {KINDS}")]
    UnknownKind(PathBuf),
    /// The file's layers cannot be converted.
    #[error("{path}: {error}")]
    Layers {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: GraphError,
    },
    /// The file's own structure is broken.
    #[error("{path}: damaged: {reason}; save or copy it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A pickle that imports what tensors are not made of. Nothing of it was executed.
    #[error(
        "{path}: it imports {name}, which no tensor needs: it was not read, and nothing of it was executed; save the tensors alone, \
         with torch.save(model.state_dict(), FILE)"
    )]
    Imports {
        /// The file.
        path: PathBuf,
        /// Module and name.
        name: String,
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

/// The kinds of files, for messages.
const KINDS: &str = "Keras (.h5, .keras), PyTorch (.pt), ONNX, TensorFlow Lite, safetensors and NumPy (.npz, .npy)";

/// Values of a tensor behind which the file's pages are let go.
const LARGE: usize = 1 << 18;

/// Why one tensor could not be read; [`Source`] adds the file and the name.
enum TensorError {
    Damaged(String),
    Element(String),
    TooLarge(u64),
}

/// Why layers could not be told; [`Source`] adds the file.
enum LayersError {
    Tensor(String, TensorError),
    Graph(GraphError),
}

impl From<GraphError> for LayersError {
    fn from(error: GraphError) -> Self {
        Self::Graph(error)
    }
}

impl Source {
    /// Opens a file, or a folder of .npy files; tensors are read when asked for.
    ///
    /// # Errors
    /// The file cannot be read, is of no known kind, or its list of tensors is broken.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let failed = |error| SourceError::Io { path: path.into(), error };
        if path.is_dir() {
            let files = npy::Files::in_folder(path).map_err(failed)?;
            return match files.is_empty() {
                true => Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "a directory without .npy files"))),
                false => Ok(Self { path: path.into(), format: Box::new(files), map: None }),
            };
        }
        let map = map::map(path).map_err(failed)?;
        let source = Self::from_bytes(Bytes::from_owner(map.clone()), path)?;
        Ok(Self { map: Some(map), ..source })
    }

    /// Opens a file whose bytes are in memory. `path` is for messages, for what ONNX files have beside them, and for PyTorch
    /// checkpoints and .npy files, which are read there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(map: Bytes, path: &Path) -> Result<Self, SourceError> {
        let damaged = |reason| SourceError::Damaged { path: path.into(), reason };
        let refused = |refusal| match refusal {
            pytorch::Refusal::Damaged(reason) => damaged(reason),
            pytorch::Refusal::Imports(name) => SourceError::Imports { path: path.into(), name },
        };
        let format: Box<dyn Format> = match &map[..] {
            [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => {
                Box::new(keras::File::open(map).map_err(damaged)?)
            }
            [b'P', b'K', 3 | 5, 4 | 6, ..] => {
                let mut archive = archive::open(map.clone()).map_err(damaged)?;
                match archive::contents(&archive) {
                    Contents::PyTorch => Box::new(pytorch::File::open_archive(&mut archive, path).map_err(refused)?),
                    Contents::Keras => Box::new(keras::File::open_archive(&mut archive, &map).map_err(damaged)?),
                    Contents::Numpy => Box::new(npz::File::new(archive)),
                }
            }
            bytes if bytes.starts_with(npy::MAGIC) => Box::new(npy::Files::one(path)),
            bytes if pytorch::is_pickle(bytes) => Box::new(pytorch::File::open_pickles(bytes, path).map_err(refused)?),
            // Eight bytes of header length, then JSON; ONNX, which has no magic number, may have a brace there, but not the zeros.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Box::new(safetensors::File::open(map).map_err(damaged)?),
            bytes if tflite::is_tflite(bytes) => Box::new(tflite::File::open(map).map_err(damaged)?),
            bytes if onnx::is_onnx(bytes) => Box::new(onnx::File::open(map, path).map_err(damaged)?),
            [_, _, _, _, _, _, _, _, b'{', ..] => Box::new(safetensors::File::open(map).map_err(damaged)?),
            _ => return Err(SourceError::UnknownKind(path.into())),
        };
        Ok(Self { path: path.into(), format, map: None })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.format.names();
        names.sort_unstable();
        names
    }

    /// A metadata entry: only safetensors files have them.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.format.metadata(key)
    }

    /// The shape of a tensor; `None` where there is none of that name.
    ///
    /// # Errors
    /// The tensor is broken.
    pub fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, SourceError> {
        self.format.shape(name).map_err(|error| self.error(name, error))
    }

    /// Reads a tensor of which `wanted` values are expected; `None` where there is none of that name. A tensor of another
    /// length is read too, so that its shape can be told, unless it is far larger.
    ///
    /// # Errors
    /// The tensor is broken, far too large or of an element type that is not read.
    pub fn tensor(&mut self, name: &str, wanted: usize) -> Result<Option<Tensor>, SourceError> {
        let limit = (wanted as u64).saturating_mul(8 * 16).saturating_add(1 << 20);
        let tensor = self.format.tensor(name, limit).map_err(|error| self.error(name, error))?;
        // What was read is not looked at again: its pages need not stay beside the values.
        let is_large = |tensor: &Tensor| tensor.values.len() >= LARGE;
        self.map.iter().filter(|_| tensor.as_ref().is_some_and(is_large)).for_each(Map::release);
        Ok(tensor)
    }

    /// The layers, where the file describes them; files that only name tensors do not.
    ///
    /// # Errors
    /// The description is broken, or has layers that are not supported.
    pub fn graph(&mut self) -> Result<Option<Graph>, SourceError> {
        self.format.graph().map_err(|error| match error {
            LayersError::Tensor(name, error) => self.error(&name, error),
            LayersError::Graph(error) => SourceError::Layers { path: self.path.clone(), error },
        })
    }

    fn error(&self, name: &str, error: TensorError) -> SourceError {
        let (path, name) = (self.path.clone(), name.to_owned());
        match error {
            TensorError::Damaged(reason) => SourceError::Damaged { path, reason: format!("tensor {name}: {reason}") },
            TensorError::Element(element) => SourceError::Element { path, name, element },
            TensorError::TooLarge(limit) => SourceError::TooLarge { path, name, limit },
        }
    }
}
