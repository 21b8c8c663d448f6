//! Any system: one datagram a call.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

use super::ROOM;
#[cfg(not(target_os = "linux"))]
pub(super) use super::portable_send as send;

#[derive(Debug)]
pub(super) struct Incoming(Vec<u8>);

impl Incoming {
    pub(super) fn new(_: usize) -> Self {
        Self(vec![0; ROOM])
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket, mut each: impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        let (len, from) = socket.recv_from(&mut self.0)?;
        each(self.0.get(..len).unwrap_or_default(), from);
        Ok(())
    }
}
