//! The arguments of `lacewing sweep`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Sweep {
    /// The grid, a TOML file (models/RECIPES.md).
    pub grid: PathBuf,
    /// Folder of IDX files or an .npz file; the bundled MNIST where left out.
    #[arg(long, value_name = "DIR|FILE.npz")]
    pub data: Option<PathBuf>,
    /// Folder for sweep.csv, summary.csv, sweep.svg and runs.jsonl, from which an interrupted sweep goes on; named like the grid
    /// where left out.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Train every network with this many seeds, instead of the grid's number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: Option<u64>,
    /// Networks trained at the same time, each on one thread; as many as there are cores where left out.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Print one JSON object (fields: README.md).
    #[arg(long)]
    pub json: bool,
}

fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
    number.ok_or_else(|| "a number of threads is 1 to 1024".to_owned())
}
