//! Counts the instructions of single junctions on aarch64 under QEMU, and compares them with the record. `--record` writes the record anew.

use core::error::Error;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use lacewing_benches::aarch64::{TARGET, fewest, junctions, shapes};
use lacewing_benches::boards::junctions::{JunctionCount, JunctionRecord};
use lacewing_benches::cortex_m4::record::{differs, read};
use lacewing_converter::write::write_all;

/// Counts the junctions and compares them with the record.
#[derive(Parser)]
struct Arguments {
    /// Writes the record anew instead of comparing with it.
    #[arg(long)]
    record: bool,
}

const RECORD: (&str, &str) = ("benches/record/aarch64", "junctions.toml");
const HEADING: &str = "# Written by `cargo run --release -p lacewing-benches --bin aarch64 -- --record`; checked by ./ci.sh aarch64_counts.\n";

fn main() -> ExitCode {
    let complaints = match run(&Arguments::parse()) {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    };
    for complaint in &complaints {
        // Where standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "aarch64: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches lies in the workspace")?.to_path_buf();
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let folder = env::current_exe()?.with_file_name("aarch64-counts");
    let mut file = Vec::new();
    for shape in shapes()? {
        file.extend(junctions(&shape)?);
    }
    let counted = fewest(&root, &folder, &counter, &file)?;
    for count in &counted {
        show(count, &counted)?;
    }
    let said = |command: &mut Command| Ok::<_, Box<dyn Error>>(String::from_utf8(command.output()?.stdout)?);
    let rustc = said(Command::new(root.join("scripts/cross")).args([TARGET, "--which"]))?;
    let found = JunctionRecord {
        target: TARGET.into(),
        machine: "qemu-aarch64 -cpu max".into(),
        rustc: rustc.split_whitespace().nth(1).unwrap_or_default().to_owned(),
        date: said(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned(),
        junctions: counted,
    };
    if arguments.record {
        write_all(&root.join(RECORD.0), &[(RECORD.1, format!("{HEADING}{}", toml::to_string(&found)?).as_bytes())])?;
        return Ok(Vec::new());
    }
    compare(&read(&root.join(RECORD.0).join(RECORD.1))?, &found)
}

/// A line, with the ratio to the best dense kernel of the same element.
fn show(count: &JunctionCount, all: &[JunctionCount]) -> io::Result<()> {
    let dense = all.iter().find(|other| other.shape.ends_with("dense") && other.element == count.element);
    let ratio = dense.map_or(1.0, |dense| dense.instructions as f64 / count.instructions as f64);
    writeln!(
        io::stdout(),
        "{:>7} instructions, {:.2} a nonzero, {ratio:.2} times fewer than dense: {} {} by {}, {}",
        count.instructions,
        count.instructions as f64 / count.nnz as f64,
        count.shape,
        count.element,
        count.kernel,
        count.packing
    )
}

/// Percent by which a count may differ from the recorded one.
const ALLOWANCE: u64 = 2;

fn compare(recorded: &JunctionRecord, found: &JunctionRecord) -> Result<Vec<String>, Box<dyn Error>> {
    if recorded.rustc != found.rustc {
        let said = format!("rustc {} is not the {} of the record: not comparable", found.rustc, recorded.rustc);
        writeln!(io::stdout(), "{said}")?;
        return Ok(if env::var_os("CI").is_some() { vec![said] } else { Vec::new() });
    }
    let mut complaints = Vec::new();
    if recorded.junctions.len() != found.junctions.len() {
        complaints.push("the record has other junctions: run with --record".to_owned());
    }
    for (old, new) in recorded.junctions.iter().zip(&found.junctions) {
        let what = format!("instructions of {} {}", new.shape, new.element);
        complaints.extend(differs(&what, old.instructions, new.instructions, ALLOWANCE));
    }
    Ok(complaints)
}
