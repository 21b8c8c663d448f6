//! How much stack the program has used, by the paint of its start-up that is gone (feature `paint`). The only unsafe code beside `board.rs` and
//! `uart.rs`: it looks at the stack's memory.

use cortex_m_rt::STACK_PAINT_VALUE;
use semihosting::println;

unsafe extern "C" {
    /// Where the stack begins; it grows downwards.
    static _stack_start: u32;
    /// Where it must not come.
    static _stack_end: u32;
}

/// Says the bytes used until now, as `stack N`.
#[inline(never)]
pub fn say() {
    let (lowest, begin) = (&raw const _stack_end, &raw const _stack_start);
    let mut at = lowest;
    // SAFETY: words of memory between the linker's symbols, both multiples of 4; the start-up code has written them all, and nothing in them is
    // used as anything but a number.
    while at < begin && unsafe { at.read_volatile() } == STACK_PAINT_VALUE {
        // SAFETY: below `begin`.
        at = unsafe { at.add(1) };
    }
    println!("stack {}", begin as usize - at as usize);
}
