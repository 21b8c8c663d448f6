//! Import in bounded memory: a large tensor is in memory twice at most, whatever kind of file it is in.

mod support;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;
use std::path::Path;

use lacewing_converter::convert::{HEAD, Options, convert};
use lacewing_converter::export::{arrays, onnx};
use lacewing_converter::import::import_reading;
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use lacewing_models::Recipe;
use support::{Raw, Trained};

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
}

#[global_allocator]
static COUNTING: Counting = Counting;

const WIDTH: usize = 1500;
/// Of the first, the largest.
const TENSOR_BYTES: usize = WIDTH * WIDTH * 4;

/// The most bytes that reading the network in `file` had in memory beside those that were there.
fn most(file: &Path, recipe: Option<&Recipe>) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let mut source = Source::open(file).unwrap();
    let reading = Reading::of(&mut source, recipe.cloned(), None).unwrap();
    let imported = import_reading(&mut source, reading).unwrap();
    assert_eq!(imported.network.trunk[0].edges.nnz(), WIDTH * WIDTH / 50);
    MOST.load(Relaxed) - before
}

#[test]
fn twice_the_largest_tensor_at_most() {
    let dir = tempfile::tempdir().unwrap();
    // Two per cent of the first matrix, masks beside both; inputs first, as Keras and NumPy have them.
    let mut trained = Trained::default();
    let weights: Vec<f32> = (0..WIDTH * WIDTH).map(|at| if at % 50 == 7 { 0.5 } else { 0.0 }).collect();
    let mask: Vec<f32> = weights.iter().map(|weight| f32::from(u8::from(*weight != 0.0))).collect();
    trained.tensors.insert("a/kernel".into(), Raw::f32(&[WIDTH, WIDTH], &weights));
    trained.tensors.insert("a/mask".into(), Raw::f32(&[WIDTH, WIDTH], &mask));
    trained.tensors.insert("b/kernel".into(), Raw::f32(&[WIDTH, 10], &vec![0.25; WIDTH * 10]));
    let safetensors = trained.write(dir.path());
    drop((trained, weights, mask));
    let out = dir.path().join("out");
    convert(&safetensors, None, &out, &Options::default()).unwrap();
    let model = std::fs::read(out.join(HEAD)).unwrap();
    let (npz, npz_recipe) = arrays(&model).unwrap();
    let files = [("network.npz", npz), ("network.onnx", onnx(&model).unwrap())];
    files.iter().for_each(|(name, bytes)| std::fs::write(dir.path().join(name), bytes).unwrap());
    drop(files);
    let recipe = Recipe::parse(&npz_recipe.unwrap()).unwrap();
    let cases =
        [(safetensors, None), (dir.path().join("network.npz"), Some(&recipe)), (dir.path().join("network.onnx"), None)];
    for (file, recipe) in cases {
        let most = most(&file, recipe);
        // The edges that are kept are a twentieth of it.
        let bound = 2 * TENSOR_BYTES + TENSOR_BYTES / 10;
        assert!(
            most <= bound,
            "{}: {most} bytes, {:.2} times the largest tensor",
            file.display(),
            most as f64 / TENSOR_BYTES as f64
        );
    }
}
