//! Conversion in bounded memory: a large tensor is in memory twice at most, whatever kind of file it is in.

mod support;

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::System;
use std::path::{Path, PathBuf};

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

/// Two tests at once would count each other's bytes.
#[test]
fn twice_the_largest_tensor_at_most() {
    let within = |what: &str, file: &Path, most: usize, bound: usize| {
        let times = most as f64 / TENSOR_BYTES as f64;
        assert!(most <= bound, "{what} {}: {most} bytes, {times:.2} times the largest tensor", file.display());
    };
    // Two per cent of the first matrix, masks beside both; the edges that are kept are a twentieth of it.
    let dir = tempfile::tempdir().unwrap();
    let weights: Vec<f32> = (0..WIDTH * WIDTH).map(|at| if at % 50 == 7 { 0.5 } else { 0.0 }).collect();
    let mask: Vec<f32> = weights.iter().map(|weight| f32::from(u8::from(*weight != 0.0))).collect();
    let sparse = file_of(dir.path(), &weights, Some(&mask));
    for (file, recipe) in in_all_formats(dir.path(), sparse) {
        let most = most(|| read(&file, recipe.as_ref(), WIDTH * WIDTH / 50));
        within("reading", &file, most, 2 * TENSOR_BYTES + TENSOR_BYTES / 10);
    }
    // A dense one, and that from file to file.
    let weights: Vec<f32> = (0..WIDTH * WIDTH).map(|at| (at % 1000) as f32 / 1e6 + 1e-4).collect();
    let dense = file_of(dir.path(), &weights, None);
    drop((weights, mask));
    let most_of = most(|| drop(convert(&dense, None, &dir.path().join("dense"), &Options::default()).unwrap()));
    // Layers beside the largest, samples to compare with, and what the threads that run them need.
    within("converting", &dense, most_of, 2 * TENSOR_BYTES + TENSOR_BYTES / 4);
    for (file, recipe) in in_all_formats(dir.path(), dense) {
        let most = most(|| read(&file, recipe.as_ref(), WIDTH * WIDTH));
        within("reading", &file, most, 2 * TENSOR_BYTES + TENSOR_BYTES / 10);
    }
}
