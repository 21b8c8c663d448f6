//! PyTorch checkpoints: state dicts, whole modules, and checkpoints that have one of these under a key. Pickles are parsed,
//! never executed: nothing is imported, nothing called. A file that would import anything but what tensors are made with is
//! refused as well, by a list of names as `torch.load` has it with `weights_only`; classes of PyTorch's own layers are let in
//! besides, since of them only the attributes are read.

mod imports;
mod keys;
mod modules;
mod names;

use std::collections::HashSet;
use std::path::Path;

use pytorch_reader::{DType, PytorchReader};

use super::archive::{self, Archive};
use super::{Format, LayersError, Norms, Refusal, Tensor};
use crate::convention::EPSILON;
use crate::layers::{Graph, GraphError};
use imports::Imports;

/// Bytes of a pickle.
const MAX_PICKLE: u64 = 64 << 20;

/// Bytes of a pickle in which the order of the tensors' names is looked for; a network of 16 junctions needs a few thousand.
const MAX_NAMES: usize = 1 << 20;

/// Bytes of a name that is looked for.
const MAX_NAME: usize = 1024;

/// An open checkpoint.
#[derive(Debug)]
pub(super) struct File {
    reader: PytorchReader,
    /// Bytes of the file.
    length: u64,
    /// Why a whole module is not what its names and shapes say, or which tensors are the network's is not told.
    unlike: Option<String>,
    /// The tensors' names as they stand in the pickle; empty where they are put together of several.
    stored: Vec<String>,
    norms: Norms,
}

impl File {
    /// Opens the archive at `path`, which is known to have a pickle.
    pub(super) fn open_archive(archive: &mut Archive, path: &Path) -> Result<Self, Refusal> {
        let is_pickle = |name: &&str| archive::is_pickle(name);
        let names: Vec<String> = archive.file_names().filter(is_pickle).map(str::to_owned).collect();
        let (mut found, mut texts) = (Imports::default(), Vec::new());
        for name in names {
            let pickle = archive::read(archive, &name, MAX_PICKLE + 1).map_err(|refusal| refusal.of(&name))?;
            let Some(pickle) = pickle else { continue };
            if pickle.bytes().len() as u64 > MAX_PICKLE {
                return Err(Refusal::Unsupported(format!(
                    "{name} has more than {MAX_PICKLE} bytes, which names and shapes do not need: save the tensors alone, with \
                     torch.save(model.state_dict(), FILE)"
                )));
            }
            found = found.and(check(pickle.bytes())?);
            texts = start(pickle.bytes()).to_vec();
        }
        Self::open(path, &found, &texts)
    }

    /// Opens the file at `path`, which has these bytes and is no archive.
    pub(super) fn open_pickles(bytes: &[u8], path: &Path) -> Result<Self, Refusal> {
        let found = check(bytes)?;
        Self::open(path, &found, start(bytes))
    }

    /// Opens the file at `path`, of whose pickles this is `found`; `pickle` is the one with the tensors' names.
    fn open(path: &Path, found: &Imports, pickle: &[u8]) -> Result<Self, Refusal> {
        let (reader, unclear) = keys::reader(path, found.is_module)?;
        let stored = in_order(pickle, reader.keys());
        let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        let norms = Norms {
            says_epsilon: found.norms > 0 && found.norms == found.epsilons.len(),
            behind_activation: modules::behind_activation(&found.modules),
        };
        Ok(Self { reader, length, unlike: unlike(found).or(unclear), stored, norms })
    }
}

/// Where the tensors' names are looked for.
fn start(pickle: &[u8]) -> &[u8] {
    pickle.get(..MAX_NAMES).unwrap_or(pickle)
}

/// Refuses what would import anything strange.
fn check(pickle: &[u8]) -> Result<Imports, Refusal> {
    let mut found = imports::imports(pickle)?;
    found.stranger.take().map_or(Ok(found), |name| Err(Refusal::Imports(name)))
}

/// Why these modules are not what their names and shapes say, with what to do.
fn unlike(found: &Imports) -> Option<String> {
    const HELP: &str = "save the tensors alone, with torch.save(model.state_dict(), FILE), and say the layers in a recipe \
                        (--recipe), or export ONNX";
    // What helps with other layers does not here: neither a state dict nor a recipe says ε.
    if let Some(epsilon) = found.epsilons.iter().find(|epsilon| **epsilon != EPSILON) {
        return Some(format!(
            "the whole module that it holds has a BatchNorm1d with an ε of {epsilon:e}; supported is {EPSILON:e}, PyTorch's default: \
             export the network as ONNX, which says it"
        ));
    }
    let what = match &found.unsupported {
        Some(class) => format!("has a {class}, which is not supported"),
        None => modules::unlike(&found.modules)?.to_owned(),
    };
    Some(format!(
        "the whole module that it holds {what}; of whole modules, supported are {}: {HELP}",
        modules::SUPPORTED
    ))
}

/// The names in the order in which a pickle has them as texts; empty where one is not there as a whole.
fn in_order(pickle: &[u8], names: Vec<String>) -> Vec<String> {
    let mut left: HashSet<String> = names.into_iter().collect();
    let mut ordered = Vec::new();
    for at in 0..pickle.len() {
        let text = match pickle.get(at..).unwrap_or_default() {
            [b'X', a, b, c, d, rest @ ..] => rest.get(..u32::from_le_bytes([*a, *b, *c, *d]) as usize),
            [0x8c, len, rest @ ..] => rest.get(..usize::from(*len)),
            _ => None,
        };
        let text = text.filter(|text| text.len() <= MAX_NAME).and_then(|text| core::str::from_utf8(text).ok());
        ordered.extend(text.and_then(|text| left.take(text)));
    }
    if left.is_empty() { ordered } else { Vec::new() }
}

/// Whether a file begins like a checkpoint that is no zip archive: pickled, as PyTorch before 1.6 wrote them.
pub(super) fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 1..=5, b'}' | b']' | b'(' | b'c' | 0x8a | 0x95, ..])
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        self.reader.keys()
    }

    fn stored(&self) -> Option<Vec<String>> {
        (!self.stored.is_empty()).then(|| self.stored.clone())
    }

    fn norms(&self) -> Norms {
        self.norms
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        Ok(self.reader.get(name).map(|tensor| tensor.shape().to_vec()))
    }

    /// Names and shapes tell the layers, with ReLU between them, unless the file has a whole module that is otherwise.
    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        match &self.unlike {
            Some(reason) => Err(GraphError::Description(reason.clone()).into()),
            None => Ok(None),
        }
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some(tensor) = self.reader.get(name) else { return Ok(None) };
        if tensor.byte_len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        archive::can_need(tensor.byte_len() as u64, self.length)?;
        let bytes = tensor.read().map_err(|error| Refusal::Damaged(error.to_string()))?;
        let values = match tensor.dtype() {
            DType::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect(),
            DType::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_ne_bytes(*b) as f32).collect(),
            DType::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_ne_bytes(*b) as f32).collect(),
            DType::I32 => bytes.as_chunks().0.iter().map(|b| i32::from_ne_bytes(*b) as f32).collect(),
            DType::U8 | DType::Bool => bytes.iter().map(|b| f32::from(*b)).collect(),
            other => return Err(Refusal::Element(format!("{other:?}"))),
        };
        Ok(Some(Tensor { shape: tensor.shape().to_vec(), values }))
    }
}
