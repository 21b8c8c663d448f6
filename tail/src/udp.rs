//! Packets over UDP: a thread takes datagrams and queues them; whoever computes an answer sends it.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use lacewing_engine::Refusal;
use tokio_util::task::TaskTracker;

use crate::DATAGRAM;
use crate::config::Stop;
use crate::datagrams::{Incoming, Outgoing};
use crate::packets::{Asked, Read, Tails};
use crate::pool::{Job, Pool, Recipient};
use crate::serve::{Counters, Shared, count};

/// How often the thread looks whether it shall stop, without datagrams.
const LOOK: Duration = Duration::from_millis(100);

/// Datagrams taken with one call.
const MANY: usize = 32;

pub(crate) fn receive(socket: &UdpSocket, tails: &Tails, pool: &Pool, counters: &Counters, stop: &Stop) {
    if let Err(error) = socket.set_read_timeout(Some(LOOK)) {
        tracing::error!(%error, "the UDP socket takes no timeout: not serving packets over it");
        return;
    }
    let (mut incoming, mut refusals) = (Incoming::new(MANY), Outgoing::default());
    while !stop.is_stopped() {
        let received = incoming.receive(socket, |datagram, from| match tails.read(datagram) {
            Read::Work(model, values, asked) => {
                if pool.submit(Job { model, values, to: Recipient::Datagram(asked, from) }).is_err() {
                    count(&counters.busy);
                    refusals.push(&asked.refusal(Refusal::Busy), from);
                }
            }
            Read::Refused(reply) => {
                count(&counters.refused);
                refusals.push(&reply, from);
            }
            Read::NoPacket => count(&counters.refused),
        });
        match received.map_err(|error| (error.kind(), error)) {
            Ok(()) | Err((io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, _)) => {}
            Err((_, error)) => tracing::debug!(%error, "receiving datagrams"),
        }
        refusals.send(socket, |to, error| tracing::debug!(%error, %to, "refusing a datagram"));
    }
}

/// The same in a gateway: the server behind it finishes datagrams, many at once.
pub(crate) async fn relay(socket: Arc<tokio::net::UdpSocket>, shared: Arc<Shared>, tasks: TaskTracker) {
    let mut datagram = vec![0; usize::from(u16::MAX) + 1];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut datagram) => received,
            () = shared.stop.stopped() => return,
        };
        let (len, from) = match received {
            Ok(received) => received,
            Err(error) => {
                tracing::debug!(%error, "receiving a datagram");
                continue;
            }
        };
        let refused = match shared.tails.read(datagram.get(..len).unwrap_or_default()) {
            Read::Work(_, values, asked) => {
                if let Ok(permit) = Arc::clone(&shared.datagrams).try_acquire_owned() {
                    let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
                    tasks.spawn(async move {
                        let reply = finish(&shared, &values, &asked).await;
                        send(&socket, &reply, from).await;
                        drop(permit);
                    });
                    continue;
                }
                count(&shared.counters.busy);
                asked.refusal(Refusal::Busy)
            }
            Read::Refused(reply) => {
                count(&shared.counters.refused);
                reply
            }
            Read::NoPacket => {
                count(&shared.counters.refused);
                continue;
            }
        };
        send(&socket, &refused, from).await;
    }
}

async fn finish(shared: &Shared, values: &[f32], asked: &Asked) -> Vec<u8> {
    let finished = match &shared.upstream {
        Some(upstream) => upstream.finish(values, asked, DATAGRAM).await.ok(),
        None => None,
    };
    count(if finished.is_some() { &shared.counters.packets } else { &shared.counters.busy });
    finished.unwrap_or_else(|| asked.refusal(Refusal::Busy))
}

async fn send(socket: &tokio::net::UdpSocket, reply: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(reply, to).await {
        tracing::debug!(%error, %to, "replying to a datagram");
    }
}
