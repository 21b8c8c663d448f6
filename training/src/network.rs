//! A multi-exit network as a list of nodes, and its forward and backward pass over one shard of a batch.

use aligned_vec::{AVec, ConstAlign, avec};
use lacewing_kernels::Activation;
use lacewing_kernels::training::{COLUMNS, ReadyTraining};

use crate::int8::{self, Range, Scales};
use crate::junction::{Gradient, Junction, Ready};
use crate::parameters::Parameters;
use crate::{activation, loss};

/// What a vector load takes at once, in bytes.
const CACHE_LINE: usize = 64;

/// Values feature by feature, from a cache line on: a vector load or store that crosses one costs two, and a pass is little else.
type Columns = AVec<f32, ConstAlign<CACHE_LINE>>;

fn zeros(len: usize) -> Columns {
    avec![[CACHE_LINE]| 0.0; len]
}

/// A junction, what feeds it and what follows its sums.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The node whose outputs this one reads, an earlier one; none for the network's input.
    pub(crate) source: Option<usize>,
    pub(crate) junction: Junction,
    pub(crate) activation: Activation,
}

/// A node whose sums are logits, and the weight of its cross-entropy in the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    pub(crate) node: usize,
    pub(crate) loss_weight: f32,
}

/// Nodes in an order in which each stands after its source; exits in the order an image meets them, the last one final.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    n_in: usize,
    nodes: Vec<Node>,
    exits: Vec<Exit>,
    kernels: ReadyTraining<'static>,
}

/// What one thread needs for its part of a batch. Buffers are feature by feature, see [`crate::junction`].
#[derive(Debug)]
pub(crate) struct Shard {
    width: usize,
    x: Columns,
    labels: Vec<u16>,
    sums: Vec<Columns>,
    outputs: Vec<Columns>,
    deltas: Vec<Columns>,
    /// The gradient of this shard's part of the loss.
    pub(crate) gradients: Vec<Parameters>,
    /// Per exit, the sum of the cross-entropies of the shard's samples.
    pub(crate) losses: Vec<f64>,
    /// In a pass for int8, the range of every node's outputs before they were rounded.
    met: Vec<Range>,
}

impl Network {
    pub(crate) fn new(n_in: usize, nodes: Vec<Node>, exits: Vec<Exit>, kernels: ReadyTraining<'static>) -> Self {
        Self { n_in, nodes, exits, kernels }
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    pub(crate) fn exits(&self) -> &[Exit] {
        &self.exits
    }

    /// The weights of the exits' cross-entropies in the loss; `backbone`: nothing but the end of the trunk.
    pub(crate) fn loss_weights(&self, backbone: bool) -> Vec<f32> {
        let last = self.exits.len() - 1;
        let weight = |(k, exit): (usize, &Exit)| if backbone && k < last { 0.0 } else { exit.loss_weight };
        self.exits.iter().enumerate().map(weight).collect()
    }

    /// Which nodes move; `backbone`: those on the way to the end of the trunk.
    pub(crate) fn trained(&self, backbone: bool) -> Vec<bool> {
        let mut trained = vec![!backbone; self.nodes.len()];
        let mut node = self.exits.last().map(|exit| exit.node);
        while let Some(at) = node {
            trained[at] = true;
            node = self.nodes[at].source;
        }
        trained
    }

    /// Which nodes the backward pass has to reach, where only some learn: those that do, and those behind them.
    pub(crate) fn reached(&self, learns: &[bool]) -> Vec<bool> {
        let mut reached: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for (node, learns) in self.nodes.iter().zip(learns) {
            let before = node.source.is_some_and(|source| reached[source]);
            reached.push(*learns || before);
        }
        reached
    }

    /// Room for up to `samples` samples; `training` says whether gradients are wanted as well.
    pub(crate) fn shard(&self, samples: usize, training: bool) -> Shard {
        let width = samples.next_multiple_of(COLUMNS);
        let buffers = |wanted: bool| {
            self.nodes.iter().map(|n| zeros(if wanted { n.junction.n_out() * width } else { 0 })).collect()
        };
        Shard {
            width,
            x: zeros(self.n_in * width),
            labels: Vec::with_capacity(samples),
            sums: buffers(true),
            outputs: buffers(true),
            deltas: buffers(training),
            gradients: if training { Parameters::zeros(self) } else { Vec::new() },
            losses: vec![0.0; self.exits.len()],
            met: vec![Range::default(); self.nodes.len()],
        }
    }

    /// The network, ready to be computed with.
    pub(crate) fn passes(&self) -> Passes<'_> {
        let ready = self.nodes.iter().map(|node| node.junction.ready()).collect();
        Passes { network: self, kernels: self.kernels, ready }
    }
}

/// A network's passes over shards.
#[derive(Debug)]
pub(crate) struct Passes<'n> {
    pub(crate) network: &'n Network,
    kernels: ReadyTraining<'static>,
    ready: Vec<Ready<'n>>,
}

impl Passes<'_> {
    pub(crate) fn kernels(&self) -> ReadyTraining<'static> {
        self.kernels
    }

    /// Takes in at most as many samples as the shard was made for; the columns that are left become zeros.
    pub(crate) fn fill<'a>(&self, shard: &mut Shard, samples: impl Iterator<Item = (&'a [f32], usize)>) {
        shard.labels.clear();
        let mut rows: Vec<&[f32]> = Vec::with_capacity(shard.width);
        for (sample, label) in samples.take(shard.width) {
            rows.push(sample);
            shard.labels.push(label as u16);
        }
        self.kernels.to_columns(&rows, shard.width, &mut shard.x).expect("samples have the network's width");
    }

    /// Fills `sums` and `outputs` of every node from the shard's samples; with `int8`, input and outputs are rounded to its scales.
    pub(crate) fn forward(&self, parameters: &[Parameters], int8: Option<&Scales>, shard: &mut Shard) {
        if let Some(scales) = int8 {
            int8::round(&mut shard.x, scales.input);
        }
        for (k, (node, parameters)) in self.network.nodes.iter().zip(parameters).enumerate() {
            let (before, rest) = shard.outputs.split_at_mut(k);
            let (x, outputs) = (node.source.map_or(&shard.x, |source| &before[source]), &mut rest[0]);
            let (weights, sums) = ((&*parameters.weights, &*parameters.biases), &mut shard.sums[k]);
            self.ready[k].forward(self.kernels, weights, x, shard.width, sums);
            outputs.copy_from_slice(sums);
            node.activation.apply(outputs);
            if let Some(scales) = int8 {
                shard.met[k] = range(outputs, shard.width, shard.labels.len());
                int8::round(outputs, scales.outputs[k]);
            }
        }
    }

    /// After [`Self::forward`]: the losses and gradients of the shard's samples, as part of a batch of `batch` samples, for the
    /// nodes that are reached. `weights` are those of the exits' cross-entropies; `int8` as in the forward pass.
    pub(crate) fn backward(
        &self,
        (parameters, int8): (&[Parameters], Option<&Scales>),
        shard: &mut Shard,
        weights: &[f32],
        batch: usize,
        reached: &[bool],
    ) {
        let (nodes, exits) = (&self.network.nodes, &self.network.exits);
        shard.deltas.iter_mut().for_each(|delta| delta.fill(0.0));
        for ((exit, loss), &weight) in exits.iter().zip(&mut shard.losses).zip(weights) {
            let (logits, delta) = (&shard.outputs[exit.node], &mut shard.deltas[exit.node]);
            *loss = loss::cross_entropy(logits, &shard.labels, shard.width, weight, batch, delta);
        }
        let nodes = nodes.iter().zip(parameters).enumerate().rev().filter(|(k, _)| reached[*k]);
        for (k, (node, parameters)) in nodes {
            let (before, rest) = shard.deltas.split_at_mut(k);
            let delta = &mut rest[0];
            if let Some(scales) = int8 {
                // For the activations that int8 has, a sum is out of range where its output is, or passes nothing on.
                int8::straight_through(&shard.sums[k], scales.outputs[k], delta);
            }
            activation::backward(node.activation, &shard.sums[k], &shard.outputs[k], delta);
            let x = node.source.map_or(&shard.x, |source| &shard.outputs[source]);
            let Parameters { weights, biases } = &mut shard.gradients[k];
            let by_x = node.source.filter(|source| reached[*source]).map(|source| &mut *before[source]);
            let into = Gradient { by_weights: weights, by_biases: biases, by_x };
            self.ready[k].backward(self.kernels, &parameters.weights, x, delta, shard.width, into);
        }
    }
}

impl Shard {
    /// The logits of an exit, `classes × width`.
    pub(crate) fn logits(&self, exit: Exit) -> &[f32] {
        &self.outputs[exit.node]
    }

    /// The ranges of every node's outputs in a pass for int8.
    pub(crate) fn met(&self) -> &[Range] {
        &self.met
    }

    /// The ranges of every node's outputs after a forward pass.
    pub(crate) fn ranges(&self) -> Vec<Range> {
        self.outputs.iter().map(|outputs| range(outputs, self.width, self.labels.len())).collect()
    }

    #[cfg(test)]
    pub(crate) fn outputs(&self, node: usize) -> &[f32] {
        &self.outputs[node]
    }

    pub(crate) fn labels(&self) -> &[u16] {
        &self.labels
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }
}

/// Of the columns of samples, without those that fill the rows up.
fn range(rows: &[f32], width: usize, samples: usize) -> Range {
    let parts = rows.chunks_exact(width).filter_map(|row| row.get(..samples));
    parts.fold(Range::default(), |all, row| all.with(Range::of(row)))
}

#[cfg(test)]
mod tests {
    use super::zeros;

    #[test]
    fn columns_begin_at_a_cache_line() {
        for len in [0, 1, 15, 16, 1000] {
            let mut columns = zeros(len);
            assert_eq!(*columns, vec![0.0; len]);
            assert!(len == 0 || columns.as_ptr().align_offset(64) == 0);
            columns.fill(1.0);
            assert_eq!(columns.iter().sum::<f32>(), len as f32);
        }
    }
}
