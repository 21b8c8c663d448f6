//! One junction: all contenders checked, then measured side by side.

use core::hint::black_box;

use super::contender::{Contender, Kernels, check_answers};
use super::draw::draw;
use super::measure::{Effort, interleaved};
use super::shapes::Shape;
use super::{BenchError, Comparison, Entrant};

/// Draws, checks and measures one junction.
///
/// # Errors
/// The shape cannot be drawn, or a contender gives a wrong answer.
pub fn compare(shape: &Shape, kernels: Kernels, effort: Effort) -> Result<Comparison, BenchError> {
    let drawn = draw(shape, 1)?;
    let contenders = Contender::all(&drawn, kernels)?;
    check_answers(&drawn, &contenders)?;
    let x: &[f32] = &drawn.x;
    let mut outputs = vec![vec![0.0; drawn.edges.n_out()]; contenders.len()];
    let mut calls: Vec<_> = contenders
        .iter()
        .zip(&mut outputs)
        .map(|(contender, y)| {
            move || {
                // Ran before, when its answer was checked.
                let ran = black_box(contender).run(black_box(x), y);
                debug_assert!(ran.is_ok());
            }
        })
        .collect();
    let mut calls: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|call| call as &mut dyn FnMut()).collect();
    let times = interleaved(&mut calls, effort);
    let entrant = |contender: &Contender<'_>| Entrant {
        name: contender.name().into(),
        dense: contender.is_dense(),
        bytes: contender.bytes(),
    };
    let entrants = contenders.iter().map(entrant).collect();
    Ok(Comparison::new(&shape.name, drawn.edges.nnz(), drawn.dense.len(), entrants, &times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shapes;

    #[test]
    fn every_contender_answers_every_pattern_rightly() {
        let file = "100 37 dense\n100 37 rows 1/4\n400 20 rows 1/20\n100 37 block 8x1 1/4\n96 37 block 1x8 1/4\n100 37 nm 2:8\n100 50 random 5 x 1/5\n100 37 any 1/4";
        for shape in shapes::parse(file).unwrap() {
            let compared = compare(&shape, Kernels::All, Effort::TEST).unwrap();
            assert_eq!(compared.rows.iter().filter(|row| row.best_dense).count(), 1);
            assert!(compared.rows.iter().all(|row| row.ratio > 0.0 && row.gmacs <= row.dense_gmacs * 1.001));
            let mut table = Vec::new();
            compared.write(&mut table).unwrap();
            assert_eq!(String::from_utf8(table).unwrap().lines().count(), compared.rows.len() + 3);
        }
    }
}
