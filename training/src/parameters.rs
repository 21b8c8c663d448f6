//! What is learnt: one weight per nonzero, one bias per output. Gradients and moments have the same shape.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::activation;
use crate::network::Network;

/// Weights and biases of one junction, or their gradients or moments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    pub(crate) weights: Vec<f32>,
    pub(crate) biases: Vec<f32>,
}

impl Parameters {
    /// Zeros in the shape of each junction of `network`.
    pub(crate) fn zeros(network: &Network) -> Vec<Self> {
        let zeros = |n_weights, n_out| Self { weights: vec![0.0; n_weights], biases: vec![0.0; n_out] };
        network.nodes().iter().map(|node| zeros(node.junction.nnz(), node.junction.n_out())).collect()
    }

    /// Weights drawn uniformly with variance gain / in-degree, row by row: the fan-in of a sparse row is its number of
    /// nonzeros, not the width of the layer below. Uniform rather than normal, because it needs only operations that are
    /// exact on every platform. Biases are zero.
    pub(crate) fn initial(network: &Network, rng: &mut ChaCha8Rng) -> Vec<Self> {
        let mut parameters = Self::zeros(network);
        for (node, parameters) in network.nodes().iter().zip(&mut parameters) {
            for output in 0..node.junction.n_out() {
                let in_degree = node.junction.edges_of(output).count();
                let limit = (3.0 * activation::gain(node.activation) / in_degree.max(1) as f32).sqrt();
                for (_, place) in node.junction.edges_of(output) {
                    parameters.weights[place] = limit * symmetric(rng);
                }
            }
        }
        parameters
    }

    pub(crate) fn is_finite(&self) -> bool {
        self.weights.iter().chain(&self.biases).all(|v| v.is_finite())
    }
}

/// Uniform in [−1, 1), in steps of 2^−23.
fn symmetric(rng: &mut ChaCha8Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
}
