//! The server as a whole: models, threads, listeners, limits, and its end.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use lacewing_engine::{EngineError, Model, Part};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::accept;
use crate::engines::{Engines, HeapScratch};
use crate::model_file::{LoadError, ModelFile};
use crate::oip::Facts;
use crate::pool::{Pool, work};
use crate::{http, tcp, udp};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP is spoken.
    pub http: Option<SocketAddr>,
    /// Where packets come as datagrams.
    pub udp: Option<SocketAddr>,
    /// Where packets come in COBS frames.
    pub tcp: Option<SocketAddr>,
    /// Threads that compute; as many more for each of HTTP with TCP, and UDP.
    pub threads: usize,
    /// Requests that wait for a thread, beyond which clients are told to come back.
    pub queue: usize,
    /// What one request may take.
    pub limits: Limits,
    /// Bytes of request bodies held at once.
    pub bodies: usize,
    /// End on SIGINT and SIGTERM.
    pub stop_on_signals: bool,
}

/// What one connection or request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body: usize,
    /// Connections at once, for HTTP and for packets each.
    pub connections: usize,
    /// For the body of a request to come, for its answer to be computed, for a piece of the answer to be taken.
    pub time: Duration,
    /// For which a connection may be silent, and for the head of a request to come.
    pub idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let limits =
            Limits { body: 1 << 18, connections: 1024, time: Duration::from_secs(5), idle: Duration::from_secs(30) };
        Self {
            http: None,
            udp: None,
            tcp: None,
            threads: cores,
            queue: 1024,
            limits,
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
}

/// A server did not start, or failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A model cannot be served.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An engine cannot be made.
    #[error("no engine for a model: {0}")]
    Engine(#[from] EngineError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// Packets without a tail to take them.
    #[error("packets are for tails, and no tail is served: leave UDP and TCP out, or serve a tail.lace")]
    NoTail,
    /// Nothing to listen on.
    #[error("no address to listen on")]
    NoAddress,
    /// The system gives no threads.
    #[error("cannot start: {0}")]
    Start(io::Error),
}

/// What has been done, for the log.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests answered over HTTP.
    pub(crate) requests: AtomicU64,
    /// Packets replied to.
    pub(crate) packets: AtomicU64,
    /// Requests and packets that broke a rule.
    pub(crate) refused: AtomicU64,
    /// Requests and packets sent away for want of room.
    pub(crate) busy: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What every connection needs.
pub(crate) struct Shared {
    pub(crate) models: HashMap<String, (usize, Facts)>,
    pub(crate) pool: Pool,
    pub(crate) limits: Limits,
    /// Room for request bodies, in bytes.
    pub(crate) bodies: Semaphore,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Stop,
}

struct Listeners {
    http: Option<TcpListener>,
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
}

/// Serves until told to stop. Calls `ready` with the addresses once it listens.
///
/// # Errors
/// A model does not parse, an address is taken, the system gives no threads.
pub fn serve(
    files: &[ModelFile],
    config: &Config,
    stop: &Stop,
    ready: impl FnOnce(&Addresses),
) -> Result<(), ServeError> {
    let models = files.iter().map(ModelFile::model).collect::<Result<Vec<_>, _>>()?;
    check_tails(files, &models, config)?;
    let (listeners, addresses) = listen(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads.max(1))
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let threads = config.threads.max(1);
    let mut scratch: Vec<_> = (0..2 * threads).map(|_| HeapScratch::for_all(&models)).collect();
    let (for_pool, for_udp) = scratch.split_at_mut(threads);
    let (pool, queue) = Pool::new(config.queue);
    let counters = Arc::new(Counters::default());
    let facts = files.iter().zip(&models).map(|(file, model)| Facts::of(file.name(), model));
    let shared = Arc::new(Shared {
        models: facts.enumerate().map(|(at, facts)| (facts.name.clone(), (at, facts))).collect(),
        pool,
        limits: config.limits,
        bodies: Semaphore::new(config.bodies.max(config.limits.body).min(Semaphore::MAX_PERMITS)),
        counters: Arc::clone(&counters),
        stop: stop.clone(),
    });
    let Listeners { http, tcp, udp } = listeners;
    thread::scope(|scope| {
        // However this ends, the threads end as well.
        let ending = stop.0.clone().drop_guard();
        for scratch in for_pool {
            let (engines, queue) = (Engines::new(&models, scratch)?, queue.clone());
            scope.spawn(move || work(engines, &queue));
        }
        for scratch in for_udp {
            let (Some(socket), engines) = (&udp, Engines::new(&models, scratch)?) else { continue };
            let counters = &counters;
            scope.spawn(move || udp::work(socket, engines, counters, stop));
        }
        let ended = runtime.block_on(run(http, tcp, shared, config.stop_on_signals, || ready(&addresses)));
        runtime.shutdown_timeout(config.limits.time);
        drop(ending);
        ended.map_err(ServeError::Start)
    })?;
    log_counters(&counters);
    Ok(())
}

fn check_tails(files: &[ModelFile], models: &[Model<'_>], config: &Config) -> Result<(), ServeError> {
    let tails: Vec<_> = files.iter().zip(models).filter(|(_, model)| model.part() == Part::Tail).collect();
    if tails.is_empty() && (config.udp.is_some() || config.tcp.is_some()) {
        return Err(ServeError::NoTail);
    }
    for (at, (file, model)) in tails.iter().enumerate() {
        if let Some((other, _)) = tails.iter().take(at).find(|(_, other)| other.pair_id() == model.pair_id()) {
            let (one, two) = (other.name().to_owned(), file.name().to_owned());
            return Err(LoadError::SamePair(one, two, model.pair_id()).into());
        }
    }
    Ok(())
}

fn listen(config: &Config) -> Result<(Listeners, Addresses), ServeError> {
    fn on<L>(address: Option<SocketAddr>, bind: impl Fn(SocketAddr) -> io::Result<L>) -> Result<Option<L>, ServeError> {
        address.map(|address| bind(address).map_err(|cause| ServeError::Listen { address, cause })).transpose()
    }
    let bind = |address: SocketAddr| {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listeners =
        Listeners { http: on(config.http, bind)?, tcp: on(config.tcp, bind)?, udp: on(config.udp, UdpSocket::bind)? };
    let address = |listener: &TcpListener| listener.local_addr().ok();
    let addresses = Addresses {
        http: listeners.http.as_ref().and_then(address),
        tcp: listeners.tcp.as_ref().and_then(address),
        udp: listeners.udp.as_ref().and_then(|socket| socket.local_addr().ok()),
    };
    if addresses == Addresses::default() { Err(ServeError::NoAddress) } else { Ok((listeners, addresses)) }
}

/// Accepts until told to stop, then lets what has begun end, for as long as a request may take.
async fn run(
    http: Option<TcpListener>,
    tcp: Option<TcpListener>,
    shared: Arc<Shared>,
    stop_on_signals: bool,
    ready: impl FnOnce(),
) -> io::Result<()> {
    let tasks = TaskTracker::new();
    if let Some(listener) = http {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = http::router(Arc::clone(&shared));
        let serve = move |stream, shared| http::serve(stream, router.clone(), shared);
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone(), serve));
    }
    if let Some(listener) = tcp {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tasks.spawn(accept(listener, Arc::clone(&shared), tasks.clone(), tcp::serve));
    }
    ready();
    if stop_on_signals {
        tokio::select! {
            () = shared.stop.stopped() => {}
            signal = signal() => {
                tracing::info!(signal = signal?, "stopping");
                shared.stop.stop();
            }
        }
    } else {
        shared.stop.stopped().await;
    }
    tasks.close();
    if tokio::time::timeout(shared.limits.time, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "connections that did not end in time are cut");
    }
    Ok(())
}

#[cfg(unix)]
async fn signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| "SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

#[cfg(not(unix))]
async fn signal() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "ctrl-c")
}

fn log_counters(counters: &Counters) {
    let [requests, packets, refused, busy] =
        [&counters.requests, &counters.packets, &counters.refused, &counters.busy].map(|c| c.load(Ordering::Relaxed));
    tracing::info!(requests, packets, refused, busy, "stopped");
}
