//! Engines.

use core::ptr;

use ::lacewing_engine::{
    Answer, AsTrained, Confidence, Element, Engine, ExitPolicy, Never, Outcome, Packet, Q15, Step, Threshold,
};

use crate::memory::{
    Stores, check, clear, give, lacewing_engine, lacewing_engine_i8, lacewing_model, store, stored, stored_mut, values,
    values_mut,
};
use crate::status::lacewing_status;
use crate::status::lacewing_status as Status;

/// Exits are taken as the model says.
pub const LACEWING_AS_TRAINED: u32 = 0;
/// No exit is taken: a head hands everything over, a whole network answers at its end.
pub const LACEWING_NEVER: u32 = 1;
/// Exits are taken by the model's metrics with `threshold` instead of the model's; for f32 engines.
pub const LACEWING_THRESHOLD: u32 = 2;
/// Exits are taken with this least `confidence`; for int8 engines.
pub const LACEWING_CONFIDENCE: u32 = 3;

/// Who decides at the exits. A zeroed one is LACEWING_AS_TRAINED.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct lacewing_policy {
    /// LACEWING_AS_TRAINED ...
    pub kind: u32,
    /// Of LACEWING_THRESHOLD, in the metric's unit.
    pub threshold: f32,
    /// Of LACEWING_CONFIDENCE, 0 to 32,768.
    pub confidence: u16,
}

/// One operation is done, there are more: of step only.
pub const LACEWING_MORE: u32 = 0;
/// An exit was sure enough, or the network has ended: `class_index`, `exit` and `confidence` are its answer.
pub const LACEWING_ANSWER: u32 = 1;
/// No exit was: the tail finishes, from `features` or `features_i8`. Where `has_fallback`, `class_index`, `exit` and `confidence` are the
/// last exit's own answer, for when the link is down.
pub const LACEWING_OFFLOAD: u32 = 2;

/// What a run or a step came to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct lacewing_outcome {
    /// LACEWING_MORE, LACEWING_ANSWER or LACEWING_OFFLOAD.
    pub kind: u32,
    /// The class with the largest logit.
    pub class_index: u16,
    /// How sure the exit is, 0 to 32,768.
    pub confidence: u16,
    /// The exit that answered, numbered from 1 in the whole network.
    pub exit: u8,
    /// Whether an offload has an answer beside the features.
    pub has_fallback: bool,
    /// Values to hand over; 0 where there is an answer.
    pub n_features: u16,
    /// They, of an f32 engine, in its scratch: good until its next call. Null otherwise.
    pub features: *const f32,
    /// They, of an int8 engine, likewise.
    pub features_i8: *const i8,
}

impl lacewing_outcome {
    const NONE: Self = Self {
        kind: LACEWING_MORE,
        class_index: 0,
        confidence: 0,
        exit: 0,
        has_fallback: false,
        n_features: 0,
        features: ptr::null(),
        features_i8: ptr::null(),
    };

    fn with(self, answer: Option<Answer>) -> Self {
        match answer {
            Some(answer) => Self {
                class_index: answer.class,
                confidence: answer.confidence.steps(),
                exit: answer.exit.0,
                has_fallback: self.kind == LACEWING_OFFLOAD,
                ..self
            },
            None => self,
        }
    }
}

/// An element, as this door knows it.
trait Door: Element {
    /// The memory of an engine.
    type Memory: Stores<Value = Engine<'static, Self>>;
    /// Where the outcome has this element's features.
    fn place(outcome: &mut lacewing_outcome) -> &mut *const Self;
    /// Runs `on` with the policy that the caller asks for.
    fn with_policy<R>(policy: lacewing_policy, on: impl WithPolicy<Self, R>) -> Result<R, Status>;
}

/// What is done with a policy of any type.
trait WithPolicy<T: Element, R> {
    fn call(self, policy: &mut impl ExitPolicy<T>) -> R;
}

impl Door for f32 {
    type Memory = lacewing_engine;

    fn place(outcome: &mut lacewing_outcome) -> &mut *const Self {
        &mut outcome.features
    }

    fn with_policy<R>(policy: lacewing_policy, on: impl WithPolicy<Self, R>) -> Result<R, Status> {
        match policy.kind {
            LACEWING_AS_TRAINED => Ok(on.call(&mut AsTrained)),
            LACEWING_NEVER => Ok(on.call(&mut Never)),
            LACEWING_THRESHOLD => Ok(on.call(&mut Threshold(policy.threshold))),
            _ => Err(Status::CallerUnknownPolicy),
        }
    }
}

impl Door for i8 {
    type Memory = lacewing_engine_i8;

    fn place(outcome: &mut lacewing_outcome) -> &mut *const Self {
        &mut outcome.features_i8
    }

    fn with_policy<R>(policy: lacewing_policy, on: impl WithPolicy<Self, R>) -> Result<R, Status> {
        match policy.kind {
            LACEWING_AS_TRAINED => Ok(on.call(&mut AsTrained)),
            LACEWING_NEVER => Ok(on.call(&mut Never)),
            LACEWING_CONFIDENCE => {
                let least = Q15::from_steps(policy.confidence).ok_or(Status::CallerBadConfidence)?;
                Ok(on.call(&mut Confidence(least)))
            }
            _ => Err(Status::CallerUnknownPolicy),
        }
    }
}

fn described<T: Door>(outcome: Outcome<'_, T>) -> lacewing_outcome {
    match outcome {
        Outcome::Answer(answer) => {
            lacewing_outcome { kind: LACEWING_ANSWER, ..lacewing_outcome::NONE }.with(Some(answer))
        }
        Outcome::Offload { features, fallback } => {
            let values = features.values();
            let mut outcome =
                lacewing_outcome { kind: LACEWING_OFFLOAD, n_features: values.len() as u16, ..lacewing_outcome::NONE };
            *T::place(&mut outcome) = values.as_ptr();
            outcome.with(fallback)
        }
    }
}

struct Run<'c, T: Door>(&'c mut Engine<'static, T>);

impl<T: Door> WithPolicy<T, lacewing_outcome> for Run<'_, T> {
    fn call(self, policy: &mut impl ExitPolicy<T>) -> lacewing_outcome {
        described(self.0.run(policy))
    }
}

struct OneStep<'c, T: Door>(&'c mut Engine<'static, T>);

impl<T: Door> WithPolicy<T, lacewing_outcome> for OneStep<'_, T> {
    fn call(self, policy: &mut impl ExitPolicy<T>) -> lacewing_outcome {
        match self.0.step(policy) {
            Step::More => lacewing_outcome::NONE,
            Step::Done(outcome) => described(outcome),
        }
    }
}

/// # Safety
/// As lacewing_engine_run().
unsafe fn run<'c, T: Door, W: WithPolicy<T, lacewing_outcome>>(
    engine: *mut T::Memory,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
    how: impl FnOnce(&'c mut Engine<'static, T>) -> W,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let run = || unsafe {
        let engine = stored_mut(engine, Status::CallerNotAnEngine)?;
        check(outcome.cast_const())?;
        let came_to = T::with_policy(policy, how(engine))?;
        give(outcome, came_to)
    };
    Status::of(run())
}

/// # Safety
/// As lacewing_engine_load().
unsafe fn load<T: Door>(engine: *mut T::Memory, from: *const T, n: usize) -> Status {
    // SAFETY: the pointers are what this function asks of its caller.
    let load = || unsafe {
        let engine = stored_mut(engine, Status::CallerNotAnEngine)?;
        let from = values(from, n)?;
        engine.load(from).map_err(|_| Status::CallerWrongLength)
    };
    Status::of(load())
}

/// # Safety
/// As lacewing_engine_input().
unsafe fn input<T: Door>(engine: *mut T::Memory) -> *mut T {
    // SAFETY: the caller's.
    unsafe { stored_mut(engine, Status::CallerNotAnEngine) }
        .map_or(ptr::null_mut(), |engine| engine.input().as_mut_ptr())
}

/// # Safety
/// As lacewing_engine_logits().
unsafe fn logits<T: Door>(engine: *const T::Memory, at: *mut *const T, n: *mut usize) -> Status {
    // SAFETY: the pointers are what this function asks of its caller.
    let logits = || unsafe {
        let engine = stored(engine, Status::CallerNotAnEngine)?;
        check(at.cast_const())?;
        check(n.cast_const())?;
        let found = engine.logits();
        give(at, found.as_ptr())?;
        give(n, found.len())
    };
    Status::of(logits())
}

/// Makes an engine for `model`, whose inputs are f32, in the memory `engine`. It works in `scratch`, of `len` bytes or more than
/// lacewing_model_scratch_len() says, at a multiple of 4. Model, scratch and engine stay where they are, and nobody else writes
/// the scratch, as long as the engine is used. The last call that can fail on a device.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_init(
    engine: *mut lacewing_engine,
    model: *const lacewing_model,
    scratch: *mut u8,
    len: usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let init = || unsafe {
        clear(engine)?;
        let model = stored(model, Status::CallerNotAModel)?;
        let scratch = values_mut(scratch, len)?;
        store(engine, Engine::new(model, scratch)?)
    };
    Status::of(init())
}

/// The same for a model whose inputs are int8; the scratch may lie anywhere.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_init(
    engine: *mut lacewing_engine_i8,
    model: *const lacewing_model,
    scratch: *mut u8,
    len: usize,
) -> lacewing_status {
    // SAFETY: the pointers are what this function asks of its caller.
    let init = || unsafe {
        clear(engine)?;
        let model = stored(model, Status::CallerNotAModel)?;
        let scratch = values_mut(scratch, len)?;
        store(engine, Engine::new_i8(model, scratch)?)
    };
    Status::of(init())
}

/// Where the next input is written, n_in values, as the network sees them; null where `engine` holds no engine. A run consumes it.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_input(engine: *mut lacewing_engine) -> *mut f32 {
    // SAFETY: the caller's.
    unsafe { input::<f32>(engine) }
}

/// The same of an int8 engine.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_input(engine: *mut lacewing_engine_i8) -> *mut i8 {
    // SAFETY: the caller's.
    unsafe { input::<i8>(engine) }
}

/// Copies an input of `n` values, which are as many as the model has inputs.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_load(
    engine: *mut lacewing_engine,
    input: *const f32,
    n: usize,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { load::<f32>(engine, input, n) }
}

/// The same of an int8 engine.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_load(
    engine: *mut lacewing_engine_i8,
    input: *const i8,
    n: usize,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { load::<i8>(engine, input, n) }
}

/// Runs from the input to an answer or the hand-over. Refuses nothing but a wrong call.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_run(
    engine: *mut lacewing_engine,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { run::<f32, _>(engine, policy, outcome, Run) }
}

/// The same of an int8 engine.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_run(
    engine: *mut lacewing_engine_i8,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { run::<i8, _>(engine, policy, outcome, Run) }
}

/// Runs one operation, and the exit decision behind it if one is due: LACEWING_MORE until the run has ended; the next step then begins
/// a new one.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_step(
    engine: *mut lacewing_engine,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { run::<f32, _>(engine, policy, outcome, OneStep) }
}

/// The same of an int8 engine.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_step(
    engine: *mut lacewing_engine_i8,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { run::<i8, _>(engine, policy, outcome, OneStep) }
}

/// The logits of the exit decided last, before temperature: `*at` and their number `*n`; 0 where there is none, or where the
/// trunk has gone on since. Good until the engine's next call.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_logits(
    engine: *const lacewing_engine,
    at: *mut *const f32,
    n: *mut usize,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { logits::<f32>(engine, at, n) }
}

/// The same of an int8 engine.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_logits(
    engine: *const lacewing_engine_i8,
    at: *mut *const i8,
    n: *mut usize,
) -> lacewing_status {
    // SAFETY: the caller's.
    unsafe { logits::<i8>(engine, at, n) }
}

/// Finishes in this tail, whose inputs are f32, what came over a wire in a packet of any encoding.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_resume(
    engine: *mut lacewing_engine,
    packet: *const u8,
    len: usize,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    struct Resume<'c>(&'c mut Engine<'static, f32>, Packet<'c>);
    impl WithPolicy<f32, Result<lacewing_outcome, Status>> for Resume<'_> {
        fn call(self, policy: &mut impl ExitPolicy) -> Result<lacewing_outcome, Status> {
            Ok(described(self.0.resume_packet(&self.1, policy)?))
        }
    }
    // SAFETY: the pointers are what this function asks of its caller.
    let resume = || unsafe {
        let engine = stored_mut(engine, Status::CallerNotAnEngine)?;
        check(outcome.cast_const())?;
        let packet = Packet::parse(values(packet, len)?)?;
        let came_to = f32::with_policy(policy, Resume(engine, packet))??;
        give(outcome, came_to)
    };
    Status::of(resume())
}

/// The same of an int8 tail, from a packet of int8.
///
/// # Safety
/// As lacewing_model_parse().
// SAFETY: no other function of a program has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lacewing_engine_i8_resume(
    engine: *mut lacewing_engine_i8,
    packet: *const u8,
    len: usize,
    policy: lacewing_policy,
    outcome: *mut lacewing_outcome,
) -> lacewing_status {
    struct Resume<'c>(&'c mut Engine<'static, i8>, Packet<'c>);
    impl WithPolicy<i8, Result<lacewing_outcome, Status>> for Resume<'_> {
        fn call(self, policy: &mut impl ExitPolicy<i8>) -> Result<lacewing_outcome, Status> {
            Ok(described(self.0.resume_packet(&self.1, policy)?))
        }
    }
    // SAFETY: the pointers are what this function asks of its caller.
    let resume = || unsafe {
        let engine = stored_mut(engine, Status::CallerNotAnEngine)?;
        check(outcome.cast_const())?;
        let packet = Packet::parse(values(packet, len)?)?;
        let came_to = i8::with_policy(policy, Resume(engine, packet))??;
        give(outcome, came_to)
    };
    Status::of(resume())
}
