//! Packets over TCP, one COBS frame each. A connection's packets are finished one after the other, in order.

use core::pin::pin;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use lacewing_engine::{Packet, Refusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::connections::Connection;
use crate::engines;
use crate::frames::{Frames, encode_frame};
use crate::pool::Job;
use crate::serve::{Shared, count};

pub(crate) async fn serve(stream: Connection, shared: Arc<Shared>) {
    let mut stopped = pin!(shared.stop.stopped());
    let mut talk = pin!(talk(stream, &shared));
    tokio::select! {
        ended = &mut talk => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a packet connection ended");
            }
        }
        () = &mut stopped => {}
    }
}

async fn talk(mut stream: Connection, shared: &Shared) -> io::Result<()> {
    let mut frames = Frames::new(Packet::max_len(usize::from(u16::MAX)).min(shared.limits.body));
    let mut piece = vec![0; 4096];
    loop {
        let len = stream.read(&mut piece).await?;
        let Some(bytes) = piece.get(..len).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let mut packets = Vec::new();
        frames.push(bytes, |packet| packets.push(packet.map(<[u8]>::to_vec)));
        let mut replies = Vec::new();
        for packet in packets {
            replies.extend(encode_frame(&reply(packet, shared).await));
        }
        stream.write_all(&replies).await?;
    }
}

async fn reply(packet: Option<Vec<u8>>, shared: &Shared) -> Vec<u8> {
    let Some(bytes) = packet else {
        count(&shared.counters.refused);
        return engines::refusal(Refusal::NotUnderstood, None);
    };
    let busy = || {
        count(&shared.counters.busy);
        engines::refusal(Refusal::Busy, Packet::parse(&bytes).ok().as_ref())
    };
    let (reply, done) = oneshot::channel();
    if shared.pool.submit(Job::Packet { bytes: bytes.clone(), reply }).is_err() {
        return busy();
    }
    let deadline: Duration = shared.limits.time;
    match tokio::time::timeout(deadline, done).await {
        Ok(Ok(Some(reply))) => {
            count(&shared.counters.packets);
            reply
        }
        Ok(Ok(None)) => {
            count(&shared.counters.refused);
            engines::refusal(Refusal::NotUnderstood, None)
        }
        Ok(Err(_)) | Err(_) => busy(),
    }
}
