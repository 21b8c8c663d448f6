//! Benchmarks of kernels and networks against the fastest dense there is.
//!
//! Batch 1, one thread, f32. *Best dense* is the fastest of our own dense kernels (the one that skips zero inputs is one of
//! them), the `gemm` crate and `matrixmultiply`, in the same run: at batch 1 `matrixmultiply` alone is no baseline. A ratio is the median over rounds of (best dense / kernel),
//! and in each round every contender has run once, so that a busy machine slows all of them alike.

pub mod aligned;
pub mod boards;
pub mod contender;
pub mod cortex_m4;
pub mod draw;
pub mod int8;
pub mod measure;
pub mod network;
pub mod peers;
pub mod shapes;
pub mod table;
