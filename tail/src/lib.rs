//! Finishes on a server what a head was not sure about, and asks such a server from a device that has std.
//!
//! [`serve()`] answers over HTTP by the Open Inference Protocol v2 (KServe), with Triton's binary tensor extension, and takes
//! the packets of PACKET.md over UDP and TCP for devices without HTTP; [`gateway()`] takes such packets for another server of
//! the protocol. [`client`] is the other end: where the link fails or the deadline passes, the answer is the exit's own, and
//! the result says so. [`oip`] is the protocol itself, bytes in and bytes out, and is there without the features `server` and
//! `client` too.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

mod answer;
#[cfg(feature = "server")]
mod break_even;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
mod config;
#[cfg(feature = "server")]
mod connections;
#[cfg(feature = "server")]
mod datagrams;
#[cfg(feature = "server")]
mod engines;
mod frames;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod model_file;
pub mod oip;
#[cfg(feature = "server")]
mod packets;
#[cfg(feature = "server")]
mod pool;
#[cfg(feature = "server")]
mod room;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
mod tcp;
#[cfg(feature = "server")]
mod udp;
#[cfg(feature = "server")]
mod upstream;

pub use answer::TailAnswer;
#[cfg(feature = "server")]
pub use config::{Addresses, Batching, Config, Limits, Stop};
#[cfg(feature = "server")]
pub use datagrams::{Incoming, Outgoing};
pub use frames::{Frames, encode_frame};
#[cfg(feature = "server")]
pub use model_file::{LoadError, ModelBytes, ModelFile, read_model};
#[cfg(feature = "server")]
pub use serve::{ServeError, gateway, serve};
#[cfg(feature = "server")]
pub use upstream::{HeadFacts, Upstream, UpstreamError};

/// The largest datagram that Ethernet and IPv4 carry whole.
pub const DATAGRAM: usize = 1472;
