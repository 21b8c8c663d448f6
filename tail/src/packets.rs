//! Packets: whom they are for, and the replies to them.

use lacewing_engine::{Answer, Model, Packet, Part, Quantisation, Refusal, Reply, Verdict};

/// What decides whether a packet is a tail's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    /// Its place in the list of models.
    pub(crate) model: usize,
    pub(crate) pair_id: u32,
    pub(crate) split: u8,
    pub(crate) width: usize,
    /// Of int8 inputs: packets carry just these.
    pub(crate) input: Option<Quantisation>,
}

/// Every tail that is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tails(Vec<Tail>);

/// What a reply repeats of its packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pair_id: u32,
    sequence: u32,
    request: u32,
    logits: bool,
}

/// A packet's own part in what is done about it.
pub(crate) enum Read {
    /// A tail takes it.
    Work(usize, Vec<f32>, Asked),
    /// No tail does: the reply.
    Refused(Vec<u8>),
    /// The bytes are no packet.
    NoPacket,
}

impl Tails {
    pub(crate) fn of(models: &[Model<'_>]) -> Self {
        let tails = models.iter().enumerate().filter(|(_, model)| model.part() == Part::Tail);
        let tail = |(at, model): (usize, &Model<'_>)| Tail {
            model: at,
            pair_id: model.pair_id(),
            split: model.split(),
            width: model.n_in(),
            input: model.input(),
        };
        Self(tails.map(tail).collect())
    }

    pub(crate) fn one(tail: Tail) -> Self {
        Self(vec![tail])
    }

    /// Which tail `bytes` are for.
    pub(crate) fn read(&self, bytes: &[u8]) -> Read {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err(error) => {
                tracing::debug!(%error, "no packet");
                return Read::NoPacket;
            }
        };
        let mut asked = Asked {
            pair_id: self.0.first().map_or(0, |tail| tail.pair_id),
            sequence: packet.sequence(),
            request: packet.checksum(),
            logits: packet.wants_logits(),
        };
        let Some(tail) = self.0.iter().find(|tail| tail.pair_id == packet.pair_id()) else {
            let (packet, served) = (packet.pair_id(), asked.pair_id);
            tracing::debug!(
                packet = %format_args!("{packet:08x}"),
                served = %format_args!("{served:08x}"),
                "no tail of the packet's pair id",
            );
            return Read::Refused(asked.refusal(Refusal::WrongPair));
        };
        asked.pair_id = tail.pair_id;
        let refusal = if packet.split() != tail.split {
            Refusal::WrongSplit
        } else if packet.len() != tail.width || !tail.takes(&packet) {
            Refusal::WrongCount
        } else {
            return Read::Work(tail.model, packet.values().collect(), asked);
        };
        tracing::debug!(pair_id = %format_args!("{:08x}", tail.pair_id), %refusal, "a packet that its tail does not take");
        Read::Refused(asked.refusal(refusal))
    }
}

impl Tail {
    /// Whether the values are of the kind that it takes: an `f32` tail takes every kind.
    fn takes(&self, packet: &Packet<'_>) -> bool {
        self.input.is_none_or(|input| packet.quantisation().is_some_and(|found| found.is(&input)))
    }
}

impl Asked {
    pub(crate) const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// The reply in `out`, with logits where they are asked for and it stays within `room` bytes.
    pub(crate) fn reply<'o>(
        &self,
        answer: Option<&Answer>,
        logits: &[f32],
        room: usize,
        out: &'o mut Vec<u8>,
    ) -> &'o [u8] {
        let verdict = answer.map_or(Verdict::Refused(Refusal::Busy), |answer| Verdict::Answer(*answer));
        let fit = self.logits && Reply::len_for(logits.len()) <= room;
        self.encode(verdict, if fit { logits } else { &[] }, out)
    }

    pub(crate) fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(Verdict::Refused(refusal), &[], &mut out);
        out
    }

    fn encode<'o>(&self, verdict: Verdict, logits: &[f32], out: &'o mut Vec<u8>) -> &'o [u8] {
        out.resize(Reply::len_for(logits.len()), 0);
        let reply = Reply { pair_id: self.pair_id, sequence: self.sequence, request: self.request, verdict };
        // It fails for more logits than a model can have, and for want of the room that was just made.
        let len = reply.encode(logits, out).unwrap_or(0);
        out.get(..len).unwrap_or_default()
    }
}

/// The reply to bytes on a stream that are no packet.
pub(crate) fn not_understood() -> Vec<u8> {
    Asked { pair_id: 0, sequence: 0, request: 0, logits: false }.refusal(Refusal::NotUnderstood)
}
