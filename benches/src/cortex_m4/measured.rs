//! Flash, RAM, stack and instructions of the least program around each bundled model (`firmware/qemu/src/bin/measured.rs`), and their record: what
//! `lacewing_converter::predict` is held against.

use std::fs;
use std::path::Path;
use std::process::Command;

use lacewing_converter::calibrate::nonzero_inputs;
use lacewing_converter::convert::convert_network_for;
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::Profile;
use serde::{Deserialize, Serialize};

use super::board::{Board, BoardError, MACHINE, Sizes, TARGET, regions, sizes, succeed};
use super::int8::{Int8Error, networks};
use super::smallest::Image;
use super::subject::{INPUTS, Read, SubjectError};
use crate::boards::goldens::{Golden, goldens};

/// `benches/record/cortex-m4/measured.toml`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredRecord {
    /// The target triple.
    pub target: String,
    /// The machine that QEMU played.
    pub machine: String,
    /// The version of rustc.
    pub rustc: String,
    /// Year-month-day.
    pub date: String,
    /// Images that each program ran.
    pub inputs: usize,
    /// The programs, by name.
    #[serde(rename = "program")]
    pub programs: Vec<Measured>,
}

/// A model's program. Bytes, and instructions of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The model's name, `-int8` behind it where it is quantised.
    pub name: String,
    /// The model file.
    pub model: u64,
    /// What else lies in flash, the images apart: code, constants, the vector table.
    pub code: u64,
    /// Variables: the scratch and what the program keeps.
    pub ram: u64,
    /// Stack used, by the paint that is gone.
    pub stack: u64,
    /// Instructions of an image, the mean.
    pub instructions: u64,
    /// The longest step of any image: what a watchdog has to wait for.
    pub longest_step: u64,
}

impl Measured {
    /// All of the flash.
    #[must_use]
    pub fn flash(&self) -> u64 {
        self.model + self.code
    }
}

/// The models whose programs are measured: the bundled ones as `convert` packs them without a target, and of the paper's networks one in int8, with its
/// masks and with blocks, and one in f32, packed for speed; with [`INPUTS`] images each.
///
/// # Errors
/// A file cannot be read or converted.
pub fn models(root: &Path) -> Result<Vec<Golden>, Int8Error> {
    let mut models = goldens(root, INPUTS)?;
    models.retain(|model| !model.name.starts_with("sound-"));
    for mut network in networks(root)?.into_iter().filter(|network| network.name.ends_with("for speed")) {
        network.inputs.truncate(INPUTS * network.input_bytes() as usize);
        models.push(network);
    }
    models.push(zero_skipping(root)?);
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(models)
}

/// The paper's network of three sparse junctions in f32, packed for speed on images: its first junction passes over zero inputs.
fn zero_skipping(root: &Path) -> Result<Golden, Int8Error> {
    let file = root.join("models/weights/paper-800-100-100-10.safetensors");
    let Read { name, network, inputs, calibration } = Read::of(&file, INPUTS)?;
    let (profile, nonzero) = (Profile::load("cortex-m4")?, nonzero_inputs(&network, &calibration));
    let goal = Goal::Speed { profile: &profile, inputs: &nonzero };
    let model = convert_network_for(&network, goal, None, &|_, _| {}).map_err(SubjectError::from)?.head;
    let inputs = inputs.iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(Golden { name: format!("{name}, for speed"), model: model.into(), inputs })
}

/// Bytes of the vector table, which lies before `.text`.
const VECTORS: u64 = 1_024;

impl Board {
    /// Builds the least program around a model, and runs it; a second time painted, where its stack is asked for.
    ///
    /// # Errors
    /// As [`Board::run`]; the program can panic.
    pub fn measure(&self, model: &Golden, stack: bool) -> Result<Measured, BoardError> {
        let (sections, steps, _) = self.run_measured(model, false)?;
        let stack = if stack { self.run_measured(model, true)?.2 } else { 0 };
        let images = (model.inputs.len() as u64 / model.input_bytes()).max(1);
        let Sizes { text, rodata, data, bss } = sections;
        let held = model.model.len() as u64 + model.inputs.len() as u64;
        Ok(Measured {
            name: model.name.clone(),
            model: model.model.len() as u64,
            code: (VECTORS + text + rodata + data).saturating_sub(held),
            ram: data + bss,
            stack,
            instructions: (steps.iter().sum::<u64>() + images / 2) / images,
            longest_step: steps.iter().copied().max().unwrap_or_default(),
        })
    }

    fn run_measured(&self, model: &Golden, paint: bool) -> Result<(Sizes, Vec<u64>, u64), BoardError> {
        let file = |name: &str, bytes: &[u8]| {
            let path = self.target_dir.join(name);
            let written = fs::create_dir_all(&self.target_dir).and_then(|()| fs::write(&path, bytes));
            written.map_err(|error| BoardError::Io { path: path.clone(), error })?;
            Ok(path)
        };
        let mut cargo = self.cross();
        cargo.args(["build", "--release", "--locked", "-p", "lacewing-firmware-qemu", "--bin", "measured"]);
        if paint {
            cargo.args(["--features", "paint"]);
        }
        cargo.arg("--target-dir").arg(&self.target_dir);
        cargo.env("LACEWING_MODEL", file("model.lace", &model.model)?);
        cargo.env("LACEWING_INPUTS", file("inputs", &model.inputs)?);
        cargo.env("LACEWING_SCRATCH", model.scratch_bytes().to_string());
        cargo.env("LACEWING_ELEMENT", if model.is_exact() { "int8" } else { "f32" });
        succeed("cargo", cargo.current_dir(self.root.join("firmware")))?;
        let program = self.target_dir.join(TARGET).join("release/measured");
        // What says how much stack is used prints, and printing may panic.
        if !paint && let Some(function) = Image::read(&program)?.panicking().next() {
            let reason = format!("with {} in it, it can panic: it holds {function}", model.name);
            return Err(BoardError::Program { path: program, reason });
        }
        let counts = self.target_dir.join("counts");
        let mut qemu = Command::new("timeout");
        qemu.args(["60", "qemu-system-arm", "-M", MACHINE, "-display", "none", "-semihosting", "-icount", "shift=6"]);
        qemu.arg("-plugin").arg(format!("file={},out={}", self.counter.display(), counts.display()));
        let used = ended(&program, qemu.arg("-kernel").arg(&program), paint)?;
        let counted = fs::read_to_string(&counts).map_err(|error| BoardError::Io { path: counts, error })?;
        Ok((sizes(&program)?, regions(&counted), used))
    }

    /// Stack that a program of firmware/qemu uses as it lies in the tree, by the paint that is gone.
    ///
    /// # Errors
    /// As [`Board::run`].
    pub fn painted_stack(&self, program: &str) -> Result<u64, BoardError> {
        let program = self.in_tree(program, true)?;
        let mut qemu = Command::new("timeout");
        qemu.args(["60", "qemu-system-arm", "-M", MACHINE, "-display", "none", "-semihosting"]);
        ended(&program, qemu.arg("-kernel").arg(&program), true)
    }
}

/// Runs a program that ends with a class as its exit code, or 101 behind a hand-over; the stack that it says it has used, where it is painted.
fn ended(program: &Path, qemu: &mut Command, painted: bool) -> Result<u64, BoardError> {
    let output = qemu.output().map_err(|error| BoardError::Missing { tool: "qemu-system-arm".into(), error })?;
    let ended = output.status.code().is_some_and(|code| code <= 101 && !(98..=100).contains(&code));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let used = said.lines().find_map(|line| line.strip_prefix("stack ")).and_then(|bytes| bytes.parse().ok());
    if ended && painted == used.is_some() {
        return Ok(used.unwrap_or_default());
    }
    Err(BoardError::Failed {
        tool: program.display().to_string(),
        status: output.status.to_string(),
        messages: said + &String::from_utf8_lossy(&output.stderr),
    })
}
