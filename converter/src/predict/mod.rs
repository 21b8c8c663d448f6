//! What a model takes on a board, told before anything is flashed: flash, RAM, stack and instructions.
//!
//! The program meant is the least around the model, `firmware/qemu/src/bin/measured.rs`: start-up, the engine, the kernels that the model needs, the
//! model in flash, no printing. Its sizes were read off such programs of the bundled networks (`benches/record/cortex-m4/measured.toml`, rustc 1.95,
//! release profile of the firmware); a test of `lacewing-benches` holds what is told here within a twentieth of each of them.

mod counts;
mod input_major;
mod seen;

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
    /// Images that instructions are told by. Where there are none, and a kernel passes over zero inputs, no input is taken to be zero.
    pub images: usize,
    /// Instructions to the end of the file's trunk, every exit on the way included, on average; absent where one of the junctions was never counted
    /// there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<usize>,
    /// Those of the longest step of any image, which a watchdog has to wait for.
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
    /// Instructions of the step on average, of the exit's decision too where one is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<usize>,
    /// The same of the image that takes the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
}

/// Nothing can be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PredictError {
    /// A target of which nothing is known.
    #[error("nothing was measured for the target {name}; there is {}", TARGETS.join(", "))]
    UnknownTarget {
        /// Its name.
        name: String,
    },
    /// An image that the model cannot be given.
    #[error("an image has {found} values and the model {needed} inputs: give the data that it was trained on")]
    Image {
        /// Inputs of the model.
        needed: usize,
        /// Values of the image.
        found: usize,
    },
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
    Program { base: 14_590, exits: 7_600, parsing: 147_900, stack: [575, 570, 8_440], run: 300, answer: 920 };
const INT8: Program =
    Program { base: 10_700, exits: 100, parsing: 139_350, stack: [578, 640, 8_540], run: 100, answer: 400 };

/// Bytes of code of each kernel, by how its name begins.
const KERNELS: [(&str, usize); 18] = [
    ("dense_f32", 890),
    ("block_f32_8", 950),
    ("block_f32_16", 1_170),
    ("rows8_f32", 3_070),
    ("rows16_f32", 3_070),
    ("dense_i8", 2_390),
    ("block_i8_4", 4_790),
    ("block_i8_8", 5_180),
    ("block_i8_16", 5_710),
    ("input_major8_f32", 1_980),
    ("input_major16_f32", 1_980),
    ("input_major", 2_630),
    ("rows", 2_400),
    ("coded", 3_370),
    ("nm1of16", 9_790),
    ("nm2of16", 9_790),
    ("nm4of16", 9_790),
    ("nm8of16", 9_790),
];
/// Of a kernel that is not among them.
const OTHER_KERNEL: usize = 1_000;

/// The deepest stack of a program with blocks of int8, which gather inputs there.
const STACK_OF_BLOCKS: usize = 1_116;
/// Of one with int8 input by input, whose sums lie there.
const STACK_OF_INPUT_MAJOR: usize = 1_508;
/// What outputs take besides whose sums need every check.
const STACK_OF_CHECKS: usize = 58;

/// Tells what `model` takes on `target`, its instructions by `images`, each of as many values as the model has inputs, where a kernel passes over
/// zero inputs; without any, as if there were no zero.
///
/// # Errors
/// Nothing is known of the target; an image is of another width.
pub fn predict(model: &Model<'_>, target: &str, images: &[&[f32]]) -> Result<Prediction, PredictError> {
    let unknown = || PredictError::UnknownTarget { name: target.to_owned() };
    let target = TARGETS.into_iter().find(|known| *known == target).ok_or_else(unknown)?;
    let program = if model.input().is_some() { INT8 } else { F32 };
    let proven_at_build = model.bytes().len() <= PROVEN_AT_BUILD;
    let seen = seen(model, images)?;
    let images = seen.len();
    let runs = if seen.is_empty() { vec![none_is_zero(model)] } else { seen };
    let steps: Vec<Step> = model
        .operations()
        .enumerate()
        .map(|(at, operation)| {
            let here: Option<Vec<counts::Counted>> =
                runs.iter().map(|seen| counts::of(&operation.junction, seen.get(at)?)).collect();
            let here = here.unwrap_or_default();
            let besides = behind(model, at, operation, &program);
            let instructions = || here.iter().map(|counted| counted.instructions + besides);
            Step {
                kernel: here.first().map(|counted| counted.kernel),
                instructions: mean(instructions()),
                most: instructions().max(),
            }
        })
        .collect();
    let code = code(model, &steps, proven_at_build, &program);
    let instructions = steps.iter().map(|step| step.instructions).sum::<Option<usize>>().map(|sum| sum + program.run);
    Ok(Prediction {
        target,
        flash: model.bytes().len() + code,
        code,
        ram: model.scratch_len() + MARKS + if proven_at_build { 0 } else { DESCRIPTION },
        stack: stack(model, &steps, proven_at_build, &program),
        images,
        instructions,
        longest_step: instructions.and(steps.iter().filter_map(|step| step.most).max()),
        proven_at_build,
        steps,
    })
}

fn mean(of: impl ExactSizeIterator<Item = usize>) -> Option<usize> {
    let runs = of.len();
    (of.sum::<usize>() + runs / 2).checked_div(runs)
}

/// Of each image, which inputs of each operation are not zero; nothing where this machine cannot run the model.
fn seen(model: &Model<'_>, images: &[&[f32]]) -> Result<Vec<Vec<Vec<bool>>>, PredictError> {
    let needed = model.n_in();
    if let Some(image) = images.iter().find(|image| image.len() != needed) {
        return Err(PredictError::Image { needed, found: image.len() });
    }
    let seen: Option<_> = images.iter().map(|image| seen::nonzero_inputs(model, image)).collect();
    Ok(seen.unwrap_or_default())
}

/// The same of an image none of whose inputs is zero anywhere.
fn none_is_zero(model: &Model<'_>) -> Vec<Vec<bool>> {
    model.operations().map(|operation| vec![true; operation.junction.n_in()]).collect()
}

/// Bytes of the program without the model.
fn code(model: &Model<'_>, steps: &[Step], proven_at_build: bool, program: &Program) -> usize {
    if !proven_at_build {
        return program.parsing;
    }
    let mut kernels: Vec<&str> = steps.iter().filter_map(|step| step.kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let code_of = |kernel: &str| {
        KERNELS.iter().find(|(name, _)| kernel.starts_with(name)).map_or(OTHER_KERNEL, |(_, bytes)| *bytes)
    };
    let kernels: usize = kernels.iter().map(|kernel| code_of(kernel)).sum();
    program.base + kernels + if decides_early(model) { program.exits } else { 0 }
}

fn decides_early(model: &Model<'_>) -> bool {
    model.exits().any(|exit| exit.branch > 0)
}

/// The deepest stack.
fn stack(model: &Model<'_>, steps: &[Step], proven_at_build: bool, program: &Program) -> usize {
    let [plain, deciding, parsing] = program.stack;
    if !proven_at_build {
        return parsing;
    }
    let with = |kernel: &str, element: &str| {
        let this = |name: &str| name.starts_with(kernel) && name.contains(element);
        steps.iter().any(|step| step.kernel.is_some_and(this))
    };
    let kernels = if with("input_major", "_i8") {
        STACK_OF_INPUT_MAJOR
    } else if with("block", "_i8") {
        STACK_OF_BLOCKS
    } else {
        0
    };
    // The portable kernels look at each output in any case.
    let checked = |(operation, step): (&Operation<'_>, &Step)| {
        step.kernel.is_some_and(|kernel| kernel.ends_with("/dsp")) && !operation.junction.outputs_are_usual()
    };
    let checks = if model.operations().zip(steps).any(checked) { STACK_OF_CHECKS } else { 0 };
    kernels.max(if decides_early(model) { deciding } else { plain }) + checks
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
