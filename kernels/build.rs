//! Says which Cortex-M instructions the target has: stable Rust reports neither the DSP extension nor the floating-point unit.
//!
//! * `cortex_m_dsp`: `smlad`, `sxtb16` and the like. All Armv7E-M cores; Armv8-M cores have them as an option: where the program is
//!   built with `-C target-cpu=` one that has them (Cortex-M33, M35P, M55, M85).
//! * `cortex_m_fpu`: single-precision FPv4 or FPv5. The hard-float targets.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(cortex_m_dsp, cortex_m_fpu)");
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let cpus = ["cortex-m33", "cortex-m35p", "cortex-m55", "cortex-m85"];
    let cpu_has_dsp = cpus
        .iter()
        .any(|cpu| flags.ends_with(&format!("target-cpu={cpu}")) || flags.contains(&format!("target-cpu={cpu}\x1f")));
    if target.starts_with("thumbv7em-") || (target.starts_with("thumbv8m.main-") && cpu_has_dsp) {
        println!("cargo:rustc-cfg=cortex_m_dsp");
    }
    if matches!(target.as_str(), "thumbv7em-none-eabihf" | "thumbv8m.main-none-eabihf") {
        println!("cargo:rustc-cfg=cortex_m_fpu");
    }
}
