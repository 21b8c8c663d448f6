//! The whole way from trained networks to model files.

mod support;

use std::sync::Mutex;

use lacewing_converter::convert::{HEAD, Options, Step, TAIL, convert, convert_network};
use lacewing_converter::import::import;
use lacewing_converter::inspect::inspect;
use lacewing_converter::source::Source;
use lacewing_engine::{Decision, Engine, ExitPolicy, ExitView, KernelSet, Model, Outcome, Part};
use lacewing_models::Recipe;
use support::{Raw, Trained, fixture, names, recipe};

struct Recorder(Vec<Vec<f32>>);

impl ExitPolicy for Recorder {
    fn decide(&mut self, exit: &ExitView<'_>) -> Decision {
        self.0.push(exit.logits().to_vec());
        Decision::Continue
    }
}

#[test]
fn masks_recipe_exits_and_split_come_through() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let report = convert(&Trained::of(&recipe()).write(dir.path()), None, &out, &Options::default()).unwrap();
    assert_eq!(names(&out), [HEAD, TAIL]);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    assert_eq!((report.verified.samples, report.verified.exits), (64, 3));
    assert!(report.verified.largest_error < 1e-5, "{}", report.verified.largest_error);
    let places: Vec<&str> = report.junctions.iter().map(|junction| junction.place.as_str()).collect();
    let want =
        ["junction 1", "exit 1, junction 1", "junction 2", "exit 2, junction 1", "exit 2, junction 2", "junction 3"];
    assert_eq!(places, want);
    assert_eq!(report.junctions[0].packing, "rows8 d=10");

    let (head, tail) = (std::fs::read(out.join(HEAD)).unwrap(), std::fs::read(out.join(TAIL)).unwrap());
    let (head, tail) = (Model::parse(&head, &KernelSet::ALL).unwrap(), Model::parse(&tail, &KernelSet::ALL).unwrap());
    assert_eq!((head.part(), tail.part()), (Part::Head, Part::Tail));
    assert_eq!((head.pair_id(), head.split(), tail.head_exits()), (tail.pair_id(), 1, 1));
    let exits: Vec<_> = head.exits().chain(tail.exits()).map(|e| (e.id.0, e.after, e.branch)).collect();
    assert_eq!(exits, [(1, 1, 1), (2, 2, 2), (3, 3, 0)]);
    assert_eq!(head.exits().next().map(|exit| exit.temperature), Some(1.5));
    assert_eq!(tail.class_name(4), Some("e"));
    assert_eq!(head.input_scaling().scale, 1.0 / 255.0);

    let plan = inspect(&head);
    assert_eq!((plan.part, plan.features, plan.junctions.len()), ("head", 20, 2));
    assert_eq!((plan.junctions[0].in_degree.constant(), plan.junctions[0].nnz), (Some(10), 200));
    assert_eq!((plan.totals.macs, plan.totals.dense_macs), (200 + 100, 800 + 100));
    let junction = plan.junctions[0].totals;
    assert_eq!((junction.weight_bytes, junction.index_bytes, junction.bias_bytes), (800, 200, 80));
    assert_eq!((junction.bytes, junction.dense_bytes), (1080, 3280));
    assert_eq!((plan.scratch_bytes, plan.file_bytes), (head.scratch_len(), head.bytes().len()));
    let plan = inspect(&tail);
    let places: Vec<&str> = plan.junctions.iter().map(|junction| junction.place.as_str()).collect();
    assert_eq!(places, ["trunk 2", "exit 2, junction 1", "exit 2, junction 2", "trunk 3"]);
}

#[test]
fn the_split_asked_for_wins() {
    let dir = tempfile::tempdir().unwrap();
    let file = Trained::of(&recipe()).write(dir.path());
    let run = |split_after| {
        let options = Options { split_after: Some(split_after), ..Options::default() };
        convert(&file, None, &dir.path().join(split_after.to_string()), &options)
    };
    run(2).unwrap();
    let head = std::fs::read(dir.path().join("2").join(HEAD)).unwrap();
    assert_eq!(Model::parse(&head, &KernelSet::ALL).unwrap().exits().count(), 2);
    let whole = run(0).unwrap();
    assert_eq!((names(&dir.path().join("0")), whole.files[0].part), (vec![HEAD.to_owned()], "whole"));
    for impossible in [3, 4, usize::MAX] {
        assert!(run(impossible).unwrap_err().to_string().contains("split"));
        assert!(names(&dir.path().join(impossible.to_string())).is_empty());
    }
}

/// NumPy's own files: zeros of both signs for masks, deflated and stored, both layouts, f32 and f64, C and Fortran order.
#[test]
fn numpy_files_give_numpys_logits() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["masked", "masked_keras"] {
        let npz = fixture(&format!("{name}.npz"));
        let recipe = Recipe::read(fixture(&format!("{name}.toml"))).unwrap();
        let out = dir.path().join(name);
        let report = convert(&npz, Some(recipe), &out, &Options::default()).unwrap();
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        assert_eq!(
            report.junctions.iter().map(|j| j.nnz).collect::<Vec<_>>(),
            [24, 24, 24, 18],
            "in-degrees 3, all, 4, 6"
        );

        let mut source = Source::open(&npz).unwrap();
        let mut expected = |name, values| source.tensor(name, values).unwrap().unwrap().values;
        let (inputs, exit, logits) = (expected("inputs", 240), expected("exit", 60), expected("logits", 60));
        let (head, tail) = (std::fs::read(out.join(HEAD)).unwrap(), std::fs::read(out.join(TAIL)).unwrap());
        let head = Model::parse(&head, &KernelSet::ALL).unwrap();
        let tail = Model::parse(&tail, &KernelSet::ALL).unwrap();
        let (mut scratch, mut tail_scratch) = (vec![0u128; head.scratch_len()], vec![0u128; tail.scratch_len()]);
        let mut head = Engine::new(&head, bytemuck::cast_slice_mut(&mut scratch)).unwrap();
        let mut tail = Engine::new(&tail, bytemuck::cast_slice_mut(&mut tail_scratch)).unwrap();
        for (sample, input) in inputs.chunks(12).enumerate() {
            let mut recorder = Recorder(Vec::new());
            head.load(input).unwrap();
            let Outcome::Offload { features, .. } = head.run(&mut recorder) else { panic!("nothing is taken") };
            tail.resume(&features, &mut recorder).unwrap();
            recorder.0.push(tail.logits().to_vec());
            let want = [&exit[sample * 3..sample * 3 + 3], &logits[sample * 3..sample * 3 + 3]].concat();
            for (found, want) in recorder.0.concat().iter().zip(&want) {
                assert!((found - want).abs() < 1e-5, "{name}, sample {sample}: {found}, NumPy has {want}");
            }
            assert_eq!(recorder.0.len(), 2);
        }
    }
}

#[test]
fn masked_weights_that_are_not_zero_are_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::of(&recipe());
    let clean = convert(&trained.write(dir.path()), None, &dir.path().join("clean"), &Options::default()).unwrap();
    let mask = trained.tensor("junction.1.mask").bytes.clone();
    let outside: Vec<usize> = (0..mask.len()).filter(|at| mask[*at] == 0).take(3).collect();
    let inside = mask.iter().position(|entry| *entry == 1).unwrap();
    outside.iter().for_each(|at| trained.tensor("junction.1.weight").set_f32(*at, 0.5));
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!(report.warnings, ["junction 1: 3 weights outside the mask junction.1.mask dropped, though not zero"]);
    let read = |folder: &str| std::fs::read(dir.path().join(folder).join(HEAD)).unwrap();
    assert_eq!(report.pair_id, clean.pair_id);
    assert_eq!(read("out"), read("clean"));
    // A zero inside the mask stays an edge; without the mask it is none, whatever its sign.
    trained.tensor("junction.1.weight").set_f32(inside, -0.0);
    outside.iter().for_each(|at| trained.tensor("junction.1.weight").set_f32(*at, -0.0));
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!((report.junctions[0].nnz, report.junctions[0].packing.as_str()), (200, "rows8 d=10"));
    trained.tensors.remove("junction.1.mask");
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!((report.junctions[0].nnz, report.junctions[0].packing.as_str()), (199, "csr8"));
}

#[test]
fn missing_biases_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::of(&recipe());
    trained.tensors.remove("junction.2.bias");
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!(report.warnings, ["junction 2 has no tensor junction.2.bias: it gets no biases"]);
}

#[test]
fn the_pair_id_knows_the_trunk_and_not_the_thresholds() {
    let dir = tempfile::tempdir().unwrap();
    let trained = Trained::of(&recipe());
    let read = |trained: &Trained, change: &dyn Fn(&mut Recipe)| {
        let mut recipe = recipe();
        change(&mut recipe);
        import(&mut Source::open(&trained.write(dir.path())).unwrap(), recipe).unwrap().network.pair_id()
    };
    let id = read(&trained, &|_| {});
    assert_eq!(id, read(&trained, &|recipe| recipe.exits[0].threshold = 0.7));
    assert_ne!(id, read(&trained, &|recipe| recipe.split = Some(2)));
    for tensor in ["junction.1.weight", "junction.3.weight", "junction.2.bias"] {
        let mut other = trained.clone();
        let at = (0..).find(|at| other.tensors[tensor].get_f32(*at) != 0.0).unwrap();
        other.tensor(tensor).set_f32(at, 9.0);
        assert_ne!(id, read(&other, &|_| {}), "{tensor}");
    }
}

/// What a plan does: the second exit without the first, in a head of two junctions.
#[test]
fn a_network_cut_with_one_of_its_exits_converts() {
    let dir = tempfile::tempdir().unwrap();
    let trained = Trained::of(&recipe()).write(dir.path());
    let network = import(&mut Source::open(&trained).unwrap(), recipe()).unwrap().network;
    for (split, exit, operations) in [(2, Some(2), 4), (1, Some(1), 2), (1, None, 1), (2, Some(0), 2), (2, Some(3), 2)]
    {
        let cut = network.cut(split, exit);
        let files = convert_network(&cut, None).unwrap();
        let model = Model::parse(&files.head, &KernelSet::ALL).unwrap();
        assert_eq!((model.part(), model.operations().count()), (Part::Head, operations), "{split} {exit:?}");
        assert!(files.tail.is_some());
    }
}

fn one_junction(pattern: &str) -> Recipe {
    one_junction_of(112, pattern)
}

fn one_junction_of(outputs: usize, pattern: &str) -> Recipe {
    let toml = format!(
        "name = \"one\"\nclasses = {outputs}\n[input]\nwidth = 800\n[[junction]]\noutputs = {outputs}\n{pattern}"
    );
    Recipe::parse(&toml).unwrap()
}

/// Bytes an edge of each pattern, for one junction of 800 inputs, in the whole file: biases and 512 bytes beside. The pattern is
/// found without a mask, from zeros. Where a row of blocks is ragged, or a position takes six bits, an edge costs more.
#[test]
fn files_stay_within_their_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let of_112 = [
        ("pattern = \"random\"\nout_degree = 28", "rows8 d=200", 5.1),
        ("pattern = \"random\"\nout_degree = 7", "rows8 d=50", 5.1),
        ("pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.25", "block 8x1", 4.3),
        ("pattern = \"block\"\nrows = 16\ncols = 1\ndensity = 0.1", "block 16x1", 4.3),
        ("pattern = \"block\"\nrows = 1\ncols = 8\ndensity = 0.25", "block 1x8", 4.3),
        ("pattern = \"nm\"\nn = 2\nm = 8", "nm 2:8", 4.7),
        ("pattern = \"nm\"\nn = 4\nm = 16", "nm 4:16", 4.7),
        ("pattern = \"nm\"\nn = 2\nm = 32", "nm 2:32", 4.7),
        ("pattern = \"nm\"\nn = 4\nm = 64", "nm 4:64", 4.8),
        // Where little is saved, and where dense is the smallest.
        ("pattern = \"random\"\nout_degree = 84", "rows8 d=600", 5.1),
        ("pattern = \"random\"\nout_degree = 98", "dense", 5.1),
        ("pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.9", "block 8x1", 4.3),
        ("pattern = \"nm\"\nn = 6\nm = 8", "nm 6:8", 4.7),
    ];
    // The last of thirteen rows of blocks has four outputs of eight.
    let ragged = ("pattern = \"block\"\nrows = 8\ncols = 1\ndensity = 0.25", "block 8x1", 4.3 * 104.0 / 100.0);
    let cases = of_112.map(|case| (112, case)).into_iter().chain([(100, ragged)]);
    for (outputs, (pattern, packing, per_edge)) in cases {
        let mut trained = Trained::of(&one_junction_of(outputs, pattern));
        trained.tensors.remove("junction.1.mask");
        let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
        assert_eq!(report.junctions[0].packing, packing);
        let bound = report.junctions[0].nnz as f64 * per_edge + outputs as f64 * 4.0 + 512.0;
        assert!(report.files[0].bytes as f64 <= bound, "{pattern}: {} bytes, {bound} allowed", report.files[0].bytes);
    }
}

#[test]
fn clash_free_masks_are_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let structure = |pattern: &str| {
        let file = Trained::of(&one_junction(pattern)).write(dir.path());
        convert(&file, None, &dir.path().join("out"), &Options::default()).unwrap().junctions[0].structure.clone()
    };
    for kind in 1..=3 {
        let found =
            structure(&format!("pattern = \"clash_free\"\nout_degree = 28\nz = 80\ntype = {kind}\ndither = true"));
        assert!(
            found.starts_with("in-degree 200, out-degree 28") && found.contains("clash-free with z = 80"),
            "{found}"
        );
    }
    assert!(!structure("pattern = \"random\"\nout_degree = 28").contains("clash-free"));
}

#[test]
fn data_is_verified_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = Trained::of(&recipe()).write(dir.path());
    let network = import(&mut Source::open(&file).unwrap(), recipe()).unwrap().network;
    let values: Vec<f32> = (0..400u16).map(|value| f32::from(value % 7) / 7.0).collect();
    let data = lacewing_models::Dataset::new(40, values.clone(), vec![0; 10]).unwrap();
    assert_eq!(convert_network(&network, Some(&data)).unwrap().verified.samples, 74);
    let narrow = lacewing_models::Dataset::new(20, values, vec![0; 20]).unwrap();
    assert!(convert_network(&network, Some(&narrow)).unwrap_err().to_string().contains("20 values"));
}

/// Reading, then packing junction by junction, then verifying to the end.
#[test]
fn what_is_being_done_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = Mutex::new(Vec::new());
    let progress = |step: Step, share: f64| told.lock().unwrap().push((step.to_string(), share));
    let options = Options { progress: Some(&progress), ..Options::default() };
    convert(&Trained::of(&recipe()).write(dir.path()), None, &dir.path().join("out"), &options).unwrap();
    let told = told.into_inner().unwrap();
    let mut steps: Vec<&str> = told.iter().map(|(step, _)| step.as_str()).collect();
    steps.dedup();
    let junctions =
        ["junction 1", "exit 1, junction 1", "junction 2", "exit 2, junction 1", "exit 2, junction 2", "junction 3"];
    let steps: Vec<&str> = steps.into_iter().map(|step| step.trim_start_matches("packing ")).collect();
    assert_eq!(steps, [&["reading"][..], &junctions, &["verifying"]].concat());
    assert!(told.iter().all(|(_, share)| (0.0..=1.0).contains(share)));
    // 64 inputs, each by the reference and by two sets of kernels.
    assert_eq!(told.iter().filter(|(step, _)| step == "verifying").count(), 3 * 64);
    assert!(told.contains(&("verifying".into(), 1.0)) && told.contains(&("reading".into(), 1.0)));
}

#[test]
fn a_dead_network_converts() {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::of(&recipe());
    trained.tensors.insert("junction.2.weight".into(), Raw::f32(&[16, 20], &[0.0; 320]));
    trained.tensors.remove("junction.2.mask");
    let report = convert(&trained.write(dir.path()), None, &dir.path().join("out"), &Options::default()).unwrap();
    assert_eq!((report.junctions[2].nnz, report.junctions[2].packing.as_str()), (0, "csr8"));
    assert!(report.junctions[2].structure.contains("16 empty rows"));
}
