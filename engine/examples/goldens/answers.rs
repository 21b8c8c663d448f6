//! Runs a model on inputs and says each answer; shared with the same program for boards (firmware/conformance).

use core::fmt::{Arguments, Display, Formatter, Result as Formatted};

use lacewing_engine::{Answer, AsTrained, Element, Engine, EngineError, Model, Outcome};

/// Runs `model` on `inputs`, little-endian f32 or int8, one input after the other, and says class, exit and confidence of each answer, or of the
/// answer beside a hand-over.
///
/// # Errors
/// The scratch does not do.
pub fn answers(
    name: &str,
    model: &Model<'_>,
    scratch: &mut [u8],
    inputs: &[u8],
    say: &mut dyn FnMut(Arguments<'_>),
) -> Result<(), EngineError> {
    if model.input().is_some() {
        let mut engine = Engine::new_i8(model, scratch)?;
        for input in inputs.chunks_exact(model.n_in()) {
            for (number, byte) in engine.input().iter_mut().zip(input) {
                *number = byte.cast_signed();
            }
            outcome(name, &engine.run(&mut AsTrained), say);
        }
    } else {
        let mut engine = Engine::new(model, scratch)?;
        for input in inputs.chunks_exact(4 * model.n_in()) {
            for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            outcome(name, &engine.run(&mut AsTrained), say);
        }
    }
    Ok(())
}

fn outcome<T: Element>(name: &str, outcome: &Outcome<'_, T>, say: &mut dyn FnMut(Arguments<'_>)) {
    match outcome {
        Outcome::Answer(answer) => say(format_args!("{name} answer {}", Words(*answer))),
        Outcome::Offload { fallback: Some(answer), .. } => say(format_args!("{name} offload {}", Words(*answer))),
        Outcome::Offload { fallback: None, .. } => say(format_args!("{name} offload")),
    }
}

struct Words(Answer);

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> Formatted {
        write!(f, "{} {} {}", self.0.class, self.0.exit.0, self.0.confidence.steps())
    }
}
