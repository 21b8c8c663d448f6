//! One thread's engines, one a model.

use aligned_vec::{AVec, ConstAlign, avec};
use lacewing_engine::{Answer, AsTrained, BATCH, BatchEngine, BatchError, Engine, EngineError, Model, Outcome};

use crate::break_even::least_rows;
use crate::model_file::CACHE_LINE;

/// Bytes that begin at a cache line: of one engine that runs a row, and of one that runs many, where the model
/// has such a one.
#[derive(Debug)]
pub(crate) struct HeapScratch {
    one: Bytes,
    many: Bytes,
}

type Bytes = AVec<u8, ConstAlign<CACHE_LINE>>;

impl HeapScratch {
    pub(crate) fn for_all(models: &[Model<'_>]) -> Vec<Self> {
        let bytes = |len: usize| -> Bytes { avec![[CACHE_LINE]| 0; len] };
        let many = |model: &Model<'_>| if model.is_f32() { model.batch_scratch_len() } else { 0 };
        models.iter().map(|model| Self { one: bytes(model.scratch_len()), many: bytes(many(model)) }).collect()
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
    /// Of so many rows behind the first ones their answers and logits.
    pub(crate) fn rows(&self, first: usize, rows: usize) -> (&[Answer], &[f32]) {
        let classes = self.logits.len() / self.answers.len().max(1);
        let (answers, logits) = (self.answers.get(first..), self.logits.get(first * classes..));
        let (answers, logits) = (answers.unwrap_or_default(), logits.unwrap_or_default());
        (answers.get(..rows).unwrap_or(answers), logits.get(..rows * classes).unwrap_or(logits))
    }
}

/// An engine of either kind of input. A request's values are numbers; where inputs are int8 they are quantised, which gives
/// the very same int8 back where they were such.
enum AnyEngine<'m> {
    /// Where all is f32, rows run side by side from so many on.
    F32(Engine<'m>, Option<(Box<BatchEngine<'m>>, usize)>),
    I8(Engine<'m, i8>),
}

pub(crate) struct Engines<'m> {
    models: &'m [Model<'m>],
    engines: Vec<AnyEngine<'m>>,
}

impl<'m> Engines<'m> {
    /// `least` has a number a model: the rows from which they run side by side.
    pub(crate) fn new(
        models: &'m [Model<'m>],
        scratch: &'m mut [HeapScratch],
        least: &[usize],
    ) -> Result<Self, EngineError> {
        let engines = models.iter().zip(scratch).zip(least);
        let engines = engines.map(|((model, scratch), least)| AnyEngine::new(model, scratch, *least));
        Ok(Self { models, engines: engines.collect::<Result<_, EngineError>>()? })
    }

    /// Of each model the rows from which it is faster to run them side by side than one by one, measured here and now.
    pub(crate) fn break_even(models: &[Model<'_>]) -> Result<Vec<usize>, EngineError> {
        let mut scratch = HeapScratch::for_all(models);
        let engines = models.iter().zip(&mut scratch).map(|(model, scratch)| AnyEngine::new(model, scratch, 0));
        let least = |engine: AnyEngine<'_>| match engine {
            AnyEngine::F32(mut one, Some((mut many, _))) => least_rows(&mut one, &mut many),
            AnyEngine::F32(_, None) | AnyEngine::I8(_) => usize::MAX,
        };
        engines.map(|engine| engine.map(least)).collect()
    }

    /// Runs each row of `values` through model `index`, and gives a row's width; `None` where there is no such model or the
    /// rows are of another width.
    pub(crate) fn run(&mut self, index: usize, values: &[f32]) -> Option<(Finished, usize)> {
        let (model, engine) = (self.models.get(index)?, self.engines.get_mut(index)?);
        let width = model.n_in();
        let mut finished = Finished::default();
        for rows in values.chunks(width * BATCH) {
            match engine {
                AnyEngine::F32(_, Some((many, least))) if rows.len() / width >= *least => {
                    side_by_side(many, rows.chunks(width), &mut finished)?;
                }
                AnyEngine::F32(one, _) => {
                    rows.chunks(width).try_for_each(|row| one_f32(one, row, &mut finished))?;
                }
                AnyEngine::I8(one) => rows.chunks(width).try_for_each(|row| one_i8(one, row, &mut finished))?,
            }
        }
        Some((finished, width))
    }
}

impl<'m> AnyEngine<'m> {
    fn new(model: &'m Model<'m>, scratch: &'m mut HeapScratch, least: usize) -> Result<Self, EngineError> {
        let HeapScratch { one, many } = scratch;
        if model.input().is_some() {
            return Ok(Self::I8(Engine::new_i8(model, one)?));
        }
        let one = Engine::new(model, one)?;
        match BatchEngine::new(model, many) {
            Ok(many) => Ok(Self::F32(one, Some((Box::new(many), least)))),
            Err(BatchError::Engine(error)) => Err(error),
            // No batch takes the model.
            Err(_) => Ok(Self::F32(one, None)),
        }
    }
}

fn one_f32(engine: &mut Engine<'_>, row: &[f32], finished: &mut Finished) -> Option<()> {
    engine.load(row).ok()?;
    let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return None };
    finished.answers.push(answer);
    finished.logits.extend_from_slice(engine.logits());
    Some(())
}

fn one_i8(engine: &mut Engine<'_, i8>, row: &[f32], finished: &mut Finished) -> Option<()> {
    engine.load_f32(row).ok()?;
    let Outcome::Answer(answer) = engine.run(&mut AsTrained) else { return None };
    finished.answers.push(answer);
    let stands_for = |q: &i8| engine.model().output().map_or(f32::from(*q), |output| output.dequantise(*q));
    finished.logits.extend(engine.logits().iter().map(stands_for));
    Some(())
}

/// At most [`BATCH`] rows as one batch.
fn side_by_side<'r>(
    engine: &mut BatchEngine<'_>,
    rows: impl ExactSizeIterator<Item = &'r [f32]>,
    finished: &mut Finished,
) -> Option<()> {
    let (mut answers, classes) = ([None; BATCH], engine.model().classes());
    let first = finished.logits.len();
    finished.logits.resize(first + rows.len() * classes, 0.0);
    let places = finished.logits.get_mut(first..)?;
    let told = |at: usize, outcome: Outcome<'_>, logits: &[f32]| {
        if let (Outcome::Answer(answer), Some(place)) = (outcome, answers.get_mut(at)) {
            *place = Some(answer);
            places.iter_mut().skip(at * classes).zip(logits).for_each(|(place, logit)| *place = *logit);
        }
    };
    let count = rows.len();
    engine.run_batch(rows, &mut AsTrained, told).ok()?;
    // A tail or a whole network answers every row.
    finished.answers.extend(answers.into_iter().take(count).flatten());
    Some(())
}

#[cfg(test)]
#[path = "../../engine/tests/support/mod.rs"]
mod files;

#[cfg(test)]
mod tests {
    use lacewing_engine::{KernelSet, Model};

    use super::{Engines, Finished, HeapScratch, files};

    fn run(models: &[Model<'_>], least: usize, rows: &[f32]) -> Finished {
        let mut scratch = HeapScratch::for_all(models);
        let mut engines = Engines::new(models, &mut scratch, &vec![least; models.len()]).expect("scratch enough");
        engines.run(0, rows).expect("the width").0
    }

    #[test]
    fn rows_side_by_side_are_answered_in_their_order_as_one_by_one() {
        for file in [files::tail(), files::whole(), files::rich()] {
            let bytes = file.bytes();
            let models = [Model::parse(&bytes, &KernelSet::ALL).expect("sound")];
            for count in [1, 2, 15, 16, 17, 40] {
                let rows: Vec<f32> = (0..count * models[0].n_in()).map(|at| (at * 7 % 13) as f32 * 0.5 - 3.0).collect();
                let one_by_one = run(&models, usize::MAX, &rows);
                assert_eq!(one_by_one.answers.len(), count);
                assert_eq!(run(&models, 2, &rows), one_by_one);
                assert_eq!(run(&models, 0, &rows), one_by_one);
            }
        }
    }

    #[test]
    fn int8_models_run_one_by_one() {
        let bytes = [files::tail_i8(), files::mixed()].map(|file| file.bytes());
        let models = bytes.each_ref().map(|bytes| Model::parse(bytes, &KernelSet::ALL).expect("sound"));
        assert_eq!(Engines::break_even(&models).expect("scratch enough"), [usize::MAX; 2]);
        let rows = vec![1.0; 40 * models[0].n_in()];
        assert_eq!(run(&models, 2, &rows).answers.len(), 40);
    }
}
