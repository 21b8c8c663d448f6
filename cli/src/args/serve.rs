//! The arguments of `lacewing serve`.

use core::net::SocketAddr;
use core::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;

/// In milliseconds.
const A_DAY: u64 = 24 * 60 * 60 * 1000;

/// A number of things, of which each takes memory.
fn many(range: RangeInclusive<u64>) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(range)
}

#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Model files (tails, whole networks), and folders of them; a model is named for its file.
    #[arg(required_unless_present = "upstream", value_name = "MODEL")]
    pub models: Vec<PathBuf>,
    /// Be a gateway: hand packets on to this server of the Open Inference Protocol (Triton, KServe), such as http://127.0.0.1:8000.
    #[arg(long, value_name = "URL", conflicts_with = "models", requires = "upstream_model")]
    pub upstream: Option<String>,
    /// The tail's name there.
    #[arg(long, value_name = "NAME", requires = "upstream")]
    pub upstream_model: Option<String>,
    /// The head whose packets come: one of the tails has to be its own. A gateway needs it where the server does not say it.
    #[arg(long, value_name = "FILE")]
    pub head: Option<PathBuf>,
    /// Where to speak HTTP. Port 0 takes a free one, here and below; the addresses are printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Speak no HTTP.
    #[arg(long)]
    pub no_http: bool,
    /// Take packets as datagrams, such as at 127.0.0.1:7070.
    #[arg(long, value_name = "ADDRESS")]
    pub udp: Option<SocketAddr>,
    /// Take packets in COBS frames on TCP connections.
    #[arg(long, value_name = "ADDRESS")]
    pub tcp: Option<SocketAddr>,
    /// Threads that compute; as many as there are cores where left out.
    #[arg(long, value_name = "N", value_parser = many(1..=1024))]
    pub threads: Option<usize>,
    /// Requests to one model that a thread computes together, of those that wait; 1 for each by itself.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = many(1..=1_000_000))]
    pub batch: usize,
    /// For which a thread waits until that many are there; 0 takes what is there.
    #[arg(long, value_name = "µs", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    pub batch_window_us: u64,
    /// Requests that may wait; beyond, the answer is 503 with Retry-After.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = many(1..=1_000_000))]
    pub queue: usize,
    /// Bytes that the body of a request may have.
    #[arg(long, value_name = "BYTES", default_value_t = 262_144, value_parser = many(1..=1 << 30))]
    pub max_body: usize,
    /// Connections at once, for HTTP and for packets each.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = many(1..=1_000_000))]
    pub max_connections: usize,
    /// For a request's body or a packet on a stream to come, and for its answer.
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub timeout_ms: u64,
    /// For which a connection may be silent.
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(1..=A_DAY))]
    pub idle_ms: u64,
    /// What to log to standard error, as a tracing filter: warn, debug, lacewing_tail=trace.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
}
