//! Kernels for aarch64, one file per instruction set.
//!
//! Arrays of accumulators have constant lengths and are indexed by loops over those lengths, which the compiler unrolls.
#![allow(clippy::indexing_slicing, reason = "register arrays of constant length; model bytes are never indexed here")]

pub mod batch;
pub mod input_major;
pub mod lanes;
pub mod neon;
pub mod neon_i8;
pub mod rows;
#[cfg(feature = "std")]
pub mod training;
pub mod windows;
