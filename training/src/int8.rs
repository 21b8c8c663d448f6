//! Training for int8: the forward pass with the rounding of the engine's int8 junctions, and gradients that pass straight through
//! it (Jacob et al., arXiv 1712.05877).
//!
//! ```text
//! once:         ranges of the input and of every junction's outputs, met on some of the training data
//! every batch:  w′ = w in whole steps of its row's largest weight / 127, b′ = b in whole steps of its sums
//!               x′ = x within its range, in 255 steps of it          (input, and outputs behind their activation)
//!               forward with w′, b′ and x′; backward with w′ and x′, the gradient 0 where x lay outside of its range
//!               the gradient by w′ moves w; ranges move a hundredth of the way to those of the batch
//! ```
//!
//! Masked weights are not there, and so stay zero. What the engine computes differs in its sums, which are exact there, and in the
//! second rounding of its rescaling: now and then an output is off by a step.

use lacewing_kernels::{Quantisation, weight_step, weight_steps};
use lacewing_models::Dataset;
use lacewing_models::recipe::Input;

use crate::data;
use crate::network::{Network, Shard};
use crate::parameters::Parameters;

/// How far ranges move to those of a batch.
const PACE: f32 = 0.01;
/// Samples that ranges are met on at the start, evenly over the data.
const SAMPLES: usize = 2_000;

/// The least and the greatest of some values and 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Range {
    pub(crate) low: f32,
    pub(crate) high: f32,
}

impl Range {
    pub(crate) fn of(values: &[f32]) -> Self {
        // Eight at a time: one comparison waits for the one before.
        let (chunks, rest) = values.as_chunks::<8>();
        let (mut low, mut high) = ([0.0f32; 8], [0.0f32; 8]);
        for chunk in chunks {
            low.iter_mut().zip(chunk).for_each(|(low, value)| *low = if *value < *low { *value } else { *low });
            high.iter_mut().zip(chunk).for_each(|(high, value)| *high = if *value > *high { *value } else { *high });
        }
        let ends = low.iter().chain(&high).chain(rest);
        ends.fold(Self::default(), |all, value| all.with(Self { low: *value, high: *value }))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn towards(self, other: Self) -> Self {
        let moved = |from: f32, to: f32| from + PACE * (to - from);
        Self { low: moved(self.low, other.low), high: moved(self.high, other.high) }
    }
}

/// A junction, by its node, that writes nothing a scale can be made of; or numbers beyond all scales.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NoScale {
    /// The input, or outputs, that are always 0.
    Dead(Option<usize>),
    Beyond,
}

/// What numbers int8 stands for: of the network's input, and of every node's outputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scales {
    pub(crate) input: Quantisation,
    pub(crate) outputs: Vec<Quantisation>,
}

/// Where training for int8 stands: the ranges, and the scales made of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ranges {
    pub(crate) outputs: Vec<Range>,
    pub(crate) scales: Scales,
}

impl Ranges {
    /// Those met on some of `dataset`, which is not empty.
    pub(crate) fn met(
        network: &Network,
        input: &Input,
        parameters: &[Parameters],
        dataset: &Dataset,
    ) -> Result<Self, NoScale> {
        let every = dataset.len().div_ceil(SAMPLES);
        let met = data::map_shards(network, parameters, None, (dataset, every), Shard::ranges);
        Self::new(input_scale(input, dataset)?, joined(&met))
    }

    pub(crate) fn new(input: Quantisation, outputs: Vec<Range>) -> Result<Self, NoScale> {
        let scales = outputs.iter().enumerate().map(|(node, range)| spanning(*range, Some(node)));
        Ok(Self { scales: Scales { input, outputs: scales.collect::<Result<_, _>>()? }, outputs })
    }

    /// A hundredth of the way to what the shards of a batch met.
    pub(crate) fn follow(&mut self, shards: &[Shard]) -> Result<(), NoScale> {
        let met: Vec<&[Range]> = shards.iter().map(Shard::met).collect();
        let moved = self.outputs.iter().zip(joined(&met)).map(|(range, batch)| range.towards(batch)).collect();
        *self = Self::new(self.scales.input, moved)?;
        Ok(())
    }
}

fn input_scale(input: &Input, dataset: &Dataset) -> Result<Quantisation, NoScale> {
    let range = Range::of(dataset.values());
    input.quantisation(range.low, range.high).ok_or_else(|| no_scale(range, None))
}

fn spanning(range: Range, node: Option<usize>) -> Result<Quantisation, NoScale> {
    Quantisation::spanning(range.low, range.high).ok_or_else(|| no_scale(range, node))
}

fn no_scale(Range { low, high }: Range, node: Option<usize>) -> NoScale {
    if high - low < 1.0 { NoScale::Dead(node) } else { NoScale::Beyond }
}

/// Ranges of every node, over all shards.
fn joined(shards: &[impl AsRef<[Range]>]) -> Vec<Range> {
    let mut all: Vec<Range> = Vec::new();
    for shard in shards {
        all.resize(shard.as_ref().len(), Range::default());
        all.iter_mut().zip(shard.as_ref()).for_each(|(all, range)| *all = all.with(*range));
    }
    all
}

/// Values as int8 would have them.
pub(crate) fn round(values: &mut [f32], scale: Quantisation) {
    values.iter_mut().for_each(|value| *value = scale.dequantise(scale.quantise(*value)));
}

/// The gradient by values in front of their rounding: that by the rounded ones, but for values that saturated.
pub(crate) fn straight_through(values: &[f32], scale: Quantisation, delta: &mut [f32]) {
    let (low, high) = (scale.dequantise(i8::MIN), scale.dequantise(i8::MAX));
    values
        .iter()
        .zip(delta)
        .for_each(|(value, delta)| *delta = if *value >= low && *value <= high { *delta } else { 0.0 });
}

/// Writes to `rounded` what int8 makes of the parameters.
pub(crate) fn round_parameters(
    network: &Network,
    parameters: &[Parameters],
    scales: &Scales,
    rounded: &mut [Parameters],
) {
    let nodes = network.nodes().iter().zip(parameters).zip(rounded).zip(&scales.outputs);
    for (((node, from), to), output) in nodes {
        let input = node.source.map_or(scales.input, |source| scales.outputs[source]);
        for (at, (bias, rounded)) in from.biases.iter().zip(&mut to.biases).enumerate() {
            let row = || node.junction.edges_of(at).map(|(_, place)| place);
            let step = weight_step(row().map(|place| &from.weights[place]));
            // As the converter has it: a row of zeros rescales by 1.
            let step = if step > 0.0 { step } else { f64::from(output.scale) / f64::from(input.scale) };
            row().for_each(|place| to.weights[place] = (weight_steps(from.weights[place], step) * step) as f32);
            let step = step * f64::from(input.scale);
            *rounded = ((f64::from(*bias) / step).round() * step) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use lacewing_kernels::Quantisation;

    use super::{NoScale, Range, Ranges, round, straight_through};

    const HALVES: Quantisation = Quantisation { scale: 0.5, zero: -126 };

    #[test]
    fn values_saturate_and_their_gradients_stop() {
        let values = [-3.0, -1.0, -0.3, 0.2, 0.3, 126.5, 126.6, 9e9];
        let (mut rounded, mut delta) = (values, [2.0; 8]);
        round(&mut rounded, HALVES);
        assert_eq!(rounded, [-1.0, -1.0, -0.5, 0.0, 0.5, 126.5, 126.5, 126.5]);
        straight_through(&values, HALVES, &mut delta);
        assert_eq!(delta, [0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0]);
    }

    #[test]
    fn ranges_are_met_wherever_they_are() {
        for at in 0..19 {
            let mut values = [0.5; 19];
            (values[at], values[18 - at]) = (-2.0, 7.0);
            let range = Range::of(&values);
            assert_eq!((range.low, range.high), (if at == 9 { 0.0 } else { -2.0 }, 7.0), "{at}");
        }
        assert_eq!(Range::of(&[]), Range::default());
    }

    #[test]
    fn what_makes_no_scale_says_why() {
        let refused =
            |low, high| Ranges::new(HALVES, vec![Range { low: 0.0, high: 1.0 }, Range { low, high }]).unwrap_err();
        assert_eq!(refused(0.0, 0.0), NoScale::Dead(Some(1)));
        assert_eq!(refused(0.0, f32::INFINITY), NoScale::Beyond);
        assert_eq!(refused(f32::MIN, f32::MAX), NoScale::Beyond);
    }
}
