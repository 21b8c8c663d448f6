//! Runs the bundled networks on an emulated Cortex-M4 and holds answers, instruction counts and program sizes against the host
//! and the records. `--record` writes the records anew, and the flagship into the firmware's tree.

use core::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use clap::Parser;
use lacewing_benches::cortex_m4::board::{Board, MACHINE, Run, TARGET};
use lacewing_benches::cortex_m4::int8;
use lacewing_benches::cortex_m4::record::{
    Count, ProgramSize, Record, SizeRecord, allowance_of_counts, differs, not_comparable, read,
};
use lacewing_benches::cortex_m4::smallest::SMALLEST;
use lacewing_benches::cortex_m4::subject::{INPUTS, Subject, trained_files};
use lacewing_converter::write::write_all;

/// Runs the bundled networks on an emulated Cortex-M4 and compares them with the host and the records.
#[derive(Parser)]
struct Arguments {
    /// Writes the records anew instead of comparing with them.
    #[arg(long)]
    record: bool,
    /// The network that firmware/qemu carries in its tree.
    #[arg(long, default_value = "mnist-flagship")]
    flagship: String,
    /// Trained networks, each with its recipe inside.
    #[arg(long, default_value = "models/weights")]
    weights: PathBuf,
}

const INSTRUCTIONS: (&str, &str) = ("benches/record/cortex-m4", "instructions.toml");
const SIZES: (&str, &str) = ("firmware", "size.toml");
const IN_TREE: &str = "firmware/qemu/model";
const HEADING: &str = "# Written by `cargo run --release -p lacewing-benches --bin cortex-m4 -- --record`; checked by ./ci.sh cortex_m4.\n";

fn main() -> ExitCode {
    let complaints = match measure(&Arguments::parse()) {
        Ok(complaints) => complaints,
        Err(error) => vec![error.to_string()],
    };
    for complaint in &complaints {
        // Where standard error is closed, the exit code still tells.
        let _ = writeln!(io::stderr(), "cortex-m4: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs everything; what does not agree, in words.
fn measure(arguments: &Arguments) -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("benches lies in the workspace")?.to_path_buf();
    let counter = env::var_os("ROICOUNT").map_or_else(|| "/usr/local/lib/qemu-roicount.so".into(), PathBuf::from);
    let target_dir = env::current_exe()?.with_file_name("firmware");
    let board = Board { root: root.clone(), target_dir, counter };
    let rustc = board.compiler()?;
    let date = today()?;

    let mut complaints = Vec::new();
    let mut record =
        Record { target: TARGET.into(), machine: MACHINE.into(), rustc, date, inputs: INPUTS, networks: Vec::new() };
    for file in trained_files(&root.join(&arguments.weights))? {
        let subjects = Subject::trained(&file)?;
        for subject in &subjects {
            let run = run(&board, subject, &mut complaints)?;
            record.networks.push(count(subject, &run)?);
        }
        if let Some(device) = subjects.first().filter(|device| device.name == arguments.flagship) {
            complaints.extend(keep_in_tree(&root, device, arguments.record)?);
            complaints.extend(decisions(&board, &file, &mut record)?);
        }
    }
    let (counts, differing) = int8::count(&root, &board.target_dir, &board.counter)?;
    for count in &counts {
        let Count { name, model_bytes, instructions, fewest, most, .. } = count;
        writeln!(
            io::stdout(),
            "{name}: {instructions} instructions an inference, {fewest} to {most}, model {model_bytes} bytes"
        )?;
    }
    complaints.extend(differing);
    record.networks.extend(counts);
    let in_tree = run(&board, &Subject::in_tree(&root.join(IN_TREE))?, &mut complaints)?;
    let mut programs =
        vec![ProgramSize { name: "firmware/qemu".into(), stack: None, scratch: None, sections: in_tree.sizes }];
    for (name, model) in SMALLEST {
        let (program, unwanted) = board.smallest(name, model)?;
        writeln!(io::stdout(), "{program:?}")?;
        complaints.extend(unwanted);
        programs.push(program);
    }
    let sizes = SizeRecord { target: TARGET.into(), rustc: record.rustc.clone(), date: record.date.clone(), programs };
    if arguments.record {
        let written = |value: String| format!("{HEADING}{value}");
        write_all(&root.join(INSTRUCTIONS.0), &[(INSTRUCTIONS.1, written(toml::to_string(&record)?).as_bytes())])?;
        write_all(&root.join(SIZES.0), &[(SIZES.1, written(toml::to_string(&sizes)?).as_bytes())])?;
    } else {
        let recorded: SizeRecord = read(&root.join(SIZES.0).join(SIZES.1))?;
        if let Some(why) = not_comparable(&recorded.rustc, &sizes.rustc) {
            writeln!(io::stdout(), "{why}")?;
            complaints.extend(env::var_os("CI").is_some().then_some(why));
        }
        complaints.extend(compare_counts(&read(&root.join(INSTRUCTIONS.0).join(INSTRUCTIONS.1))?, &record));
        complaints.extend(recorded.differences(&sizes));
    }
    Ok(complaints)
}

/// Hundredths of a head's instructions that the decision at its exit may take.
const DECISION: u64 = 3;

/// Counts what the exit of a head costs by each metric, and complains of more than [`DECISION`].
fn decisions(board: &Board, file: &Path, record: &mut Record) -> Result<Vec<String>, Box<dyn Error>> {
    let (mut complaints, mut without) = (Vec::new(), None);
    for subject in Subject::deciding(file)? {
        let counted = count(&subject, &run(board, &subject, &mut complaints)?)?;
        let head = *without.get_or_insert(counted.instructions);
        let more = counted.instructions.saturating_sub(head);
        writeln!(io::stdout(), "  {more} more than without an exit, {:.2} %", 100.0 * more as f64 / head as f64)?;
        if 100 * more > DECISION * head {
            complaints.push(format!("{}: the decision takes {more} instructions of {head}", subject.name));
        }
        record.networks.push(counted);
    }
    Ok(complaints)
}

/// Runs a network on the board, compares its answers with the host's, and prints a line.
fn run(board: &Board, subject: &Subject, complaints: &mut Vec<String>) -> Result<Run, Box<dyn Error>> {
    let run = board.run(subject)?;
    let expected = subject.expected()?;
    let same = run.lines.iter().zip(&expected).filter(|(found, expected)| found == expected).count();
    if run.lines != expected {
        let (found, expected) = (run.lines.join("\n  "), expected.join("\n  "));
        complaints.push(format!("{}: the board says\n  {found}\nand the host\n  {expected}", subject.name));
    }
    writeln!(
        io::stdout(),
        "{}: {same} of {} answers are the host's, {} instructions an inference, model {} bytes, .text {} bytes",
        subject.name,
        expected.len(),
        mean(&run.instructions),
        subject.model.len(),
        run.sizes.text
    )?;
    Ok(run)
}

fn count(subject: &Subject, run: &Run) -> Result<Count, Box<dyn Error>> {
    Ok(Count {
        name: subject.name.clone(),
        part: subject.part()?.name().into(),
        model_bytes: subject.model.len(),
        kernels: run.kernels.clone(),
        instructions: mean(&run.instructions),
        fewest: run.instructions.iter().copied().min().unwrap_or_default(),
        most: run.instructions.iter().copied().max().unwrap_or_default(),
    })
}

fn mean(counts: &[u64]) -> u64 {
    let inferences = counts.len().max(1) as u64;
    (counts.iter().sum::<u64>() + inferences / 2) / inferences
}

/// Writes the flagship into the firmware's tree, or complains where another one lies there.
fn keep_in_tree(root: &Path, flagship: &Subject, record: bool) -> Result<Option<String>, Box<dyn Error>> {
    let folder = root.join(IN_TREE);
    let (model, inputs) = (flagship.model.as_slice(), flagship.input_bytes());
    if record {
        write_all(&folder, &[("head.lace", model), ("inputs.f32", &inputs)])?;
    }
    let same = |name: &str, bytes: &[u8]| fs::read(folder.join(name)).is_ok_and(|found| found == bytes);
    let stale = !same("head.lace", model) || !same("inputs.f32", &inputs);
    Ok(stale.then(|| format!("{IN_TREE} does not hold {} as it is now: run with --record", flagship.name)))
}

fn compare_counts(recorded: &Record, found: &Record) -> Vec<String> {
    let percent = allowance_of_counts(&recorded.rustc, &found.rustc);
    let mut complaints = Vec::new();
    let same = |one: &Count, other: &Count| one.name == other.name && one.part == other.part;
    for network in &found.networks {
        match recorded.networks.iter().find(|recorded| same(recorded, network)) {
            Some(recorded) => {
                let what = format!("instructions of {} ({})", network.name, network.part);
                complaints.extend(differs(&what, recorded.instructions, network.instructions, percent));
            }
            None => complaints.push(format!("{} is not in the record: run with --record", network.name)),
        }
    }
    let gone = recorded.networks.iter().filter(|old| !found.networks.iter().any(|network| same(network, old)));
    complaints.extend(gone.map(|old| format!("{} is in the record and not among the networks", old.name)));
    complaints
}

/// Year-month-day, by the system's own tool.
fn today() -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(Command::new("date").args(["-u", "+%F"]).output()?.stdout)?.trim().to_owned())
}
