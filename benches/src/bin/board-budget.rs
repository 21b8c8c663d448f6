//! What the least program around each bundled model takes on the Cortex-M4, measured, beside what `lacewing inspect --target cortex-m4` tells, and
//! beside the record. `--record` writes the record anew.

use core::error::Error;
use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;
use lacewing_benches::cortex_m4::board::{Board, MACHINE, TARGET};
use lacewing_benches::cortex_m4::measured::{Measured, MeasuredRecord, models};
use lacewing_benches::cortex_m4::record::{allowance, differs, read};
use lacewing_benches::cortex_m4::subject::INPUTS;
use lacewing_converter::write::write_all;

/// Measures the programs and compares them with the record.
#[derive(Parser)]
struct Arguments {
    /// Writes the record anew instead of comparing with it.
    #[arg(long)]
    record: bool,
    /// Models whose names contain this, and no others; what is on record of the others stays.
    #[arg(long, default_value = "")]
    only: String,
}

const RECORD: (&str, &str) = ("benches/record/cortex-m4", "measured.toml");
const HEADING: &str = "# Written by `cargo run --release -p lacewing-benches --bin board-budget -- --record`; checked by ./ci.sh budget.\n";

fn main() -> ExitCode {
    let complaints = match run(&Arguments::parse()) {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    };
    for complaint in &complaints {
        // Where standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "board-budget: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches lies in the workspace")?.to_path_buf();
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let target_dir = env::current_exe()?.with_file_name("firmware");
    let board = Board { root: root.clone(), target_dir, counter };
    let mut programs = Vec::new();
    for model in models(&root)?.into_iter().filter(|model| model.name.contains(&arguments.only)) {
        let found = board.measure(&model, true)?;
        writeln!(
            io::stdout(),
            "{}: flash {} + {}, RAM {}, stack {}, {} instructions an image, longest step {}",
            found.name,
            found.model,
            found.code,
            found.ram,
            found.stack,
            found.instructions,
            found.longest_step
        )?;
        programs.push(found);
    }
    let date = String::from_utf8(Command::new("date").args(["-u", "+%F"]).output()?.stdout)?.trim().to_owned();
    let found = MeasuredRecord {
        target: TARGET.into(),
        machine: MACHINE.into(),
        rustc: board.compiler()?,
        date,
        inputs: INPUTS,
        programs,
    };
    if arguments.record {
        let found = beside(found, &root.join(RECORD.0).join(RECORD.1), &arguments.only)?;
        write_all(&root.join(RECORD.0), &[(RECORD.1, format!("{HEADING}{}", toml::to_string(&found)?).as_bytes())])?;
        return Ok(Vec::new());
    }
    Ok(compare(&read(&root.join(RECORD.0).join(RECORD.1))?, &found, &arguments.only))
}

/// What was measured, with what is on record of the models that were left out.
fn beside(mut found: MeasuredRecord, path: &Path, only: &str) -> Result<MeasuredRecord, Box<dyn Error>> {
    if !only.is_empty() {
        let recorded: MeasuredRecord = read(path)?;
        found.programs.extend(recorded.programs.into_iter().filter(|program| !program.name.contains(only)));
        found.programs.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(found)
}

fn compare(recorded: &MeasuredRecord, found: &MeasuredRecord, only: &str) -> Vec<String> {
    let percent = allowance(&recorded.rustc, &found.rustc);
    let recorded: Vec<&Measured> = recorded.programs.iter().filter(|program| program.name.contains(only)).collect();
    let mut complaints = Vec::new();
    if recorded.len() != found.programs.len() {
        complaints.push("the record has other programs: run with --record".to_owned());
    }
    for (old, new) in recorded.into_iter().zip(&found.programs) {
        let figures = [
            ("code", old.code, new.code),
            ("RAM", old.ram, new.ram),
            ("stack", old.stack, new.stack),
            ("instructions", old.instructions, new.instructions),
            ("longest step", old.longest_step, new.longest_step),
        ];
        complaints.extend(
            figures
                .into_iter()
                .filter_map(|(what, old, found)| differs(&format!("{what} of {}", new.name), old, found, percent)),
        );
    }
    complaints
}
