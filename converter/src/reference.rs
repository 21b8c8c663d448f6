//! What a network computes, in f64 over its own weights, and how far f32 arithmetic may be off.

use lacewing_kernels::Activation;

use crate::network::{Network, TrainedJunction};

/// Values of a layer, each with a bound on the error that f32 arithmetic makes in any order of summation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    pub values: Vec<f64>,
    pub bounds: Vec<f64>,
}

impl Layer {
    /// The place of the first of the largest values.
    pub fn class(&self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (class, value) in self.values.iter().enumerate() {
            if *value > best.1 {
                best = (class, *value);
            }
        }
        best.0
    }

    /// Whether f32 arithmetic, by the bounds, must find the same largest value.
    pub fn class_is_certain(&self) -> bool {
        let top = self.class();
        let lowest = self.values.get(top).zip(self.bounds.get(top)).map_or(f64::NAN, |(value, bound)| value - bound);
        let others = self.values.iter().zip(&self.bounds).enumerate().filter(|(class, _)| *class != top);
        others.into_iter().all(|(_, (value, bound))| value + bound < lowest)
    }

    /// The largest magnitude.
    pub fn magnitude(&self) -> f64 {
        self.values.iter().fold(0.0, |largest, value| value.abs().max(largest))
    }
}

/// What one sample becomes.
#[derive(Debug)]
pub(crate) struct Reference {
    /// Logits of each exit, then those of the end of the trunk.
    pub logits: Vec<Layer>,
    /// The trunk's values at the split point.
    pub features: Layer,
}

/// Runs `network` on one input of its width.
pub(crate) fn run(network: &Network, input: &[f32]) -> Reference {
    let mut trunk = Layer { values: input.iter().map(|x| f64::from(*x)).collect(), bounds: vec![0.0; input.len()] };
    let mut reference = Reference { logits: Vec::new(), features: Layer::default() };
    for (after, junction) in (1..).zip(&network.trunk) {
        trunk = step(junction, &trunk);
        for exit in network.exits.iter().filter(|exit| exit.after == after) {
            let branch = exit.branch.iter().fold(trunk.clone(), |layer, junction| step(junction, &layer));
            reference.logits.push(branch);
        }
        if network.split == Some(after) {
            reference.features = trunk.clone();
        }
    }
    reference.logits.push(trunk);
    reference
}

/// Inputs that are not zero, of each junction in the order of [`Network::junctions`].
pub(crate) fn nonzero_inputs(network: &Network, input: &[f32]) -> Vec<usize> {
    let nonzero = |layer: &Layer| layer.values.iter().filter(|value| **value != 0.0).count();
    let mut trunk = Layer { values: input.iter().map(|x| f64::from(*x)).collect(), bounds: vec![0.0; input.len()] };
    let mut counts = Vec::new();
    for (after, junction) in (1..).zip(&network.trunk) {
        counts.push(nonzero(&trunk));
        trunk = step(junction, &trunk);
        for exit in network.exits.iter().filter(|exit| exit.after == after) {
            let mut branch = trunk.clone();
            for junction in &exit.branch {
                counts.push(nonzero(&branch));
                branch = step(junction, &branch);
            }
        }
    }
    counts
}

fn step(junction: &TrainedJunction, input: &Layer) -> Layer {
    let mut output = Layer::default();
    let mut biases = junction.bias.iter();
    for (inputs, weights) in junction.edges.rows() {
        let bias = biases.next().map_or(0.0, |bias| f64::from(*bias));
        let (mut sum, mut magnitude, mut error) = (bias, bias.abs(), 0.0);
        for (at, weight) in inputs.iter().zip(weights) {
            let weight = f64::from(*weight);
            let value = input.values.get(usize::from(*at)).copied().unwrap_or(0.0);
            sum += weight * value;
            magnitude += (weight * value).abs();
            error += weight.abs() * input.bounds.get(usize::from(*at)).copied().unwrap_or(0.0);
        }
        // Half a unit in the last place for each of at most in-degree + 2 operations on a term; twice that, so that the
        // products of these factors are covered; and one smallest normal number an operation where results underflow.
        let operations = (inputs.len() + 2) as f64;
        let unit = f64::from(f32::EPSILON);
        let rounding = operations * (unit * (magnitude + error) + f64::from(f32::MIN_POSITIVE));
        let (value, slope, own) = activate(junction.activation, sum);
        output.values.push(value);
        output.bounds.push((error + rounding) * slope + own);
    }
    output
}

/// The activation in f64, its steepest slope, and the error of its f32 version by kernels::math.
fn activate(activation: Activation, v: f64) -> (f64, f64, f64) {
    match activation {
        Activation::Relu => (v.max(0.0), 1.0, 0.0),
        Activation::LeakyRelu { slope } => {
            let slope = f64::from(slope);
            let value = if v < 0.0 { slope * v } else { v };
            (value, slope.abs().max(1.0), f64::from(f32::EPSILON) * value.abs())
        }
        Activation::Relu6 => (v.clamp(0.0, 6.0), 1.0, 0.0),
        Activation::Tanh => (v.tanh(), 1.0, 3e-7),
        Activation::Sigmoid => (1.0 / (1.0 + (-v).exp()), 0.25, 2e-7),
        _ => (v, 1.0, 0.0),
    }
}
