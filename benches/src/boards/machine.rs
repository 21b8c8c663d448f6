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
}

/// The boards.
pub const MACHINES: [Machine; 5] = [
    Machine { core: "Cortex-M4F", target: "thumbv7em-none-eabihf", board: "mps2-an386", cpu: None },
    Machine { core: "Cortex-M7", target: "thumbv7em-none-eabihf", board: "mps2-an500", cpu: None },
    Machine { core: "Cortex-M33", target: "thumbv8m.main-none-eabihf", board: "mps2-an505", cpu: Some("cortex-m33") },
    // QEMU's only Cortex-M0 board has 16 KB of RAM; a Cortex-M3 executes the same instructions.
    Machine { core: "Armv6-M", target: "thumbv6m-none-eabi", board: "mps2-an385", cpu: None },
    Machine { core: "RV32IMAC", target: "riscv32imac-unknown-none-elf", board: "virt", cpu: None },
];

impl Machine {
    /// Builds a program of firmware/conformance; where it lies.
    ///
    /// # Errors
    /// It does not build, or tools are missing.
    pub fn build(&self, root: &Path, target_dir: &Path, program: &str) -> Result<PathBuf, BoardError> {
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
        succeed("cargo", cargo.current_dir(root.join("firmware")))?;
        Ok(target_dir.join(self.target).join("release").join(program))
    }

    /// Runs a program in a folder and gives what it prints; `counter` are the plugin and the file it writes.
    ///
    /// # Errors
    /// It does not end well within two minutes.
    pub fn run(&self, program: &Path, folder: &Path, counter: Option<(&Path, &Path)>) -> Result<String, BoardError> {
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
        let output = succeed(qemu, command.arg("-kernel").arg(program).current_dir(folder))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// A Linux target whose programs QEMU runs beside the host's, and the instruction set that they are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linux {
    /// The target triple.
    pub target: &'static str,
    /// As `LACEWING_ISA` has it.
    pub isa: &'static str,
}

/// The Linux targets. armv7 has the portable kernels alone.
pub const LINUX: [Linux; 3] = [
    Linux { target: "aarch64-unknown-linux-gnu", isa: "neondot" },
    Linux { target: "aarch64-unknown-linux-gnu", isa: "neon" },
    Linux { target: "armv7-unknown-linux-gnueabihf", isa: "scalar" },
];

impl Linux {
    /// Builds the engine's program that answers a folder of models, runs it, and gives what it prints.
    ///
    /// # Errors
    /// It does not build or run, or tools are missing.
    pub fn run(&self, root: &Path, folder: &Path) -> Result<String, BoardError> {
        let mut cargo = Command::new(root.join("scripts/cross"));
        cargo.args([self.target, "run", "--quiet", "--release", "--locked", "-p", "lacewing-engine"]);
        cargo.args(["--example", "goldens", "--"]).arg(folder).env("LACEWING_ISA", self.isa);
        let output = succeed("cargo", cargo.current_dir(root))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
