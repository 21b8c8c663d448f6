//! Policies and watches for streams.

mod support;

use lacewing_engine::{
    AsTrained, Drift, DriftMonitor, Engine, Expected, KernelSet, Model, Never, Outcome, Q15, Scratch, TemporalPatience,
    Threshold,
};
use support::{head, head_i8};

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
    DriftMonitor::new(Expected { exit_rate: rate, confidence, rate_band: band, confidence_band: band }, 6)
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
