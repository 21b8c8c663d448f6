//! Runs the kernels' conformance sweeps and the bundled models on every emulated board, and counts the instructions of single junctions on the
//! Cortex-M4. `--record` writes the counts anew.

use core::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use clap::Parser;
use lacewing_benches::boards::goldens::{Golden, IMAGES, Line, goldens, lay_out};
use lacewing_benches::boards::junctions::{INPUTS, JunctionRecord, counts};
use lacewing_benches::boards::machine::{LINUX, MACHINES, Machine};
use lacewing_benches::cortex_m4::board::regions;
use lacewing_benches::cortex_m4::record::{differs, read};
use lacewing_benches::cortex_m4::subject::images_i8;
use lacewing_converter::write::write_all;

/// Runs kernels and models on emulated boards and compares them with the host and the records.
#[derive(Parser)]
struct Arguments {
    /// Writes the record of junctions anew instead of comparing with it.
    #[arg(long)]
    record: bool,
    /// This core or Linux target only, as in `Cortex-M33`; all without it.
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
    let asked = |core: &str| arguments.core.as_ref().is_none_or(|asked| asked == core);
    let (models, folder) = (goldens(&root, IMAGES)?, target_dir.join("goldens"));
    lay_out(&models, &folder)?;
    let expected = models.iter().map(Golden::expected).collect::<Result<Vec<_>, _>>()?;
    for machine in MACHINES.into_iter().filter(|machine| asked(machine.core)) {
        let ran = |program| machine.run(&machine.build(&root, &target_dir, program)?, &folder, None);
        let sweep = ran("conformance")?;
        let summary = sweep.lines().last().unwrap_or_default();
        let same = compare_answers(machine.core, &ran("goldens")?, &models, &expected, &mut complaints);
        writeln!(io::stdout(), "{} ({}): {summary}; {same}", machine.core, machine.board)?;
        if machine == MACHINES[0] {
            complaints.extend(junctions(&machine, &root, &target_dir, arguments.record)?);
        }
    }
    for linux in LINUX.into_iter().filter(|linux| asked(linux.target)) {
        let name = format!("{} ({})", linux.target, linux.isa);
        let same = compare_answers(&name, &linux.run(&root, &folder)?, &models, &expected, &mut complaints);
        writeln!(io::stdout(), "{name}: {same}")?;
    }
    Ok(complaints)
}

/// Holds a target's lines against the host's; in words how many agree.
fn compare_answers(
    target: &str,
    lines: &str,
    models: &[Golden],
    expected: &[Vec<Line>],
    complaints: &mut Vec<String>,
) -> String {
    let mut lines = lines.lines().map(Line::read);
    let (mut same, mut all) = (0, 0);
    for (model, expected) in models.iter().zip(expected) {
        for host in expected {
            let found = lines.next().unwrap_or(Line { words: "nothing".into(), confidence: None });
            all += 1;
            if found.agrees(host, model.is_exact()) {
                same += 1;
            } else {
                complaints.push(format!("{target} says {found:?}, the host {host:?}"));
            }
        }
    }
    format!("{same} of {all} answers of {} models are the host's", models.len())
}

/// Counts the junctions, prints them, and compares them with the record or writes it.
fn junctions(machine: &Machine, root: &Path, target_dir: &Path, record: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let report = target_dir.join("junction-counts");
    fs::write(target_dir.join(INPUTS), images_i8()?)?;
    let lines = machine.run(&machine.build(root, target_dir, "junctions")?, target_dir, Some((&counter, &report)))?;
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
