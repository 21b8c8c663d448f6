//! Policies and watches for streams.

mod support;

use lacewing_engine::{
    AsTrained, Drift, DriftMonitor, Engine, ExitId, Expected, KernelSet, Model, Never, Outcome, Q15, Scratch,
    TemporalPatience, Threshold,
};
use support::{EXIT, File, HEADER, OPERATION, head, head_i8, rich, seal, tail, whole};

/// Inputs to which `head`'s exit says class 1, class 0, and NaN.
const ONE: [f32; 2] = [1.0, 2.0];
const ZERO: [f32; 2] = [2.0, 0.0];
const NAN: [f32; 2] = [f32::NAN, 0.0];

/// Which frames the exit takes, and with which class.
fn taken(frames: &[[f32; 2]], mut run: impl FnMut(&mut Engine<'_>) -> Option<u16>) -> Vec<Option<u16>> {
    let bytes = head().bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut scratch = Scratch::<64>::new();
    let mut engine = Engine::new(&model, &mut scratch).expect("room enough");
    let of = |frame: &[f32; 2]| {
        engine.load(frame).expect("two inputs");
        run(&mut engine)
    };
    frames.iter().map(of).collect()
}

fn class(outcome: &Outcome<'_>) -> Option<u16> {
    match outcome {
        Outcome::Answer(answer) => Some(answer.class),
        Outcome::Offload { .. } => None,
    }
}

#[test]
fn patience_takes_an_exit_that_repeats_itself() {
    let mut patience = TemporalPatience::new(3, Never);
    let frames = [ONE, ONE, ONE, ONE, ZERO, ONE, ZERO, ZERO, ZERO];
    let found = taken(&frames, |engine| class(&engine.run(&mut patience)));
    assert_eq!(found, [None, None, Some(1), Some(1), None, None, None, None, Some(0)]);
}

#[test]
fn patience_takes_what_its_policy_takes_and_remembers_it() {
    let mut patience = TemporalPatience::new(2, Threshold(0.0));
    assert_eq!(taken(&[ONE, ZERO], |engine| class(&engine.run(&mut patience))), [Some(1), Some(0)]);
    // The confident frame counts as the first in agreement.
    let mut patience = TemporalPatience::new(2, AsTrained);
    let mut found = taken(&[ONE], |engine| class(&engine.run(&mut patience)));
    let mut strict = TemporalPatience::new(2, Never);
    found.extend(taken(&[ONE, ONE], |engine| class(&engine.run(&mut strict))));
    assert_eq!(found, [Some(1), None, Some(1)]);
}

#[test]
fn patience_never_exits_on_nan_and_forgets_when_told() {
    let mut patience = TemporalPatience::new(2, Never);
    let found = taken(&[NAN, NAN, NAN, ONE, NAN, ONE, ONE], |engine| class(&engine.run(&mut patience)));
    assert_eq!(found, [None, None, None, None, None, None, Some(1)]);
    patience.reset();
    assert_eq!(taken(&[ONE, ONE], |engine| class(&engine.run(&mut patience))), [None, Some(1)]);
}

#[test]
fn patience_runs_on_int8() {
    let bytes = head_i8().bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut scratch = Scratch::<64>::new();
    let mut engine = Engine::new_i8(&model, &mut scratch).expect("room enough");
    let mut patience = TemporalPatience::new(2, Never);
    let mut run = || {
        engine.load(&[5, 100]).expect("two inputs");
        matches!(engine.run(&mut patience), Outcome::Answer(_))
    };
    assert_eq!([run(), run(), run()], [false, true, true]);
}

fn monitor() -> DriftMonitor {
    let [rate, confidence, band] = [0.8, 0.9, 0.1].map(Q15::from_f32);
    let last_exit = ExitId(1);
    DriftMonitor::new(Expected { exit_rate: rate, confidence, rate_band: band, confidence_band: band, last_exit }, 6)
}

#[test]
fn drift_is_flagged_outside_the_band_only() {
    let [sure, unsure] = [0.95, 0.7].map(Q15::from_f32);
    let mut monitor = monitor();
    // Four of five, as calibrated: settling for a window, then inside for as long as it lasts.
    let says: Vec<Drift> =
        (0..10_000).map(|k| monitor.count(k % 5 != 0, if k % 5 == 0 { unsure } else { sure })).collect();
    assert!(says[..63].iter().all(|drift| *drift == Drift::Settling));
    assert!(says[63..].iter().all(|drift| *drift == Drift::Inside));
    assert!((monitor.exit_rate().to_f32() - 0.8).abs() < 0.03 && (monitor.confidence().to_f32() - 0.9).abs() < 0.02);
    // Every second sample exits, as surely as before.
    let half = (0..600).map(|k| monitor.count(k % 2 == 0, Q15::from_f32(0.9))).last();
    assert_eq!(half, Some(Drift::Outside { rate: true, confidence: false }));
    // As many exits as calibrated, less sure.
    let pale = (0..600).map(|k| monitor.count(k % 5 != 0, Q15::from_f32(0.75))).last();
    assert_eq!(pale, Some(Drift::Outside { rate: false, confidence: true }));
    let back = (0..600).map(|k| monitor.count(k % 5 != 0, Q15::from_f32(0.9))).last();
    assert_eq!(back, Some(Drift::Inside));
}

#[test]
fn drift_reads_outcomes() {
    let mut monitor = monitor();
    let mut drift = Drift::Settling;
    let frames = [NAN; 200];
    let found = taken(&frames, |engine| {
        let outcome = engine.run(&mut AsTrained);
        drift = monitor.observe(&outcome);
        class(&outcome)
    });
    assert_eq!(found, [None; 200]);
    assert_eq!(drift, Drift::Outside { rate: true, confidence: true });
    assert!(monitor.exit_rate().to_f32() < 0.1 && monitor.confidence().to_f32() < 0.1);
}

/// The file with exits that were calibrated: number from 0, expected rate and confidence.
fn calibrated(file: &File, exits: &[(usize, f32, f32)]) -> Vec<u8> {
    let mut bytes = file.bytes();
    for (exit, rate, confidence) in exits {
        let at = HEADER + file.operations.len() * OPERATION + exit * EXIT;
        bytes[at + 12..at + 16].copy_from_slice(&5000u32.to_le_bytes());
        bytes[at + 22..at + 24].copy_from_slice(&[3, 190]);
        bytes[at + 24..at + 28].copy_from_slice(&0.01f32.to_le_bytes());
        for (field, share) in [(28, rate), (30, confidence)] {
            bytes[at + field..at + field + 2].copy_from_slice(&Q15::from_f32(*share).steps().to_le_bytes());
        }
    }
    seal(&mut bytes);
    bytes
}

fn expected(bytes: &[u8]) -> Option<Expected> {
    let band = Q15::from_f32(0.1);
    Expected::of(&Model::parse(bytes, &KernelSet::ALL).expect("sound"), band, band)
}

#[test]
fn a_model_says_what_to_expect() {
    let one = expected(&calibrated(&head(), &[(0, 0.75, 0.5)])).expect("it was calibrated");
    assert_eq!([one.exit_rate, one.confidence].map(Q15::to_f32), [0.75, 0.5]);
    assert_eq!((one.last_exit, one.rate_band), (ExitId(1), Q15::from_f32(0.1)));
    // What goes on has the last exit's confidence: 0.5 · 1 + (0.25 + 0.25) · 0.5.
    let two = expected(&calibrated(&rich(), &[(0, 0.5, 1.0), (1, 0.25, 0.5)])).expect("they were calibrated");
    assert_eq!((two.exit_rate.to_f32(), two.confidence.to_f32(), two.last_exit), (0.75, 0.75, ExitId(2)));
    // Rates that add up to more than 1 can stand in a file.
    let more = expected(&calibrated(&rich(), &[(0, 1.0, 1.0), (1, 1.0, 0.5)])).expect("they were calibrated");
    assert_eq!((more.exit_rate, more.confidence), (Q15::ONE, Q15::ONE));
    for uncalibrated in [head().bytes(), calibrated(&rich(), &[(0, 0.5, 1.0)]), tail().bytes()] {
        assert_eq!(expected(&uncalibrated), None);
    }
}

/// A whole network answers at its end where no exit is taken: that is no exit taken.
#[test]
fn the_end_of_a_whole_network_is_no_exit() {
    let bytes = calibrated(&whole(), &[(0, 0.75, 0.9)]);
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut scratch = Scratch::<64>::new();
    let mut engine = Engine::new(&model, &mut scratch).expect("room enough");
    let mut run = |monitor: &mut DriftMonitor, threshold: f32| {
        engine.load(&ONE).expect("two inputs");
        monitor.observe(&engine.run(&mut Threshold(threshold)))
    };
    let band = Q15::from_f32(0.1);
    let wide = Expected { confidence_band: Q15::ONE, ..Expected::of(&model, band, band).expect("it was calibrated") };
    let (mut monitor, never) = (DriftMonitor::new(wide, 6), 2.0);
    let says: Vec<Drift> = (0..640).map(|k| run(&mut monitor, if k % 4 == 0 { never } else { 0.0 })).collect();
    assert!(says[63..].iter().all(|drift| *drift == Drift::Inside), "{:?}", monitor.exit_rate());
    let all = (0..640).map(|_| run(&mut monitor, 0.0)).last();
    assert_eq!(all, Some(Drift::Outside { rate: true, confidence: false }));
    let none = (0..640).map(|_| run(&mut monitor, never)).last();
    assert_eq!(none, Some(Drift::Outside { rate: true, confidence: false }));
    assert!(monitor.exit_rate().to_f32() < 0.01);
}
