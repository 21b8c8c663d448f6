//! Timing in rounds: in each round every contender runs once, so that what the machine does besides hits all alike.

use core::time::Duration;
use std::time::Instant;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds; the tables give medians over them.
    pub rounds: usize,
    /// What one run of a contender in a round lasts at least, by repeating the call.
    pub run: Duration,
}

impl Effort {
    /// What the recorded figures use.
    pub const RECORD: Self = Self { rounds: 61, run: Duration::from_micros(150) };
    /// A quarter of that.
    pub const QUICK: Self = Self { rounds: 15, ..Self::RECORD };
    /// One round of one call: the benches as tests.
    pub const TEST: Self = Self { rounds: 1, run: Duration::ZERO };
}

/// Nanoseconds a call, by contender and round.
#[derive(Clone, Debug)]
pub struct Times(Vec<Vec<f64>>);

/// Measures all `contenders` side by side.
pub fn interleaved(contenders: &mut [&mut dyn FnMut()], effort: Effort) -> Times {
    let repeats: Vec<u32> = contenders.iter_mut().map(|call| repeats(*call, effort.run)).collect();
    let mut times = vec![Vec::with_capacity(effort.rounds); contenders.len()];
    for _ in 0..effort.rounds {
        for ((call, repeats), times) in contenders.iter_mut().zip(&repeats).zip(&mut times) {
            // Another contender's data is in the caches now, and of several megabytes the first few calls still come from far: whoever
            // ran second on the same weights would win.
            for _ in 0..*repeats {
                call();
            }
            let start = Instant::now();
            for _ in 0..*repeats {
                call();
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(*repeats));
        }
    }
    Times(times)
}

/// How many calls take `run`, found by doubling.
fn repeats(call: &mut dyn FnMut(), run: Duration) -> u32 {
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        for _ in 0..repeats {
            call();
        }
        if start.elapsed() >= run || repeats >= 1 << 24 {
            return repeats;
        }
        repeats *= 2;
    }
}

impl Times {
    /// Median time of a contender, ns.
    #[must_use]
    pub fn median(&self, contender: usize) -> f64 {
        median(self.0.get(contender).cloned().unwrap_or_default())
    }

    /// Shortest time of a contender, ns.
    #[must_use]
    pub fn least(&self, contender: usize) -> f64 {
        self.0.get(contender).map_or(f64::NAN, |times| times.iter().copied().fold(f64::INFINITY, f64::min))
    }

    /// The one of `contenders` with the smallest median.
    #[must_use]
    pub fn fastest(&self, contenders: core::ops::Range<usize>) -> Option<usize> {
        contenders.min_by(|a, b| self.median(*a).total_cmp(&self.median(*b)))
    }

    /// Median over rounds of `baseline` / `contender`: how many times faster the contender is.
    #[must_use]
    pub fn ratio(&self, baseline: usize, contender: usize) -> f64 {
        match (self.0.get(baseline), self.0.get(contender)) {
            (Some(baseline), Some(contender)) => median(baseline.iter().zip(contender).map(|(b, c)| b / c).collect()),
            _ => f64::NAN,
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine is ten times slower in the second round: the ratio stays.
        let times = Times(vec![vec![8.0, 80.0, 8.0], vec![2.0, 20.0, 2.0], vec![9.0, 9.0, 9.0]]);
        assert_eq!((times.ratio(0, 1), times.median(0), times.least(2)), (4.0, 8.0, 9.0));
        assert_eq!((times.fastest(0..3), times.fastest(2..3), times.fastest(0..0)), (Some(1), Some(2), None));
    }

    #[test]
    fn every_contender_runs_in_every_round() {
        let (mut a, mut b) = (0, 0);
        let times = interleaved(&mut [&mut || a += 1, &mut || b += 1], Effort { rounds: 3, run: Duration::ZERO });
        assert!(times.least(1) >= 0.0);
        // One to find the repeats, then as many to warm up as to measure in each round.
        assert_eq!((a, b), (7, 7));
    }
}
