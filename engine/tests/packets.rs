//! Packets of features in every form, and their replies.

use lacewing_engine::{
    Answer, Element, Encoding, ExitId, Features, Packet, PacketError, Q15, Quantisation, Refusal, Reply, Verdict,
};
use proptest::prelude::*;

fn encode<T: Element>(features: &Features<'_, T>) -> Vec<u8> {
    let mut packet = vec![0xa5; features.packet_len()];
    assert_eq!(features.encode(&mut packet), Ok(packet.len()));
    packet
}

fn half() -> Q15 {
    Q15::from_steps(0x4000).expect("below 1")
}

/// Changes bytes and seals the packet again, so that the checksum does not hide the rule.
fn changed(packet: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    let body = packet.len() - 4;
    let crc = crc32fast::hash(&packet[..body]).to_le_bytes();
    packet[body..].copy_from_slice(&crc);
    packet
}

#[test]
fn the_bytes_of_each_form() {
    let values = [0.0, 1.5, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.25];
    let plain = Features::new(&values, 0x0403_0201, 2).with_sequence(9);
    let packet = encode(&plain.with_encoding(Encoding::F16).without_zeros().with_confidence(half()).with_logits());
    let expected = [
        &[0x4c, 0x46, 1, 2, 1, 2, 3, 4, 2, 7, 9, 0, 9, 0, 0, 0][..],
        &[0x00, 0x40],
        &[0b0001_0010, 1],
        &[0x00, 0x3e, 0x00, 0xc0, 0x00, 0x34],
    ]
    .concat();
    assert_eq!(packet[..26], expected);
    assert_eq!(packet[26..], crc32fast::hash(&expected).to_le_bytes());
    assert_eq!(encode(&plain).len(), Packet::len_for(9));
    assert_eq!(encode(&plain.without_zeros()).len(), 16 + 2 + 12 + 4);
    assert_eq!(encode(&plain.with_encoding(Encoding::F16)).len(), 16 + 18 + 4);
    // Nothing to drop: no bitmap.
    assert_eq!(encode(&Features::new(&[1.0; 9], 1, 1).without_zeros()).len(), Packet::len_for(9));
}

#[test]
fn forty_int8_features_take_sixty_four_bytes_and_less() {
    let all = [1; 40];
    let half_zero: [i8; 40] = core::array::from_fn(|at| (at % 2) as i8);
    let step = Quantisation { scale: 0.5, zero: 0 };
    assert_eq!(encode(&Features::new_i8(&all, step, 1, 1).without_zeros()).len(), 40 + 24);
    assert_eq!(encode(&Features::new_i8(&half_zero, step, 1, 1).without_zeros()).len(), 24 + 5 + 20);
    let half = half_zero.map(f32::from);
    let half = Features::new(&half, 1, 1).with_encoding(Encoding::F16);
    assert_eq!((half.packet_len(), half.without_zeros().packet_len()), (100, 65));
}

#[test]
fn the_longest_packet_has_the_length_that_is_promised() {
    for count in 0..20 {
        let step = Quantisation { scale: 0.5, zero: 0 };
        let (floats, int8) = (vec![1.5; count], vec![1; count]);
        let floats = encode(&Features::new(&floats, 1, 1).with_confidence(half())).len();
        let int8 = encode(&Features::new_i8(&int8, step, 1, 1).with_confidence(half())).len();
        assert_eq!(floats.max(int8), Packet::max_len(count), "{count} values");
    }
}

#[test]
fn seeds_of_the_fuzzer_are_sound() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/packet");
    let mut kinds = [0; 4];
    for seed in std::fs::read_dir(seeds).expect("they are there") {
        let bytes = std::fs::read(seed.expect("readable").path()).expect("readable");
        let kind = Packet::parse(&bytes).map_or(0, |packet| 1 + packet.encoding() as usize);
        assert!(kind > 0 || Reply::parse(&bytes).is_ok());
        kinds[kind] += 1;
    }
    assert!(kinds.iter().all(|count| *count > 0), "replies, and packets of each encoding: {kinds:?}");
}

#[test]
fn every_rule_of_a_packet_is_held() {
    let values = [0.0, 1.5, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.25];
    let packet = encode(&Features::new(&values, 1, 2).without_zeros().with_confidence(half()));
    let refused = |at: usize, bytes: &[u8]| Packet::parse(&changed(&packet, at, bytes)).expect_err("broken");
    assert_eq!(refused(3, &[3]), PacketError::UnknownVersion);
    assert_eq!(refused(9, &[8 | 3]), PacketError::UnknownVersion);
    assert_eq!(refused(16, &[1, 0x80]), PacketError::WrongConfidence);
    // A bit more than there are values, and one less.
    assert_eq!(refused(19, &[3]), PacketError::WrongLength { needed: 40, found: 36 });
    assert_eq!(refused(18, &[0]), PacketError::WrongLength { needed: 28, found: 36 });
    // A bit behind the last value, in the place of one.
    assert_eq!(refused(19, &[2]), PacketError::WrongBitmap);
    assert_eq!(refused(20, &[0; 4]), PacketError::WrongBitmap);
    assert_eq!(refused(20, &f32::NAN.to_le_bytes()), PacketError::NotFinite { at: 1 });
    // A count whose bitmap does not fit.
    assert_eq!(refused(10, &[255, 255]), PacketError::TooShort);
    let half = encode(&Features::new(&values, 1, 2).with_encoding(Encoding::F16));
    assert_eq!(Packet::parse(&changed(&half, 18, &[0, 0x7c])), Err(PacketError::NotFinite { at: 1 }));
    let largest = Quantisation { scale: f32::from_bits(0x7b7f_ff00), zero: -128 };
    let int8 = encode(&Features::new_i8(&[127, -128, 0], largest, 1, 2));
    assert!(Packet::parse(&int8).expect("sound").values().all(f32::is_finite));
    // The next scale, 2^120: 255 of it would be infinite.
    assert_eq!(Packet::parse(&changed(&int8, 16, &[0x80, 0, 0x80, 0x7b])), Err(PacketError::BadScale));
    let beyond = Quantisation { scale: 2f32.powi(120), ..largest };
    assert_eq!(Features::new_i8(&[127], beyond, 1, 2).encode(&mut [0; 64]), Err(PacketError::BadScale));
    for bit in 0..8 * packet.len() {
        let mut flipped = packet.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Packet::parse(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn half_precision_refuses_what_it_cannot_hold() {
    for value in [65520.0, f32::NEG_INFINITY, f32::NAN] {
        let values = [1.0, value];
        let features = Features::new(&values, 1, 1).with_encoding(Encoding::F16);
        let mut out = [0xa5; 64];
        assert_eq!(features.encode(&mut out), Err(PacketError::NotHalf { at: 1 }));
        assert_eq!(out, [0xa5; 64]);
    }
}

#[test]
fn what_is_not_finite_is_not_sent() {
    for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
        let values = [1.0, -0.0, value];
        let features = Features::new(&values, 1, 1).without_zeros();
        let mut out = [0xa5; 64];
        assert_eq!(features.encode(&mut out), Err(PacketError::NotFinite { at: 2 }));
        assert_eq!(out, [0xa5; 64]);
    }
}

fn answer() -> Reply {
    let answer = Answer { class: 2, exit: ExitId(3), confidence: half() };
    Reply { pair_id: 7, sequence: 8, request: 9, verdict: Verdict::Answer(answer) }
}

#[test]
fn replies_come_back() {
    let logits = [0.5, -1.0, 4.0];
    let mut out = [0; 64];
    assert_eq!(answer().encode(&logits, &mut out), Ok(40));
    assert_eq!(out[..4], [0x4c, 0x52, 1, 0]);
    let (reply, read) = Reply::parse(&out[..40]).expect("sound");
    assert_eq!(reply, answer());
    assert!(read.values().eq(logits));
    assert_eq!(answer().encode(&[], &mut out), Ok(28));
    assert_eq!(answer().encode(&logits, &mut [0; 39]), Err(PacketError::BufferTooSmall { needed: 40, found: 39 }));
    let refusals = [
        Refusal::NotUnderstood,
        Refusal::WrongPair,
        Refusal::WrongSplit,
        Refusal::WrongCount,
        Refusal::Busy,
        Refusal::NotFinite,
    ];
    for refusal in refusals {
        let sent = Reply { verdict: Verdict::Refused(refusal), ..answer() };
        assert_eq!(sent.encode(&logits, &mut out), Ok(28));
        let (reply, logits) = Reply::parse(&out[..28]).expect("sound");
        assert_eq!((reply, logits.len()), (sent, 0));
        assert!(refusal.to_string().len() > 10, "in words");
    }
}

#[test]
fn every_rule_of_a_reply_is_held() {
    let mut out = [0; 40];
    let _ = answer().encode(&[0.5, -1.0, 4.0], &mut out);
    let refused = |at: usize, bytes: &[u8]| Reply::parse(&changed(&out, at, bytes)).expect_err("broken");
    assert_eq!(refused(0, b"LF"), PacketError::NotAPacket);
    for at in [2, 3, 19] {
        assert_eq!(refused(at, &[77]), PacketError::UnknownVersion);
    }
    assert_eq!(refused(3, &[5]), PacketError::WrongReply);
    assert_eq!(refused(16, &[3, 0]), PacketError::WrongReply);
    assert_eq!(refused(20, &[1, 0x80]), PacketError::WrongConfidence);
    assert_eq!(refused(22, &[4, 0]), PacketError::WrongLength { needed: 44, found: 40 });
    for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(refused(28, &logit.to_le_bytes()), PacketError::NotFinite { at: 1 });
        assert_eq!(answer().encode(&[0.5, -1.0, logit], &mut [0; 40]), Err(PacketError::NotFinite { at: 2 }));
    }
    for bit in 0..8 * out.len() {
        let mut flipped = out;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Reply::parse(&flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn a_reply_belongs_to_one_packet() {
    let values = [1.0, 2.0];
    let (first, second) = (encode(&Features::new(&values, 1, 1)), encode(&Features::new(&values[..1], 1, 1)));
    let (first, second) = (Packet::parse(&first).expect("sound"), Packet::parse(&second).expect("sound"));
    let reply = Reply { sequence: 0, request: first.checksum(), ..answer() };
    assert!(reply.is_to(&first));
    assert!(!reply.is_to(&second));
    assert!(!Reply { sequence: 1, ..reply }.is_to(&first));
}

proptest! {
    #[test]
    fn packets_decode_to_what_was_sent(
        values in prop::collection::vec(prop_oneof![Just(0.0f32), Just(-0.0), -6e4..6e4f32], 0..200),
        f16 in any::<bool>(), drop in any::<bool>(), sure in prop::option::of(0..=0x8000u16), logits in any::<bool>(),
        sequence in any::<u32>(),
    ) {
        let confidence = sure.and_then(Q15::from_steps);
        let mut features = Features::new(&values, 5, 1).with_sequence(sequence);
        if f16 { features = features.with_encoding(Encoding::F16); }
        if drop { features = features.without_zeros(); }
        if logits { features = features.with_logits(); }
        if let Some(confidence) = confidence { features = features.with_confidence(confidence); }
        let bytes = encode(&features);
        prop_assert!(bytes.len() <= Packet::max_len(values.len()));
        let packet = Packet::parse(&bytes).expect("sound");
        prop_assert_eq!((packet.len(), packet.sequence(), packet.confidence()), (values.len(), sequence, confidence));
        prop_assert_eq!(packet.wants_logits(), logits);
        for (sent, got) in values.iter().zip(packet.values()) {
            // 11 bits: half a unit in the last place, or half the smallest step.
            let bound = if f16 { (sent.abs() / 2048.0).max(2f32.powi(-25)) } else { 0.0 };
            prop_assert!((sent - got).abs() <= bound, "{sent} came as {got}");
        }
        if !f16 {
            prop_assert!(packet.values().map(f32::to_bits).eq(values.iter().map(|value| value.to_bits())));
        }
    }
}
