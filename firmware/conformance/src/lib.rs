//! What the two programs share: a heap, the start-up of the target, marks for the instruction counter, and the junctions that the tests of
//! the kernels draw. The only file here with unsafe code.
#![no_std]

pub extern crate alloc;

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;

use embedded_alloc::LlffHeap;
use semihosting::fs::File;
use semihosting::io::Read;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
// The critical section that the heap takes.
#[cfg(target_arch = "arm")]
use cortex_m as _;
#[cfg(target_arch = "riscv32")]
use riscv as _;

#[allow(missing_docs, reason = "the source of a test")]
#[allow(dead_code, clippy::should_implement_trait, reason = "the source of a test")]
#[path = "../../../kernels/tests/support/mod.rs"]
pub mod support;
#[allow(missing_docs, reason = "the source of a test")]
#[allow(dead_code, reason = "the source of a test")]
#[path = "../../../kernels/tests/support_i8/mod.rs"]
pub mod support_i8;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

/// Bytes of heap.
const ROOM: usize = 14 << 20;

/// Opens the heap; to be called once, first.
pub fn open_heap() {
    static mut MEMORY: [u8; ROOM] = [0; ROOM];
    // SAFETY: called once, before anything allocates; nobody else uses the memory.
    unsafe { HEAP.init(&raw mut MEMORY as usize, ROOM) }
}

/// The count begins.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_begin() {
    // SAFETY: a no-operation; without it the compiler would drop the call.
    unsafe { asm!("nop", options(nostack, preserves_flags)) }
}

/// The count ends.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_end() {
    // SAFETY: as in `roi_begin`. Two of them: the linker would make one function of two that are alike.
    unsafe { asm!("nop", "nop", options(nostack, preserves_flags)) }
}

/// A file of the host, of the folder that the emulator was started in.
///
/// # Errors
/// It cannot be read, in words.
pub fn read(name: &str) -> Result<Vec<u8>, String> {
    let failed = |error: semihosting::io::Error| format!("{name}: {error}");
    let path = CString::new(name).map_err(|error| error.to_string())?;
    let mut file = File::open(&*path).map_err(failed)?;
    let length = usize::try_from(file.metadata().map_err(failed)?.len()).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
