//! Which packing a junction gets for a target: the one that takes the least time by the target's profile.

use lacewing_kernels::Packing;

use crate::calibrate::NonzeroInputs;
use crate::choose::{Choice, candidates, dense_bytes, deployment_candidates};
use crate::edges::Edges;
use crate::find::Structure;
use crate::grouping::Effort;
use crate::network::TrainedJunction;
use crate::pack::{DoesNotFit, Packed, last_page_n, pack, pack_with};
use crate::profile::{Cautious, Load, Profile, family};

/// A sparse packing has to be faster than dense by this factor: an estimate is no better than that, and dense never
/// disappoints.
const WORTH: f64 = 0.95;

/// Packs a junction as `profile` has it fastest. `inputs`, from calibration, lets packings take part that pass over inputs that
/// are zero.
pub(crate) fn fastest(
    junction: &TrainedJunction,
    structure: &Structure,
    profile: &Profile,
    inputs: Option<NonzeroInputs>,
    effort: &Effort<'_>,
) -> Result<(Choice, Packed), DoesNotFit> {
    let TrainedJunction { edges, bias, activation, .. } = junction;
    let target = Target { profile, edges, structure, inputs };
    let dense = target.time(Packing::Dense, dense_bytes(edges) / 4);
    let (Some(dense), None) = (dense, &profile.cautious) else {
        let (packing, why) = cautious(edges, structure, profile);
        let packed = pack(edges, bias, *activation, packing)?;
        return Ok((choice(&packed, why), packed));
    };
    let mut best = (Packing::Dense, dense * WORTH, dense);
    for packing in target.packings() {
        let known = target.stored(packing).and_then(|stored| target.time(packing, stored));
        if let Some(time) = known.filter(|time| *time < best.1) {
            best = (packing, time, time);
        }
    }
    let mut packed = None;
    for packing in target.grouped() {
        // Without any padding it would have to win; only then it is worth to group the rows.
        let hope = target.time(packing, edges.nnz());
        if hope.is_none_or(|time| time >= best.1) {
            continue;
        }
        let candidate = pack_with(edges, bias, *activation, packing, effort)?;
        let time = target.time(packing, candidate.parts().weights.len() / 4);
        if let Some(time) = time.filter(|time| *time < best.1) {
            best = (packing, time, time);
            packed = Some(candidate);
        }
    }
    let packed = match packed {
        Some(packed) => packed,
        None => pack(edges, bias, *activation, best.0)?,
    };
    let reason = target.reason(&packed, best.2, dense);
    Ok((choice(&packed, reason), packed))
}

fn choice(packed: &Packed, reason: String) -> Choice {
    let parts = packed.parts();
    Choice { packing: packed.packing(), bytes: packed.len() - parts.bias.len(), reason }
}

/// The packing of the fewest bytes among those that the rule names, dense above its density.
fn cautious(edges: &Edges, structure: &Structure, profile: &Profile) -> (Packing, String) {
    let Some(Cautious { dense_above, packings }) = &profile.cautious else {
        return (Packing::Dense, format!("{} has no times", profile.name));
    };
    let name = &profile.name;
    let density = edges.density();
    if density > *dense_above {
        return (Packing::Dense, format!("density {density:.2} is above {dense_above}, where {name} is dense by rule"));
    }
    let known = candidates(edges, structure).into_iter().filter(|(packing, _)| packings.contains(&family(packing)));
    match known.min_by_key(|(_, bytes)| *bytes) {
        Some((packing, _)) => (packing, format!("it is the smallest that {name} uses by rule; nothing was measured")),
        None => (Packing::Dense, format!("no sparse packing that {name} uses fits")),
    }
}

/// A junction on a target.
struct Target<'t> {
    profile: &'t Profile,
    edges: &'t Edges,
    structure: &'t Structure,
    inputs: Option<NonzeroInputs>,
}

impl Target<'_> {
    fn skips(packing: Packing) -> bool {
        matches!(packing, Packing::DenseInputMajor | Packing::InputMajor { .. })
    }

    /// What fits and stores as many weights as can be told beforehand.
    fn packings(&self) -> impl Iterator<Item = Packing> {
        let canonical = candidates(self.edges, self.structure).into_iter().map(|(packing, _)| packing);
        let deployment = deployment_candidates(self.edges, self.structure).into_iter();
        canonical.chain(deployment).filter(|packing| self.inputs.is_some() || !Self::skips(*packing))
    }

    /// What has to be packed before its time is known.
    fn grouped(&self) -> impl Iterator<Item = Packing> {
        let windows = |packing: &Packing| matches!(packing, Packing::Windows { .. });
        deployment_candidates(self.edges, self.structure).into_iter().filter(windows)
    }

    /// Weights stored, padding counted.
    fn stored(&self, packing: Packing) -> Option<usize> {
        let edges = self.edges;
        match packing {
            Packing::Dense | Packing::DenseInputMajor => Some(edges.n_in() * edges.n_out()),
            Packing::Block { rows, cols, .. } => {
                let fit = self.structure.blocks.iter().find(|fit| (fit.rows, fit.cols) == (rows, cols))?;
                Some(fit.blocks * usize::from(rows) * usize::from(cols))
            }
            Packing::NMLanes { n, m, lanes } => {
                let (page, lanes) = (usize::from(m), usize::from(lanes));
                let last = edges.n_in() % page;
                let last = if last > 0 { last_page_n(n, last, m) } else { 0 };
                let in_degree = edges.n_in() / page * usize::from(n) + last;
                Some(in_degree * edges.n_out().next_multiple_of(lanes))
            }
            Packing::Windows { .. } => None,
            _ => Some(edges.nnz()),
        }
    }

    fn time(&self, packing: Packing, stored: usize) -> Option<f64> {
        self.time_at(packing, stored, self.inputs.map_or(1.0, |inputs| inputs.mean))
    }

    fn time_at(&self, packing: Packing, stored: usize, nonzero_inputs: f64) -> Option<f64> {
        let dense = matches!(packing, Packing::Dense | Packing::DenseInputMajor);
        let load = Load {
            inputs: self.edges.n_in() as f64,
            outputs: self.edges.n_out() as f64,
            density: if dense { 1.0 } else { self.edges.density() },
            stored: stored as f64,
            nonzero_inputs,
        };
        self.profile.estimate(&packing, &load)
    }

    fn reason(&self, packed: &Packed, time: f64, dense: f64) -> String {
        let name = &self.profile.name;
        let micros = |ns: f64| format!("{:.2} µs", ns / 1000.0);
        let mut reason = if packed.packing() == Packing::Dense {
            format!("no packing that fits is estimated below {WORTH} of its {} on {name}", micros(dense))
        } else {
            format!("{} estimated on {name}, dense {}", micros(time), micros(dense))
        };
        if let Some(padding) = packed.padding() {
            reason.push_str(&format!(
                "; padding {:.2}, {:.2} in file order, {:.2} after the first search",
                padding.packed, padding.file_order, padding.greedy
            ));
        }
        if let Some(inputs) = self.inputs {
            reason.push_str(&format!("; {inputs}"));
            let worst = self.time_at(packed.packing(), packed.parts().weights.len() / 4, inputs.worst);
            if let Some(worst) = worst.filter(|_| Self::skips(packed.packing())) {
                reason.push_str(&format!(", which takes {}", micros(worst)));
            }
        }
        reason
    }
}
