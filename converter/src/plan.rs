//! What each junction of a network becomes: its structure, its packing and the reason.

use lacewing_models::JunctionId;
use thiserror::Error;

use crate::choose::{Choice, choose};
use crate::find::Structure;
use crate::network::{Network, TrainedJunction};
use crate::pack::{DoesNotFit, Packed, pack};

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

/// Packs every junction, in the order of [`Network::junctions`].
///
/// # Errors
/// A junction holds a number that is NaN or infinite.
pub fn plan(network: &Network) -> Result<Vec<PlannedJunction>, PlanError> {
    network.junctions().map(plan_junction).collect()
}

fn plan_junction(junction: &TrainedJunction) -> Result<PlannedJunction, PlanError> {
    let TrainedJunction { id, edges, bias, activation } = junction;
    let structure = Structure::of(edges);
    let choice = choose(edges, &structure);
    let packed = pack(edges, bias, *activation, choice.packing);
    let packed = packed.map_err(|error| PlanError { junction: *id, error })?;
    Ok(PlannedJunction { id: *id, structure, choice, packed })
}
