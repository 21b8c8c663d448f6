//! Datagrams by the dozen: many a system call where the system has calls for that.

use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use portable as system;

/// Bytes that a datagram may have and one more, and some so that the datagrams of one call do not fall into the same sets of a
/// cache.
const ROOM: usize = (1 << 16) + 33 * 64;

/// Room for datagrams that are received together.
#[derive(Debug)]
pub struct Incoming(system::Incoming);

impl Incoming {
    /// For at most so many a call; at least 1.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(system::Incoming::new(most.max(1)))
    }

    /// Waits for a datagram, as long as the socket does, takes those that are there besides, and hands each on with its sender.
    ///
    /// # Errors
    /// What the system says; that the socket's time is up is one of the kinds
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) and [`TimedOut`](io::ErrorKind::TimedOut).
    pub fn receive(&mut self, socket: &UdpSocket, each: impl FnMut(&[u8], SocketAddr)) -> io::Result<()> {
        self.0.receive(socket, each)
    }
}

/// Datagrams that are sent together.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    /// Where each goes, and where its bytes end.
    ends: Vec<(SocketAddr, usize)>,
}

impl Outgoing {
    /// One more.
    pub fn push(&mut self, datagram: &[u8], to: SocketAddr) {
        self.bytes.extend_from_slice(datagram);
        self.ends.push((to, self.bytes.len()));
    }

    /// Sends them all and keeps none: one that the system refuses is told to `failed`, and lost as any datagram may be.
    pub fn send(&mut self, socket: &UdpSocket, mut failed: impl FnMut(SocketAddr, io::Error)) {
        if self.ends.len() == 1 {
            portable_send(self.each(), socket, &mut failed);
        } else if !self.ends.is_empty() {
            system::send(self.each(), socket, &mut failed);
        }
        self.bytes.clear();
        self.ends.clear();
    }

    fn each(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let mut begin = 0;
        self.ends.iter().map(move |(to, end)| {
            let datagram = self.bytes.get(begin..*end).unwrap_or_default();
            begin = *end;
            (datagram, *to)
        })
    }
}

/// One call each.
fn portable_send<'d>(
    datagrams: impl Iterator<Item = (&'d [u8], SocketAddr)>,
    socket: &UdpSocket,
    failed: &mut impl FnMut(SocketAddr, io::Error),
) {
    for (datagram, to) in datagrams {
        if let Err(error) = socket.send_to(datagram, to) {
            failed(to, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use core::time::Duration;
    use std::io;
    use std::net::UdpSocket;

    use super::{Incoming, Outgoing, portable, portable_send};

    type Received = Vec<(Vec<u8>, SocketAddr)>;

    fn sockets(address: &str) -> [UdpSocket; 2] {
        [0, 1].map(|_| {
            let socket = UdpSocket::bind(address).expect("a socket");
            socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
            socket
        })
    }

    fn receive(count: usize, mut call: impl FnMut(&mut Received) -> io::Result<()>) -> Received {
        let mut received = Vec::new();
        while received.len() < count {
            call(&mut received).expect("they were sent");
        }
        received
    }

    #[test]
    fn all_arrive_in_order_with_their_sender() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let [one, other] = sockets(address);
            let [from, to] = [&one, &other].map(|socket| socket.local_addr().expect("bound"));
            let lengths = [0, 1, 1472, 9000, 0, 7, 3, 2, 1, 60_000, 5];
            let sent: Received = lengths.iter().map(|len| (vec![*len as u8; *len], from)).collect();
            for most in [1, 4, 32] {
                let (mut incoming, mut outgoing) = (Incoming::new(most), Outgoing::default());
                sent.iter().for_each(|(datagram, _)| outgoing.push(datagram, to));
                outgoing.send(&one, |to, error| panic!("{to}: {error}"));
                let received = receive(sent.len(), |all| {
                    incoming.receive(&other, |datagram, from| all.push((datagram.to_vec(), from)))
                });
                assert_eq!(received, sent, "{address}, {most} a call");
                outgoing.send(&one, |_, _| unreachable!("nothing is left"));
            }
            // What other systems do is the same.
            let mut incoming = portable::Incoming::new(4);
            portable_send(sent.iter().map(|(datagram, _)| (datagram.as_slice(), to)), &one, &mut |_, error| {
                panic!("{error}")
            });
            let received = receive(sent.len(), |all| {
                incoming.receive(&other, |datagram, from| all.push((datagram.to_vec(), from)))
            });
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn one_that_cannot_be_sent_does_not_keep_the_others() {
        let [one, other] = sockets("127.0.0.1:0");
        let to = other.local_addr().expect("bound");
        let nowhere: SocketAddr = "[::1]:9".parse().expect("an address");
        let (mut outgoing, mut incoming, mut failed) = (Outgoing::default(), Incoming::new(8), Vec::new());
        for (at, to) in [nowhere, to, nowhere, to, to, nowhere].into_iter().enumerate() {
            outgoing.push(&[at as u8], to);
        }
        outgoing.send(&one, |to, _| failed.push(to));
        assert_eq!(failed, [nowhere; 3]);
        let received = receive(3, |all| incoming.receive(&other, |datagram, from| all.push((datagram.to_vec(), from))));
        assert_eq!(received.into_iter().map(|(datagram, _)| datagram[0]).collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn nothing_to_receive_is_told_in_time() {
        let [one, _] = sockets("127.0.0.1:0");
        one.set_read_timeout(Some(Duration::from_millis(5))).expect("set");
        let waited = Incoming::new(8).receive(&one, |_, _| unreachable!("nobody sends"));
        let kind = waited.expect_err("its time is up").kind();
        assert!(matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{kind:?}");
    }
}
