//! The arguments of what is about exits: thresholds, places to cut, the report.

use std::path::PathBuf;

use clap::ValueEnum;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("goal").required(true)))]
pub struct Calibrate {
    /// The head, or a whole network.
    pub head: PathBuf,
    /// The tail that ends the full network, which exits are compared with.
    #[arg(long, value_name = "FILE")]
    pub tail: Option<PathBuf>,
    /// Folder of IDX files or an .npz file; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Which of its training samples are used: where the data is for validation only, all.
    #[arg(long, value_enum, default_value = "validation")]
    pub part: PartName,
    /// The recipe, where images are cropped or pooled: a model file does not say so.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// As many exits as accuracy falls by this at most: 0.2pt, 0.002; 0 for no loss.
    #[arg(long, value_name = "SHARE", group = "goal", value_parser = share, allow_hyphen_values = true)]
    pub max_accuracy_drop: Option<f64>,
    /// Hand over at most this share: 20%.
    #[arg(long, value_name = "SHARE", group = "goal", value_parser = share, allow_hyphen_values = true)]
    pub offload_budget: Option<f64>,
    /// Promise that exits, all together, differ from the full network in at most this share of what they take: 1%. Choose it, its
    /// confidence, --metric and --seed before you look: a promise that was tried until it came out is none.
    #[arg(long, value_name = "SHARE", group = "goal", value_parser = share, allow_hyphen_values = true)]
    pub risk: Option<f64>,
    /// Of that promise.
    #[arg(long, value_name = "SHARE", default_value = "95%", value_parser = share, allow_hyphen_values = true)]
    pub confidence: f64,
    /// Promise --risk of each exit alone as well: fewer samples are then taken.
    #[arg(long)]
    pub each_exit: bool,
    /// Take this metric, not the best; to be chosen before you look.
    #[arg(long, value_enum)]
    pub metric: Option<MetricName>,
    /// Of the draw of the fifth of the samples that chooses what is not tested; to be chosen before you look.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where to write the model, instead of in place.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the report as one JSON object (fields: README.md).
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Report {
    /// The head, or a whole network.
    pub head: PathBuf,
    /// The tail that finishes what no exit takes.
    #[arg(long, value_name = "FILE")]
    pub tail: Option<PathBuf>,
    /// Folder of IDX files or an .npz file: its test samples are used; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The recipe, where images are cropped or pooled: a model file does not say so.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// The page's title.
    #[arg(long, value_name = "TEXT", default_value = "What the network does")]
    pub title: String,
    /// Where to write the page, an HTML file.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Debug, clap::Args)]
pub struct Plan {
    /// The trained network, with its exits.
    pub model: PathBuf,
    /// The recipe, where the file carries none.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// A TOML file of what link, device and server cost (keys: README.md).
    #[arg(long, value_name = "FILE", required_unless_present = "loopback")]
    pub costs: Option<PathBuf>,
    /// Measure loopback and plan for it; then run every split point as two processes, and show what they take.
    #[arg(long, conflicts_with = "costs")]
    pub loopback: bool,
    /// Folder of IDX files or an .npz file; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What the recommended choice is best at.
    #[arg(long, value_enum, default_value = "latency")]
    pub objective: ObjectiveName,
    /// How much accuracy it may lose: 0.2pt, 0.002.
    #[arg(long, value_name = "SHARE", default_value = "0.2pt", value_parser = share, allow_hyphen_values = true)]
    pub max_accuracy_drop: f64,
    /// Print one JSON object with every choice, not the best ones alone (fields: README.md).
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ObjectiveName {
    Latency,
    Bytes,
    Energy,
    Price,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PartName {
    /// The last sixth.
    Validation,
    /// All.
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MetricName {
    MaxProbability,
    Margin,
    Entropy,
}

/// `20%`, `0.2pt` (percentage points) or `0.2` as a fraction.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%').or_else(|| text.strip_suffix("pt")) {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let number: f64 = number.trim().parse().map_err(|_| format!("{text:?} is no share: 20%, 0.2pt or 0.002"))?;
    Ok(number / unit)
}
