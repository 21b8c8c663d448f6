//! Checkpoints: what a training is after an epoch, so that it can go on from there and reach the same weights bit for bit.
//!
//! A safetensors file; parameters and moments as the nonzeros, in the trainer's own order. The order of the samples is not
//! in it: it follows from the seed and the number of epochs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use lacewing_kernels::Quantisation;
use lacewing_models::{Dataset, Recipe, write_file};
use safetensors::{Dtype, SafeTensors, View};

use crate::error::CheckpointError;
use crate::int8::{Range, Ranges};
use crate::optimiser::Optimiser;
use crate::parameters::Parameters;

const VERSION: &str = "1";
/// Metadata entry: epochs before those for int8.
const INT8_AFTER: &str = "int8-after";
/// Tensor: scale and zero point of the input, then least and greatest output of every node.
const RANGES: &str = "int8.ranges";

/// Where a training stands at the end of an epoch.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Epochs done.
    pub(crate) epoch: usize,
    pub(crate) parameters: Vec<Parameters>,
    pub(crate) optimiser: Optimiser,
    pub(crate) best: Option<Best>,
    /// Where it trains for int8.
    pub(crate) int8: Option<Int8State>,
}

/// What training for int8 adds.
#[derive(Clone, Debug)]
pub(crate) struct Int8State {
    /// Epochs done before it.
    pub(crate) after: usize,
    pub(crate) ranges: Ranges,
}

/// The epoch with the best validation accuracy so far.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    pub(crate) epoch: usize,
    pub(crate) accuracy: f64,
    pub(crate) parameters: Vec<Parameters>,
}

struct Floats<'a>(&'a [f32], [usize; 1]);

impl View for Floats<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        4 * self.0.len()
    }
}

impl State {
    fn sets(&self) -> [(&'static str, &[Parameters]); 4] {
        let best = self.best.as_ref().map_or(&[][..], |best| &best.parameters);
        let Optimiser { first, second, .. } = &self.optimiser;
        [("parameters", &self.parameters), ("first", first), ("second", second), ("best", best)]
    }

    /// Writes the file whole or not at all: an older one stays where that fails.
    pub(crate) fn save(&self, path: &Path, recipe: &Recipe, data: &Dataset) -> Result<(), CheckpointError> {
        let mut tensors = Vec::new();
        for (set, nodes) in self.sets() {
            for (node, parameters) in nodes.iter().enumerate() {
                for (kind, values) in [("weights", &parameters.weights), ("biases", &parameters.biases)] {
                    tensors.push((name(set, node, kind), Floats(values, [values.len()])));
                }
            }
        }
        let ranges = self.int8.as_ref().map(|int8| {
            let input = int8.ranges.scales.input;
            let ends = int8.ranges.outputs.iter().flat_map(|range| [range.low, range.high]);
            [input.scale, f32::from(input.zero)].into_iter().chain(ends).collect::<Vec<_>>()
        });
        tensors.extend(ranges.iter().map(|ranges| (RANGES.to_owned(), Floats(ranges, [ranges.len()]))));
        let mut entries = vec![
            ("lacewing-checkpoint", VERSION.to_owned()),
            ("recipe", recipe.to_toml()),
            ("data", fingerprint(data)),
            ("epoch", self.epoch.to_string()),
            ("power1", bits(self.optimiser.powers.0)),
            ("power2", bits(self.optimiser.powers.1)),
        ];
        if let Some(best) = &self.best {
            entries.extend([("best-epoch", best.epoch.to_string()), ("best-accuracy", bits(best.accuracy))]);
        }
        entries.extend(self.int8.iter().map(|int8| (INT8_AFTER, int8.after.to_string())));
        let metadata: HashMap<String, String> =
            entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .map_err(|source| CheckpointError::Safetensors { path: path.to_owned(), source })?;
        write_file(path, &bytes).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })
    }

    /// Reads what [`Self::save`] wrote into a state that has the network's shapes. `None` where there is no such file.
    pub(crate) fn load(
        mut self,
        path: &Path,
        recipe: &Recipe,
        data: &Dataset,
    ) -> Result<Option<Self>, CheckpointError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(CheckpointError::Io { path: path.to_owned(), source }),
        };
        let refused = |source| CheckpointError::Safetensors { path: path.to_owned(), source };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(refused)?;
        let reader =
            Reader { path, tensors: SafeTensors::deserialize(&bytes).map_err(refused)?, entries: header.metadata() };
        reader.same("lacewing-checkpoint", VERSION, "another version of the file")?;
        reader.same("recipe", &recipe.to_toml(), "another recipe or seed")?;
        reader.same("data", &fingerprint(data), "other training data")?;
        self.epoch = reader.number("epoch")?;
        if self.epoch > recipe.training.all_epochs() {
            return Err(reader.damaged("epoch"));
        }
        self.optimiser.powers = (reader.float("power1")?, reader.float("power2")?);
        reader.fill("parameters", &mut self.parameters)?;
        reader.fill("first", &mut self.optimiser.first)?;
        reader.fill("second", &mut self.optimiser.second)?;
        if reader.entry("best-epoch").is_some() {
            let mut parameters = self.parameters.clone();
            reader.fill("best", &mut parameters)?;
            let (epoch, accuracy) = (reader.number("best-epoch")?, reader.float("best-accuracy")?);
            self.best = Some(Best { epoch, accuracy, parameters });
        }
        if reader.entry(INT8_AFTER).is_some() {
            let after = reader.number(INT8_AFTER)?;
            if after > self.epoch {
                return Err(reader.damaged(INT8_AFTER));
            }
            self.int8 = Some(Int8State { after, ranges: reader.ranges(self.parameters.len())? });
        }
        Ok(Some(self))
    }
}

struct Reader<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
    entries: &'a Option<HashMap<String, String>>,
}

impl Reader<'_> {
    fn entry(&self, key: &str) -> Option<&str> {
        self.entries.as_ref().and_then(|entries| entries.get(key)).map(String::as_str)
    }

    fn same(&self, key: &str, expected: &str, other: &'static str) -> Result<(), CheckpointError> {
        match self.entry(key) {
            Some(found) if found == expected => Ok(()),
            Some(_) => Err(CheckpointError::Other { path: self.path.to_owned(), other }),
            None => Err(self.damaged(key)),
        }
    }

    fn number(&self, key: &str) -> Result<usize, CheckpointError> {
        self.entry(key).and_then(|value| value.parse().ok()).ok_or_else(|| self.damaged(key))
    }

    fn float(&self, key: &str) -> Result<f64, CheckpointError> {
        let value = self.entry(key).and_then(|value| u64::from_str_radix(value, 16).ok());
        value.map(f64::from_bits).ok_or_else(|| self.damaged(key))
    }

    fn fill(&self, set: &str, nodes: &mut [Parameters]) -> Result<(), CheckpointError> {
        for (node, Parameters { weights, biases }) in nodes.iter_mut().enumerate() {
            for (kind, to) in [("weights", weights), ("biases", biases)] {
                let name = name(set, node, kind);
                self.floats(&name, to)?;
            }
        }
        Ok(())
    }

    fn floats(&self, name: &str, to: &mut [f32]) -> Result<(), CheckpointError> {
        let tensor = self.tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32);
        let values = tensor.as_ref().map(|tensor| tensor.data().as_chunks().0);
        let values = values.filter(|values| values.len() == to.len()).ok_or_else(|| self.damaged(name))?;
        to.iter_mut().zip(values).for_each(|(to, &bytes)| *to = f32::from_le_bytes(bytes));
        Ok(())
    }

    fn ranges(&self, nodes: usize) -> Result<Ranges, CheckpointError> {
        let mut values = vec![0.0; 2 + 2 * nodes];
        self.floats(RANGES, &mut values)?;
        let ranges = match values.as_chunks().0 {
            [[scale, zero], ends @ ..] => {
                let input = Quantisation { scale: *scale, zero: *zero as i8 };
                let outputs = ends.iter().map(|[low, high]| Range { low: *low, high: *high }).collect();
                input.is_sound().then(|| Ranges::new(input, outputs).ok()).flatten()
            }
            [] => None,
        };
        ranges.ok_or_else(|| self.damaged(RANGES))
    }

    fn damaged(&self, what: &str) -> CheckpointError {
        CheckpointError::Damaged { path: self.path.to_owned(), what: what.to_owned() }
    }
}

fn name(set: &str, node: usize, kind: &str) -> String {
    format!("{set}.{node}.{kind}")
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

/// Tells data sets apart, against mistakes only: the number of samples, their width, and FNV-1a over the labels and the
/// bits of a value of each sample.
pub(crate) fn fingerprint(data: &Dataset) -> String {
    let hash = (0..data.len()).fold(FNV_OFFSET, |hash, k| {
        let sample = data.sample(k);
        let value = sample.get(k % sample.len().max(1)).copied().unwrap_or_default();
        fnv(fnv(hash, data.label(k) as u32), value.to_bits())
    });
    format!("{} x {} {hash:016x}", data.len(), data.width())
}

/// Where FNV-1a starts.
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a goes on by a value.
pub(crate) fn fnv(hash: u64, value: u32) -> u64 {
    (hash ^ u64::from(value)).wrapping_mul(0x0000_0100_0000_01b3)
}
