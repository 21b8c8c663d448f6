//! Packets as COBS frames on a TCP connection, which is made anew after a failure.

use core::net::SocketAddr;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use lacewing_engine::{Refusal, Reply, Verdict};

use super::{AnyFeatures, Link, LinkError, TailAnswer, failed, left, reply_in};
use crate::frames::{Frames, encode_frame};

/// Packets over TCP to one tail.
#[derive(Debug)]
pub struct TcpLink {
    address: SocketAddr,
    connection: Option<(TcpStream, Frames)>,
}

impl TcpLink {
    /// To the tail at `address`; connects when it is first asked.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    fn connect(&self, until: Instant) -> Result<(TcpStream, Frames), LinkError> {
        let stream = TcpStream::connect_timeout(&self.address, left(until)?).map_err(failed)?;
        stream.set_nodelay(true)?;
        Ok((stream, Frames::new(Reply::len_for(usize::from(u16::MAX)))))
    }
}

impl Link for TcpLink {
    fn ask(&mut self, features: &AnyFeatures<'_>, until: Instant) -> Result<TailAnswer, LinkError> {
        let mut packet = Vec::new();
        features.encode(&mut packet)?;
        let (mut stream, mut frames) = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect(until)?,
        };
        stream.set_write_timeout(Some(left(until)?))?;
        stream.write_all(&encode_frame(&packet)).map_err(failed)?;
        let answer = receive(&mut stream, &mut frames, &packet, features, until);
        // A link that said something to this packet is kept; after silence or nonsense the next packet gets a new one.
        let nonsense = matches!(&answer, Err(LinkError::Refused { refusal: Refusal::NotUnderstood, .. }));
        if !nonsense && matches!(&answer, Ok(_) | Err(LinkError::Refused { .. })) {
            self.connection = Some((stream, frames));
        }
        answer
    }
}

fn receive(
    stream: &mut TcpStream,
    frames: &mut Frames,
    packet: &[u8],
    features: &AnyFeatures<'_>,
    until: Instant,
) -> Result<TailAnswer, LinkError> {
    let mut piece = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        let len = stream.read(&mut piece).map_err(failed)?;
        let bytes = piece.get(..len).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let mut answer = None;
        frames.push(bytes, |frame| {
            let found =
                frame.and_then(|frame| reply_in(frame, packet, features).or_else(|| not_understood(frame, features)));
            answer = answer.take().or(found);
        });
        if let Some(answer) = answer {
            return answer;
        }
    }
}

/// The tail's word that what it last read was no packet: ours was damaged.
fn not_understood(frame: &[u8], features: &AnyFeatures<'_>) -> Option<Result<TailAnswer, LinkError>> {
    let (reply, _) = Reply::parse(frame).ok()?;
    let Verdict::Refused(refusal @ Refusal::NotUnderstood) = reply.verdict else { return None };
    Some(Err(LinkError::Refused { refusal, ours: features.pair_id(), theirs: reply.pair_id }))
}
