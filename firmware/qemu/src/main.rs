//! Prints the kernel of each operation, then runs a head on each input in flash and prints what came of it, one line an input:
//!
//! ```text
//! kernel block_f32_8x1/fpu
//! kernel dense_f32_4x12/fpu
//! 0 answer 7 exit 1
//! 1 offload 112 fallback 4
//! ```
//!
//! The model is proven at compile time where it is small enough for that, and links the kernels it needs; a larger one is
//! parsed at start-up, against all kernels of the target.
#![no_std]
#![no_main]

mod board;

use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch};
use semihosting::{eprintln, println, process};
use static_cell::StaticCell;

/// The inputs, as the network sees them: little-endian f32.
static INPUTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inputs.f32"));

#[cfg(proven_at_build)]
mod model {
    use core::convert::Infallible;

    use lacewing_engine::include_model;

    use super::Model;

    const MODEL: Model<'static> = include_model!(concat!(env!("OUT_DIR"), "/model.lace"));
    pub(crate) const SCRATCH: usize = MODEL.scratch_len();

    pub(crate) const fn model() -> Result<Model<'static>, Infallible> {
        Ok(MODEL)
    }
}

#[cfg(not(proven_at_build))]
mod model {
    use lacewing_engine::{Aligned, KernelSet, ParseError};

    use super::Model;

    static FILE: Aligned<[u8; include_bytes!(concat!(env!("OUT_DIR"), "/model.lace")).len()]> =
        Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/model.lace")));
    /// Enough for three layers of the format's widest.
    pub(crate) const SCRATCH: usize = 3 * 4 * 65_536;

    pub(crate) fn model() -> Result<Model<'static>, ParseError> {
        Model::parse(&FILE.0, &KernelSet::ALL)
    }
}

static MODEL: StaticCell<Model<'static>> = StaticCell::new();
static SCRATCH: StaticCell<Scratch<{ model::SCRATCH }>> = StaticCell::new();

#[cortex_m_rt::entry]
fn main() -> ! {
    let model: &Model<'_> = match model::model() {
        Ok(model) => MODEL.init(model),
        Err(error) => give_up(&error),
    };
    let mut engine = match Engine::new(model, &mut SCRATCH.init_with(Scratch::new)[..]) {
        Ok(engine) => engine,
        Err(error) => give_up(&error),
    };
    for kernel in engine.kernels() {
        println!("kernel {}", kernel.kernel());
    }
    for (number, input) in INPUTS.chunks_exact(4 * model.n_in()).enumerate() {
        for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        board::roi_begin();
        let outcome = engine.run(&mut AsTrained);
        board::roi_end();
        match outcome {
            Outcome::Answer(answer) => println!("{number} answer {} exit {}", answer.class, answer.exit.0),
            Outcome::Offload { features, fallback: Some(answer) } => {
                println!("{number} offload {} fallback {}", features.values().len(), answer.class);
            }
            Outcome::Offload { features, fallback: None } => println!("{number} offload {}", features.values().len()),
        }
    }
    process::exit(0)
}

fn give_up(error: &dyn core::fmt::Display) -> ! {
    eprintln!("{error}");
    process::exit(1)
}
