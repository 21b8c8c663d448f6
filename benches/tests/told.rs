//! What `lacewing inspect --target cortex-m4` tells of the bundled models, f32 and int8, held against the programs measured on the emulated board.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use lacewing_benches::boards::goldens::Golden;
use lacewing_benches::cortex_m4::measured::{MeasuredRecord, models};
use lacewing_benches::cortex_m4::record::read;
use lacewing_converter::predict::predict;
use lacewing_engine::{KernelSet, Model};

/// Hundredths that a figure may be apart.
const APART: u64 = 5;

#[test]
fn programs_take_what_is_told_of_their_models() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let record: MeasuredRecord = read(&root.join("benches/record/cortex-m4/measured.toml")).unwrap();
    let models = models(root).unwrap();
    let (mut f32s, mut int8s, mut apart) = (0, 0, Vec::new());
    for measured in &record.programs {
        let golden = models.iter().find(|golden| golden.name == measured.name).unwrap();
        let model = Model::parse(&golden.model, &KernelSet::ALL).unwrap();
        let images = images_of(golden, &model);
        let told = predict(&model, "cortex-m4", &images.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        if golden.is_exact() {
            int8s += 1
        } else {
            f32s += 1
        }
        let figures = [
            ("flash", told.flash, measured.flash()),
            ("RAM", told.ram, measured.ram),
            ("stack", told.stack, measured.stack),
            ("instructions", told.instructions.unwrap_or_default(), measured.instructions),
            ("longest step", told.longest_step.unwrap_or_default(), measured.longest_step),
        ];
        apart.extend(figures.into_iter().filter_map(|(what, told, measured_)| {
            let far = (told as u64).abs_diff(measured_) * 100 > APART * measured_;
            far.then(|| format!("{what} of {}: {told} told, {measured_} measured", measured.name))
        }));
    }
    assert_eq!(apart, [""; 0]);
    assert!(f32s >= 2 && int8s >= 2, "{f32s} and {int8s} programs on record");
}

/// The images that the program on record ran, as numbers.
fn images_of(golden: &Golden, model: &Model<'_>) -> Vec<Vec<f32>> {
    let values: Vec<f32> = match model.input() {
        Some(quantisation) => golden.inputs.iter().map(|q| quantisation.dequantise(*q as i8)).collect(),
        None => golden.inputs.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
    };
    values.chunks(model.n_in()).map(<[f32]>::to_vec).collect()
}

#[test]
fn images_of_another_width_are_refused_and_without_any_no_input_is_zero() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let models = models(root).unwrap();
    let golden = models.iter().find(|golden| golden.name.ends_with("40-10, int8 for speed")).unwrap();
    let model = Model::parse(&golden.model, &KernelSet::ALL).unwrap();
    let error = predict(&model, "cortex-m4", &[&[0.0; 3]]).unwrap_err().to_string();
    assert!(error.contains("3 values") && error.contains("800 inputs"), "{error}");
    let told = |images: &[&[f32]]| predict(&model, "cortex-m4", images).unwrap().instructions.unwrap();
    assert!(told(&[&[0.0; 800]]) < told(&[&[1.0; 800]]) && told(&[&[1.0; 800]]) <= told(&[]));
}

#[test]
fn an_unknown_target_is_refused_with_those_that_are_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let bytes = std::fs::read(root.join("firmware/qemu/model/head.lace")).unwrap();
    let model = Model::parse(&bytes, &KernelSet::ALL).unwrap();
    let error = predict(&model, "cortex-m3", &[]).unwrap_err().to_string();
    assert!(error.contains("cortex-m3") && error.contains("cortex-m4"), "{error}");
}
