//! How many mistakes may be seen before a promise fails: exact binomial bounds, and a sequence of tests.

use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF};

/// The probability of at most `mistakes` among `samples` where each is a mistake with probability `risk`: the p-value of the
/// hypothesis that the risk is at least `risk` (Clopper and Pearson, Biometrika 1934). 1 where there are no samples.
pub(super) fn p_value(mistakes: usize, samples: usize, risk: f64) -> f64 {
    match Binomial::new(risk, samples as u64) {
        Ok(binomial) if samples > 0 => binomial.cdf(mistakes as u64),
        _ => 1.0,
    }
}

/// The risk that is exceeded with probability 1 − `confidence` at most, given what was seen: the upper end of the one-sided
/// Clopper-Pearson interval.
pub(super) fn upper_bound(mistakes: usize, samples: usize, confidence: f64) -> f64 {
    if samples == 0 || mistakes >= samples {
        return 1.0;
    }
    Beta::new(mistakes as f64 + 1.0, (samples - mistakes) as f64).map_or(1.0, |beta| beta.inverse_cdf(confidence))
}

/// The fewest samples without a mistake that show a risk below `risk` with `confidence`.
pub(super) fn fewest_samples(risk: f64, confidence: f64) -> usize {
    ((1.0 - confidence).ln() / (1.0 - risk).ln()).ceil().max(1.0) as usize
}

/// How many times as many samples, with the same share of mistakes, show a risk below `risk` with `confidence`, about; `None`
/// where the share is not below it, and where it takes more than a million times as many.
pub(super) fn enough_samples(mistakes: usize, samples: usize, risk: f64, confidence: f64) -> Option<f64> {
    const STEP: f64 = 1.05;
    const MOST: f64 = 1e6;
    if samples == 0 || mistakes as f64 >= risk * samples as f64 {
        return None;
    }
    let shown = |times: f64| {
        let mistakes = (mistakes as f64 * times).ceil() as usize;
        p_value(mistakes, (samples as f64 * times) as usize, risk) <= 1.0 - confidence
    };
    core::iter::successors(Some(1.0), |times| Some(times * STEP))
        .take_while(|times| *times < MOST)
        .find(|times| shown(*times))
}

#[cfg(test)]
mod tests {
    use super::{enough_samples, fewest_samples, p_value, upper_bound};

    #[test]
    fn more_samples_of_the_same_share_show_it() {
        // 0 of 100 is not enough for 1 % at 95 %, 299 are; 1 of 100 is no less than 1 %.
        let times = enough_samples(0, 100, 0.01, 0.95).expect("it is below");
        assert!((2.99..3.2).contains(&times), "{times}");
        assert_eq!((enough_samples(1, 100, 0.01, 0.95), enough_samples(0, 0, 0.01, 0.95)), (None, None));
        assert_eq!(enough_samples(0, 299, 0.01, 0.95), Some(1.0));
        let times = enough_samples(8, 1000, 0.01, 0.95).expect("it is below");
        let (mistakes, samples) = ((8.0 * times).ceil() as usize, (1000.0 * times) as usize);
        assert!(times > 3.0 && upper_bound(mistakes, samples, 0.95) <= 0.01, "{times}");
    }

    #[test]
    fn bounds_are_those_of_the_tables() {
        // The rule of three, and tabulated Clopper-Pearson limits (one-sided 95 %).
        assert_eq!(fewest_samples(0.01, 0.95), 299);
        assert!((upper_bound(0, 299, 0.95) - 0.009_97).abs() < 1e-4);
        assert!((upper_bound(3, 20, 0.95) - 0.344).abs() < 1e-3);
        assert!((upper_bound(10, 100, 0.975) - 0.1762).abs() < 1e-3);
        assert_eq!((upper_bound(5, 5, 0.9), upper_bound(0, 0, 0.9), p_value(0, 0, 0.1)), (1.0, 1.0, 1.0));
    }

    #[test]
    fn bound_and_p_value_agree() {
        for (mistakes, samples) in [(0, 50), (2, 400), (17, 3000)] {
            for confidence in [0.9, 0.95, 0.99] {
                let bound = upper_bound(mistakes, samples, confidence);
                assert!((p_value(mistakes, samples, bound) - (1.0 - confidence)).abs() < 1e-6);
            }
        }
    }
}
