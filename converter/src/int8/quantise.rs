//! One junction's numbers in int8.

use lacewing_engine::Quantisation;
use lacewing_kernels::{Activation, ROUND_ONCE, SHIFTS, weight_step, weight_steps};

use super::packer::Packer;
use super::{Int8Error, JunctionGoal};
use crate::edges::{Edges, EdgesBuilder};
use crate::find::Structure;
use crate::network::TrainedJunction;
use crate::pack::PackedInt8;
use crate::plan::{Goal, PlannedJunction};

/// Biases lie within ± this, by FORMAT.md.
const MAX_BIAS: f64 = (1u32 << 30) as f64;

/// How often a sum is rounded on its way to an output: see [`lacewing_kernels::requantise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// After the multiplication and after the division, the fastest on most targets.
    #[default]
    Twice,
    /// The exact product.
    Once,
}

/// A positive real factor as a Q31 multiplier, 2³⁰ to 2³¹ − 1, and a shift: what TensorFlow Lite makes of it. Factors too small
/// for a shift are 0; `None` above 2³⁰, for 0, negative, infinite and NaN.
#[must_use]
pub fn quantised_multiplier(factor: f64) -> Option<(i32, i8)> {
    if !factor.is_normal() || factor < 0.0 {
        return None;
    }
    // factor = fraction · 2^exponent, fraction in ½..1.
    let bits = factor.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1022;
    let fraction = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000);
    let mut multiplier = (fraction * f64::from(1u32 << 31)).round() as i64;
    if multiplier == 1 << 31 {
        multiplier /= 2;
        exponent += 1;
    }
    match i8::try_from(exponent) {
        Ok(shift) if SHIFTS.contains(&shift) => i32::try_from(multiplier).ok().map(|multiplier| (multiplier, shift)),
        _ if exponent < 0 => Some((0, 0)),
        _ => None,
    }
}

/// Quantises and packs a junction that reads `input`, whose numbers have the mean squares `energy` where that matters, and writes
/// `output`.
pub(super) fn plan(
    junction: &TrainedJunction,
    (input, energy): (Quantisation, Option<&[f64]>),
    output: Quantisation,
    goal: JunctionGoal<'_>,
) -> Result<PlannedJunction, Int8Error> {
    let TrainedJunction { id, edges, bias, .. } = junction;
    let mut whole = EdgesBuilder::new(u16::try_from(edges.n_in()).unwrap_or(u16::MAX));
    let mut numbers = Numbers::default();
    let mut given = bias.iter();
    for (at, (inputs, weights)) in edges.rows().enumerate() {
        let scale = match energy {
            Some(energy) => least_error_scale(inputs, weights, energy),
            None => weight_step(weights),
        };
        // A row of zeros may have any scale: one that rescales by 1.
        let scale = if scale > 0.0 { scale } else { f64::from(output.scale) / f64::from(input.scale) };
        let bias = f64::from(given.next().copied().unwrap_or(0.0));
        let scale = coarse_enough(scale, bias, inputs.len(), input, output)
            .ok_or(Int8Error::Overflow { junction: *id, output: at })?;
        let mut sum = 0.0;
        for (input, weight) in inputs.iter().zip(weights) {
            let q = weight_steps(*weight, scale);
            sum += q;
            whole.push(*input, q as f32);
        }
        whole.end_row();
        let step = f64::from(input.scale) * scale;
        let bias = (bias / step).round() - f64::from(input.zero) * sum;
        numbers.push_bias(bias).ok_or(Int8Error::Overflow { junction: *id, output: at })?;
        let factor = step / f64::from(output.scale);
        numbers.push_factor(factor, Rounding::Twice).ok_or(Int8Error::Rescale { junction: *id, output: at })?;
    }
    let whole = whole.finished().map_err(|error| Int8Error::Pack { junction: *id, error: error.into() })?;
    Quantised { junction, whole, numbers, input, output }.packed(goal)
}

/// Scales that are tried for a row, from that of its largest weight down to 1 / SCALES of it.
const SCALES: usize = 50;

/// The scale of a row's weights, `energy` the mean squares of the junction's inputs, under which the row's sum has the least mean
/// square error, inputs taken for independent: weights of inputs that are zero, or nearly, may saturate. Of equals the largest, which is
/// that of the largest weight where all inputs are zero.
fn least_error_scale(inputs: &[u16], weights: &[f32], energy: &[f64]) -> f64 {
    let of = |input: &u16| energy.get(usize::from(*input)).copied().unwrap_or(0.0);
    let error = |scale: &f64| {
        let terms = inputs
            .iter()
            .zip(weights)
            .map(|(input, weight)| of(input) * (f64::from(*weight) - weight_steps(*weight, *scale) * scale).powi(2));
        terms.sum::<f64>()
    };
    let top = weight_step(weights);
    // The largest weight of an input that is not always zero: nothing saturates that matters.
    let met = inputs.iter().zip(weights).filter(|(input, _)| of(input) > 0.0).map(|(_, weight)| weight);
    let tried = (0..SCALES).map(|k| top * (1.0 - k as f64 / SCALES as f64)).chain([weight_step(met)]);
    let tried = tried.filter(|scale| *scale > 0.0).map(|scale| (error(&scale), scale));
    tried.fold((f64::INFINITY, top), |best, this| if this.0 < best.0 { this } else { best }).1
}

/// The weights' scale, or a larger one under which the bias, in steps of input and weights, leaves room for `edges` products.
/// `None` where weights that coarse would move the output by half a step.
fn coarse_enough(scale: f64, bias: f64, edges: usize, input: Quantisation, output: Quantisation) -> Option<f64> {
    const HIGHEST: f64 = 127.0 * 128.0;
    let room = MAX_BIAS - HIGHEST * edges as f64;
    let least = bias.abs() / (f64::from(input.scale) * room);
    if least <= scale {
        return Some(scale);
    }
    // Each weight is off by half a step, each input at most 255 steps of its own.
    let moved = 0.5 * 255.0 * edges as f64 * least * f64::from(input.scale) / f64::from(output.scale);
    (room > 0.0 && moved < 0.5).then_some(least)
}

/// Biases, multipliers and shifts of a junction's outputs.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    biases: Vec<i32>,
    multipliers: Vec<u8>,
    shifts: Vec<u8>,
}

impl Numbers {
    /// A bias, the input's zero point folded in; `None` where it is NaN or its sum could overflow.
    pub fn push_bias(&mut self, bias: f64) -> Option<()> {
        let fits = bias.abs() <= MAX_BIAS;
        fits.then(|| self.biases.push(bias as i32))
    }

    /// The factor from sums to outputs; `None` where it is none.
    pub fn push_factor(&mut self, factor: f64, rounding: Rounding) -> Option<()> {
        let (multiplier, shift) = quantised_multiplier(factor)?;
        let shift = if rounding == Rounding::Once { shift + ROUND_ONCE } else { shift };
        self.multipliers.extend(multiplier.to_le_bytes());
        self.shifts.push(shift as u8);
        Some(())
    }
}

/// A junction and its integers.
pub(super) struct Quantised<'j> {
    pub junction: &'j TrainedJunction,
    /// Its weights as whole numbers.
    pub whole: Edges,
    pub numbers: Numbers,
    pub input: Quantisation,
    pub output: Quantisation,
}

impl Quantised<'_> {
    pub fn packed(self, goal: JunctionGoal<'_>) -> Result<PlannedJunction, Int8Error> {
        let TrainedJunction { id, edges, activation, .. } = self.junction;
        let clamp = clamp(*activation, self.output)
            .ok_or(Int8Error::Activation { junction: *id, activation: crate::inspect::activation_name(*activation) })?;
        let Numbers { biases, multipliers, shifts } = self.numbers;
        // What the file says of it has 16 bits; the factors are made of the exact one.
        let (input, output) = (self.input, self.output.rounded());
        let int8 = PackedInt8 { rescale: [multipliers, shifts].concat(), clamp, input, output };
        // Structure is that of the edges: a weight that rounds to 0 is still one.
        let structure = Structure::of(edges);
        let packer =
            Packer { edges: &self.whole, structure: &structure, activation: *activation, biases: &biases, int8: &int8 };
        let packed = match goal.goal {
            Goal::Size => packer.smallest(),
            Goal::Speed { profile, inputs } => packer.fastest(profile, inputs.get(goal.at).copied()),
        };
        let (choice, packed) = packed.map_err(|error| Int8Error::Pack { junction: *id, error })?;
        edges.release();
        packed.release();
        Ok(PlannedJunction { id: *id, structure, choice, packed })
    }
}

/// The least and greatest output that an activation lets through.
fn clamp(activation: Activation, output: Quantisation) -> Option<(i8, i8)> {
    match activation {
        Activation::None => Some((i8::MIN, i8::MAX)),
        Activation::Relu => Some((output.zero, i8::MAX)),
        Activation::Relu6 => Some((output.zero, output.quantise(6.0))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{least_error_scale, quantised_multiplier};

    #[test]
    fn weights_of_inputs_that_are_zero_set_no_scale() {
        let (inputs, weights) = ([0, 1, 2], [4.0, -0.5, 0.0]);
        let scale = |energy: &[f64]| 127.0 * least_error_scale(&inputs, &weights, energy);
        let near = |energy: &[f64], most: f64| assert!((scale(energy) - most).abs() < 1e-9, "{}", scale(energy));
        near(&[0.0, 1.0, 1.0], 0.5);
        // Where all are zero, or all the rest are, nothing saturates.
        near(&[0.0; 3], 4.0);
        near(&[1.0, 0.0, 0.0], 4.0);
        // One that is rarely not zero counts a little: less than it would saturate for, more than nothing.
        assert!((3.9..=4.0).contains(&scale(&[1e-3, 1.0, 1.0])), "{}", scale(&[1e-3, 1.0, 1.0]));
        assert_eq!(least_error_scale(&[3], &[0.0], &[1.0; 4]), 0.0);
    }

    #[test]
    fn multipliers_are_normalised() {
        assert_eq!(quantised_multiplier(1.0), Some((1 << 30, 1)));
        assert_eq!(quantised_multiplier(0.5), Some((1 << 30, 0)));
        assert_eq!(quantised_multiplier(0.75), Some((3 << 29, 0)));
        assert_eq!(quantised_multiplier(0.25 - 1e-17), Some((1 << 30, -1)));
        assert_eq!(quantised_multiplier(1e-12), Some((0, 0)));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 4e9, 1e-320] {
            assert_eq!(quantised_multiplier(bad), None, "{bad}");
        }
        for k in 1..1000 {
            let factor = f64::from(k) * 0.000_713;
            let (multiplier, shift) = quantised_multiplier(factor).unwrap();
            assert!(multiplier >= 1 << 30);
            let back = f64::from(multiplier) * (f64::from(shift) - 31.0).exp2();
            assert!((back / factor - 1.0).abs() < 1e-9);
        }
    }
}
