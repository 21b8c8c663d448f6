//! Batches against runs one by one: every sample takes its own exit and ends as it does alone.

mod support;

use lacewing_engine::{
    AsTrained, BATCH, BatchEngine, BatchError, Decision, Engine, EngineError, ExitPolicy, ExitView, KernelSet, Model,
    Never, Outcome, Threshold, WrongLength,
};
use support::{File, head, mixed, rich, tail, whole, whole_i8};

/// How a sample ended: class, exit and logits, or features and the fallback's class.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Answer(u16, u8, Vec<f32>),
    Offload(Vec<f32>, Option<u16>),
}

fn end(outcome: &Outcome<'_>, logits: &[f32]) -> End {
    match outcome {
        Outcome::Answer(answer) => End::Answer(answer.class, answer.exit.0, logits.to_vec()),
        Outcome::Offload { features, fallback } => {
            End::Offload(features.values().to_vec(), fallback.map(|answer| answer.class))
        }
    }
}

/// Samples on both sides of every threshold.
fn samples(width: usize, count: usize) -> Vec<Vec<f32>> {
    (0..count).map(|k| (0..width).map(|i| ((k * 7 + i * 5) % 13) as f32 * 0.5 - 3.0).collect()).collect()
}

/// Hands over at the first exit what has a small first logit, and takes what has a large one.
#[derive(Clone, Copy)]
struct ByFirstLogit;

impl ExitPolicy for ByFirstLogit {
    fn decide(&mut self, view: &ExitView<'_>) -> Decision {
        match view.logits().first() {
            Some(logit) if *logit > 2.0 => Decision::Take,
            Some(logit) if *logit < -1.0 => Decision::Offload,
            _ => Decision::Continue,
        }
    }
}

fn same_as_alone<P: ExitPolicy + Clone>(file: &File, count: usize, policy: P) -> Vec<End> {
    let bytes = file.bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let samples = samples(model.n_in(), count);
    let mut scratch = vec![0u128; model.scratch_len().div_ceil(16)];
    let mut engine = Engine::new(&model, bytemuck::cast_slice_mut(&mut scratch)).expect("room enough");
    let alone: Vec<End> = samples
        .iter()
        .map(|sample| {
            engine.load(sample).expect("the width");
            match engine.run(&mut policy.clone()) {
                outcome @ Outcome::Offload { .. } => end(&outcome, &[]),
                Outcome::Answer(answer) => end(&Outcome::Answer(answer), engine.logits()),
            }
        })
        .collect();
    let mut scratch = vec![f32::NAN; model.batch_scratch_len() / 4];
    let mut batch = BatchEngine::new(&model, bytemuck::cast_slice_mut(&mut scratch)).expect("exact");
    let mut together = vec![None; count];
    // Twice: what the first left behind does not show.
    for _ in 0..2 {
        together.fill(None);
        let told = |sample: usize, outcome: Outcome<'_>, logits: &[f32]| {
            assert_eq!(together[sample].replace(end(&outcome, logits)), None, "sample {sample} told twice");
        };
        batch.run_batch(samples.iter().map(Vec::as_slice), &mut policy.clone(), told).expect("the width");
    }
    let together: Vec<End> = together.into_iter().map(|end| end.expect("every sample is told")).collect();
    assert_eq!(together, alone);
    together
}

#[test]
fn every_sample_ends_as_it_does_alone() {
    let exits =
        |ends: &[End], of: u8| ends.iter().filter(|end| matches!(end, End::Answer(_, exit, _) if *exit == of)).count();
    for count in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH + 5] {
        let ends = same_as_alone(&whole(), count, AsTrained);
        assert!(count < 40 || (exits(&ends, 1) > 0 && exits(&ends, 2) > 0), "both exits are taken: {ends:?}");
        same_as_alone(&whole(), count, Never);
        same_as_alone(&whole(), count, Threshold(0.0));
        same_as_alone(&rich(), count, AsTrained);
        same_as_alone(&rich(), count, ByFirstLogit);
        same_as_alone(&tail(), count, AsTrained);
        let ends = same_as_alone(&head(), count, ByFirstLogit);
        assert!(count < 40 || ends.iter().any(|end| matches!(end, End::Offload(_, Some(_)))));
        assert!(count < 40 || exits(&ends, 1) > 0);
    }
}

#[test]
fn refuses_what_it_cannot_run() {
    let bytes = whole().bytes();
    let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
    let mut scratch = vec![0f32; model.batch_scratch_len() / 4 + 1];
    let scratch: &mut [u8] = bytemuck::cast_slice_mut(&mut scratch);
    let needed = model.batch_scratch_len();
    let refused = BatchEngine::new(&model, &mut scratch[..needed - 4]).err();
    assert_eq!(refused, Some(EngineError::ScratchTooSmall { needed, found: needed - 4 }.into()));
    assert_eq!(BatchEngine::new(&model, &mut scratch[1..]).err(), Some(EngineError::ScratchMisaligned.into()));
    let mut engine = BatchEngine::new(&model, scratch).expect("room enough");
    let samples: [&[f32]; 2] = [&[1.0, 2.0], &[1.0]];
    let wrong = engine.run_batch(samples, &mut AsTrained, |_, _, _| unreachable!("the first batch is not whole"));
    assert_eq!(wrong, Err(WrongLength { needed: 2, found: 1 }));
    for file in [whole_i8(), mixed()] {
        let bytes = file.bytes();
        let model = Model::parse(&bytes, &KernelSet::ALL).expect("sound");
        let mut scratch = vec![0f32; model.batch_scratch_len() / 4 + 1];
        let refused = BatchEngine::new(&model, bytemuck::cast_slice_mut(&mut scratch)).err();
        assert_eq!(refused, Some(BatchError::Int8));
    }
}
