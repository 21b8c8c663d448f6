//! The record: what was counted, with what, and when; and whether a later count agrees.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::board::Sizes;

/// `benches/record/cortex-m4/instructions.toml`, read by the demo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The target triple.
    pub target: String,
    /// The machine that QEMU played.
    pub machine: String,
    /// The version of rustc.
    pub rustc: String,
    /// Year-month-day.
    pub date: String,
    /// Inferences counted for each f32 network; of int8 ones 64.
    pub inputs: usize,
    /// The networks, by name.
    #[serde(default, rename = "network")]
    pub networks: Vec<Count>,
}

/// One network's count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The network's name.
    pub name: String,
    /// What ran: `head` or `whole`.
    pub part: String,
    /// Bytes of the model file.
    pub model_bytes: usize,
    /// The kernels that ran it.
    pub kernels: Vec<String>,
    /// Instructions of an inference, the mean, rounded.
    pub instructions: u64,
    /// The shortest inference.
    pub fewest: u64,
    /// The longest.
    pub most: u64,
}

/// `firmware/size.toml`: the firmware as it lies in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRecord {
    /// The target triple.
    pub target: String,
    /// The version of rustc.
    pub rustc: String,
    /// Year-month-day.
    pub date: String,
    /// The programs, by name.
    #[serde(rename = "program")]
    pub programs: Vec<ProgramSize>,
}

/// What a program takes, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSize {
    /// The program's folder, or its name.
    pub name: String,
    /// The worst stack, by the paint that is gone: of the smallest programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<u64>,
    /// The scratch that the model asks for, which is among `bss`: of the smallest programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<u64>,
    /// The sections.
    pub sections: Sizes,
}

/// A record cannot be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("{path}: {reason}; record it with `cargo run --release -p lacewing-benches --bin cortex-m4 -- --record`")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Reads a record.
///
/// # Errors
/// The file is missing or is not such a record.
pub fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, RecordError> {
    let unreadable = |reason: String| RecordError::Unreadable { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    toml::from_str(&text).map_err(|error| unreadable(error.message().to_owned()))
}

/// That figures of two compilers are not comparable, where they are not of one. It fails only where the record has to be kept in step: in CI.
#[must_use]
pub fn not_comparable(recorded_with: &str, built_with: &str) -> Option<String> {
    (recorded_with != built_with)
        .then(|| format!("not comparable: recorded with rustc {recorded_with}, built with {built_with}; record anew"))
}

impl SizeRecord {
    /// Where `found` is not what is recorded, in words.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let percent = allowance(&self.rustc, &found.rustc);
        let mut complaints = Vec::new();
        for new in &found.programs {
            let Some(old) = self.programs.iter().find(|program| program.name == new.name) else {
                complaints.push(format!("{} is not in the record of sizes", new.name));
                continue;
            };
            let figures = [
                (".text", Some(old.sections.text), Some(new.sections.text)),
                (".rodata", Some(old.sections.rodata), Some(new.sections.rodata)),
                (".data", Some(old.sections.data), Some(new.sections.data)),
                (".bss", Some(old.sections.bss), Some(new.sections.bss)),
                ("the stack", old.stack, new.stack),
                ("the scratch", old.scratch, new.scratch),
            ];
            for (figure, old, new_figure) in figures {
                let what = format!("{figure} of {}", new.name);
                match (old, new_figure) {
                    (Some(old), Some(found)) => complaints.extend(differs(&what, old, found, percent)),
                    (None, None) => {}
                    _ => complaints.push(format!("{what} is recorded or measured, and not both: run with --record")),
                }
            }
        }
        complaints
    }
}

/// How far a size may be from the recorded one, in percent: two versions of a compiler lay out code differently.
#[must_use]
pub fn allowance(recorded_with: &str, built_with: &str) -> u64 {
    if recorded_with == built_with { 3 } else { 15 }
}

/// The same of instructions, which are counted exactly: what differs with one compiler is code that was changed.
#[must_use]
pub fn allowance_of_counts(recorded_with: &str, built_with: &str) -> u64 {
    if recorded_with == built_with { 2 } else { 15 }
}

/// `None` where `found` is within `percent` of `recorded`; else the difference in words. Smaller is no better: the record is
/// what documents quote.
#[must_use]
pub fn differs(what: &str, recorded: u64, found: u64, percent: u64) -> Option<String> {
    let apart = recorded.abs_diff(found).saturating_mul(100);
    (apart > recorded.saturating_mul(percent))
        .then(|| format!("{what}: {found}, where {recorded} is recorded (more than {percent} % apart)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_percent_is_near_enough_and_more_is_not() {
        assert_eq!(differs("text", 1000, 1030, 3), None);
        assert_eq!(differs("text", 1000, 970, 3), None);
        assert!(differs("text", 1000, 1031, 3).is_some());
        assert!(differs("text", 1000, 969, 3).is_some());
        assert!(differs("text", 0, 1, 3).is_some());
        assert_eq!((allowance("1.95.0", "1.95.0"), allowance("1.95.0", "1.96.0")), (3, 15));
        assert_eq!((allowance_of_counts("1.95.0", "1.95.0"), allowance_of_counts("1.95.0", "1.96.0")), (2, 15));
    }

    #[test]
    fn a_program_that_grows_is_told() {
        let sections = Sizes { text: 10_000, rodata: 4_000, data: 0, bss: 100 };
        let program = ProgramSize { name: "smallest".into(), stack: Some(800), scratch: Some(100), sections };
        let record = |program: &ProgramSize| SizeRecord {
            target: "thumbv7em-none-eabihf".into(),
            rustc: "1.95.0".into(),
            date: "2026-11-27".into(),
            programs: vec![program.clone()],
        };
        let told = |grown: ProgramSize| record(&program).differences(&record(&grown));
        let with = |sections| ProgramSize { sections, ..program.clone() };
        assert!(told(program.clone()).is_empty());
        assert!(told(ProgramSize { stack: Some(824), scratch: Some(103), ..program.clone() }).is_empty(), "3 %");
        for grown in [
            ProgramSize { stack: Some(825), ..program.clone() },
            ProgramSize { scratch: Some(104), ..program.clone() },
            ProgramSize { stack: None, ..program.clone() },
            with(Sizes { text: 10_301, ..sections }),
            with(Sizes { rodata: 4_121, ..sections }),
            with(Sizes { data: 4, ..sections }),
            with(Sizes { bss: 104, ..sections }),
            ProgramSize { name: "another".into(), ..program.clone() },
        ] {
            assert_eq!(told(grown.clone()).len(), 1, "{grown:?}");
        }
        assert!(not_comparable("1.95.0", "1.96.0").is_some() && not_comparable("1.95.0", "1.95.0").is_none());
        let text = toml::to_string(&record(&program)).unwrap();
        assert_eq!(toml::from_str::<SizeRecord>(&text).unwrap(), record(&program));
    }

    #[test]
    fn a_record_survives_its_file() {
        let count = Count {
            name: "mnist".into(),
            part: "head".into(),
            model_bytes: 38_760,
            kernels: vec!["rows8_f32/scalar".into()],
            instructions: 57_139,
            fewest: 56_978,
            most: 57_182,
        };
        let record = Record { inputs: 10, networks: vec![count], ..Record::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("instructions.toml");
        fs::write(&path, toml::to_string(&record).unwrap()).unwrap();
        assert_eq!(read::<Record>(&path).unwrap(), record);
        assert!(read::<SizeRecord>(&path).is_err());
        assert!(read::<Record>(&folder.path().join("none")).unwrap_err().to_string().contains("--record"));
    }
}
