//! `lacewing serve`

use core::time::Duration;
use std::io::{self, IsTerminal, Write};

use lacewing_tail::{Addresses, Config, Limits, ModelFile, Stop};
use tracing_subscriber::EnvFilter;

use crate::Failure;
use crate::args::Serve;

pub fn run(args: &Serve, out: &mut dyn Write) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("--log {}: {error}", args.log))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).try_init().map_err(|error| error.to_string())?;
    let models = ModelFile::read_all(&args.models)?;
    let mut told = Ok(());
    let ready = |addresses: &Addresses| told = tell(&models, addresses, out);
    lacewing_tail::serve(&models, &config(args), &Stop::new(), ready)?;
    Ok(told?)
}

fn config(args: &Serve) -> Config {
    let unless = Config::default();
    let limits = Limits {
        body: args.max_body,
        connections: args.max_connections,
        time: Duration::from_millis(args.timeout_ms),
        idle: Duration::from_millis(args.idle_ms),
    };
    Config {
        http: (!args.no_http).then_some(args.listen),
        udp: args.udp,
        tcp: args.tcp,
        threads: args.threads.unwrap_or(unless.threads),
        queue: args.queue,
        limits,
        stop_on_signals: true,
        ..unless
    }
}

/// One line a model and an address, for people and for scripts that asked for port 0.
fn tell(models: &[ModelFile], addresses: &Addresses, out: &mut dyn Write) -> io::Result<()> {
    for model in models {
        writeln!(out, "model {}", model.name())?;
    }
    for (kind, address) in [("http", addresses.http), ("udp", addresses.udp), ("tcp", addresses.tcp)] {
        if let Some(address) = address {
            writeln!(out, "{kind} {address}")?;
        }
    }
    out.flush()
}
