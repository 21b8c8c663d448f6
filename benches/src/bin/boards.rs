//! Runs the kernels' conformance sweeps and the bundled models on every emulated board, and counts the instructions of single junctions on the
//! Cortex-M4. `--record` writes the counts anew.

use core::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use clap::Parser;
use lacewing_benches::boards::goldens::{Golden, Line, goldens};
use lacewing_benches::boards::junctions::{JunctionRecord, counts};
use lacewing_benches::boards::machine::{MACHINES, Machine};
use lacewing_benches::cortex_m4::board::regions;
use lacewing_benches::cortex_m4::record::{differs, read};
use lacewing_benches::cortex_m4::subject::INPUTS;
use lacewing_converter::write::write_all;

/// Runs kernels and models on emulated boards and compares them with the host and the records.
#[derive(Parser)]
struct Arguments {
    /// Writes the record of junctions anew instead of comparing with it.
    #[arg(long)]
    record: bool,
    /// This core only, as in `Cortex-M33`; all without it.
    #[arg(long)]
    core: Option<String>,
}

const RECORD: (&str, &str) = ("benches/record/cortex-m4", "junctions.toml");
const HEADING: &str =
    "# Written by `cargo run --release -p lacewing-benches --bin boards -- --record`; checked by ./ci.sh boards.\n";
/// Percent by which a count may differ from the recorded one; 15 with another compiler, which is then said.
const ALLOWANCE: u64 = 2;

fn main() -> ExitCode {
    let complaints = match run(&Arguments::parse()) {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    };
    for complaint in &complaints {
        // Where standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "boards: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches lies in the workspace")?.to_path_buf();
    let target_dir = env::current_exe()?.with_file_name("firmware");
    let mut complaints = Vec::new();
    for machine in MACHINES {
        if arguments.core.as_ref().is_some_and(|core| core != machine.core) {
            continue;
        }
        let sweep = machine.run(&machine.build(&root, &target_dir, "conformance", None)?, None)?;
        let summary = sweep.lines().last().unwrap_or_default();
        let (same, all) = answers(&machine, &root, &target_dir, &mut complaints)?;
        let (core, board) = (machine.core, machine.board);
        writeln!(io::stdout(), "{core} ({board}): {summary}; {same} of {all} answers are the host's")?;
        if machine == MACHINES[0] {
            complaints.extend(junctions(&machine, &root, &target_dir, arguments.record)?);
        }
    }
    Ok(complaints)
}

/// Runs the models on a board; how many of its answers are the host's.
fn answers(
    machine: &Machine,
    root: &Path,
    target_dir: &Path,
    complaints: &mut Vec<String>,
) -> Result<(usize, usize), Box<dyn Error>> {
    let models = goldens(root, if machine.soft_float { 1 } else { INPUTS })?;
    let folder = target_dir.join("goldens");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    for Golden { name, model, inputs } in &models {
        fs::write(folder.join(name).with_added_extension("lace"), model)?;
        fs::write(folder.join(name).with_added_extension("inputs"), inputs)?;
    }
    let found = machine.run(&machine.build(root, target_dir, "goldens", Some(&folder))?, None)?;
    let mut found = found.lines().map(Line::read);
    let (mut same, mut all) = (0, 0);
    for model in &models {
        for host in model.expected()? {
            let board = found.next().unwrap_or(Line { words: "nothing".into(), confidence: None });
            all += 1;
            if board.agrees(&host, model.is_exact()) {
                same += 1;
            } else {
                complaints.push(format!("{}: the board says {board:?}, the host {host:?}", machine.core));
            }
        }
    }
    Ok((same, all))
}

/// Counts the junctions, prints them, and compares them with the record or writes it.
fn junctions(machine: &Machine, root: &Path, target_dir: &Path, record: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let report = target_dir.join("junction-counts");
    let lines = machine.run(&machine.build(root, target_dir, "junctions", None)?, Some((&counter, &report)))?;
    let junctions = counts(&lines, &regions(&fs::read_to_string(&report)?))
        .ok_or("the counter's regions are not the program's lines")?;
    let rustc = Command::new(root.join("scripts/cross")).args([machine.target, "--which"]).output()?.stdout;
    let rustc = String::from_utf8(rustc)?.split_whitespace().nth(1).unwrap_or_default().to_owned();
    for junction in &junctions {
        let each = junction.instructions as f64 / junction.nnz as f64;
        writeln!(
            io::stdout(),
            "{:>8} instructions, {each:.2} a product: {} by {}",
            junction.instructions,
            junction.name(),
            junction.kernel
        )?;
    }
    let date = String::from_utf8(Command::new("date").args(["-u", "+%F"]).output()?.stdout)?.trim().to_owned();
    let found = JunctionRecord { target: machine.target.into(), machine: machine.board.into(), rustc, date, junctions };
    if record {
        write_all(&root.join(RECORD.0), &[(RECORD.1, format!("{HEADING}{}", toml::to_string(&found)?).as_bytes())])?;
        return Ok(Vec::new());
    }
    let recorded: JunctionRecord = read(&root.join(RECORD.0).join(RECORD.1))?;
    Ok(compare(&recorded, &found))
}

fn compare(recorded: &JunctionRecord, found: &JunctionRecord) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut allowance = ALLOWANCE;
    if recorded.rustc != found.rustc {
        let _ = writeln!(
            io::stdout(),
            "rustc {} is not the {} of the record: counts are not comparable",
            found.rustc,
            recorded.rustc
        );
        if env::var_os("CI").is_some() {
            complaints.push("the record of junctions is of another compiler: record it anew".to_owned());
        }
        allowance = 15;
    }
    if recorded.junctions.len() != found.junctions.len() {
        complaints.push("the record has other junctions: run with --record".to_owned());
    }
    for (old, new) in recorded.junctions.iter().zip(&found.junctions) {
        if (old.name(), &old.kernel) != (new.name(), &new.kernel) {
            complaints.push(format!(
                "{} by {} is recorded where {} ran by {}",
                old.name(),
                old.kernel,
                new.name(),
                new.kernel
            ));
        }
        complaints.extend(differs(
            &format!("instructions of {}", new.name()),
            old.instructions,
            new.instructions,
            allowance,
        ));
    }
    complaints
}
