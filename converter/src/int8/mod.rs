//! int8 networks: ranges from calibration data, numbers, and the proof that the engine computes them.

pub mod given;
mod packer;
mod quantise;
mod ranges;
mod simulate;
pub mod trained;
mod verify;

use lacewing_kernels::Element;
use lacewing_models::{Dataset, JunctionId};
use thiserror::Error;

use crate::network::{Network, TrainedJunction};
use crate::pack::DoesNotFit;
use crate::plan::{Goal, PlanError, PlannedJunction, Progress, plan_junction};

pub use quantise::{Rounding, quantised_multiplier};
pub use ranges::Calibration;
use trained::TrainedScales;
pub(crate) use verify::verify;

/// A network could not be quantised.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum Int8Error {
    /// No calibration data, and no scales from training.
    #[error(
        "int8 needs data to calibrate with: give a data set with --calibrate, or train for int8 with lacewing fit-int8"
    )]
    NoData,
    /// No samples.
    #[error("the data to calibrate with is empty")]
    Empty,
    /// Samples of another width.
    #[error("the data to calibrate with has {found} values a sample, the network has {needed} inputs")]
    Width {
        /// Inputs of the network.
        needed: usize,
        /// Values of a sample.
        found: usize,
    },
    /// A value that is NaN or infinite.
    #[error("the data to calibrate with has a value that is not finite, in sample {0}")]
    NotFinite(
        /// Which sample, from 0.
        usize,
    ),
    /// Every sample is the same.
    #[error("the data to calibrate with is constant: every sample is the same")]
    Constant,
    /// Inputs or outputs from whose values no scale can be made.
    #[error(
        "{place}: on the data to calibrate with its values go from {low} to {high}, which makes no scale: is the network trained, \
         and is this its data?"
    )]
    NoScale {
        /// The input, or a junction.
        place: String,
        /// The least value.
        low: f32,
        /// The greatest value.
        high: f32,
    },
    /// A sum could overflow.
    #[error(
        "{junction}: the int32 sum of output {output} could overflow, its bias is too large beside its weights: keep the network \
         f32, or train it with smaller biases"
    )]
    Overflow {
        /// Which.
        junction: JunctionId,
        /// Which output, from 0.
        output: usize,
    },
    /// A sum's step is so far above the output's that no multiplier and shift come from one to the other.
    #[error(
        "{junction}: the values that output {output} reads are so far above those it writes that the two make no scale: is the \
         network trained, and is this its data?"
    )]
    Rescale {
        /// Which.
        junction: JunctionId,
        /// Which output, from 0.
        output: usize,
    },
    /// An activation that a clamp cannot stand for.
    #[error(
        "{junction}: {activation} has no int8 form (none, relu and relu6 have one): keep the junction f32 with --keep-f32"
    )]
    Activation {
        /// Which.
        junction: JunctionId,
        /// Its activation.
        activation: &'static str,
    },
    /// Weight scales of a network quantised elsewhere that are neither one nor one an output.
    #[error("{junction}: {found} weight scales for {outputs} outputs: one is needed, or one an output")]
    WeightScales {
        /// Which.
        junction: JunctionId,
        /// Outputs.
        outputs: usize,
        /// Scales.
        found: usize,
    },
    /// A network quantised elsewhere with numbers that are no integers, or too large ones.
    #[error(
        "{junction}: output {output} has weights that are no integers from -127 to 127, or a bias that is none up to 16,777,216"
    )]
    NotWhole {
        /// Which.
        junction: JunctionId,
        /// Which output, from 0.
        output: usize,
    },
    /// A junction that is to stay f32 is none of the network's.
    #[error("{0} is to stay f32, and the network has no such junction")]
    NoSuchJunction(
        /// Which.
        JunctionId,
    ),
    /// A target's profile that says nothing of int8.
    #[error(
        "the target profile {0} has no times of int8 packings: measure them with lacewing tune, or leave --target out"
    )]
    NoTimes(
        /// Its name.
        String,
    ),
    /// A junction could not be packed.
    #[error("{junction}: {error}")]
    Pack {
        /// Which.
        junction: JunctionId,
        /// Why.
        error: DoesNotFit,
    },
}

/// How a network is quantised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantising<'q> {
    /// How ranges are chosen; `None` for the scales that the network was trained with, else min-max.
    pub calibration: Option<Calibration>,
    /// The scales that the network was trained with.
    pub trained: Option<&'q TrainedScales>,
    /// Junctions that stay f32; values are converted where they meet int8 ones.
    pub keep_f32: &'q [JunctionId],
    /// What packings are chosen for: the fewest bytes, or the least time by what a target's profile says of int8.
    pub goal: Goal<'q>,
}

/// What a junction's packing is chosen for.
#[derive(Clone, Copy)]
struct JunctionGoal<'g> {
    goal: Goal<'g>,
    /// Which it is, in the order of [`Network::junctions`].
    at: usize,
}

/// # Errors
/// The goal is speed on a target whose profile says nothing of int8.
fn check_goal(goal: Goal<'_>) -> Result<(), Int8Error> {
    match goal {
        Goal::Speed { profile, .. } if !profile.knows(Element::I8) => Err(Int8Error::NoTimes(profile.name.clone())),
        _ => Ok(()),
    }
}

/// Quantises a network by the scales that it was trained with, or after training, its ranges calibrated on `data`, and packs every
/// junction; `progress` is told which.
///
/// # Errors
/// The data does not serve, or the network has what int8 cannot hold.
pub fn plan(
    network: &Network,
    data: Option<&Dataset>,
    how: &Quantising<'_>,
    progress: Progress<'_>,
) -> Result<Vec<PlannedJunction>, Int8Error> {
    let there = |id: &JunctionId| network.junctions().any(|junction| junction.id == *id);
    if let Some(missing) = how.keep_f32.iter().find(|id| !there(id)) {
        return Err(Int8Error::NoSuchJunction(*missing));
    }
    check_goal(how.goal)?;
    let ranges = match (how.trained, how.calibration) {
        (Some(TrainedScales(ranges)), None) => ranges.clone(),
        (_, calibration) => {
            ranges::Ranges::of(network, data.ok_or(Int8Error::NoData)?, calibration.unwrap_or_default())?
        }
    };
    let mut at = 0;
    let mut planned = Vec::new();
    let mut trunk = ranges.input;
    for (after, junction) in (1..).zip(&network.trunk) {
        let mut next = |junction: &TrainedJunction, input| {
            let output = ranges.outputs.get(at).copied().unwrap_or(ranges.input);
            progress(junction.id, 0.0);
            planned.push(if how.keep_f32.contains(&junction.id) {
                let packed = plan_junction(junction, at, how.goal, progress);
                packed.map_err(|PlanError { junction, error }| Int8Error::Pack { junction, error })?
            } else {
                let energy = ranges.energies.get(at).map(Vec::as_slice);
                quantise::plan(junction, (input, energy), output, JunctionGoal { goal: how.goal, at })?
            });
            at += 1;
            Ok(output)
        };
        trunk = next(junction, trunk)?;
        for exit in network.exits.iter().filter(|exit| exit.after == after) {
            exit.branch.iter().try_fold(trunk, |input, junction| next(junction, input))?;
        }
    }
    Ok(planned)
}
