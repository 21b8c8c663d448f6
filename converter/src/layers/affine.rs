//! Scale and shift of each value of a layer.

/// `v ↦ scale · v + shift`, with one number for each value of the layer, or one for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// Factors.
    pub scale: Vec<f64>,
    /// Summands.
    pub shift: Vec<f64>,
}

impl Affine {
    /// Changes nothing.
    pub(crate) fn identity() -> Self {
        Self { scale: vec![1.0], shift: vec![0.0] }
    }

    /// Batch normalisation as it runs after training: `γ (v − mean) / √(variance + ε) + β`, where a missing γ is 1 and a missing
    /// β is 0.
    pub(crate) fn batch_norm(
        gamma: Option<&[f32]>,
        beta: Option<&[f32]>,
        mean: &[f32],
        variance: &[f32],
        epsilon: f64,
    ) -> Self {
        let or = |values: Option<&[f32]>, at: usize, default| {
            values.and_then(|v| v.get(at)).map_or(default, |v| f64::from(*v))
        };
        let scale: Vec<f64> = (0..)
            .zip(variance)
            .map(|(at, variance)| or(gamma, at, 1.0) / (f64::from(*variance) + epsilon).sqrt())
            .collect();
        let shift =
            (0..).zip(mean.iter().zip(&scale)).map(|(at, (mean, scale))| or(beta, at, 0.0) - f64::from(*mean) * scale);
        Self { shift: shift.collect(), scale }
    }

    /// First this, then `next`.
    pub(crate) fn then(&self, next: &Self) -> Self {
        let len = [&self.scale, &self.shift, &next.scale, &next.shift].map(Vec::len).into_iter().max().unwrap_or(1);
        Self {
            scale: (0..len).map(|at| self.scale_at(at) * next.scale_at(at)).collect(),
            shift: (0..len).map(|at| self.shift_at(at) * next.scale_at(at) + next.shift_at(at)).collect(),
        }
    }

    /// Whether it fits a layer of `width` values.
    pub(crate) fn fits(&self, width: usize) -> bool {
        [self.scale.len(), self.shift.len()].iter().all(|len| *len == 1 || *len == width)
    }

    /// The factor of value `at`.
    pub(crate) fn scale_at(&self, at: usize) -> f64 {
        at_or_all(&self.scale, at, 1.0)
    }

    /// The summand of value `at`.
    pub(crate) fn shift_at(&self, at: usize) -> f64 {
        at_or_all(&self.shift, at, 0.0)
    }
}

fn at_or_all(values: &[f64], at: usize, default: f64) -> f64 {
    match values {
        [one] => *one,
        many => many.get(at).copied().unwrap_or(default),
    }
}

#[cfg(test)]
mod tests {
    use super::Affine;

    #[test]
    fn batch_norm_and_composition() {
        let norm = Affine::batch_norm(Some(&[2.0, 1.0]), None, &[1.0, -1.0], &[3.0, 0.0], 1.0);
        assert_eq!(norm, Affine { scale: vec![1.0, 1.0], shift: vec![-1.0, 1.0] });
        let both = norm.then(&Affine { scale: vec![2.0], shift: vec![5.0] });
        assert_eq!(both, Affine { scale: vec![2.0, 2.0], shift: vec![3.0, 7.0] });
        assert!(both.fits(2) && !both.fits(3) && Affine::identity().fits(3));
    }
}
