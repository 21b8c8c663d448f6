//! Packets over UDP, as many as a tail answers: `packet_load ADDRESS PAIR_ID SPLIT FEATURES [SECONDS]`.
//!
//! Each of a few sockets keeps packets under way, and sends another for each reply. The pair id is hexadecimal, as
//! `lacewing inspect` prints it.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Write};
use std::net::UdpSocket;
use std::thread;
use std::time::Instant;

use lacewing_engine::{Features, Packet, Refusal, Reply, Verdict};

/// Sockets, each with a thread.
const SOCKETS: usize = 2;
/// Packets under way on each.
const UNDER_WAY: u32 = 32;

type Failure = Box<dyn core::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [at, pair_id, split, features, rest @ ..] = words.as_slice() else {
        return Err("packet_load ADDRESS PAIR_ID SPLIT FEATURES [SECONDS]".into());
    };
    let (at, pair_id): (SocketAddr, u32) = (at.parse()?, u32::from_str_radix(pair_id, 16)?);
    let (split, features): (u8, usize) = (split.parse()?, features.parse()?);
    let time = Duration::from_secs(rest.first().map_or(Ok(5), |seconds| seconds.parse())?);
    // What a ReLU leaves.
    let values: Vec<f32> = (0..features).map(|k| if k % 2 == 0 { 1.0 + k as f32 / 64.0 } else { 0.0 }).collect();
    let loads: Vec<_> = (0..SOCKETS)
        .map(|socket| {
            let values = values.clone();
            thread::spawn(move || load(at, &Features::new(&values, pair_id, split), socket as u32 * 1_000_000, time))
        })
        .collect();
    let mut answered = 0;
    for load in loads {
        answered += load.join().map_err(|_| "a thread panicked")??;
    }
    let rate = answered as f64 / time.as_secs_f64();
    let len = Features::new(&values, pair_id, split).without_zeros().packet_len();
    writeln!(io::stdout(), "{rate:.0} packets/s answered, {len} bytes each")?;
    Ok(())
}

/// How many packets were answered in `time`.
fn load(at: SocketAddr, features: &Features<'_>, first: u32, time: Duration) -> Result<u64, Failure> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(at)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let (mut packet, mut reply) = (vec![0; Packet::max_len(features.values().len())], [0; 1500]);
    let mut sequence = first;
    let mut send = || -> Result<(), Failure> {
        sequence = sequence.wrapping_add(1);
        let len = features.with_sequence(sequence).without_zeros().encode(&mut packet)?;
        socket.send(packet.get(..len).unwrap_or_default())?;
        Ok(())
    };
    let (begun, mut answered) = (Instant::now(), 0);
    for _ in 0..UNDER_WAY {
        send()?;
    }
    while begun.elapsed() < time {
        match socket.recv(&mut reply) {
            Ok(len) => match Reply::parse(reply.get(..len).unwrap_or_default())?.0.verdict {
                Verdict::Answer(_) => {
                    answered += 1;
                    send()?;
                }
                // One packet fewer is under way.
                Verdict::Refused(Refusal::Busy) => {}
                Verdict::Refused(refusal) => return Err(format!("refused: {refusal:?}").into()),
            },
            // Lost ones are not sent again: as many others are.
            Err(_) => {
                for _ in 0..UNDER_WAY {
                    send()?;
                }
            }
        }
    }
    Ok(answered)
}
