//! Marks for the instruction counter (`scripts/roicount`): it counts from the return of [`roi_begin`] to the call of
//! [`roi_end`]. The only file here with unsafe code: the marks need names that the linker leaves alone.

use core::arch::asm;

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
