//! A model file's junctions, packed anew for a target or back into canonical packings. Everything else in the file stays: pair
//! id, exits, thresholds, names.

use lacewing_engine::{KernelSet, Model, ParseError, Part};
use lacewing_kernels::bytes::groups_of_4;
use lacewing_kernels::{Junction, Packing};
use lacewing_models::JunctionId;
use lacewing_models::recipe::Input;
use serde::Serialize;
use thiserror::Error;

use crate::edges::Edges;
use crate::encode::{EncodeError, named, with_junctions};
use crate::network::{Network, TrainedExit, TrainedJunction};
use crate::plan::{Goal, PlanError, PlannedJunction, Progress, plan};
use crate::settled::{SettleError, Settled};
use crate::unpack::unpack;
use crate::verify::{Verified, VerifyError, verify_part};

/// A model file packed anew.
#[derive(Clone, Debug)]
pub struct Repacked {
    /// The file.
    pub bytes: Settled<u8>,
    /// What each junction became.
    pub junctions: Vec<RepackedJunction>,
    /// How the new file was compared with the old one.
    pub verified: Verified,
}

/// A junction's way from one packing to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RepackedJunction {
    /// `junction 1`, or `exit 1, junction 1`; counted within the file.
    pub place: String,
    /// The packing it had.
    pub from: String,
    /// Bytes of weights, counts and index in it.
    pub from_bytes: usize,
    /// The packing it has.
    pub to: String,
    /// Bytes of weights, counts and index in it.
    pub to_bytes: usize,
    /// Why it has that.
    pub reason: String,
}

/// A model file could not be packed anew.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepackError {
    /// It is no model file.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// Junctions that compute in int8.
    #[error("the file holds int8 junctions, which are packed when the network is converted: convert it again")]
    Int8,
    /// A packing that this version cannot take apart.
    #[error("the packing {0} cannot be taken apart by this version")]
    Unknown(Packing),
    /// A junction cannot be packed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The file grows beyond what the format holds.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Weights that were read cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// Other edges came back than were packed.
    #[error("{0} comes back with other edges: nothing was written; please report this")]
    Lost(JunctionId),
    /// The engine computes something else from the new file.
    #[error("the new file was not written, since the engine does not compute what the old one says: {0}")]
    Verify(#[from] VerifyError),
}

/// Packs the junctions of the model file `bytes` for `goal`, and compares what the engine makes of the result with the old
/// file's numbers in f64: every logit, and the features of a head. Zeros of dense packings are taken for places without an
/// edge.
///
/// # Errors
/// It is no model file, or something else would come out.
pub fn repack(bytes: &[u8], goal: Goal<'_>, progress: Progress<'_>) -> Result<Repacked, RepackError> {
    let model = Model::parse(bytes, &KernelSet::ALL)?;
    if !model.is_f32() {
        return Err(RepackError::Int8);
    }
    let network = network_of(&model)?;
    let planned = plan(&network, goal, progress)?;
    for (trained, planned) in network.junctions().zip(&planned) {
        let back = planned.packed.junction().ok().and_then(|junction| unpack(&junction));
        if back.is_none_or(|back| bits(&back) != bits(&trained.edges)) {
            return Err(RepackError::Lost(planned.id));
        }
    }
    let new = with_junctions(bytes, &planned, goal.section_align())?;
    let verified = verify_part(&network, &new)?;
    let junctions = model.operations().zip(&planned).map(|(old, planned)| report(&old.junction, planned));
    Ok(Repacked { junctions: junctions.collect(), bytes: new, verified })
}

fn report(old: &Junction<'_>, planned: &PlannedJunction) -> RepackedJunction {
    let parts = old.parts();
    RepackedJunction {
        place: planned.id.to_string(),
        from: parts.packing.to_string(),
        from_bytes: parts.weights.len() + parts.counts.len() + parts.index.len(),
        to: planned.choice.packing.to_string(),
        to_bytes: planned.choice.bytes,
        reason: planned.choice.reason.clone(),
    }
}

/// The matrix, to the bit.
fn bits(edges: &Edges) -> Vec<u32> {
    edges.to_dense().into_iter().map(f32::to_bits).collect()
}

/// The network that a model file holds, or the part of it: trunk junctions count from 1 within the file, and a head is split
/// at its end.
pub(crate) fn network_of(model: &Model<'_>) -> Result<Network, RepackError> {
    let before = if model.part() == Part::Tail { usize::from(model.split()) } else { 0 };
    let mut exits: Vec<TrainedExit> = model
        .exits()
        .filter(|exit| exit.branch > 0)
        .map(|exit| TrainedExit {
            after: usize::from(exit.after).saturating_sub(before),
            metric: named(exit.metric),
            threshold: exit.threshold,
            temperature: exit.temperature,
            branch: Vec::new(),
        })
        .collect();
    let mut trunk = Vec::new();
    for operation in model.operations() {
        let branch = operation.exit.and_then(|exit| exits.get_mut(usize::from(exit).checked_sub(1)?));
        match (branch, operation.exit) {
            (Some(exit), Some(number)) => {
                let id = JunctionId::Exit { exit: usize::from(number), junction: exit.branch.len() + 1 };
                exit.branch.push(trained(id, &operation.junction)?);
            }
            _ => trunk.push(trained(JunctionId::Trunk(trunk.len() + 1), &operation.junction)?),
        }
    }
    Ok(Network {
        name: model.part().name().into(),
        classes: model.classes(),
        class_names: Vec::new(),
        input: Input::plain(model.n_in()),
        split: (model.part() == Part::Head).then_some(trunk.len()),
        trunk,
        exits,
    })
}

fn trained(id: JunctionId, junction: &Junction<'_>) -> Result<TrainedJunction, RepackError> {
    let packing = *junction.packing();
    let mut edges = unpack(junction).ok_or(RepackError::Unknown(packing))?;
    if matches!(packing, Packing::Dense | Packing::DenseInputMajor) {
        edges = edges.without_zeros()?;
    }
    let bias = groups_of_4(junction.parts().bias).iter().map(|bias| f32::from_le_bytes(*bias)).collect();
    Ok(TrainedJunction { id, edges, bias, activation: junction.activation() })
}
