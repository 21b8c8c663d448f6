//! Linux: `recvmmsg` and `sendmmsg`.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

use super::ROOM;

#[derive(Debug)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Incoming {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: vec![0; most * ROOM], headers: MultiHeaders::preallocate(most, None) }
    }

    pub(super) fn receive(&mut self, socket: &UdpSocket, mut each: impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        let mut pieces: Vec<_> = self.bytes.chunks_mut(ROOM).map(|piece| [IoSliceMut::new(piece)]).collect();
        let first_waits = MsgFlags::MSG_WAITFORONE;
        for received in recvmmsg(socket.as_raw_fd(), &mut self.headers, pieces.iter_mut(), first_waits, None)? {
            if let Some(from) = received.address.as_ref().and_then(address) {
                each(received.iovs().next().unwrap_or_default(), from);
            }
        }
        Ok(())
    }
}

fn address(of: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = of.as_sockaddr_in().map(|of| SocketAddr::V4(SocketAddrV4::from(*of)));
    v4.or_else(|| of.as_sockaddr_in6().map(|of| SocketAddr::V6(SocketAddrV6::from(*of))))
}

pub(super) fn send<'d>(
    datagrams: impl Iterator<Item = (&'d [u8], SocketAddr)>,
    socket: &UdpSocket,
    failed: &mut impl FnMut(SocketAddr, io::Error),
) {
    let (pieces, to): (Vec<_>, Vec<_>) = datagrams.map(|(bytes, to)| ([IoSlice::new(bytes)], to)).unzip();
    let addresses: Vec<SocketAddrAny> = to.iter().map(|to| (*to).into()).collect();
    let mut none: Vec<SendAncillaryBuffer<'_, '_, '_>> = to.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let messages = addresses.iter().zip(&pieces).zip(&mut none);
    let mut messages: Vec<_> = messages.map(|((to, piece), none)| MMsgHdr::new_with_addr(to, piece, none)).collect();
    let mut done = 0;
    while let Some(rest) = messages.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match sendmmsg(socket, rest, SendFlags::empty()) {
            Ok(sent) => done += sent.max(1),
            // It is the first that failed.
            Err(error) => {
                to.get(done).into_iter().for_each(|to| failed(*to, error.into()));
                done += 1;
            }
        }
    }
}
