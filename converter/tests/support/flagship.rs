//! The bundled flagship, converted as it is or changed before.

use std::path::Path;

use lacewing_converter::convert::convert_network;
use lacewing_converter::edges::Edges;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::network::{self, TrainedExit};
use lacewing_converter::scratch::HeapScratch;
use lacewing_converter::source::Source;
use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Outcome};
use lacewing_models::{Dataset, JunctionId, Recipe};

/// A network's files; a tail of no bytes where it is not split.
pub struct Network {
    pub recipe: Recipe,
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
}

/// The network of `weights`, changed before it is converted.
pub fn changed(weights: &Path, change: impl FnOnce(&mut network::Network)) -> Network {
    let mut source = Source::open(weights).expect("it comes with the project");
    let recipe = embedded_recipe(&source).expect("readable").expect("a recipe");
    let Imported { mut network, .. } = import(&mut source, recipe.clone()).expect("a network");
    change(&mut network);
    let files = convert_network(&network, None).expect("model files");
    Network { recipe, head: files.head.into(), tail: files.tail.map(Into::into).unwrap_or_default() }
}

/// A second exit behind junction 2: the end of the trunk with its weights in five steps only, so that it gives most samples the
/// end's class, and not all.
pub fn add_an_exit(network: &mut network::Network, split: Option<usize>) {
    let mut coarse = network.trunk[2].clone();
    coarse.id = JunctionId::Exit { exit: 2, junction: 1 };
    let weights = coarse.edges.to_dense();
    let step = weights.iter().fold(0.0f32, |most, weight| most.max(weight.abs())) / 2.0;
    let weights: Vec<f32> = weights.into_iter().map(|weight| (weight / step).round() * step).collect();
    let (n_in, n_out) = (coarse.edges.n_in() as u16, coarse.edges.n_out() as u16);
    coarse.edges = Edges::from_dense(n_in, n_out, &weights, |_, _, _| true).expect("as many");
    network.exits.push(TrainedExit { after: 2, branch: vec![coarse], ..network.exits[0].clone() });
    network.split = split;
}

pub fn parse(bytes: &[u8]) -> Model<'_> {
    Model::parse(bytes, &KernelSet::ALL).expect("sound")
}

/// How many samples each of two exits takes, run one by one: side by side, sums differ in their last bits, and a threshold is a
/// value that a sample has.
pub fn taken_by_exit(model: &Model<'_>, data: &Dataset) -> [usize; 2] {
    let mut scratch = HeapScratch::new(model.scratch_len());
    let mut engine = Engine::new(model, scratch.bytes()).expect("room enough");
    let mut taken = [0; 2];
    for (sample, _) in data.iter() {
        engine.load(sample).expect("as wide");
        if let Outcome::Answer(answer) = engine.run(&mut AsTrained)
            && let Some(count) = taken.get_mut(usize::from(answer.exit.0) - 1)
        {
            *count += 1;
        }
    }
    taken
}
