//! Requests that are computed together: each gets its own answer, whichever model and door it came for.

mod support;

use core::time::Duration;
use std::net::UdpSocket;
use std::time::Instant;

use lacewing_engine::{
    AsTrained, Engine, Features, KernelSet, Model, Outcome, Packet, Quantisation, Refusal, Reply, Scratch, Verdict,
};
use lacewing_tail::client::{KserveLink, Link, TcpLink, Tensors, UdpLink};
use lacewing_tail::{Batching, Config, ModelFile};
use support::{Server, anywhere, files, in_process, tail_file};

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
                    let answer = link.ask(&features, Instant::now() + Duration::from_secs(5)).expect("answered");
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
