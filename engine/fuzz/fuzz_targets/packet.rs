//! Any bytes are a packet that encodes to the same bytes again, or are refused.
#![no_main]

use lacewing_engine::{Features, Packet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let values: Vec<f32> = packet.values().collect();
    let features = Features::new(&values, packet.pair_id(), packet.split()).with_sequence(packet.sequence());
    let mut again = vec![0; features.packet_len()];
    assert_eq!(features.encode(&mut again), Ok(bytes.len()));
    assert_eq!(again, bytes);
});
