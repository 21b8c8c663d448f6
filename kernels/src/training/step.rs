//! What a step of an optimiser is given.

/// Adam (Kingma and Ba, arXiv 1412.6980), with the bias corrections folded into `rate` and `epsilon`:
/// `g = Σ gradients + l2·p; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²; p −= rate·m / (√v + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The learning rate, times `√(1 − β₂ᵗ) / (1 − β₁ᵗ)`.
    pub rate: f32,
    /// β₁
    pub beta1: f32,
    /// β₂
    pub beta2: f32,
    /// ε, times `√(1 − β₂ᵗ)`.
    pub epsilon: f32,
    /// The factor of `p` in the gradient.
    pub l2: f32,
}

/// Gradient descent with momentum: `g = Σ gradients + l2·p; m = μ·m + g; p −= rate·m`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    /// The learning rate.
    pub rate: f32,
    /// μ
    pub momentum: f32,
    /// The factor of `p` in the gradient.
    pub l2: f32,
}
