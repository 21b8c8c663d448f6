//! Runs predefined-sparse early-exit networks from model bytes: `no_std`, no allocation, no unsafe code.
//!
//! *Model bytes → proof → run → exit decision.* [`Model::parse`] proves a file once, by every rule of FORMAT.md;
//! [`Engine::new`] takes the scratch that the caller lends and chooses kernels once; [`Engine::run`] is total. A head ends
//! with an [`Outcome::Answer`] where an exit was sure enough, else with [`Outcome::Offload`]: the features for the tail, and
//! the exit's own answer for when the link is down.
//!
//! ```
//! use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Outcome, ParseError};
//!
//! fn answer(file: &[u8], pixels: &[f32], scratch: &mut [u8]) -> Result<Option<u16>, Box<dyn std::error::Error>> {
//!     let model = Model::parse(file, &KernelSet::ALL)?;
//!     let mut engine = Engine::new(&model, scratch)?;
//!     engine.load(pixels)?;
//!     Ok(match engine.run(&mut AsTrained) {
//!         Outcome::Answer(answer) => Some(answer.class),
//!         Outcome::Offload { fallback, .. } => fallback.map(|answer| answer.class),
//!     })
//! }
//! # assert!(answer(&[], &[], &mut []).is_err());
//! ```
//!
//! # A device and its link
//! A reply counts where it [is to](Reply::is_to) the very packet; what is late, damaged or another's is passed over, and where
//! nothing comes in time, or a refusal, the exit's own answer stands.
//!
//! ```
//! use lacewing_engine::{Answer, Features, Packet, Reply, Verdict};
//!
//! trait Radio {
//!     fn send(&mut self, packet: &[u8]);
//!     /// What comes next; none once the time for this packet is up.
//!     fn receive<'b>(&mut self, room: &'b mut [u8]) -> Option<&'b [u8]>;
//! }
//!
//! fn ask(radio: &mut impl Radio, features: &Features<'_>, packet: &mut [u8], reply: &mut [u8]) -> Option<Answer> {
//!     let n = features.encode(packet).ok()?; // a value is not finite, or the buffer too small
//!     let packet = &packet[..n];
//!     let sent = Packet::parse(packet).ok()?;
//!     radio.send(packet);
//!     loop {
//!         let Ok((came, _logits)) = Reply::parse(radio.receive(reply)?) else { continue };
//!         match came.verdict {
//!             _ if !came.is_to(&sent) => {}
//!             Verdict::Answer(answer) => return Some(answer),
//!             Verdict::Refused(_) => return None,
//!         }
//!     }
//! }
//! # use lacewing_engine::{ExitId, PacketError, Q15, Refusal};
//! # /// Answers a packet with garbage, with a reply to another, and then rightly, where it answers at all.
//! # struct Tail { verdict: Option<Verdict>, replies: Vec<Vec<u8>> }
//! # impl Radio for Tail {
//! #     fn send(&mut self, packet: &[u8]) {
//! #         let Some(verdict) = self.verdict else { return };
//! #         let packet = Packet::parse(packet).expect("sound");
//! #         let right = Reply { pair_id: 7, sequence: packet.sequence(), request: packet.checksum(), verdict };
//! #         let late = Verdict::Answer(Answer { class: 9, exit: ExitId(2), confidence: Q15::from_f32(1.0) });
//! #         let late = Reply { request: !right.request, verdict: late, ..right };
//! #         let bytes = |reply: Reply| {
//! #             let mut bytes = vec![0; Reply::len_for(0)];
//! #             reply.encode(&[], &mut bytes).map(|_| bytes)
//! #         };
//! #         self.replies = vec![bytes(right).expect("it fits"), bytes(late).expect("it fits"), vec![1, 2, 3]];
//! #     }
//! #     fn receive<'b>(&mut self, room: &'b mut [u8]) -> Option<&'b [u8]> {
//! #         let reply = self.replies.pop()?;
//! #         let room = room.get_mut(..reply.len())?;
//! #         room.copy_from_slice(&reply);
//! #         Some(room)
//! #     }
//! # }
//! # let right = Answer { class: 4, exit: ExitId(2), confidence: Q15::from_f32(0.9) };
//! # let values = [0.5, 1.5];
//! # let features = Features::new(&values, 7, 1).with_sequence(3);
//! # let (mut packet, mut reply) = ([0; Packet::max_len(2)], [0; Reply::len_for(0)]);
//! # for (verdict, expected) in [
//! #     (Some(Verdict::Answer(right)), Some(right)),
//! #     (Some(Verdict::Refused(Refusal::Busy)), None),
//! #     (None, None),
//! # ] {
//! #     let mut radio = Tail { verdict, replies: vec![] };
//! #     assert_eq!(ask(&mut radio, &features, &mut packet, &mut reply), expected);
//! # }
//! # let bad = [f32::NAN, 0.0];
//! # let mut radio = Tail { verdict: Some(Verdict::Answer(right)), replies: vec![] };
//! # assert_eq!(ask(&mut radio, &Features::new(&bad, 7, 1), &mut packet, &mut reply), None);
//! ```
//!
//! # Features
//! `std` (default): detects instruction sets at run time. Without it the choice is made from compile-time target features.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod answer;
mod batch;
mod confidence;
mod crc;
mod element;
mod engine;
mod error;
mod features;
mod half;
mod include;
mod layout;
mod model;
mod packet;
mod parse;
mod policy;
mod read;
mod reply;
mod scratch;
mod softmax;
mod stream;

pub use answer::{Answer, Outcome, Q15, Step};
pub use batch::BatchEngine;
pub use element::Element;
pub use engine::Engine;
pub use error::{BatchError, EngineError, ParseError, ResumeError, Rule, WrongLength};
pub use features::Features;
pub use include::Aligned;
#[doc(hidden)]
pub use include::{needed_kernel_count, needed_kernels};
pub use lacewing_kernels::{BATCH, IsaError, JunctionError, Kernel, KernelSet, Quantisation};
pub use model::{
    Calibration, CalibrationTarget, Exit, ExitId, IntegerExit, MAX_EXITS, MAX_OPERATIONS, Metric, Model, Operation,
    Part, Scaling,
};
pub use packet::{Encoding, Packet, PacketError};
pub use policy::{AsTrained, Confidence, Decision, ExitPolicy, ExitView, Never, Threshold};
pub use reply::{Logits, Refusal, Reply, Verdict};
pub use scratch::Scratch;
pub use stream::{Drift, DriftMonitor, Expected, TemporalPatience};

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

#[doc = include_str!("../PACKET.md")]
pub mod packets {}
