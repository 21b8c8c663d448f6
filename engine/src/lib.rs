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
mod quantisation;
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
pub use lacewing_kernels::{BATCH, IsaError, JunctionError, Kernel, KernelSet};
pub use model::{
    Calibration, CalibrationTarget, Exit, ExitId, IntegerExit, MAX_EXITS, MAX_OPERATIONS, Metric, Model, Operation,
    Part, Scaling,
};
pub use packet::{Encoding, Packet, PacketError};
pub use policy::{AsTrained, Confidence, Decision, ExitPolicy, ExitView, Never, Threshold};
pub use quantisation::Quantisation;
pub use reply::{Logits, Refusal, Reply, Verdict};
pub use scratch::Scratch;
pub use stream::{Drift, DriftMonitor, Expected, TemporalPatience};

#[doc = include_str!("../FORMAT.md")]
pub mod format {}

#[doc = include_str!("../PACKET.md")]
pub mod packets {}
