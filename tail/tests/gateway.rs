//! The gateway: packets on one side, a server of the Open Inference Protocol on the other.

mod support;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use lacewing_engine::{ExitId, Features, Refusal};
use lacewing_tail::client::{Link, LinkError, TcpLink, UdpLink};
use lacewing_tail::{Addresses, Config, HeadFacts, ServeError, Stop, Upstream, gateway};
use support::{Server, anywhere, in_process};

const VALUES: [f32; 3] = [0.5, 1.25, 2.0];
const HEAD: HeadFacts = HeadFacts { pair_id: 7, split: 1, exits: 1, features: 3 };

fn features() -> Features<'static> {
    Features::new(&VALUES, 7, 1).with_logits()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn config() -> Config {
    Config { http: anywhere(), udp: anywhere(), tcp: anywhere(), threads: 1, ..Config::default() }
}

/// A gateway in a thread, stopped when it is let go of.
struct Gateway {
    at: Addresses,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    fn to(upstream: Upstream, config: Config) -> Self {
        let (stop, (told, ready)) = (Stop::new(), mpsc::channel());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            gateway(&upstream, &config, &stopped, |at| told.send(*at).expect("the test waits")).expect("serves");
        });
        Self { at: ready.recv().expect("it listens"), stop, thread: Some(thread) }
    }

    fn links(&self) -> [Box<dyn Link>; 2] {
        let udp = UdpLink::new(self.at.udp.expect("UDP")).expect("a socket");
        [Box::new(udp), Box::new(TcpLink::new(self.at.tcp.expect("TCP")))]
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            assert!(std::thread::panicking(), "the gateway panicked");
        }
    }
}

fn upstream(at: SocketAddr, head: Option<HeadFacts>) -> Upstream {
    Upstream { url: format!("http://{at}/"), model: "tail".to_owned(), head }
}

/// Why a gateway does not start.
fn refused(upstream: &Upstream) -> String {
    let stop = Stop::new();
    // One that starts nevertheless is a failure of the test, not a hang.
    let ended = gateway(upstream, &config(), &stop, |_| stop.stop());
    match ended.expect_err("no gateway") {
        error @ ServeError::Upstream(_) => error.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_lacewing_server_behind_it_answers_as_in_process() {
    let server = Server::start();
    let gateway = Gateway::to(upstream(server.http(), None), config());
    for mut link in gateway.links() {
        for sequence in 1..50 {
            let answer = link.ask(&features().with_sequence(sequence).into(), soon()).expect("answered");
            assert_eq!((answer.class, answer.exit), (in_process(&VALUES).0, Some(ExitId(2))));
            assert_eq!(answer.logits, in_process(&VALUES).1);
        }
        let strange = link.ask(&Features::new(&VALUES, 9, 1).into(), soon()).expect_err("another pair");
        assert!(matches!(strange, LinkError::Refused { refusal: Refusal::WrongPair, ours: 9, theirs: 7 }));
        let strange = link.ask(&Features::new(&VALUES[..2], 7, 1).into(), soon()).expect_err("another width");
        assert!(matches!(strange, LinkError::Refused { refusal: Refusal::WrongCount, .. }));
    }
}

#[test]
fn a_server_that_goes_away_is_said_to_be_busy() {
    let mut server = Server::start();
    let gateway = Gateway::to(upstream(server.http(), None), config());
    assert!(gateway.links()[0].ask(&features().into(), soon()).is_ok());
    server.stop();
    for mut link in gateway.links() {
        let error = link.ask(&features().into(), soon()).expect_err("nobody answers");
        assert!(error.is_passing() && matches!(error, LinkError::Refused { refusal: Refusal::Busy, .. }), "{error}");
    }
}

#[test]
fn a_gateway_that_cannot_work_does_not_start() {
    let server = Server::start();
    let at = server.http();
    let wrong = |head| refused(&upstream(at, Some(head)));
    assert!(wrong(HeadFacts { pair_id: 8, ..HEAD }).contains("pair id 00000008, model tail has pair id 00000007"));
    assert!(wrong(HeadFacts { features: 4, ..HEAD }).contains("hands over 4 values, model tail takes 3"));
    let other = Upstream { model: "other".to_owned(), ..upstream(at, None) };
    assert!(refused(&other).contains("404"));
    for url in ["https://127.0.0.1:1", "127.0.0.1", "http://", "http:// /"] {
        assert!(refused(&Upstream { url: url.to_owned(), ..other.clone() }).contains("no http:// address"), "{url}");
    }
    let config = Config { http: anywhere(), ..Config::default() };
    let error = gateway(&upstream(at, None), &config, &Stop::new(), |_| ()).expect_err("no packets");
    assert!(matches!(error, ServeError::NoPackets));
    let foreign = foreign();
    let error = refused(&upstream(foreign, None));
    assert!(error.contains("--head"), "{error}");
}

/// Another make of server: it knows one model, says nothing about pairs, and answers in JSON.
fn foreign() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let at = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            std::thread::spawn(move || while answer(&mut stream).is_some() {});
        }
    });
    at
}

fn answer(stream: &mut BufReader<TcpStream>) -> Option<()> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if let Some(value) = head[from..].to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let response = if head.starts_with("GET /v2/models/tail ") {
        r#"{"name":"tail","platform":"onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],
            "outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]}"#
            .to_owned()
    } else {
        let values: Vec<f32> =
            body[length - 12..].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let logits = serde_json::to_string(&in_process(&values).1).expect("numbers");
        format!(r#"{{"outputs":[{{"name":"y","datatype":"FP32","shape":[1,2],"data":{logits}}}]}}"#)
    };
    write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{response}", response.len()).ok()
}

#[test]
fn a_server_of_another_make_answers_with_the_heads_facts() {
    let gateway = Gateway::to(upstream(foreign(), Some(HEAD)), config());
    for mut link in gateway.links() {
        let answer = link.ask(&features().into(), soon()).expect("answered");
        let (class, logits) = in_process(&VALUES);
        let top = logits[usize::from(class)];
        let sure = 1.0 / logits.iter().map(|logit| (logit - top).exp()).sum::<f32>();
        assert_eq!((answer.class, answer.exit, answer.logits), (class, Some(ExitId(2)), logits));
        assert!((answer.confidence.expect("said").to_f32() - sure).abs() < 1e-4);
    }
}
