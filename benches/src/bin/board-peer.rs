//! Counts the paper's int8 network on the emulated Cortex-M4 by `embedded-nn`, by our dense kernels and by our rows, in one session. `--record` writes
//! the record anew.

use core::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use clap::Parser;
use lacewing_benches::boards::junctions::{JunctionRecord, counts};
use lacewing_benches::boards::machine::MACHINES;
use lacewing_benches::cortex_m4::board::regions;
use lacewing_benches::cortex_m4::record::{allowance, differs, read};
use lacewing_converter::write::write_all;

/// Counts the network and compares it with the record.
#[derive(Parser)]
struct Arguments {
    /// Writes the record anew instead of comparing with it.
    #[arg(long)]
    record: bool,
}

const RECORD: (&str, &str) = ("benches/record/cortex-m4", "peer.toml");
const HEADING: &str =
    "# Written by `cargo run --release -p lacewing-benches --bin board-peer -- --record`; checked by ./ci.sh peer.\n";

fn main() -> ExitCode {
    let complaints = match run(&Arguments::parse()) {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    };
    for complaint in &complaints {
        // Where standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "board-peer: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches lies in the workspace")?.to_path_buf();
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let target_dir = env::current_exe()?.with_file_name("firmware");
    let (machine, report) = (MACHINES[0], target_dir.join("peer-counts"));
    let program = machine.build(&root, &target_dir, "peer")?;
    let lines = machine.run(&program, &target_dir, Some((&counter, &report)))?;
    let runs =
        counts(&lines, &regions(&fs::read_to_string(&report)?)).ok_or("the counter's regions are not the runs")?;
    for run in &runs {
        writeln!(io::stdout(), "{:>8} instructions: {} by {}", run.instructions, run.shape, run.kernel)?;
    }
    let said = |command: &mut Command| Ok::<_, Box<dyn Error>>(String::from_utf8(command.output()?.stdout)?);
    let rustc = said(Command::new(root.join("scripts/cross")).args([machine.target, "--which"]))?;
    let found = JunctionRecord {
        target: machine.target.into(),
        machine: machine.board.into(),
        rustc: rustc.split_whitespace().nth(1).unwrap_or_default().to_owned(),
        date: said(Command::new("date").args(["-u", "+%F"]))?.trim().to_owned(),
        junctions: runs,
    };
    if arguments.record {
        write_all(&root.join(RECORD.0), &[(RECORD.1, format!("{HEADING}{}", toml::to_string(&found)?).as_bytes())])?;
        return Ok(Vec::new());
    }
    let recorded: JunctionRecord = read(&root.join(RECORD.0).join(RECORD.1))?;
    let percent = allowance(&recorded.rustc, &found.rustc);
    if recorded.junctions.len() != found.junctions.len() {
        return Ok(vec!["the record has other runs: run with --record".to_owned()]);
    }
    let pairs = recorded.junctions.iter().zip(&found.junctions);
    Ok(pairs.filter_map(|(old, new)| differs(&old.kernel, old.instructions, new.instructions, percent)).collect())
}
