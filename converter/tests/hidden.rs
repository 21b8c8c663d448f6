//! Hidden units that were numbered anew: the network computes the same, and nothing but its own junctions sees it.

mod support;

use lacewing_converter::convert::{Converted, convert_network, convert_network_for};
use lacewing_converter::edges::Edges;
use lacewing_converter::import::import;
use lacewing_converter::network::Network;
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::{Profile, family};
use lacewing_converter::repack::repack;
use lacewing_converter::source::Source;
use lacewing_converter::unpack::unpack;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome, Scratch};
use lacewing_kernels::Packing;
use lacewing_models::{JunctionId, Recipe};
use support::{Random, Trained};

const WINDOWS: Packing = Packing::Windows { lanes: 16, width: 32, steps: 2 };

/// Windows for everything sparse.
fn profile() -> Profile {
    let text = format!(
        "name = \"t\"\nisa = \"scalar\"\nprocessor = \"none\"\n[[packing]]\nfamily = \"dense\"\npoints = [[10, 10, 1.0, 1.0, 1.0]]\n\
         [[packing]]\nfamily = \"{}\"\npoints = [[10, 10, 0.5, 0.3, 0.3]]\n",
        family(&WINDOWS)
    );
    Profile::parse("t", &text).unwrap()
}

/// Hidden units behind the first junction, which the second and a branch read in windows; features behind the second.
fn network() -> Network {
    let recipe = Recipe::parse(
        r#"
        name = "four"
        classes = 5
        [input]
        width = 40
        [[junction]]
        outputs = 112
        activation = "relu"
        pattern = "random"
        out_degree = 28
        [[junction]]
        outputs = 96
        activation = "relu"
        pattern = "random"
        out_degree = 12
        [[junction]]
        outputs = 112
        activation = "tanh"
        pattern = "random"
        out_degree = 14
        [[junction]]
        outputs = 5
        [[exit]]
        after = 1
        threshold = 0.5
        [[exit.junction]]
        outputs = 48
        pattern = "random"
        out_degree = 6
        activation = "relu"
        [[exit.junction]]
        outputs = 5
        [[exit]]
        after = 2
        threshold = 0.5
        [split]
        after = 2
        "#,
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source::open(&Trained::of(&recipe).write(dir.path())).unwrap();
    import(&mut source, recipe).unwrap().network
}

fn converted(network: &Network) -> Converted {
    convert_network_for(network, Goal::Speed { profile: &profile(), inputs: &[] }, None, &|_, _| {}).unwrap()
}

/// The network's edges of a junction, and the file's.
fn both(network: &Network, converted: &Converted, id: JunctionId) -> (Edges, Edges) {
    let trained = network.junctions().find(|junction| junction.id == id).unwrap().edges.clone();
    let planned = converted.junctions.iter().find(|junction| junction.id == id).unwrap();
    (trained, unpack(&planned.packed.junction().unwrap()).unwrap())
}

fn rows(edges: &Edges) -> Vec<Vec<f32>> {
    edges.to_dense().chunks(edges.n_in()).map(<[f32]>::to_vec).collect()
}

#[test]
fn writer_and_readers_agree_and_the_features_keep_their_order() {
    let network = network();
    let converted = converted(&network);
    let (first, second, third) = (JunctionId::Trunk(1), JunctionId::Trunk(2), JunctionId::Trunk(3));
    let reason = |id| &converted.junctions.iter().find(|junction| junction.id == id).unwrap().choice.reason;
    assert!(reason(second).contains("numbered for it"), "{}", reason(second));
    // The writer's rows in another order: the order itself.
    let (trained, packed) = both(&network, &converted, first);
    let (trained, packed) = (rows(&trained), rows(&packed));
    let order: Vec<usize> = packed.iter().map(|row| trained.iter().position(|other| other == row).unwrap()).collect();
    assert!(!order.is_sorted());
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..112));
    // Every reader reads by it.
    for id in [second, JunctionId::Exit { exit: 1, junction: 1 }] {
        let (trained, packed) = both(&network, &converted, id);
        for (trained, packed) in rows(&trained).iter().zip(rows(&packed)) {
            assert!(order.iter().map(|unit| trained[*unit]).eq(packed), "{id}");
        }
    }
    // Behind the cut, and what reads no hidden units: as trained.
    for id in [third, JunctionId::Exit { exit: 1, junction: 2 }] {
        let (trained, packed) = both(&network, &converted, id);
        assert_eq!(trained.to_dense(), packed.to_dense(), "{id}");
    }
}

#[test]
fn it_takes_fewer_steps_than_grouping_the_rows_alone() {
    let network = network();
    let converted = converted(&network);
    let plain = convert_network(&network, None).unwrap();
    let grouped = repack(&plain.head, Goal::Speed { profile: &profile(), inputs: &[] }, &|_, _| {}).unwrap();
    // Trunk 1, the branch's two, trunk 2.
    let (alone, found) = (grouped.junctions[3].to_bytes, converted.junctions[3].choice.bytes);
    assert_eq!((converted.junctions[3].id, &*grouped.junctions[3].place), (JunctionId::Trunk(2), "junction 2"));
    assert!(found * 100 <= alone * 98, "{found} bytes, {alone} with rows grouped alone");
}

/// Keeps every exit's logits and goes on.
struct Recorder(Vec<f32>);

impl ExitPolicy for Recorder {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.extend(exit.logits());
        Decision::Continue
    }
}

fn run(head: &[u8], tail: &[u8], input: &[f32]) -> Vec<f32> {
    let (head, tail) = (Model::parse(head, &KernelSet::ALL).unwrap(), Model::parse(tail, &KernelSet::ALL).unwrap());
    let (mut head_scratch, mut tail_scratch) = (Scratch::<8192>::new(), Scratch::<8192>::new());
    let mut head = Engine::new(&head, &mut head_scratch).unwrap();
    let mut tail = Engine::new(&tail, &mut tail_scratch).unwrap();
    let mut recorder = Recorder(Vec::new());
    head.load(input).unwrap();
    let Outcome::Offload { features, .. } = head.run(&mut recorder) else { panic!("a head hands over") };
    recorder.0.extend(features.values());
    tail.resume(&features, &mut recorder).unwrap();
    recorder.0.extend(tail.logits());
    recorder.0
}

#[test]
fn heads_and_tails_go_with_those_of_the_trainers_order() {
    let network = network();
    let (plain, numbered) = (convert_network(&network, None).unwrap(), converted(&network));
    let mut random = Random(5);
    for _ in 0..20 {
        let x: Vec<f32> = (0..40).map(|_| random.weight()).collect();
        let want = run(&plain.head, plain.tail.as_ref().unwrap(), &x);
        for (head, tail) in [(&plain, &numbered), (&numbered, &plain), (&numbered, &numbered)] {
            let found = run(&head.head, tail.tail.as_ref().unwrap(), &x);
            assert_eq!(found.len(), want.len());
            assert!(
                found.iter().zip(&want).all(|(a, b)| (a - b).abs() <= 1e-4 * (1.0 + b.abs())),
                "{found:?} {want:?}"
            );
        }
    }
}

#[test]
fn bytes_are_the_same_on_any_number_of_threads() {
    let network = network();
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let [one, three] = [1, 3].map(|threads| pool(threads).install(|| converted(&network)));
    assert!(*one.head == *three.head && one.tail.as_deref() == three.tail.as_deref());
}
