//! Keras networks. The legacy format (Keras 2, tf_keras, Keras 3 with `.h5`) is one HDF5 file with a JSON description of the
//! layers in an attribute; that of Keras 3 (`.keras`) is a zip archive of a JSON file and an HDF5 file.

mod config;
mod layer;

use bytes::Bytes;
use serde_json::Value;

use super::archive::{self, Aligned, Archive};
use super::hdf5::Hdf5;
use super::{Format, LayersError, Refusal, Tensor};
use crate::layers::{Graph, GraphError};
use crate::map::Map;

/// The group of the weights in a file that has the optimizer's state as well.
const WEIGHTS: &str = "model_weights/";
const OPTIMIZER: &str = "optimizer_weights/";
/// The attribute with the description of the layers.
const CONFIG: &str = "model_config";

/// An open Keras file.
#[derive(Debug)]
pub(super) struct File {
    hdf5: Hdf5,
    /// In front of every name.
    prefix: &'static str,
    /// The description of the layers, where it is not an attribute.
    config: Option<String>,
    /// Weights that were compressed in an archive, put aside.
    unpacked: Option<Map>,
}

/// Bytes of a description.
const MAX_CONFIG: u64 = 16 << 20;

impl File {
    pub(super) fn open(bytes: Bytes) -> Result<Self, Refusal> {
        let hdf5 = Hdf5::open(bytes)?;
        let whole = hdf5.paths().iter().any(|path| path.starts_with(WEIGHTS));
        Ok(Self { hdf5, prefix: if whole { WEIGHTS } else { "" }, config: None, unpacked: None })
    }

    /// The archive in `bytes` is known to have both members. Keras stores the weights uncompressed, to be read where they are;
    /// where they were compressed, they are put aside, not held.
    pub(super) fn open_archive(archive: &mut Archive, bytes: &Bytes) -> Result<Self, Refusal> {
        const WEIGHTS: &str = "model.weights.h5";
        let config = archive::read(archive, "config.json", MAX_CONFIG).map_err(|refusal| refusal.of("config.json"))?;
        let config = config.as_ref().map(Aligned::bytes).unwrap_or_default();
        let config = core::str::from_utf8(config).map_err(|_| "config.json is not UTF-8")?.to_owned();
        let (hdf5, unpacked) = match archive::stored(archive, WEIGHTS) {
            Some(range) if range.end <= bytes.len() => (Hdf5::open(bytes.slice(range))?, None),
            _ => {
                let weights = archive::unpack(archive, WEIGHTS).map_err(|refusal| refusal.of(WEIGHTS))?;
                let weights = weights.unwrap_or_default();
                let map = weights.map().cloned();
                (Hdf5::open(weights).map_err(|refusal| refusal.of(WEIGHTS))?, map)
            }
        };
        Ok(Self { hdf5, prefix: "", config: Some(config), unpacked })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        let names = self.hdf5.paths().iter().filter(|path| !path.starts_with(OPTIMIZER));
        names.filter_map(|path| path.strip_prefix(self.prefix)).map(str::to_owned).collect()
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        self.hdf5.shape(&self.path(name))
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        self.hdf5.tensor(&self.path(name), limit)
    }

    fn release(&self) {
        self.unpacked.iter().for_each(Map::release);
    }

    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        let is_archive = self.config.is_some();
        let Some(text) = self.config.clone().or_else(|| self.hdf5.attribute(CONFIG)) else { return Ok(None) };
        let description: Value = serde_json::from_str(&text)
            .map_err(|error| GraphError::Description(format!("the description of the model is no JSON: {error}")))?;
        let names = self.names();
        let by_place = |layer: &layer::Described<'_>, variable: layer::Variable| {
            let name = format!("layers/{}/vars/{}", layer.folder(), layer.place_of(variable));
            names.contains(&name).then_some(name)
        };
        let by_name = |layer: &layer::Described<'_>, variable: layer::Variable| {
            let (folder, named) = (format!("{}/", layer.name), variable.name());
            let mut found = names.iter().filter(|name| {
                let file = name.strip_prefix(&folder).and_then(|rest| rest.rsplit('/').next());
                file.map(|file| file.split_once(':').map_or(file, |(stem, _)| stem)) == Some(named)
            });
            found.next().filter(|_| found.next().is_none()).cloned()
        };
        let find: &layer::Find<'_> = if is_archive { &by_place } else { &by_name };
        config::graph(&description, &mut layer::Reader { tensors: self, find }).map(Some)
    }
}
