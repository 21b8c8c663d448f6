//! Kernels for aarch64, one file per instruction set.

pub mod neon;
