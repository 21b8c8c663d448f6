//! Sparse and dense junction kernels for inference at batch 1: `no_std`, no allocation, no dependencies.
//!
//! A *junction* is the edges between two adjacent layers of a network: `y = act(W·x + b)`, with `W` of shape
//! `n_out × n_in` stored in a [`Packing`] that keeps only the nonzeros. This crate knows junctions and vectors; it knows
//! no files and no networks.
//!
//! * [`Junction`] is the index proof: its one constructor checks every index and length, so kernels read without checks.
//! * [`scalar`] is the specification: plain loops, never optimised. Every other kernel is tested against it.
//! * [`kernel_list`] is the one list of kernels; dispatch, conformance tests and benches all come from it.
//! * [`KernelSet`] is the set a program links; [`KernelSet::choose`] picks one kernel a junction, once.
//!
//! # Features
//! `std` (default): detects instruction sets at run time and reads `LACEWING_ISA`; see [`Isa`]. Without it the choice is
//! made from compile-time target features, and nothing but `core` is used.
#![no_std]
#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(any(feature = "std", test))]
extern crate std;

mod activation;
pub mod batch;
pub mod bytes;
mod deltas;
mod isa;
mod junction;
mod kernel;
pub mod math;
mod packing;
pub mod portable;
pub mod portable_i8;
mod quantisation;
mod requantise;
pub mod scalar;
pub mod scalar_i8;
mod spilled;
#[cfg(feature = "std")]
pub mod training;

#[cfg(target_arch = "aarch64")]
pub mod aarch64;
#[cfg(any(cortex_m_dsp, cortex_m_fpu))]
pub mod cortex_m;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

mod list;

pub use activation::Activation;
pub use batch::BATCH;
pub use deltas::{DeltaCode, Deltas};
pub use isa::{Isa, IsaError};
pub use junction::{Element, Int8, Junction, JunctionError, Parts, Section};
pub use kernel::{Accepts, Kernel, KernelSet, ReadyKernel, RunError};
pub use list::kernel_list;
pub use packing::{IndexWidth, Packing};
pub use quantisation::{MOST_STEPS, Quantisation, weight_step, weight_steps};
pub use requantise::{ROUND_ONCE, SHIFTS, requantise};
