//! PyTorch checkpoints: state dicts, whole modules, and checkpoints that have one of these under a key. Pickles are parsed,
//! never executed: nothing is imported, nothing called. A file that holds the result of a call to anything but PyTorch's and
//! NumPy's own is refused as well, as `torch.load` does with `weights_only`.

use std::path::Path;

use pytorch_reader::{DType, PickleValue, PytorchReader};

use super::{Format, Tensor, TensorError};

/// Keys under which training scripts put the state dict, beside epoch and optimizer.
const KEYS: [&str; 5] = ["model_state_dict", "state_dict", "model_state", "model", "net"];

/// What the objects in a checkpoint may be called.
const OBJECTS: [&str; 3] = ["torch.", "collections.", "numpy."];

/// An open checkpoint.
#[derive(Debug)]
pub(super) struct File {
    reader: PytorchReader,
}

impl File {
    /// Opens the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let mut reader = PytorchReader::new(path).map_err(|error| error.to_string())?;
        let objects = PytorchReader::read_pickle_data(path, None).map_err(|error| error.to_string())?;
        if let Some(name) = stranger(&objects) {
            return Err(format!(
                "it holds a {name}, which is no tensor: save model.state_dict() alone; nothing of it was executed"
            ));
        }
        let inner = KEYS.iter().find(|key| reader.keys().iter().any(|name| is_under(name, key)));
        if let Some(key) = inner {
            reader = PytorchReader::with_top_level_key(path, key).map_err(|error| error.to_string())?;
        }
        Ok(Self { reader })
    }
}

/// The first object that is neither data nor of PyTorch: what a pickle would have imported or called.
fn stranger(value: &PickleValue) -> Option<&str> {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            PickleValue::Unsupported(name) if !OBJECTS.iter().any(|known| name.starts_with(known)) => {
                return Some(name);
            }
            PickleValue::List(items) => left.extend(items),
            PickleValue::Dict(entries) => left.extend(entries.values()),
            _ => {}
        }
    }
    None
}

fn is_under(name: &str, key: &str) -> bool {
    name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a file begins like a checkpoint that is no zip archive: pickled, as PyTorch before 1.6 wrote them.
pub(super) fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 1..=5, b'}' | b']' | b'(' | b'c' | 0x8a | 0x95, ..])
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        self.reader.keys()
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, TensorError> {
        Ok(self.reader.get(name).map(|tensor| tensor.shape().to_vec()))
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, TensorError> {
        let Some(tensor) = self.reader.get(name) else { return Ok(None) };
        if tensor.byte_len() as u64 > limit {
            return Err(TensorError::TooLarge(limit));
        }
        let bytes = tensor.read().map_err(|error| TensorError::Damaged(error.to_string()))?;
        let values = match tensor.dtype() {
            DType::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_ne_bytes(*b)).collect(),
            DType::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_ne_bytes(*b) as f32).collect(),
            DType::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_ne_bytes(*b) as f32).collect(),
            DType::I32 => bytes.as_chunks().0.iter().map(|b| i32::from_ne_bytes(*b) as f32).collect(),
            DType::U8 | DType::Bool => bytes.iter().map(|b| f32::from(*b)).collect(),
            other => return Err(TensorError::Element(format!("{other:?}"))),
        };
        Ok(Some(Tensor { shape: tensor.shape().to_vec(), values }))
    }
}
