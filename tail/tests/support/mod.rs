//! A server for tests, on loopback, in a thread.
#![allow(dead_code, reason = "each test uses its part")]

#[path = "../../../engine/tests/support/mod.rs"]
pub mod files;

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Instant;

use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Outcome, Scratch};
use lacewing_tail::{Addresses, Config, ModelFile, Stop, serve};

/// Loopback, a free port.
pub fn anywhere() -> Option<SocketAddr> {
    Some((Ipv4Addr::LOCALHOST, 0).into())
}

/// The tail that goes with `files::head()`: 3 features, 2 classes, pair id 7, split 1.
pub fn tail_file() -> ModelFile {
    ModelFile::new("tail", files::tail().bytes()).expect("a name")
}

pub struct Server {
    pub at: Addresses,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(|_| ())
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { http: anywhere(), udp: anywhere(), tcp: anywhere(), threads: 2, ..Config::default() };
        change(&mut config);
        Self::of(vec![tail_file()], config)
    }

    pub fn of(models: Vec<ModelFile>, config: Config) -> Self {
        let (stop, (told, ready)) = (Stop::new(), mpsc::channel());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            serve(&models, &config, &stopped, |at| told.send(*at).expect("the test waits")).expect("serves");
        });
        Self { at: ready.recv().expect("it listens"), stop, thread: Some(thread) }
    }

    pub fn http(&self) -> SocketAddr {
        self.at.http.expect("HTTP was asked for")
    }

    /// Ends it, and whatever it panicked with is the test's failure.
    pub fn stop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server did not panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// What came back from a request.
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().expect("an error").to_owned()
    }
}

/// Sends bytes as they are on a connection of their own, and reads until the server closes it.
pub fn send_raw(at: SocketAddr, bytes: &[u8]) -> Response {
    let mut stream = TcpStream::connect(at).expect("connects");
    // A server that refuses early may close before all is written.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(all[..end].to_vec()).expect("ASCII");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Response { status, head, body: all[end + 4..].to_vec() }
}

/// Sends this and then one byte after the other, each long before a silent client is cut off, until the server closes.
pub fn drip(at: SocketAddr, begin: &[u8]) {
    let (begun, begin) = (Instant::now(), begin.to_vec());
    let mut stream = TcpStream::connect(at).expect("connects");
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    stream.write_all(&begin).expect("sent");
    loop {
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?} kept a connection", String::from_utf8_lossy(&begin));
        match stream.read(&mut [0; 512]) {
            Ok(0) => return,
            // What it says before it closes.
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stream.write_all(b"x").is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

pub fn request(at: SocketAddr, method: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Response {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    bytes.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    send_raw(at, &[bytes.as_bytes(), body].concat())
}

/// Class and logits as this process computes them.
pub fn in_process(features: &[f32]) -> (u16, Vec<f32>) {
    let file = files::tail().bytes();
    let model = Model::parse(&file, &KernelSet::ALL).expect("sound");
    let mut scratch = Scratch::<4096>::new();
    let mut engine = Engine::new(&model, &mut scratch).expect("scratch enough");
    engine.load(features).expect("the width");
    let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { panic!("a tail answers") };
    (answer.class, engine.logits().to_vec())
}
