//! Any bytes either parse into something that runs or are refused.

mod support;

use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Never, Packet, Threshold};
use proptest::prelude::*;
use support::{head, head_i8, mixed, mixed_head, rich, seal, tail, tail_i8, whole, whole_i8};

/// Parses, and runs what parses with every policy and awkward inputs.
fn parse_and_run(bytes: &[u8]) -> bool {
    let Ok(model) = Model::parse(bytes, &KernelSet::ALL) else { return false };
    let mut scratch = vec![0u128; model.scratch_len().div_ceil(16)];
    // A u128 is aligned well enough; the engine sees its bytes.
    let scratch = bytemuck::cast_slice_mut(&mut scratch);
    if model.input().is_some() {
        let mut engine = Engine::new_i8(&model, scratch).expect("scratch as the model says, and every kernel is there");
        for value in [-128, 0, 127] {
            engine.input().fill(value);
            let _ = engine.run(&mut AsTrained);
            engine.input().fill(value);
            let _ = engine.run(&mut Never);
        }
        return true;
    }
    let mut engine = Engine::new(&model, scratch).expect("scratch as the model says, and every kernel is there");
    for value in [0.0, 1.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE] {
        engine.input().fill(value);
        let _ = engine.run(&mut AsTrained);
        engine.input().fill(value);
        let _ = engine.run(&mut Threshold(0.5));
        engine.input().fill(value);
        let _ = engine.run(&mut Never);
    }
    true
}

/// Sound files with a few bytes changed, sealed again so that the checksum does not stop them at the door.
fn changed_files() -> impl Strategy<Value = Vec<u8>> {
    let int8 = [whole_i8(), head_i8(), tail_i8(), mixed(), mixed_head()];
    let files = [whole(), head(), tail(), rich()].into_iter().chain(int8).map(|file| file.bytes()).collect::<Vec<_>>();
    (prop::sample::select(files), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)).prop_map(
        |(mut file, changes)| {
            for (at, value) in changes {
                let at = at.index(file.len());
                file[at] = value;
            }
            seal(&mut file);
            file
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_run_or_are_refused(file in changed_files()) {
        parse_and_run(&file);
    }

    #[test]
    fn random_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!parse_and_run(&bytes));
        seal(&mut bytes);
        prop_assert!(!parse_and_run(&bytes));
        prop_assert!(Packet::parse(&bytes).is_err());
    }
}

#[test]
fn sound_files_run() {
    let int8 = [whole_i8(), head_i8(), tail_i8(), mixed(), mixed_head()];
    for file in [whole(), head(), tail(), rich()].into_iter().chain(int8) {
        assert!(parse_and_run(&file.bytes()));
    }
}
