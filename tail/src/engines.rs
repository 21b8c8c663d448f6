//! One thread's engines, one a model.

use lacewing_engine::{Answer, AsTrained, Engine, EngineError, Model, Outcome};

/// Bytes at a multiple of 16, as engines want them.
#[derive(Debug)]
pub(crate) struct HeapScratch(Vec<u128>);

impl HeapScratch {
    pub(crate) fn for_all(models: &[Model<'_>]) -> Vec<Self> {
        models.iter().map(|model| Self(vec![0; model.scratch_len().div_ceil(size_of::<u128>())])).collect()
    }
}

/// What came of some rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Finished {
    /// One a row.
    pub(crate) answers: Vec<Answer>,
    /// As many a row as there are classes.
    pub(crate) logits: Vec<f32>,
}

impl Finished {
    /// Takes the first `rows` away.
    pub(crate) fn split_rows(&mut self, rows: usize) -> Self {
        let classes = self.logits.len() / self.answers.len().max(1);
        let (rest, rest_logits) = (
            self.answers.split_off(rows.min(self.answers.len())),
            self.logits.split_off((rows * classes).min(self.logits.len())),
        );
        core::mem::replace(self, Self { answers: rest, logits: rest_logits })
    }
}

/// An engine of either kind of input. A request's values are numbers; where inputs are int8 they are quantised, which gives
/// the very same int8 back where they were such.
enum AnyEngine<'m> {
    F32(Engine<'m>),
    I8(Engine<'m, i8>),
}

pub(crate) struct Engines<'m> {
    models: &'m [Model<'m>],
    engines: Vec<AnyEngine<'m>>,
}

impl<'m> Engines<'m> {
    pub(crate) fn new(models: &'m [Model<'m>], scratch: &'m mut [HeapScratch]) -> Result<Self, EngineError> {
        let engine = |(model, scratch): (&'m Model<'m>, &'m mut HeapScratch)| {
            let scratch = bytemuck::cast_slice_mut(&mut scratch.0);
            Ok(match model.input() {
                None => AnyEngine::F32(Engine::new(model, scratch)?),
                Some(_) => AnyEngine::I8(Engine::new_i8(model, scratch)?),
            })
        };
        Ok(Self { models, engines: models.iter().zip(scratch).map(engine).collect::<Result<_, EngineError>>()? })
    }

    /// Runs each row of `values` through model `index`, and gives a row's width; `None` where there is no such model or the
    /// rows are of another width.
    pub(crate) fn run(&mut self, index: usize, values: &[f32]) -> Option<(Finished, usize)> {
        let (model, engine) = (self.models.get(index)?, self.engines.get_mut(index)?);
        let width = model.n_in();
        let mut finished = Finished::default();
        for row in values.chunks(width) {
            engine.run(row, &mut finished)?;
        }
        Some((finished, width))
    }
}

impl AnyEngine<'_> {
    fn run(&mut self, row: &[f32], finished: &mut Finished) -> Option<()> {
        match self {
            Self::F32(engine) => {
                engine.load(row).ok()?;
                let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return None };
                finished.answers.push(answer);
                finished.logits.extend_from_slice(engine.logits());
            }
            Self::I8(engine) => {
                engine.load_f32(row).ok()?;
                let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return None };
                finished.answers.push(answer);
                let stands_for = |q: &i8| engine.model().output().map_or(f32::from(*q), |output| output.dequantise(*q));
                finished.logits.extend(engine.logits().iter().map(stands_for));
            }
        }
        Some(())
    }
}
