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
use crate::settled::SettleError;
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

/// What a file without a description of its layers tells of its batch normalisations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Norms {
    /// It says ε of each, and it is PyTorch's default.
    pub(crate) says_epsilon: bool,
    /// How many stand behind a ReLU, where it says the order of its layers.
    pub(crate) behind_activation: Option<usize>,
}

/// What a kind of file can be asked.
trait Format: core::fmt::Debug {
    /// The tensors' names, in any order.
    fn names(&self) -> Vec<String>;

    /// The tensors' names in the order in which they were written, where this kind of file keeps it.
    fn stored(&self) -> Option<Vec<String>> {
        None
    }

    /// A metadata entry.
    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    /// The shape of a tensor, without reading it; `None` where there is none of that name.
    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal>;

    /// Reads a tensor, unless it is larger than `limit` bytes.
    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal>;

    /// What is told of batch normalisations, beside their tensors.
    fn norms(&self) -> Norms {
        Norms::default()
    }

    /// Lets go of memory behind what was put aside beside the file.
    fn release(&self) {}

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
    /// Sound as it may be, the file is beyond a limit, or made in a way that is not read.
    #[error("{path}: {reason}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is in it, and how it can be read.
        reason: String,
    },
    /// What was unpacked cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
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

/// Why a file, or one tensor of it, was not read; [`Source`] adds the path and the tensor's name.
enum Refusal {
    /// Its structure is broken.
    Damaged(String),
    /// It may be sound: what is not read, and what to do.
    Unsupported(String),
    /// A pickle would import this.
    Imports(String),
    /// Its elements are of this type.
    Element(String),
    /// It has more bytes than this.
    TooLarge(u64),
    Settle(SettleError),
}

impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self::Damaged(reason)
    }
}

impl From<&str> for Refusal {
    fn from(reason: &str) -> Self {
        Self::Damaged(reason.to_owned())
    }
}

impl Refusal {
    /// Says of which part of the file it is.
    fn of(self, part: &str) -> Self {
        match self {
            Self::Damaged(reason) => Self::Damaged(format!("{part}: {reason}")),
            Self::Unsupported(reason) => Self::Unsupported(format!("{part}: {reason}")),
            other => other,
        }
    }

    /// Of the file at `path`, or of the tensor of that name in it.
    fn at(self, path: &Path, tensor: Option<&str>) -> SourceError {
        let (path, name) = (path.to_owned(), tensor.unwrap_or_default().to_owned());
        let refusal = if tensor.is_some() { self.of(&format!("tensor {name}")) } else { self };
        match refusal {
            Self::Damaged(reason) => SourceError::Damaged { path, reason },
            Self::Unsupported(reason) => SourceError::Unsupported { path, reason },
            Self::Imports(name) => SourceError::Imports { path, name },
            Self::Element(element) => SourceError::Element { path, name, element },
            Self::TooLarge(limit) => SourceError::TooLarge { path, name, limit },
            Self::Settle(error) => error.into(),
        }
    }
}

/// Why layers could not be told; [`Source`] adds the file.
enum LayersError {
    Tensor(String, Refusal),
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
        let format = format(map, path).map_err(|refusal| refusal.at(path, None))?;
        let format = format.ok_or_else(|| SourceError::UnknownKind(path.into()))?;
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

    /// The tensors' names in the order in which the network's author put them, where the file keeps it: .npz archives and
    /// PyTorch's state dicts do; safetensors files are sorted by their writers.
    #[must_use]
    pub(crate) fn stored(&self) -> Option<Vec<String>> {
        self.format.stored()
    }

    /// What the file tells of its batch normalisations: PyTorch's whole modules do.
    #[must_use]
    pub(crate) fn norms(&self) -> Norms {
        self.format.norms()
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
        self.format.shape(name).map_err(|refusal| refusal.at(&self.path, Some(name)))
    }

    /// Reads a tensor of which `wanted` values are expected; `None` where there is none of that name. A tensor of another
    /// length is read too, so that its shape can be told, unless it is far larger.
    ///
    /// # Errors
    /// The tensor is broken, far too large or of an element type that is not read.
    pub fn tensor(&mut self, name: &str, wanted: usize) -> Result<Option<Tensor>, SourceError> {
        let limit = (wanted as u64).saturating_mul(8 * 16).saturating_add(1 << 20);
        let tensor = self.format.tensor(name, limit).map_err(|refusal| refusal.at(&self.path, Some(name)))?;
        // What was read is not looked at again: its pages need not stay beside the values.
        if tensor.as_ref().is_some_and(|tensor| tensor.values.len() >= LARGE) {
            self.map.iter().for_each(Map::release);
            self.format.release();
        }
        Ok(tensor)
    }

    /// The layers, where the file describes them; files that only name tensors do not.
    ///
    /// # Errors
    /// The description is broken, or has layers that are not supported.
    pub fn graph(&mut self) -> Result<Option<Graph>, SourceError> {
        self.format.graph().map_err(|error| match error {
            LayersError::Tensor(name, refusal) => refusal.at(&self.path, Some(&name)),
            LayersError::Graph(error) => SourceError::Layers { path: self.path.clone(), error },
        })
    }
}

/// What the bytes are, told from how they begin; `None` where they are of no known kind.
fn format(map: Bytes, path: &Path) -> Result<Option<Box<dyn Format>>, Refusal> {
    let format: Box<dyn Format> = match &map[..] {
        [0x89, b'H', b'D', b'F', b'\r', b'\n', 0x1a, b'\n', ..] => Box::new(keras::File::open(map)?),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => {
            let mut archive = archive::open(map.clone())?;
            match archive::contents(&archive) {
                Contents::PyTorch => Box::new(pytorch::File::open_archive(&mut archive, path)?),
                Contents::Keras => Box::new(keras::File::open_archive(&mut archive, &map)?),
                Contents::Numpy => Box::new(npz::File::new(archive)),
            }
        }
        bytes if bytes.starts_with(npy::MAGIC) => Box::new(npy::Files::one(path)),
        bytes if pytorch::is_pickle(bytes) => Box::new(pytorch::File::open_pickles(bytes, path)?),
        // Eight bytes of header length, then JSON; ONNX, which has no magic number, may have a brace there, but not the zeros.
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Box::new(safetensors::File::open(map)?),
        bytes if tflite::is_tflite(bytes) => Box::new(tflite::File::open(map)?),
        bytes if onnx::is_onnx(bytes) => Box::new(onnx::File::open(map, path)?),
        [_, _, _, _, _, _, _, _, b'{', ..] => Box::new(safetensors::File::open(map)?),
        _ => return Ok(None),
    };
    Ok(Some(format))
}
