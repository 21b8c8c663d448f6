//! The least that a program with the model that `LACEWING_MODEL` names needs, measured: what `lacewing inspect --target cortex-m4` tells beforehand.
//! Runs each input, an operation a step, between the counter's marks. Ends with the class of the last one as its exit code.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;
#[cfg(feature = "paint")]
#[path = "../stack.rs"]
mod stack;

use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, Step};
use semihosting::process;
use static_cell::StaticCell;

static INPUTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inputs.f32"));

#[cfg(proven_at_build)]
mod file {
    use lacewing_engine::{Model, include_model};

    const MODEL: Model<'static> = include_model!(concat!(env!("OUT_DIR"), "/model.lace"));
    pub(crate) const SCRATCH: usize = MODEL.scratch_len();

    pub(crate) fn model() -> Option<&'static Model<'static>> {
        Some(&MODEL)
    }
}

#[cfg(not(proven_at_build))]
mod file {
    use lacewing_engine::{Aligned, KernelSet, Model};
    use static_cell::StaticCell;

    static FILE: Aligned<[u8; include_bytes!(concat!(env!("OUT_DIR"), "/model.lace")).len()]> =
        Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.lace")));
    static MODEL: StaticCell<Model<'static>> = StaticCell::new();
    /// As the model told the host.
    pub(crate) const SCRATCH: usize = include!(concat!(env!("OUT_DIR"), "/scratch"));

    pub(crate) fn model() -> Option<&'static Model<'static>> {
        let model = Model::parse(&FILE.0, &KernelSet::ALL).ok()?;
        Some(MODEL.try_init(model)?)
    }
}

static SCRATCH: StaticCell<Scratch<{ file::SCRATCH }>> = StaticCell::new();

#[cfg(not(int8))]
type Number = f32;
#[cfg(int8)]
type Number = i8;

#[cfg(not(int8))]
fn engine<'m>(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Option<Engine<'m>> {
    Engine::new(model, scratch).ok()
}
#[cfg(int8)]
fn engine<'m>(model: &'m Model<'m>, scratch: &'m mut [u8]) -> Option<Engine<'m, i8>> {
    Engine::new_i8(model, scratch).ok()
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(scratch) = SCRATCH.try_init_with(Scratch::new) else { process::exit(99) };
    let Some(model) = file::model() else { process::exit(98) };
    let Some(mut engine) = engine(model, scratch) else { process::exit(100) };
    let mut code = 102;
    for input in INPUTS.chunks_exact(size_of::<Number>() * model.n_in()) {
        for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks().0) {
            *value = Number::from_le_bytes(*bytes);
        }
        code = loop {
            board::roi_begin();
            let step = engine.step(&mut AsTrained);
            board::roi_end();
            match step {
                Step::More => {}
                Step::Done(Outcome::Answer(answer)) => break i32::from(answer.class),
                Step::Done(Outcome::Offload { .. }) => break 101,
            }
        };
    }
    #[cfg(feature = "paint")]
    stack::say();
    process::exit(code)
}
