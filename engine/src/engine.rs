//! Running a model.

use core::marker::PhantomData;

use lacewing_kernels::bytes::{as_f32, as_f32_mut};
use lacewing_kernels::{Junction, ReadyKernel};

use crate::answer::{Answer, Outcome, Step};
use crate::error::{EngineError, ResumeError, WrongLength};
use crate::features::Features;
use crate::layout::Region;
use crate::model::{Exit, MAX_OPERATIONS, Model, Operation, Part};
use crate::packet::Packet;
use crate::policy::{Decision, ExitPolicy, ExitView};

/// An element type of inputs and features: `f32`.
pub trait Element: sealed::Sealed + Copy {}

impl Element for f32 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
}

/// A model, its kernels chosen and its scratch lent. [`Engine::new`] is the last call that can fail: a run is total.
///
/// The input lies in the scratch and is consumed by the run: write it anew before each.
#[derive(Debug)]
pub struct Engine<'m, T: Element = f32> {
    model: &'m Model<'m>,
    kernels: [Option<ReadyKernel<'static>>; MAX_OPERATIONS],
    even: &'m mut [u8],
    odd: &'m mut [u8],
    third: &'m mut [u8],
    state: State,
    element: PhantomData<T>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Operations done or passed over.
    operations: usize,
    /// Trunk operations done.
    depth: usize,
    /// Operations done of the branch that runs.
    branch: usize,
    /// Exits decided or passed over.
    exits: usize,
    /// A policy asked to hand over: branches are passed over.
    handing_over: bool,
    fallback: Option<Answer>,
    /// Where the last exit's logits lie, until the trunk goes on.
    logits: Option<(Region, usize)>,
    done: bool,
}

/// How a run ended.
enum End {
    Answer(Answer),
    Offload,
}

impl<'m> Engine<'m> {
    /// Chooses kernels for `model` and takes `scratch`, [`Model::scratch_len`] bytes or more, at a multiple of 4
    /// (a [`Scratch`](crate::Scratch) is).
    ///
    /// # Errors
    /// A scratch too small or misaligned; kernels that cannot run on this processor.
    pub fn new(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, EngineError> {
        let (needed, found) = (model.scratch_len(), scratch.len());
        let too_small = EngineError::ScratchTooSmall { needed, found };
        let (even, rest) = scratch.split_at_mut_checked(model.layout.even).ok_or(too_small)?;
        let (odd, rest) = rest.split_at_mut_checked(model.layout.odd).ok_or(too_small)?;
        let (third, _) = rest.split_at_mut_checked(model.layout.third).ok_or(too_small)?;
        if as_f32(even).is_none() {
            return Err(EngineError::ScratchMisaligned);
        }
        let mut kernels = [None; MAX_OPERATIONS];
        for (kernel, operation) in kernels.iter_mut().zip(model.operations()) {
            let packing = operation.junction.packing();
            let ready = model.kernels.choose(packing).map_err(EngineError::Isa)?;
            *kernel = Some(ready.ok_or(EngineError::NoKernel(packing.name()))?);
        }
        Ok(Self { model, kernels, even, odd, third, state: State::default(), element: PhantomData })
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// The kernel chosen for each operation, in order.
    pub fn kernels(&self) -> impl Iterator<Item = ReadyKernel<'static>> {
        self.kernels.iter().flatten().copied()
    }

    /// Where the next input is written: [`Model::n_in`] values, in the trainer's order, as the network sees them (after
    /// [`Model::input_scaling`]). What lies there is the rest of the last run. A run that was under way is abandoned.
    pub fn input(&mut self) -> &mut [f32] {
        self.state = State::default();
        let bytes = self.model.n_in() * size_of::<f32>();
        self.even.get_mut(..bytes).and_then(as_f32_mut).unwrap_or_default()
    }

    /// Copies an input.
    ///
    /// # Errors
    /// `values` are not [`Model::n_in`] long.
    pub fn load(&mut self, values: &[f32]) -> Result<(), WrongLength> {
        let input = self.input();
        if values.len() != input.len() {
            return Err(WrongLength { needed: input.len(), found: values.len() });
        }
        input.copy_from_slice(values);
        Ok(())
    }

    /// Runs from the input to an answer or the hand-over.
    pub fn run(&mut self, policy: &mut impl ExitPolicy) -> Outcome<'_> {
        self.state = State::default();
        loop {
            if let Some(end) = self.advance(policy) {
                return self.outcome(end);
            }
        }
    }

    /// Runs one operation, and the exit decision behind it if one is due: for schedulers that want the processor back in
    /// between. After [`Step::Done`] the next step begins a new run.
    pub fn step(&mut self, policy: &mut impl ExitPolicy) -> Step<'_> {
        if self.state.done {
            self.state = State::default();
        }
        match self.advance(policy) {
            Some(end) => Step::Done(self.outcome(end)),
            None => Step::More,
        }
    }

    /// Finishes in this tail what a head began.
    ///
    /// # Errors
    /// This is no tail, or not the one of the head that handed over.
    pub fn resume(
        &mut self,
        features: &Features<'_>,
        policy: &mut impl ExitPolicy,
    ) -> Result<Outcome<'_>, ResumeError> {
        self.model.admits(features.pair_id(), features.split(), features.values().len())?;
        self.input().copy_from_slice(features.values());
        Ok(self.run(policy))
    }

    /// Finishes in this tail what came over a wire.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn resume_packet(
        &mut self,
        packet: &Packet<'_>,
        policy: &mut impl ExitPolicy,
    ) -> Result<Outcome<'_>, ResumeError> {
        self.model.admits(packet.pair_id(), packet.split(), packet.len())?;
        for (input, value) in self.input().iter_mut().zip(packet.values()) {
            *input = value;
        }
        Ok(self.run(policy))
    }

    /// The logits of the exit decided last, before temperature: empty where there is none, or where a junction of the trunk
    /// has run since.
    #[must_use]
    pub fn logits(&self) -> &[f32] {
        match self.state.logits {
            Some((region, len)) => self.values(region, len),
            None => &[],
        }
    }

    /// One operation, and the decision behind it. `None` while there is more to do.
    fn advance(&mut self, policy: &mut impl ExitPolicy) -> Option<End> {
        if let Some((operation, kernel)) = self.next_operation() {
            match operation.exit {
                None => self.trunk(&operation.junction, kernel),
                Some(_) => {
                    let end = self.branch(&operation.junction, kernel, policy);
                    if end.is_some() {
                        self.state.done = true;
                        return end;
                    }
                }
            }
        }
        if self.next_operation().is_some() {
            return None;
        }
        self.state.done = true;
        Some(self.last_exit())
    }

    /// What runs next; branches are passed over while handing over.
    fn next_operation(&mut self) -> Option<(&'m Operation<'m>, Option<ReadyKernel<'static>>)> {
        loop {
            let operation = self.model.operations.get(self.state.operations)?.as_ref()?;
            if operation.exit.is_none() || !self.state.handing_over {
                return Some((operation, self.kernels.get(self.state.operations).copied().flatten()));
            }
            self.state.operations += 1;
        }
    }

    fn trunk(&mut self, junction: &Junction<'_>, kernel: Option<ReadyKernel<'_>>) {
        let (from, to) = (Region::of_depth(self.state.depth), Region::of_depth(self.state.depth + 1));
        self.multiply(junction, kernel, from, to);
        self.state.operations += 1;
        self.state.depth += 1;
        self.state.logits = None;
    }

    fn branch(
        &mut self,
        junction: &Junction<'_>,
        kernel: Option<ReadyKernel<'_>>,
        policy: &mut impl ExitPolicy,
    ) -> Option<End> {
        let (from, to) = Region::of_branch(self.state.depth, self.state.branch);
        self.multiply(junction, kernel, from, to);
        self.state.operations += 1;
        self.state.branch += 1;
        let exit = self.next_exit()?;
        if self.state.branch < usize::from(exit.branch) {
            return None;
        }
        let view = ExitView::new(exit, self.values(to, junction.n_out()));
        let (answer, decision) = (view.answer(), policy.decide(&view));
        self.state.logits = Some((to, junction.n_out()));
        if decision == Decision::Take {
            return Some(End::Answer(answer));
        }
        self.state.fallback = Some(answer);
        self.state.branch = 0;
        self.state.exits += 1;
        self.state.handing_over = decision == Decision::Offload && self.model.part == Part::Head;
        None
    }

    /// The end of the trunk: a head hands over, anything else answers.
    fn last_exit(&mut self) -> End {
        let (Some(exit), Part::Whole | Part::Tail) = (self.next_exit(), self.model.part) else { return End::Offload };
        let region = Region::of_depth(self.state.depth);
        let answer = ExitView::new(exit, self.values(region, self.model.classes())).answer();
        self.state.logits = Some((region, self.model.classes()));
        End::Answer(answer)
    }

    fn next_exit(&self) -> Option<&'m Exit> {
        self.model.exits.get(self.state.exits)?.as_ref()
    }

    fn outcome(&self, end: End) -> Outcome<'_> {
        match end {
            End::Answer(answer) => Outcome::Answer(answer),
            End::Offload => {
                let values = self.values(Region::of_depth(self.state.depth), self.model.features_len());
                let features = Features::new(values, self.model.pair_id, self.model.split);
                Outcome::Offload { features, fallback: self.state.fallback }
            }
        }
    }

    fn values(&self, region: Region, len: usize) -> &[f32] {
        let bytes = match region {
            Region::Even => &*self.even,
            Region::Odd => &*self.odd,
            Region::Third => &*self.third,
        };
        bytes.get(..len * size_of::<f32>()).and_then(as_f32).unwrap_or_default()
    }

    /// `to = junction(from)`. What could fail here was proven: lengths and regions by parse, alignment and kernel by `new`.
    fn multiply(&mut self, junction: &Junction<'_>, kernel: Option<ReadyKernel<'_>>, from: Region, to: Region) {
        let (x, y) = match (from, to) {
            (Region::Even, Region::Odd) => (&*self.even, &mut *self.odd),
            (Region::Even, Region::Third) => (&*self.even, &mut *self.third),
            (Region::Odd, Region::Even) => (&*self.odd, &mut *self.even),
            (Region::Odd, Region::Third) => (&*self.odd, &mut *self.third),
            (Region::Third, Region::Even) => (&*self.third, &mut *self.even),
            (Region::Third, Region::Odd) => (&*self.third, &mut *self.odd),
            (Region::Even, Region::Even) | (Region::Odd, Region::Odd) | (Region::Third, Region::Third) => return,
        };
        let x = x.get(..junction.n_in() * size_of::<f32>()).and_then(as_f32).unwrap_or_default();
        let y = y.get_mut(..junction.n_out() * size_of::<f32>()).and_then(as_f32_mut).unwrap_or_default();
        let ran = kernel.is_some_and(|kernel| kernel.run(junction, x, y).is_ok());
        debug_assert!(ran, "parse and new have proven that this runs");
    }
}
