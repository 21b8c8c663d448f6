//! Networks that were quantised elsewhere: their own integers, scales and zero points are kept, so that the engine's outputs are
//! those of TensorFlow Lite's reference kernels, bit for bit: TensorFlow's, TensorFlow Lite Micro's and CMSIS-NN's, which round
//! twice, or LiteRT's, which round once.
//!
//! Beside a junction's `weight` and `bias`, which hold whole numbers (the biases without the input's zero point), a file has
//!
//! ```text
//! weight_scale     one number, or one an output
//! input, output    two each: scale and zero point
//! rounds           1 or 2; 2 where it is not there
//! ```
//!
//! under the weights' name, `junction.K.weight_scale` beside `junction.K.weight`; where that does not end in `weight`, under the name
//! that the junction's place gives.

use lacewing_engine::Quantisation;
use lacewing_models::recipe::PlacedJunction;
use lacewing_models::{JunctionId, Recipe};

use super::quantise::{Numbers, Quantised, Rounding};
use super::{Int8Error, JunctionGoal, check_goal};
use crate::network::{Network, TrainedJunction};
use crate::plan::{Goal, PlannedJunction, Progress};
use crate::source::{Source, SourceError};

/// What the integers of a junction stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    /// Of the weights: one, or one an output.
    pub weights: Vec<f32>,
    /// What it reads.
    pub input: Quantisation,
    /// What it writes.
    pub output: Quantisation,
    /// How a sum becomes an output.
    pub rounding: Rounding,
}

/// The scales of every junction of the network read by `recipe`, in the order of [`Network::junctions`]; `None` where the file has
/// none for the first.
///
/// # Errors
/// The file cannot be read, or lacks some.
pub fn read(source: &mut Source, recipe: &Recipe) -> Result<Option<Vec<Scales>>, GivenError> {
    let mut all = Vec::new();
    for placed in recipe.placed_junctions() {
        let stem = stem(&placed);
        let mut tensor = |what: &str, most: usize| {
            let name = format!("{stem}{what}");
            Ok::<_, GivenError>(source.tensor(&name, most)?.map(|tensor| tensor.values).ok_or(name))
        };
        let weights = match tensor("weight_scale", placed.n_out())? {
            Ok(weights) => weights,
            Err(_) if all.is_empty() => return Ok(None),
            Err(name) => return Err(GivenError::Missing(name)),
        };
        let rounds = tensor("rounds", 1)?;
        let mut quantisation = |what| quantisation_at(source, &format!("{stem}{what}"));
        let (input, output) = (quantisation("input")?, quantisation("output")?);
        // As the model file and packets have it.
        if !output.rounded().packs() {
            return Err(GivenError::Scale(format!("{stem}output")));
        }
        let rounding = match rounds.as_deref() {
            Ok([1.0]) => Rounding::Once,
            Ok([2.0]) | Err(_) => Rounding::Twice,
            Ok(_) => return Err(GivenError::Rounds(format!("{stem}rounds"))),
        };
        all.push(Scales { weights, input, output, rounding });
    }
    Ok(Some(all))
}

/// Scale and zero point in the array `name`.
pub(super) fn quantisation_at(source: &mut Source, name: &str) -> Result<Quantisation, GivenError> {
    let tensor = source.tensor(name, 2)?.ok_or_else(|| GivenError::Missing(name.to_owned()))?;
    match tensor.values.as_slice() {
        [scale, zero] if *scale > 0.0 && scale.is_finite() && f32::from(*zero as i8) == *zero => {
            Ok(Quantisation { scale: *scale, zero: *zero as i8 })
        }
        _ => Err(GivenError::Scale(name.to_owned())),
    }
}

/// What the names of a junction's arrays begin with.
pub(super) fn stem(placed: &PlacedJunction<'_>) -> String {
    const WEIGHT: &str = "weight";
    let (given, placed) = (placed.weight_name(), placed.id.weight());
    let stem = given.strip_suffix(WEIGHT).or_else(|| placed.strip_suffix(WEIGHT));
    stem.unwrap_or_default().to_owned()
}

/// A file of a network quantised elsewhere could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GivenError {
    /// The file.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An array that the others call for.
    #[error("the file holds a network in int8, or trained for it, and no array {0}")]
    Missing(
        /// Its name.
        String,
    ),
    /// No quantisation.
    #[error("{0} holds no scale above 0 and below 2^120 and zero point from -128 to 127")]
    Scale(
        /// The array.
        String,
    ),
    /// No number of roundings.
    #[error("{0} says how often an output is rounded, and is neither 1 nor 2")]
    Rounds(
        /// The array.
        String,
    ),
}

/// Packs a network of whole numbers; `progress` is told which junction is being packed.
///
/// # Errors
/// Numbers that int8 cannot hold; a target whose profile says nothing of int8.
pub fn plan(
    network: &Network,
    scales: &[Scales],
    goal: Goal<'_>,
    progress: Progress<'_>,
) -> Result<Vec<PlannedJunction>, Int8Error> {
    check_goal(goal)?;
    let planned = network.junctions().zip(scales).enumerate().map(|(at, (junction, scales))| {
        progress(junction.id, 0.0);
        // What another junction wrote stands in the file as that one's output does.
        let exact = junction.id == JunctionId::Trunk(1);
        let input = if exact { scales.input } else { scales.input.rounded() };
        plan_junction(junction, scales, input, JunctionGoal { goal, at })
    });
    planned.collect()
}

/// `stated` is the input's quantisation as the file has it.
fn plan_junction(
    junction: &TrainedJunction,
    scales: &Scales,
    stated: Quantisation,
    goal: JunctionGoal<'_>,
) -> Result<PlannedJunction, Int8Error> {
    let TrainedJunction { id, edges, bias, .. } = junction;
    let Scales { weights: weight_scales, input, output, rounding } = scales;
    let outputs = edges.n_out();
    if weight_scales.len() != 1 && weight_scales.len() != outputs {
        return Err(Int8Error::WeightScales { junction: *id, outputs, found: weight_scales.len() });
    }
    let mut numbers = Numbers::default();
    for (at, (_, weights)) in edges.rows().enumerate() {
        let given = bias.get(at).copied().unwrap_or(0.0);
        let whole = |number: &f32, most: f32| number.abs() <= most && number.trunc() == *number;
        // Biases come through f32, which holds whole numbers up to 2²⁴.
        if !weights.iter().all(|weight| whole(weight, 127.0)) || !whole(&given, (1 << 24) as f32) {
            return Err(Int8Error::NotWhole { junction: *id, output: at });
        }
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        numbers
            .push_bias(f64::from(given) - f64::from(input.zero) * sum)
            .ok_or(Int8Error::Overflow { junction: *id, output: at })?;
        // TensorFlow Lite multiplies the two in single precision where all outputs have one scale, in double where each has its own.
        let product = match weight_scales.as_slice() {
            [one] => f64::from(input.scale * one),
            each => f64::from(input.scale) * each.get(at).map_or(f64::NAN, |scale| f64::from(*scale)),
        };
        numbers
            .push_factor(product / f64::from(output.scale), *rounding)
            .ok_or(Int8Error::Rescale { junction: *id, output: at })?;
    }
    Quantised { junction, whole: edges.clone(), numbers, input: stated, output: *output }.packed(goal)
}
