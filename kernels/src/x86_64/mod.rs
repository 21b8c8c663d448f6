//! Kernels for x86-64, one file per instruction set.

pub mod avx2;
