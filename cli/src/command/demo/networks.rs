//! The demo's networks: loaded or trained, then converted.

use std::path::{Path, PathBuf};

use indicatif::MultiProgress;
use lacewing_converter::convert::convert_network;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::settled::Settled;
use lacewing_converter::source::Source;
use lacewing_engine::{KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::{Recipe, bundled};
use lacewing_training::train as train_network;
use rayon::prelude::*;

use crate::command::train::show;
use crate::failure::Failure;
use crate::progress;

/// Sparse, with an exit, split.
pub const FLAGSHIP: &str = "mnist-flagship";
/// The same shape without a zero.
pub const FLAGSHIP_DENSE: &str = "mnist-flagship-dense";

/// Every network of the demo.
const NETWORKS: [&str; 10] = [
    FLAGSHIP,
    FLAGSHIP_DENSE,
    "paper-800-3-3-10",
    "paper-800-40-40-10",
    "pooled-49-40-10",
    "pooled-100-20-16-10",
    "paper-800-100-10-fo10",
    "paper-800-100-10-fo50",
    "paper-800-100-100-10",
    "dense-800-100-100-10",
];

/// A trained network and its model files.
pub struct Network {
    pub recipe: Recipe,
    /// Nonzero weights, and biases.
    pub parameters: usize,
    head: Settled<u8>,
    tail: Option<Settled<u8>>,
    whole: Settled<u8>,
}

impl Network {
    /// The head, or the whole network where it is not split.
    pub fn head(&self) -> Result<Model<'_>, Failure> {
        Ok(Model::parse(&self.head, &KernelSet::ALL)?)
    }

    pub fn tail(&self) -> Result<Option<Model<'_>>, Failure> {
        Ok(self.tail.as_deref().map(|bytes| Model::parse(bytes, &KernelSet::ALL)).transpose()?)
    }

    /// The trunk in one piece, without exits.
    pub fn whole(&self) -> Result<Model<'_>, Failure> {
        Ok(Model::parse(&self.whole, &KernelSet::ALL)?)
    }
}

/// The weights that come with the project.
pub fn load() -> Result<Vec<Network>, Failure> {
    convert_all(&NETWORKS.map(bundled::weights))
}

/// One network from the weights that come with the project.
pub fn load_one(name: &str) -> Result<Network, Failure> {
    convert_one(&bundled::weights(name))
}

/// Trains every network, as many at once as there are cores, and passes them on as files.
pub fn train(data: &Path) -> Result<Vec<Network>, Failure> {
    let folder = tempfile::tempdir()?;
    let bars = MultiProgress::new();
    let train = |name: &&str| -> Result<PathBuf, String> {
        let path = folder.path().join(format!("{name}.safetensors"));
        train_one(name, data, &path, &bars).map_err(|error| format!("{name}: {error}"))?;
        Ok(path)
    };
    // One after the other as a thread comes free, longest first.
    let paths = NETWORKS.par_iter().with_max_len(1).map(train).collect::<Result<Vec<_>, String>>()?;
    convert_all(&paths)
}

fn train_one(name: &str, data: &Path, path: &Path, bars: &MultiProgress) -> Result<(), Failure> {
    let recipe = Recipe::read(bundled::recipe(name))?;
    let training = data::load_for(data, Part::Train, &recipe)?;
    let validation = data::load_for(data, Part::Validation, &recipe)?;
    let bar = progress::bar_in(bars, name, recipe.training.epochs as u64);
    let trained = train_network(&recipe, &training, &validation, |now| show(now, &bar))?;
    bar.finish();
    Ok(trained.save(path)?)
}

fn convert_all(paths: &[PathBuf]) -> Result<Vec<Network>, Failure> {
    let bar = progress::bar("converting and verifying", paths.len() as u64);
    let convert = |path: &PathBuf| {
        let network = convert_one(path).map_err(|error| format!("{}: {error}", path.display()));
        bar.inc(1);
        network
    };
    let networks = paths.par_iter().map(convert).collect::<Result<Vec<_>, String>>()?;
    bar.finish_and_clear();
    Ok(networks)
}

fn convert_one(path: &Path) -> Result<Network, Failure> {
    let mut source = Source::open(path)?;
    let recipe = embedded_recipe(&source)?.ok_or("the file carries no recipe")?;
    let Imported { network, .. } = import(&mut source, recipe.clone())?;
    let biases: usize = network.junctions().map(|junction| junction.edges.n_out()).sum();
    let parameters = network.junctions().map(|junction| junction.edges.nnz()).sum::<usize>() + biases;
    let split = convert_network(&network, None)?;
    let mut trunk = network;
    trunk.split = None;
    trunk.exits.clear();
    let whole = convert_network(&trunk, None)?.head;
    Ok(Network { recipe, parameters, head: split.head, tail: split.tail, whole })
}
