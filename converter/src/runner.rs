//! An engine of either element, fed with f32 samples as data sets hold them.

use core::hint::black_box;

use lacewing_engine::{
    Answer, AsTrained, Confidence, Decision, Engine, EngineError, ExitPolicy, ExitView, Features, Model, Outcome,
    Packet, PacketError, Q15, ResumeError, Threshold, WrongLength,
};

use crate::encode::{least_confidence, named};

/// An engine for f32 or for int8 inputs, as the model says.
pub(crate) enum Runner<'m> {
    F32(Engine<'m>),
    I8(Engine<'m, i8>),
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ran {
    Answer(Answer),
    Offload {
        fallback: Option<Answer>,
        /// Bytes of the features alone.
        payload: usize,
        /// Bytes of the packet without its zeros, where that makes it smaller.
        without_zeros: usize,
    },
}

/// The thresholds of the model, one for all exits, or no exit at all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Policy {
    AsTrained,
    At(f32),
    Never,
}

impl ExitPolicy for Policy {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        match self {
            Self::AsTrained => AsTrained.decide(exit),
            Self::At(threshold) => Threshold(*threshold).decide(exit),
            Self::Never => Decision::Continue,
        }
    }
}

impl ExitPolicy<i8> for Policy {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        match self {
            Self::AsTrained => AsTrained.decide(exit),
            Self::At(threshold) => {
                let least = least_confidence(named(exit.exit().metric), *threshold);
                if least > 1.0 { Decision::Continue } else { Confidence(Q15::from_f32(least as f32)).decide(exit) }
            }
            Self::Never => Decision::Continue,
        }
    }
}

/// Hands each exit's logits, as the numbers they stand for, to a policy's caller.
struct Watched<'w> {
    policy: Policy,
    seen: &'w mut Vec<Vec<f32>>,
    scale: &'w dyn Fn(u8) -> (f32, i8),
}

impl ExitPolicy for Watched<'_> {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.seen.push(exit.logits().to_vec());
        self.policy.decide(exit)
    }
}

impl ExitPolicy<i8> for Watched<'_> {
    fn decide(&mut self, exit: &ExitView<'_, i8>) -> Decision {
        let (scale, zero) = (self.scale)(exit.exit().id.0);
        let number = |q: &i8| f32::from(i16::from(*q) - i16::from(zero)) * scale;
        self.seen.push(exit.logits().iter().map(number).collect());
        self.policy.decide(exit)
    }
}

impl<'m> Runner<'m> {
    pub fn new(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, EngineError> {
        Ok(match model.input() {
            None => Self::F32(Engine::new(model, scratch)?),
            Some(_) => Self::I8(Engine::new_i8(model, scratch)?),
        })
    }

    /// Takes a sample, quantised where the model's inputs are int8.
    pub fn load(&mut self, sample: &[f32]) -> Result<(), WrongLength> {
        match self {
            Self::F32(engine) => engine.load(sample),
            Self::I8(engine) => engine.load_f32(sample),
        }
    }

    /// Runs; what is handed over is written to `packet`.
    pub fn run<P>(&mut self, policy: &mut P, packet: &mut Vec<u8>) -> Result<Ran, PacketError>
    where
        P: ExitPolicy + ExitPolicy<i8>,
    {
        match self {
            Self::F32(engine) => ended(engine.run(policy), packet),
            Self::I8(engine) => ended(engine.run(policy), packet),
        }
    }

    /// Runs with the model's own thresholds, and what no exit takes through `tail`, without a packet.
    pub fn run_through(&mut self, tail: Option<&mut Self>) -> Result<(), ResumeError> {
        match (self, tail) {
            (Self::F32(head), Some(Self::F32(tail))) => {
                if let Outcome::Offload { features, .. } = head.run(&mut AsTrained) {
                    black_box(tail.resume(&features, &mut AsTrained)?);
                }
            }
            (Self::I8(head), Some(Self::I8(tail))) => {
                if let Outcome::Offload { features, .. } = head.run(&mut AsTrained) {
                    black_box(tail.resume(&features, &mut AsTrained)?);
                }
            }
            (Self::I8(head), Some(Self::F32(tail))) => {
                if let Outcome::Offload { features, .. } = head.run(&mut AsTrained) {
                    let values: Vec<f32> =
                        features.values().iter().map(|q| features.quantisation().dequantise(*q)).collect();
                    let features = Features::new(&values, features.pair_id(), features.split());
                    black_box(tail.resume(&features, &mut AsTrained)?);
                }
            }
            (Self::F32(_), Some(Self::I8(_))) => return Err(ResumeError::WrongQuantisation),
            (Self::F32(head), None) => drop(black_box(head.run(&mut AsTrained))),
            (Self::I8(head), None) => drop(black_box(head.run(&mut AsTrained))),
        }
        Ok(())
    }

    /// Finishes what came in a packet; `None` where this is a head again, which no tail is.
    pub fn resume(&mut self, packet: &Packet<'_>, policy: &mut Policy) -> Result<Option<Answer>, ResumeError> {
        let answer = |outcome| match outcome {
            Ok(Ran::Answer(answer)) => Some(answer),
            _ => None,
        };
        Ok(match self {
            Self::F32(engine) => answer(ended(engine.resume_packet(packet, policy)?, &mut Vec::new())),
            Self::I8(engine) => answer(ended(engine.resume_packet(packet, policy)?, &mut Vec::new())),
        })
    }

    /// Takes what came in a packet as the input of a run.
    pub fn put(&mut self, packet: &Packet<'_>) -> Result<(), ResumeError> {
        // The run that `resume` makes consumes the input; so the values are laid there again.
        self.resume(packet, &mut Policy::Never)?;
        match self {
            Self::F32(engine) => engine.input().iter_mut().zip(packet.values()).for_each(|(to, value)| *to = value),
            Self::I8(engine) => engine.input().iter_mut().zip(packet.values_i8()).for_each(|(to, value)| *to = value),
        }
        Ok(())
    }

    /// Runs past every exit and gives each exit's logits, the end's last.
    pub fn all_logits(&mut self, packet: &mut Vec<u8>) -> Result<Vec<Vec<f32>>, PacketError> {
        let mut seen = Vec::new();
        match self {
            Self::F32(engine) => {
                let mut watched = Watched { policy: Policy::Never, seen: &mut seen, scale: &|_| (1.0, 0) };
                let answered = matches!(ended(engine.run(&mut watched), packet)?, Ran::Answer(_));
                seen.extend(answered.then(|| engine.logits().to_vec()));
            }
            Self::I8(engine) => {
                let model = engine.model();
                let scale = |exit| scale_of(model, exit);
                let mut watched = Watched { policy: Policy::Never, seen: &mut seen, scale: &scale };
                let answered = matches!(ended(engine.run(&mut watched), packet)?, Ran::Answer(_));
                let number = |q: &i8| model.output().map_or(0.0, |output| output.dequantise(*q));
                seen.extend(answered.then(|| engine.logits().iter().map(number).collect()));
            }
        }
        Ok(seen)
    }
}

/// What the logits of an exit (by its number in the whole network) stand for.
fn scale_of(model: &Model<'_>, exit: u8) -> (f32, i8) {
    let first = model.exits().next().map_or(1, |exit| exit.id.0);
    let number = exit.saturating_sub(first) + 1;
    let last = model.operations().filter(|operation| operation.exit == Some(number)).last();
    last.and_then(|operation| operation.output).map_or((1.0, 0), |output| (output.scale, output.zero))
}

fn ended<T: lacewing_engine::Element>(outcome: Outcome<'_, T>, packet: &mut Vec<u8>) -> Result<Ran, PacketError> {
    match outcome {
        Outcome::Answer(answer) => Ok(Ran::Answer(answer)),
        Outcome::Offload { features, fallback } => {
            write(&features, packet)?;
            let (payload, without_zeros) = (features.payload_len(), features.without_zeros().packet_len());
            Ok(Ran::Offload { fallback, payload, without_zeros })
        }
    }
}

fn write<T: lacewing_engine::Element>(features: &Features<'_, T>, packet: &mut Vec<u8>) -> Result<(), PacketError> {
    packet.clear();
    packet.resize(features.packet_len(), 0);
    features.encode(packet).map(|_| ())
}
