//! The whole way: a trained network in, model files out, each number compared.

use core::fmt;
use std::path::{Path, PathBuf};

use lacewing_engine::Part as ModelPart;
use lacewing_models::data::{DataError, Part, load_for};
use lacewing_models::{Dataset, JunctionId, Recipe, RecipeError};
use serde::Serialize;
use thiserror::Error;

use crate::calibrate::{NonzeroInputs, nonzero_inputs};
use crate::choose::dense_bytes;
use crate::encode::{EncodeError, SectionAlign, encode};
use crate::grouping::Padding;
use crate::hidden;
use crate::import::{ImportError, Imported, import_reading_with};
use crate::int8::given::{self, GivenError, Scales};
use crate::int8::trained;
use crate::int8::{self, Int8Error, Quantising};
use crate::network::Network;
use crate::plan::{Goal, PlanError, PlannedJunction, plan};
use crate::profile::Profile;
use crate::reading::Reading;
use crate::settled::Settled;
use crate::source::{Source, SourceError};
use crate::verify::{Verified, VerifyError, verify_with};
use crate::write::{WriteError, write_all};

/// Name of the file that holds a head or a whole network.
pub const HEAD: &str = "head.lace";
/// Name of the file that holds a tail.
pub const TAIL: &str = "tail.lace";

/// What can be asked of a conversion.
#[derive(Clone, Copy, Default)]
pub struct Options<'d> {
    /// Splits behind this trunk junction, from 1, whatever the recipe says; 0 makes one whole network.
    pub split_after: Option<usize>,
    /// The exits behind these trunk junctions, from 1, and no others; `None` for all that there are.
    pub exit_after: Option<&'d [usize]>,
    /// Data to verify with, beside random inputs.
    pub data: Option<&'d Dataset>,
    /// The target whose fastest packings are taken; the smallest ones without.
    pub profile: Option<&'d Profile>,
    /// Data set (a folder of IDX files or an .npz file) whose validation part tells which junctions meet zero inputs, so that
    /// packings that pass over them can be chosen. Of use with a profile only.
    pub calibrate: Option<&'d Path>,
    /// What junctions compute in; a network that was quantised elsewhere stays int8. int8 needs `calibrate`, whose validation part then tells the
    /// range of every number as well, unless the network was trained for int8.
    pub dtype: Dtype,
    /// How int8 ranges are chosen, and what stays f32; its goal is not looked at, since `profile` says it.
    pub quantising: Quantising<'d>,
    /// Told what is being done, and the share of it that is done.
    pub progress: Option<Progress<'d>>,
}

/// What a conversion is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the weights.
    Reading,
    /// Running data through the network, for the ranges of its numbers or its zeros.
    Calibrating,
    /// Choosing a junction's packing, and packing it.
    Packing(
        /// Which.
        JunctionId,
    ),
    /// Comparing what the engine makes of the files with the network.
    Verifying,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading => f.write_str("reading"),
            Self::Calibrating => f.write_str("calibrating"),
            Self::Packing(junction) => write!(f, "packing {junction}"),
            Self::Verifying => f.write_str("verifying"),
        }
    }
}

/// Told what is being done and what share of it is done, 0 to 1; by several threads.
pub type Progress<'p> = &'p (dyn Fn(Step, f64) + Sync);

/// What junctions compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// Single precision.
    #[default]
    F32,
    /// int8, quantised after training.
    I8,
}

/// What a conversion made.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The network's name.
    pub name: String,
    /// Eight hexadecimal digits: the same in head and tail.
    pub pair_id: String,
    /// The files written.
    pub files: Vec<FileReport>,
    /// The junctions, in the order in which they run.
    pub junctions: Vec<JunctionReport>,
    /// What is worth knowing about the network read.
    pub warnings: Vec<String>,
    /// How the files were compared with the network.
    pub verified: Verified,
}

/// A file written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Where.
    pub path: PathBuf,
    /// `whole`, `head` or `tail`.
    pub part: &'static str,
    /// Its length.
    pub bytes: usize,
}

/// A junction packed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JunctionReport {
    /// `junction 1`, or `exit 1, junction 1`.
    pub place: String,
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// Edges.
    pub nnz: usize,
    /// nnz / (n_in · n_out).
    pub density: f64,
    /// What was found in the edges, in words.
    pub structure: String,
    /// The packing chosen.
    pub packing: String,
    /// Why it was chosen.
    pub reason: String,
    /// Bytes of weights and indices.
    pub bytes: usize,
    /// Bytes that dense weights would take.
    pub dense_bytes: usize,
    /// Places over edges, where rows were grouped to share windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Padding>,
    /// From calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonzero_inputs: Option<NonzeroInputs>,
}

/// A conversion failed; no file was written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The trained network cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is not what the recipe says.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The recipe, or a split asked for, is impossible.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The data to calibrate with cannot be read, or does not fit the network.
    #[error("calibration: {0}")]
    Data(#[from] DataError),
    /// A junction cannot be packed.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The network cannot be quantised.
    #[error(transparent)]
    Int8(#[from] Int8Error),
    /// The network was quantised elsewhere, and its numbers cannot be read.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// The network exceeds what a model file can hold.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The engine does not compute what the network computes.
    #[error("the converted network was not written, since the engine does not compute what it should: {0}")]
    Verify(#[from] VerifyError),
    /// The files cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A network as model bytes.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The head, or the whole network.
    pub head: Settled<u8>,
    /// The tail, where the network is split.
    pub tail: Option<Settled<u8>>,
    /// What each junction became. For speed hidden units may be numbered anew: rows and inputs are then in the file's order.
    pub junctions: Vec<PlannedJunction>,
    /// How the bytes were compared with the network.
    pub verified: Verified,
}

/// [`convert_network_for`] the smallest packings.
///
/// # Errors
/// As [`convert_network_for`].
pub fn convert_network(network: &Network, data: Option<&Dataset>) -> Result<Converted, ConvertError> {
    convert_network_for(network, Goal::Size, data, &|_, _| {})
}

/// Packs a network for `goal`, splits it, and compares what the engine makes of the bytes with the network itself.
///
/// # Errors
/// The network holds numbers that are not finite, exceeds the format's limits, or comes out wrong.
pub fn convert_network_for(
    network: &Network,
    goal: Goal<'_>,
    data: Option<&Dataset>,
    progress: Progress<'_>,
) -> Result<Converted, ConvertError> {
    let mut junctions = plan(network, goal, &|junction, share| progress(Step::Packing(junction), share))?;
    if let Goal::Speed { .. } = goal {
        hidden::number(network, &mut junctions);
    }
    let verifying = |share| progress(Step::Verifying, share);
    let align = goal.section_align();
    finish(network, junctions, align, |head, tail, _| verify_with(network, head, tail, data, &verifying))
}

/// Quantises a network after training, its ranges calibrated on `data`, splits it, and compares what the engine makes of the bytes
/// with the network's integers, bit for bit.
///
/// # Errors
/// The data does not serve; the network has what int8 cannot hold, exceeds the format's limits, or comes out wrong.
pub fn convert_network_i8(network: &Network, data: &Dataset, how: &Quantising<'_>) -> Result<Converted, ConvertError> {
    quantised(network, Some(data), how, &|_, _| {})
}

fn quantised(
    network: &Network,
    data: Option<&Dataset>,
    how: &Quantising<'_>,
    progress: Progress<'_>,
) -> Result<Converted, ConvertError> {
    progress(Step::Calibrating, 0.0);
    let junctions = int8::plan(network, data, how, &|junction, share| progress(Step::Packing(junction), share))?;
    finish_i8(network, junctions, how.goal.section_align(), data, progress)
}

/// As [`convert_network_i8`], of a network that was quantised elsewhere.
///
/// # Errors
/// The network has what int8 cannot hold, exceeds the format's limits, or comes out wrong.
pub fn convert_given(network: &Network, scales: &[Scales], goal: Goal<'_>) -> Result<Converted, ConvertError> {
    kept(network, scales, goal, &|_, _| {})
}

fn kept(
    network: &Network,
    scales: &[Scales],
    goal: Goal<'_>,
    progress: Progress<'_>,
) -> Result<Converted, ConvertError> {
    let junctions = given::plan(network, scales, goal, &|junction, share| progress(Step::Packing(junction), share))?;
    finish_i8(network, junctions, goal.section_align(), None, progress)
}

fn finish_i8(
    network: &Network,
    junctions: Vec<PlannedJunction>,
    align: SectionAlign,
    data: Option<&Dataset>,
    progress: Progress<'_>,
) -> Result<Converted, ConvertError> {
    let verifying = |share| progress(Step::Verifying, share);
    finish(network, junctions, align, |head, tail, junctions| {
        int8::verify(network, junctions, (head, tail), data, &verifying)
    })
}

fn finish(
    network: &Network,
    junctions: Vec<PlannedJunction>,
    align: SectionAlign,
    verify: impl FnOnce(&[u8], Option<&[u8]>, &[PlannedJunction]) -> Result<Verified, VerifyError>,
) -> Result<Converted, ConvertError> {
    let (head, tail) = parts(network, |part| encode(network, &junctions, part, align))?;
    junctions.iter().for_each(|junction| junction.packed.release());
    let verified = verify(&head, tail.as_deref(), &junctions)?;
    Ok(Converted { head, tail, junctions, verified })
}

/// The head, or the whole network, and the tail where there is one.
fn parts(
    network: &Network,
    encode: impl Fn(ModelPart) -> Result<Settled<u8>, EncodeError>,
) -> Result<(Settled<u8>, Option<Settled<u8>>), EncodeError> {
    Ok(match network.split {
        Some(_) => (encode(ModelPart::Head)?, Some(encode(ModelPart::Tail)?)),
        None => (encode(ModelPart::Whole)?, None),
    })
}

/// Reads the trained network in the file `model`, with `recipe` or the one inside the file, and writes [`HEAD`] and, where it is
/// split, [`TAIL`] into the folder `out`.
///
/// # Errors
/// Anything between the two; nothing is written then.
pub fn convert(
    model: &Path,
    recipe: Option<Recipe>,
    out: &Path,
    options: &Options<'_>,
) -> Result<Report, ConvertError> {
    let mut source = Source::open(model)?;
    let mut reading = Reading::of(&mut source, recipe, options.exit_after)?;
    if let Some(after) = options.split_after {
        reading.recipe.split = (after > 0).then_some(after);
        reading.recipe.check()?;
    }
    let progress = options.progress.unwrap_or(&|_, _| {});
    let Imported { network, recipe, mut warnings } =
        import_reading_with(&mut source, reading, &|share| progress(Step::Reading, share))?;
    let calibration = options.calibrate.map(|data| load_for(data, Part::Validation, &recipe)).transpose()?;
    let inputs = calibration.as_ref().map_or_else(Vec::new, |data| {
        progress(Step::Calibrating, 0.0);
        nonzero_inputs(&network, data)
    });
    let scales = given::read(&mut source, &recipe)?;
    let trained = if scales.is_none() { trained::read(&mut source, &recipe)? } else { None };
    drop(source);
    let goal = options.profile.map_or(Goal::Size, |profile| Goal::Speed { profile, inputs: &inputs });
    let converted = match (&scales, options.dtype) {
        (Some(scales), _) => kept(&network, scales, goal, progress)?,
        (None, Dtype::F32) => convert_network_for(&network, goal, options.data, progress)?,
        (None, Dtype::I8) => {
            if trained.is_some() && options.quantising.calibration.is_none() {
                warnings.push("ranges of int8 are those that the network was trained with".to_owned());
            }
            let how = Quantising { goal, trained: trained.as_ref(), ..options.quantising };
            quantised(&network, calibration.as_ref(), &how, progress)?
        }
    };
    let mut files = vec![(HEAD, &*converted.head)];
    files.extend(converted.tail.as_deref().map(|tail| (TAIL, tail)));
    let paths = write_all(out, &files)?;
    if converted.tail.is_none() && out.join(TAIL).exists() {
        warnings.push(format!("{} is of another conversion: remove it", out.join(TAIL).display()));
    }
    let parts =
        if converted.tail.is_some() { [ModelPart::Head, ModelPart::Tail] } else { [ModelPart::Whole, ModelPart::Tail] };
    let files = paths.into_iter().zip(parts).zip(&files).map(|((path, part), (_, bytes))| FileReport {
        path,
        part: part.name(),
        bytes: bytes.len(),
    });
    Ok(Report {
        name: network.name.clone(),
        pair_id: format!("{:08x}", network.pair_id()),
        files: files.collect(),
        junctions: network
            .junctions()
            .zip(&converted.junctions)
            .enumerate()
            .map(|(at, (trained, planned))| JunctionReport {
                place: planned.id.to_string(),
                n_in: trained.edges.n_in(),
                n_out: trained.edges.n_out(),
                nnz: trained.edges.nnz(),
                density: trained.edges.density(),
                structure: planned.structure.to_string(),
                packing: planned.choice.packing.to_string(),
                reason: planned.choice.reason.clone(),
                bytes: planned.choice.bytes,
                dense_bytes: dense_bytes(&trained.edges),
                padding: planned.packed.padding(),
                nonzero_inputs: inputs.get(at).copied(),
            })
            .collect(),
        warnings,
        verified: converted.verified,
    })
}
