//! Derivatives of the activation functions; the functions themselves are the engine's own.

use lacewing_kernels::Activation;

/// Turns `delta`, the gradient by the activation's outputs, into the gradient by its inputs `sums`, in place.
/// At the kinks the derivative is the one from below, so a ReLU that is exactly 0 passes nothing on.
pub(crate) fn backward(activation: Activation, sums: &[f32], outputs: &[f32], delta: &mut [f32]) {
    let values = sums.iter().zip(outputs).zip(delta);
    match activation {
        Activation::Relu => values.for_each(|((&sum, _), d)| *d = if sum > 0.0 { *d } else { 0.0 }),
        Activation::LeakyRelu { slope } => {
            values.for_each(|((&sum, _), d)| *d *= if sum > 0.0 { 1.0 } else { slope });
        }
        Activation::Relu6 => {
            values.for_each(|((&sum, _), d)| *d = if sum > 0.0 && sum < 6.0 { *d } else { 0.0 });
        }
        Activation::Tanh => values.for_each(|((_, &y), d)| *d *= 1.0 - y * y),
        Activation::Sigmoid => values.for_each(|((_, &y), d)| *d *= y * (1.0 - y)),
        // `Activation` is open to additions; a recipe cannot name one that is not listed here.
        _ => {}
    }
}

/// The variance gain that keeps the size of activations through a junction: 2 where half the sums are cut off
/// (He et al., arXiv 1502.01852), else 1.
pub(crate) fn gain(activation: Activation) -> f32 {
    match activation {
        Activation::Relu | Activation::Relu6 | Activation::LeakyRelu { .. } => 2.0,
        _ => 1.0,
    }
}
