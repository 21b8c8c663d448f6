//! Which packing a junction gets for a target: the one that takes the least time by the target's profile.

use lacewing_kernels::{Element, Packing};

use crate::calibrate::NonzeroInputs;
use crate::choose::{Choice, candidates, deployment_candidates};
use crate::edges::Edges;
use crate::find::Structure;
use crate::grouping::Effort;
use crate::pack::{DoesNotFit, Packed, last_page_n};
use crate::profile::{Load, Profile, family};

/// A sparse packing has to be faster than dense by this factor: an estimate is no better than that, and dense never
/// disappoints.
const WORTH: f64 = 0.95;

/// A junction on a target.
pub(crate) struct Target<'t> {
    pub profile: &'t Profile,
    pub element: Element,
    pub edges: &'t Edges,
    pub structure: &'t Structure,
    /// From calibration; lets packings take part that pass over inputs that are zero.
    pub inputs: Option<NonzeroInputs>,
    /// Lays the junction out.
    pub pack: &'t dyn Fn(Packing, &Effort<'_>) -> Result<Packed, DoesNotFit>,
}

/// Packs a junction as the target's profile has it fastest.
pub(crate) fn fastest(target: &Target<'_>, effort: &Effort<'_>) -> Result<(Choice, Packed), DoesNotFit> {
    let dense = target.time(Packing::Dense, target.edges.n_in() * target.edges.n_out());
    let (Some(dense), None) = (dense, target.profile.cautious(target.element)) else {
        let (packed, why) = target.cautious(effort)?;
        return Ok((choice(&packed, why), packed));
    };
    let mut best = (Packing::Dense, dense * WORTH, dense);
    for packing in target.packings() {
        let known = target.stored(packing).and_then(|stored| target.time(packing, stored));
        if let Some(time) = known.filter(|time| *time < best.1) {
            best = (packing, time, time);
        }
    }
    // Without any padding it would have to win; only then it is worth to group the rows.
    let hopes = |packing: &Packing| target.time(*packing, target.edges.nnz()).is_some_and(|time| time < best.1);
    let hopeful: Vec<Packing> = target.grouped().filter(hopes).collect();
    let Division { look, rest } = Division::of(effort.places, hopeful.len());
    let share = |places: usize| places as f64 / effort.places.max(1) as f64;
    let packed_with = |packing, (places, before): (usize, f64)| {
        let told = |done: f64| (effort.progress)(before + done * share(places));
        (target.pack)(packing, &Effort { places, progress: &told, ..*effort })
    };
    let mut most_hopeful = hopeful.first().copied().map(|packing| (packing, f64::INFINITY));
    for (at, packing) in hopeful.iter().enumerate().take(if hopeful.len() > 1 { hopeful.len() } else { 0 }) {
        let looked_at = packed_with(*packing, (look, at as f64 * share(look)))?;
        let time = target.time(*packing, target.weights(&looked_at));
        if let (Some(time), Some(most)) = (time, &mut most_hopeful)
            && time < most.1
        {
            *most = (*packing, time);
        }
    }
    let mut packed = None;
    if let Some((packing, _)) = most_hopeful {
        let candidate = packed_with(packing, (rest, 1.0 - share(rest)))?;
        let time = target.time(packing, target.weights(&candidate));
        if let Some(time) = time.filter(|time| *time < best.1) {
            best = (packing, time, time);
            packed = Some(candidate);
        }
    }
    let packed = match packed {
        Some(packed) => packed,
        None => (target.pack)(best.0, effort)?,
    };
    let reason = target.reason(&packed, best.2, dense);
    Ok((choice(&packed, reason), packed))
}

/// How the places of an effort are divided among packings whose rows have to be grouped: a look at each, and the rest for the
/// one that looks best.
#[derive(Debug, PartialEq)]
struct Division {
    look: usize,
    rest: usize,
}

impl Division {
    /// A look is a sixteenth, and tells the times apart that the estimate can; one packing alone needs none.
    fn of(places: usize, packings: usize) -> Self {
        let look = if packings > 1 { places / packings.max(16) } else { 0 };
        Self { look, rest: places - look * packings }
    }
}

fn choice(packed: &Packed, reason: String) -> Choice {
    Choice { packing: packed.packing(), bytes: section_bytes(packed), reason }
}

fn section_bytes(packed: &Packed) -> usize {
    let parts = packed.parts();
    parts.weights.len() + parts.counts.len() + parts.index.len()
}

impl Target<'_> {
    /// The packing of the fewest bytes among those that the rule names, dense above its density.
    fn cautious(&self, effort: &Effort<'_>) -> Result<(Packed, String), DoesNotFit> {
        let name = &self.profile.name;
        let dense = |why| Ok(((self.pack)(Packing::Dense, effort)?, why));
        let Some(rule) = self.profile.cautious(self.element) else { return dense(format!("{name} has no times")) };
        let (density, most) = (self.edges.density(), rule.dense_above);
        if density > most {
            return dense(format!("density {density:.2} is above {most}, where {name} is dense by rule"));
        }
        // One beside the best at a time: all of them take more memory than the network.
        let mut best: Option<Packed> = None;
        for packing in self.packings().chain(self.grouped()).filter(|packing| rule.packings.contains(&family(packing)))
        {
            let packed = (self.pack)(packing, effort)?;
            if best.as_ref().is_none_or(|best| section_bytes(&packed) < section_bytes(best)) {
                best = Some(packed);
            }
        }
        match best {
            Some(best) => Ok((best, format!("it is the smallest that {name} uses by rule; nothing was measured"))),
            None => dense(format!("no sparse packing that {name} uses fits")),
        }
    }

    /// Weights laid out.
    fn weights(&self, packed: &Packed) -> usize {
        let bytes = if self.element == Element::I8 { 1 } else { 4 };
        packed.parts().weights.len() / bytes
    }

    /// What fits and stores as many weights as can be told beforehand.
    fn packings(&self) -> impl Iterator<Item = Packing> {
        let canonical = candidates(self.edges, self.structure).into_iter().map(|(packing, _)| packing);
        let deployment = deployment_candidates(self.edges, self.structure, self.element).into_iter();
        let deployment = deployment.filter(|packing| !Self::is_grouped(packing));
        canonical.chain(deployment).filter(|packing| self.inputs.is_some() || !packing.skips_zero_inputs())
    }

    /// What has to be packed before its time is known.
    fn grouped(&self) -> impl Iterator<Item = Packing> {
        deployment_candidates(self.edges, self.structure, self.element).into_iter().filter(Self::is_grouped)
    }

    const fn is_grouped(packing: &Packing) -> bool {
        matches!(packing, Packing::Windows { .. })
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
                // int8 takes steps in quads.
                let steps = if self.element == Element::I8 { in_degree.next_multiple_of(4) } else { in_degree };
                Some(steps * edges.n_out().next_multiple_of(lanes))
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
        self.profile.estimate(self.element, &packing, &load)
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
            if padding.spilled > 0 {
                reason.push_str(&format!(", {} edges beside the windows", padding.spilled));
            }
        }
        if let Some(inputs) = self.inputs {
            reason.push_str(&format!("; {inputs}"));
            let worst = self.time_at(packed.packing(), self.weights(packed), inputs.worst);
            if let Some(worst) = worst.filter(|_| packed.packing().skips_zero_inputs()) {
                reason.push_str(&format!(", which takes {}", micros(worst)));
            }
        }
        reason
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lacewing_kernels::Activation;

    use super::*;
    use crate::pack::pack_with;

    #[test]
    fn looks_and_the_rest_are_the_places_there_are() {
        for places in [0, 1, 15, 16, 1000, 500_000_000] {
            for packings in 0..40 {
                let Division { look, rest } = Division::of(places, packings);
                assert_eq!(look * packings + rest, places);
                assert!(packings > 6 || 2 * rest >= places, "{places} {packings}");
            }
        }
        assert_eq!(Division::of(1600, 4), Division { look: 100, rest: 1200 });
    }

    /// One bar for all packings tried: it rises from 0 to 1, once.
    #[test]
    fn progress_rises_once() {
        let edges = Edges::from_dense(256, 64, &[1.0; 256 * 64], |o, i, _| (o * 37 + i * i * 11 + i) % 7 == 0).unwrap();
        let structure = Structure::of(&edges);
        let profile = Profile::load("x86-64-avx512").unwrap();
        let pack = |packing, effort: &Effort<'_>| pack_with(&edges, &[], Activation::None, packing, effort);
        let target = Target {
            profile: &profile,
            element: Element::F32,
            edges: &edges,
            structure: &structure,
            inputs: None,
            pack: &pack,
        };
        assert!(target.grouped().filter(|packing| target.time(*packing, edges.nnz()).is_some()).count() > 1);
        let seen = Mutex::new(vec![0.0]);
        let progress = |share| seen.lock().unwrap().push(share);
        let effort = Effort { places: 2_000_000, progress: &progress, ..Effort::FULL };
        let (choice, _) = fastest(&target, &effort).unwrap();
        assert!(matches!(choice.packing, Packing::Windows { .. }), "{choice:?}");
        let seen = seen.into_inner().unwrap();
        assert!(seen.is_sorted() && seen.last().is_some_and(|last| (last - 1.0).abs() < 1e-9), "{seen:?}");
    }
}
