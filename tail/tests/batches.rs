//! Requests that are computed together: each gets its own answer, whichever model and door it came for.

mod support;

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::time::Instant;

use lacewing_engine::{
    AsTrained, Engine, Features, KernelSet, Model, Outcome, Packet, Quantisation, Refusal, Reply, Scratch, Verdict,
};
use lacewing_tail::client::{Client, Finished, KserveLink, Link, LinkError, Patience, TcpLink, Tensors, UdpLink};
use lacewing_tail::{Batching, Config, ModelFile};
use support::{Server, anywhere, files, in_process, request, tail_file};

/// The tail in int8, under a pair id of its own.
const PAIR_I8: u32 = 8;

fn tail_i8() -> Vec<u8> {
    files::File { pair_id: PAIR_I8, ..files::tail_i8() }.bytes()
}

/// Waits long for company: what comes meanwhile is one batch.
fn server() -> Server {
    let batching = Batching { requests: 16, window: Duration::from_millis(3) };
    let config =
        Config { batching, http: anywhere(), udp: anywhere(), tcp: anywhere(), threads: 1, ..Config::default() };
    Server::of(vec![tail_file(), ModelFile::new("int8", tail_i8()).expect("a name")], config)
}

#[test]
fn each_gets_its_own_answer() {
    let server = server();
    let doors = &|k: usize| -> Box<dyn Link> {
        match k % 3 {
            0 => Box::new(UdpLink::new(server.at.udp.expect("UDP")).expect("a socket")),
            1 => Box::new(TcpLink::new(server.at.tcp.expect("TCP"))),
            _ => Box::new(KserveLink::new(&format!("http://{}", server.http()), "tail", Tensors::default())),
        }
    };
    std::thread::scope(|scope| {
        for client in 0..12 {
            scope.spawn(move || {
                let mut link = doors(client);
                for k in 0..40u32 {
                    let values = [client as f32, k as f32 / 8.0, 1.5];
                    let features = Features::new(&values, 7, 1).with_sequence(k).with_logits();
                    let answer = link.ask(&features.into(), Instant::now() + Duration::from_secs(5)).expect("answered");
                    assert_eq!((answer.class, answer.logits), in_process(&values), "client {client}, request {k}");
                }
            });
        }
    });
}

#[test]
fn an_int8_tail_takes_its_own_int8_only() {
    let server = server();
    let file = tail_i8();
    let model = Model::parse(&file, &KernelSet::ALL).expect("sound");
    let input = model.input().expect("int8");
    let mut scratch = Scratch::<4096>::new();
    let mut engine = Engine::new_i8(&model, &mut scratch).expect("scratch enough");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.at.udp.expect("UDP")).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    let ask = |packet: &[u8]| {
        let mut reply = [0; 200];
        socket.send(packet).expect("sent");
        let len = socket.recv(&mut reply).expect("a reply");
        let (reply, logits) = Reply::parse(&reply[..len]).expect("sound");
        assert!(reply.is_to(&Packet::parse(packet).expect("sound")));
        (reply.verdict, logits.values().collect::<Vec<_>>())
    };
    for q in -128..=127i8 {
        let values = [q, q.wrapping_mul(3), -q.max(-127)];
        let features = Features::new_i8(&values, input, PAIR_I8, 1).with_logits().without_zeros();
        let mut packet = vec![0; features.packet_len()];
        features.encode(&mut packet).expect("it fits");
        let Ok(Outcome::Answer(answer)) = engine.resume(&features, &mut AsTrained) else { panic!("a pair") };
        let output = model.output().expect("int8");
        let logits: Vec<f32> = engine.logits().iter().map(|q| output.dequantise(*q)).collect();
        assert_eq!(ask(&packet), (Verdict::Answer(answer), logits), "{values:?}");
    }
    let other = Quantisation { scale: 2.0 * input.scale, ..input };
    let mut packet = vec![0; Packet::max_len(3)];
    let len = Features::new_i8(&[1, 2, 3], other, PAIR_I8, 1).encode(&mut packet).expect("it fits");
    assert_eq!(ask(&packet[..len]).0, Verdict::Refused(Refusal::WrongCount));
    let len = Features::new(&[1.0, 2.0, 3.0], PAIR_I8, 1).encode(&mut packet).expect("it fits");
    assert_eq!(ask(&packet[..len]).0, Verdict::Refused(Refusal::WrongCount));
}

#[test]
fn an_int8_head_has_every_link() {
    let server = server();
    let file = tail_i8();
    let model = Model::parse(&file, &KernelSet::ALL).expect("sound");
    let (input, output) = (model.input().expect("int8"), model.output().expect("int8"));
    let mut scratch = Scratch::<4096>::new();
    let mut engine = Engine::new_i8(&model, &mut scratch).expect("scratch enough");
    let links: [Box<dyn Link>; 3] = [
        Box::new(UdpLink::new(server.at.udp.expect("UDP")).expect("a socket").with_datagrams_of(24 + 3)),
        Box::new(TcpLink::new(server.at.tcp.expect("TCP"))),
        Box::new(KserveLink::new(&format!("http://{}", server.http()), "int8", Tensors::default())),
    ];
    for link in links {
        // What is late on a busy machine is no failure here.
        let (deadline, attempt) = (Duration::from_secs(20), Duration::from_secs(5));
        let mut client = Client::new(link, Patience { deadline, attempt, ..Patience::default() });
        for q in (-128..=127i8).step_by(5) {
            let values = [q, q.wrapping_mul(3), -q.max(-127)];
            let features = Features::new_i8(&values, input, PAIR_I8, 1);
            let Ok(Outcome::Answer(here)) = engine.resume(&features, &mut AsTrained) else { panic!("a pair") };
            let Ok(Finished::Tail(answer)) = client.finish(&features, None) else { panic!("{values:?}: no answer") };
            assert_eq!(
                (answer.class, answer.exit, answer.confidence),
                (here.class, Some(here.exit), Some(here.confidence))
            );
            // A packet asks for logits where the device does, the protocol always.
            let logits: Vec<f32> = engine.logits().iter().map(|q| output.dequantise(*q)).collect();
            assert!(answer.logits.is_empty() || answer.logits == logits, "{values:?}");
        }
    }
}

/// 3 features → 2 classes as the other tails have, and in between what takes a thread a while.
fn heavy_tail() -> ModelFile {
    const WIDE: usize = 1024;
    let weights = |n_in: usize, n_out: usize| (0..n_in * n_out).map(|at| (at % 7) as f32 / 8.0 - 0.375).collect();
    let dense = |n_in: usize, n_out: usize, relu| {
        let weights: Vec<f32> = weights(n_in, n_out);
        files::dense(0, n_in as u16, &weights, &vec![0.125; n_out], relu)
    };
    let operations = vec![dense(3, WIDE, true), dense(WIDE, WIDE, true), dense(WIDE, 2, false)];
    let exits = vec![files::exit(4, 0, 0.0)];
    ModelFile::new("tail", files::File { operations, exits, ..files::tail() }.bytes()).expect("a name")
}

#[test]
fn a_full_queue_is_said_at_every_door_and_spoils_no_answer() {
    let batching = Batching { requests: 1, window: Duration::ZERO };
    let config = Config { batching, queue: 1, threads: 1, ..Config::default() };
    let config = Config { http: anywhere(), udp: anywhere(), tcp: anywhere(), ..config };
    let server = Server::of(vec![heavy_tail()], config);
    let values = [0.5, 1.25, 2.0];
    let body: Vec<u8> = values.iter().flat_map(|value: &f32| value.to_le_bytes()).collect();
    let right = {
        let mut link = TcpLink::new(server.at.tcp.expect("TCP"));
        let features = Features::new(&values, 7, 1).into();
        link.ask(&features, Instant::now() + Duration::from_secs(5)).expect("nobody else asks").class
    };
    let until = Instant::now() + Duration::from_secs(20);
    // Of each door: answers, and refusals for want of room.
    let counts: [[AtomicU32; 2]; 3] = Default::default();
    let enough = || counts.iter().flatten().all(|count| count.load(Ordering::Relaxed) > 2);
    let count = |door: usize, answered: bool| counts[door][usize::from(!answered)].fetch_add(1, Ordering::Relaxed);
    std::thread::scope(|scope| {
        for client in 0..9 {
            let (count, enough, server, body) = (&count, &enough, &server, &body);
            scope.spawn(move || {
                let mut links: [Box<dyn Link>; 2] = [
                    Box::new(UdpLink::new(server.at.udp.expect("UDP")).expect("a socket")),
                    Box::new(TcpLink::new(server.at.tcp.expect("TCP"))),
                ];
                while !enough() && Instant::now() < until {
                    let door = client % 3;
                    let Some(link) = links.get_mut(door) else {
                        let headers = [("Inference-Header-Content-Length", "0".to_owned())];
                        let answer = request(server.http(), "POST", "/v2/models/tail/infer", &headers, body);
                        let retry = answer.header("retry-after");
                        assert!(matches!((answer.status, retry), (200, None) | (503, Some("1"))), "{}", answer.head);
                        count(door, answer.status == 200);
                        continue;
                    };
                    match link.ask(&Features::new(&values, 7, 1).into(), until) {
                        Ok(answer) => assert_eq!(answer.class, right),
                        Err(LinkError::Refused { refusal: Refusal::Busy, .. }) => {
                            count(door, false);
                            continue;
                        }
                        Err(error) => panic!("door {door}: {error}"),
                    }
                    count(door, true);
                }
            });
        }
    });
    assert!(enough(), "answers and refusals over UDP, TCP, HTTP: {counts:?}");
}
