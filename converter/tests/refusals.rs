//! Bad input: each is refused with what, where and what to do, and leaves no file behind.

mod support;

use std::path::Path;

use lacewing_converter::convert::{Options, convert};
use lacewing_models::Recipe;
use safetensors::Dtype;
use support::{Raw, Trained, archive, fixture, names, recipe};

/// Converts, expects a refusal with all of `words`, and no file.
fn refused(dir: &Path, file: &Path, recipe: Option<Recipe>, words: &[&str]) {
    let out = dir.join("out");
    let error = match convert(file, recipe, &out, &Options::default()) {
        Err(error) => error.to_string(),
        Ok(report) => panic!("accepted: {report:?}"),
    };
    words.iter().for_each(|word| assert!(error.contains(word), "no {word:?} in: {error}"));
    assert!(names(&out).is_empty(), "{error}: {:?}", names(&out));
}

/// Changes a sound file and expects a refusal.
fn refused_change(change: impl Fn(&mut Trained), words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut trained = Trained::of(&recipe());
    change(&mut trained);
    refused(dir.path(), &trained.write(dir.path()), None, words);
}

fn refused_bytes(bytes: &[u8], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trained");
    std::fs::write(&file, bytes).unwrap();
    refused(dir.path(), &file, Some(recipe()), words);
}

#[test]
fn numbers_that_are_not_finite() {
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let change = |trained: &mut Trained| trained.tensor("junction.2.weight").set_f32(2 * 20 + 7, value);
        refused_change(change, &["junction.2.weight", word, "[2, 7]", "finite"]);
    }
    refused_change(|t| t.tensor("exit.1.junction.1.bias").set_f32(3, f32::NAN), &["exit.1.junction.1.bias", "[3]"]);
    // Outside the mask too, and beyond f32.
    let beyond = |trained: &mut Trained| {
        let bytes = (0..100).flat_map(|at| if at == 21 { 1e300f64 } else { 0.5 }.to_le_bytes()).collect();
        let raw = Raw { dtype: Dtype::F64, shape: vec![5, 20], bytes };
        trained.tensors.insert("exit.1.junction.1.weight".into(), raw);
        trained.tensors.remove("exit.1.junction.1.mask");
    };
    refused_change(beyond, &["exit.1.junction.1.weight", "inf", "[1, 1]"]);
}

#[test]
fn wrong_shapes() {
    let reshape = |shape: &'static [usize]| {
        move |trained: &mut Trained| {
            let values = vec![0.5; shape.iter().product()];
            trained.tensors.insert("junction.2.weight".into(), Raw::f32(shape, &values));
        }
    };
    let needed = "[16, 20]";
    refused_change(reshape(&[16, 21]), &["junction.2.weight", "[16, 21]", needed]);
    refused_change(reshape(&[320]), &["[320]", needed]);
    refused_change(reshape(&[20, 16]), &["[20, 16]", needed, "layout = \"in_out\""]);
    refused_change(reshape(&[0]), &["[0]", needed]);
    refused_change(
        |t| drop(t.tensors.insert("junction.1.bias".into(), Raw::f32(&[20, 1], &[0.0; 20]))),
        &["junction.1.bias", "[20, 1]", "[20]"],
    );
    refused_change(
        |t| drop(t.tensors.insert("junction.1.mask".into(), Raw::f32(&[40, 20], &[1.0; 800]))),
        &["junction.1.mask", "[40, 20]", "[20, 40]"],
    );
    // Far too large: not read at all.
    refused_change(
        |t| drop(t.tensors.insert("junction.1.bias".into(), Raw::f32(&[1 << 20], &vec![0.0; 1 << 20]))),
        &["junction.1.bias", "far more than the recipe's shape needs"],
    );
}

#[test]
fn tensors_that_are_missing_or_no_tensors() {
    refused_change(
        |t| drop(t.tensors.remove("junction.3.weight")),
        &["junction.3.weight", "weights of junction 3", "junction.1.bias, junction.1.mask"],
    );
    refused_change(|t| t.tensor("junction.1.mask").bytes[7] = 2, &["junction.1.mask", "holds 2 at [0, 7]"]);
    let half = |t: &mut Trained| {
        t.tensors
            .insert("junction.3.weight".into(), Raw { dtype: Dtype::F16, shape: vec![5, 16], bytes: vec![0; 160] });
    };
    refused_change(half, &["junction.3.weight", "F16", "float32"]);
    let dir = tempfile::tempdir().unwrap();
    let named = recipe().to_toml().replacen("pattern = \"random\"", "pattern = \"random\"\nmask = \"fc1.mask\"", 1);
    let recipe = Recipe::parse(&named).unwrap();
    refused(dir.path(), &Trained::of(&recipe).write(dir.path()), Some(recipe), &["fc1.mask", "mask of junction 1"]);
}

#[test]
fn recipes() {
    refused_change(|t| drop(t.metadata.insert("lacewing".into(), "2".into())), &["version \"2\"", "update"]);
    refused_change(|t| drop(t.metadata.insert("recipe".into(), "nonsense = 1".into())), &["recipe inside", "nonsense"]);
    // The layout of another framework: said, not guessed.
    let dir = tempfile::tempdir().unwrap();
    let mut turned = Recipe::read(fixture("masked_keras.toml")).unwrap();
    turned.tensors.layout = lacewing_models::recipe::Layout::OutIn;
    refused(dir.path(), &fixture("masked_keras.npz"), Some(turned), &["dense_1/kernel", "[12, 8]", "in_out"]);
}

#[test]
fn files_that_are_none() {
    refused_bytes(b"", &["empty"]);
    refused_bytes(b"x", &["not a file of a trained network"]);
    refused_bytes(&[0x89; 5000], &["not a file of a trained network"]);
    refused_bytes(b"PK\x03\x04 and no archive", &["damaged"]);
    refused_bytes(b"\xff\xff\xff\xff\xff\xff\xff\x7f{\"a\":1}", &["damaged"]);
    let dir = tempfile::tempdir().unwrap();
    refused(dir.path(), &dir.path().join("nothing.npz"), Some(recipe()), &["nothing.npz", "No such file"]);
    refused(dir.path(), dir.path(), Some(recipe()), &["directory"]);
}

#[test]
fn safetensors_cut_off_anywhere() {
    let sound = Trained::of(&recipe()).bytes();
    for cut in (0..sound.len()).step_by(97) {
        refused_bytes(&sound[..cut], &[]);
    }
    refused_bytes(&[&sound[..], b"more"].concat(), &["damaged"]);
}

#[test]
fn npz_cut_off_or_flipped() {
    let (sound, recipe) =
        (std::fs::read(fixture("masked.npz")).unwrap(), Recipe::read(fixture("masked.toml")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cut.npz");
    for cut in (0..sound.len()).step_by(61) {
        std::fs::write(&file, &sound[..cut]).unwrap();
        refused(dir.path(), &file, Some(recipe.clone()), &[]);
    }
    // A flipped byte is refused, or hits what nobody reads; it never panics.
    let mut refusals = 0;
    for at in (0..sound.len()).step_by(13) {
        let mut flipped = sound.clone();
        flipped[at] ^= 0x41;
        std::fs::write(&file, &flipped).unwrap();
        let out = tempfile::tempdir().unwrap();
        refusals += usize::from(convert(&file, Some(recipe.clone()), out.path(), &Options::default()).is_err());
    }
    assert!(refusals > 100, "{refusals}");
}

fn npz(members: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let named: Vec<_> = members.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes)).collect();
    archive(named.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())), method)
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

#[test]
fn npz_members_that_lie() {
    let first = |member: Vec<u8>| npz(&[("junction.1.weight", member)], zip::CompressionMethod::Stored);
    refused_bytes(&first(npy("'<f4'", "(1099511627776, 40)", &[0; 64])), &["junction.1.weight", "damaged"]);
    refused_bytes(&first(npy("'<f4'", "(18446744073709551615, 18446744073709551615)", &[0; 64])), &["damaged"]);
    refused_bytes(&first(npy("'<f4'", "(20, 40)", &[0; 64])), &["damaged"]);
    refused_bytes(&first(npy("'<f4'", "(20, 40)", &[0; 3300])), &["damaged"]);
    refused_bytes(&first(npy("'>f4'", "(20, 40)", &[0; 3200])), &["junction.1.weight"]);
    refused_bytes(&first(npy("'<c16'", "(20, 40)", &[0; 12800])), &["elements of type", "c16"]);
    refused_bytes(&first(npy("'|O'", "(20, 40)", b"cos\nsystem\n")), &["junction.1.weight"]);
    refused_bytes(&first(npy(&"(".repeat(20_000), "(20, 40)", &[])), &["not an array of numbers"]);
    refused_bytes(&first(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec()), &["not an array of numbers"]);
    refused_bytes(&first(Vec::new()), &["not an array of numbers"]);
}

#[test]
fn zip_bombs_are_not_unpacked() {
    let bomb = npy("'<f4'", "(20, 40)", &vec![0; 16 << 20]);
    let bytes = npz(&[("junction.1.weight", bomb)], zip::CompressionMethod::Deflated);
    assert!(bytes.len() < 1 << 16);
    refused_bytes(&bytes, &["junction.1.weight", "far more than the recipe's shape needs"]);
    // Without a recipe its own header says how much it needs.
    let bomb = npy("'<f4'", "(4000, 5000)", &vec![0; 80_000_000]);
    let bytes = npz(&[("fc1.weight", bomb)], zip::CompressionMethod::Deflated);
    assert!(bytes.len() < 1 << 17);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bomb.npz");
    std::fs::write(&file, bytes).unwrap();
    // It may be sound: nothing says that it is damaged.
    refused(
        dir.path(),
        &file,
        None,
        &["bomb.npz: tensor fc1.weight: it unpacks to more than 200 times", "save it uncompressed"],
    );
    // The weights of a Keras archive, and the pickle of a PyTorch one.
    let (deflated, zeros) = (zip::CompressionMethod::Deflated, vec![0; 80_000_000]);
    let keras = archive([("config.json", &b"{}"[..]), ("model.weights.h5", &zeros[..])], deflated);
    // One that says what it unpacks to, and one that says less.
    let lies = replaced(&keras, &(zeros.len() as u32).to_le_bytes(), &1000u32.to_le_bytes());
    for bytes in [keras, lies] {
        std::fs::write(&file, bytes).unwrap();
        refused(dir.path(), &file, None, &["bomb.npz: model.weights.h5: it unpacks to more than 200 times its size"]);
    }
    std::fs::write(&file, archive([("net/data.pkl", &zeros[..])], deflated)).unwrap();
    refused(dir.path(), &file, None, &["bomb.npz: net/data.pkl: it unpacks to more than 200 times its size"]);
}

/// `bytes` with every `old` made `new`, which is as long.
fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut replaced = bytes.to_vec();
    for at in (0..=bytes.len() - old.len()).filter(|at| bytes[*at..].starts_with(old)) {
        replaced[at..at + new.len()].copy_from_slice(new);
    }
    assert_ne!(replaced, bytes);
    replaced
}

#[test]
fn output_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = Trained::of(&recipe()).write(dir.path());
    let error = convert(&file, None, &file.join("out"), &Options::default()).unwrap_err();
    assert!(error.to_string().contains("cannot be written"), "{error}");
    // A folder in the place of the second file: the first is not left alone.
    let out = dir.path().join("out");
    std::fs::create_dir_all(out.join("tail.lace/full")).unwrap();
    assert!(convert(&file, None, &out, &Options::default()).is_err());
    assert_eq!(names(&out), ["tail.lace"]);
}
