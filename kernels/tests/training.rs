//! Every training kernel against the specification: the same bits.
#![cfg(feature = "std")]

use lacewing_kernels::Isa;
use lacewing_kernels::training::{
    Adam, COLUMNS, Edges, EdgesError, LengthError, Momentum, ReadyTraining, Tables, TrainingKernels, reference,
    training_kernels,
};

/// Test data, seeded: uniform in −1..1 in steps of 2^−23 (a linear congruence's upper bits).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Tables with their owner.
#[derive(Clone, Default)]
struct Owned {
    n_in: usize,
    n_out: usize,
    rows: usize,
    starts: Vec<u32>,
    inputs: Vec<u16>,
    column_starts: Vec<u32>,
    outputs: Vec<u16>,
    places: Vec<u32>,
}

impl Owned {
    /// Each group reads each input with the given probability.
    fn draw(n_in: usize, groups: usize, rows: usize, density: f32, random: &mut Random) -> Self {
        let mut it = Self { n_in, n_out: groups * rows, rows, starts: vec![0], ..Self::default() };
        for _ in 0..groups {
            it.inputs.extend((0..n_in as u16).filter(|_| random.unit().abs() < density));
            it.starts.push(it.inputs.len() as u32);
        }
        if rows == 1 {
            it.column_starts.push(0);
            for input in 0..n_in as u16 {
                for output in 0..groups {
                    let row = it.starts[output] as usize..it.starts[output + 1] as usize;
                    if let Some(place) = row.clone().find(|&place| it.inputs[place] == input) {
                        it.outputs.push(output as u16);
                        it.places.push(place as u32);
                    }
                }
                it.column_starts.push(it.outputs.len() as u32);
            }
        }
        it
    }

    fn tables(&self) -> Tables<'_> {
        Tables {
            starts: &self.starts,
            inputs: &self.inputs,
            column_starts: &self.column_starts,
            outputs: &self.outputs,
            places: &self.places,
        }
    }

    fn edges(&self) -> Result<Edges<'_>, EdgesError> {
        Edges::new(self.n_in, self.n_out, self.rows, self.tables())
    }
}

fn draw(length: usize, random: &mut Random) -> Vec<f32> {
    (0..length).map(|_| random.unit()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Those that may run here, the reference among them.
fn kernels() -> Vec<ReadyTraining<'static>> {
    let widest = Isa::widest().expect("LACEWING_ISA names what this machine has");
    let ready =
        training_kernels().iter().filter(|kernels| kernels.isa() <= widest).filter_map(|kernels| kernels.ready());
    ready.collect()
}

#[test]
fn list_ends_with_the_reference_and_the_widest_is_the_one_asked_for() {
    assert_eq!(training_kernels().last().map(|kernels| kernels.isa()), Some(Isa::Scalar));
    let widest = ReadyTraining::widest().expect("LACEWING_ISA names what this machine has");
    assert_eq!(widest.kernels().isa(), kernels()[0].kernels().isa());
    if std::env::var("LACEWING_ISA").as_deref() == Ok("scalar") {
        assert_eq!(widest.kernels().isa(), Isa::Scalar);
    }
}

#[test]
fn passes_give_the_bits_of_the_reference() {
    let mut random = Random::new(11);
    let mut cases = 0;
    for rows in [1, 8] {
        for (n_in, groups) in [(1, 1), (3, 2), (7, 5), (40, 10), (100, 13), (800, 3)] {
            for density in [0.0, 0.05, 0.3, 1.1] {
                for width in [16, 32, 48, 64, 80, 128, 144] {
                    let owned = Owned::draw(n_in, groups, rows, density, &mut random);
                    check_passes(&owned, width, &mut random);
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 2 * 6 * 4 * 7);
}

fn check_passes(owned: &Owned, width: usize, random: &mut Random) {
    let edges = owned.edges().expect("the tables are consistent");
    let (weights, biases) = (draw(edges.n_weights(), random), draw(edges.n_out(), random));
    let (x, delta) = (draw(edges.n_in() * width, random), draw(edges.n_out() * width, random));
    let before = draw(edges.n_in() * width, random);
    let mut sums = vec![f32::NAN; edges.n_out() * width];
    let (mut by_weights, mut by_x) = (vec![f32::NAN; edges.n_weights()], before.clone());
    reference::forward(&edges, &weights, &biases, &x, width, &mut sums);
    reference::weight_gradient(&edges, &x, &delta, width, &mut by_weights);
    reference::input_gradient(&edges, &weights, &delta, width, &mut by_x);
    for ready in kernels() {
        let name =
            format!("{:?}, {} × {}, rows {}, width {width}", ready.kernels(), owned.n_out, owned.n_in, owned.rows);
        let (mut s, mut w, mut b) = (vec![f32::NAN; sums.len()], vec![f32::NAN; by_weights.len()], before.clone());
        ready.forward(&edges, &weights, &biases, &x, width, &mut s).expect("lengths fit");
        ready.weight_gradient(&edges, &x, &delta, width, &mut w).expect("lengths fit");
        ready.input_gradient(&edges, &weights, &delta, width, &mut b).expect("lengths fit");
        assert_eq!(bits(&s), bits(&sums), "forward, {name}");
        assert_eq!(bits(&w), bits(&by_weights), "weight gradient, {name}");
        assert_eq!(bits(&b), bits(&by_x), "input gradient, {name}");
    }
}

#[test]
fn samples_become_columns() {
    let mut random = Random::new(15);
    for features in [1, 7, 8, 9, 30] {
        for (samples, width) in [(0, 16), (1, 16), (16, 16), (13, 32), (37, 48), (64, 64)] {
            let values: Vec<Vec<f32>> = (0..samples).map(|_| draw(features, &mut random)).collect();
            let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            for ready in kernels() {
                let mut x = vec![f32::NAN; features * width];
                ready.to_columns(&slices, width, &mut x).expect("lengths fit");
                for (k, &x) in x.iter().enumerate() {
                    let want = values.get(k % width).map_or(0.0, |sample| sample[k / width]);
                    assert_eq!(x.to_bits(), want.to_bits(), "{:?}, place {k}", ready.kernels());
                }
                assert!(ready.to_columns(&[&[1.0; 2]], width, &mut vec![0.0; width]).is_err());
                assert!(ready.to_columns(&vec![&[1.0][..]; width + 1], width, &mut vec![0.0; width]).is_err());
                assert!(ready.to_columns(&[], width, &mut vec![0.0; width + 1]).is_err());
            }
        }
    }
}

#[test]
fn steps_give_the_bits_of_the_reference() {
    let mut random = Random::new(12);
    for length in [0, 1, 15, 16, 17, 100, 1600] {
        for shards in [0, 1, 2, 5] {
            let gradients: Vec<Vec<f32>> = (0..shards).map(|_| draw(length, &mut random)).collect();
            let gradients: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
            let start = [
                draw(length, &mut random),
                draw(length, &mut random),
                draw(length, &mut random).iter().map(|v| v * v).collect(),
            ];
            let adam = Adam { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, l2: 0.125 };
            let momentum = Momentum { rate: 0.01, momentum: 0.9, l2: 0.125 };
            let [mut p, mut m, mut v] = start.clone();
            reference::adam(&adam, &gradients, &mut p, &mut m, &mut v);
            let [mut pm, mut mm, _] = start.clone();
            reference::momentum(&momentum, &gradients, &mut pm, &mut mm);
            for ready in kernels() {
                let [mut p2, mut m2, mut v2] = start.clone();
                ready.adam(&adam, &gradients, &mut p2, &mut m2, &mut v2).expect("lengths fit");
                assert_eq!([bits(&p2), bits(&m2), bits(&v2)], [bits(&p), bits(&m), bits(&v)], "{:?}", ready.kernels());
                let [mut p2, mut m2, _] = start.clone();
                ready.momentum(&momentum, &gradients, &mut p2, &mut m2).expect("lengths fit");
                assert_eq!([bits(&p2), bits(&m2)], [bits(&pm), bits(&mm)], "{:?}", ready.kernels());
            }
        }
    }
}

#[test]
fn the_reference_is_the_mathematics() {
    // Two outputs, three inputs, every edge but the one from input 1 to output 0.
    let owned = Owned {
        n_in: 3,
        n_out: 2,
        rows: 1,
        starts: vec![0, 2, 5],
        inputs: vec![0, 2, 0, 1, 2],
        column_starts: vec![0, 2, 3, 5],
        outputs: vec![0, 1, 1, 0, 1],
        places: vec![0, 2, 3, 1, 4],
    };
    let edges = owned.edges().expect("the tables are consistent");
    let columns = |values: [f32; 3]| values.iter().flat_map(|&v| [v; COLUMNS]).collect::<Vec<f32>>();
    let (x, weights) = (columns([1.0, 2.0, 3.0]), [10.0, 20.0, 1.0, 2.0, 4.0]);
    let mut sums = vec![0.0; 2 * COLUMNS];
    reference::forward(&edges, &weights, &[0.5, 0.25], &x, COLUMNS, &mut sums);
    assert_eq!((sums[0], sums[COLUMNS]), (70.5, 17.25));
    let delta: Vec<f32> = [1.0, -1.0].iter().flat_map(|&v| [v; COLUMNS]).collect();
    let mut by_weights = [0.0; 5];
    reference::weight_gradient(&edges, &x, &delta, COLUMNS, &mut by_weights);
    assert_eq!(by_weights, [16.0, 48.0, -16.0, -32.0, -48.0]);
    let mut by_x = columns([100.0; 3]);
    reference::input_gradient(&edges, &weights, &delta, COLUMNS, &mut by_x);
    assert_eq!([by_x[0], by_x[COLUMNS], by_x[2 * COLUMNS]], [109.0, 98.0, 116.0]);
}

#[test]
fn inconsistent_tables_are_refused() {
    let mut random = Random::new(13);
    let good = Owned::draw(20, 6, 1, 0.5, &mut random);
    assert!(good.edges().is_ok());
    let refused = |change: &dyn Fn(&mut Owned), error: EdgesError| {
        let mut owned = good.clone();
        change(&mut owned);
        assert_eq!(owned.edges().err(), Some(error));
    };
    refused(&|o| o.rows = 2, EdgesError::Rows);
    refused(&|o| o.rows = 8, EdgesError::Rows);
    refused(&|o| o.starts[0] = 1, EdgesError::Starts);
    refused(&|o| o.starts[2] = o.starts[1] - 1, EdgesError::Starts);
    refused(&|o| *o.starts.last_mut().unwrap() += 1, EdgesError::Starts);
    refused(&|o| o.starts.truncate(6), EdgesError::Starts);
    refused(&|o| o.inputs.truncate(o.places.len() - 1), EdgesError::Starts);
    refused(&|o| *o.inputs.last_mut().unwrap() = 20, EdgesError::Input);
    refused(&|o| o.inputs.swap(0, 1), EdgesError::Input);
    refused(&|o| o.n_in = 3, EdgesError::Input);
    refused(&|o| o.places.truncate(o.inputs.len() - 1), EdgesError::Columns);
    refused(&|o| o.outputs.truncate(o.inputs.len() - 1), EdgesError::Columns);
    refused(&|o| o.places.swap(0, 1), EdgesError::Columns);
    refused(&|o| o.outputs.swap(0, 1), EdgesError::Columns);
    refused(&|o| o.places[0] = u32::MAX, EdgesError::Columns);
    refused(&|o| o.column_starts = Vec::new(), EdgesError::Columns);
    let blocks = Owned::draw(20, 2, 8, 0.5, &mut random);
    assert!(blocks.edges().is_ok());
    assert_eq!(Owned { column_starts: vec![0], ..blocks }.edges().err(), Some(EdgesError::Columns));
}

#[test]
fn slices_of_other_lengths_are_refused() {
    let mut random = Random::new(14);
    let owned = Owned::draw(5, 3, 1, 1.1, &mut random);
    let edges = owned.edges().expect("the tables are consistent");
    for ready in kernels() {
        let run = |weights, biases, x, width, sums| {
            let mut written = vec![7.0; sums];
            let result =
                ready.forward(&edges, &vec![1.0; weights], &vec![1.0; biases], &vec![1.0; x], width, &mut written);
            assert!(result.is_ok() || written.iter().all(|&v| v == 7.0));
            result
        };
        assert_eq!(run(15, 3, 80, 16, 48), Ok(()));
        let wrong = |what, expected, found| Err(LengthError { what, expected, found });
        assert_eq!(run(14, 3, 80, 16, 48), wrong("weights", 15, 14));
        assert_eq!(run(15, 2, 80, 16, 48), wrong("biases", 3, 2));
        assert_eq!(run(15, 3, 79, 16, 48), wrong("x", 80, 79));
        assert_eq!(run(15, 3, 80, 16, 47), wrong("sums", 48, 47));
        assert_eq!(run(15, 3, 75, 15, 45), wrong("a row of columns", 16, 15));
        assert_eq!(run(15, 3, 0, 0, 0), wrong("a row of columns", 16, 0));
        let (mut p, mut m, mut v) = ([0.0; 3], [0.0; 3], [0.0; 2]);
        let adam = Adam { rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, l2: 0.0 };
        assert_eq!(ready.adam(&adam, &[&[1.0; 3]], &mut p, &mut m, &mut v), wrong("second", 3, 2));
        assert_eq!(ready.adam(&adam, &[&[1.0; 2]], &mut p, &mut m, &mut [0.0; 3]), wrong("a gradient", 3, 2));
        let momentum = Momentum { rate: 0.01, momentum: 0.9, l2: 0.0 };
        assert_eq!(ready.momentum(&momentum, &[], &mut p, &mut [0.0; 1]), wrong("velocity", 3, 1));
    }
}

#[test]
fn kernels_name_their_instruction_set() {
    let names: Vec<String> =
        training_kernels().iter().map(|kernels: &&TrainingKernels| format!("{kernels:?}")).collect();
    assert_eq!(names.last().map(String::as_str), Some("training/scalar"));
}
