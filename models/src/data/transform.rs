//! Crop, pool, scale and pad.

use super::{DataError, Dataset, PixelsPart, RawPart};
use crate::recipe::Input;

/// Of a byte's steps, so that 255 is 1.
pub(crate) const BYTE_SCALE: f32 = 1.0 / 255.0;

/// The centre pixels of images, averaged over `pool × pool` squares.
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
            samples.zip(bytes.chunks_exact(size)).for_each(|(sample, image)| window.fill(sample, image, scale));
        }
        PixelsPart::Floats(floats) => {
            let scale = input.scale.unwrap_or(1.0);
            samples.zip(floats.chunks_exact(size)).for_each(|(sample, image)| window.fill(sample, image, scale));
        }
    }
    Dataset::new(input.width, values, raw.labels.to_vec())
}

impl Window {
    fn new(rows: usize, cols: usize, input: &Input) -> Result<Self, DataError> {
        let (rows_kept, cols_kept) = match input.crop {
            Some(side) if !(1..=rows.min(cols)).contains(&side) => {
                let rule = "it must be at least 1 and no larger than the image";
                return Err(DataError::Transform { key: "crop", value: side, rows, cols, rule });
            }
            Some(side) => (side, side),
            None => (rows, cols),
        };
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

    /// Writes the [`outputs`](Self::outputs) pixels of an image, which stands row by row, to the start of `sample`, which
    /// holds zeros.
    fn fill<P: Copy + Into<f32>>(&self, sample: &mut [f32], image: &[P], scale: f32) {
        let scale = scale / (self.pool * self.pool) as f32;
        let rows = image.chunks_exact(self.cols).skip(self.top).take(self.rows_kept);
        let mut pooled_rows = sample.chunks_exact_mut(self.cols_kept / self.pool);
        let mut pooled_row: &mut [f32] = &mut [];
        for (at, row) in rows.enumerate() {
            if at % self.pool == 0 {
                pooled_row = pooled_rows.next().unwrap_or_default();
            }
            let kept = row.get(self.left..self.left + self.cols_kept).unwrap_or_default();
            for (value, pixels) in pooled_row.iter_mut().zip(kept.chunks_exact(self.pool)) {
                *value += pixels.iter().map(|&pixel| pixel.into()).sum::<f32>();
            }
            if at % self.pool == self.pool - 1 {
                pooled_row.iter_mut().for_each(|value| *value *= scale);
            }
        }
    }
}
