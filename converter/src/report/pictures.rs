//! Pictures of masks, and of samples that are images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lacewing_kernels::Junction;

use crate::unpack::unpack;

/// Cells of a mask's picture, at most, each way.
const CELLS: usize = 64;

/// A junction's mask: how dense each cell of it is, outputs downwards. `None` for a packing that cannot be taken apart.
pub(super) fn mask(junction: &Junction<'_>) -> Option<String> {
    let edges = unpack(junction)?.without_zeros().ok()?;
    let (n_in, n_out) = (junction.n_in(), junction.n_out());
    let (across, down) = (n_in.min(CELLS), n_out.min(CELLS));
    let mut counts = vec![0usize; across * down];
    for (output, (inputs, _)) in edges.rows().enumerate() {
        for input in inputs {
            let at = output * down / n_out * across + usize::from(*input) * across / n_in;
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
        }
    }
    let cell = (n_in * n_out) as f64 / (across * down) as f64;
    let grey = |count: &usize| 255 - (255.0 * (*count as f64 / cell).min(1.0).sqrt()) as u8;
    Some(image(across, &counts.iter().map(grey).collect::<Vec<u8>>()))
}

/// A sample as a square image, where it is one: its values from 0 to the largest. Values behind the square are padding.
pub(super) fn sample(values: &[f32]) -> Option<String> {
    let side = values.len().isqrt();
    let (square, padding) = values.split_at_checked(side * side)?;
    if side < 5 || padding.iter().any(|value| *value != 0.0) {
        return None;
    }
    let most = square.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let grey = |value: &f32| 255 - (255.0 * (value / most).clamp(0.0, 1.0)) as u8;
    Some(image(side, &square.iter().map(grey).collect::<Vec<u8>>()))
}

/// Grey pixels, row by row, as a data address: a BMP of 8 bits with a palette of greys.
fn image(width: usize, pixels: &[u8]) -> String {
    const PIXELS_AT: u32 = 14 + 40 + 4 * 256;
    let height = pixels.len() / width.max(1);
    let stride = width.next_multiple_of(4);
    let size = PIXELS_AT + (stride * height) as u32;
    let mut bmp = Vec::with_capacity(size as usize);
    bmp.extend(b"BM");
    [size, 0, PIXELS_AT, 40, width as u32, height as u32].iter().for_each(|field| bmp.extend(field.to_le_bytes()));
    // One plane, 8 bits, as they are.
    bmp.extend([1, 0, 8, 0]);
    [0u32, 0, 2835, 2835, 256, 0].iter().for_each(|field| bmp.extend(field.to_le_bytes()));
    (0..=255u8).for_each(|grey| bmp.extend([grey, grey, grey, 0]));
    for row in pixels.chunks(width.max(1)).rev() {
        bmp.extend(row);
        bmp.extend(core::iter::repeat_n(0, stride - row.len()));
    }
    format!("data:image/bmp;base64,{}", STANDARD.encode(bmp))
}
