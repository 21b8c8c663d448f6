//! The least that a program with an int8 model needs: no printing, no formatting, no floating point, no panic. Ends with the class of an input as
//! its exit code.
#![no_std]
#![no_main]

#[cfg(feature = "paint")]
#[path = "../stack.rs"]
mod stack;

use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, include_model};
use semihosting::process;
use static_cell::StaticCell;

const MODEL: Model<'static> = include_model!("../../../../engine/tests/hostile/sound-whole-int8.lace");
static SCRATCH: StaticCell<Scratch<{ MODEL.scratch_len() }>> = StaticCell::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(scratch) = SCRATCH.try_init_with(Scratch::new) else { process::exit(99) };
    let Ok(mut engine) = Engine::new_i8(&MODEL, scratch) else { process::exit(100) };
    for (value, number) in engine.input().iter_mut().zip(-60..) {
        *value = number;
    }
    let code = match engine.run(&mut AsTrained) {
        Outcome::Answer(answer) => i32::from(answer.class),
        Outcome::Offload { .. } => 101,
    };
    #[cfg(feature = "paint")]
    stack::say();
    process::exit(code)
}
