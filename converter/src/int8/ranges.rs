//! What numbers go through a network: the quantisation of its input and of every junction's output.

use lacewing_engine::Quantisation;
use lacewing_models::Dataset;
use rayon::prelude::*;

use super::Int8Error;
use crate::network::{Network, TrainedJunction};

/// Samples that calibration takes, evenly over the data.
const SAMPLES: usize = 2_000;
/// The share of values that percentile calibration lets saturate.
const SATURATED: f64 = 1e-4;
/// Ranges that mean-square-error calibration tries, from the whole one down to 1 − TRIES · 2 %.
const TRIES: usize = 25;
/// A logit so far below the largest, in temperatures, has a probability of 6 in a million at most: what it is exactly is not told apart.
const FAR_BELOW: f32 = 12.0;

/// How a range is chosen from the values met on calibration data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calibration {
    /// From the least value to the greatest.
    #[default]
    MinMax,
    /// All but one of 10,000 values; the others saturate.
    Percentile,
    /// The range, within that of min-max, with the least mean square error of the quantised values; of logits without those that are
    /// far below the largest of every sample. And weights in steps of the least mean square error of the sums, instead of a 127th of the
    /// output's largest weight.
    Mse,
}

/// Quantisations of a network's numbers.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    pub input: Quantisation,
    /// In the order of [`Network::junctions`].
    pub outputs: Vec<Quantisation>,
    /// Mean square of each input of each junction, in the same order; none where weights have the steps of their largest.
    pub energies: Vec<Vec<f64>>,
}

impl Ranges {
    pub fn of(network: &Network, data: &Dataset, calibration: Calibration) -> Result<Self, Int8Error> {
        check(network, data)?;
        let step = data.len().div_ceil(SAMPLES);
        let samples: Vec<&[f32]> = (0..data.len()).step_by(step).map(|at| data.sample(at)).collect();
        let traces: Vec<Vec<Vec<f32>>> = samples.par_iter().map(|sample| trace(network, sample)).collect();
        let input = input_quantisation(network, data)?;
        let by_error = calibration == Calibration::Mse;
        let places = places(network);
        let outputs = network.junctions().zip(&places).enumerate().map(|(at, (junction, place))| {
            let of_samples = || traces.iter().filter_map(|trace| trace.get(at));
            let mut values: Vec<f32> = of_samples().flatten().copied().collect();
            if let Some(temperature) = place.logits.filter(|_| by_error) {
                let largest = |logits: &Vec<f32>| logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
                let least = of_samples().map(largest).fold(f32::INFINITY, f32::min) - FAR_BELOW * temperature;
                values.iter_mut().for_each(|value| *value = value.max(least));
            }
            quantisation(&mut values, calibration, &junction.id.to_string())
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        let energy = |place: &Place| {
            let inputs = samples.iter().zip(&traces).map(|(sample, trace)| match place.reads {
                Some(at) => trace.get(at).map_or(&[][..], Vec::as_slice),
                None => sample,
            });
            mean_squares(inputs)
        };
        let energies = if by_error { places.iter().map(energy).collect() } else { Vec::new() };
        Ok(Self { input, outputs, energies })
    }
}

/// Where a junction stands.
struct Place {
    /// The junction whose outputs it reads; `None` of the network's input.
    reads: Option<usize>,
    /// The temperature of the exit whose logits it writes.
    logits: Option<f32>,
}

/// In the order of [`Network::junctions`].
fn places(network: &Network) -> Vec<Place> {
    let mut all: Vec<Place> = Vec::new();
    let mut trunk = None;
    for after in 1..=network.trunk.len() {
        let logits = (after == network.trunk.len()).then_some(1.0);
        all.push(Place { reads: trunk, logits });
        trunk = Some(all.len() - 1);
        for exit in network.exits.iter().filter(|exit| exit.after == after) {
            for junction in 1..=exit.branch.len() {
                let reads = if junction == 1 { trunk } else { Some(all.len() - 1) };
                all.push(Place { reads, logits: (junction == exit.branch.len()).then_some(exit.temperature) });
            }
        }
    }
    all
}

fn mean_squares<'v>(samples: impl Iterator<Item = &'v [f32]>) -> Vec<f64> {
    let (mut sums, mut count) = (Vec::new(), 0usize);
    for values in samples {
        sums.resize(values.len(), 0.0);
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value).powi(2));
        count += 1;
    }
    sums.into_iter().map(|sum| sum / count.max(1) as f64).collect()
}

fn check(network: &Network, data: &Dataset) -> Result<(), Int8Error> {
    if data.is_empty() {
        return Err(Int8Error::Empty);
    }
    let (needed, found) = (network.input.width, data.width());
    if needed != found {
        return Err(Int8Error::Width { needed, found });
    }
    if let Some(at) = data.values().iter().position(|value| !value.is_finite()) {
        return Err(Int8Error::NotFinite(at / found));
    }
    if data.iter().all(|(sample, _)| sample == data.sample(0)) {
        return Err(Int8Error::Constant);
    }
    Ok(())
}

fn input_quantisation(network: &Network, data: &Dataset) -> Result<Quantisation, Int8Error> {
    let (low, high) = ends(data.values());
    let no_scale = || Int8Error::NoScale { place: "the input".to_owned(), low, high };
    network.input.quantisation(low, high).ok_or_else(no_scale)
}

fn ends(values: &[f32]) -> (f32, f32) {
    values.iter().fold((0.0, 0.0), |(low, high): (f32, f32), value| (low.min(*value), high.max(*value)))
}

/// The quantisation of −128..=127 onto a range, 0 in it and met exactly.
fn within(low: f32, high: f32, place: &str) -> Result<Quantisation, Int8Error> {
    Quantisation::spanning(low, high).ok_or_else(|| Int8Error::NoScale { place: place.to_owned(), low, high })
}

fn quantisation(values: &mut [f32], calibration: Calibration, place: &str) -> Result<Quantisation, Int8Error> {
    let (low, high) = ends(values);
    match calibration {
        Calibration::MinMax => within(low, high, place),
        Calibration::Percentile => {
            values.sort_unstable_by(f32::total_cmp);
            let beyond = (values.len() as f64 * SATURATED / 2.0) as usize;
            let at = |k: usize| values.get(k).copied().unwrap_or(0.0);
            let (low, high) = (at(beyond).min(0.0), at(values.len().saturating_sub(1 + beyond)).max(0.0));
            within(low, high, place)
        }
        Calibration::Mse => {
            let tried = (0..TRIES).map(|k| {
                let share = 1.0 - 0.02 * k as f32;
                let quantisation = within(low * share, high * share, place)?;
                let error =
                    |value: &f32| f64::from(quantisation.dequantise(quantisation.quantise(*value)) - value).powi(2);
                Ok((values.iter().map(error).sum::<f64>(), quantisation))
            });
            let tried = tried.collect::<Result<Vec<_>, Int8Error>>()?;
            let best = tried.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
            best.map_or_else(|| within(low, high, place), |(_, quantisation)| Ok(quantisation))
        }
    }
}

/// The outputs of every junction, in the order of [`Network::junctions`].
fn trace(network: &Network, sample: &[f32]) -> Vec<Vec<f32>> {
    let mut outputs: Vec<Vec<f32>> = Vec::new();
    let mut trunk = sample.to_vec();
    for (after, junction) in (1..).zip(&network.trunk) {
        trunk = run(junction, &trunk);
        outputs.push(trunk.clone());
        for exit in network.exits.iter().filter(|exit| exit.after == after) {
            let mut values = trunk.clone();
            for junction in &exit.branch {
                values = run(junction, &values);
                outputs.push(values.clone());
            }
        }
    }
    outputs
}

fn run(junction: &TrainedJunction, x: &[f32]) -> Vec<f32> {
    let mut biases = junction.bias.iter();
    let rows = junction.edges.rows().map(|(inputs, weights)| {
        let terms = inputs.iter().zip(weights).map(|(at, w)| x.get(usize::from(*at)).map_or(0.0, |x| x * w));
        junction.activation.of(biases.next().copied().unwrap_or(0.0) + terms.sum::<f32>())
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::{Int8Error, within};

    #[test]
    fn scales_that_no_packet_takes_are_refused() {
        let scale = within(-1e38, 2e38, "here").expect("the largest numbers stand for finite ones");
        assert!([-128, 127].iter().all(|q| scale.dequantise(*q).is_finite()));
        for (low, high) in [(0.0, f32::MAX), (f32::MIN, f32::MAX), (0.0, f32::MIN_POSITIVE)] {
            let refused = within(low, high, "here").map(|_| ());
            assert!(matches!(refused, Err(Int8Error::NoScale { .. })), "{low} to {high}");
        }
    }
}
