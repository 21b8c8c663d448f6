//! Many samples at once.

use lacewing_kernels::bytes::as_f32_mut;
use lacewing_kernels::{BATCH, Junction, ReadyKernel};

use crate::answer::{Answer, Outcome};
use crate::error::{BatchError, EngineError, WrongLength};
use crate::features::Features;
use crate::layout::Region;
use crate::model::{Exit, MAX_OPERATIONS, Model, Part};
use crate::policy::{Decision, ExitPolicy, ExitView};

/// An f32 model run on [`BATCH`] samples side by side: what evaluation and servers use. Every sample takes its own exit, by its own
/// logits; sums may be rounded in another order than [`Engine`](crate::Engine) rounds them.
#[derive(Debug)]
pub struct BatchEngine<'m> {
    model: &'m Model<'m>,
    kernels: [Option<ReadyKernel<'static>>; MAX_OPERATIONS],
    even: &'m mut [[f32; BATCH]],
    odd: &'m mut [[f32; BATCH]],
    third: &'m mut [[f32; BATCH]],
    /// One sample's logits or features.
    sample: &'m mut [f32],
}

/// Where a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    /// Its next exit is looked at.
    Runs,
    /// A policy asked to hand over: exits are passed over.
    HandsOver,
    /// It has its outcome, or never was there.
    Done,
}

/// How far a batch has come.
struct State {
    samples: [Sample; BATCH],
    fallbacks: [Option<Answer>; BATCH],
    /// Number of the first sample.
    first: usize,
    /// Trunk operations done.
    depth: usize,
    /// Operations done of the branch that runs.
    branch: usize,
    /// Exits decided or passed over.
    exits: usize,
}

impl State {
    fn any(&self, which: Sample) -> bool {
        self.samples.contains(&which)
    }

    fn all_done(&self) -> bool {
        !self.any(Sample::Runs) && !self.any(Sample::HandsOver)
    }
}

impl Model<'_> {
    /// Bytes of scratch that a [`BatchEngine`] needs: exact, the same on every instruction set.
    #[must_use]
    pub fn batch_scratch_len(&self) -> usize {
        (self.layout.even + self.layout.odd + self.layout.third) * BATCH + self.sample_len() * size_of::<f32>()
    }

    fn sample_len(&self) -> usize {
        self.classes().max(self.features_len())
    }
}

impl<'m> BatchEngine<'m> {
    /// Chooses kernels for `model`, and takes `scratch`, [`Model::batch_scratch_len`] bytes or more, at a multiple of 4.
    ///
    /// # Errors
    /// A scratch too small or misaligned; kernels that cannot run on this processor or are not in the model's set; a model of
    /// which a part is int8.
    pub fn new(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, BatchError> {
        if !model.is_f32() {
            return Err(BatchError::Int8);
        }
        let (needed, found) = (model.batch_scratch_len(), scratch.len());
        let too_small = EngineError::ScratchTooSmall { needed, found };
        let values = as_f32_mut(scratch.get_mut(..needed).ok_or(too_small)?).ok_or(EngineError::ScratchMisaligned)?;
        let numbers = |bytes: usize| bytes / size_of::<f32>() * BATCH;
        let (even, rest) = values.split_at_mut_checked(numbers(model.layout.even)).ok_or(too_small)?;
        let (odd, rest) = rest.split_at_mut_checked(numbers(model.layout.odd)).ok_or(too_small)?;
        let (third, sample) = rest.split_at_mut_checked(numbers(model.layout.third)).ok_or(too_small)?;
        let mut kernels = [None; MAX_OPERATIONS];
        for (kernel, operation) in kernels.iter_mut().zip(model.operations()) {
            let packing = operation.junction.packing();
            let ready = model.kernels.choose_batch(packing).map_err(EngineError::Isa)?;
            *kernel = Some(ready.ok_or(EngineError::NoKernel(packing.name()))?);
        }
        let [even, odd, third] = [even, odd, third].map(|region| region.as_chunks_mut().0);
        Ok(Self { model, kernels, even, odd, third, sample })
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// Runs every one of `samples`, [`Model::n_in`] values each in the trainer's order, and tells `each` its number, from 0, how
    /// it ended, and the logits of the exit that answered (none where it is handed over). Of [`BATCH`] samples that run side by
    /// side those that take an early exit are told first; `policy` sees exit after exit, and at each the samples that are left.
    /// Nothing is allocated. What a sample comes to does not depend on the others, nor on how many there are.
    ///
    /// In a tail the samples are features: ask [`Model::admits`] whether they are this tail's.
    ///
    /// # Errors
    /// A sample of another length; those more than [`BATCH`] in front of it have been told.
    pub fn run_batch<'x>(
        &mut self,
        samples: impl IntoIterator<Item = &'x [f32]>,
        policy: &mut impl ExitPolicy,
        mut each: impl FnMut(usize, Outcome<'_>, &[f32]),
    ) -> Result<(), WrongLength> {
        let mut samples = samples.into_iter();
        let mut first = 0;
        loop {
            let count = self.load(&mut samples)?;
            if count == 0 {
                return Ok(());
            }
            let mut state = State {
                samples: core::array::from_fn(|column| if column < count { Sample::Runs } else { Sample::Done }),
                fallbacks: [None; BATCH],
                first,
                depth: 0,
                branch: 0,
                exits: 0,
            };
            self.run(&mut state, policy, &mut each);
            first += count;
        }
    }

    /// Writes the next samples into the columns; gives how many there were, at most [`BATCH`]. The other columns keep what they
    /// had: nobody looks at what becomes of it.
    fn load<'x>(&mut self, samples: &mut impl Iterator<Item = &'x [f32]>) -> Result<usize, WrongLength> {
        let needed = self.model.n_in();
        let mut count = 0;
        for (column, sample) in samples.take(BATCH).enumerate() {
            if sample.len() != needed {
                return Err(WrongLength { needed, found: sample.len() });
            }
            for (to, value) in self.even.iter_mut().zip(sample) {
                to.iter_mut().skip(column).take(1).for_each(|to| *to = *value);
            }
            count = column + 1;
        }
        Ok(count)
    }

    fn run(
        &mut self,
        state: &mut State,
        policy: &mut impl ExitPolicy,
        each: &mut impl FnMut(usize, Outcome<'_>, &[f32]),
    ) {
        let (model, kernels) = (self.model, self.kernels);
        for (operation, kernel) in model.operations().zip(kernels) {
            if state.all_done() {
                return;
            }
            let exit = model.exits.get(state.exits).and_then(Option::as_ref);
            let (from, to) = match operation.exit {
                None => (Region::of_depth(state.depth), Region::of_depth(state.depth + 1)),
                Some(_) => Region::of_branch(state.depth, state.branch),
            };
            if operation.exit.is_none() || state.any(Sample::Runs) {
                self.multiply(&operation.junction, kernel, from, to);
            }
            match (operation.exit, exit) {
                (None, _) => state.depth += 1,
                (Some(_), Some(exit)) => {
                    state.branch += 1;
                    if state.branch == usize::from(exit.branch) {
                        self.decide(state, exit, to, policy, each);
                        (state.branch, state.exits) = (0, state.exits + 1);
                    }
                }
                // A branch has an exit: proven by parse.
                (Some(_), None) => {}
            }
        }
        self.end(state, each);
    }

    /// Asks the policy about every sample that has not handed over, by the logits in `region`.
    fn decide(
        &mut self,
        state: &mut State,
        exit: &'m Exit,
        region: Region,
        policy: &mut impl ExitPolicy,
        each: &mut impl FnMut(usize, Outcome<'_>, &[f32]),
    ) {
        let columns = state.samples.iter_mut().zip(&mut state.fallbacks).enumerate();
        for (column, (sample, fallback)) in columns.filter(|(_, (sample, _))| **sample == Sample::Runs) {
            let view = ExitView::new(exit, self.column(region, column, self.model.classes()));
            let (answer, decision) = (view.answer(), policy.decide(&view));
            match decision {
                Decision::Take => {
                    *sample = Sample::Done;
                    each(state.first + column, Outcome::Answer(answer), view.logits());
                }
                Decision::Offload if self.model.part == Part::Head => {
                    (*sample, *fallback) = (Sample::HandsOver, Some(answer));
                }
                Decision::Offload | Decision::Continue => *fallback = Some(answer),
            }
        }
    }

    /// The end of the trunk: a head hands over, anything else answers.
    fn end(&mut self, state: &State, each: &mut impl FnMut(usize, Outcome<'_>, &[f32])) {
        let (region, model) = (Region::of_depth(state.depth), self.model);
        let exit = model.exits.get(state.exits).and_then(Option::as_ref);
        let exit = exit.filter(|_| model.part != Part::Head);
        let columns = state.samples.iter().zip(state.fallbacks).enumerate();
        for (column, (_, fallback)) in columns.filter(|(_, (sample, _))| **sample != Sample::Done) {
            let number = state.first + column;
            match exit {
                Some(exit) => {
                    let view = ExitView::new(exit, self.column(region, column, model.classes()));
                    each(number, Outcome::Answer(view.answer()), view.logits());
                }
                None => {
                    let values = self.column(region, column, model.features_len());
                    let features = Features::new(values, model.pair_id, model.split);
                    each(number, Outcome::Offload { features, fallback }, &[]);
                }
            }
        }
    }

    /// The first `len` values of one sample in `region`.
    fn column(&mut self, region: Region, column: usize, len: usize) -> &[f32] {
        let from = match region {
            Region::Even => &*self.even,
            Region::Odd => &*self.odd,
            Region::Third | Region::Stage => &*self.third,
        };
        let sample = self.sample.get_mut(..len).unwrap_or_default();
        for (to, values) in sample.iter_mut().zip(from) {
            values.iter().skip(column).take(1).for_each(|value| *to = *value);
        }
        sample
    }

    /// `to = junction(from)`. What could fail here was proven: lengths and regions by parse, kernels by `new`.
    fn multiply(&mut self, junction: &Junction<'_>, kernel: Option<ReadyKernel<'_>>, from: Region, to: Region) {
        let (even, odd, third) = (&mut *self.even, &mut *self.odd, &mut *self.third);
        let (from, to): (&[_], &mut [_]) = match (from, to) {
            (Region::Even, Region::Odd) => (even, odd),
            (Region::Even, Region::Third) => (even, third),
            (Region::Odd, Region::Even) => (odd, even),
            (Region::Odd, Region::Third) => (odd, third),
            (Region::Third, Region::Even) => (third, even),
            (Region::Third, Region::Odd) => (third, odd),
            // A layout never asks for it.
            _ => return,
        };
        let (x, y) = (from.get(..junction.n_in()), to.get_mut(..junction.n_out()));
        let ran = kernel
            .is_some_and(|kernel| kernel.run_batch(junction, x.unwrap_or_default(), y.unwrap_or_default()).is_ok());
        debug_assert!(ran, "parse and new have proven that this runs");
    }
}
