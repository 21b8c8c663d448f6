//! Which packing an int8 junction gets.

use lacewing_kernels::{Activation, DeltaCode, Element, Packing};

use crate::calibrate::NonzeroInputs;
use crate::choose::{Choice, candidates};
use crate::edges::Edges;
use crate::fastest::{Target, fastest};
use crate::find::Structure;
use crate::grouping::Effort;
use crate::pack::{DoesNotFit, Packed, PackedInt8, coded_bits, pack_int8};
use crate::profile::Profile;

/// A sparse packing has to save a fifth of the dense bytes.
const WORTH: (usize, usize) = (4, 5);
/// A quantised junction, to be packed one way or another.
pub(super) struct Packer<'j> {
    pub edges: &'j Edges,
    pub structure: &'j Structure,
    pub activation: Activation,
    pub biases: &'j [i32],
    pub int8: &'j PackedInt8,
}

impl Packer<'_> {
    fn pack(&self, packing: Packing) -> Result<Packed, DoesNotFit> {
        pack_int8(self.edges, self.biases, self.activation, packing, self.int8)
    }

    fn dense_bytes(&self) -> usize {
        self.edges.n_in() * self.edges.n_out()
    }

    /// The packing of the fewest bytes; of equals the first in the order of [`candidates`].
    pub fn smallest(&self) -> Result<(Choice, Packed), DoesNotFit> {
        if self.structure.dense {
            return self.chosen(Packing::Dense, "every edge is there");
        }
        // One beside the best at a time: all of them take more memory than the network.
        let mut best: Option<Packed> = None;
        let canonical = candidates(self.edges, self.structure).into_iter().map(|(packing, _)| packing);
        for packing in canonical.chain(self.coded()) {
            let packed = self.pack(packing)?;
            if best.as_ref().is_none_or(|best| bytes(&packed) < bytes(best)) {
                best = Some(packed);
            }
        }
        match best {
            Some(best) if bytes(&best) * WORTH.1 <= self.dense_bytes() * WORTH.0 => {
                let percent = 100.0 * bytes(&best) as f64 / self.dense_bytes() as f64;
                let reason = format!("it takes the fewest bytes, {percent:.0} % of dense int8");
                Ok((Choice { packing: best.packing(), bytes: bytes(&best), reason }, best))
            }
            _ => self.chosen(Packing::Dense, "no sparse packing would save a fifth of the bytes"),
        }
    }

    /// Coded rows: the best of each code. Nothing where there are no edges.
    fn coded(&self) -> Vec<Packing> {
        let bits = |code: &DeltaCode| coded_bits(self.edges, *code);
        let Some(rice) = (0..=DeltaCode::MAX_RICE).map(DeltaCode::Rice).min_by_key(bits) else { return Vec::new() };
        if self.edges.nnz() == 0 {
            return Vec::new();
        }
        let in_degree = self.structure.in_degrees.constant().and_then(|d| u16::try_from(d).ok()).unwrap_or(0);
        // Of equal bytes the first is taken: nibbles are the easier ones to read.
        [DeltaCode::Nibbles, rice].map(|code| Packing::Coded { in_degree, code }).into()
    }

    /// The packing that `profile` has fastest.
    pub fn fastest(&self, profile: &Profile, inputs: Option<NonzeroInputs>) -> Result<(Choice, Packed), DoesNotFit> {
        // Rows of windows stay in their order: an int8 output out of it is rescaled alone, which costs more than the steps that are saved.
        let pack = |packing: Packing, _: &Effort<'_>| self.pack(packing);
        let Self { edges, structure, .. } = self;
        fastest(&Target { profile, element: Element::I8, edges, structure, inputs, pack: &pack }, &Effort::NONE)
    }

    fn chosen(&self, packing: Packing, reason: &str) -> Result<(Choice, Packed), DoesNotFit> {
        let packed = self.pack(packing)?;
        Ok((Choice { packing, bytes: bytes(&packed), reason: reason.to_owned() }, packed))
    }
}

/// Bytes of what the packing lays out; biases and rescale are the same in all.
fn bytes(packed: &Packed) -> usize {
    let parts = packed.parts();
    parts.weights.len() + parts.counts.len() + parts.index.len()
}
