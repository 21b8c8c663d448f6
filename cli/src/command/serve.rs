//! `lacewing serve`

use core::time::Duration;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use lacewing_engine::{KernelSet, Model, Part};
use lacewing_tail::{Addresses, Batching, Config, HeadFacts, Limits, ModelFile, Stop, Upstream};
use tracing_subscriber::EnvFilter;

use crate::args::Serve;
use crate::command::read_model;
use crate::failure::Failure;

pub fn run(args: &Serve, out: &mut dyn Write) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("--log {}: {error}", args.log))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).try_init().map_err(|error| error.to_string())?;
    let (config, stop) = (config(args), Stop::new());
    let mut told = Ok(());
    match &args.upstream {
        None => {
            let models = ModelFile::read_all(&args.models)?;
            if let Some(head) = &args.head {
                check_head(head, &models)?;
            }
            let names: Vec<&str> = models.iter().map(ModelFile::name).collect();
            let ready = |addresses: &Addresses| told = tell("model", &names, addresses, out);
            lacewing_tail::serve(&models, &config, &stop, ready)?;
        }
        Some(url) => {
            let model = args.upstream_model.clone().ok_or("--upstream needs --upstream-model")?;
            let head = args.head.as_deref().map(head_facts).transpose()?;
            let upstream = Upstream { url: url.clone(), model, head };
            let ready = |addresses: &Addresses| told = tell("upstream", &[url.as_str()], addresses, out);
            lacewing_tail::gateway(&upstream, &config, &stop, ready)?;
        }
    }
    Ok(told?)
}

fn head_facts(path: &Path) -> Result<HeadFacts, Failure> {
    let bytes = read_model(path)?;
    let model = Model::parse(&bytes, &KernelSet::ALL)
        .map_err(|error| format!("{}: {error}{}", path.display(), error.advice()))?;
    if model.part() == Part::Head {
        Ok(HeadFacts::of(&model))
    } else {
        Err(format!("{} is no head, but a {}", path.display(), model.part().name()).into())
    }
}

/// That a tail of the head's conversion is among the models.
fn check_head(path: &Path, models: &[ModelFile]) -> Result<(), Failure> {
    let head = head_facts(path)?;
    let models = models.iter().map(ModelFile::model).collect::<Result<Vec<_>, _>>()?;
    let tails: Vec<u32> =
        models.iter().filter(|model| model.part() == Part::Tail).map(|model| model.pair_id()).collect();
    if tails.contains(&head.pair_id) {
        return Ok(());
    }
    let tails = match tails.as_slice() {
        [] => "no tail is served".to_owned(),
        ids => {
            format!("the tails served have {}", ids.iter().map(|id| format!("{id:08x}")).collect::<Vec<_>>().join(", "))
        }
    };
    let (path, id) = (path.display(), head.pair_id);
    Err(format!("{path} has pair id {id:08x}, {tails}: serve the tail.lace of the same conversion").into())
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
        batching: Batching { requests: args.batch, window: Duration::from_micros(args.batch_window_us) },
        limits,
        stop_on_signals: true,
        ..unless
    }
}

/// One line a model and an address, for people and for scripts that asked for port 0.
fn tell(kind: &str, names: &[&str], addresses: &Addresses, out: &mut dyn Write) -> io::Result<()> {
    for name in names {
        writeln!(out, "{kind} {name}")?;
    }
    for (kind, address) in [("http", addresses.http), ("udp", addresses.udp), ("tcp", addresses.tcp)] {
        if let Some(address) = address {
            writeln!(out, "{kind} {address}")?;
        }
    }
    out.flush()
}
