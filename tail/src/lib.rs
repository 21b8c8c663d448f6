//! Finishes on a server what a head was not sure about, and asks such a server from a device that has std.
//!
//! [`serve()`] answers over HTTP by the Open Inference Protocol v2 (KServe), with Triton's binary tensor extension, and takes
//! the packets of PACKET.md over UDP and TCP for devices without HTTP. [`client`] is the other end: where the link fails or
//! the deadline passes, the answer is the exit's own, and the result says so.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

pub mod client;
mod connections;
mod engines;
mod frames;
mod http;
mod model_file;
pub mod oip;
mod pool;
mod serve;
mod tcp;
mod udp;

pub use frames::{Frames, encode_frame};
pub use model_file::{LoadError, ModelFile};
pub use serve::{Addresses, Config, Limits, ServeError, Stop, serve};

/// The largest datagram that Ethernet and IPv4 carry whole.
pub const DATAGRAM: usize = 1472;
