//! Image sets: the bundled one, other forms, and every bad file.
#![allow(missing_docs)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use lacewing_models::data::{self, DataError, Dataset, Part};
use lacewing_models::recipe::{Input, Recipe};
use ndarray::{Array1, Array3};
use ndarray_npy::{NpzWriter, WritableElement};
use tempfile::TempDir;

fn mnist(part: Part, input: &Input) -> Dataset {
    data::load(data::bundled_mnist(), part, input).unwrap()
}

/// The test images of MNIST, padded.
fn mnist_test() -> &'static Dataset {
    static TEST: OnceLock<Dataset> = OnceLock::new();
    TEST.get_or_init(|| mnist(Part::Test, &Input::plain(800)))
}

#[test]
fn mnist_has_its_parts() {
    let input = Input { average_pool: Some(28), ..Input::plain(1) };
    let (train, validation) = (mnist(Part::Train, &input), mnist(Part::Validation, &input));
    assert_eq!((train.len(), validation.len()), (50_000, 10_000));
    assert_eq!(train.labels()[..10], [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!(validation.labels()[..6], [3, 8, 6, 9, 6, 4]);
}

#[test]
fn mnist_is_scaled_and_padded() {
    let test = mnist_test();
    let mut counts = [0; 10];
    test.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
    assert_eq!(counts, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    for (sample, _) in test.iter() {
        assert!(sample[784..].iter().all(|&value| value == 0.0));
        assert!(sample[..784].iter().all(|value| (0.0..=1.0).contains(value)));
    }
    // The published mean of the test pixels is 0.1325.
    let sum: f64 = test.values().iter().map(|&value| f64::from(value)).sum();
    assert!((sum / 7_840_000.0 - 0.1325).abs() < 1e-4, "{}", sum / 7_840_000.0);
}

#[test]
fn pooling_averages_what_plain_input_has() {
    let plain = mnist_test();
    let pooled = mnist(Part::Test, &Input { average_pool: Some(4), ..Input::plain(49) });
    let cropped = mnist(Part::Test, &Input { crop: Some(20), average_pool: Some(2), ..Input::plain(100) });
    for i in [0, 1, 9_999] {
        let mean = |row: usize, col: usize, side: usize| {
            let rows = (row..row + side).flat_map(|row| plain.sample(i)[row * 28 + col..][..side].iter());
            rows.sum::<f32>() / (side * side) as f32
        };
        for (at, value) in pooled.sample(i).iter().enumerate() {
            assert!((value - mean(at / 7 * 4, at % 7 * 4, 4)).abs() < 1e-6);
        }
        // The centre 20 × 20 starts at (4, 4).
        for (at, value) in cropped.sample(i).iter().enumerate() {
            assert!((value - mean(4 + at / 10 * 2, 4 + at % 10 * 2, 2)).abs() < 1e-6);
        }
    }
}

/// An IDX file of bytes.
fn idx(axes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|axis| file.extend_from_slice(&axis.to_be_bytes()));
    file.extend_from_slice(bytes);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A directory with a training set of twelve images of 2 × 2.
struct Small(TempDir);

impl Small {
    const IMAGES: &str = "train-images-idx3-ubyte";
    const LABELS: &str = "train-labels-idx1-ubyte";

    fn new() -> Self {
        let small = Self(tempfile::tempdir().unwrap());
        small.put(Self::IMAGES, &Self::images());
        small.put(Self::LABELS, &Self::labels());
        small
    }

    fn images() -> Vec<u8> {
        idx(&[12, 2, 2], &(0..48).collect::<Vec<u8>>())
    }

    fn labels() -> Vec<u8> {
        idx(&[12], &[0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn take(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    fn load(&self, part: Part) -> Result<Dataset, DataError> {
        data::load(self.0.path(), part, &Input::plain(5))
    }

    fn refused(&self, words: &[&str]) {
        let error = self.load(Part::Train).unwrap_err().to_string();
        words.iter().for_each(|words| assert!(error.contains(words), "{error:?} does not say {words:?}"));
    }
}

#[test]
fn idx_is_told_by_content() {
    let small = Small::new();
    let raw = small.load(Part::AllTrain).unwrap();
    assert_eq!((raw.len(), raw.label(11)), (12, 2));
    assert_eq!(raw.sample(1), [4.0, 5.0, 6.0, 7.0, 0.0].map(|value: f32| value * (1.0 / 255.0)));
    let (train, validation) = (small.load(Part::Train).unwrap(), small.load(Part::Validation).unwrap());
    assert_eq!((train.len(), validation.len()), (10, 2));
    assert!(raw.iter().eq(train.iter().chain(validation.iter())));
    // Gzipped under the plain name, and under .gz; one name with a dot.
    small.put(Small::IMAGES, &gzip(&Small::images()));
    assert_eq!(small.load(Part::AllTrain).unwrap(), raw);
    small.take(Small::IMAGES);
    small.take(Small::LABELS);
    small.put("train-images-idx3-ubyte.gz", &gzip(&Small::images()));
    small.put("train-labels.idx1-ubyte", &Small::labels());
    assert_eq!(small.load(Part::AllTrain).unwrap(), raw);
}

#[test]
fn a_path_where_there_is_nothing_is_no_folder_without_images() {
    for name in ["gone.npz", "gone"] {
        let path = tempfile::tempdir().unwrap().path().join(name);
        let error = data::load(&path, Part::Train, &Input::plain(784)).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains("No such file"), "{error}");
    }
}

#[test]
fn missing_files_are_named() {
    let small = Small::new();
    let error = small.load(Part::Test).unwrap_err().to_string();
    assert!(error.contains("t10k-images-idx3-ubyte") && error.contains("x_train"), "{error}");
    small.take(Small::LABELS);
    small.refused(&["train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"]);
    let error = data::load("no/such/place", Part::Train, &Input::plain(5)).unwrap_err().to_string();
    assert!(error.contains("no/such/place"), "{error}");
}

#[test]
fn damaged_idx_files_are_refused() {
    let small = Small::new();
    let images = Small::images();
    for length in [0, 3, 4, 15, 16, images.len() - 1] {
        small.put(Small::IMAGES, &images[..length]);
        small.refused(&["train-images-idx3-ubyte"]);
    }
    let zipped = gzip(&images);
    for length in [2, 10, zipped.len() / 2, zipped.len() - 1] {
        small.put(Small::IMAGES, &zipped[..length]);
        small.refused(&["train-images-idx3-ubyte", "cut short"]);
    }
    small.put(Small::IMAGES, &[&images[..], &[0]].concat());
    small.refused(&["49 bytes", "48"]);
    small.put(Small::IMAGES, &Small::labels());
    small.refused(&["[00, 00, 08, 01]", "[00, 00, 08, 03]"]);
    // Announces more than any memory holds.
    small.put(Small::IMAGES, &idx(&[u32::MAX, 200, 200], &[0; 9]));
    small.refused(&["9 bytes"]);
    small.put(Small::IMAGES, &idx(&[12, u32::MAX, u32::MAX], &[]));
    small.refused(&["12 images"]);
    small.put(Small::IMAGES, &idx(&[0, 2, 2], &[]));
    small.refused(&["0 images"]);
}

#[test]
fn input_that_does_not_fit_is_refused() {
    let small = Small::new();
    let refused = |input: Input, words: &str| {
        let error = data::load(small.0.path(), Part::Train, &input).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(Input::plain(3), "4 pixels for a network of 3 inputs");
    refused(Input { crop: Some(3), ..Input::plain(9) }, "crop = 3");
    refused(Input { crop: Some(0), ..Input::plain(9) }, "crop = 0");
    refused(Input { average_pool: Some(3), ..Input::plain(9) }, "average_pool = 3");
    refused(Input { average_pool: Some(0), ..Input::plain(9) }, "average_pool = 0");
    refused(Input { scale: Some(f32::MAX), ..Input::plain(4) }, "infinite");
}

#[test]
fn labels_are_checked() {
    let small = Small::new();
    small.put(Small::LABELS, &idx(&[11], &[0; 11]));
    small.refused(&["12 images", "11 labels"]);
    small.put(Small::LABELS, &Small::labels());
    let recipe = "name = \"a\"\nclasses = 2\n[input]\nwidth = 4\n[[junction]]\noutputs = 2\n";
    let error = data::load_for(small.0.path(), Part::Train, &Recipe::parse(recipe).unwrap()).unwrap_err().to_string();
    assert!(error.contains("sample 2") && error.contains("label 2") && error.contains("2 classes"), "{error}");
    let three = recipe.replace("= 2", "= 3");
    assert_eq!(data::load_for(small.0.path(), Part::Train, &Recipe::parse(&three).unwrap()).unwrap().len(), 10);
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn numpy_archives_load() {
    let u8 = data::load(fixture("tiny-u8.npz"), Part::AllTrain, &Input::plain(20)).unwrap();
    assert_eq!((u8.len(), u8.label(5), u8.label(6)), (12, 2, 0));
    assert!((u8.sample(1)[3] - 19.0 / 255.0).abs() < 1e-7);
    assert_eq!(u8.sample(1)[16..], [0.0; 4]);
    // f32 data keep their scale; the axes' order in the file does not matter.
    let f32 = data::load(fixture("tiny-f32-fortran.npz"), Part::AllTrain, &Input::plain(16)).unwrap();
    assert_eq!(f32.sample(1)[3], 19.0);
    assert_eq!(f32.labels(), u8.labels());
    let test = data::load(fixture("tiny-f32-fortran.npz"), Part::Test, &Input::plain(16)).unwrap();
    assert_eq!((test.len(), test.sample(5)[0]), (6, 80.0));
    // A directory with one archive is that archive.
    let directory = tempfile::tempdir().unwrap();
    fs::copy(fixture("tiny-u8.npz"), directory.path().join("set.npz")).unwrap();
    assert_eq!(data::load(directory.path(), Part::AllTrain, &Input::plain(20)).unwrap(), u8);
}

/// Loads an archive of these training arrays.
fn npz<X: WritableElement, Y: WritableElement>(x: &Array3<X>, y: &Array1<Y>) -> Result<Dataset, DataError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("set.npz");
    let mut writer = NpzWriter::new(fs::File::create(&path).unwrap());
    writer.add_array("x_train", x).unwrap();
    writer.add_array("y_train", y).unwrap();
    writer.finish().unwrap();
    data::load(&path, Part::AllTrain, &Input::plain(4))
}

#[test]
fn bad_archives_are_refused() {
    let x = Array3::<f32>::zeros((6, 2, 2));
    let y = Array1::<i64>::zeros(6);
    assert_eq!(npz(&x, &y).unwrap().len(), 6);
    let refused = |loaded: Result<Dataset, DataError>, words: &str| {
        let error = loaded.unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = x.clone();
        x[[4, 1, 1]] = value;
        refused(npz(&x, &y), "sample 4, value 3");
    }
    refused(npz(&x, &Array1::<i64>::zeros(5)), "6 images");
    refused(npz(&x, &Array1::from_elem(6, -1_i64)), "y_train[0] = -1");
    refused(npz(&x, &Array1::from_elem(6, 70_000_i64)), "70000");
    refused(npz(&x, &Array1::<f32>::zeros(6)), "integer");
    refused(npz(&Array3::<i32>::zeros((6, 2, 2)), &y), "u8, f32 or f64");
    refused(npz(&Array3::<u8>::zeros((0, 2, 2)), &Array1::<i64>::zeros(0)), "at least one image");
    let path = fixture("mask-bool.npz");
    refused(data::load(&path, Part::Train, &Input::plain(4)), "no array x_train");
    let small = Small::new();
    small.put("cut.npz", &fs::read(&path).unwrap()[..100]);
    refused(data::load(small.0.path().join("cut.npz"), Part::Train, &Input::plain(4)), "no .npz archive");
}

#[test]
fn every_truncation_and_flip_of_an_archive_is_answered() {
    let whole = fs::read(fixture("tiny-f32-fortran.npz")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("set.npz");
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(data::load(&path, Part::Train, &Input::plain(16)).is_err(), "{length}");
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        // Some flips touch nothing that is read (times, attributes); none may panic, nor change a value unnoticed.
        if let Ok(set) = data::load(&path, Part::AllTrain, &Input::plain(16)) {
            assert_eq!(set.sample(1)[3], 19.0, "{at}");
        }
    }
}

#[test]
fn data_sets_by_hand_are_checked() {
    assert!(Dataset::new(2, vec![0.0; 6], vec![0; 3]).is_ok());
    assert!(Dataset::new(2, vec![0.0; 5], vec![0; 3]).is_err());
    assert!(Dataset::new(0, vec![], vec![]).is_err());
    assert!(Dataset::new(usize::MAX, vec![], vec![0; 3]).is_err());
    let error = Dataset::new(2, vec![0.0, 0.0, 0.0, f32::NAN], vec![0; 2]).unwrap_err().to_string();
    assert!(error.contains("sample 1, value 1"), "{error}");
}
