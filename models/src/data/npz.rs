//! `.npz` archives of the arrays `x_train`, `y_train`, `x_test` and `y_test`, as Keras and others hand out image sets.

use std::path::Path;

use super::{DataError, MAX_PIXELS, Part, Pixels, RawImages};
use crate::npz::{Array, Elements, Npz};

pub(super) fn load(path: &Path, part: Part) -> Result<RawImages, DataError> {
    let bad = |problem| DataError::Npz { path: path.to_path_buf(), problem };
    let stem = if part == Part::Test { "test" } else { "train" };
    let mut archive = Npz::open(path).map_err(bad)?;
    let mut array = |name: &str| {
        let absent = || format!("it has no array {name}: x_train, y_train, x_test and y_test are expected");
        archive.array(name).and_then(|found| found.ok_or_else(absent)).map_err(bad)
    };
    let (x_name, y_name) = (format!("x_{stem}"), format!("y_{stem}"));
    let (x, y) = (array(&x_name)?, array(&y_name)?);
    let (count, rows, cols) = image_shape(&x_name, &x.shape).map_err(bad)?;
    let labels = labels(&y_name, y).map_err(bad)?;
    if count != labels.len() {
        return Err(DataError::Count { path: path.to_path_buf(), images: count, labels: labels.len() });
    }
    let pixels = match x.elements {
        Elements::Bytes(bytes) => Pixels::Bytes(bytes),
        Elements::Floats(floats) => Pixels::Floats(floats),
        Elements::Integers(_) => return Err(bad(format!("{x_name} is not of type u8, f32 or f64"))),
    };
    Ok(RawImages { rows, cols, pixels, labels })
}

/// (samples, rows, columns), (samples, rows, columns, 1) or (samples, pixels); the last are square where they can be.
fn image_shape(name: &str, shape: &[usize]) -> Result<(usize, usize, usize), String> {
    let (count, rows, cols) = match *shape {
        [count, rows, cols] | [count, rows, cols, 1] => (count, rows, cols),
        [count, pixels] if pixels.isqrt().pow(2) == pixels => (count, pixels.isqrt(), pixels.isqrt()),
        [count, pixels] => (count, 1, pixels),
        _ => return Err(format!("{name} has the shape {shape:?}: (samples, rows, columns) or (samples, pixels)")),
    };
    if count > 0 && (1..=MAX_PIXELS).contains(&rows.saturating_mul(cols)) {
        Ok((count, rows, cols))
    } else {
        Err(format!("{name} has the shape {shape:?}: at least one image, of 1 to {MAX_PIXELS} pixels"))
    }
}

fn labels(name: &str, array: Array) -> Result<Vec<u16>, String> {
    match *array.shape {
        [_] | [_, 1] => {}
        _ => return Err(format!("{name} has the shape {:?}: (samples) is expected", array.shape)),
    }
    match array.elements {
        Elements::Bytes(bytes) => Ok(bytes.into_iter().map(u16::from).collect()),
        Elements::Integers(numbers) => {
            let label = |(i, number)| {
                u16::try_from(number).map_err(|_| format!("{name}[{i}] = {number}: a label is 0 to {}", u16::MAX))
            };
            numbers.into_iter().enumerate().map(label).collect()
        }
        Elements::Floats(_) => Err(format!("{name} is not of an integer type")),
    }
}
