//! The C door of the engine: `lacewing.h` is its documentation, written by cbindgen from this crate.
//!
//! Every function checks its pointers for null and alignment and its lengths against the model before it does anything, and says
//! what it refuses with a [`lacewing_status`]. What it cannot check is the caller's: that a pointer is valid for the length that
//! comes with it, that bytes and scratch lent to a model or engine stay until it is no longer used and are not written meanwhile,
//! and that one thread at a time uses an engine.
#![no_std]
#![allow(non_camel_case_types, reason = "types have the names that C sees")]

#[cfg(not(target_os = "none"))]
extern crate std;

mod engine;
mod memory;
mod model;
mod packet;
mod status;

pub use engine::*;
pub use memory::{LACEWING_ENGINE_WORDS, LACEWING_MODEL_WORDS, lacewing_engine, lacewing_engine_i8, lacewing_model};
pub use model::*;
pub use packet::*;
pub use status::{ALL, lacewing_status, lacewing_status_text};

/// Nothing here panics (a test of the linked firmware sees to it); Rust wants to be told what would happen.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
