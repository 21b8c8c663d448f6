//! Threshold vectors in an order from strict to lax.

use lacewing_engine::Metric;

use super::observe::Observation;

/// Vectors of the paths that thresholds are chosen from: each takes a hundredth of the samples more than the one before it.
pub const STEPS: usize = 100;

/// A sequence of threshold vectors, one threshold an exit.
#[derive(Clone, Debug)]
pub(super) struct Path {
    metric: Metric,
    /// As sureness: the more the surer, whichever the metric.
    vectors: Vec<Vec<f32>>,
}

/// What a vector's exits take of some samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// Samples in all.
    pub(super) samples: usize,
    /// Of these, taken.
    pub(super) taken: usize,
    /// Of those taken, the ones that the full network puts into another class.
    pub(super) disagreements: usize,
    /// Of the final answers, with the exits.
    pub(super) accuracy: f64,
    /// Taken and disagreements of each exit.
    pub(super) by_exit: Vec<(usize, usize)>,
}

impl Taken {
    pub(super) fn rate(&self) -> f64 {
        self.taken as f64 / self.samples.max(1) as f64
    }
}

impl Path {
    /// The quantiles of the exits' sureness on `samples`.
    pub(super) fn over(metric: Metric, samples: &[&Observation]) -> Self {
        Self::in_steps(metric, samples, STEPS)
    }

    pub(super) fn in_steps(metric: Metric, samples: &[&Observation], steps: usize) -> Self {
        let exits = samples.first().map_or(0, |o| o.exits.len());
        let descending = |exit: usize| {
            let of = |o: &&Observation| o.exits.get(exit)?.sureness(metric);
            let mut sureness: Vec<f32> = samples.iter().filter_map(of).collect();
            sureness.sort_by(|a, b| b.total_cmp(a));
            sureness
        };
        let sorted: Vec<Vec<f32>> = (0..exits).map(descending).collect();
        let vector = |step: usize| {
            let quantile = |sureness: &Vec<f32>| {
                let rank = (step * sureness.len()).div_ceil(steps).max(1);
                sureness.get(rank - 1).copied().unwrap_or(f32::MAX)
            };
            sorted.iter().map(quantile).collect()
        };
        let mut vectors: Vec<Vec<f32>> = (1..=steps).map(vector).collect();
        vectors.dedup();
        Self { metric, vectors }
    }

    /// One vector alone, in the metric's unit.
    pub(super) fn of(metric: Metric, thresholds: &[f32]) -> Self {
        let sureness = |threshold: &f32| if metric == Metric::Entropy { -threshold } else { *threshold };
        Self { metric, vectors: vec![thresholds.iter().map(sureness).collect()] }
    }

    pub(super) const fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) const fn len(&self) -> usize {
        self.vectors.len()
    }

    /// In the metric's unit.
    pub(super) fn thresholds(&self, at: usize) -> Vec<f32> {
        let vector = self.vectors.get(at).map(Vec::as_slice).unwrap_or_default();
        vector.iter().map(|sureness| if self.metric == Metric::Entropy { -sureness } else { *sureness }).collect()
    }

    /// The exit that takes a sample.
    pub(super) fn exit_of(&self, at: usize, o: &Observation) -> Option<usize> {
        let vector = self.vectors.get(at)?;
        let sure =
            |(said, least): (&super::observe::Said, &f32)| said.sureness(self.metric).is_some_and(|s| s >= *least);
        o.exits.iter().zip(vector).position(sure)
    }

    pub(super) fn taken(&self, at: usize, samples: &[&Observation]) -> Taken {
        let exits = self.vectors.first().map_or(0, Vec::len);
        let mut taken = Taken { samples: samples.len(), by_exit: vec![(0, 0); exits], ..Taken::default() };
        let mut right = 0;
        for o in samples {
            let exit = self.exit_of(at, o);
            let said = exit.and_then(|exit| o.exits.get(exit));
            right += usize::from(usize::from(said.map_or(o.full, |said| said.class)) == o.label);
            let (Some(said), Some(counts)) = (said, exit.and_then(|exit| taken.by_exit.get_mut(exit))) else {
                continue;
            };
            let unlike = usize::from(said.class != o.full);
            (counts.0, counts.1) = (counts.0 + 1, counts.1 + unlike);
            (taken.taken, taken.disagreements) = (taken.taken + 1, taken.disagreements + unlike);
        }
        taken.accuracy = right as f64 / samples.len().max(1) as f64;
        taken
    }

    /// The vector with the least p-value.
    pub(super) fn most_evident(&self, p_value: impl Fn(usize) -> f64) -> usize {
        let best = (0..self.len()).map(|at| (at, p_value(at))).min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(0, |(at, _)| at)
    }
}
