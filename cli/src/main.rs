//! The `lacewing` command: arguments, progress bars, tables. What it does is done by the libraries.
#![forbid(unsafe_code)]

mod args;
mod command;
mod failure;
mod progress;
mod show;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use failure::{is_broken_pipe, report};

fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let done = match Args::parse().command {
        Command::Demo(args) => command::demo::run(&args, out),
        Command::Calibrate(args) => command::calibrate::run(&args, out),
        Command::Mask(args) => command::mask::run(&args, out),
        Command::Train(args) => command::train::run(&args, out),
        Command::Sweep(args) => command::sweep::run(&args, out),
        Command::Prune(args) => command::prune::run(&args, out),
        Command::FitExit(args) => command::fit_exit::run(&args, out),
        Command::FitInt8(args) => command::fit_int8::run(&args, out),
        Command::Convert(args) => command::convert::run(&args, out),
        Command::Bench(args) => command::bench::run(&args, out),
        Command::Tune(args) => command::tune::run(&args, out),
        Command::Pack(args) => command::pack::run(&args, out),
        Command::Inspect(args) => command::inspect::run(&args, out),
        Command::Export(args) => command::export::run(&args, out),
        Command::Eval(args) => command::eval::run(&args, out),
        Command::Plan(args) => command::plan::run(&args, out),
        Command::Report(args) => command::report::run(&args, out),
        Command::Serve(args) => command::serve::run(&args, out),
    };
    match done.and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has had enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told where standard error is closed as well.
            let _ = report(&*error, &mut io::stderr().lock());
            ExitCode::FAILURE
        }
    }
}
