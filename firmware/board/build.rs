//! Lays the board's memory map where cortex-m-rt's linker script finds it; the features name the board.

use std::path::PathBuf;
use std::{env, fs, io};

const NUCLEO_F446RE: &str = "MEMORY {
  FLASH : ORIGIN = 0x08000000, LENGTH = 512K
  RAM : ORIGIN = 0x20000000, LENGTH = 128K
}
";

/// The boot ROM looks for the block that main.rs lays in .start_block within the first 4 KB.
const PICO_2: &str = "MEMORY {
  FLASH : ORIGIN = 0x10000000, LENGTH = 4M
  RAM : ORIGIN = 0x20000000, LENGTH = 512K
}
SECTIONS { .start_block : ALIGN(4) { KEEP(*(.start_block)); } > FLASH } INSERT AFTER .vector_table;
_stext = ADDR(.start_block) + SIZEOF(.start_block);
";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    let memory = if env::var_os("CARGO_FEATURE_PICO_2").is_some() { PICO_2 } else { NUCLEO_F446RE };
    fs::write(out.join("memory.x"), memory)?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    Ok(())
}
