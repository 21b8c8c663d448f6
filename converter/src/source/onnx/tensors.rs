//! The tensors of an ONNX file: stored ones, dense or as coordinates, in the file or beside it, and constants in the graph.

use core::fmt;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::map::{self, Map};
use crate::onnx::{SparseTensorProto, TensorProto, element};
use crate::source::{Refusal, Tensor};

/// Where `data_location` says that values are in another file.
const EXTERNAL: i32 = 1;
/// Places of a sparse tensor that are laid out whatever its values; above, it has to have a value in a thousand.
const FREE_PLACES: usize = 1 << 22;
const SPARSEST: usize = 1000;

/// A tensor as the file has it.
pub(super) enum Stored {
    Dense(Box<TensorProto>),
    Sparse(Box<SparseTensorProto>),
}

/// All of them, by name.
pub(super) struct Tensors {
    stored: HashMap<String, Stored>,
    /// The folder of the file: values outside the file are beside it.
    folder: PathBuf,
    /// Files beside it that have been opened.
    maps: HashMap<String, Map>,
}

impl fmt::Debug for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stored.keys()).finish()
    }
}

fn damaged<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Damaged(reason.into()))
}

impl Tensors {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { stored: HashMap::new(), folder, maps: HashMap::new() }
    }

    /// Adds one; false where the name is taken.
    pub(super) fn add(&mut self, name: &str, tensor: Stored) -> bool {
        self.stored.insert(name.to_owned(), tensor).is_none()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.stored.keys()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.stored.contains_key(name)
    }

    pub(super) fn shape(&self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        let dims = match self.stored.get(name) {
            None => return Ok(None),
            Some(Stored::Dense(tensor)) => &tensor.dims,
            Some(Stored::Sparse(tensor)) => &tensor.dims,
        };
        shape(dims).map(Some)
    }

    /// Reads a tensor, unless it is larger than `limit` bytes.
    pub(super) fn read(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let (folder, maps) = (&self.folder, &mut self.maps);
        let read = match self.stored.get(name) {
            None => Ok(None),
            Some(Stored::Dense(tensor)) => dense(tensor, limit, folder, maps).map(Some),
            Some(Stored::Sparse(tensor)) => sparse(tensor, limit, folder, maps).map(Some),
        };
        maps.values().for_each(Map::release);
        read
    }
}

/// Lengths of axes, whose product is a number of this machine.
fn shape(dims: &[i64]) -> Result<Vec<usize>, Refusal> {
    let lengths: Option<Vec<usize>> = dims.iter().map(|length| usize::try_from(*length).ok()).collect();
    let fits = |lengths: &Vec<usize>| lengths.iter().try_fold(4usize, |all, length| all.checked_mul(*length)).is_some();
    match lengths.filter(fits) {
        Some(lengths) => Ok(lengths),
        None => damaged(format!("its shape {dims:?} is beyond this machine")),
    }
}

type Maps = HashMap<String, Map>;

fn dense(tensor: &TensorProto, limit: u64, folder: &Path, maps: &mut Maps) -> Result<Tensor, Refusal> {
    let shape = shape(&tensor.dims)?;
    let wanted: usize = shape.iter().product();
    if wanted as u64 * 4 > limit {
        return Err(Refusal::TooLarge(limit));
    }
    let values = if tensor.data_location == Some(EXTERNAL) {
        numbers(tensor.data_type, external(tensor, folder, maps)?)?
    } else if let Some(raw) = &tensor.raw_data {
        numbers(tensor.data_type, raw)?
    } else {
        typed(tensor)?
    };
    if values.len() != wanted {
        return damaged(format!("its shape {shape:?} needs {wanted} values, there are {}", values.len()));
    }
    Ok(Tensor { shape, values })
}

/// Little-endian numbers.
fn numbers(data_type: Option<i32>, bytes: &[u8]) -> Result<Vec<f32>, Refusal> {
    fn all<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Result<Vec<f32>, Refusal> {
        match bytes.as_chunks() {
            (chunks, []) => Ok(chunks.iter().map(|chunk| number(*chunk)).collect()),
            (_, rest) => damaged(format!("{} bytes are left over behind its last value", rest.len())),
        }
    }
    match data_type {
        Some(element::FLOAT) => all(bytes, f32::from_le_bytes),
        Some(element::DOUBLE) => all(bytes, |b| f64::from_le_bytes(b) as f32),
        Some(element::INT64) => all(bytes, |b| i64::from_le_bytes(b) as f32),
        Some(element::INT32) => all(bytes, |b| i32::from_le_bytes(b) as f32),
        Some(element::INT8) => all(bytes, |b| f32::from(i8::from_le_bytes(b))),
        Some(element::UINT8 | element::BOOL) => all(bytes, |b| f32::from(u8::from_le_bytes(b))),
        other => Err(unknown(other)),
    }
}

/// Values in the field of their type.
fn typed(tensor: &TensorProto) -> Result<Vec<f32>, Refusal> {
    let pieces = |pieces: &[bytes::Bytes]| {
        match pieces {
            // Writers make one of each tensor: it is not copied.
            [whole] => numbers(tensor.data_type, whole),
            pieces => {
                let pieces = pieces.iter().map(|piece| numbers(tensor.data_type, piece)).collect::<Result<Vec<_>, _>>();
                pieces.map(|pieces| pieces.concat())
            }
        }
    };
    match tensor.data_type {
        Some(element::FLOAT) => pieces(&tensor.float_data),
        Some(element::DOUBLE) => pieces(&tensor.double_data),
        Some(element::INT64) => Ok(tensor.int64_data.iter().map(|value| *value as f32).collect()),
        Some(element::INT32 | element::INT8 | element::UINT8 | element::BOOL) => {
            Ok(tensor.int32_data.iter().map(|value| *value as f32).collect())
        }
        other => Err(unknown(other)),
    }
}

fn unknown(data_type: Option<i32>) -> Refusal {
    Refusal::Element(element_name(i64::from(data_type.unwrap_or(0))))
}

/// What ONNX calls an element type, for messages.
pub(super) fn element_name(number: i64) -> String {
    const NAMES: [&str; 17] = [
        "undefined",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    let name = usize::try_from(number).ok().and_then(|at| NAMES.get(at));
    name.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

/// The bytes of a tensor that is in another file: one beside the model, never elsewhere.
fn external<'m>(tensor: &TensorProto, folder: &Path, maps: &'m mut Maps) -> Result<&'m [u8], Refusal> {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|entry| entry.key.as_deref() == Some(key));
        found.and_then(|entry| entry.value.as_deref())
    };
    let number = |key: &str| match entry(key).map(str::parse::<usize>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => damaged(format!("the {key} of its values is no number")),
    };
    let location = entry("location").unwrap_or_default();
    let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
    if !maps.contains_key(location) {
        let map = open_beside(folder, location).map_err(Refusal::Damaged)?;
        maps.insert(location.to_owned(), map);
    }
    let bytes = maps.get(location).map(Map::as_ref).unwrap_or_default();
    let end = length.map_or(Some(bytes.len()), |length| offset.checked_add(length));
    match end.and_then(|end| bytes.get(offset..end)) {
        Some(bytes) => Ok(bytes),
        None => damaged(format!("its values reach past the end of {location}, which has {} bytes", bytes.len())),
    }
}

fn open_beside(folder: &Path, location: &str) -> Result<Map, String> {
    let plain = |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let refused = || format!("its values are said to be in {location:?}, which is not in the folder of the model");
    if location.is_empty() || location.contains('\\') || !plain(Path::new(location)) {
        return Err(refused());
    }
    let said = |error: std::io::Error| format!("its values are in {location}: {error}");
    let path = folder.join(location).canonicalize().map_err(said)?;
    // A symbolic link may lead elsewhere.
    if !path.starts_with(folder.canonicalize().map_err(said)?) {
        return Err(refused());
    }
    map::map(&path).map_err(said)
}

/// A tensor laid out from coordinates: one number for each value, counted in row-major order, or one for each axis.
fn sparse(tensor: &SparseTensorProto, limit: u64, folder: &Path, maps: &mut Maps) -> Result<Tensor, Refusal> {
    let shape = shape(&tensor.dims)?;
    let places: usize = shape.iter().product();
    if places as u64 * 4 > limit {
        return Err(Refusal::TooLarge(limit));
    }
    let (Some(values), Some(indices)) = (&tensor.values, &tensor.indices) else {
        return damaged("it is sparse and has no values or no indices");
    };
    let values = dense(values, limit, folder, maps)?.values;
    if places > FREE_PLACES.max(values.len().saturating_mul(SPARSEST)) {
        return Err(Refusal::Unsupported(format!(
            "it claims {places} places for {} values, more than {SPARSEST} for each: store it dense",
            values.len()
        )));
    }
    let axes = match &indices.dims[..] {
        [_] => 1,
        [_, axes] if usize::try_from(*axes) == Ok(shape.len()) => shape.len(),
        other => return damaged(format!("its indices have shape {other:?}")),
    };
    let indices = integers(indices, folder, maps)?;
    if indices.len() != values.len() * axes {
        return damaged(format!("it has {} values and {} indices", values.len(), indices.len()));
    }
    let mut all = vec![0.0; places];
    let mut before = None;
    for (index, value) in indices.chunks_exact(axes).zip(values) {
        let place = match index {
            [linear] if axes == 1 => usize::try_from(*linear).ok(),
            index => index.iter().zip(&shape).try_fold(0usize, |place, (at, length)| {
                let at = usize::try_from(*at).ok().filter(|at| at < length)?;
                Some(place * length + at)
            }),
        };
        match place.and_then(|place| all.get_mut(place)) {
            Some(slot) if before < place => *slot = value,
            Some(_) => return damaged(format!("its indices do not ascend at {index:?}")),
            None => return damaged(format!("its index {index:?} is outside its shape {shape:?}")),
        }
        before = place;
    }
    Ok(Tensor { shape, values: all })
}

/// Whole numbers, as shapes and indices are.
fn integers(tensor: &TensorProto, folder: &Path, maps: &mut Maps) -> Result<Vec<i64>, Refusal> {
    if tensor.data_type != Some(element::INT64) {
        return Err(unknown(tensor.data_type));
    }
    let raw = if tensor.data_location == Some(EXTERNAL) {
        external(tensor, folder, maps)?
    } else if let Some(raw) = &tensor.raw_data {
        raw
    } else {
        return Ok(tensor.int64_data.clone());
    };
    match raw.as_chunks() {
        (chunks, []) => Ok(chunks.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect()),
        _ => damaged("its indices are cut off"),
    }
}
