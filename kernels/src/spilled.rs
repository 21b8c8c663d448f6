//! Edges of windows that stand beside them: a window which only a few of them want costs more than they do.
//!
//! ```text
//! for each spilled edge: y[output] += weight · x[input]       # before the activation
//! ```
//!
//! Four loads and a store an edge, two cycles or so; a window of two steps in sixteen lanes is 2 × 2.6 (its kernel's header).

use crate::batch::{BATCH, Columns};
use crate::junction::Junction;

const fn entry([a, b, c, d]: [u8; 4]) -> (usize, usize) {
    (u16::from_le_bytes([a, b]) as usize, u16::from_le_bytes([c, d]) as usize)
}

/// The weights of the spilled edges, and of each its input and output.
fn edges<'m>(j: &Junction<'m>) -> impl Iterator<Item = (f32, usize, usize)> + use<'m> {
    let entries = j.windows_index().spilled;
    let weights = j.weights().get(j.weights().len() - entries.len()..).unwrap_or_default();
    weights.iter().zip(entries).map(|(weight, edge)| {
        let (input, output) = entry(*edge);
        (f32::from_le_bytes(*weight), input, output)
    })
}

/// Adds them to the sums.
///
/// # Safety
/// As for every kernel (`RunF32`); packing windows.
#[inline]
pub(crate) unsafe fn add(j: &Junction<'_>, x: &[f32], y: &mut [f32]) {
    for (weight, input, output) in edges(j) {
        // SAFETY: Junction::new proved inputs below n_in, x's length, and outputs below n_out, y's.
        unsafe { *y.get_unchecked_mut(output) += weight * x.get_unchecked(input) };
    }
}

/// Adds them to the sums of every sample.
///
/// # Safety
/// As for every batched kernel; packing windows; the instruction set of C.
#[inline(always)]
pub(crate) unsafe fn add_batch<C: Columns>(j: &Junction<'_>, x: &[[f32; BATCH]], y: &mut [[f32; BATCH]]) {
    for (weight, input, output) in edges(j) {
        // SAFETY: Junction::new proved inputs below n_in, x's length, and outputs below n_out, y's; the instruction set is the
        // caller's.
        unsafe {
            let y = y.get_unchecked_mut(output);
            C::load(y).plus_product(weight, C::load(x.get_unchecked(input))).store(y);
        }
    }
}
