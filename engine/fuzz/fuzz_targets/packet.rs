//! Any bytes are a packet or a reply that encodes to the same again, or are refused. The checksum is written anew, so that the
//! fuzzer gets past it; the bytes as they came are tried as well.
#![no_main]

use lacewing_engine::{Element, Features, Packet, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut sealed = bytes.to_vec();
    if let Some((body, checksum)) = sealed.split_last_chunk_mut() {
        *checksum = crc(body).to_le_bytes();
        check(&sealed);
    }
});

fn check(bytes: &[u8]) {
    if let Ok(packet) = Packet::parse(bytes) {
        assert!(packet.values().all(f32::is_finite));
        features(&packet, bytes);
    }
    if let Ok((reply, logits)) = Reply::parse(bytes) {
        let logits: Vec<f32> = logits.values().collect();
        let mut again = vec![0; bytes.len()];
        assert_eq!(reply.encode(&logits, &mut again), Ok(bytes.len()));
        assert!(logits.iter().all(|logit| logit.is_finite()));
        assert_eq!(again, bytes);
    }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fn features(packet: &Packet<'_>, bytes: &[u8]) {
    match packet.quantisation() {
        Some(quantisation) => {
            let values: Vec<i8> = packet.values_i8().collect();
            again(Features::new_i8(&values, quantisation, packet.pair_id(), packet.split()), packet, bytes);
        }
        None => {
            let values: Vec<f32> = packet.values().collect();
            let features = Features::new(&values, packet.pair_id(), packet.split());
            again(features.with_encoding(packet.encoding()), packet, bytes);
        }
    }
}

fn again<T: Element>(mut features: Features<'_, T>, packet: &Packet<'_>, bytes: &[u8]) {
    features = features.with_sequence(packet.sequence());
    if let Some(confidence) = packet.confidence() {
        features = features.with_confidence(confidence);
    }
    if packet.wants_logits() {
        features = features.with_logits();
    }
    if packet.dropped_zeros() {
        features = features.without_zeros();
    }
    let mut again = vec![0; features.packet_len()];
    assert_eq!(features.encode(&mut again), Ok(again.len()));
    if again.len() == bytes.len() && packet.dropped_zeros() == Packet::parse(&again).unwrap().dropped_zeros() {
        assert_eq!(again, bytes);
    } else {
        // The sender dropped zeros where that does not pay.
        assert!(packet.dropped_zeros() && again.len() <= bytes.len());
        assert!(Packet::parse(&again).unwrap().values().eq(packet.values()));
    }
}
