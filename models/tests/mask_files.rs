//! Mask files: there and back in both forms, and every bad one.
#![allow(missing_docs)]

use std::fs;
use std::path::Path;

use lacewing_models::mask_file::{self, MaskFileError};
use lacewing_models::{Mask, Pattern};
use ndarray::{Array1, Array2};
use ndarray_npy::{NpzWriter, WritableElement};

#[test]
fn there_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let mask = Pattern::Random { out_degree: 5 }.mask(40, 20, 1).unwrap();
    for name in ["a.npz", "a.safetensors"] {
        let path = directory.path().join(name);
        mask_file::write(&path, &mask).unwrap();
        assert_eq!(mask_file::read(&path).unwrap(), mask);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn numpys_booleans_are_masks() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/mask-bool.npz");
    let mut eye = Mask::empty(5, 3);
    (0..3).for_each(|i| eye.insert(i, i));
    assert_eq!(mask_file::read(path).unwrap(), eye);
}

#[test]
fn nothing_is_left_of_a_failed_write() {
    let directory = tempfile::tempdir().unwrap();
    let mask = Mask::dense(3, 2);
    let write = |name: &str| mask_file::write(directory.path().join(name), &mask).unwrap_err();
    assert!(matches!(write("mask.h5"), MaskFileError::Extension { .. }));
    assert!(matches!(write("mask"), MaskFileError::Extension { .. }));
    assert!(matches!(write("no/mask.npz"), MaskFileError::Write { .. }));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

fn npz<T: WritableElement>(path: &Path, name: &str, array: &Array2<T>) {
    let mut writer = NpzWriter::new(fs::File::create(path).unwrap());
    writer.add_array(name, array).unwrap();
    writer.finish().unwrap();
}

#[test]
fn bad_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mask.npz");
    let refused = |path: &Path, words: &str| {
        let error = mask_file::read(path).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    refused(&path, "mask.npz");
    npz(&path, "weights", &Array2::<u8>::zeros((2, 3)));
    refused(&path, "no array called mask");
    npz(&path, "mask", &Array2::<f32>::zeros((2, 3)));
    refused(&path, "u8 or bool");
    npz(&path, "mask", &Array2::<u8>::from_elem((2, 3), 2));
    refused(&path, "mask entry 2 at output 0, input 0");
    let mut writer = NpzWriter::new(fs::File::create(&path).unwrap());
    writer.add_array("mask", &Array1::<u8>::zeros(6)).unwrap();
    writer.finish().unwrap();
    refused(&path, "[6]");

    let path = directory.path().join("mask.safetensors");
    fs::write(&path, b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
    refused(&path, "no safetensors file");
    mask_file::write(&path, &Mask::dense(3, 2)).unwrap();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        refused(&path, "mask.safetensors");
    }
}
