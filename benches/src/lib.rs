//! Benchmarks of kernels and networks. The measuring is converter's ([`lacewing_converter::bench`]), since `lacewing bench` does it
//! too; here are the criterion groups, the records, the instruction counts of an emulated Cortex-M4, and those of
//! the kernels of this machine.

pub mod aarch64;
pub mod boards;
pub mod cortex_m4;
pub mod exits;
pub mod instructions;
pub mod int8;
pub mod way;
