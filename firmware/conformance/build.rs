//! Lays the memory map of the emulated board where the start-up crate's linker script finds it; `LACEWING_MACHINE` names the board. Lists
//! the model files in the folder that `LACEWING_GOLDENS` names, and their inputs, for the program that runs them all.

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
    fs::write(out.join("goldens.rs"), goldens()?)?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    Ok(())
}

/// A Rust array of name, model and inputs, by name; empty without the variable.
fn goldens() -> io::Result<String> {
    println!("cargo:rerun-if-env-changed=LACEWING_GOLDENS");
    let mut models = Vec::new();
    if let Some(folder) = env::var_os("LACEWING_GOLDENS").map(PathBuf::from) {
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "lace") {
                models.push(path);
            }
        }
    }
    models.sort_by_key(|model| model.file_stem().unwrap_or_default().to_owned());
    let entries = models.iter().map(|model| {
        let (inputs, name) = (model.with_extension("inputs"), model.file_stem().unwrap_or_default());
        format!("    (\"{}\", include_bytes!({model:?}), include_bytes!({inputs:?})),\n", name.display())
    });
    Ok(format!("&[\n{}]\n", entries.collect::<String>()))
}
