//! Scales that a network was trained with: quantisation-aware training leaves them beside the weights, which stay f32.
//!
//! A file has arrays `junction.1.input` and, for every junction, `junction.K.output` (`exit.E.junction.K.output`), two numbers each:
//! scale and zero point, as in [`given`](super::given). Weights have steps of a 127th of the largest of their row.

use lacewing_models::Recipe;

use super::given::{GivenError, quantisation_at, stem};
use super::ranges::Ranges;
use crate::source::Source;

/// Scales of a network's numbers, from training.
#[derive(Clone, Debug)]
pub struct TrainedScales(pub(super) Ranges);

/// Those of the network read by `recipe`; `None` where the file has none for the input.
///
/// # Errors
/// The file cannot be read, or lacks some.
pub fn read(source: &mut Source, recipe: &Recipe) -> Result<Option<TrainedScales>, GivenError> {
    let mut input = None;
    let mut outputs = Vec::new();
    for placed in recipe.placed_junctions() {
        let stem = stem(&placed);
        if outputs.is_empty() {
            let name = format!("{stem}input");
            if source.shape(&name)?.is_none() {
                return Ok(None);
            }
            input = Some(quantisation_at(source, &name)?);
        }
        let name = format!("{stem}output");
        let output = quantisation_at(source, &name)?;
        // As the model file and packets have it.
        outputs.push(output.packs().then_some(output).ok_or(GivenError::Scale(name))?);
    }
    Ok(input.map(|input| TrainedScales(Ranges { input, outputs, energies: Vec::new() })))
}
