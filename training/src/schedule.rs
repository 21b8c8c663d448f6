//! The learning rate of each step.

use lacewing_models::recipe::{Schedule, Training};

/// The learning rate of step `step` (from 0) of `steps`: constant, or from the recipe's down to 0 along half a cosine
/// (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
pub(crate) fn learning_rate(training: &Training, step: usize, steps: usize) -> f32 {
    match training.schedule {
        Schedule::Cosine => {
            let done = step as f64 / steps.max(1) as f64;
            (f64::from(training.learning_rate) * 0.5 * (1.0 + (core::f64::consts::PI * done).cos())) as f32
        }
        // `Schedule` is open to additions; a recipe cannot name one that is not listed here.
        _ => training.learning_rate,
    }
}

#[cfg(test)]
mod tests {
    use lacewing_models::recipe::{Schedule, Training};

    use super::learning_rate;

    #[test]
    fn cosine_falls_to_nothing() {
        let training = Training { learning_rate: 0.01, schedule: Schedule::Cosine, ..Training::default() };
        assert_eq!(learning_rate(&training, 0, 100), 0.01);
        assert!((learning_rate(&training, 50, 100) - 0.005).abs() < 1e-8);
        assert!(learning_rate(&training, 99, 100) < 1e-5);
    }

    #[test]
    fn constant_stays() {
        let training = Training { learning_rate: 0.01, schedule: Schedule::Constant, ..Training::default() };
        assert_eq!([0, 50, 99].map(|step| learning_rate(&training, step, 100)), [0.01; 3]);
    }
}
