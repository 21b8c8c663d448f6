//! Activation functions, applied to a junction's sums in place.

use crate::math;

/// What is applied to each output `v` of a junction, after the bias.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `v`
    None,
    /// `max(v, 0)`
    Relu,
    /// `v` where `v ≥ 0`, else `slope · v`; the slope is finite
    LeakyRelu {
        /// Factor on negative values.
        slope: f32,
    },
    /// `min(max(v, 0), 6)`
    Relu6,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^−v)`
    Sigmoid,
}

impl Activation {
    /// The function itself, for one value. NaN stays NaN.
    #[must_use]
    pub fn of(self, v: f32) -> f32 {
        match self {
            Self::None => v,
            Self::Relu => {
                if v < 0.0 {
                    0.0
                } else {
                    v
                }
            }
            Self::LeakyRelu { slope } => {
                if v < 0.0 {
                    slope * v
                } else {
                    v
                }
            }
            Self::Relu6 => v.clamp(0.0, 6.0),
            Self::Tanh => math::tanh(v),
            Self::Sigmoid => math::sigmoid(v),
        }
    }

    /// Applies the function to every value of `y`.
    pub fn apply(self, y: &mut [f32]) {
        if self != Self::None {
            for v in y {
                *v = self.of(*v);
            }
        }
    }

    pub(crate) const fn is_finite(self) -> bool {
        match self {
            Self::LeakyRelu { slope } => slope.is_finite(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Activation::{self, *};

    #[test]
    fn follows_its_definition() {
        let cases: [(Activation, f32, f32); 12] = [
            (None, -2.0, -2.0),
            (Relu, -2.0, 0.0),
            (Relu, 2.0, 2.0),
            (LeakyRelu { slope: 0.25 }, -2.0, -0.5),
            (LeakyRelu { slope: 0.25 }, 2.0, 2.0),
            (Relu6, 7.0, 6.0),
            (Relu6, -7.0, 0.0),
            (Relu6, 3.0, 3.0),
            (Tanh, 0.0, 0.0),
            (Tanh, 40.0, 1.0),
            (Sigmoid, 0.0, 0.5),
            (Sigmoid, -200.0, 0.0),
        ];
        for (activation, v, want) in cases {
            assert_eq!(activation.of(v), want, "{activation:?} of {v}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        for activation in [None, Relu, LeakyRelu { slope: 0.1 }, Relu6, Tanh, Sigmoid] {
            assert!(activation.of(f32::NAN).is_nan(), "{activation:?}");
        }
    }
}
