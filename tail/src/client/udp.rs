//! One packet a datagram.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use super::{AnyFeatures, Link, LinkError, TailAnswer, failed, left, reply_in};
use crate::DATAGRAM;

/// Packets over UDP to one tail.
#[derive(Debug)]
pub struct UdpLink {
    socket: UdpSocket,
    most: usize,
    packet: Vec<u8>,
    received: Vec<u8>,
}

impl UdpLink {
    /// To the tail at `address`, with datagrams of at most [`DATAGRAM`] bytes.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let any = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(address)?;
        Ok(Self { socket, most: DATAGRAM, packet: Vec::new(), received: vec![0; usize::from(u16::MAX)] })
    }

    /// The same, where the link's datagrams have another size.
    #[must_use]
    pub const fn with_datagrams_of(mut self, most: usize) -> Self {
        self.most = most;
        self
    }
}

impl Link for UdpLink {
    fn ask(&mut self, features: &AnyFeatures<'_>, until: Instant) -> Result<TailAnswer, LinkError> {
        let len = features.packet_len();
        if len > self.most {
            return Err(LinkError::TooLarge { len, most: self.most });
        }
        features.encode(&mut self.packet)?;
        let packet = self.packet.as_slice();
        self.socket.send(packet).map_err(failed)?;
        loop {
            self.socket.set_read_timeout(Some(left(until)?))?;
            let len = self.socket.recv(&mut self.received).map_err(failed)?;
            // What is late, damaged or not for us is passed over.
            let received = self.received.get(..len).unwrap_or_default();
            if let Some(answer) = reply_in(received, packet, features) {
                return answer;
            }
        }
    }
}
