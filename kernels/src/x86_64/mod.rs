//! Kernels for x86-64, one file per instruction set.
//!
//! Arrays of accumulators have constant lengths and are indexed by loops over those lengths, which the compiler unrolls.
#![allow(clippy::indexing_slicing, reason = "register arrays of constant length; model bytes are never indexed here")]

pub mod avx2;
pub mod avx2_i8;
#[cfg(feature = "std")]
pub mod avx2_training;
pub mod avx512;
pub mod avx512_i8;
#[cfg(feature = "std")]
pub mod avx512_training;
