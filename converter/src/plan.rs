//! What each junction of a network becomes: its structure, its packing and the reason.

use lacewing_kernels::{Element, Packing};
use lacewing_models::JunctionId;
use thiserror::Error;

use crate::calibrate::NonzeroInputs;
use crate::choose::{Choice, choose};
use crate::encode::SectionAlign;
use crate::fastest::{Target, fastest};
use crate::find::Structure;
use crate::grouping::Effort;
use crate::network::{Network, TrainedJunction};
use crate::pack::{DoesNotFit, Packed, pack, pack_with};
use crate::profile::Profile;

/// One junction, packed.
#[derive(Clone, Debug)]
pub struct PlannedJunction {
    /// Its place.
    pub id: JunctionId,
    /// What was found in its edges.
    pub structure: Structure,
    /// The packing and the reason.
    pub choice: Choice,
    /// The bytes.
    pub packed: Packed,
}

/// A junction could not be packed.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{junction}: {error}")]
pub struct PlanError {
    /// Which.
    pub junction: JunctionId,
    /// Why.
    pub error: DoesNotFit,
}

/// What packings are chosen for.
#[derive(Clone, Copy, Debug, Default)]
pub enum Goal<'g> {
    /// The fewest bytes, of the canonical packings.
    #[default]
    Size,
    /// The least time on a target.
    Speed {
        /// The target.
        profile: &'g Profile,
        /// From calibration, one for each junction in the order of [`Network::junctions`]; empty without calibration.
        inputs: &'g [NonzeroInputs],
    },
}

impl Goal<'_> {
    /// Where the sections of a file for this goal start: for processors with vectors of 32 or 64 bytes at cache lines.
    #[must_use]
    pub fn section_align(&self) -> SectionAlign {
        match self {
            Goal::Speed { profile, .. } if profile.isa.starts_with("avx") => SectionAlign::To64,
            _ => SectionAlign::To16,
        }
    }
}

/// Told which junction is being packed and what share of it is done, 0 to 1.
pub type Progress<'p> = &'p (dyn Fn(JunctionId, f64) + Sync);

/// Packs every junction, in the order of [`Network::junctions`].
///
/// # Errors
/// A junction holds a number that is NaN or infinite.
pub fn plan(network: &Network, goal: Goal<'_>, progress: Progress<'_>) -> Result<Vec<PlannedJunction>, PlanError> {
    network.junctions().enumerate().map(|(at, junction)| plan_junction(junction, at, goal, progress)).collect()
}

pub(crate) fn plan_junction(
    junction: &TrainedJunction,
    at: usize,
    goal: Goal<'_>,
    progress: Progress<'_>,
) -> Result<PlannedJunction, PlanError> {
    let TrainedJunction { id, edges, bias, activation } = junction;
    let told = |share| progress(*id, share);
    told(0.0);
    let structure = Structure::of(edges);
    let packed = match goal {
        Goal::Size => {
            let choice = choose(edges, &structure);
            pack(edges, bias, *activation, choice.packing).map(|packed| (choice, packed))
        }
        Goal::Speed { profile, inputs } => {
            let inputs = inputs.get(at).copied();
            let pack = |packing: Packing, effort: &Effort<'_>| pack_with(edges, bias, *activation, packing, effort);
            let target = Target { profile, element: Element::F32, edges, structure: &structure, inputs, pack: &pack };
            fastest(&target, &Effort { progress: &told, ..Effort::FULL })
        }
    };
    let (choice, packed) = packed.map_err(|error| PlanError { junction: *id, error })?;
    told(1.0);
    edges.release();
    packed.release();
    Ok(PlannedJunction { id: *id, structure, choice, packed })
}
