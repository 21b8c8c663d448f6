//! Turns trained masked weights into model files, and evaluates them with the engine.
//!
//! *File of tensors + recipe → edges → structure → packing → bytes → comparison.* [`convert`](convert::convert) goes the whole
//! way:
//!
//! 1. [`source`] opens Keras, PyTorch, ONNX, TensorFlow Lite, safetensors and .npz files, by content; a [`reading`] says how to read
//!    one, by a recipe or by the [`layers`] that the file describes; [`import`] makes a [`network::Network`] of it. A mask says
//!    what an edge is; where there is none, exact zeros of either sign are the absence of edges.
//! 2. [`find`] looks for structure in the [`edges`]; [`choose`] takes a packing and says why; [`pack`] lays the bytes out.
//! 3. [`encode`] writes head and tail by `FORMAT.md`; [`verify`] runs them in the engine and compares every logit, feature and
//!    class with the network in f64; only then [`mod@write`] puts the files in place, all or none.
//!
//! [`prune`] takes a dense network to a pattern and [`trained`] writes any network as the trainer's file, so that training can go on
//! from it. [`export`] is the way back to ONNX and NumPy. [`evaluate`] runs models on data sets and [`inspect`] lays a model open,
//! both as data for tables and JSON.
//!
//! # Features
//! `bench` (off by default): junctions and networks measured beside the fastest dense, other people's included.
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]
#![deny(unsafe_code)]

#[cfg(feature = "bench")]
pub mod bench;
mod blocks;
pub mod calibrate;
pub mod choose;
pub mod compare;
mod convention;
pub mod convert;
pub mod edges;
pub mod encode;
pub mod evaluate;
pub mod export;
mod fastest;
pub mod find;
pub mod grouping;
mod hidden;
pub mod import;
pub mod inspect;
pub mod inspect_source;
pub mod instructions;
pub mod int8;
pub mod latency;
pub mod layers;
#[allow(unsafe_code, reason = "the one place that maps files")]
mod map;
pub mod network;
mod onnx;
pub mod pack;
pub mod placement;
pub mod plan;
pub mod predict;
pub mod profile;
pub mod prune;
pub mod reading;
mod reference;
pub mod repack;
pub mod report;
mod runner;
pub mod scratch;
pub mod settled;
pub mod source;
pub mod thresholds;
pub mod trained;
pub mod tune;
pub mod unpack;
pub mod verify;
pub mod write;
