//! Packets over UDP: a thread takes a datagram, finishes it and replies. The socket's own buffer is the queue.

use core::time::Duration;
use std::io;
use std::net::UdpSocket;

use crate::DATAGRAM;
use crate::engines::Engines;
use crate::serve::{Counters, Stop, count};

/// How often a thread without work looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn work(socket: &UdpSocket, mut engines: Engines<'_>, counters: &Counters, stop: &Stop) {
    if let Err(error) = socket.set_read_timeout(Some(LOOK)) {
        tracing::error!(%error, "the UDP socket takes no timeout: not serving packets over it");
        return;
    }
    // One byte more than a packet may have tells a longer datagram from the longest.
    let (mut datagram, mut out) = (vec![0; usize::from(u16::MAX) + 1], Vec::new());
    while !stop.is_stopped() {
        let (len, from) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
            Err(error) => {
                tracing::debug!(%error, "receiving a datagram");
                continue;
            }
        };
        let reply = datagram.get(..len).and_then(|bytes| engines.packet(bytes, DATAGRAM, &mut out));
        match reply {
            Some(reply) => {
                count(&counters.packets);
                if let Err(error) = socket.send_to(reply, from) {
                    tracing::debug!(%error, %from, "replying to a datagram");
                }
            }
            None => count(&counters.refused),
        }
    }
}
