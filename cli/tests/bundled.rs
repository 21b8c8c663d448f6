//! The bundled networks: the engine says what the trainer says, on every test image, whichever way it is run.
#![allow(missing_docs)]

use lacewing_converter::convert::convert_network;
use lacewing_converter::import::{Imported, import};
use lacewing_converter::source::Source;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome, Scratch};
use lacewing_models::data::{self, Part};
use lacewing_models::{Recipe, bundled};
use lacewing_training::Trained;

/// Room for any bundled model.
type Room = Scratch<16_384>;

fn names() -> Vec<String> {
    let folder = bundled::recipe("x");
    let folder = folder.parent().expect("a folder");
    let files = std::fs::read_dir(folder).expect("recipes").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> =
        files.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    assert!(names.len() >= 10, "{names:?}");
    names
}

/// Keeps every exit's logits and goes on.
struct Watch(Vec<Vec<f32>>);

impl ExitPolicy for Watch {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.push(exit.logits().to_vec());
        Decision::Continue
    }
}

fn argmax(logits: &[f32]) -> usize {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|logit| *logit == largest).expect("finite logits")
}

#[test]
fn the_engine_gives_the_trainers_class_on_every_test_image() {
    for name in names() {
        let trained = Trained::load(&bundled::weights(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let recipe: Recipe = trained.recipe().clone();
        let test = data::load_for(data::bundled_mnist(), Part::Test, &recipe).expect("the bundled data");
        let expected = trained.logits(&test).expect("logits");
        let mut source = Source::open(&bundled::weights(&name)).expect("the same file");
        let Imported { network, .. } = import(&mut source, recipe).expect("a network");
        let files = convert_network(&network, None).expect("model files");
        let head = Model::parse(&files.head, &KernelSet::ALL).expect("a head");
        let tail = files.tail.as_deref().map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("a tail"));
        let (mut head_room, mut tail_room) = (Room::new(), Room::new());
        let mut engine = Engine::new(&head, &mut head_room).expect("room enough");
        let mut tail = tail.as_ref().map(|tail| Engine::new(tail, &mut tail_room).expect("room enough"));
        for (sample, (values, _)) in test.iter().enumerate() {
            let mut watch = Watch(Vec::new());
            engine.load(values).expect("its width");
            let end = match engine.run(&mut watch) {
                Outcome::Answer(answer) => (answer.class, engine.logits().to_vec()),
                Outcome::Offload { features, .. } => {
                    let tail = tail.as_mut().expect("a head has a tail");
                    let Ok(Outcome::Answer(answer)) = tail.resume(&features, &mut watch) else { panic!("a pair") };
                    (answer.class, tail.logits().to_vec())
                }
            };
            watch.0.push(end.1);
            assert_eq!(watch.0.len(), expected.len(), "{name}: exits");
            for (exit, (got, want)) in watch.0.iter().zip(&expected).enumerate() {
                let want = &want[sample * got.len()..][..got.len()];
                let largest = want.iter().fold(0f32, |largest, logit| largest.max(logit.abs()));
                for (got, want) in got.iter().zip(want) {
                    assert!((got - want).abs() <= 1e-4 * largest, "{name}, image {sample}, exit {exit}: {got} {want}");
                }
                assert_eq!(argmax(got), argmax(want), "{name}, image {sample}, exit {exit}");
            }
            assert_eq!(usize::from(end.0), argmax(watch.0.last().expect("the end")), "{name}, image {sample}");
        }
    }
}

#[test]
fn two_processes_answer_as_one_until_the_tail_is_killed() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lacewing")).args(["demo", "--split"]).output();
    let output = output.expect("the command runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    let row = |name: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{out}"));
        line.trim().trim_start_matches(name).split_whitespace().map(str::to_owned).collect()
    };
    let (alive, dead) = (row("tail alive"), row("tail killed"));
    // Images, by an exit, by the tail, by fallback, right (two words), unlike in-process.
    assert_eq!((alive[0].as_str(), alive[6].as_str()), ("5,000", "0"), "{out}");
    assert_eq!((dead[0].as_str(), dead[2].as_str(), dead[6].as_str()), ("5,000", "0", "0"), "{out}");
    let number = |text: &str| text.replace(',', "").parse::<usize>().expect("a number");
    assert!(number(&alive[2]) > 100 && number(&dead[3]) > 100, "{out}");
}
