//! Bare-metal and Linux targets under QEMU: every kernel against the scalar reference there, the bundled models' answers against the host's, and
//! instructions of single junctions.

pub mod goldens;
pub mod junctions;
pub mod machine;
