//! The arguments.

mod exits;
mod serve;
mod sweep;

use core::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use lacewing_models::JunctionId;

pub use exits::{Calibrate, MetricName, ObjectiveName, PartName, Plan, Report};
pub use serve::Serve;
pub use sweep::Sweep;

/// Predefined-sparse early-exit networks: trained, converted, run on the device, finished by a tail.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole path on MNIST: dense and sparse, head, exit and tail, and the paper's comparison beside its rivals.
    Demo(Demo),
    /// Draw a mask and write it, for people who train elsewhere.
    Mask(Mask),
    /// Train the network of a recipe and write it as safetensors.
    Train(Train),
    /// Train a grid of networks, patterns, densities and seeds: CSV, and accuracy against nonzeros and bytes as SVG.
    Sweep(Sweep),
    /// Make a network that was trained dense sparse: project it onto a pattern and train on.
    Prune(Prune),
    /// Give a trained network an exit: train a small branch on its frozen features.
    FitExit(FitExit),
    /// Train a network on with the rounding of int8 in its passes, so that int8 answers as f32 did.
    FitInt8(FitInt8),
    /// Turn a trained network (Keras, PyTorch, ONNX, TensorFlow Lite, safetensors, NumPy) into head.lace and, where it is split, tail.lace.
    Convert(Convert),
    /// Measure junctions and the bundled networks beside the fastest dense, on one thread of this machine.
    Bench(Bench),
    /// Measure every packing on this machine, and write a target profile for convert and pack.
    Tune(Tune),
    /// Pack a model file's junctions for a target, or back into canonical packings.
    Pack(Pack),
    /// Show what is in a model file, or in a trained network of any kind and what converting it would gain.
    Inspect(Inspect),
    /// Write a model file as ONNX or as NumPy arrays, or a tail as a model repository of an inference server.
    Export(Export),
    /// Run a model on a data set: accuracy, who answered, bytes handed over.
    Eval(Eval),
    /// Choose the exits' thresholds on validation data: for an accuracy, a share handed over, or with a promise.
    Calibrate(Calibrate),
    /// Work out what each split point, exit and threshold comes to: latency, bytes, energy, accuracy.
    Plan(Plan),
    /// Draw what a model does on data: one HTML page of the network, its exits, curves, bytes and examples.
    Report(Report),
    /// Finish what devices hand over: Open Inference Protocol v2 (KServe) over HTTP, packets over UDP and TCP.
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Train every network from MNIST instead of loading the weights that come with the project.
    #[arg(long)]
    pub train: bool,
    /// Run head and tail as two processes over loopback, and kill the tail half way: answers go on.
    #[arg(long, conflicts_with = "train")]
    pub split: bool,
    /// Ask the tail at this UDP address, such as a gateway's, instead of starting one.
    #[arg(long, value_name = "ADDRESS", requires = "split")]
    pub tail_at: Option<SocketAddr>,
    /// Split behind this trunk junction and kill nothing; beside what it takes stands what plan --loopback makes of it.
    #[arg(long, value_name = "JUNCTION", requires = "split", conflicts_with = "tail_at")]
    pub after: Option<usize>,
    /// Of this trained network instead of the flagship: a file that carries its recipe.
    #[arg(long, value_name = "FILE", requires = "after")]
    pub network: Option<PathBuf>,
    /// Folder of IDX files (raw or gzipped) or an .npz file, MNIST-shaped; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Mask {
    /// The family to draw from.
    #[arg(long, value_enum)]
    pub pattern: PatternName,
    /// Inputs of the junction.
    #[arg(long)]
    pub inputs: usize,
    /// Outputs of the junction.
    #[arg(long)]
    pub outputs: usize,
    /// Edges of each input: random, clash-free.
    #[arg(long)]
    pub out_degree: Option<usize>,
    /// Share of the edges kept: random-density, block.
    #[arg(long)]
    pub density: Option<f64>,
    /// Edges a cycle, one from each memory: clash-free.
    #[arg(long)]
    pub z: Option<usize>,
    /// Type 1, 2 or 3: clash-free.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<u8>,
    /// Memory dither: clash-free.
    #[arg(long)]
    pub dither: bool,
    /// Outputs a block: block.
    #[arg(long)]
    pub rows: Option<usize>,
    /// Inputs a block: block.
    #[arg(long)]
    pub cols: Option<usize>,
    /// Edges a page: nm.
    #[arg(long)]
    pub n: Option<usize>,
    /// Inputs a page: nm.
    #[arg(long)]
    pub m: Option<usize>,
    /// The same seed gives the same mask everywhere.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where to write it: .npz or .safetensors, an array "mask" of outputs × inputs, 0 or 1.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum PatternName {
    Dense,
    Random,
    RandomDensity,
    ClashFree,
    Block,
    Nm,
}

#[derive(Debug, clap::Args)]
pub struct Train {
    /// The recipe, a TOML file (models/RECIPES.md).
    pub recipe: PathBuf,
    /// Where to write the trained network: a .safetensors file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Folder of IDX files or an .npz file; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Seed of masks, weights and order, instead of the recipe's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Train this many seeds side by side, from the recipe's on, and print mean and spread; `--out a.safetensors` becomes
    /// a-seed1.safetensors and so on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Write the state of the training here after every epoch, and go on from it where it is there.
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    pub checkpoint: Option<PathBuf>,
    /// Append one JSON object a line here for every epoch.
    #[arg(long, value_name = "FILE.jsonl")]
    pub log: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Prune {
    /// The trained network, any file that convert takes.
    pub model: PathBuf,
    /// N:M as in 4:16, blockRxC as in block8x1, in-degree (as many edges in every row), or anywhere.
    #[arg(long)]
    pub pattern: String,
    /// Share of the edges kept; N:M says it itself.
    #[arg(long)]
    pub density: Option<f64>,
    /// The trunk junctions to prune, from 1; all but the last where left out.
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub junctions: Option<Vec<usize>>,
    #[command(flatten)]
    pub tuning: Tuning,
}

#[derive(Debug, clap::Args)]
pub struct FitExit {
    /// The trained network, any file that convert takes.
    pub model: PathBuf,
    /// The trunk junctions, from 1, behind which exits are put.
    #[arg(long, value_name = "K", value_delimiter = ',', required = true)]
    pub after: Vec<usize>,
    /// Outputs of a hidden ReLU layer in the branch; without it the branch is one dense layer to the classes.
    #[arg(long, value_name = "N")]
    pub hidden: Option<usize>,
    /// The exit is taken when its largest probability reaches this.
    #[arg(long, default_value_t = 0.9)]
    pub threshold: f32,
    #[command(flatten)]
    pub tuning: Tuning,
}

#[derive(Debug, clap::Args)]
pub struct FitInt8 {
    /// The trained network, any file that convert takes, of activations none, relu and relu6.
    pub model: PathBuf,
    #[command(flatten)]
    pub tuning: Tuning,
}

/// How a network from elsewhere is trained on.
#[derive(Debug, clap::Args)]
pub struct Tuning {
    /// Folder of IDX files or an .npz file: five sixths of its training images, and the rest to tell how it went.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where to write the network: a .safetensors file for convert.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The recipe, where the file's own layers or names do not say what the network is.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Passes over the training images.
    #[arg(long, default_value_t = 10)]
    pub epochs: usize,
    /// Images a minibatch.
    #[arg(long, default_value_t = 128)]
    pub batch: usize,
    /// Step size at the start; it falls to 0.
    #[arg(long, default_value_t = 0.001)]
    pub learning_rate: f32,
    /// Weight of the squares of the weights in the loss.
    #[arg(long, default_value_t = 0.0)]
    pub l2: f32,
    /// Seed of the order of images, and of a new branch's weights.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, clap::Args)]
pub struct Convert {
    /// The trained network: Keras .h5 or .keras, PyTorch .pt, .onnx, .tflite, safetensors or .npz; its content tells which.
    pub model: PathBuf,
    /// The recipe, where the file's own layers or names do not say what the network is.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Folder for head.lace and tail.lace; made if it is not there.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Split behind this trunk junction, from 1, instead of the recipe's split; 0 for no split.
    #[arg(long, value_name = "K")]
    pub split_after: Option<usize>,
    /// Keep the exits behind these trunk junctions, from 1, and no others; where the file does not say where its exits are, they
    /// are here.
    #[arg(long, value_name = "K", value_delimiter = ',')]
    pub exit_after: Option<Vec<usize>>,
    /// Take the fastest packings on this target: a profile that comes with the program, or a file of lacewing tune.
    #[arg(long, value_name = "NAME|FILE")]
    pub target: Option<String>,
    /// What packings are chosen for: speed with a target, else size.
    #[arg(long, value_enum)]
    pub optimise: Option<Optimise>,
    /// Look at the validation part of this data (folder of IDX files or an .npz file): int8 takes its ranges from it, and with a
    /// target zero inputs are counted, so that packings that pass over them take part.
    #[arg(long, value_name = "DIR")]
    pub calibrate: Option<PathBuf>,
    /// What junctions compute in; i8 needs --calibrate, unless the network was trained for int8.
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub dtype: Dtype,
    /// How int8 ranges are chosen from what is met on the data; where left out they are those that the network was trained with,
    /// else min-max.
    #[arg(long, value_enum, requires = "calibrate")]
    pub calibration: Option<CalibrationName>,
    /// Junctions that stay f32 beside int8 ones: K of the trunk, E.K of exit E's branch.
    #[arg(long, value_name = "K|E.K", value_delimiter = ',', value_parser = junction)]
    pub keep_f32: Option<Vec<JunctionId>>,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `2`, or `1.2` for the second junction of the first exit's branch.
fn junction(text: &str) -> Result<JunctionId, String> {
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let id = match text.split_once('.') {
        None => number(text).map(JunctionId::Trunk),
        Some((exit, junction)) => {
            number(exit).zip(number(junction)).map(|(exit, junction)| JunctionId::Exit { exit, junction })
        }
    };
    id.ok_or_else(|| "a junction is K in the trunk, E.K in the branch of exit E, all from 1".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    F32,
    I8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CalibrationName {
    /// From the least value to the greatest.
    MinMax,
    /// All but one value of 10,000.
    Percentile,
    /// The least mean square error, of weights too; of logits those far below the largest do not count.
    Mse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Optimise {
    Size,
    Speed,
}

#[derive(Debug, clap::Args)]
pub struct Bench {
    /// Junctions to measure, a text file in the form of converter/shapes/junctions.txt; that one where left out.
    #[arg(long, value_name = "FILE")]
    pub shapes: Option<PathBuf>,
    /// Measure the junctions alone, no networks.
    #[arg(long)]
    pub no_networks: bool,
    /// The profile that networks are packed for; where left out, the one for this machine's instruction set that comes with the
    /// program.
    #[arg(long, value_name = "NAME|FILE")]
    pub target: Option<String>,
    /// Measure every junction on 256 samples at a time, too.
    #[arg(long)]
    pub batch: bool,
    /// A quarter of the rounds.
    #[arg(long)]
    pub quick: bool,
    /// The scalar kernels too.
    #[arg(long)]
    pub scalar: bool,
    /// Print one JSON object (fields: README.md).
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Tune {
    /// The target's name, for reports.
    #[arg(long, value_name = "NAME")]
    pub target: String,
    /// Where to write the profile, a TOML file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A fifth of the turns.
    #[arg(long)]
    pub quick: bool,
    /// The processor as a class, instead of what the system says.
    #[arg(long, value_name = "TEXT")]
    pub processor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Pack {
    /// The model, a .lace file.
    pub model: PathBuf,
    /// canonical, a profile that comes with the program, or a file of lacewing tune.
    #[arg(long, value_name = "NAME|FILE")]
    pub target: String,
    /// Where to write the packed model; the same pair id, exits and names.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print the report as one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Inspect {
    /// A .lace file, or a trained network: any file that convert takes.
    pub model: PathBuf,
    /// The recipe of a trained network, where its own layers or names do not say what it is.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Tell what a model takes on a board before it is flashed: flash, RAM, stack and instructions. cortex-m4 is known.
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Tell instructions by the first 64 test images of this data (folder of IDX files or an .npz file), where zero inputs are passed over; as if no
    /// input were zero where left out.
    #[arg(long, value_name = "DIR", requires = "target")]
    pub data: Option<PathBuf>,
    /// Print one JSON object (fields: README.md).
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("format").required(true).args(["onnx", "npz"])))]
pub struct Export {
    /// The model, a .lace file in f32.
    pub model: PathBuf,
    /// Write ONNX: exits are outputs named exit1, exit2 …, the end is logits, in a head features.
    #[arg(long)]
    pub onnx: bool,
    /// Write an .npz archive (junction.K.weight, .bias, .mask) and, beside it, the recipe that reads it.
    #[arg(long)]
    pub npz: bool,
    /// Make a model repository of a tail: ONNX, Triton's config.pbtxt and a KServe manifest.
    #[arg(long, requires = "onnx")]
    pub tail: bool,
    /// The file to write; with --tail a folder.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// Name of model and service in a repository.
    #[arg(long, default_value = "tail", requires = "tail")]
    pub name: String,
    /// Where the repository will lie, for KServe.
    #[arg(long, value_name = "URI", default_value = "pvc://models/repository", requires = "tail")]
    pub storage_uri: String,
}

#[derive(Debug, clap::Args)]
pub struct Eval {
    /// The head, or a whole network.
    pub head: PathBuf,
    /// The tail that finishes what no exit takes; without it the head's last exit answers.
    #[arg(long, value_name = "FILE")]
    pub tail: Option<PathBuf>,
    /// Threshold for all exits, instead of those in the models.
    #[arg(long)]
    pub threshold: Option<f32>,
    /// Folder of IDX files or an .npz file: its test images are used.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The recipe, where images are cropped or pooled: a model file does not say so.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Another conversion of the same network, head or whole, to be shown beside: f32 beside int8, say.
    #[arg(long, value_name = "FILE")]
    pub beside: Option<PathBuf>,
    /// Its tail.
    #[arg(long, value_name = "FILE", requires = "beside")]
    pub beside_tail: Option<PathBuf>,
    /// Print one JSON object (fields: README.md).
    #[arg(long)]
    pub json: bool,
}
