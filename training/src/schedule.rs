//! The learning rate of each step.

use lacewing_models::recipe::Schedule;

/// The learning rate of step `step` (from 0) of `steps`: constant, or from the first down to 0 along half a cosine
/// (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
pub(crate) fn learning_rate(schedule: Schedule, first: f32, step: usize, steps: usize) -> f32 {
    match schedule {
        Schedule::Cosine => {
            let done = step as f64 / steps.max(1) as f64;
            (f64::from(first) * 0.5 * (1.0 + (core::f64::consts::PI * done).cos())) as f32
        }
        // `Schedule` is open to additions; a recipe cannot name one that is not listed here.
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use lacewing_models::recipe::Schedule;

    use super::learning_rate;

    #[test]
    fn cosine_falls_to_nothing() {
        let of = |step| learning_rate(Schedule::Cosine, 0.01, step, 100);
        assert_eq!(of(0), 0.01);
        assert!((of(50) - 0.005).abs() < 1e-8);
        assert!(of(99) < 1e-5);
    }

    #[test]
    fn constant_stays() {
        assert_eq!([0, 50, 99].map(|step| learning_rate(Schedule::Constant, 0.01, step, 100)), [0.01; 3]);
    }
}
