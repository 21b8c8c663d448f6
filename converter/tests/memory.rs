//! Conversion in bounded memory: a large tensor is in memory twice at most, whatever kind of file it is in.

mod support;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;
use std::path::{Path, PathBuf};

use lacewing_converter::convert::{Dtype, HEAD, Options, convert};
use lacewing_converter::export::{arrays, onnx};
use lacewing_converter::import::import_reading;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use support::written::{Hdf5, View, state_dict, tflite};
use support::{Raw, Trained, archive};

/// Counts the bytes that are there, and the most there ever were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of the caller's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }

    // Large blocks grow by being mapped elsewhere, not by being copied.
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(size, Relaxed) + size - layout.size(), Relaxed);
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const WIDTH: usize = 1200;
/// Of the first, the largest.
const TENSOR_BYTES: usize = WIDTH * WIDTH * 4;

/// The most bytes that `work` had in memory beside those that were there.
fn most(work: impl FnOnce()) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    MOST.load(Relaxed) - before
}

fn read(file: &Path, recipe: Option<&Recipe>, nnz: usize) {
    let mut source = Source::open(file).unwrap();
    let reading = Reading::of(&mut source, recipe.cloned(), None).unwrap();
    let imported = import_reading(&mut source, reading).unwrap();
    assert_eq!(imported.network.trunk[0].edges.nnz(), nnz);
}

/// A safetensors file of two layers, inputs first as Keras and NumPy have them, the first with these weights.
fn file_of(dir: &Path, weights: &[f32], mask: Option<&[f32]>) -> PathBuf {
    let mut trained = Trained::default();
    let mut put = |name: &str, values: &[f32]| {
        trained.tensors.insert(name.into(), Raw::f32(&[WIDTH, values.len() / WIDTH], values));
    };
    put("a/kernel", weights);
    mask.into_iter().for_each(|mask| put("a/mask", mask));
    put("b/kernel", &[0.25; WIDTH * 10]);
    trained.write(dir)
}

/// The same network in the formats that are written here.
fn in_all_formats(dir: &Path, safetensors: PathBuf) -> [(PathBuf, Option<Recipe>); 3] {
    let out = dir.join("out");
    convert(&safetensors, None, &out, &Options::default()).unwrap();
    let model = std::fs::read(out.join(HEAD)).unwrap();
    let (npz, npz_recipe) = arrays(&model).unwrap();
    let files = [("network.npz", npz), ("network.onnx", onnx(&model).unwrap())];
    let [npz, onnx] = files.map(|(name, bytes)| {
        std::fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    });
    [(safetensors, None), (npz, Some(Recipe::parse(&npz_recipe.unwrap()).unwrap())), (onnx, None)]
}

/// Fails where `most`, of `what`, is above twice the largest tensor, of `tensor` bytes, and `share` of another.
fn within(what: &str, most: usize, tensor: usize, share: f64) {
    let times = most as f64 / tensor as f64;
    assert!(times <= 2.0 + share, "{what}: {most} bytes, {times:.2} times the largest tensor");
}

fn reads_within(file: &Path, recipe: Option<&Recipe>, nnz: usize) {
    let most = most(|| read(file, recipe, nnz));
    within(&format!("reading {}", file.display()), most, TENSOR_BYTES, 0.1);
}

/// Two per cent of the first matrix, masks beside both; the edges that are kept are a twentieth of it. Then a dense one, and that
/// from file to file.
fn one_tensor(dir: &Path) {
    let weights: Vec<f32> = (0..WIDTH * WIDTH).map(|at| if at % 50 == 7 { 0.5 } else { 0.0 }).collect();
    let mask: Vec<f32> = weights.iter().map(|weight| f32::from(u8::from(*weight != 0.0))).collect();
    let sparse = file_of(dir, &weights, Some(&mask));
    for (file, recipe) in in_all_formats(dir, sparse) {
        reads_within(&file, recipe.as_ref(), WIDTH * WIDTH / 50);
    }
    let weights: Vec<f32> = (0..WIDTH * WIDTH).map(|at| (at % 1000) as f32 / 1e6 + 1e-4).collect();
    let dense = file_of(dir, &weights, None);
    drop((weights, mask));
    let converting = most(|| drop(convert(&dense, None, &dir.join("dense"), &Options::default()).unwrap()));
    within("converting one tensor", converting, TENSOR_BYTES, SAMPLES_AND_THREADS);
    for (file, recipe) in in_all_formats(dir, dense) {
        reads_within(&file, recipe.as_ref(), WIDTH * WIDTH);
    }
}

/// Pieces on their way to a file, samples to compare with, and what the threads that run them need.
const SAMPLES_AND_THREADS: f64 = 0.15;

/// Of five layers alike.
const EACH: usize = 800;

/// Five layers alike, and a small one that decides; the weights that `edge(output, input)` says there are.
fn five_layers(dir: &Path, edge: impl Fn(usize, usize) -> bool) -> PathBuf {
    let mut trained = Trained::default();
    for layer in 1..=5 {
        let value = |at: usize| ((at + layer) % 997) as f32 / 1e6 + 1e-4;
        let weight = |at: usize| if edge(at / EACH, at % EACH) { value(at) } else { 0.0 };
        let weights: Vec<f32> = (0..EACH * EACH).map(weight).collect();
        trained.tensors.insert(format!("{layer}.weight"), Raw::f32(&[EACH, EACH], &weights));
    }
    trained.tensors.insert("6.weight".into(), Raw::f32(&[10, EACH], &[0.25; EACH * 10]));
    trained.write(dir)
}

/// However many large layers there are, whole and split, in f32 and in int8.
fn many_tensors(dir: &Path) {
    let images: Vec<u8> = (0..24 * EACH).map(|at| (at * 31 % 251) as u8).collect();
    let labels: Vec<u8> = (0..24).map(|at| at % 10).collect();
    let [images, labels] = [npy("|u1", false, &[24, 40, EACH / 40], &images), npy("|u1", false, &[24], &labels)];
    let names = ["x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy"];
    let arrays: [&[u8]; 4] = [&images, &labels, &images, &labels];
    let data = dir.join("data.npz");
    std::fs::write(&data, archive(names.into_iter().zip(arrays), zip::CompressionMethod::Stored)).unwrap();
    let dense = five_layers(dir, |_, _| true);
    let rows = five_layers(&folder(dir, "rows"), |output, input| (input * 7 + output * 13) % 10 < 3);
    let blocks = five_layers(&folder(dir, "blocks"), |output, input| (input / 8 + output / 8) % 4 == 0);
    let cases = [
        ("dense", &dense, 0, Dtype::F32),
        ("dense", &dense, 2, Dtype::F32),
        ("dense", &dense, 2, Dtype::I8),
        ("rows", &rows, 0, Dtype::F32),
        ("rows", &rows, 0, Dtype::I8),
        ("blocks", &blocks, 2, Dtype::F32),
        ("blocks", &blocks, 0, Dtype::I8),
    ];
    for (what, file, split_after, dtype) in cases {
        let calibrate = (dtype == Dtype::I8).then_some(data.as_path());
        let options = Options { split_after: Some(split_after), dtype, calibrate, ..Options::default() };
        let most = most(|| drop(convert(file, None, &dir.join("out"), &options).unwrap()));
        let what = format!("converting five of {what}, split behind {split_after}, {dtype:?}");
        within(&what, most, 4 * EACH * EACH, SAMPLES_AND_THREADS);
    }
}

fn folder(dir: &Path, name: &str) -> PathBuf {
    std::fs::create_dir_all(dir.join(name)).unwrap();
    dir.join(name)
}

/// A .npy file.
fn npy(element: &str, fortran: bool, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let (order, lengths) = (if fortran { "True" } else { "False" }, shape.iter().map(|length| format!("{length}, ")));
    let lengths: String = lengths.collect();
    let header = format!("{{'descr': '{element}', 'fortran_order': {order}, 'shape': ({lengths}), }}");
    let header = format!("{header:117}\n");
    [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), values].concat()
}

/// Arrays in Fortran's order are turned without more memory than that.
fn turned(dir: &Path) {
    let weights: Vec<u8> = (0..WIDTH * WIDTH).flat_map(|at| (at as f32 / 1e6 + 1e-4).to_le_bytes()).collect();
    let last: Vec<u8> = (0..WIDTH * 10).flat_map(|_| 0.25f32.to_le_bytes()).collect();
    let arrays = [npy("<f4", true, &[WIDTH, WIDTH], &weights), npy("<f4", true, &[10, WIDTH], &last)];
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let file = dir.join("turned.npz");
        let members = ["0.weight.npy", "2.weight.npy"].into_iter().zip(arrays.iter().map(Vec::as_slice));
        std::fs::write(&file, archive(members, method)).unwrap();
        reads_within(&file, None, WIDTH * WIDTH);
    }
    let files = folder(dir, "arrays");
    arrays.iter().zip(["0", "2"]).for_each(|(array, name)| {
        std::fs::write(files.join(format!("{name}.weight.npy")), array).unwrap();
    });
    reads_within(&files, None, WIDTH * WIDTH);
}

/// What frameworks write themselves: three large layers and a small one, which never are in memory together.
fn of_frameworks(dir: &Path) {
    let large: Vec<Vec<f32>> =
        (1..=3).map(|layer| (0..WIDTH * WIDTH).map(|at| ((at + layer) % 997) as f32 / 1e6 + 1e-4).collect()).collect();
    let last = vec![0.25; WIDTH * 10];
    let layers: Vec<&[f32]> = large.iter().map(Vec::as_slice).chain([last.as_slice()]).collect();
    let reads = |name: &str, bytes: Vec<u8>| {
        let file = dir.join(name);
        std::fs::write(&file, bytes).unwrap();
        reads_within(&file, None, WIDTH * WIDTH);
    };
    // As they are stored, and views with the axes the other way round.
    for (name, strides) in [("network.pt", [WIDTH, 1]), ("turned.pt", [1, WIDTH])] {
        let square = ["0.weight", "2.weight", "4.weight"].into_iter().enumerate();
        let square = square.map(|(at, name)| -> View<'_> { (name, at, &[WIDTH, WIDTH], &strides) });
        let tensors: Vec<View<'_>> = square.chain([("6.weight", 3, &[10, WIDTH][..], &[WIDTH, 1][..])]).collect();
        reads(name, state_dict(&tensors, &layers));
    }
    let shape = |outputs| if outputs == WIDTH * WIDTH { [WIDTH, WIDTH] } else { [10, WIDTH] };
    let matrices: Vec<_> = layers.iter().map(|values| (shape(values.len()), *values)).collect();
    reads("network.tflite", tflite(&matrices));

    let kernel = |values: &'_ [f32]| -> &'static [usize] {
        if values.len() == WIDTH * WIDTH { &[WIDTH, WIDTH] } else { &[WIDTH, 10] }
    };
    let named = layers.iter().enumerate().map(|(at, values)| (format!("W{at}"), Hdf5::Dataset(kernel(values), values)));
    reads("network.h5", Hdf5::Group(named.collect()).file());
    let folders = layers.iter().enumerate().map(|(at, values)| {
        let name = if at == 0 { "dense".into() } else { format!("dense_{at}") };
        (name, Hdf5::under("vars/0", Hdf5::Dataset(kernel(values), values)))
    });
    let weights = Hdf5::under("layers", Hdf5::Group(folders.collect())).file();
    let dense = |at| format!(r#"{{"class_name": "Dense", "config": {{"name": "d{at}", "use_bias": false}}}}"#);
    let dense = (0..layers.len()).map(dense).collect::<Vec<_>>().join(", ");
    let config = format!(r#"{{"class_name": "Sequential", "config": {{"layers": [{dense}]}}}}"#);
    for (name, method) in [("stored", zip::CompressionMethod::Stored), ("deflated", zip::CompressionMethod::Deflated)] {
        let members = [("config.json", config.as_bytes()), ("model.weights.h5", &weights[..])];
        reads(&format!("{name}.keras"), archive(members, method));
    }
}

/// Two tests at once would count each other's bytes.
#[test]
fn twice_the_largest_tensor_at_most() {
    let dir = tempfile::tempdir().unwrap();
    one_tensor(dir.path());
    turned(&folder(dir.path(), "turned"));
    of_frameworks(&folder(dir.path(), "frameworks"));
    many_tensors(&folder(dir.path(), "many"));
}
