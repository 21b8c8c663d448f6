//! Runs of small networks against sums done by hand and in f64.

mod support;

use lacewing_engine::{
    AsTrained, Decision, Engine, EngineError, ExitId, ExitPolicy, ExitView, Features, KernelSet, Model, Never, Outcome,
    Packet, PacketError, ResumeError, Scratch, Step, Threshold, WrongLength,
};
use support::{ExitRecord, File, dense, exit, head, rich, tail, whole};

/// x = (1, 2): h = relu(1·1 − 1·2, ½·1 + 2·2 + ¼, 2 − ½) = (0, 4.75, 1.5);
/// branch: (0 − 1.5, 4.75 + 0.75) = (−1.5, 5.5); trunk: (−4.75 + ⅛, 4.75 + 4.5) = (−4.625, 9.25).
const X: [f32; 2] = [1.0, 2.0];
const H: [f32; 3] = [0.0, 4.75, 1.5];
const BRANCH: [f32; 2] = [-1.5, 5.5];
const END: [f32; 2] = [-4.625, 9.25];

#[repr(C, align(16))]
struct Room([u8; 4096]);

fn with<R>(file: &File, run: impl FnOnce(&mut Engine<'_>) -> R) -> R {
    let bytes = file.bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut room = Room([0xaa; 4096]);
    run(&mut Engine::new(&model, &mut room.0[..model.scratch_len()]).expect("the scratch is exact"))
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let top = logits.iter().cloned().fold(f64::MIN, f64::max);
    let e: Vec<f64> = logits.iter().map(|z| ((z - top) / temperature).exp()).collect();
    e.iter().map(|v| v / e.iter().sum::<f64>()).collect()
}

#[test]
fn an_exit_that_is_sure_answers() {
    with(&whole(), |engine| {
        engine.load(&X).expect("two inputs");
        let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit), (1, ExitId(1)));
        let p = softmax(&BRANCH.map(f64::from), 1.0)[1];
        assert!((f64::from(answer.confidence.to_f32()) - p).abs() < 1e-4);
        assert_eq!(engine.logits(), BRANCH);
    });
}

#[test]
fn without_exits_the_trunk_answers() {
    with(&whole(), |engine| {
        engine.load(&X).expect("two inputs");
        let Outcome::Answer(answer) = engine.run(&mut Never) else { panic!("a whole network answers") };
        assert_eq!((answer.class, answer.exit), (1, ExitId(2)));
        assert_eq!(engine.logits(), END);
    });
}

#[test]
fn a_head_answers_or_hands_over_and_the_tail_finishes() {
    let sent = with(&head(), |engine| {
        engine.load(&X).expect("two inputs");
        assert!(matches!(engine.run(&mut AsTrained), Outcome::Answer(answer) if answer.class == 1));
        engine.load(&X).expect("two inputs");
        let Outcome::Offload { features, fallback } = engine.run(&mut Threshold(1.0)) else {
            panic!("nobody is that sure")
        };
        assert_eq!((features.values(), features.pair_id(), features.split()), (&H[..], 7, 1));
        assert_eq!(fallback.map(|answer| (answer.class, answer.exit)), Some((1, ExitId(1))));
        let mut packet = vec![0; features.packet_len() + 3];
        let len = features.with_sequence(9).encode(&mut packet).expect("there is room");
        packet.truncate(len);
        packet
    });
    with(&tail(), |engine| {
        let packet = Packet::parse(&sent).expect("undamaged");
        assert_eq!((packet.sequence(), packet.len(), sent.len()), (9, 3, 32));
        let outcome = engine.resume_packet(&packet, &mut AsTrained).expect("a pair");
        assert!(matches!(outcome, Outcome::Answer(answer) if (answer.class, answer.exit) == (1, ExitId(2))));
        assert_eq!(engine.logits(), END);
        assert!(engine.resume(&Features::new(&H, 7, 1), &mut AsTrained).is_ok());
        assert_eq!(engine.logits(), END);
    });
}

#[test]
fn features_of_another_head_are_refused() {
    with(&tail(), |engine| {
        let refused = |engine: &mut Engine<'_>, features: Features<'_>| {
            engine.resume(&features, &mut AsTrained).map(|_| ()).expect_err("these do not fit")
        };
        assert_eq!(refused(engine, Features::new(&H, 8, 1)), ResumeError::WrongPair { tail: 7, features: 8 });
        assert_eq!(refused(engine, Features::new(&H, 7, 2)), ResumeError::WrongSplit { tail: 1, features: 2 });
        let length = WrongLength { needed: 3, found: 2 };
        assert_eq!(refused(engine, Features::new(&H[..2], 7, 1)), ResumeError::WrongLength(length));
    });
    with(&whole(), |engine| {
        let error = engine.resume(&Features::new(&X, 7, 1), &mut AsTrained).map(|_| ()).expect_err("no tail");
        assert_eq!(error, ResumeError::NotATail);
    });
}

/// Remembers each exit it is shown.
struct Watch(Vec<(ExitId, Vec<f32>)>, Decision);

impl ExitPolicy for Watch {
    fn decide(&mut self, view: &ExitView<'_>) -> Decision {
        self.0.push((view.exit().id, view.logits().to_vec()));
        self.1
    }
}

#[test]
fn branches_of_several_operations_leave_the_trunk_alone() {
    with(&rich(), |engine| {
        engine.load(&X).expect("two inputs");
        let mut watch = Watch(vec![], Decision::Continue);
        let Outcome::Answer(answer) = engine.run(&mut watch) else { panic!("a whole network answers") };
        // h = (0, 4.75, 1.5). First branch: (−1.5, 3.125, 6.25, 4.75) → relu → 0.5·4.75 − 6.25 + 0.5 → relu → 0 → (0, 0.25).
        assert_eq!(watch.0[0], (ExitId(1), vec![0.0, 0.25]));
        // Second junction, rows of inputs (0, 2), (1, 2), (0, 1): (−1.5, 2.375 + 0.75 + 0.5, 4.75) → relu.
        let h2 = [0.0, 3.625, 4.75];
        assert_eq!(watch.0[1], (ExitId(2), vec![h2[0] - h2[2], -h2[0] + h2[1] + 0.5 * h2[2]]));
        assert_eq!(watch.0.len(), 2);
        assert_eq!(answer.exit, ExitId(3));
        assert_eq!(engine.logits(), [-h2[1] + 0.125, h2[1] + 3.0 * h2[2]]);
        assert_eq!((engine.model().class_name(0), engine.model().class_name(1)), (Some("no"), Some("yes")));
        assert_eq!(engine.model().class_name(2), None);
    });
}

#[test]
fn steps_come_to_what_a_run_comes_to() {
    for file in [whole(), head(), rich()] {
        for threshold in [0.0, 0.9, 2.0] {
            let (answer, steps) = with(&file, |engine| {
                engine.load(&X).expect("two inputs");
                let mut steps = 1;
                let stepped = loop {
                    match engine.step(&mut Threshold(threshold)) {
                        Step::More => steps += 1,
                        Step::Done(outcome) => break format!("{outcome:?}"),
                    }
                };
                engine.load(&X).expect("two inputs");
                assert_eq!(format!("{:?}", engine.run(&mut Threshold(threshold))), stepped);
                (stepped, steps)
            });
            let all = file.operations.len();
            assert!(if threshold == 2.0 { steps == all } else { steps <= all }, "{answer}: {steps} of {all}");
        }
    }
}

#[test]
fn a_policy_that_hands_over_passes_further_exits_by() {
    let mut file = rich();
    file.operations.pop();
    file.exits.pop();
    let file = File { part: 1, split: 2, ..file };
    with(&file, |engine| {
        engine.load(&X).expect("two inputs");
        let mut watch = Watch(vec![], Decision::Offload);
        let Outcome::Offload { features, fallback } = engine.run(&mut watch) else { panic!("told to hand over") };
        assert_eq!(features.values(), [0.0, 3.625, 4.75]);
        assert_eq!(fallback.map(|answer| answer.exit), Some(ExitId(1)));
        assert_eq!(watch.0.len(), 1);
    });
    with(&rich(), |engine| {
        engine.load(&X).expect("two inputs");
        let mut watch = Watch(vec![], Decision::Offload);
        let outcome = engine.run(&mut watch);
        assert!(matches!(outcome, Outcome::Answer(answer) if answer.exit == ExitId(3)), "nobody to hand over to");
        assert_eq!(watch.0.len(), 2);
    });
}

/// One junction whose logits are its biases: what exits make of them.
fn logits(values: &[f32], metric: u8, temperature: f32, threshold: f32) -> File {
    let zeros = vec![0.0; values.len()];
    File {
        classes: values.len() as u16,
        operations: vec![
            dense(0, 1, &[1.0], &[0.0], false),
            dense(1, 1, &zeros, values, false),
            dense(0, 1, &zeros, &zeros, false),
        ],
        exits: vec![ExitRecord { metric, temperature, ..exit(1, 1, threshold) }, exit(2, 0, 0.0)],
        ..whole()
    }
}

/// Shows the view to a closure.
struct Look<F>(F);

impl<F: FnMut(&ExitView<'_>)> ExitPolicy for Look<F> {
    fn decide(&mut self, view: &ExitView<'_>) -> Decision {
        (self.0)(view);
        AsTrained.decide(view)
    }
}

#[test]
fn metrics_are_their_formulae() {
    let sets: [&[f32]; 6] =
        [&[1.0, 2.0], &[0.0; 10], &[30.0, -30.0, 0.0], &[5.0], &[-1e3, 1e3, 999.5], &[0.3, 0.1, -0.2, 0.25]];
    for values in sets {
        for temperature in [0.5, 1.0, 3.0] {
            let z: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let p = softmax(&z, f64::from(temperature));
            let mut sorted = z.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let probability = p.iter().cloned().fold(0.0, f64::max);
            let entropy = match p.len() {
                1 => 0.0,
                n => p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum::<f64>() / (n as f64).ln(),
            };
            with(&logits(values, 0, temperature, 2.0), |engine| {
                engine.load(&[1.0]).expect("one input");
                engine.run(&mut Look(|view: &ExitView<'_>| {
                    assert!((f64::from(view.max_probability()) - probability).abs() < 1e-6, "{values:?}");
                    assert!((f64::from(view.entropy()) - entropy).abs() < 2e-6, "{values:?} {}", view.entropy());
                    match sorted.get(1) {
                        Some(second) => {
                            let margin = (sorted[0] - second) / f64::from(temperature);
                            assert!((f64::from(view.margin()) - margin).abs() <= 1e-6 * margin.abs(), "{values:?}");
                        }
                        None => assert_eq!(view.margin(), f32::INFINITY),
                    }
                }));
            });
        }
    }
}

#[test]
fn exits_are_taken_at_the_threshold_and_beyond() {
    // Two logits 1 apart: margin 1, halved by temperature 2.
    for (metric, temperature, threshold, taken) in [
        (1, 1.0, 1.0, true),
        (1, 1.0, 1.000_001, false),
        (1, 2.0, 0.5, true),
        (0, 1.0, 0.731, true),
        (0, 1.0, 0.7311, false),
        (2, 1.0, 0.84, true),
        (2, 1.0, 0.839, false),
    ] {
        with(&logits(&[2.0, 3.0], metric, temperature, threshold), |engine| {
            engine.load(&[1.0]).expect("one input");
            let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { panic!("a whole network answers") };
            assert_eq!(answer.exit == ExitId(1), taken, "metric {metric} at {threshold}");
        });
    }
}

#[test]
fn nan_and_infinity_never_exit() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for metric in 0..3 {
            let mut file = head();
            // A threshold that any number reaches.
            file.exits[0].metric = metric;
            file.exits[0].threshold = if metric == 2 { 2.0 } else { -1.0 };
            with(&file, |engine| {
                engine.load(&[bad, 1.0]).expect("two inputs");
                let Outcome::Offload { fallback, .. } = engine.run(&mut AsTrained) else { panic!("{bad} exits") };
                assert_eq!(fallback.map(|answer| answer.confidence.steps()), Some(0));
            });
        }
    }
}

#[test]
fn one_byte_of_scratch_short_is_refused_and_so_is_an_odd_address() {
    let bytes = rich().bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    // 2 inputs and the third depth in even; 3 and the branch in odd; the branch's second operation in the third region.
    assert_eq!(model.scratch_len(), 16 + 16 + 16);
    let needed = model.scratch_len();
    let mut room = Room([0; 4096]);
    for found in 0..needed {
        let error = Engine::new(&model, &mut room.0[..found]).map(|_| ()).expect_err("too small");
        assert_eq!(error, EngineError::ScratchTooSmall { needed, found });
    }
    let error = Engine::new(&model, &mut room.0[1..]).map(|_| ()).expect_err("odd");
    assert_eq!(error, EngineError::ScratchMisaligned);
    assert!(Engine::new(&model, &mut Scratch::<48>::new()).is_ok());
}

#[test]
fn an_input_of_the_wrong_length_is_refused() {
    with(&whole(), |engine| {
        assert_eq!(engine.input().len(), 2);
        assert_eq!(engine.load(&[0.0; 3]), Err(WrongLength { needed: 2, found: 3 }));
        assert_eq!(engine.load(&[]), Err(WrongLength { needed: 2, found: 0 }));
    });
}

#[test]
fn every_rule_of_the_packet_refuses_its_packet() {
    let mut sound = vec![0; 32];
    let features = Features::new(&H, 7, 1);
    assert_eq!(features.encode(&mut [0; 31]), Err(PacketError::BufferTooSmall { needed: 32, found: 31 }));
    let many = vec![0.0; 65_536];
    assert_eq!(Features::new(&many, 7, 1).encode(&mut vec![0; 300_000]), Err(PacketError::TooManyValues));
    assert_eq!(features.encode(&mut sound), Ok(32));
    let refused = |at: usize, with: &[u8]| {
        let mut packet = sound.clone();
        packet[at..at + with.len()].copy_from_slice(with);
        Packet::parse(&packet).expect_err("this packet breaks a rule")
    };
    assert_eq!(Packet::parse(&sound[..15]), Err(PacketError::TooShort));
    assert_eq!(refused(0, b"PK"), PacketError::NotAPacket);
    for at in [2, 3, 9] {
        assert_eq!(refused(at, &[9]), PacketError::UnknownVersion);
    }
    assert_eq!(refused(10, &[4]), PacketError::WrongLength { needed: 36, found: 32 });
    assert_eq!(Packet::parse(&sound[..31]), Err(PacketError::WrongLength { needed: 32, found: 31 }));
    assert_eq!(refused(20, &[1]), PacketError::WrongChecksum);
    for bit in 0..sound.len() * 8 {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Packet::parse(&flipped).is_err(), "bit {bit}");
    }
}
