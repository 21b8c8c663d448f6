//! What a model takes on a board, told before anything is flashed: flash, RAM, stack and instructions.
//!
//! The program meant is the least around the model, `firmware/qemu/src/bin/measured.rs`: start-up, the engine, the kernels that the model needs, the
//! model in flash, no printing. Its sizes were read off such programs of the bundled networks (`benches/record/cortex-m4/measured.toml`, rustc 1.95,
//! release profile of the firmware); a test of `lacewing-benches` holds what is told here within a twentieth of each of them.

mod counts;

use lacewing_engine::{Model, Operation, Part};
use serde::Serialize;
use thiserror::Error;

/// The targets that something is known of.
pub const TARGETS: [&str; 1] = ["cortex-m4"];

/// What a model takes on a board. Bytes, and instructions of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// One of [`TARGETS`].
    pub target: &'static str,
    /// All of the flash: model and code.
    pub flash: usize,
    /// Of these the program without the model.
    pub code: usize,
    /// Variables: the scratch, the model's description where it is parsed at start-up, and what start-up keeps.
    pub ram: usize,
    /// The deepest stack, which comes beside `ram`.
    pub stack: usize,
    /// Instructions to the end of the file's trunk, every exit on the way included; absent where one of the junctions was never counted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<usize>,
    /// Those of the longest step, which a watchdog has to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_step: Option<usize>,
    /// Whether the model is proven when the program is built (`include_model!`); a larger one is parsed at start-up, against all kernels.
    pub proven_at_build: bool,
    /// The steps, in the order in which they run.
    pub steps: Vec<Step>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The kernel there; absent where none was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<&'static str>,
    /// Instructions of the step, of the exit's decision too where one is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<usize>,
}

/// A target of which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("nothing was measured for the target {name}; there is {}", TARGETS.join(", "))]
pub struct UnknownTarget {
    /// Its name.
    pub name: String,
}

/// `include_model!` proves files up to this size.
const PROVEN_AT_BUILD: usize = 128_000;
/// Variables beside the scratch: the mark that it is taken once.
const MARKS: usize = 16;
/// A model's description, where it is parsed at start-up.
const DESCRIPTION: usize = 2_224;

/// Figures of a program by what its values are.
struct Program {
    /// Code and constants without a kernel, the vector table included.
    base: usize,
    /// What a decision before the end of the trunk takes besides.
    exits: usize,
    /// Code where the model is parsed at start-up, against every kernel.
    parsing: usize,
    /// The deepest stack: without and with a decision before the end, and where the model is parsed.
    stack: [usize; 3],
    /// Instructions of a run besides its steps.
    run: usize,
    /// Of the answer at the end of a trunk, of ten classes, and of a decision before it.
    answer: usize,
}

const F32: Program =
    Program { base: 14_590, exits: 7_600, parsing: 146_900, stack: [575, 570, 8_440], run: 300, answer: 920 };
const INT8: Program =
    Program { base: 10_700, exits: 5_900, parsing: 140_290, stack: [578, 640, 8_540], run: 100, answer: 400 };

/// Bytes of code of each kernel, by how its name begins.
const KERNELS: [(&str, usize); 12] = [
    ("dense_f32", 890),
    ("block_f32_8", 950),
    ("block_f32_16", 1_170),
    ("rows8_f32", 3_070),
    ("rows16_f32", 3_070),
    ("dense_i8", 2_390),
    ("block_i8_4", 3_170),
    ("block_i8_8", 3_560),
    ("block_i8_16", 4_080),
    ("rows", 2_400),
    ("coded", 3_370),
    ("nm_i8", 17_130),
];
/// Of a kernel that is not among them.
const OTHER_KERNEL: usize = 1_000;

/// The deepest stack of a program with blocks of int8, which gather inputs there.
const STACK_OF_BLOCKS: usize = 1_116;
/// What outputs take besides whose sums need every check.
const STACK_OF_CHECKS: usize = 58;

/// Tells what `model` takes on `target`.
///
/// # Errors
/// Nothing is known of the target.
pub fn predict(model: &Model<'_>, target: &str) -> Result<Prediction, UnknownTarget> {
    let target =
        TARGETS.into_iter().find(|known| *known == target).ok_or_else(|| UnknownTarget { name: target.to_owned() })?;
    let program = if model.input().is_some() { INT8 } else { F32 };
    let proven_at_build = model.bytes().len() <= PROVEN_AT_BUILD;
    let counted: Vec<_> = model.operations().map(|operation| counts::of(&operation.junction)).collect();
    let steps: Vec<Step> = model
        .operations()
        .enumerate()
        .zip(&counted)
        .map(|((at, operation), counted)| Step {
            kernel: counted.map(|counted| counted.kernel),
            instructions: counted.map(|counted| counted.instructions + behind(model, at, operation, &program)),
        })
        .collect();
    let mut kernels: Vec<&str> = steps.iter().filter_map(|step| step.kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let code_of = |kernel: &str| {
        KERNELS.iter().find(|(name, _)| kernel.starts_with(name)).map_or(OTHER_KERNEL, |(_, bytes)| *bytes)
    };
    let early = model.exits().any(|exit| exit.branch > 0);
    let code = if proven_at_build {
        let kernels: usize = kernels.iter().map(|kernel| code_of(kernel)).sum();
        program.base + kernels + if early { program.exits } else { 0 }
    } else {
        program.parsing
    };
    let instructions = steps.iter().map(|step| step.instructions).sum::<Option<usize>>().map(|sum| sum + program.run);
    let [plain, deciding, parsing] = program.stack;
    // The portable kernels look at each output in any case.
    let checked = |(operation, counted): (&Operation<'_>, &Option<counts::Counted>)| {
        counted.is_some_and(|counted| counted.kernel.ends_with("/dsp")) && !operation.junction.outputs_are_usual()
    };
    let checks = if model.operations().zip(&counted).any(checked) { STACK_OF_CHECKS } else { 0 };
    let blocks = if kernels.iter().any(|kernel| kernel.starts_with("block_i8")) { STACK_OF_BLOCKS } else { 0 };
    Ok(Prediction {
        target,
        flash: model.bytes().len() + code,
        code,
        ram: model.scratch_len() + MARKS + if proven_at_build { 0 } else { DESCRIPTION },
        stack: match (proven_at_build, early) {
            (false, _) => parsing,
            (true, true) => deciding.max(blocks) + checks,
            (true, false) => plain.max(blocks) + checks,
        },
        instructions,
        longest_step: instructions.and(steps.iter().filter_map(|step| step.instructions).max()),
        proven_at_build,
        steps,
    })
}

/// What an operation takes besides its kernel: the decision or the answer behind it.
fn behind(model: &Model<'_>, at: usize, operation: &Operation<'_>, program: &Program) -> usize {
    let next = model.operations().nth(at + 1).map(|next| next.exit);
    let decides = match operation.exit {
        Some(exit) => next != Some(Some(exit)),
        None => next.is_none() && model.part() != Part::Head,
    };
    if decides { program.answer } else { 0 }
}
