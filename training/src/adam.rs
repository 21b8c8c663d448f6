//! Adam (Kingma and Ba, arXiv 1412.6980) on the nonzeros.

use rayon::prelude::*;

use crate::network::Network;
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

    /// One step down `gradients`, plus `l2 · w` for weights: the loss has the term `l2 / 2 · Σ w²`, biases are free.
    pub(crate) fn step(&mut self, parameters: &mut [Parameters], gradients: &[Parameters], learning_rate: f32) {
        self.powers = (self.powers.0 * f64::from(BETA1), self.powers.1 * f64::from(BETA2));
        let correction = (1.0 - self.powers.1).sqrt() / (1.0 - self.powers.0);
        let rate = (f64::from(learning_rate) * correction) as f32;
        // ε is meant for the corrected second moment; this scales it to the raw one.
        let epsilon = (f64::from(EPSILON) * (1.0 - self.powers.1).sqrt()) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((p, g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            update(&mut p.weights, &g.weights, &mut m.weights, &mut v.weights, (rate, epsilon, self.l2));
            update(&mut p.biases, &g.biases, &mut m.biases, &mut v.biases, (rate, epsilon, 0.0));
        }
    }
}

fn update(p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], (rate, epsilon, l2): (f32, f32, f32)) {
    let tasks = p.par_chunks_mut(TASK).zip(g.par_chunks(TASK)).zip(m.par_chunks_mut(TASK)).zip(v.par_chunks_mut(TASK));
    tasks.for_each(|(((p, g), m), v)| {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g + l2 * *p;
            *m = BETA1 * *m + (1.0 - BETA1) * g;
            *v = BETA2 * *v + (1.0 - BETA2) * g * g;
            *p -= rate * *m / (v.sqrt() + epsilon);
        }
    });
}
