//! A trained network in memory, as read from a file: edges, biases, exits and split point.

use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use lacewing_models::recipe::{Input, Metric};

use crate::edges::Edges;
use crate::encode::activation_id;
use crate::layers::Affine;
use crate::settled::SettleError;

/// A junction with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedJunction {
    /// Its place.
    pub id: JunctionId,
    /// Its edges.
    pub edges: Edges,
    /// One value an output, or none.
    pub bias: Vec<f32>,
    /// Applied to the sums.
    pub activation: Activation,
}

impl TrainedJunction {
    /// Folds in what happens to its inputs, and to its sums before the activation. An edge stays an edge.
    pub(crate) fn fold(&mut self, before: Option<&Affine>, after: Option<&Affine>) -> Result<(), SettleError> {
        let identity = Affine::identity();
        let (before, after) = (before.unwrap_or(&identity), after.unwrap_or(&identity));
        let bias = |output: usize| self.bias.get(output).map_or(0.0, |bias| f64::from(*bias));
        let shifted = self.edges.rows().enumerate().map(|(output, (inputs, weights))| {
            let moved = |(input, weight): (&u16, &f32)| f64::from(*weight) * before.shift_at(usize::from(*input));
            let sum = bias(output) + inputs.iter().zip(weights).map(moved).sum::<f64>();
            (sum * after.scale_at(output) + after.shift_at(output)) as f32
        });
        self.bias = shifted.collect();
        self.edges = self.edges.scaled(|output, input| before.scale_at(input) * after.scale_at(output))?;
        Ok(())
    }
}

/// An exit with its branch.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedExit {
    /// The trunk junction, from 1, whose outputs the branch reads.
    pub after: usize,
    /// The confidence metric.
    pub metric: Metric,
    /// When the exit is taken.
    pub threshold: f32,
    /// Logits are divided by it before the metric is taken.
    pub temperature: f32,
    /// The branch's junctions.
    pub branch: Vec<TrainedJunction>,
}

/// A network with its weights, of the shape that a checked recipe describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Name, for reports.
    pub name: String,
    /// Number of classes.
    pub classes: usize,
    /// A name for each class, or none at all.
    pub class_names: Vec<String>,
    /// Width and scale of the input.
    pub input: Input,
    /// The trunk's junctions.
    pub trunk: Vec<TrainedJunction>,
    /// The exits in the order in which they are met; the end of the trunk is not among them.
    pub exits: Vec<TrainedExit>,
    /// Trunk junctions in the head; `None` where the network is not split.
    pub split: Option<usize>,
}

impl Network {
    /// Every junction in the order in which it runs: the trunk's, and behind each the branch of the exit there.
    pub fn junctions(&self) -> impl Iterator<Item = &TrainedJunction> {
        (1..).zip(&self.trunk).flat_map(|(k, junction)| {
            let branches = self.exits.iter().filter(move |exit| exit.after == k).flat_map(|exit| &exit.branch);
            core::iter::once(junction).chain(branches)
        })
    }

    /// This network split behind trunk junction `split`, with the exit of this number, from 1, alone, or with none. Its branch's
    /// junctions get the places that they then have.
    #[must_use]
    pub fn cut(&self, split: usize, exit: Option<usize>) -> Self {
        let mut exits: Vec<TrainedExit> =
            exit.and_then(|exit| self.exits.get(exit.checked_sub(1)?)).cloned().into_iter().collect();
        for (k, junction) in exits.iter_mut().flat_map(|exit| (1..).zip(&mut exit.branch)) {
            junction.id = JunctionId::Exit { exit: 1, junction: k };
        }
        Self { split: Some(split), exits, ..self.clone() }
    }

    /// What ties head and tail of this network together, whatever packings, thresholds and temperatures they are given: a
    /// CRC-32 over the trunk's shape and numbers, the split point and the exits' places.
    #[must_use]
    pub fn pair_id(&self) -> u32 {
        let mut crc = crc32fast::Hasher::new();
        let mut put = |number: u64| crc.update(&number.to_le_bytes());
        put(self.split.unwrap_or(0) as u64);
        self.exits.iter().for_each(|exit| put(exit.after as u64));
        for junction in &self.trunk {
            let edges = &junction.edges;
            let (activation, slope) = activation_id(junction.activation);
            put(edges.n_in() as u64);
            put(edges.n_out() as u64);
            put(u64::from(activation) | u64::from(slope.to_bits()) << 32);
            for (inputs, weights) in edges.rows() {
                put(inputs.len() as u64);
                inputs.iter().zip(weights).for_each(|(input, weight)| {
                    put(u64::from(*input) | u64::from(weight.to_bits()) << 32);
                });
            }
            junction.bias.iter().for_each(|bias| put(u64::from((bias + 0.0).to_bits())));
        }
        crc.finalize()
    }
}
