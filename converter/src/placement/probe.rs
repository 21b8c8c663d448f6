//! Two networks with next to nothing to compute: what a request to their tails takes is the link's and the server's.

use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use lacewing_models::recipe::Input;

use super::Link;
use crate::convert::{ConvertError, convert_network};
use crate::edges::Edges;
use crate::network::{Network, TrainedJunction};

/// A tail to be served, and whose packets it takes: those behind trunk junction 1.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Its model file.
    pub tail: Vec<u8>,
    /// Its pair id.
    pub pair_id: u32,
    /// Its features: as many ones.
    pub width: u16,
}

impl Probe {
    /// Features of a short packet, and of one that a datagram just carries.
    pub const WIDTHS: [u16; 2] = [8, 320];

    /// A tail of one edge for each of `width` features.
    ///
    /// # Errors
    /// None for a width above 1.
    pub fn new(width: u16) -> Result<Self, ConvertError> {
        let junction = |number, n_in: u16, n_out: u16, keep: &dyn Fn(usize, usize) -> bool| {
            let weights = vec![1.0; usize::from(n_in) * usize::from(n_out)];
            let edges = Edges::from_dense(n_in, n_out, &weights, |output, input, _| keep(output, input));
            edges.map(|edges| TrainedJunction {
                id: JunctionId::Trunk(number),
                edges,
                bias: Vec::new(),
                activation: Activation::None,
            })
        };
        let trunk = [
            junction(1, 2, width, &|output, input| output % 2 == input),
            junction(2, width, 2, &|output, input| input % 2 == output),
        ];
        let network = Network {
            name: "probe".into(),
            classes: 2,
            class_names: Vec::new(),
            input: Input::plain(2),
            trunk: trunk.into_iter().flatten().collect(),
            exits: Vec::new(),
            split: Some(1),
        };
        let files = convert_network(&network, None)?;
        Ok(Self { tail: files.tail.unwrap_or_default().into(), pair_id: network.pair_id(), width })
    }

    /// Bytes of a packet and its reply.
    #[must_use]
    pub fn bytes(&self) -> f64 {
        (lacewing_engine::Packet::len_for(usize::from(self.width)) + lacewing_engine::Reply::len_for(0)) as f64
    }
}

impl Link {
    /// The link on which requests of `bytes` took `seconds`, of two sizes, a server's queue and threads included: round trip and
    /// bandwidth of the line through both. Headers count with the round trip.
    #[must_use]
    pub fn through([(few, short), (many, long)]: [(f64, f64); 2]) -> Self {
        /// Where larger requests took no longer, within what a clock tells.
        const LEAST: f64 = 1e-12;
        let a_byte = ((long - short) / (many - few)).max(LEAST);
        let round_trip = (short - a_byte * few).max(0.0);
        Self { bandwidth: 8.0 / a_byte, round_trip, overhead: 0.0, energy_per_byte: None, is_measured: true }
    }
}

#[cfg(test)]
mod tests {
    use lacewing_engine::{KernelSet, Model};

    use super::{Link, Probe};

    #[test]
    fn probes_are_tails_of_different_networks() {
        let probes = Probe::WIDTHS.map(|width| Probe::new(width).expect("it converts"));
        for probe in &probes {
            let tail = Model::parse(&probe.tail, &KernelSet::ALL).expect("sound");
            assert_eq!(tail.admits(probe.pair_id, 1, usize::from(probe.width)), Ok(()));
        }
        assert_ne!(probes[0].pair_id, probes[1].pair_id);
    }

    #[test]
    fn a_line_through_two_requests() {
        let link = Link::through([(100.0, 50e-6), (1100.0, 58e-6)]);
        assert!((link.bandwidth - 1e9).abs() < 1.0 && (link.round_trip - 49.2e-6).abs() < 1e-12, "{link:?}");
        let flat = Link::through([(100.0, 50e-6), (1100.0, 49e-6)]);
        assert!(flat.bandwidth.is_finite() && (flat.round_trip - 50e-6).abs() < 1e-9, "{flat:?}");
    }
}
