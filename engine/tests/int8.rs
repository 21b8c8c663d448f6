//! Runs of small int8 and mixed networks against sums done by hand.

mod support;

use lacewing_engine::{
    AsTrained, Confidence, Decision, Encoding, Engine, EngineError, ExitId, ExitPolicy, ExitView, Features, KernelSet,
    Metric, Model, Never, Outcome, Packet, PacketError, Q15, Quantisation, ResumeError, Step, WrongLength,
};
use support::{ExitRecord, File, Op, dense_i8, exit_i8, head_i8, mixed, mixed_head, tail, tail_i8, whole, whole_i8};

/// x = (1, 2) at scale ½ and zero point −128: (−126, −124).
/// First junction: (−252 + 248, −126 − 496 + 650, −248 + 246) = (−4, 28, −2), halved (−2, 14, −1), less 128, clamped.
const X: [f32; 2] = [1.0, 2.0];
const Q: [i8; 2] = [-126, -124];
const H: [i8; 3] = [-128, -114, -128];
/// (−128 + 128, 128 − 114 − 128 + 128) = (0, 14), halved.
const BRANCH: [i8; 2] = [0, 7];
/// (−256 + 114 + 128, 256 − 114 − 384 + 256) = (−14, 14), halved.
const END: [i8; 2] = [-7, 7];
const HIDDEN: Quantisation = Quantisation { scale: 0.25, zero: -128 };

#[repr(C, align(16))]
struct Room([u8; 4096]);

fn with<R>(file: &File, run: impl FnOnce(&mut Engine<'_, i8>) -> R) -> R {
    let bytes = file.bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut room = Room([0xaa; 4096]);
    // At an odd address: int8 needs no alignment.
    run(&mut Engine::new_i8(&model, &mut room.0[1..=model.scratch_len()]).expect("the scratch is exact"))
}

fn with_f32<R>(file: &File, run: impl FnOnce(&mut Engine<'_>) -> R) -> R {
    let bytes = file.bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut room = Room([0xaa; 4096]);
    run(&mut Engine::new(&model, &mut room.0[..model.scratch_len()]).expect("the scratch is exact"))
}

/// The softmax's larger probability of two logits `distance` apart.
fn probability(distance: f64) -> f64 {
    1.0 / (1.0 + (-distance).exp())
}

#[test]
fn an_exit_that_is_sure_answers() {
    with(&whole_i8(), |engine| {
        engine.load(&Q).expect("two inputs");
        let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit), (1, ExitId(1)));
        assert!((f64::from(answer.confidence.to_f32()) - probability(7.0)).abs() < 1e-4);
        assert_eq!(engine.logits(), BRANCH);
        engine.load_f32(&X).expect("two inputs");
        assert_eq!(engine.input(), Q);
        engine.load_u8(&[2, 4]).expect("two inputs");
        assert_eq!(engine.input(), Q);
        let Outcome::Answer(answer) = engine.run(&mut Never) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit), (1, ExitId(2)));
        assert_eq!(engine.logits(), END);
        let wrong = WrongLength { needed: 2, found: 3 };
        assert_eq!(engine.load(&[0; 3]), Err(wrong));
        assert_eq!((engine.load_u8(&[0; 3]), engine.load_f32(&[0.0; 3])), (Err(wrong), Err(wrong)));
    });
}

#[test]
fn a_head_hands_int8_over_and_the_tail_finishes() {
    let packet = with(&head_i8(), |engine| {
        engine.load(&Q).expect("two inputs");
        let Outcome::Offload { features, fallback } = engine.run(&mut Never) else { panic!("no exit is taken") };
        assert_eq!((features.values(), features.quantisation()), (&H[..], HIDDEN));
        assert_eq!(fallback.map(|answer| answer.class), Some(1));
        let mut packet = vec![0; 64];
        let len = features.with_sequence(5).encode(&mut packet).expect("there is room");
        assert_eq!((len, len), (features.packet_len(), Packet::len_for_i8(3)));
        packet.truncate(len);
        packet
    });
    let packet = Packet::parse(&packet).expect("undamaged");
    assert_eq!((packet.len(), packet.sequence(), packet.quantisation()), (3, 5, Some(HIDDEN)));
    assert!(packet.values_i8().eq(H));
    assert_eq!(packet.values().collect::<Vec<_>>(), [0.0, 3.5, 0.0]);
    with(&tail_i8(), |engine| {
        let outcome = engine.resume_packet(&packet, &mut AsTrained).expect("a pair");
        assert!(matches!(outcome, Outcome::Answer(answer) if (answer.class, answer.exit) == (1, ExitId(2))));
        assert_eq!(engine.logits(), END);
        assert!(engine.resume(&Features::new_i8(&H, HIDDEN, 7, 1), &mut AsTrained).is_ok());
        assert_eq!(engine.logits(), END);
    });
    // The tail of the same network in f32 takes them as the numbers they stand for: (−3.5 + ⅛, 3.5).
    with_f32(&tail(), |engine| {
        engine.resume_packet(&packet, &mut AsTrained).expect("a pair");
        assert_eq!(engine.logits(), [-3.375, 3.5]);
    });
}

#[test]
fn forty_int8_features_take_24_bytes_more() {
    assert_eq!(Packet::len_for_i8(40), 64);
}

#[test]
fn features_of_another_scale_are_refused() {
    with(&tail_i8(), |engine| {
        for other in [Quantisation { scale: 0.5, ..HIDDEN }, Quantisation { zero: 0, ..HIDDEN }] {
            let refused = engine.resume(&Features::new_i8(&H, other, 7, 1), &mut AsTrained).map(|_| ());
            assert_eq!(refused, Err(ResumeError::WrongQuantisation));
        }
        let refused = engine.resume(&Features::new_i8(&H, HIDDEN, 8, 1), &mut AsTrained).map(|_| ());
        assert_eq!(refused, Err(ResumeError::WrongPair { tail: 7, features: 8 }));
        let mut floats = vec![0; 32];
        let written = Features::new(&[0.0, 3.5, 0.0], 7, 1).encode(&mut floats);
        assert_eq!(written, Ok(32));
        let packet = Packet::parse(&floats).expect("undamaged");
        let refused = engine.resume_packet(&packet, &mut AsTrained).map(|_| ());
        assert_eq!(refused, Err(ResumeError::WrongQuantisation));
    });
}

#[test]
fn every_rule_of_an_int8_packet_refuses_its_packet() {
    let mut sound = vec![0; 27];
    let features = Features::new_i8(&H, HIDDEN, 7, 1);
    assert_eq!(features.encode(&mut [0; 26]), Err(PacketError::BufferTooSmall { needed: 27, found: 26 }));
    assert_eq!(features.encode(&mut sound), Ok(27));
    // 0.25 is 3e80_0000; the zero point −128 is 80.
    assert_eq!(sound[16..23], [0x80, 0, 0x80, 0x3e, 0x80, 0x8e, 0x80]);
    assert_eq!(Packet::parse(&sound[..26]), Err(PacketError::WrongLength { needed: 27, found: 26 }));
    for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 0.1, 2f32.powi(120)] {
        let sent = Features::new_i8(&H, Quantisation { scale, zero: 0 }, 7, 1).encode(&mut [0; 27]);
        assert_eq!(sent, Err(PacketError::BadScale), "{scale}");
    }
    let sealed = |packet: &[u8], at: usize, byte: u8| {
        let mut packet = packet.to_vec();
        packet[at] = byte;
        let body = packet.len() - 4;
        let crc = crc32fast::hash(&packet[..body]).to_le_bytes();
        packet[body..].copy_from_slice(&crc);
        Packet::parse(&packet).map(|_| ())
    };
    assert_eq!(sealed(&sound, 19, 0xbe), Err(PacketError::BadScale));
    for bit in 0..sound.len() * 8 {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Packet::parse(&flipped).is_err(), "bit {bit}");
    }
    // Of 24 zeros and a one, three bytes of map and one value are left.
    let mut values = [-128; 24];
    values[9] = 5;
    let features = Features::new_i8(&values, HIDDEN, 7, 1).without_zeros();
    let mut dropped = vec![0; features.packet_len()];
    assert_eq!((features.encode(&mut dropped), dropped.len()), (Ok(28), 28));
    assert_eq!(Packet::parse(&dropped).map(|packet| packet.values_i8().eq(values)), Ok(true));
    assert_eq!(sealed(&dropped, 23, 0x80), Err(PacketError::WrongBitmap), "a zero is kept");
    assert_eq!(sealed(&dropped, 9, 0x08), Err(PacketError::UnknownVersion));
    let asked = Features::new(&[0.0], 7, 1).with_encoding(Encoding::I8).encode(&mut [0; 64]);
    assert_eq!(asked, Err(PacketError::NotInt8));
}

#[test]
fn f32_and_int8_meet_in_one_network() {
    with_f32(&mixed(), |engine| {
        // h = (0, 4.75, 1.5), as int8 (−128, −109, −122); branch: (−6, 25), halved, halves up; certain enough to answer.
        engine.load(&X).expect("two inputs");
        let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit, engine.logits()), (1, ExitId(1), &[-3.0, 13.0][..]));
        // Second junction: (−6, −462 + 512, −621 + 640) halved = (−3, 25, 10), clamped: 0, 6.25, 2.5.
        engine.load(&X).expect("two inputs");
        let Outcome::Answer(answer) = engine.run(&mut Never) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit, engine.logits()), (1, ExitId(2), &[-6.125, 13.75][..]));
    });
    with_f32(&mixed_head(), |engine| {
        engine.load(&X).expect("two inputs");
        let Outcome::Offload { features, fallback } = engine.run(&mut Never) else { panic!("no exit is taken") };
        assert_eq!(features.values(), [0.0, 6.25, 2.5]);
        assert_eq!(fallback.map(|answer| answer.exit), Some(ExitId(1)));
        assert!(engine.logits().is_empty(), "a junction of the trunk has run since the exit");
    });
}

#[test]
fn each_engine_takes_its_own_models() {
    let (floats, int8) = (whole().bytes(), whole_i8().bytes());
    let models = [&floats, &int8].map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("sound"));
    let mut room = Room([0; 4096]);
    let error = Engine::new(&models[1], &mut room.0).map(|_| ()).expect_err("int8 inputs");
    assert_eq!(error, EngineError::WrongElement { model_is_int8: true });
    let error = Engine::new_i8(&models[0], &mut room.0).map(|_| ()).expect_err("f32 inputs");
    assert_eq!(error, EngineError::WrongElement { model_is_int8: false });
    assert_eq!(models[1].scratch_len(), 32, "2 inputs and 3 outputs, each in 16 bytes");
    for found in 0..32 {
        let error = Engine::new_i8(&models[1], &mut room.0[..found]).map(|_| ()).expect_err("too small");
        assert_eq!(error, EngineError::ScratchTooSmall { needed: 32, found });
    }
}

#[test]
fn steps_come_to_what_a_run_comes_to() {
    for file in [whole_i8(), head_i8()] {
        for least in [0, 20_000, 32_768] {
            let mut policy = Confidence(Q15::from_f32(least as f32 / 32768.0));
            with(&file, |engine| {
                engine.load(&Q).expect("two inputs");
                let stepped = loop {
                    if let Step::Done(outcome) = engine.step(&mut policy) {
                        break format!("{outcome:?}");
                    }
                };
                engine.load(&Q).expect("two inputs");
                assert_eq!(format!("{:?}", engine.run(&mut policy)), stepped);
            });
        }
    }
}

/// Shows the view to a closure.
struct Look<F>(F);

impl<F: FnMut(&ExitView<'_, i8>)> ExitPolicy<i8> for Look<F> {
    fn decide(&mut self, view: &ExitView<'_, i8>) -> Decision {
        (self.0)(view);
        AsTrained.decide(view)
    }
}

/// A network whose exit has these logits: biases, doubled since outputs are halves.
fn logits(values: &[i8], metric: u8, step: u32, least: u16) -> File {
    let bias: Vec<i32> = values.iter().map(|q| i32::from(*q) * 2).collect();
    let zeros = vec![0; values.len()];
    let (input, output) = ((1.0, 0), (0.5, 0));
    let classes = |bias: &[i32]| dense_i8(0, 1, &zeros, bias, input, output);
    File {
        classes: values.len() as u16,
        operations: vec![
            dense_i8(0, 1, &[1], &[0], input, input),
            Op { exit: 1, ..classes(&bias) },
            classes(&vec![0; values.len()]),
        ],
        exits: vec![ExitRecord { metric, ..exit_i8(1, 1, step, least) }, exit_i8(2, 0, step, 0)],
        input: Some(input),
        ..whole()
    }
}

#[test]
fn exits_are_taken_at_the_least_confidence_and_above() {
    let values = [-100, 4, 90, 88];
    for (metric, name) in [Metric::MaxProbability, Metric::Margin, Metric::Entropy].into_iter().enumerate() {
        let at = |least| {
            with(&logits(&values, metric as u8, 1 << 22, least), |engine| {
                engine.load(&[1]).expect("one input");
                let mut seen = None;
                let outcome = engine.run(&mut Look(|view: &ExitView<'_, i8>| {
                    assert_eq!((view.class(), view.top_two(), view.exit().metric), (2, (90, 88), name));
                    assert_eq!(view.logits(), values);
                    seen = Some(view.confidence());
                }));
                let Outcome::Answer(answer) = outcome else { panic!("a whole network answers") };
                (answer.exit == ExitId(1), seen.map_or(0, Q15::steps))
            })
        };
        let (_, confidence) = at(0);
        // A quarter of a unit a step: margin ½, probability of the top one of two.
        let want = [probability(0.5), 0.5 / 1.5, f64::NAN][metric];
        assert!(want.is_nan() || (f64::from(confidence) / 32768.0 - want).abs() < 1e-4, "{name:?}: {confidence}");
        assert_eq!(
            [at(0).0, at(confidence).0, at(confidence + 1).0, at(32_769).0],
            [true, true, false, false],
            "{name:?}"
        );
    }
}
