//! UART 0 of the emulated board, polled. The only unsafe code beside `board.rs`: its registers.

use core::fmt;

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *const u32 = 0x4000_4004 as *const u32;
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;

/// The UART, ready to send.
pub struct Uart(());

impl Uart {
    /// Switches the sender on.
    pub fn open() -> Self {
        // SAFETY: registers of the board (Arm AN386, "CMSDK APB UART"); this program has one thread and no interrupts.
        unsafe {
            DIVIDER.write_volatile(16);
            CONTROL.write_volatile(1);
        }
        Self(())
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: as in `open`; the buffer is waited for.
            unsafe {
                while STATE.read_volatile() & 1 != 0 {}
                DATA.write_volatile(u32::from(*byte));
            }
        }
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.send(text.as_bytes());
        Ok(())
    }
}
