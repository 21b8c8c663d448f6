//! Safetensors files, mapped: a tensor's bytes are looked at when it is asked for.

use ::safetensors::{Dtype, SafeTensors, tensor::Metadata};
use bytes::Bytes;

use super::{Format, Refusal, Tensor};

/// An open safetensors file.
#[derive(Debug)]
pub(super) struct File {
    map: Bytes,
    /// Where the tensors' bytes begin.
    data: usize,
    metadata: Metadata,
}

/// Bytes of the header's length in front of the header.
const LENGTH_BYTES: usize = 8;

impl File {
    pub(super) fn open(map: Bytes) -> Result<Self, Refusal> {
        let (header, metadata) = SafeTensors::read_metadata(&map).map_err(|error| error.to_string())?;
        Ok(Self { map, data: LENGTH_BYTES + header, metadata })
    }
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        self.metadata.tensors().into_keys().collect()
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        Ok(self.metadata.info(name).map(|info| info.shape.clone()))
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some(info) = self.metadata.info(name) else { return Ok(None) };
        let (start, end) = info.data_offsets;
        let range = self.data.saturating_add(start)..self.data.saturating_add(end);
        let bytes = self.map.get(range).ok_or_else(|| Refusal::Damaged("it reaches past the end".into()))?;
        if bytes.len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        let values = match info.dtype {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
            Dtype::I64 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32).collect(),
            Dtype::I32 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
            Dtype::U8 | Dtype::BOOL => bytes.iter().map(|b| f32::from(*b)).collect(),
            other => return Err(Refusal::Element(other.to_string())),
        };
        Ok(Some(Tensor { shape: info.shape.clone(), values }))
    }
}
