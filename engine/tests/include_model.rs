//! `include_model!`: a constant model, its exact kernels, and the file that the documents print.

mod support;

use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, include_model};
use support::{File, dense, exit, head};

const TINY: Model<'static> = include_model!("fixtures/tiny.lace");
const RICH: Model<'static> = include_model!("hostile/sound-rich.lace");

/// The example of FORMAT.md: 2 inputs, 2 classes, one dense junction.
fn tiny() -> Vec<u8> {
    File {
        pair_id: 0x0005_eed5,
        operations: vec![dense(0, 2, &[1.0, -1.0, -0.5, 0.5], &[0.25, 0.0], false)],
        exits: vec![exit(1, 0, 0.0)],
        ..support::whole()
    }
    .bytes()
}

fn hex(bytes: &[u8]) -> String {
    let row = |(k, row): (usize, &[u8])| {
        format!("{:04x} {}\n", k * 16, row.iter().map(|b| format!(" {b:02x}")).collect::<String>())
    };
    bytes.chunks(16).enumerate().map(row).collect()
}

#[test]
fn the_constant_runs_in_a_constant_scratch() {
    let mut scratch = Scratch::<{ TINY.scratch_len() }>::new();
    let mut engine = Engine::new(&TINY, &mut scratch).expect("exact");
    engine.input().copy_from_slice(&[3.0, 1.0]);
    assert!(matches!(engine.run(&mut AsTrained), Outcome::Answer(answer) if answer.class == 0));
    assert_eq!(engine.logits(), [2.25, -1.0]);
}

#[test]
fn only_the_kernels_that_the_model_needs_are_in_its_set() {
    assert!(TINY.kernels().kernels().iter().all(|kernel| kernel.name().starts_with("dense_")));
    let names: Vec<&str> = RICH.kernels().kernels().iter().map(|kernel| kernel.name()).collect();
    assert!(names.iter().all(|name| name.starts_with("dense_") || name.starts_with("rows8_")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("rows8_")));
}

/// `LACEWING_BLESS=1` writes the file.
#[test]
fn the_example_of_the_format_is_this_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.lace");
    if std::env::var_os("LACEWING_BLESS").is_some() {
        std::fs::write(path, tiny()).expect("the folder is there");
    }
    assert_eq!(std::fs::read(path).unwrap_or_default(), tiny());
    let format = include_str!("../FORMAT.md");
    assert!(format.contains(&hex(&tiny())), "FORMAT.md shows another file than:\n{}", hex(&tiny()));
    assert_ne!(tiny(), head().bytes());
}
