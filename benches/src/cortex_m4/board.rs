//! The board: building the firmware for a network, running it under QEMU, counting its instructions, reading its sizes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use object::{Object, ObjectSection};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::subject::Subject;

/// The target that the firmware is built for.
pub const TARGET: &str = "thumbv7em-none-eabihf";
/// The machine that QEMU plays.
pub const MACHINE: &str = "mps2-an386";

/// What the board needs from this tree and this machine.
#[derive(Clone, Debug)]
pub struct Board {
    /// The project's root.
    pub root: PathBuf,
    /// Where cargo builds the firmware.
    pub target_dir: PathBuf,
    /// The instruction counter, `scripts/roicount` built.
    pub counter: PathBuf,
}

/// One program run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The kernels that it says it runs, each once.
    pub kernels: Vec<String>,
    /// What else it printed, one line an input.
    pub lines: Vec<String>,
    /// Instructions of each inference.
    pub instructions: Vec<u64>,
    /// The program's sections.
    pub sizes: Sizes,
}

/// Bytes of a program's sections. The model and the inputs lie in `rodata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Code.
    pub text: u64,
    /// Constants.
    pub rodata: u64,
    /// Variables with an initial value.
    pub data: u64,
    /// Variables that begin as zero: the scratch among them.
    pub bss: u64,
}

/// The board could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoardError {
    /// A tool cannot be started.
    #[error("{tool} cannot be started: {error}; scripts/setup-cross.sh installs what is missing")]
    Missing {
        /// The tool.
        tool: String,
        /// What the system says.
        error: io::Error,
    },
    /// A tool failed.
    #[error("{tool} failed ({status}):\n{messages}")]
    Failed {
        /// The tool.
        tool: String,
        /// How it ended.
        status: String,
        /// What it wrote.
        messages: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The program is no ELF file, or lacks a section.
    #[error("{path} is not the program expected: {reason}")]
    Program {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The counter has not counted every inference.
    #[error("the instruction counter saw {counted} inferences of {run}: are roi_begin and roi_end still two symbols?")]
    Uncounted {
        /// Inferences counted.
        counted: usize,
        /// Inferences run.
        run: usize,
    },
}

impl Board {
    /// Builds the firmware for `subject` and runs it.
    ///
    /// # Errors
    /// Tools are missing, the build fails, or the program does not end well within a minute.
    pub fn run(&self, subject: &Subject) -> Result<Run, BoardError> {
        let program = self.build(subject)?;
        let counts = self.target_dir.join("counts");
        let mut qemu = Command::new("timeout");
        qemu.args(["60", "qemu-system-arm", "-M", MACHINE, "-display", "none", "-semihosting", "-icount", "shift=6"]);
        qemu.arg("-plugin").arg(format!("file={},out={}", self.counter.display(), counts.display()));
        let output = succeed("qemu-system-arm", qemu.arg("-kernel").arg(&program))?;
        let (mut kernels, mut lines): (Vec<String>, Vec<String>) = Default::default();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match line.strip_prefix("kernel ") {
                Some(kernel) if kernels.iter().any(|known| known == kernel) => {}
                Some(kernel) => kernels.push(kernel.to_owned()),
                None => lines.push(line.to_owned()),
            }
        }
        let counted = fs::read_to_string(&counts).map_err(|error| BoardError::Io { path: counts, error })?;
        let instructions = regions(&counted);
        if instructions.len() != lines.len() {
            return Err(BoardError::Uncounted { counted: instructions.len(), run: lines.len() });
        }
        Ok(Run { kernels, lines, instructions, sizes: sizes(&program)? })
    }

    /// The compiler that builds the firmware, as `1.95.0`.
    ///
    /// # Errors
    /// No compiler here has the target's standard library.
    pub fn compiler(&self) -> Result<String, BoardError> {
        let output = succeed("scripts/cross", self.cross().arg("--which"))?;
        let version = String::from_utf8_lossy(&output.stdout);
        Ok(version.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    /// Builds a program of firmware/qemu as it lies in the tree; where it is.
    pub(super) fn in_tree(&self, program: &str, painted: bool) -> Result<PathBuf, BoardError> {
        let mut cargo = self.cross();
        cargo.args(["build", "--release", "--locked", "-p", "lacewing-firmware-qemu", "--bin", program]);
        if painted {
            cargo.args(["--features", "paint"]);
        }
        succeed("cargo", cargo.arg("--target-dir").arg(&self.target_dir).current_dir(self.root.join("firmware")))?;
        Ok(self.target_dir.join(TARGET).join("release").join(program))
    }

    fn build(&self, subject: &Subject) -> Result<PathBuf, BoardError> {
        let written = |name: &str, bytes: &[u8]| {
            let path = self.target_dir.join(name);
            fs::create_dir_all(&self.target_dir)
                .and_then(|()| fs::write(&path, bytes))
                .map_err(|error| BoardError::Io { path: path.clone(), error })?;
            Ok(path)
        };
        let model = written("model.lace", &subject.model)?;
        let inputs = written("inputs.f32", &subject.input_bytes())?;
        let mut cargo = self.cross();
        cargo.args(["build", "--release", "--locked", "-p", "lacewing-firmware-qemu", "--bin", "head", "--target-dir"]);
        cargo.arg(&self.target_dir);
        cargo.env("LACEWING_MODEL", model).env("LACEWING_INPUTS", inputs);
        succeed("cargo", cargo.current_dir(self.root.join("firmware")))?;
        Ok(self.target_dir.join(TARGET).join("release/head"))
    }

    pub(super) fn cross(&self) -> Command {
        let mut command = Command::new(self.root.join("scripts/cross"));
        command.arg(TARGET);
        command
    }
}

/// The counts of the counter's report, `roi NUMBER COUNT` a line.
#[must_use]
pub fn regions(report: &str) -> Vec<u64> {
    report.lines().filter_map(|line| line.strip_prefix("roi ")?.split_once(' ')?.1.parse().ok()).collect()
}

pub(super) fn sizes(program: &Path) -> Result<Sizes, BoardError> {
    let wrong = |reason: String| BoardError::Program { path: program.into(), reason };
    let bytes = fs::read(program).map_err(|error| BoardError::Io { path: program.into(), error })?;
    let file = object::File::parse(&*bytes).map_err(|error| wrong(error.to_string()))?;
    let size = |name: &str| {
        file.section_by_name(name)
            .map(|section| section.size())
            .ok_or_else(|| wrong(format!("it has no section {name}")))
    };
    Ok(Sizes { text: size(".text")?, rodata: size(".rodata")?, data: size(".data")?, bss: size(".bss")? })
}

/// What a tool says that ends well.
///
/// # Errors
/// It cannot be started, or fails.
pub fn succeed(tool: &str, command: &mut Command) -> Result<Output, BoardError> {
    let output = command.output().map_err(|error| BoardError::Missing { tool: tool.into(), error })?;
    if output.status.success() {
        return Ok(output);
    }
    let messages = [&output.stdout[..], &output.stderr].concat();
    Err(BoardError::Failed {
        tool: tool.into(),
        status: output.status.to_string(),
        messages: String::from_utf8_lossy(&messages).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_report_is_read() {
        assert_eq!(regions("roi 0 57182\nroi 1 57176\ntotal 606041\n"), [57182, 57176]);
    }

    #[test]
    fn a_failing_tool_is_quoted() {
        let error = succeed("sh", Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("exit status: 3") && error.to_string().contains("why"), "{error}");
        assert!(matches!(succeed("no-such-tool", &mut Command::new("no-such-tool")), Err(BoardError::Missing { .. })));
    }
}
