//! Lays the board's memory map where cortex-m-rt's linker script finds it, and the model and its inputs where the program
//! includes them.
//!
//! `LACEWING_MODEL` names another model file than `model/head.lace`, and `LACEWING_INPUTS` the inputs for it: little-endian
//! f32, as the network sees them, one input after the other; int8 with `LACEWING_ELEMENT=int8`. `LACEWING_SCRATCH` is the scratch of a model that is parsed at start-up.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// `include_model!` proves files up to this size at compile time; larger ones are parsed at start-up.
const PROVEN_AT_BUILD: usize = 128_000;

const MEMORY: &str = "MEMORY {
  FLASH : ORIGIN = 0x00000000, LENGTH = 4M
  RAM : ORIGIN = 0x20000000, LENGTH = 4M
}
";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?);
    fs::write(out.join("memory.x"), MEMORY)?;
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");

    let model = included("LACEWING_MODEL", "model/head.lace")?;
    let inputs = included("LACEWING_INPUTS", "model/inputs.f32")?;
    fs::write(out.join("model.lace"), &model)?;
    fs::write(out.join("inputs.f32"), &inputs)?;
    println!("cargo:rerun-if-env-changed=LACEWING_SCRATCH");
    fs::write(out.join("scratch"), env::var("LACEWING_SCRATCH").unwrap_or_else(|_| "16_384".into()))?;
    println!("cargo:rustc-check-cfg=cfg(proven_at_build, int8)");
    println!("cargo:rerun-if-env-changed=LACEWING_ELEMENT");
    if env::var("LACEWING_ELEMENT").is_ok_and(|element| element == "int8") {
        println!("cargo:rustc-cfg=int8");
    }
    if model.len() <= PROVEN_AT_BUILD {
        println!("cargo:rustc-cfg=proven_at_build");
    }
    Ok(())
}

/// The bytes of the file that a variable names, or of the one that lies here.
fn included(variable: &str, otherwise: &str) -> io::Result<Vec<u8>> {
    println!("cargo:rerun-if-env-changed={variable}");
    let path = env::var_os(variable).map_or_else(|| Path::new(otherwise).to_path_buf(), PathBuf::from);
    println!("cargo:rerun-if-changed={}", path.display());
    fs::read(&path).map_err(|error| io::Error::other(format!("{variable}: {}: {error}", path.display())))
}
