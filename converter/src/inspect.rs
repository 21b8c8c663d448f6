//! What is in a model file, as data for tables and JSON.

use lacewing_engine::{CalibrationTarget, KernelSet, Model, Operation};
use serde::Serialize;

use crate::find::Degrees;
use crate::unpack::unpack;

/// A model's plan and sizes. Bytes are of the file, scratch apart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// `whole`, `head` or `tail`.
    pub part: &'static str,
    /// Eight hexadecimal digits; head and tail of one conversion have the same.
    pub pair_id: String,
    /// Trunk junctions in the head; 0 in a whole network.
    pub split: u8,
    /// Inputs.
    pub n_in: usize,
    /// Classes.
    pub classes: usize,
    /// The classes' names; empty where the file has none.
    pub class_names: Vec<String>,
    /// The network sees `(raw − input_zero) · input_scale`.
    pub input_scale: f32,
    /// See `input_scale`.
    pub input_zero: f32,
    /// The operations, in the order in which they run.
    pub junctions: Vec<JunctionPlan>,
    /// The exits, in order; the last one of a whole network or a tail is the end of its trunk.
    pub exits: Vec<ExitPlan>,
    /// Sums over the junctions.
    pub totals: Totals,
    /// Bytes of the whole file.
    pub file_bytes: usize,
    /// Bytes of working memory that a run needs.
    pub scratch_bytes: usize,
    /// Features handed over at the split point; 0 in a whole network or a tail.
    pub features: usize,
}

/// One junction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JunctionPlan {
    /// `trunk 1`, or `exit 1, junction 1`; trunk junctions and exits count through the whole network.
    pub place: String,
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
    /// Edges stored.
    pub nnz: usize,
    /// In-degrees of the edges stored.
    pub in_degree: Degrees,
    /// nnz / (n_in · n_out).
    pub density: f64,
    /// The packing with its parameters.
    pub packing: String,
    /// The activation: `none`, `relu` …
    pub activation: &'static str,
    /// The kernel that would run it here, `name/instruction set`; absent where none can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Bits of weights per edge.
    pub weight_bits: f64,
    /// Bits of indices and counts per edge.
    pub index_bits: f64,
    /// What no index can be below, in bits per edge, where every choice of as many inputs a row is as likely:
    /// log2 C(n_in, d) / d for rows of d edges.
    pub index_entropy: f64,
    /// Its bytes and multiplications.
    #[serde(flatten)]
    pub totals: Totals,
}

/// Bytes and multiplications, of one junction or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Bytes of weights.
    pub weight_bytes: usize,
    /// Bytes of indices and counts.
    pub index_bytes: usize,
    /// Bytes of biases.
    pub bias_bytes: usize,
    /// Bytes of int8's multipliers and shifts.
    pub rescale_bytes: usize,
    /// Bytes of all sections.
    pub bytes: usize,
    /// Bytes that dense f32 weights and the same biases would take.
    pub dense_bytes: usize,
    /// Multiplications of one run, every exit's branch included.
    pub macs: usize,
    /// Multiplications that dense junctions would make.
    pub dense_macs: usize,
}

impl Totals {
    fn plus(self, other: Self) -> Self {
        Self {
            weight_bytes: self.weight_bytes + other.weight_bytes,
            index_bytes: self.index_bytes + other.index_bytes,
            bias_bytes: self.bias_bytes + other.bias_bytes,
            rescale_bytes: self.rescale_bytes + other.rescale_bytes,
            bytes: self.bytes + other.bytes,
            dense_bytes: self.dense_bytes + other.dense_bytes,
            macs: self.macs + other.macs,
            dense_macs: self.dense_macs + other.dense_macs,
        }
    }
}

/// One exit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExitPlan {
    /// Its number in the whole network, from 1.
    pub exit: u8,
    /// The trunk junction of the whole network behind which it sits.
    pub after: u8,
    /// Its confidence metric.
    pub metric: &'static str,
    /// Logits are divided by it.
    pub temperature: f32,
    /// When it is taken.
    pub threshold: f32,
    /// Samples the threshold was chosen on; 0 for chosen by hand.
    pub samples: u32,
    /// What it was chosen for; absent for chosen by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<String>,
    /// Junctions in its branch; 0 at the end of a trunk, which always answers.
    pub branch: u8,
}

/// What a threshold was chosen for, in words.
pub(crate) fn purpose(target: CalibrationTarget) -> String {
    // Ten-thousandths: an f32's share is not 0.01, but looks like it.
    let percent = |share: f32| f64::from((share * 1e6).round()) / 1e4;
    match target {
        CalibrationTarget::AccuracyDrop(most) => format!("accuracy drop {} points", percent(most)),
        CalibrationTarget::OffloadBudget(most) => format!("offload budget {} %", percent(most)),
        CalibrationTarget::Risk { risk, confidence } => {
            format!("risk {} %, confidence {} %", percent(risk), f64::from(confidence) / 2.0)
        }
        // A later one of the format.
        _ => "a target unknown to this version".to_owned(),
    }
}

/// Lays a model open.
#[must_use]
pub fn inspect(model: &Model<'_>) -> Inspection {
    let first_exit = model.exits().next().map_or(1, |exit| exit.id.0);
    let mut trunk = if model.part() == lacewing_engine::Part::Tail { model.split() } else { 0 };
    let mut in_branch = (0, 0);
    let junctions: Vec<JunctionPlan> = model
        .operations()
        .map(|operation| {
            let place = match operation.exit {
                None => {
                    trunk += 1;
                    format!("trunk {trunk}")
                }
                Some(exit) => {
                    in_branch = if in_branch.0 == exit { (exit, in_branch.1 + 1) } else { (exit, 1) };
                    format!("exit {}, junction {}", first_exit + exit - 1, in_branch.1)
                }
            };
            plan(place, operation)
        })
        .collect();
    let exits = model.exits().map(|exit| ExitPlan {
        exit: exit.id.0,
        after: exit.after,
        metric: exit.metric.name(),
        temperature: exit.temperature,
        threshold: exit.threshold,
        samples: exit.samples,
        calibration: exit.calibration.map(|calibration| purpose(calibration.target)),
        branch: exit.branch,
    });
    Inspection {
        part: model.part().name(),
        pair_id: format!("{:08x}", model.pair_id()),
        split: model.split(),
        n_in: model.n_in(),
        classes: model.classes(),
        class_names: (0..model.classes()).map_while(|class| model.class_name(class)).map(str::to_owned).collect(),
        input_scale: model.input_scaling().scale,
        input_zero: model.input_scaling().zero,
        exits: exits.collect(),
        totals: junctions.iter().fold(Totals::default(), |sum, junction| sum.plus(junction.totals)),
        junctions,
        file_bytes: model.bytes().len(),
        scratch_bytes: model.scratch_len(),
        features: if model.part() == lacewing_engine::Part::Head { model.features_len() } else { 0 },
    }
}

fn plan(place: String, operation: &Operation<'_>) -> JunctionPlan {
    let junction = &operation.junction;
    let parts = junction.parts();
    let (n_in, n_out) = (junction.n_in(), junction.n_out());
    let index_bytes = parts.index.len() + parts.counts.len();
    let rescale_bytes = junction.int8().map_or(0, |int8| int8.rescale.len());
    let edges = unpack(junction);
    let in_degree = edges.as_ref().map(|edges| Degrees::of(edges.in_degrees()));
    let per_edge = |bits: f64| bits / junction.nnz().max(1) as f64;
    let kernel = KernelSet::ALL.choose_for(junction).ok().flatten();
    JunctionPlan {
        place,
        n_in,
        n_out,
        nnz: junction.nnz(),
        in_degree: in_degree.unwrap_or(Degrees { min: 0, max: n_in }),
        density: junction.density(),
        packing: junction.packing().to_string(),
        activation: activation_name(junction.activation()),
        kernel: kernel.map(|ready| ready.kernel().to_string()),
        weight_bits: per_edge(8.0 * parts.weights.len() as f64),
        index_bits: per_edge(8.0 * index_bytes as f64),
        index_entropy: per_edge(edges.map_or(0.0, |edges| edges.in_degrees().map(|d| log2_choices(n_in, d)).sum())),
        totals: Totals {
            weight_bytes: parts.weights.len(),
            index_bytes,
            bias_bytes: parts.bias.len(),
            rescale_bytes,
            bytes: parts.weights.len() + index_bytes + parts.bias.len() + rescale_bytes,
            dense_bytes: n_in * n_out * 4 + parts.bias.len(),
            macs: junction.nnz(),
            dense_macs: n_in * n_out,
        },
    }
}

/// log2 of the number of ways to choose `d` of `n` inputs.
fn log2_choices(n: usize, d: usize) -> f64 {
    let d = d.min(n - d.min(n));
    (0..d).map(|k| ((n - k) as f64 / (k + 1) as f64).log2()).sum()
}

pub(crate) const fn activation_name(activation: lacewing_kernels::Activation) -> &'static str {
    use lacewing_kernels::Activation;
    match activation {
        Activation::None => "none",
        Activation::Relu => "relu",
        Activation::LeakyRelu { .. } => "leaky_relu",
        Activation::Relu6 => "relu6",
        Activation::Tanh => "tanh",
        Activation::Sigmoid => "sigmoid",
        _ => "unknown",
    }
}
