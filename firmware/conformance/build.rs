//! Lays the memory map of the emulated board where the start-up crate's linker script finds it; `LACEWING_MACHINE` names the board.

use std::path::PathBuf;
use std::{env, fs, io};

/// Boards of QEMU, and where their code memory and their 16 MB of dynamic memory begin.
const CORTEX_M: [(&str, &str, &str); 4] = [
    ("mps2-an385", "0x00000000", "0x21000000"),
    ("mps2-an386", "0x00000000", "0x21000000"),
    ("mps2-an500", "0x00000000", "0x60000000"),
    ("mps2-an505", "0x10000000", "0x80000000"),
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-env-changed=LACEWING_MACHINE");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("riscv32") {
        let regions = ["TEXT", "RODATA", "DATA", "BSS", "HEAP", "STACK"];
        let aliases: String =
            regions.iter().map(|region| format!("REGION_ALIAS(\"REGION_{region}\", RAM);\n")).collect();
        fs::write(out.join("memory.x"), format!("MEMORY {{ RAM : ORIGIN = 0x80000000, LENGTH = 64M }}\n{aliases}"))?;
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    } else {
        let machine = env::var("LACEWING_MACHINE").unwrap_or_else(|_| "mps2-an386".into());
        let known = CORTEX_M.iter().find(|(name, ..)| *name == machine);
        let (_, flash, ram) =
            known.ok_or_else(|| io::Error::other(format!("no memory map for the board {machine}")))?;
        let map =
            format!("MEMORY {{\n  FLASH : ORIGIN = {flash}, LENGTH = 4M\n  RAM : ORIGIN = {ram}, LENGTH = 16M\n}}\n");
        fs::write(out.join("memory.x"), map)?;
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    Ok(())
}
