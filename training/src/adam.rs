//! Adam (Kingma and Ba, arXiv 1412.6980) on the nonzeros.

use lacewing_kernels::training::{self, ReadyTraining};
use rayon::prelude::*;

use crate::network::{Network, Shard};
use crate::parameters::Parameters;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-7;
/// Parameters to a task: fewer are not worth handing to another thread.
const TASK: usize = 16_384;

/// The moments of every parameter, and how many steps they have seen.
#[derive(Debug)]
pub(crate) struct Adam {
    first: Vec<Parameters>,
    second: Vec<Parameters>,
    l2: f32,
    /// β₁^t and β₂^t.
    powers: (f64, f64),
}

impl Adam {
    pub(crate) fn new(network: &Network, l2: f32) -> Self {
        Self { first: Parameters::zeros(network), second: Parameters::zeros(network), l2, powers: (1.0, 1.0) }
    }

    /// One step down the sum of the shards' gradients, plus `l2 · w` for weights: the loss has the term `l2 / 2 · Σ w²`,
    /// biases are free.
    pub(crate) fn step(
        &mut self,
        kernels: ReadyTraining<'_>,
        parameters: &mut [Parameters],
        shards: &[Shard],
        learning_rate: f32,
    ) {
        self.powers = (self.powers.0 * f64::from(BETA1), self.powers.1 * f64::from(BETA2));
        let correction = (1.0 - self.powers.1).sqrt() / (1.0 - self.powers.0);
        let rate = (f64::from(learning_rate) * correction) as f32;
        // ε is meant for the corrected second moment; this scales it to the raw one.
        let epsilon = (f64::from(EPSILON) * (1.0 - self.powers.1).sqrt()) as f32;
        let weights = training::Adam { rate, beta1: BETA1, beta2: BETA2, epsilon, l2: self.l2 };
        let biases = training::Adam { l2: 0.0, ..weights };
        let moments = self.first.iter_mut().zip(&mut self.second);
        for (node, (p, (m, v))) in parameters.iter_mut().zip(moments).enumerate() {
            let gradients: Vec<&[f32]> = shards.iter().map(|shard| &*shard.gradients[node].weights).collect();
            update(kernels, &weights, &gradients, &mut p.weights, &mut m.weights, &mut v.weights);
            let gradients: Vec<&[f32]> = shards.iter().map(|shard| &*shard.gradients[node].biases).collect();
            update(kernels, &biases, &gradients, &mut p.biases, &mut m.biases, &mut v.biases);
        }
    }
}

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
        let range = task * TASK..task * TASK + p.len();
        let gradients: Vec<&[f32]> = gradients.iter().map(|gradient| &gradient[range.clone()]).collect();
        kernels.adam(step, &gradients, p, m, v).expect("gradients and moments have the parameters' shape");
    });
}
