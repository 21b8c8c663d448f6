//! What several seeds come to.

use serde::Serialize;

/// Mean and spread of some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; 0 of a single one.
    pub deviation: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of these numbers; all zero where there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (n - 1.0).max(1.0)).sqrt(),
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn of_three() {
        let spread = Spread::of(&[1.0, 2.0, 6.0]);
        assert_eq!((spread.mean, spread.deviation, spread.least, spread.most), (3.0, 7f64.sqrt(), 1.0, 6.0));
        assert_eq!(Spread::of(&[4.0]), Spread { mean: 4.0, deviation: 0.0, least: 4.0, most: 4.0 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
