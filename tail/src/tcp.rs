//! Packets over TCP, one COBS frame each. A connection's packets are finished one after the other, in order.

use std::io;
use std::sync::Arc;

use lacewing_engine::{Packet, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connections::Connection;
use crate::frames::{Frames, encode_frame};
use crate::packets::{Read, not_understood};
use crate::pool::{Job, Recipient};
use crate::serve::{Shared, count};

/// Bytes of replies that are written at once.
const ROOM: usize = 1 << 16;

pub(crate) async fn serve(stream: Connection, shared: Arc<Shared>) {
    if let Err(error) = talk(stream, &shared).await {
        tracing::debug!(%error, "a packet connection ended");
    }
}

async fn talk(mut stream: Connection, shared: &Shared) -> io::Result<()> {
    let mut frames = Frames::new(Packet::max_len(usize::from(u16::MAX)).min(shared.limits.body));
    let mut piece = vec![0; 4096];
    // When the packet under way has to be there whole, however slowly it drips.
    let mut whole = None;
    loop {
        // What was read is answered before the server stops.
        let len = tokio::select! {
            len = stream.read(&mut piece) => len?,
            () = passed(whole) => return Err(io::ErrorKind::TimedOut.into()),
            () = shared.stop.stopped() => return Ok(()),
        };
        let Some(bytes) = piece.get(..len).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let mut packets = Vec::new();
        frames.push(bytes, |packet| packets.push(packet.map(<[u8]>::to_vec)));
        // Another one has begun.
        if !packets.is_empty() {
            whole = None;
        }
        answer(&mut stream, packets, shared).await?;
        whole = frames.is_inside().then(|| whole.unwrap_or_else(|| Instant::now() + shared.limits.time));
    }
}

/// For ever, where no time is set.
async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => core::future::pending().await,
    }
}

async fn answer(stream: &mut Connection, packets: Vec<Option<Vec<u8>>>, shared: &Shared) -> io::Result<()> {
    let mut replies = Vec::new();
    for packet in packets {
        replies.extend(encode_frame(&reply(packet.as_deref().unwrap_or_default(), shared).await));
        // Short packets may ask for long replies.
        if replies.len() >= ROOM {
            stream.write_all(&replies).await?;
            replies.clear();
        }
    }
    stream.write_all(&replies).await
}

async fn reply(bytes: &[u8], shared: &Shared) -> Vec<u8> {
    let (model, values, asked) = match shared.tails.read(bytes) {
        Read::Work(model, values, asked) => (model, values, asked),
        Read::Refused(reply) => {
            count(&shared.counters.refused);
            return reply;
        }
        Read::NoPacket => {
            count(&shared.counters.refused);
            return not_understood();
        }
    };
    let finished = match &shared.upstream {
        Some(upstream) => upstream.finish(&values, &asked, usize::MAX).await.ok(),
        None => {
            let (reply, done) = oneshot::channel();
            let submitted = shared.pool.submit(Job { model, values, to: Recipient::Packet(asked, reply) });
            match submitted {
                Ok(()) => tokio::time::timeout(shared.limits.time, done).await.ok().and_then(Result::ok),
                Err(_) => None,
            }
        }
    };
    count(if finished.is_some() { &shared.counters.packets } else { &shared.counters.busy });
    finished.unwrap_or_else(|| asked.refusal(Refusal::Busy))
}
