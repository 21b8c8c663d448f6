//! Boards that QEMU plays, and running the programs of firmware/conformance on them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cortex_m4::board::{BoardError, succeed};

/// A board and the target that its programs are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The core.
    pub core: &'static str,
    /// The target triple.
    pub target: &'static str,
    /// QEMU's name of the board.
    pub board: &'static str,
    /// The processor to build for, where the target leaves it open.
    pub cpu: Option<&'static str>,
    /// Whether it computes f32 in software: it is then given fewer inputs.
    pub soft_float: bool,
}

/// The boards.
pub const MACHINES: [Machine; 5] = [
    Machine { core: "Cortex-M4F", target: "thumbv7em-none-eabihf", board: "mps2-an386", cpu: None, soft_float: false },
    Machine { core: "Cortex-M7", target: "thumbv7em-none-eabihf", board: "mps2-an500", cpu: None, soft_float: false },
    Machine {
        core: "Cortex-M33",
        target: "thumbv8m.main-none-eabihf",
        board: "mps2-an505",
        cpu: Some("cortex-m33"),
        soft_float: false,
    },
    // QEMU's only Cortex-M0 board has 16 KB of RAM; a Cortex-M3 executes the same instructions.
    Machine { core: "Armv6-M", target: "thumbv6m-none-eabi", board: "mps2-an385", cpu: None, soft_float: true },
    Machine { core: "RV32IMAC", target: "riscv32imac-unknown-none-elf", board: "virt", cpu: None, soft_float: true },
];

impl Machine {
    /// Builds a program of firmware/conformance; where it lies.
    ///
    /// # Errors
    /// It does not build, or tools are missing.
    pub fn build(
        &self,
        root: &Path,
        target_dir: &Path,
        program: &str,
        goldens: Option<&Path>,
    ) -> Result<PathBuf, BoardError> {
        let mut cargo = Command::new(root.join("scripts/cross"));
        cargo.args([
            self.target,
            "build",
            "--release",
            "--locked",
            "-p",
            "lacewing-firmware-conformance",
            "--bin",
            program,
        ]);
        cargo.arg("--target-dir").arg(target_dir).env("LACEWING_MACHINE", self.board);
        if let Some(cpu) = self.cpu {
            cargo.env("RUSTFLAGS", format!("-C target-cpu={cpu}"));
        }
        if let Some(goldens) = goldens {
            cargo.env("LACEWING_GOLDENS", goldens);
        }
        succeed("cargo", cargo.current_dir(root.join("firmware")))?;
        Ok(target_dir.join(self.target).join("release").join(program))
    }

    /// Runs a program and gives what it prints; `counter` are the plugin and the file it writes.
    ///
    /// # Errors
    /// It does not end well within two minutes.
    pub fn run(&self, program: &Path, counter: Option<(&Path, &Path)>) -> Result<String, BoardError> {
        let qemu = if self.target.starts_with("riscv32") { "qemu-system-riscv32" } else { "qemu-system-arm" };
        let mut command = Command::new("timeout");
        command.args(["120", qemu, "-M", self.board, "-display", "none", "-semihosting"]);
        if self.target.starts_with("riscv32") {
            command.args(["-bios", "none"]);
        }
        if let Some((plugin, counts)) = counter {
            command.args(["-icount", "shift=6"]);
            command.arg("-plugin").arg(format!("file={},out={}", plugin.display(), counts.display()));
        }
        let output = succeed(qemu, command.arg("-kernel").arg(program))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
