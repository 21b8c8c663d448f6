//! Counts the instructions of every kernel of AVX2 under callgrind and compares them with the record.
//!
//! `cargo run --release -p lacewing-benches --bin kernel-instructions [-- --record]`

use std::io::Write;

use lacewing_benches::instructions::{COMPARABLE, Record, comparable, compiler, count, differences, record_path, run};

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let out = &mut std::io::stdout().lock();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--one", shape, name, runs] => Ok(run(shape.parse()?, name, runs.parse()?)?),
        ["--record"] => {
            let text = format!(
                "# Made by: cargo run --release -p lacewing-benches --bin kernel-instructions -- --record\n{}",
                toml::to_string(&counted(out)?)?
            );
            std::fs::write(record_path(), text)?;
            Ok(())
        }
        [] => compare(out),
        _ => Err("usage: kernel-instructions [--record]".into()),
    }
}

fn counted(out: &mut dyn Write) -> Result<Record, Box<dyn core::error::Error>> {
    let mut failed = None;
    let record = count(&std::env::current_exe()?, &mut |name, count| {
        failed = failed.take().or(writeln!(out, "{count:>10}  {name}").err());
    })?;
    failed.map_or(Ok(record), |error| Err(error.into()))
}

fn compare(out: &mut dyn Write) -> Result<(), Box<dyn core::error::Error>> {
    let recorded: Record = toml::from_str(&std::fs::read_to_string(record_path())?)?;
    let compiler = compiler()?;
    if let Err(said) = comparable(&recorded.compiler, &compiler, std::env::var_os(COMPARABLE).is_some())? {
        writeln!(out, "{said}")?;
        return Ok(());
    }
    let lines = differences(&recorded, &counted(out)?);
    if lines.is_empty() {
        writeln!(out, "{} counts are as on record, within 1 %", recorded.instructions.len())?;
        return Ok(());
    }
    Err(format!("instruction counts moved; if they should, run with --record:\n{}", lines.join("\n")).into())
}
