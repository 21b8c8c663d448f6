//! Softmax cross-entropy of one exit over a shard.

use lacewing_kernels::math;

/// Writes `weight / batch · (softmax(logits) − one-hot(label))` to `delta` and returns the *sum* of the samples'
/// cross-entropies. `logits` and `delta` are `classes × width`; samples beyond `labels.len()` are padding and get nothing.
pub(crate) fn cross_entropy(
    logits: &[f32],
    labels: &[u16],
    width: usize,
    weight: f32,
    batch: usize,
    delta: &mut [f32],
) -> f64 {
    let scale = weight / batch as f32;
    let mut total = 0.0;
    for (sample, &label) in labels.iter().enumerate() {
        let column = || logits.iter().skip(sample).step_by(width);
        let largest = column().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let mut sum = 0.0;
        for (&logit, delta) in column().zip(delta.iter_mut().skip(sample).step_by(width)) {
            *delta = math::exp(logit - largest);
            sum += *delta;
        }
        for (class, (&logit, delta)) in column().zip(delta.iter_mut().skip(sample).step_by(width)).enumerate() {
            let target = if class == usize::from(label) {
                total += f64::from(math::ln(sum)) - f64::from(logit - largest);
                1.0
            } else {
                0.0
            };
            *delta = scale * (*delta / sum - target);
        }
    }
    total
}

/// The class with the largest logit of each sample, the lowest such class on a tie; a NaN is never the largest.
pub(crate) fn classes(logits: &[f32], width: usize, samples: usize) -> impl Iterator<Item = usize> {
    (0..samples).map(move |sample| {
        let column = logits.iter().skip(sample).step_by(width).enumerate();
        column.fold((0, f32::NEG_INFINITY), |best, (c, &v)| if v > best.1 { (c, v) } else { best }).0
    })
}
