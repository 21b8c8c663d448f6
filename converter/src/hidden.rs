//! Hidden units numbered anew, where the windows of the junction that reads them then take fewer steps.
//!
//! What only this network's own junctions read may stand in any order, as long as all of them know it: the rows of the junction that
//! computes the units are permuted, and the inputs of every junction that reads them, exits' branches included. The order of the
//! network's inputs, of logits and of what is handed over at the split point is the trainer's, whatever a file was packed for. A file packed so
//! says the same function; taken apart it gives back its own numbering, not the trainer's.

use lacewing_kernels::Packing;
use lacewing_models::JunctionId;

use crate::grouping::{self, Effort, Ordered, order_inputs};
use crate::network::{Network, TrainedJunction};
use crate::pack::{DoesNotFit, Packed, pack_with};
use crate::plan::PlannedJunction;

/// A junction, its packing, and the orders that its outputs and inputs have there.
struct Junction<'j> {
    trained: &'j TrainedJunction,
    planned: &'j mut PlannedJunction,
    outputs: Option<Vec<u16>>,
    inputs: Option<Vec<u16>>,
}

/// Numbers the hidden units behind each trunk junction anew where that is worth it; `planned` are all junctions of `network`,
/// in the order in which they run.
pub(crate) fn number(network: &Network, planned: &mut [PlannedJunction]) {
    let with_plan = network.junctions().zip(planned);
    let mut all: Vec<Junction<'_>> =
        with_plan.map(|(trained, planned)| Junction { trained, planned, outputs: None, inputs: None }).collect();
    for after in (1..network.trunk.len()).filter(|after| network.split != Some(*after)) {
        let branches = network.exits.iter().filter(|exit| exit.after == after).filter_map(|exit| exit.branch.first());
        let reads: Vec<JunctionId> = branches.map(|first| first.id).collect();
        let place = |id: JunctionId| all.iter().position(|junction| junction.trained.id == id);
        let next = place(JunctionId::Trunk(after + 1));
        let (Some(writer), Some(next)) = (place(JunctionId::Trunk(after)), next) else { continue };
        let mut readers = vec![next];
        readers.extend(reads.into_iter().filter_map(place));
        number_one(&mut all, writer, &readers);
    }
}

/// Numbers what `writer` computes for the first of its readers; everything stays as it is where one of them cannot follow.
fn number_one(all: &mut [Junction<'_>], writer: usize, readers: &[usize]) -> Option<()> {
    let next = all.get(*readers.first()?)?;
    let Packing::Windows { lanes, width, steps } = next.planned.packed.packing() else { return None };
    let fits = |at: &usize| all.get(*at).is_some_and(|junction| follows_inputs(junction.planned.packed.packing()));
    if !follows_outputs(all.get(writer)?.planned.packed.packing()) || !readers.iter().all(fits) {
        return None;
    }
    let Ordered { inputs, rows, .. } = order_inputs(&next.trained.edges, (lanes, width, steps), &Effort::FULL)?;
    let mut packed = vec![(writer, all.get(writer)?.packed_again(Some(&inputs), None, None).ok()?)];
    for (at, reader) in readers.iter().enumerate() {
        let known = Some(rows.as_slice()).filter(|_| at == 0);
        packed.push((*reader, all.get(*reader)?.packed_again(None, Some(&inputs), known).ok()?));
    }
    // The reader's steps, grouped as `order_inputs` counted them, or better.
    let padding = |packed: &Packed| packed.padding().map(|padding| padding.packed);
    let before = padding(&all.get(*readers.first()?)?.planned.packed)?;
    let now = padding(&packed.get(1)?.1)?;
    if now >= before {
        return None;
    }
    for (at, packed) in packed {
        let junction = all.get_mut(at)?;
        let (outputs, of_inputs) = if at == writer { (Some(&inputs), None) } else { (None, Some(&inputs)) };
        junction.outputs = outputs.cloned().or(junction.outputs.take());
        junction.inputs = of_inputs.cloned().or(junction.inputs.take());
        let choice = &mut junction.planned.choice;
        choice.bytes = packed.len() - packed.parts().bias.len();
        if Some(&at) == readers.first() {
            choice.reason.push_str(&format!("; padding {now:.2} with the hidden units that it reads numbered for it"));
        }
        packed.release();
        junction.planned.packed = packed;
    }
    Some(())
}

/// Whether a packing takes outputs in any order, for as many bytes and as much time.
fn follows_outputs(packing: Packing) -> bool {
    !matches!(packing, Packing::Block { rows: 2.., .. })
}

/// The same of inputs.
fn follows_inputs(packing: Packing) -> bool {
    !matches!(packing, Packing::Block { cols: 2.., .. } | Packing::NM { .. } | Packing::NMLanes { .. })
}

impl Junction<'_> {
    /// The bytes with outputs or inputs in another order. `known` is an order of rows that goes well with it.
    fn packed_again(
        &self,
        outputs: Option<&[u16]>,
        inputs: Option<&[u16]>,
        known: Option<&[u16]>,
    ) -> Result<Packed, DoesNotFit> {
        let TrainedJunction { edges, bias, activation, .. } = self.trained;
        let renumbers_rows = outputs.is_some();
        let (outputs, inputs) = (outputs.or(self.outputs.as_deref()), inputs.or(self.inputs.as_deref()));
        let edges = edges.arranged(outputs, inputs)?;
        let bias = match outputs {
            Some(outputs) if !bias.is_empty() => {
                outputs.iter().filter_map(|output| bias.get(usize::from(*output)).copied()).collect()
            }
            _ => bias.clone(),
        };
        // Rows in another order group as they did.
        let as_before = outputs.filter(|_| renumbers_rows).and_then(|outputs| self.grouped(&grouping::places(outputs)));
        let effort = match &as_before {
            Some(rows) => Effort { places: 1, known: Some(rows), ..Effort::FULL },
            None => Effort { known, ..Effort::FULL },
        };
        pack_with(&edges, &bias, *activation, self.planned.packed.packing(), &effort)
    }

    /// The rows as windows group them, by their new places.
    fn grouped(&self, places: &[u16]) -> Option<Vec<u16>> {
        let parts = self.planned.packed.parts();
        matches!(parts.packing, Packing::Windows { .. }).then_some(())?;
        let (order, _) = parts.index.get(..2 * usize::from(parts.n_out))?.as_chunks();
        order.iter().map(|row| places.get(usize::from(u16::from_le_bytes(*row))).copied()).collect()
    }
}
