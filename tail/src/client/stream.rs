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
        send(&mut stream, &encode_frame(&packet), until)?;
        let answer = receive(&mut stream, &mut frames, &packet, features, until);
        // A link that said something to this packet is kept; after silence or nonsense the next packet gets a new one.
        let nonsense = matches!(&answer, Err(LinkError::Refused { refusal: Refusal::NotUnderstood, .. }));
        if !nonsense && matches!(&answer, Ok(_) | Err(LinkError::Refused { .. })) {
            self.connection = Some((stream, frames));
        }
        answer
    }
}

/// As `write_all`, whose every write would have all of the time again.
fn send(stream: &mut TcpStream, mut bytes: &[u8], until: Instant) -> Result<(), LinkError> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    use super::{LinkError, send};

    #[test]
    fn a_peer_that_reads_in_drips_does_not_hold_a_device_beyond_its_time() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let mut stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let peer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a device");
            // Each makes room for a little more, so that no single write fails.
            let mut piece = vec![0; 1 << 20];
            while stream.read(&mut piece).is_ok_and(|len| len > 0) {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let begun = Instant::now();
        // More than the system holds.
        let sent = send(&mut stream, &vec![0; 64 << 20], begun + Duration::from_millis(300));
        let took = begun.elapsed();
        assert!(matches!(sent, Err(LinkError::TimedOut)), "{sent:?}");
        assert!(took < Duration::from_millis(1500), "{took:?}");
        // What is under way is let go.
        drop(stream);
        peer.join().expect("it read");
    }
}
