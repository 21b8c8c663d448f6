//! How to serve, and where it turned out to be.

use core::net::SocketAddr;
use core::time::Duration;
use std::thread;

use tokio_util::sync::CancellationToken;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP is spoken.
    pub http: Option<SocketAddr>,
    /// Where packets come as datagrams.
    pub udp: Option<SocketAddr>,
    /// Where packets come in COBS frames.
    pub tcp: Option<SocketAddr>,
    /// Threads that compute; as many more for connections, and one for datagrams.
    pub threads: usize,
    /// Requests that wait for a thread, 1 to 1,048,576, beyond which clients are told to come back.
    pub queue: usize,
    /// Which requests are computed together.
    pub batching: Batching,
    /// What one request may take.
    pub limits: Limits,
    /// Bytes of bodies held at once, those of requests that come and of responses that go.
    pub bodies: usize,
    /// End on SIGINT and SIGTERM.
    pub stop_on_signals: bool,
}

/// Which requests to one model are computed together.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Requests that a thread takes from the queue at once; 1 for no batching.
    pub requests: usize,
    /// For which it waits for more than are there. Without, no request waits for another: batches form under load alone.
    pub window: Duration,
}

/// What one connection or request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Connections at once, for HTTP and for packets each; at least 1.
    pub connections: usize,
    /// For a packet on a stream or the body of a request to come, for its answer to be computed, for a piece of the answer to be
    /// taken.
    pub time: Duration,
    /// For which a connection may be silent, and for the head of a request to come.
    pub idle: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { requests: 32, window: Duration::ZERO }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 1 << 18, connections: 1024, time: Duration::from_secs(5), idle: Duration::from_secs(30) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: None,
            udp: None,
            tcp: None,
            threads: thread::available_parallelism().map_or(1, usize::from),
            queue: 1024,
            batching: Batching::default(),
            limits: Limits::default(),
            bodies: 1 << 26,
            stop_on_signals: false,
        }
    }
}

/// Where a server listens, once it does: a port 0 asked for has become a real one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// Packets over UDP.
    pub udp: Option<SocketAddr>,
    /// Packets over TCP.
    pub tcp: Option<SocketAddr>,
}

/// Ends a server from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// One that has not been used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the server: it finishes what it has begun.
    pub fn stop(&self) {
        self.0.cancel();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    pub(crate) async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// Stops when it is dropped.
    pub(crate) fn on_drop(&self) -> tokio_util::sync::DropGuard {
        self.0.clone().drop_guard()
    }
}
