//! Crop, pool, scale and pad.

use super::{DataError, Dataset, PixelsPart, RawPart};
use crate::recipe::Input;

const BYTE_SCALE: f32 = 1.0 / 255.0;

/// The centre `side × side` pixels of images, averaged over `pool × pool` squares.
struct Window {
    cols: usize,
    top: usize,
    left: usize,
    rows_kept: usize,
    cols_kept: usize,
    pool: usize,
}

pub(super) fn apply(raw: &RawPart<'_>, input: &Input) -> Result<Dataset, DataError> {
    let window = Window::new(raw.rows, raw.cols, input)?;
    let pixels = window.outputs();
    if pixels > input.width {
        return Err(DataError::TooWide { pixels, width: input.width });
    }
    let size = raw.rows * raw.cols;
    let mut values = vec![0.0; raw.labels.len() * input.width];
    let samples = values.chunks_exact_mut(input.width);
    match raw.pixels {
        PixelsPart::Bytes(bytes) => {
            let scale = input.scale.unwrap_or(BYTE_SCALE);
            samples.zip(bytes.chunks_exact(size)).for_each(|(sample, image)| {
                window.fill(sample, scale, |at| f32::from(image[at]));
            });
        }
        PixelsPart::Floats(floats) => {
            let scale = input.scale.unwrap_or(1.0);
            samples.zip(floats.chunks_exact(size)).for_each(|(sample, image)| {
                window.fill(sample, scale, |at| image[at]);
            });
        }
    }
    Dataset::new(input.width, values, raw.labels.to_vec())
}

impl Window {
    fn new(rows: usize, cols: usize, input: &Input) -> Result<Self, DataError> {
        let side = input.crop.unwrap_or(0);
        if side > rows.min(cols) {
            let rule = "it can be no larger than the image";
            return Err(DataError::Transform { key: "crop", value: side, rows, cols, rule });
        }
        let (rows_kept, cols_kept) = if input.crop.is_some() { (side, side) } else { (rows, cols) };
        let pool = input.average_pool.unwrap_or(1);
        if pool == 0 || !rows_kept.is_multiple_of(pool) || !cols_kept.is_multiple_of(pool) {
            let rule = "it must divide both sides";
            return Err(DataError::Transform {
                key: "average_pool",
                value: pool,
                rows: rows_kept,
                cols: cols_kept,
                rule,
            });
        }
        Ok(Self { cols, top: (rows - rows_kept) / 2, left: (cols - cols_kept) / 2, rows_kept, cols_kept, pool })
    }

    /// Pixels that are left of an image.
    const fn outputs(&self) -> usize {
        (self.rows_kept / self.pool) * (self.cols_kept / self.pool)
    }

    /// Writes an image's [`outputs`](Self::outputs) pixels to the start of `sample`; `pixel` reads the image, row by row.
    fn fill(&self, sample: &mut [f32], scale: f32, pixel: impl Fn(usize) -> f32) {
        let scale = scale / (self.pool * self.pool) as f32;
        let mut sample = sample.iter_mut();
        for row in (self.top..self.top + self.rows_kept).step_by(self.pool) {
            for col in (self.left..self.left + self.cols_kept).step_by(self.pool) {
                let square = (0..self.pool).flat_map(|down| (0..self.pool).map(move |right| (row + down, col + right)));
                let sum: f32 = square.map(|(row, col)| pixel(row * self.cols + col)).sum();
                if let Some(value) = sample.next() {
                    *value = sum * scale;
                }
            }
        }
    }
}
