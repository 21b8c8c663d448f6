//! Networks on an emulated Cortex-M4: the same answers as here, how many instructions each takes, and how large the program is.
//!
//! The program is `firmware/qemu`, built anew for each network, with ten images of the test set in flash. QEMU has no pipeline,
//! no caches and no wait states: instructions are counted, not cycles.

pub mod board;
pub mod int8;
pub mod measured;
pub mod record;
pub mod smallest;
pub mod subject;
