//! From gradients to steps, on the nonzeros.

use lacewing_kernels::training::{self, ReadyTraining};
use lacewing_models::recipe::{Optimiser as Method, Training};
use rayon::prelude::*;

use crate::network::{Network, Shard};
use crate::parameters::Parameters;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-7;
/// Parameters to a task: fewer are not worth handing to another thread.
const TASK: usize = 16_384;

/// What an optimiser remembers of the steps so far: moments for every parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Optimiser {
    method: Method,
    momentum: f32,
    l2: f32,
    /// Adam's first moments; the last steps of gradient descent.
    pub(crate) first: Vec<Parameters>,
    /// Adam's second moments; empty for gradient descent.
    pub(crate) second: Vec<Parameters>,
    /// β₁^t and β₂^t.
    pub(crate) powers: (f64, f64),
}

impl Optimiser {
    pub(crate) fn new(network: &Network, settings: &Training) -> Self {
        Self {
            method: settings.optimiser,
            momentum: settings.momentum,
            l2: settings.l2,
            first: Parameters::zeros(network),
            second: if settings.optimiser == Method::Sgd { Vec::new() } else { Parameters::zeros(network) },
            powers: (1.0, 1.0),
        }
    }

    /// One step down the sum of the shards' gradients, for the nodes that `trained` names; plus `l2 · w` for weights: the
    /// loss has the term `l2 / 2 · Σ w²`, biases are free.
    pub(crate) fn step(
        &mut self,
        kernels: ReadyTraining<'_>,
        parameters: &mut [Parameters],
        shards: &[Shard],
        trained: &[bool],
        learning_rate: f32,
    ) {
        self.powers = (self.powers.0 * f64::from(BETA1), self.powers.1 * f64::from(BETA2));
        for node in (0..parameters.len()).filter(|&node| trained[node]) {
            for part in [Part::Weights, Part::Biases] {
                let gradients: Vec<&[f32]> = shards.iter().map(|shard| part.of(&shard.gradients[node])).collect();
                let (p, m) = (part.of_mut(&mut parameters[node]), part.of_mut(&mut self.first[node]));
                let l2 = if part == Part::Weights { self.l2 } else { 0.0 };
                if self.method == Method::Sgd {
                    let step = training::Momentum { rate: learning_rate, momentum: self.momentum, l2 };
                    descend(kernels, &step, &gradients, p, m);
                } else {
                    let step = adam(self.powers, learning_rate, l2);
                    update(kernels, &step, &gradients, p, m, part.of_mut(&mut self.second[node]));
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Weights,
    Biases,
}

impl Part {
    fn of(self, parameters: &Parameters) -> &[f32] {
        if self == Self::Weights { &parameters.weights } else { &parameters.biases }
    }

    fn of_mut(self, parameters: &mut Parameters) -> &mut [f32] {
        if self == Self::Weights { &mut parameters.weights } else { &mut parameters.biases }
    }
}

/// Adam's step with its corrections for the moments' start at zero.
fn adam(powers: (f64, f64), learning_rate: f32, l2: f32) -> training::Adam {
    let correction = (1.0 - powers.1).sqrt() / (1.0 - powers.0);
    let rate = (f64::from(learning_rate) * correction) as f32;
    // ε is meant for the corrected second moment; this scales it to the raw one.
    let epsilon = (f64::from(EPSILON) * (1.0 - powers.1).sqrt()) as f32;
    training::Adam { rate, beta1: BETA1, beta2: BETA2, epsilon, l2 }
}

const SHAPES: &str = "gradients and moments have the parameters' shape";

fn update(
    kernels: ReadyTraining<'_>,
    step: &training::Adam,
    gradients: &[&[f32]],
    p: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
) {
    let tasks = p.par_chunks_mut(TASK).zip(m.par_chunks_mut(TASK)).zip(v.par_chunks_mut(TASK)).enumerate();
    tasks.for_each(|(task, ((p, m), v))| {
        kernels.adam(step, &part_of(gradients, task, p.len()), p, m, v).expect(SHAPES);
    });
}

fn descend(kernels: ReadyTraining<'_>, step: &training::Momentum, gradients: &[&[f32]], p: &mut [f32], m: &mut [f32]) {
    p.par_chunks_mut(TASK).zip(m.par_chunks_mut(TASK)).enumerate().for_each(|(task, (p, m))| {
        kernels.momentum(step, &part_of(gradients, task, p.len()), p, m).expect(SHAPES);
    });
}

fn part_of<'g>(gradients: &[&'g [f32]], task: usize, length: usize) -> Vec<&'g [f32]> {
    gradients.iter().map(|gradient| &gradient[task * TASK..task * TASK + length]).collect()
}
