//! How many inputs of each junction are zero, measured on data: what input-major packings save.

use core::fmt;

use lacewing_models::Dataset;
use rayon::prelude::*;
use serde::Serialize;

use crate::network::Network;
use crate::reference;

/// Samples looked at, at most.
const SAMPLES: usize = 1000;

/// The share of a junction's inputs that are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct NonzeroInputs {
    /// On average over the samples.
    pub mean: f64,
    /// In the worst sample.
    pub worst: f64,
    /// Samples.
    pub samples: usize,
}

impl fmt::Display for NonzeroInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} % of the inputs are not zero on average over {} samples, {:.0} % at worst",
            100.0 * self.mean,
            self.samples,
            100.0 * self.worst
        )
    }
}

/// Runs the first samples of `data`, whose width must be the network's, and counts; one entry for each of
/// [`Network::junctions`]. Empty where there are no samples.
#[must_use]
pub fn nonzero_inputs(network: &Network, data: &Dataset) -> Vec<NonzeroInputs> {
    let samples = data.len().min(SAMPLES);
    if samples == 0 || data.width() != network.input.width {
        return Vec::new();
    }
    let widths: Vec<usize> = network.junctions().map(|junction| junction.edges.n_in().max(1)).collect();
    let counts: Vec<Vec<usize>> =
        (0..samples).into_par_iter().map(|at| reference::nonzero_inputs(network, data.sample(at))).collect();
    let of_junction = |(junction, width): (usize, &usize)| {
        let here = counts.iter().filter_map(|counts| counts.get(junction)).copied();
        let total: usize = here.clone().sum();
        NonzeroInputs {
            mean: total as f64 / (samples * width) as f64,
            worst: here.max().unwrap_or(0) as f64 / *width as f64,
            samples,
        }
    };
    widths.iter().enumerate().map(of_junction).collect()
}
