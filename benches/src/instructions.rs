//! Instructions that a kernel executes for one junction, counted by callgrind: what noise hides, a count shows.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use lacewing_converter::bench::BenchError;
use lacewing_converter::bench::contender::{Contender, Kernels};
use lacewing_converter::bench::draw::{Drawn, draw_with};
use lacewing_converter::bench::shapes::{self, Shape, ShapeError};
use lacewing_converter::grouping::Effort;
use lacewing_kernels::Isa;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What is on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `rustc --version`: the counts are its code's.
    pub compiler: String,
    /// Instructions of one run, by `shape: packing kernel`.
    pub instructions: BTreeMap<String, u64>,
}

/// Nothing could be counted.
#[derive(Debug, Error)]
pub enum CountError {
    /// The list of shapes.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A junction.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A program did not start.
    #[error("{program}: {error}")]
    Start {
        /// Which.
        program: String,
        /// What the system says.
        error: io::Error,
    },
    /// valgrind failed, or says no count.
    #[error("valgrind counted nothing for {name}: {said}")]
    NoCount {
        /// Of what.
        name: String,
        /// What it said.
        said: String,
    },
    /// No kernel of this name for the shape.
    #[error("no kernel is named {0}")]
    Unknown(String),
}

/// The junctions that are counted.
///
/// # Errors
/// The list is no list; the one in the tree is.
pub fn shapes() -> Result<Vec<Shape>, ShapeError> {
    shapes::parse(include_str!("../shapes/instructions.txt"))
}

fn drawn(shape: &Shape) -> Result<Drawn, CountError> {
    Ok(draw_with(shape, 1, &Effort::NONE).map_err(BenchError::from)?)
}

/// Runs the kernel `name` of the `shape`-th junction `runs` times: what callgrind watches.
///
/// # Errors
/// There is no such kernel.
pub fn run(shape: usize, name: &str, runs: usize) -> Result<(), CountError> {
    let shapes = shapes()?;
    let drawn = drawn(shapes.get(shape).ok_or_else(|| CountError::Unknown(name.into()))?)?;
    let contenders = Contender::all(&drawn, Kernels::Vector)?;
    let contender = contenders.iter().find(|contender| contender.name() == name);
    let contender = contender.ok_or_else(|| CountError::Unknown(name.into()))?;
    let mut y = vec![0.0; drawn.edges.n_out()];
    watched(contender, &drawn.x, &mut y, runs);
    Ok(())
}

/// The function in which callgrind counts, by its name: drawing the junction takes as many instructions as its threads happen to.
const WATCHED: &str = "lacewing_benches::instructions::watched";

#[inline(never)]
fn watched(contender: &Contender<'_>, x: &[f32], y: &mut [f32], runs: usize) {
    for _ in 0..runs {
        // Lengths are the junction's own.
        let ran = contender.run(core::hint::black_box(x), y);
        debug_assert!(ran.is_ok());
    }
}

/// The widest that valgrind's processor has, whatever this one has.
const WIDEST: Isa = Isa::Avx2;

/// Counts every kernel of every shape; `program` is asked to [`run`] them by `--one SHAPE NAME RUNS`.
///
/// # Errors
/// valgrind is not there or fails.
pub fn count(program: &Path, progress: &mut dyn FnMut(&str, u64)) -> Result<Record, CountError> {
    let mut instructions = BTreeMap::new();
    for (at, shape) in shapes()?.iter().enumerate() {
        let drawn = drawn(shape)?;
        let counted = |one: &&Contender<'_>| one.kernel().is_some_and(|kernel| kernel.isa() <= WIDEST);
        for contender in Contender::all(&drawn, Kernels::Vector)?.iter().filter(counted) {
            let name = contender.name();
            // What a first run does besides is the same in both.
            let (one, three) = (collected(program, at, name, 1)?, collected(program, at, name, 3)?);
            let each = three.saturating_sub(one) / 2;
            progress(&format!("{}: {name}", shape.name), each);
            instructions.insert(format!("{}: {name}", shape.name), each);
        }
    }
    Ok(Record { compiler: compiler()?, instructions })
}

/// Instructions that callgrind sees in all `runs`.
fn collected(program: &Path, shape: usize, name: &str, runs: usize) -> Result<u64, CountError> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(format!("--toggle-collect={WATCHED}")).arg(program);
    valgrind.args(["--one", &shape.to_string(), name, &runs.to_string()]);
    let output = valgrind.output().map_err(|error| CountError::Start { program: "valgrind".into(), error })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let number = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match number.filter(|_| output.status.success()) {
        Some(number) => Ok(number),
        None => Err(CountError::NoCount { name: name.into(), said: said.into_owned() }),
    }
}

/// The compiler that builds here.
///
/// # Errors
/// There is none.
pub fn compiler() -> Result<String, CountError> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(&rustc).arg("--version").output();
    let output = output.map_err(|error| CountError::Start { program: rustc, error })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where the record lies.
#[must_use]
pub fn record_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("record/x86_64-callgrind/instructions.toml")
}

/// What differs by more than a hundredth, and what is missing on either side: a line each.
#[must_use]
pub fn differences(recorded: &Record, counted: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, was) in &recorded.instructions {
        match counted.instructions.get(name) {
            None => lines.push(format!("{name}: on record, and not counted")),
            Some(is) if is.abs_diff(*was) * 100 > *was => {
                lines.push(format!("{name}: {is} instructions, {was} on record"))
            }
            Some(_) => {}
        }
    }
    let new = counted.instructions.keys().filter(|name| !recorded.instructions.contains_key(*name));
    lines.extend(new.map(|name| format!("{name}: not on record")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_is_allowed_and_names_are_held() {
        let record = |counts: &[(&str, u64)]| Record {
            compiler: "one".into(),
            instructions: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        };
        let recorded = record(&[("a", 1000), ("b", 1000), ("c", 5)]);
        let counted = record(&[("a", 1010), ("b", 989), ("d", 5)]);
        let lines = differences(&recorded, &counted);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("b: 989") && lines[1].starts_with("c:") && lines[2].starts_with("d:"));
    }

    #[test]
    fn the_shapes_run() {
        assert!(run(0, "dense dense_f32_4x8/avx2", 1).is_ok() || cfg!(not(target_arch = "x86_64")));
        assert!(run(0, "nobody", 1).is_err() && run(99, "nobody", 1).is_err());
    }
}
