//! The compact table: one junction, all contenders, ratios to the best dense of the same run.

use core::hint::black_box;
use std::io::{self, Write};

use lacewing_kernels::JunctionError;

use crate::contender::{Contender, check_answers};
use crate::draw::{DrawError, draw};
use crate::measure::{Effort, Times, interleaved};
use crate::shapes::Shape;

/// Checks, measures and prints one junction.
///
/// # Errors
/// The shape cannot be drawn, or `out` not be written.
///
/// # Panics
/// A contender gives a wrong answer.
pub fn junction(shape: &Shape, effort: Effort, out: &mut dyn Write) -> Result<(), TableError> {
    let drawn = draw(shape, 1)?;
    let contenders = Contender::all(&drawn)?;
    check_answers(&drawn, &contenders);
    let x: &[f32] = &drawn.x;
    let mut outputs = vec![vec![0.0; drawn.edges.n_out()]; contenders.len()];
    let mut calls: Vec<_> = contenders
        .iter()
        .zip(&mut outputs)
        .map(|(contender, y)| move || assert!(black_box(contender).run(black_box(x), y).is_ok()))
        .collect();
    let mut calls: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|call| call as &mut dyn FnMut()).collect();
    let times = interleaved(&mut calls, effort);
    Ok(print(shape, drawn.edges.nnz(), drawn.dense.len(), &contenders, &times, out)?)
}

/// A junction's table could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The shape.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The index proof.
    #[error(transparent)]
    Junction(#[from] JunctionError),
    /// The output.
    #[error("cannot write the table: {0}")]
    Io(#[from] io::Error),
}

fn print(
    shape: &Shape,
    nnz: usize,
    positions: usize,
    contenders: &[Contender<'_>],
    times: &Times,
    out: &mut dyn Write,
) -> io::Result<()> {
    let dense = contenders.iter().take_while(|contender| contender.is_dense()).count();
    let Some(best_dense) = times.fastest(0..dense) else { return Ok(()) };
    writeln!(out, "\n{} ({nnz} edges, density {:.4})", shape.name, nnz as f64 / positions as f64)?;
    writeln!(
        out,
        "  {:<52} {:>9} {:>9} {:>7} {:>8} {:>9} {:>9}",
        "packing and kernel", "median ns", "least ns", "ratio", "GMAC/s", "as dense", "bytes"
    )?;
    for (k, contender) in contenders.iter().enumerate() {
        let ns = times.median(k);
        let real = if contender.is_dense() { positions } else { nnz };
        let mark = if k == best_dense { "  best dense" } else { "" };
        writeln!(
            out,
            "  {:<52} {ns:>9.0} {:>9.0} {:>6.2}x {:>8.2} {:>9.2} {:>9}{mark}",
            contender.name(),
            times.least(k),
            times.ratio(best_dense, k),
            real as f64 / ns,
            positions as f64 / ns,
            contender.bytes(),
        )?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes;

    #[test]
    fn every_contender_answers_every_pattern_rightly() {
        let file = "100 37 dense\n100 37 rows 1/4\n400 20 rows 1/20\n100 37 block 8x1 1/4\n96 37 block 1x8 1/4\n100 37 nm 2:8\n100 50 random 5 x 1/5";
        for shape in shapes::parse(file).unwrap() {
            let mut printed = Vec::new();
            junction(&shape, Effort::TEST, &mut printed).unwrap();
            let printed = String::from_utf8(printed).unwrap();
            assert_eq!(printed.matches("best dense").count(), 1, "{printed}");
        }
    }
}
