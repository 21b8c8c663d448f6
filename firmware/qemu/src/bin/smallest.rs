//! The least that a program with a head needs: no printing, no formatting, no panic. Ends with the class of the first input as its exit code.
#![no_std]
#![no_main]

#[cfg(feature = "paint")]
#[path = "../stack.rs"]
mod stack;

use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, include_model};
use semihosting::process;
use static_cell::StaticCell;

const MODEL: Model<'static> = include_model!("../../model/head.lace");
static SCRATCH: StaticCell<Scratch<{ MODEL.scratch_len() }>> = StaticCell::new();
static INPUTS: &[u8] = include_bytes!("../../model/inputs.f32");

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(scratch) = SCRATCH.try_init_with(Scratch::new) else { process::exit(99) };
    let Ok(mut engine) = Engine::new(&MODEL, scratch) else { process::exit(100) };
    for (value, bytes) in engine.input().iter_mut().zip(INPUTS.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    let code = match engine.run(&mut AsTrained) {
        Outcome::Answer(answer) => i32::from(answer.class),
        Outcome::Offload { .. } => 101,
    };
    #[cfg(feature = "paint")]
    stack::say();
    process::exit(code)
}
