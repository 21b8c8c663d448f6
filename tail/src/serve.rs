//! The server as a whole: models, threads, listeners, and its end.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use lacewing_engine::{EngineError, Model, Part};
use thiserror::Error;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::{Addresses, Config, Limits, Stop};
use crate::connections::accept;
use crate::engines::{Engines, HeapScratch};
use crate::model_file::{LoadError, ModelFile};
use crate::oip::Facts;
use crate::packets::Tails;
use crate::pool::{Pool, work};
use crate::room::Room;
use crate::upstream::{Requests, Upstream, UpstreamError};
use crate::{http, tcp, udp};

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
    /// The server behind a gateway is none.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// Packets without a tail to take them.
    #[error("packets are for tails, and no tail is served: leave UDP and TCP out, or serve a tail.lace")]
    NoTail,
    /// A gateway that takes no packets.
    #[error("a gateway takes packets: give it an address for UDP or TCP")]
    NoPackets,
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
    /// Packets answered.
    pub(crate) packets: AtomicU64,
    /// Requests and packets that broke a rule.
    pub(crate) refused: AtomicU64,
    /// Requests and packets sent away for want of room, or of an answer from the server behind a gateway.
    pub(crate) busy: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What every connection needs.
pub(crate) struct Shared {
    pub(crate) models: HashMap<String, (usize, Facts)>,
    pub(crate) tails: Tails,
    pub(crate) pool: Pool,
    /// Who finishes packets in place of the pool.
    pub(crate) upstream: Option<Requests>,
    pub(crate) limits: Limits,
    /// For bodies of requests and responses.
    pub(crate) bodies: Room,
    /// Datagrams that may wait for the server behind a gateway.
    pub(crate) datagrams: Arc<Semaphore>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) stop: Stop,
}

impl Shared {
    fn new(config: &Config, pool: Pool, stop: &Stop) -> Self {
        Self {
            models: HashMap::new(),
            tails: Tails::default(),
            pool,
            upstream: None,
            limits: config.limits,
            bodies: Room::new(config.bodies.max(config.limits.body)),
            datagrams: Arc::new(Semaphore::new(config.queue.clamp(1, Semaphore::MAX_PERMITS))),
            counters: Arc::default(),
            stop: stop.clone(),
        }
    }
}

/// Serves models until told to stop. Calls `ready` with the addresses once it listens.
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
    let runtime = runtime(config)?;
    let threads = config.threads.max(1);
    let mut scratch: Vec<_> = (0..threads).map(|_| HeapScratch::for_all(&models)).collect();
    let (pool, queue) = Pool::new(config.queue);
    let facts = files.iter().zip(&models).map(|(file, model)| Facts::of(file.name(), model));
    let mut shared = Shared::new(config, pool.clone(), stop);
    shared.models = facts.enumerate().map(|(at, facts)| (facts.name.clone(), (at, facts))).collect();
    shared.tails = Tails::of(&models);
    let (tails, counters) = (shared.tails.clone(), Arc::clone(&shared.counters));
    let least = Engines::break_even(&models)?;
    for (file, rows) in files.iter().zip(&least) {
        tracing::debug!(model = file.name(), rows, "run side by side from so many on");
    }
    let Listeners { http, tcp, udp } = listeners;
    let udp = udp.as_ref();
    thread::scope(|scope| {
        // However this ends, the threads end as well.
        let ending = stop.on_drop();
        for scratch in &mut scratch {
            let (engines, queue, counters) = (Engines::new(&models, scratch, &least)?, queue.clone(), &counters);
            let work = move || work(engines, &queue, config.batching, udp, counters);
            thread::Builder::new().spawn_scoped(scope, work).map_err(ServeError::Start)?;
        }
        if let Some(socket) = udp {
            let (tails, counters) = (&tails, &counters);
            let receive = move || udp::receive(socket, tails, &pool, counters, stop);
            thread::Builder::new().spawn_scoped(scope, receive).map_err(ServeError::Start)?;
        } else {
            drop(pool);
        }
        let ended = runtime.block_on(run(http, tcp, None, Arc::new(shared), config, || ready(&addresses)));
        runtime.shutdown_timeout(config.limits.time);
        drop(ending);
        ended.map_err(ServeError::Start)
    })?;
    log_counters(&counters);
    Ok(())
}

/// Takes packets and has another server finish them, until told to stop. Calls `ready` with the addresses once it listens.
///
/// # Errors
/// The server does not describe the model, an address is taken, the system gives no threads.
pub fn gateway(
    upstream: &Upstream,
    config: &Config,
    stop: &Stop,
    ready: impl FnOnce(&Addresses),
) -> Result<(), ServeError> {
    if config.udp.is_none() && config.tcp.is_none() {
        return Err(ServeError::NoPackets);
    }
    let (Listeners { http, tcp, udp }, addresses) = listen(config)?;
    let runtime = runtime(config)?;
    let (requests, tail) = runtime.block_on(Requests::connect(upstream, &config.limits))?;
    // Nobody computes here: what is submitted finds no room.
    let (pool, _) = Pool::new(1);
    let mut shared = Shared::new(config, pool, stop);
    (shared.tails, shared.upstream) = (Tails::one(tail), Some(requests));
    let counters = Arc::clone(&shared.counters);
    let ended = runtime.block_on(run(http, tcp, udp, Arc::new(shared), config, || ready(&addresses)));
    runtime.shutdown_timeout(config.limits.time);
    ended.map_err(ServeError::Start)?;
    log_counters(&counters);
    Ok(())
}

fn runtime(config: &Config) -> Result<Runtime, ServeError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(config.threads.max(1)).enable_all().build().map_err(ServeError::Start)
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

struct Listeners {
    http: Option<TcpListener>,
    tcp: Option<TcpListener>,
    udp: Option<UdpSocket>,
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
    udp: Option<UdpSocket>,
    shared: Arc<Shared>,
    config: &Config,
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
    if let Some(socket) = udp {
        socket.set_nonblocking(true)?;
        let socket = Arc::new(tokio::net::UdpSocket::from_std(socket)?);
        tasks.spawn(udp::relay(socket, Arc::clone(&shared), tasks.clone()));
    }
    ready();
    if config.stop_on_signals {
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
