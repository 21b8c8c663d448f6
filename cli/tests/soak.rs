//! Head and tail through bad weather: a link that loses, repeats, reorders and damages packets, a tail that is killed and
//! started again, clients that send garbage or nothing at all. The long tests run in `./ci.sh soak`.
#![allow(missing_docs)]

use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use lacewing_converter::convert::convert_network;
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::source::Source;
use lacewing_engine::{Answer, BatchEngine, Engine, KernelSet, Model, Never, Outcome, Scratch};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};
use lacewing_tail::client::{Client, Finished, KserveLink, Link, Patience, TcpLink, Tensors, UdpLink};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

type Room = Scratch<16_384>;

struct Files {
    head: Vec<u8>,
    tail: Vec<u8>,
    test: Dataset,
}

fn flagship() -> Files {
    let mut source = Source::open(&bundled::weights("mnist-flagship")).expect("it comes with the project");
    let recipe = embedded_recipe(&source).expect("readable").expect("a recipe");
    let test = data::load_for(data::bundled_mnist(), Part::Test, &recipe).expect("the bundled data");
    let Imported { network, .. } = import(&mut source, recipe).expect("a network");
    let files = convert_network(&network, None).expect("model files");
    Files { head: files.head.into(), tail: files.tail.expect("it is split").into(), test }
}

/// `lacewing serve` on addresses that stay the same when it is started again.
struct TailProcess {
    file: PathBuf,
    at: [SocketAddr; 3],
    idle: u32,
    child: Child,
}

/// HTTP, UDP, TCP.
const KINDS: [&str; 3] = ["--listen", "--udp", "--tcp"];

impl TailProcess {
    fn start(file: &Path) -> Self {
        Self::with(file, 2000)
    }

    /// With milliseconds for which a connection may be silent.
    fn with(file: &Path, idle: u32) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let at = [free(), free(), free()];
        let child = Self::spawn(file, &at, idle);
        Self { file: file.to_owned(), at, idle, child }
    }

    /// Starts it and waits until it listens.
    fn spawn(file: &Path, at: &[SocketAddr; 3], idle: u32) -> Child {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_lacewing"));
        serve.arg("serve").arg(file).args(["--threads", "1", "--log", "error", "--idle-ms", &idle.to_string()]);
        for (kind, at) in KINDS.iter().zip(at) {
            serve.args([kind, at.to_string().as_str()]);
        }
        let said = File::options().append(true).create(true).open(Self::said(file)).expect("writable");
        let mut child = serve.stdout(Stdio::piped()).stderr(said).spawn().expect("the command runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.any(|line| line.expect("text").starts_with("tcp ")), "the tail does not listen");
        child
    }

    fn kill_and_start_again(&mut self) {
        self.stop();
        self.child = Self::spawn(&self.file, &self.at, self.idle);
    }

    /// Where its standard error goes, that of those started again behind it.
    fn said(file: &Path) -> PathBuf {
        file.with_extension("stderr")
    }

    /// Kills it. One that ended by itself, or in which a thread panicked, is a failure.
    fn stop(&mut self) {
        let ended = self.child.try_wait().expect("it can be asked");
        let said = std::fs::read_to_string(Self::said(&self.file)).expect("UTF-8");
        assert!(ended.is_none(), "the tail ended by itself, {ended:?}: {said}");
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        assert!(!said.contains("panicked"), "{said}");
    }

    /// Bytes of memory that it has.
    fn resident(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("Linux");
        statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
    }
}

impl Drop for TailProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Relays datagrams, and loses a fifth of them; repeats, delays, reorders, damages and invents others, both ways.
fn bad_link(tail: SocketAddr, front: &UdpSocket, over: &AtomicBool) {
    let back = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for socket in [front, &back] {
        socket.set_read_timeout(Some(Duration::from_micros(200))).expect("set");
    }
    let (mut random, mut client, mut buffer) = (StdRng::seed_from_u64(3), None, [0; 2000]);
    let mut delayed: Vec<(bool, Vec<u8>)> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        for up in [true, false] {
            let from = if up { front } else { &back };
            let Ok((len, sender)) = from.recv_from(&mut buffer) else { continue };
            if up {
                client = Some(sender);
            }
            let mut datagram = buffer[..len].to_vec();
            match random.random_range(0..100) {
                0..20 => continue,
                20..25 => delayed.push((up, datagram.clone())),
                25..30 => {
                    let at = random.random_range(0..len);
                    datagram[at] ^= 1 << random.random_range(0..8);
                }
                30..33 => datagram.truncate(random.random_range(0..len)),
                33..36 => random.fill_bytes(&mut datagram),
                _ => {}
            }
            delayed.push((up, datagram));
            while delayed.len() > 4 || (!delayed.is_empty() && random.random_bool(0.8)) {
                let (up, datagram) = delayed.swap_remove(random.random_range(0..delayed.len()));
                // A peer that is away makes sending fail: that is weather, too.
                let _ = match (up, client) {
                    (true, _) => back.send_to(&datagram, tail),
                    (false, Some(client)) => front.send_to(&datagram, client),
                    (false, None) => continue,
                };
            }
        }
    }
}

/// Sends garbage to every door, as fast as it goes, and holds connections that say nothing more.
fn hostile(at: [SocketAddr; 3], packet: &[u8], over: &AtomicBool, sent: &AtomicU64) {
    let [http, udp, tcp] = at;
    let mut random = StdRng::seed_from_u64(7);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut held = Vec::new();
    let begin = b"POST /v2/models/tail/infer HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n{\"inputs\":[";
    while !over.load(Ordering::Relaxed) {
        for _ in 0..20 {
            let mut garbage = vec![0; random.random_range(0..1472)];
            random.fill_bytes(&mut garbage);
            // A packet that is nearly sound.
            if random.random_bool(0.3) {
                garbage = packet.to_vec();
                let at = random.random_range(0..garbage.len());
                garbage[at] = random.random();
            }
            if socket.send_to(&garbage, udp).is_ok() {
                sent.fetch_add(garbage.len() as u64, Ordering::Relaxed);
            }
        }
        for (door, begin) in [(http, &begin[..]), (tcp, &[][..])] {
            let Ok(mut stream) = TcpStream::connect_timeout(&door, Duration::from_millis(50)) else { continue };
            let mut garbage = vec![0; random.random_range(0..40_000)];
            random.fill_bytes(&mut garbage);
            let _ = stream.set_write_timeout(Some(Duration::from_millis(20)));
            if random.random_bool(0.5) {
                garbage.splice(0..0, begin.iter().copied());
            }
            if stream.write_all(&garbage).is_ok() {
                sent.fetch_add(garbage.len() as u64, Ordering::Relaxed);
            }
            held.push(stream);
        }
        if held.len() > 100 {
            held.clear();
        }
        thread::sleep(Duration::from_micros(500));
    }
}

/// Holds connections that send a byte now and then, of packets and of requests' heads and bodies, and opens another where one is
/// closed: how many were.
fn dripping(at: [SocketAddr; 3], over: &AtomicBool) -> u64 {
    let [http, _, tcp] = at;
    let begins = [
        (http, &b"GET /v2 HTTP/1.1\r\nLong: "[..]),
        (http, b"POST /v2/models/tail/infer HTTP/1.1\r\nHost: t\r\nContent-Length: 100000\r\n\r\n{"),
        (tcp, b"x"),
    ];
    let open = |(door, begin): (SocketAddr, &[u8])| {
        let mut stream = TcpStream::connect_timeout(&door, Duration::from_millis(50)).ok()?;
        stream.set_nonblocking(true).ok()?;
        stream.write_all(begin).ok()?;
        Some(stream)
    };
    let (mut held, mut closed) = ((0..30).map(|_| None).collect::<Vec<Option<TcpStream>>>(), 0);
    while !over.load(Ordering::Relaxed) {
        for (place, begin) in held.iter_mut().zip(begins.into_iter().cycle()) {
            let Some(stream) = place else {
                *place = open(begin);
                continue;
            };
            let kept = matches!(stream.read(&mut [0; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock);
            if !kept || stream.write_all(b"x").is_err() {
                *place = None;
                closed += 1;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    closed
}

/// A tail may compute with many packets side by side, whose sums run in another order.
fn are_close(one: &[f32], other: &[f32]) -> bool {
    let largest = other.iter().fold(1.0, |most: f32, logit| most.max(logit.abs()));
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() <= 1e-5 * largest)
}

/// Every image handed over by `client`, whatever the exit thinks of it: how many the tail answered. An answer that is not that
/// of the tail in this process is a failure.
fn hand_over<L: Link>(files: &Files, client: &mut Client<L>, images: core::ops::Range<usize>) -> usize {
    let [head, tail] = [&files.head, &files.tail].map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("sound"));
    let (mut head_room, mut tail_room) = (Room::new(), Room::new());
    let mut engine = Engine::new(&head, &mut head_room).expect("room enough");
    let mut here = Engine::new(&tail, &mut tail_room).expect("room enough");
    let mut by_tail = 0;
    for image in images {
        engine.load(files.test.sample(image)).expect("its width");
        let Outcome::Offload { features, fallback } = engine.run(&mut Never) else { panic!("nothing exits") };
        let fallback = fallback.expect("the head has an exit");
        match client.finish(&features.without_zeros().with_logits(), Some(fallback)).expect("answered") {
            Finished::Tail(answer) => {
                let Ok(Outcome::Answer(Answer { class, .. })) = here.resume(&features, &mut Never) else {
                    panic!("a pair")
                };
                assert_eq!(answer.class, class, "image {image}");
                assert!(are_close(&answer.logits, here.logits()), "image {image}: {:?}", answer.logits);
                by_tail += 1;
            }
            Finished::Fallback { answer, .. } => assert_eq!(answer, fallback, "image {image}"),
        }
    }
    by_tail
}

fn patience() -> Patience {
    let [deadline, attempt, pause] = [100, 20, 1].map(Duration::from_millis);
    // Without rest: every image is tried.
    Patience { deadline, attempts: 8, attempt, pause, rest: Duration::ZERO }
}

fn links(at: [SocketAddr; 3]) -> [Box<dyn Link>; 3] {
    [
        Box::new(KserveLink::new(&format!("http://{}", at[0]), "tail", Tensors::default())),
        Box::new(UdpLink::new(at[1]).expect("a socket")),
        Box::new(TcpLink::new(at[2])),
    ]
}

fn tail_file(files: &Files, folder: &Path) -> PathBuf {
    let file = folder.join("tail.lace");
    std::fs::write(&file, &files.tail).expect("written");
    file
}

/// Seconds that the long test takes.
fn seconds() -> u64 {
    std::env::var("LACEWING_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
#[ignore = "long: ./ci.sh soak"]
fn every_image_is_answered_rightly_or_by_the_exit_whatever_happens() {
    let files = flagship();
    let folder = tempfile::tempdir().expect("a folder");
    let tail = Mutex::new(TailProcess::start(&tail_file(&files, folder.path())));
    let at = tail.lock().expect("no panic").at;
    let front = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let bad = front.local_addr().expect("bound");
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let packet = sound_packet(&files);
    let images = if seconds() < 600 { 1000 } else { files.test.len() };
    let counts = thread::scope(|scope| {
        scope.spawn(|| bad_link(at[1], &front, &over));
        scope.spawn(|| hostile(at, &packet, &over, &sent));
        scope.spawn(|| dripping(at, &over));
        scope.spawn(|| {
            let mut random = StdRng::seed_from_u64(5);
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(random.random_range(500..3000)));
                tail.lock().expect("no panic").kill_and_start_again();
            }
        });
        let [http, _, tcp] = links(at);
        let mut counts = Vec::new();
        let bad: Box<dyn Link> = Box::new(UdpLink::new(bad).expect("a socket"));
        for link in [bad, http, tcp] {
            let mut client = Client::new(link, patience());
            counts.push(hand_over(&files, &mut client, 0..images));
        }
        over.store(true, Ordering::Relaxed);
        counts
    });
    assert!(counts.iter().all(|by_tail| (images / 4..=images).contains(by_tail)), "by the tail: {counts:?}");
    assert!(sent.load(Ordering::Relaxed) > 0, "no garbage came through");
    tail.into_inner().expect("no panic").stop();
}

#[test]
#[ignore = "long: ./ci.sh soak"]
fn memory_stays_flat() {
    let files = flagship();
    let folder = tempfile::tempdir().expect("a folder");
    let mut tail = TailProcess::start(&tail_file(&files, folder.path()));
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let packet = sound_packet(&files);
    let begun = Instant::now();
    let mut resident = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| hostile(tail.at, &packet, &over, &sent));
        let dripping = scope.spawn(|| dripping(tail.at, &over));
        scope.spawn(|| {
            let mut clients = links(tail.at).map(|link| Client::new(link, patience()));
            while !over.load(Ordering::Relaxed) {
                for client in &mut clients {
                    hand_over(&files, client, 0..500);
                }
            }
        });
        while begun.elapsed() < Duration::from_secs(seconds()) {
            thread::sleep(Duration::from_millis(500));
            resident.push(tail.resident());
        }
        over.store(true, Ordering::Relaxed);
        // None of the thirty stays longer than a request may take.
        let closed = dripping.join().expect("no panic");
        assert!(closed >= seconds(), "{closed} clients that drip were cut off");
    });
    let sent = sent.load(Ordering::Relaxed);
    if let (Some(first), Some(last)) = (resident.first(), resident.last()) {
        // Past the harness, so that a note can quote it.
        let _ = writeln!(
            std::io::stdout(),
            "resident bytes: {first} at first, {last} at last; {} s, {sent} bytes of garbage",
            seconds()
        );
    }
    let fifth = resident.len() / 5;
    let most = |part: &[u64]| part.iter().copied().max().expect("measured");
    let (early, late) = (most(&resident[fifth..2 * fifth]), most(&resident[4 * fifth..]));
    assert!(late <= early + early / 10, "{early} bytes grew to {late}: {resident:?}");
    assert!(late < 100 << 20, "{late} bytes");
    let [_, udp, _] = links(tail.at);
    let mut client = Client::new(udp, patience());
    assert!(hand_over(&files, &mut client, 0..100) > 90, "it does not answer any more");
    // A gigabit in ten minutes.
    assert!(sent > 0 && sent > 125_000_000 * seconds() / 600, "{sent} bytes of garbage");
    tail.stop();
}

fn sound_packet(files: &Files) -> Vec<u8> {
    let head = Model::parse(&files.head, &KernelSet::ALL).expect("sound");
    let mut room = Room::new();
    let mut engine = Engine::new(&head, &mut room).expect("room enough");
    engine.load(files.test.sample(0)).expect("its width");
    let Outcome::Offload { features, .. } = engine.run(&mut Never) else { panic!("nothing exits") };
    let mut packet = vec![0; features.packet_len()];
    features.encode(&mut packet).expect("it fits");
    packet
}

/// The logits of some rows of features, asked for in one request.
fn ask_for_logits(stream: &mut TcpStream, rows: &[Vec<f32>], classes: usize) -> Vec<f32> {
    let tensor: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    let json = serde_json::json!({
        "inputs": [{
            "name": "features", "shape": [rows.len(), rows[0].len()], "datatype": "FP32",
            "parameters": { "binary_data_size": tensor.len() },
        }],
        "outputs": [{ "name": "logits", "parameters": { "binary_data": true } }],
    });
    let (json, path) = (json.to_string(), "/v2/models/tail/infer");
    let lengths = [("Inference-Header-Content-Length", json.len()), ("Content-Length", json.len() + tensor.len())];
    let lengths = lengths.map(|(name, len)| format!("{name}: {len}\r\n")).concat();
    let head = format!("POST {path} HTTP/1.1\r\nHost: t\r\n{lengths}\r\n{json}");
    stream.write_all(&[head.as_bytes(), &tensor].concat()).expect("sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let len = stream.read(&mut piece).expect("answered");
        assert!(len > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..len]);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let header = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.expect("it is there").parse::<usize>().expect("a number")
        };
        let (body, json) = (&answer[end + 4..], header("inference-header-content-length"));
        if body.len() == header("content-length") {
            let logits = &body[json..json + rows.len() * classes * 4];
            return logits.as_chunks().0.iter().map(|logit| f32::from_le_bytes(*logit)).collect();
        }
    }
}

#[test]
fn images_that_a_tail_finishes_side_by_side_get_the_classes_that_they_get_alone() {
    let files = flagship();
    let folder = tempfile::tempdir().expect("a folder");
    let process = TailProcess::start(&tail_file(&files, folder.path()));
    let [head, tail] = [&files.head, &files.tail].map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("sound"));
    let (mut head_room, mut tail_room) = (Room::new(), Room::new());
    let mut engine = Engine::new(&head, &mut head_room).expect("room enough");
    let mut here = Engine::new(&tail, &mut tail_room).expect("room enough");
    let mut stream = TcpStream::connect(process.at[0]).expect("connects");
    let mut many = vec![0u128; tail.batch_scratch_len().div_ceil(16)];
    let mut many = BatchEngine::new(&tail, bytemuck::cast_slice_mut(&mut many)).expect("room enough");
    for first in (0..files.test.len()).step_by(32) {
        let images = first..files.test.len().min(first + 32);
        let (mut rows, mut alone) = (Vec::new(), Vec::new());
        for image in images.clone() {
            engine.load(files.test.sample(image)).expect("its width");
            let Outcome::Offload { features, .. } = engine.run(&mut Never) else { panic!("nothing exits") };
            let Ok(Outcome::Answer(answer)) = here.resume(&features, &mut Never) else { panic!("a pair") };
            rows.push(features.values().to_vec());
            alone.push((answer, here.logits().to_vec()));
        }
        many.run_batch(rows.iter().map(Vec::as_slice), &mut Never, |at, outcome, logits| {
            let Outcome::Answer(answer) = outcome else { panic!("a tail answers") };
            assert_eq!((answer.class, answer.exit), (alone[at].0.class, alone[at].0.exit), "image {}", first + at);
            assert!(are_close(logits, &alone[at].1), "image {}: {logits:?}", first + at);
        })
        .expect("their width");
        let served = ask_for_logits(&mut stream, &rows, tail.classes());
        for ((image, (_, alone)), served) in images.zip(&alone).zip(served.chunks(tail.classes())) {
            assert!(are_close(served, alone), "image {image}: {served:?}");
        }
    }
}

#[test]
fn a_thousand_idle_connections_take_little() {
    const ASK: &[u8] = b"GET /v2/health/live HTTP/1.1\r\nHost: t\r\n\r\n";
    let files = flagship();
    let folder = tempfile::tempdir().expect("a folder");
    let tail = TailProcess::with(&tail_file(&files, folder.path()), 60_000);
    let before = tail.resident();
    let mut held: Vec<TcpStream> = Vec::new();
    for at in 0..1000 {
        let mut stream = TcpStream::connect(tail.at[0]).expect("connects");
        if at % 2 == 1 {
            stream.write_all(ASK).expect("sent");
            stream.read_exact(&mut [0; 15]).expect("answered");
        }
        held.push(stream);
    }
    let resident = tail.resident();
    assert!(resident < 100_000_000, "{before} bytes became {resident}");
    // All of them are still there: the first, which said nothing yet, too.
    held[0].write_all(ASK).expect("sent");
    let mut status = [0; 15];
    held[0].read_exact(&mut status).expect("answered");
    assert_eq!(&status, b"HTTP/1.1 200 OK");
}
