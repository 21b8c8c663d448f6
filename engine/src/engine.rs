//! Running a model.

use core::marker::PhantomData;

use lacewing_kernels::bytes::as_f32;
use lacewing_kernels::{Quantisation, ReadyKernel};

use crate::answer::{Answer, Outcome, Step};
use crate::element::Element;
use crate::error::{EngineError, ResumeError, WrongLength};
use crate::features::Features;
use crate::layout::Region;
use crate::model::{Exit, MAX_OPERATIONS, Model, Operation, Part};
use crate::packet::Packet;
use crate::policy::{Decision, ExitPolicy};

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
    stage: &'m mut [u8],
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

/// An operation and its kernel.
type Next<'m> = (&'m Operation<'m>, Option<ReadyKernel<'static>>);

/// How a run ended.
enum End {
    Answer(Answer),
    Offload,
}

impl<'m> Engine<'m> {
    /// Chooses kernels for `model`, whose inputs are f32, and takes `scratch`, [`Model::scratch_len`] bytes or more, at a multiple
    /// of 4 (a [`Scratch`](crate::Scratch) is). Junctions may be int8: values are converted where f32 and int8 meet, and logits
    /// and features are f32.
    ///
    /// # Errors
    /// A scratch too small or misaligned; kernels that cannot run on this processor; a model whose inputs are int8.
    pub fn new(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, EngineError> {
        Self::with(model, scratch)
    }

    /// Finishes in this tail what came over a wire, as f32 or as int8 of any scale.
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
}

impl<'m> Engine<'m, i8> {
    /// Chooses kernels for `model`, whose inputs are int8, and takes `scratch`, [`Model::scratch_len`] bytes or more, at any
    /// address. Such a model is int8 throughout: nothing that runs after this uses floating point, but for
    /// [`load_f32`](Self::load_f32).
    ///
    /// # Errors
    /// A scratch too small; kernels that cannot run on this processor; a model whose inputs are f32.
    pub fn new_i8(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, EngineError> {
        Self::with(model, scratch)
    }

    /// Takes an input of unsigned bytes, each 128 above the model's int8: what a camera delivers is the model's input where
    /// [`Model::input_scaling`] says that −128 stands for 0 and the scale is the camera's.
    ///
    /// # Errors
    /// `values` are not [`Model::n_in`] long.
    pub fn load_u8(&mut self, values: &[u8]) -> Result<(), WrongLength> {
        let input = self.input_for(values.len())?;
        for (input, value) in input.iter_mut().zip(values) {
            *input = (value ^ 0x80) as i8;
        }
        Ok(())
    }

    /// Takes an input of numbers as the network sees them (after [`Model::input_scaling`]) and quantises it.
    ///
    /// # Errors
    /// `values` are not [`Model::n_in`] long.
    pub fn load_f32(&mut self, values: &[f32]) -> Result<(), WrongLength> {
        let quantisation = self.model.input;
        let input = self.input_for(values.len())?;
        for (input, value) in input.iter_mut().zip(values) {
            *input = quantisation.map_or(0, |quantisation| quantisation.quantise(*value));
        }
        Ok(())
    }

    /// Finishes in this tail what a head began.
    ///
    /// # Errors
    /// This is no tail, or not the one of the head that handed over; the features are of another scale or zero point.
    pub fn resume(
        &mut self,
        features: &Features<'_, i8>,
        policy: &mut impl ExitPolicy<i8>,
    ) -> Result<Outcome<'_, i8>, ResumeError> {
        self.model.admits(features.pair_id(), features.split(), features.values().len())?;
        if !Quantisation::same(Some(features.quantisation()), self.model.input) {
            return Err(ResumeError::WrongQuantisation);
        }
        self.input().copy_from_slice(features.values());
        Ok(self.run(policy))
    }

    /// Finishes in this tail what came over a wire as int8.
    ///
    /// # Errors
    /// As [`resume`](Self::resume); the packet carries f32.
    pub fn resume_packet(
        &mut self,
        packet: &Packet<'_>,
        policy: &mut impl ExitPolicy<i8>,
    ) -> Result<Outcome<'_, i8>, ResumeError> {
        self.model.admits(packet.pair_id(), packet.split(), packet.len())?;
        if !Quantisation::same(packet.quantisation(), self.model.input) {
            return Err(ResumeError::WrongQuantisation);
        }
        for (input, value) in self.input().iter_mut().zip(packet.values_i8()) {
            *input = value;
        }
        Ok(self.run(policy))
    }
}

impl<'m, T: Element> Engine<'m, T> {
    fn with(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Result<Self, EngineError> {
        if model.input.is_some() != T::INT8 {
            return Err(EngineError::WrongElement { model_is_int8: model.input.is_some() });
        }
        let (needed, found) = (model.scratch_len(), scratch.len());
        let too_small = EngineError::ScratchTooSmall { needed, found };
        let (even, rest) = scratch.split_at_mut_checked(model.layout.even).ok_or(too_small)?;
        let (odd, rest) = rest.split_at_mut_checked(model.layout.odd).ok_or(too_small)?;
        let (third, rest) = rest.split_at_mut_checked(model.layout.third).ok_or(too_small)?;
        let (stage, _) = rest.split_at_mut_checked(model.layout.stage).ok_or(too_small)?;
        if !T::INT8 && as_f32(even).is_none() {
            return Err(EngineError::ScratchMisaligned);
        }
        let mut kernels = [None; MAX_OPERATIONS];
        for (kernel, operation) in kernels.iter_mut().zip(model.operations()) {
            let packing = operation.junction.packing();
            let ready = model.kernels.choose_for(&operation.junction).map_err(EngineError::Isa)?;
            *kernel = Some(ready.ok_or(EngineError::NoKernel(packing.name()))?);
        }
        Ok(Self { model, kernels, even, odd, third, stage, state: State::default(), element: PhantomData })
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

    /// Where the next input is written: [`Model::n_in`] values, in the trainer's order, f32 ones as the network sees them (after
    /// [`Model::input_scaling`]), int8 ones as [`Model::input`] says. What lies there is the rest of the last run. A run that was
    /// under way is abandoned.
    pub fn input(&mut self) -> &mut [T] {
        self.state = State::default();
        let bytes = self.model.n_in() * size_of::<T>();
        T::of_mut(self.even.get_mut(..bytes).unwrap_or_default())
    }

    fn input_for(&mut self, found: usize) -> Result<&mut [T], WrongLength> {
        let needed = self.model.n_in();
        if found == needed { Ok(self.input()) } else { Err(WrongLength { needed, found }) }
    }

    /// Copies an input.
    ///
    /// # Errors
    /// `values` are not [`Model::n_in`] long.
    pub fn load(&mut self, values: &[T]) -> Result<(), WrongLength> {
        self.input_for(values.len())?.copy_from_slice(values);
        Ok(())
    }

    /// Runs from the input to an answer or the hand-over.
    pub fn run(&mut self, policy: &mut impl ExitPolicy<T>) -> Outcome<'_, T> {
        self.state = State::default();
        let mut next = self.next_operation();
        loop {
            match self.advance(next, policy) {
                Ok(more) => next = Some(more),
                Err(end) => return self.outcome(end),
            }
        }
    }

    /// Runs one operation, and the exit decision behind it if one is due: for schedulers that want the processor back in
    /// between. After [`Step::Done`] the next step begins a new run.
    pub fn step(&mut self, policy: &mut impl ExitPolicy<T>) -> Step<'_, T> {
        if self.state.done {
            self.state = State::default();
        }
        let next = self.next_operation();
        match self.advance(next, policy) {
            Ok(_) => Step::More,
            Err(end) => Step::Done(self.outcome(end)),
        }
    }

    /// The logits of the exit decided last, before temperature: empty where there is none, or where a junction of the trunk
    /// has run since.
    #[must_use]
    pub fn logits(&self) -> &[T] {
        match self.state.logits {
            Some((region, len)) => self.values(region, len),
            None => &[],
        }
    }

    /// The next operation, and the decision behind it: what runs then, or how the run ended.
    fn advance(&mut self, next: Option<Next<'m>>, policy: &mut impl ExitPolicy<T>) -> Result<Next<'m>, End> {
        if let Some((operation, kernel)) = next {
            match operation.exit {
                None => self.trunk(operation, kernel),
                Some(_) => {
                    if let Some(end) = self.branch(operation, kernel, policy) {
                        self.state.done = true;
                        return Err(end);
                    }
                }
            }
        }
        self.next_operation().ok_or_else(|| {
            self.state.done = true;
            self.last_exit()
        })
    }

    /// What runs next; branches are passed over while handing over.
    fn next_operation(&mut self) -> Option<Next<'m>> {
        loop {
            let operation = self.model.operations.get(self.state.operations)?.as_ref()?;
            if operation.exit.is_none() || !self.state.handing_over {
                return Some((operation, self.kernels.get(self.state.operations).copied().flatten()));
            }
            self.state.operations += 1;
        }
    }

    fn trunk(&mut self, operation: &Operation<'_>, kernel: Option<ReadyKernel<'_>>) {
        let (from, to) = (Region::of_depth(self.state.depth), Region::of_depth(self.state.depth + 1));
        self.multiply(operation, kernel, from, to);
        self.state.operations += 1;
        self.state.depth += 1;
        self.state.logits = None;
    }

    fn branch(
        &mut self,
        operation: &Operation<'_>,
        kernel: Option<ReadyKernel<'_>>,
        policy: &mut impl ExitPolicy<T>,
    ) -> Option<End> {
        let (from, to) = Region::of_branch(self.state.depth, self.state.branch);
        self.multiply(operation, kernel, from, to);
        self.state.operations += 1;
        self.state.branch += 1;
        let exit = self.next_exit()?;
        if self.state.branch < usize::from(exit.branch) {
            return None;
        }
        let classes = self.model.classes();
        let shown = self.shown(operation.output, to, Region::Stage, classes);
        let view = T::view(exit, self.values(shown, classes));
        let (answer, decision) = (view.answer(), policy.decide(&view));
        self.state.logits = Some((shown, classes));
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
        let (region, classes) = (Region::of_depth(self.state.depth), self.model.classes());
        let shown = self.shown(self.model.output(), region, Region::Stage, classes);
        let answer = T::view(exit, self.values(shown, classes)).answer();
        self.state.logits = Some((shown, classes));
        End::Answer(answer)
    }

    fn next_exit(&self) -> Option<&'m Exit> {
        self.model.exits.get(self.state.exits)?.as_ref()
    }

    fn outcome(&mut self, end: End) -> Outcome<'_, T> {
        match end {
            End::Answer(answer) => Outcome::Answer(answer),
            End::Offload => {
                let (region, free) = (Region::of_depth(self.state.depth), Region::of_depth(self.state.depth + 1));
                let (len, quantisation) = (self.model.features_len(), self.model.output());
                let shown = self.shown(quantisation, region, free, len);
                let features = T::features(self.values(shown, len), quantisation, self.model);
                Outcome::Offload { features, fallback: self.state.fallback }
            }
        }
    }

    /// Where the values of a region can be shown as this engine's element: there, or, of int8 values in an f32 engine, converted
    /// in `other`.
    fn shown(&mut self, quantisation: Option<Quantisation>, region: Region, other: Region, len: usize) -> Region {
        let (false, Some(quantisation)) = (T::INT8, quantisation) else { return region };
        let (from, to, _) = self.regions(region, other);
        T::dequantise(quantisation, from.get(..len).unwrap_or_default(), to);
        other
    }

    fn values(&self, region: Region, len: usize) -> &[T] {
        let bytes = match region {
            Region::Even => &*self.even,
            Region::Odd => &*self.odd,
            Region::Third => &*self.third,
            Region::Stage => &*self.stage,
        };
        T::of(bytes.get(..len * size_of::<T>()).unwrap_or_default())
    }

    /// `to = operation(from)`. What could fail here was proven: lengths and regions by parse, alignment and kernel by `new`.
    fn multiply(&mut self, operation: &Operation<'_>, kernel: Option<ReadyKernel<'_>>, from: Region, to: Region) {
        let (from, to, stage) = self.regions(from, to);
        let ran = kernel.is_some_and(|kernel| T::run(operation, kernel, from, to, stage));
        debug_assert!(ran, "parse and new have proven that this runs");
    }

    /// A region to read, one to write, and the stage; empty ones where they are not three different ones, which no caller asks.
    fn regions(&mut self, from: Region, to: Region) -> (&[u8], &mut [u8], &mut [u8]) {
        let (even, odd, third, stage) = (&mut *self.even, &mut *self.odd, &mut *self.third, &mut *self.stage);
        match (from, to) {
            (Region::Even, Region::Odd) => (even, odd, stage),
            (Region::Even, Region::Third) => (even, third, stage),
            (Region::Odd, Region::Even) => (odd, even, stage),
            (Region::Odd, Region::Third) => (odd, third, stage),
            (Region::Third, Region::Even) => (third, even, stage),
            (Region::Third, Region::Odd) => (third, odd, stage),
            (Region::Even, Region::Stage) => (even, stage, &mut []),
            (Region::Odd, Region::Stage) => (odd, stage, &mut []),
            (Region::Third, Region::Stage) => (third, stage, &mut []),
            (Region::Even, Region::Even) | (Region::Odd, Region::Odd) | (Region::Third, Region::Third) => {
                (&[], &mut [], stage)
            }
            (Region::Stage, _) => (&[], &mut [], &mut []),
        }
    }
}
