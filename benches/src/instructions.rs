//! Instructions that a kernel executes for one junction, counted by callgrind: what noise hides, a count shows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use lacewing_converter::bench::BenchError;
use lacewing_converter::bench::batch::panels;
use lacewing_converter::bench::contender::Kernels;
use lacewing_converter::bench::draw::{Drawn, draw_with};
use lacewing_converter::bench::shapes::{self, Shape, ShapeError};
use lacewing_converter::grouping::Effort;
use lacewing_kernels::{BATCH, Isa};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::way::Way;

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
    let way = Way::all(&drawn, Kernels::Vector)?.into_iter().find(|way| way.name() == name);
    let mut way = way.ok_or_else(|| CountError::Unknown(name.into()))?;
    watched(&mut way, &drawn.x, &panels(&drawn, 1), runs);
    Ok(())
}

/// The function in which callgrind counts, by its name: drawing the junction takes as many instructions as its threads happen to.
const WATCHED: &str = "lacewing_benches::instructions::watched";

#[inline(never)]
fn watched(way: &mut Way<'_>, x: &[f32], panel: &[[f32; BATCH]], runs: usize) {
    (0..runs).for_each(|_| way.run(x, panel));
}

/// The widest that valgrind's processor has, whatever this one has.
const WIDEST: Isa = Isa::Avx2;

/// The ways of a junction that are counted, of batched kernels the first for every packing: `batched` has the packings there were.
fn counted<'d>(drawn: &'d Drawn, batched: &mut BTreeSet<&'static str>) -> Result<Vec<Way<'d>>, CountError> {
    let mut ways = Way::all(drawn, Kernels::Vector)?;
    ways.retain(|way| match way {
        _ if way.kernel().is_none_or(|kernel| kernel.isa() > WIDEST) => false,
        Way::One(..) => true,
        Way::Batch(way) => batched.insert(way.packing().name()),
    });
    Ok(ways)
}

/// Counts every kernel of every shape; `program` is asked to [`run`] them by `--one SHAPE NAME RUNS`.
///
/// # Errors
/// valgrind is not there or fails.
pub fn count(program: &Path, progress: &mut dyn FnMut(&str, u64)) -> Result<Record, CountError> {
    let (mut instructions, mut batched) = (BTreeMap::new(), BTreeSet::new());
    for (at, shape) in shapes()?.iter().enumerate() {
        let drawn = drawn(shape)?;
        for name in counted(&drawn, &mut batched)?.iter().map(Way::name) {
            // What a first run does besides is the same in both.
            let (one, three) = (collected(program, at, &name, 1)?, collected(program, at, &name, 3)?);
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

/// The environment variable that makes a record of another compiler a failure: ci.sh sets it, so that no comparison is left out
/// unseen.
pub const COMPARABLE: &str = "LACEWING_COMPARABLE";

/// Whether a record can be compared with what `compiler` builds: that is, it is of the same one. `required` makes another one an
/// error.
///
/// # Errors
/// What to say where it cannot be compared and has to.
pub fn comparable(recorded: &str, compiler: &str, required: bool) -> Result<Result<(), String>, String> {
    if recorded == compiler {
        return Ok(Ok(()));
    }
    let said = format!("not comparable: the record is of {recorded}, this is {compiler}");
    if required { Err(format!("{said}; build with that one, or record anew")) } else { Ok(Err(said)) }
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
    use lacewing_kernels::{Element, kernel_list};

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
    fn another_compiler_is_told_or_refused() {
        assert_eq!(comparable("rustc 1", "rustc 1", true), Ok(Ok(())));
        assert!(comparable("rustc 1", "rustc 2", false).unwrap().unwrap_err().starts_with("not comparable"));
        assert!(comparable("rustc 1", "rustc 2", true).unwrap_err().contains("record anew"));
    }

    /// Every kernel of f32 that valgrind's processor runs, and the batched one for every packing.
    #[test]
    fn every_kernel_is_counted() {
        let recorded: Record = toml::from_str(&std::fs::read_to_string(record_path()).unwrap()).unwrap();
        let (mut kernels, mut batched, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for shape in shapes().unwrap() {
            let drawn = drawn(&shape).unwrap();
            for way in counted(&drawn, &mut batched).unwrap() {
                kernels.insert(way.kernel().unwrap().to_string());
                names.insert(format!("{}: {}", shape.name, way.name()));
            }
        }
        let of_f32 = kernel_list().iter().filter(|kernel| kernel.element() == Element::F32);
        let of_f32 =
            of_f32.filter(|kernel| kernel.isa() > Isa::Scalar && kernel.isa() <= WIDEST && kernel.ready().is_some());
        let missing: Vec<String> = of_f32.map(ToString::to_string).filter(|name| !kernels.contains(name)).collect();
        assert_eq!(missing, [""; 0], "no shape has edges for them");
        if Isa::Avx2.is_available() {
            assert!(recorded.instructions.keys().eq(&names), "record it anew");
        }
    }

    #[test]
    fn the_shapes_run() {
        assert!(run(0, "dense dense_f32_4x8/avx2", 1).is_ok() || cfg!(not(target_arch = "x86_64")));
        assert!(run(0, "nobody", 1).is_err() && run(99, "nobody", 1).is_err());
    }
}
