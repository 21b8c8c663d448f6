//! Packets over UDP: devices that each have some in flight, and every answer compared with the tail's in this process.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{
    AsTrained, Engine, Features, KernelSet, Model, Outcome, Packet, Part, Quantisation, Refusal, Reply, Verdict,
};
use lacewing_tail::{Incoming, Outgoing};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{Failure, percentiles};

/// After which a packet without an answer is lost.
const PATIENCE: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
pub struct Args {
    /// The tail's address.
    at: SocketAddr,
    /// The tail that is served there.
    #[arg(long)]
    tail: PathBuf,
    /// Sockets, a thread each.
    #[arg(long, default_value_t = 1)]
    devices: usize,
    /// Packets that a device has in flight; answers come as often.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Datagrams a system call; 1 for a device that has a call for one only.
    #[arg(long, default_value_t = 32)]
    many: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

/// A packet and the class that its answer must have.
struct Prepared {
    bytes: Vec<u8>,
    class: u16,
}

#[derive(Default)]
struct Counts {
    answered: u64,
    /// Sent back as they were.
    echoed: u64,
    busy: u64,
    lost: u64,
    latencies: Vec<u64>,
}

pub fn run(args: &Args) -> Result<String, Failure> {
    let file = std::fs::read(&args.tail)?;
    let tail = Model::parse(&file, &KernelSet::ALL)?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(args.seconds);
    let counts = thread::scope(|scope| {
        let prepare = |device| prepare(&tail, device, args.window);
        let packets = (0..args.devices as u64).map(prepare).collect::<Result<Vec<_>, Failure>>()?;
        let devices: Vec<_> =
            packets.into_iter().map(|packets| scope.spawn(move || device(args, &packets, until))).collect();
        let counts = devices.into_iter().map(|device| device.join().map_err(|_| "a device panicked")?);
        counts.collect::<Result<Vec<Counts>, Failure>>()
    })?;
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
    let answered = sum(|counts| counts.answered + counts.echoed);
    let rate = answered as f64 / begun.elapsed().as_secs_f64();
    let late = percentiles(counts.iter().flat_map(|counts| counts.latencies.iter().copied()).collect());
    let [echoed, busy, lost] = [sum(|counts| counts.echoed), sum(|counts| counts.busy), sum(|counts| counts.lost)];
    Ok(format!("{rate:.0} packets/s, {late}, {busy} busy, {lost} lost{}", if echoed > 0 { ", echoed" } else { "" }))
}

/// int8 packets of features of which half are 0, as many as are in flight twice over.
fn prepare(tail: &Model<'_>, device: u64, window: usize) -> Result<Vec<Prepared>, Failure> {
    if tail.part() != Part::Tail || tail.input().is_some() {
        return Err("not a tail of f32 features".into());
    }
    let mut scratch = HeapScratch::new(tail.scratch_len());
    let mut engine = Engine::new(tail, scratch.bytes())?;
    let mut random = StdRng::seed_from_u64(device);
    let step = Quantisation { scale: 1.0 / 64.0, zero: 0 };
    let packets = (0..2 * window as u32).map(|sequence| {
        let values: Vec<i8> = (0..tail.n_in()).map(|_| random.random_range(-120..120i8).max(0)).collect();
        let features = Features::new_i8(&values, step, tail.pair_id(), tail.split()).with_sequence(sequence);
        let features = features.without_zeros();
        let mut bytes = vec![0; features.packet_len()];
        features.encode(&mut bytes)?;
        if bytes.len() > lacewing_tail::DATAGRAM {
            return Err("a packet is larger than a datagram".into());
        }
        let values: Vec<f32> = Packet::parse(&bytes)?.values().collect();
        engine.load(&values)?;
        let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return Err("a tail answers".into()) };
        Ok(Prepared { bytes, class: answer.class })
    });
    packets.collect()
}

fn device(args: &Args, packets: &[Prepared], until: Instant) -> Result<Counts, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut incoming, mut outgoing) = (Incoming::new(args.many), Outgoing::default());
    let (mut counts, mut next, mut in_flight) = (Counts::default(), 0, 0);
    let mut sent: Vec<Option<Instant>> = vec![None; packets.len()];
    while Instant::now() < until {
        while in_flight < args.window {
            let now = Instant::now();
            for _ in 0..args.many.min(args.window - in_flight) {
                if sent[next].replace(now).is_some() {
                    counts.lost += 1;
                    in_flight -= 1;
                }
                outgoing.push(&packets[next].bytes, args.at);
                in_flight += 1;
                next = (next + 1) % packets.len();
            }
            outgoing.send(&socket, |_, _| ());
        }
        let mut wrong = None;
        let received = incoming.receive(&socket, |datagram, _| match counts.take(datagram, packets, &mut sent) {
            Ok(flown) => in_flight -= usize::from(flown),
            Err(error) => wrong = Some(error),
        });
        match received {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                counts.lost += in_flight as u64;
                (in_flight, sent) = (0, vec![None; packets.len()]);
            }
            Err(error) => return Err(error.into()),
        }
        wrong.map_or(Ok(()), Err)?;
    }
    Ok(counts)
}

impl Counts {
    /// Whether the datagram is the first answer to a packet in flight.
    fn take(&mut self, datagram: &[u8], packets: &[Prepared], sent: &mut [Option<Instant>]) -> Result<bool, Failure> {
        let (sequence, verdict) = match Reply::parse(datagram) {
            Ok((reply, _)) => (reply.sequence, Some(reply.verdict)),
            Err(_) => (Packet::parse(datagram)?.sequence(), None),
        };
        let at = sequence as usize;
        let (packet, sent) = packets.get(at).zip(sent.get_mut(at)).ok_or("an answer to nothing")?;
        let Some(begun) = sent.take() else { return Ok(false) };
        match verdict {
            None => self.echoed += 1,
            Some(Verdict::Answer(answer)) if answer.class == packet.class => self.answered += 1,
            Some(Verdict::Refused(Refusal::Busy)) => self.busy += 1,
            Some(other) => return Err(format!("class {} became {other:?}", packet.class).into()),
        }
        self.latencies.push(begun.elapsed().as_nanos() as u64);
        Ok(true)
    }
}

pub fn echo(at: SocketAddr, many: usize) -> Result<String, Failure> {
    let socket = UdpSocket::bind(at)?;
    let (mut incoming, mut outgoing) = (Incoming::new(many), Outgoing::default());
    loop {
        incoming.receive(&socket, |datagram, from| outgoing.push(datagram, from))?;
        outgoing.send(&socket, |_, _| ());
    }
}
