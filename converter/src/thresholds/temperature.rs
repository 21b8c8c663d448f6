//! The temperature of an exit: the one under which its probabilities fit the labels best (Guo et al., ICML 2017).

/// Bounds of the search; where the likelihood has no maximum (every sample right), one of them is the answer.
const LEAST: f64 = 0.05;
const MOST: f64 = 20.0;
/// Halvings by the golden ratio: the last interval is below 10⁻⁶ of the first.
const STEPS: usize = 32;

/// The temperature that minimises the mean negative log-likelihood of `samples`, each logits and a label; those with a logit
/// that is not finite do not count. 1 where none is left.
pub(super) fn fit<'s>(samples: impl Iterator<Item = (&'s [f32], usize)> + Clone) -> f32 {
    let finite = samples.filter(|(logits, _)| logits.iter().all(|logit| logit.is_finite()));
    if finite.clone().next().is_none() {
        return 1.0;
    }
    let loss = |log: f64| finite.clone().map(|(logits, label)| loss_of(logits, label, log.exp())).sum::<f64>();
    // In the logarithm; the loss is convex in 1 / T, so it has one minimum.
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (LEAST.ln(), MOST.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut loss_a, mut loss_b) = (loss(a), loss(b));
    for _ in 0..STEPS {
        if loss_a <= loss_b {
            (high, b, loss_b) = (b, a, loss_a);
            a = high - golden * (high - low);
            loss_a = loss(a);
        } else {
            (low, a, loss_a) = (a, b, loss_b);
            b = low + golden * (high - low);
            loss_b = loss(b);
        }
    }
    (0.5 * (low + high)).exp() as f32
}

fn loss_of(logits: &[f32], label: usize, temperature: f64) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scaled = |logit: f32| f64::from(logit - top) / temperature;
    let sum: f64 = logits.iter().map(|logit| scaled(*logit).exp()).sum();
    sum.ln() - logits.get(label).map_or(f64::NEG_INFINITY, |logit| scaled(*logit))
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn finds_the_temperature_that_labels_were_drawn_with() {
        // Two classes, margin m: the right one has probability 1 / (1 + e^(−m/T)). With margins of 2 and a share of 0.7310586
        // right ones (that is, 1 / (1 + e^−1)), T is 2.
        let right = [2.0f32, 0.0];
        let samples: Vec<(&[f32], usize)> = (0..100_000).map(|k| (&right[..], usize::from(k >= 73_106))).collect();
        assert!((fit(samples.into_iter()) - 2.0).abs() < 1e-3);
    }

    #[test]
    fn is_within_bounds_whatever_comes() {
        assert_eq!(fit(core::iter::empty()), 1.0);
        let nan = [f32::NAN, 0.0];
        assert_eq!(fit([(&nan[..], 0)].into_iter()), 1.0);
        let sure = [9.0f32, 0.0];
        let temperature = fit([(&sure[..], 0)].into_iter());
        assert!((0.04..=20.1).contains(&temperature), "{temperature}");
    }
}
