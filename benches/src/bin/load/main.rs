//! Load for a tail that serves: what it answers in a second, and how soon. `wrk` asks over HTTP as fast as it goes
//! (benches/load/infer.lua); here are packets over UDP, requests over HTTP at a rate, and dense models to serve.

mod http;
mod models;
mod udp;

use core::net::SocketAddr;
use std::io::Write;
use std::path::PathBuf;

use clap::Parser;

type Failure = Box<dyn core::error::Error + Send + Sync>;

#[derive(Parser)]
enum Args {
    /// Write head.lace and tail.lace of a dense network with weights drawn at random: LAYERS are the tail's, such as 1024,1024,10.
    Models {
        #[arg(value_delimiter = ',', required = true)]
        layers: Vec<u16>,
        /// The folder to write to.
        #[arg(long)]
        out: PathBuf,
    },
    /// Send packets and count right answers.
    Udp(udp::Args),
    /// Send every datagram back: what the machine can do without a tail.
    Echo {
        /// Where.
        at: SocketAddr,
        /// Datagrams a system call.
        #[arg(long, default_value_t = 32)]
        many: usize,
    },
    /// Ask over HTTP at a rate, however slow the answers are, and tell how late they came.
    Http(http::Args),
}

fn main() -> Result<(), Failure> {
    let told = match Args::parse() {
        Args::Models { layers, out } => models::write(&layers, &out)?,
        Args::Udp(args) => udp::run(&args)?,
        Args::Echo { at, many } => udp::echo(at, many)?,
        Args::Http(args) => http::run(args)?,
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

/// Median and 99th percentile in milliseconds.
fn percentiles(mut nanoseconds: Vec<u64>) -> String {
    nanoseconds.sort_unstable();
    let at = |share: usize| nanoseconds.get((nanoseconds.len() * share / 100).min(nanoseconds.len().saturating_sub(1)));
    let ms = |share: usize| at(share).map_or(f64::NAN, |ns| *ns as f64 / 1e6);
    format!("p50 {:.2} ms, p99 {:.2} ms", ms(50), ms(99))
}
