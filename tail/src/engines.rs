//! One thread's engines, one a model.

use lacewing_engine::{
    Answer, AsTrained, Engine, EngineError, Model, Outcome, Packet, Part, Refusal, Reply, ResumeError, Verdict,
};

/// Bytes at a multiple of 16, as engines want them.
#[derive(Debug)]
pub(crate) struct HeapScratch(Vec<u128>);

impl HeapScratch {
    pub(crate) fn for_all(models: &[Model<'_>]) -> Vec<Self> {
        models.iter().map(|model| Self(vec![0; model.scratch_len().div_ceil(size_of::<u128>())])).collect()
    }
}

/// What came of some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Finished {
    /// One a row.
    pub(crate) answers: Vec<Answer>,
    /// As many a row as there are classes.
    pub(crate) logits: Vec<f32>,
}

pub(crate) struct Engines<'m> {
    models: &'m [Model<'m>],
    engines: Vec<Engine<'m>>,
}

impl<'m> Engines<'m> {
    pub(crate) fn new(models: &'m [Model<'m>], scratch: &'m mut [HeapScratch]) -> Result<Self, EngineError> {
        let engine = |(model, scratch): (&'m Model<'m>, &'m mut HeapScratch)| {
            Engine::new(model, bytemuck::cast_slice_mut(&mut scratch.0))
        };
        Ok(Self { models, engines: models.iter().zip(scratch).map(engine).collect::<Result<_, _>>()? })
    }

    /// Runs each row of `values` through model `index`; `None` where there is no such model or the rows are of another width.
    pub(crate) fn rows(&mut self, index: usize, values: &[f32]) -> Option<Finished> {
        let (model, engine) = (self.models.get(index)?, self.engines.get_mut(index)?);
        let mut finished = Finished::default();
        for row in values.chunks(model.n_in()) {
            engine.load(row).ok()?;
            let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return None };
            finished.answers.push(answer);
            finished.logits.extend_from_slice(engine.logits());
        }
        Some(finished)
    }

    /// Replies to a packet, with logits where it asks for them and the reply stays within `room` bytes. `None` where the
    /// bytes are no packet.
    pub(crate) fn packet<'o>(&mut self, bytes: &[u8], room: usize, out: &'o mut Vec<u8>) -> Option<&'o [u8]> {
        let packet = Packet::parse(bytes).inspect_err(|error| tracing::debug!(%error, "no packet")).ok()?;
        let (pair_id, verdict, logits) = self.finish(&packet);
        let logits = if packet.wants_logits() && Reply::len_for(logits.len()) <= room { logits } else { &[] };
        let reply = Reply { pair_id, sequence: packet.sequence(), request: packet.checksum(), verdict };
        out.resize(Reply::len_for(logits.len()), 0);
        let len = reply.encode(logits, out).ok()?;
        out.get(..len)
    }

    fn finish(&mut self, packet: &Packet<'_>) -> (u32, Verdict, &[f32]) {
        let tails = || self.models.iter().enumerate().filter(|(_, model)| model.part() == Part::Tail);
        let found = tails().find(|(_, model)| model.pair_id() == packet.pair_id());
        let (refused, served) = (Verdict::Refused, tails().next().map_or(0, |(_, model)| model.pair_id()));
        let Some((index, model)) = found else { return (served, refused(Refusal::WrongPair), &[]) };
        let Some(engine) = self.engines.get_mut(index) else {
            return (served, refused(Refusal::WrongPair), &[]);
        };
        let verdict = match engine.resume_packet(packet, &mut AsTrained) {
            Ok(Outcome::Answer(answer)) => Verdict::Answer(answer),
            Err(ResumeError::WrongSplit { .. }) => refused(Refusal::WrongSplit),
            Err(ResumeError::WrongLength(_)) => refused(Refusal::WrongCount),
            Ok(Outcome::Offload { .. }) | Err(_) => refused(Refusal::WrongPair),
        };
        (model.pair_id(), verdict, engine.logits())
    }
}

/// Replies to bytes that are no packet, on a stream.
pub(crate) fn refusal(refusal: Refusal, packet: Option<&Packet<'_>>) -> Vec<u8> {
    let (sequence, request) = packet.map_or((0, 0), |packet| (packet.sequence(), packet.checksum()));
    let mut out = vec![0; Reply::len_for(0)];
    let reply = Reply { pair_id: 0, sequence, request, verdict: Verdict::Refused(refusal) };
    match reply.encode(&[], &mut out) {
        Ok(_) => out,
        Err(_) => Vec::new(),
    }
}
