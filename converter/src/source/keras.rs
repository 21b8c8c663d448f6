//! Keras networks: the legacy format, one HDF5 file with a JSON description of the layers in an attribute (Keras 2, tf_keras,
//! Keras 3 with `.h5`).

mod config;
mod layer;

use memmap2::Mmap;
use serde_json::Value;

use super::hdf5::Hdf5;
use super::{Format, LayersError, Tensor, TensorError};
use crate::layers::{Graph, GraphError};

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
}

impl File {
    pub(super) fn open(map: Mmap) -> Result<Self, String> {
        let hdf5 = Hdf5::open(map)?;
        let whole = hdf5.paths().iter().any(|path| path.starts_with(WEIGHTS));
        Ok(Self { hdf5, prefix: if whole { WEIGHTS } else { "" } })
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

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, TensorError> {
        self.hdf5.shape(&self.path(name))
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, TensorError> {
        self.hdf5.tensor(&self.path(name), limit)
    }

    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        let Some(text) = self.hdf5.attribute(CONFIG) else { return Ok(None) };
        let description: Value = serde_json::from_str(&text)
            .map_err(|error| GraphError::Description(format!("the attribute {CONFIG} is no JSON: {error}")))?;
        let names = self.names();
        let find = |layer: &layer::Described<'_>, variable: layer::Variable| {
            let (folder, named) = (format!("{}/", layer.name), variable.name());
            let mut found = names.iter().filter(|name| {
                let file = name.strip_prefix(&folder).and_then(|rest| rest.rsplit('/').next());
                file.map(|file| file.split_once(':').map_or(file, |(stem, _)| stem)) == Some(named)
            });
            found.next().filter(|_| found.next().is_none()).cloned()
        };
        config::graph(&description, &mut layer::Reader { tensors: self, find: &find }).map(Some)
    }
}
