//! Packets over UDP and TCP, and the client on links that fail.

mod support;

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use lacewing_engine::{Answer, Encoding, ExitId, Features, Packet, PacketError, Q15, Refusal, Reply, Verdict};
use lacewing_tail::client::{Client, Finished, KserveLink, Link, LinkError, Patience, TcpLink, Tensors, UdpLink};
use lacewing_tail::{Frames, encode_frame};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Server, drip, in_process, tail_file};

const VALUES: [f32; 3] = [0.5, 1.25, 2.0];
const WAIT: Duration = Duration::from_secs(5);

fn features() -> Features<'static> {
    Features::new(&VALUES, 7, 1)
}

fn fallback() -> Answer {
    Answer { class: 1, exit: ExitId(1), confidence: Q15::from_f32(0.5) }
}

fn soon() -> Instant {
    Instant::now() + WAIT
}

/// Every way to a server.
fn links(server: &Server) -> [Box<dyn Link>; 3] {
    let url = format!("http://{}", server.http());
    [
        Box::new(UdpLink::new(server.at.udp.expect("UDP")).expect("a socket")),
        Box::new(TcpLink::new(server.at.tcp.expect("TCP"))),
        Box::new(KserveLink::new(&url, "tail", Tensors::default())),
    ]
}

fn encode(features: &Features<'_>) -> Vec<u8> {
    let mut packet = vec![0; features.packet_len()];
    features.encode(&mut packet).expect("it fits");
    packet
}

#[test]
fn every_link_answers_as_in_process() {
    let server = Server::start();
    let mut random = StdRng::seed_from_u64(1);
    for (at, mut link) in links(&server).into_iter().enumerate() {
        for sequence in 0..200 {
            let values: [f32; 3] = core::array::from_fn(|_| random.random_range(-2.0..2.0f32).max(0.0));
            let features = Features::new(&values, 7, 1).with_sequence(sequence).with_logits().without_zeros();
            let answer = link.ask(&features.into(), soon()).unwrap_or_else(|error| panic!("link {at}: {error}"));
            assert_eq!((answer.class, answer.logits), in_process(&values), "link {at}");
            assert_eq!(answer.exit, Some(ExitId(2)));
        }
    }
}

#[test]
fn logits_come_where_they_are_asked_for() {
    let server = Server::start();
    let [mut udp, mut tcp, _] = links(&server);
    for link in [&mut udp, &mut tcp] {
        let plain = link.ask(&features().with_sequence(1).into(), soon()).expect("answered");
        assert_eq!((plain.class, plain.logits.len()), (in_process(&VALUES).0, 0));
        let half = features().with_encoding(Encoding::F16).with_confidence(fallback().confidence).with_logits();
        // Half precision holds these features exactly.
        assert_eq!(link.ask(&half.into(), soon()).expect("answered").logits, in_process(&VALUES).1);
    }
}

#[test]
fn a_strange_head_is_told_both_ids() {
    let server = Server::start();
    for mut link in links(&server) {
        let error = link.ask(&Features::new(&VALUES, 8, 1).into(), soon()).expect_err("another pair");
        let said = error.to_string();
        assert!(!error.is_passing() && said.contains("00000008") && said.contains("00000007"), "{said}");
    }
    let [mut udp, mut tcp, _] = links(&server);
    for link in [&mut udp, &mut tcp] {
        let refusal = |asked: Result<_, LinkError>| match asked {
            Err(LinkError::Refused { refusal, ours: 7, theirs: 7 }) => refusal,
            other => panic!("{other:?}"),
        };
        assert_eq!(refusal(link.ask(&Features::new(&VALUES, 7, 2).into(), soon()).map(|_| ())), Refusal::WrongSplit);
        assert_eq!(
            refusal(link.ask(&Features::new(&VALUES[..2], 7, 1).into(), soon()).map(|_| ())),
            Refusal::WrongCount
        );
    }
}

#[test]
fn a_packet_larger_than_a_datagram_is_not_sent() {
    let server = Server::start();
    let mut link = UdpLink::new(server.at.udp.expect("UDP")).expect("a socket").with_datagrams_of(31);
    let error = link.ask(&features().into(), soon()).expect_err("too large");
    assert!(matches!(error, LinkError::TooLarge { len: 32, most: 31 }));
}

#[test]
fn what_is_not_finite_is_answered_by_the_exit_at_once() {
    let server = Server::start();
    for link in links(&server) {
        let mut client = Client::new(link, Patience { attempts: 1000, ..Patience::default() });
        let values = [0.5, f32::NAN, 1.0];
        let finished = client.finish(&Features::new(&values, 7, 1), Some(fallback())).expect("a fallback");
        let Finished::Fallback { answer, because: LinkError::Packet(error) } = finished else { panic!("{finished:?}") };
        assert_eq!((answer, error), (fallback(), PacketError::NotFinite { at: 1 }));
    }
}

#[test]
fn features_too_large_for_the_tail_are_answered_by_the_exit() {
    // Finite, and the sums of them are not.
    let values = [f32::MAX, f32::MAX, f32::MAX];
    assert!(in_process(&values).1.iter().any(|logit| !logit.is_finite()));
    let server = Server::start();
    for (at, link) in links(&server).into_iter().enumerate() {
        let mut client = Client::new(link, Patience { deadline: WAIT, attempt: WAIT, ..Patience::default() });
        for features in [Features::new(&values, 7, 1), Features::new(&values, 7, 1).with_logits()] {
            let finished = client.finish(&features, Some(fallback())).expect("a fallback");
            let Finished::Fallback { answer, because } = finished else { panic!("link {at}: {finished:?}") };
            assert_eq!(answer, fallback());
            assert!(!because.is_passing() && because.to_string().contains("not finite"), "link {at}: {because}");
        }
        // Others are answered as before.
        assert!(matches!(client.finish(&features(), None), Ok(Finished::Tail(_))), "link {at}");
    }
}

#[test]
fn replies_with_logits_that_are_not_finite_are_none() {
    let tail = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let at = tail.local_addr().expect("bound");
    let answering = std::thread::spawn(move || {
        let mut packet = [0; 100];
        let (len, from) = tail.recv_from(&mut packet).expect("a packet");
        let packet = Packet::parse(&packet[..len]).expect("sound");
        let (sequence, request) = (packet.sequence(), packet.checksum());
        let reply = Reply { pair_id: 7, sequence, request, verdict: Verdict::Answer(fallback()) };
        let mut bytes = vec![0; Reply::len_for(2)];
        reply.encode(&[0.5, 1.0], &mut bytes).expect("it fits");
        // As a tail would send them that does not look.
        bytes[28..32].copy_from_slice(&f32::NAN.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]).to_le_bytes();
        bytes[32..].copy_from_slice(&crc);
        assert_eq!(Reply::parse(&bytes).map(|_| ()), Err(PacketError::NotFinite { at: 1 }));
        tail.send_to(&bytes, from).expect("sent");
    });
    let patience = Patience { attempts: 1, ..Patience::default() };
    let mut client = Client::new(UdpLink::new(at).expect("a socket"), patience);
    let finished = client.finish(&features().with_logits(), Some(fallback())).expect("a fallback");
    assert!(matches!(finished, Finished::Fallback { because: LinkError::TimedOut, .. }), "{finished:?}");
    answering.join().expect("it replied");
}

#[test]
fn the_same_packet_again_gets_the_same_reply() {
    let server = Server::start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.at.udp.expect("UDP")).expect("connected");
    socket.set_read_timeout(Some(WAIT)).expect("set");
    let packet = encode(&features().with_sequence(77).with_logits());
    let mut replies = Vec::new();
    for _ in 0..3 {
        socket.send(&packet).expect("sent");
        let mut reply = [0; 100];
        let len = socket.recv(&mut reply).expect("a reply");
        replies.push(reply[..len].to_vec());
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    let (reply, _) = Reply::parse(&replies[0]).expect("sound");
    assert!(reply.is_to(&Packet::parse(&packet).expect("sound")));
}

#[test]
fn garbage_is_passed_over() {
    let server = Server::start();
    let mut random = StdRng::seed_from_u64(2);
    let (udp, tcp) = (server.at.udp.expect("UDP"), server.at.tcp.expect("TCP"));
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut stream = TcpStream::connect(tcp).expect("connects");
    let sound = encode(&features().with_sequence(5));
    for len in [0, 1, 19, 20, 32, 1472, 9000, 65_507] {
        let mut garbage: Vec<u8> = (0..len).map(|_| random.random()).collect();
        socket.send_to(&garbage, udp).expect("sent");
        garbage.truncate(1472);
        stream.write_all(&garbage).expect("sent");
        stream.write_all(&[0]).expect("sent");
    }
    stream.write_all(&encode_frame(&sound)).expect("sent");
    stream.set_read_timeout(Some(WAIT)).expect("set");
    let (mut frames, mut piece) = (Frames::new(1000), [0; 512]);
    let mut answered = false;
    while !answered {
        let len = stream.read(&mut piece).expect("it replies");
        assert!(len > 0, "the connection was closed");
        frames.push(&piece[..len], |frame| {
            let (reply, _) = Reply::parse(frame.expect("a frame")).expect("a reply");
            match reply.verdict {
                Verdict::Answer(_) => answered = reply.sequence == 5,
                Verdict::Refused(refusal) => assert_eq!((refusal, reply.sequence), (Refusal::NotUnderstood, 0)),
            }
        });
    }
    assert!(links(&server)[0].ask(&features().into(), soon()).is_ok());
}

#[test]
fn clients_that_drip_are_cut_off() {
    let server = Server::with(|config| config.limits.time = Duration::from_millis(200));
    let sound = encode_frame(&encode(&features()));
    for begin in [&[][..], &sound[..5], &[&sound[..], &[9]].concat()] {
        drip(server.at.tcp.expect("TCP"), begin);
    }
}

#[test]
fn a_slow_link_is_none_that_drips() {
    let server = Server::with(|config| config.limits.time = Duration::from_millis(600));
    let mut stream = TcpStream::connect(server.at.tcp.expect("TCP")).expect("connects");
    stream.set_read_timeout(Some(WAIT)).expect("set");
    let (frame, mut reply) = (encode_frame(&encode(&features())), [0; 64]);
    // Each packet takes half the time, and begins in one piece with the end of the one before.
    let (first, rest) = frame.split_at(4);
    stream.write_all(first).expect("sent");
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&[rest, first].concat()).expect("sent");
        assert!(stream.read(&mut reply).expect("answered") > 0, "the connection was closed");
    }
}

#[test]
fn a_dead_link_falls_back_in_time_and_says_so() {
    // Ports that nobody listens on; and one that takes connections and says nothing.
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let silent_at = silent.local_addr().expect("bound");
    let links: [Box<dyn Link>; 3] = [
        Box::new(UdpLink::new(nobody.local_addr().expect("bound")).expect("a socket")),
        Box::new(TcpLink::new(silent_at)),
        Box::new(KserveLink::new(&format!("http://{silent_at}"), "tail", Tensors::default())),
    ];
    for link in links {
        let mut client = Client::new(link, Patience::default());
        let begun = Instant::now();
        let finished = client.finish(&features(), Some(fallback())).expect("a fallback");
        // The deadline is 100 ms; the rest is for a busy machine.
        assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
        assert!(
            matches!(finished, Finished::Fallback { answer, because: LinkError::TimedOut } if answer == fallback())
        );
        // Now it rests, and does not cost the device time.
        let resting = client.finish(&features(), None).expect_err("no fallback");
        assert!(matches!(resting, LinkError::Resting));
    }
}

/// Relays datagrams, and loses, repeats, delays and damages some both ways.
fn bad_weather(server: SocketAddr, over: Arc<AtomicBool>) -> SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let at = front.local_addr().expect("bound");
    std::thread::spawn(move || {
        let back = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for socket in [&front, &back] {
            socket.set_read_timeout(Some(Duration::from_micros(200))).expect("set");
        }
        let (mut random, mut client) = (StdRng::seed_from_u64(3), None);
        let mut delayed: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut buffer = [0; 2000];
        while !over.load(Ordering::Relaxed) {
            for to_server in [true, false] {
                let from = if to_server { &front } else { &back };
                let Ok((len, sender)) = from.recv_from(&mut buffer) else { continue };
                if to_server {
                    client = Some(sender);
                }
                let mut datagram = buffer[..len].to_vec();
                match random.random_range(0..100) {
                    0..20 => continue,
                    20..30 => delayed.push((to_server, datagram.clone())),
                    30..40 => {
                        let at = random.random_range(0..len);
                        datagram[at] ^= 1 << random.random_range(0..8);
                        delayed.push((to_server, datagram));
                        continue;
                    }
                    _ => {}
                }
                delayed.push((to_server, datagram));
                // Out of order, and some much later than their time.
                while delayed.len() > 3 || (!delayed.is_empty() && random.random_bool(0.7)) {
                    let (to_server, datagram) = delayed.swap_remove(random.random_range(0..delayed.len()));
                    let sent = match (to_server, client) {
                        (true, _) => back.send_to(&datagram, server),
                        (false, Some(client)) => front.send_to(&datagram, client),
                        (false, None) => continue,
                    };
                    let _ = sent;
                }
            }
        }
    });
    at
}

#[test]
fn no_wrong_answer_passes_a_bad_link() {
    let server = Server::start();
    let over = Arc::new(AtomicBool::new(false));
    let at = bad_weather(server.at.udp.expect("UDP"), Arc::clone(&over));
    let [deadline, attempt, pause] = [200, 10, 1].map(Duration::from_millis);
    let patience = Patience { deadline, attempts: 8, attempt, pause, rest: Duration::ZERO };
    let mut client = Client::new(UdpLink::new(at).expect("a socket"), patience);
    let mut random = StdRng::seed_from_u64(4);
    let (mut by_tail, mut by_exit) = (0, 0);
    for _ in 0..300 {
        let values: [f32; 3] = core::array::from_fn(|_| random.random_range(0.0..3.0f32));
        match client.finish(&Features::new(&values, 7, 1).with_logits(), Some(fallback())).expect("answered") {
            Finished::Tail(answer) => {
                assert_eq!((answer.class, answer.logits), in_process(&values));
                by_tail += 1;
            }
            Finished::Fallback { answer, .. } => {
                assert_eq!(answer, fallback());
                by_exit += 1;
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    assert_eq!(by_tail + by_exit, 300);
    assert!(by_tail > 200, "{by_tail} answers came through, {by_exit} did not");
}

#[test]
fn a_tail_that_comes_back_is_found_again() {
    let patience = Patience { rest: Duration::from_millis(1), ..Patience::default() };
    let mut server = Server::start();
    let tcp = server.at.tcp;
    let mut client = Client::new(TcpLink::new(tcp.expect("TCP")), patience);
    let by_tail = |client: &mut Client<TcpLink>| {
        matches!(client.finish(&features(), Some(fallback())).expect("answered"), Finished::Tail(_))
    };
    assert!(by_tail(&mut client));
    server.stop();
    assert!(!by_tail(&mut client));
    let config = lacewing_tail::Config { tcp, threads: 1, ..lacewing_tail::Config::default() };
    let _again = Server::of(vec![tail_file()], config);
    let until = Instant::now() + WAIT;
    while !by_tail(&mut client) {
        assert!(Instant::now() < until, "the client gave the tail up");
        std::thread::sleep(Duration::from_millis(5));
    }
}
