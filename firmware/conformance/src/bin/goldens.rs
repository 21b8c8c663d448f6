//! Runs model files on their inputs, whatever their elements, and prints class, exit and confidence of each answer, or of the answer beside a
//! hand-over: one line an input.
#![no_std]
#![no_main]

use lacewing_engine::{Answer, AsTrained, Element, Engine, KernelSet, Model, Outcome};
use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::{entry, open_heap};
use semihosting::{eprintln, println, process};

/// Name, model file, and inputs: little-endian f32, or int8.
type Golden = (&'static str, &'static [u8], &'static [u8]);

static GOLDENS: &[Golden] = include!(concat!(env!("OUT_DIR"), "/goldens.rs"));

#[entry]
fn main() -> ! {
    open_heap();
    for (name, file, inputs) in GOLDENS {
        let model = match Model::parse(file, &KernelSet::ALL) {
            Ok(model) => model,
            Err(error) => give_up(name, &error),
        };
        // A multiple of 4 whatever the heap does.
        let mut scratch = vec![0u32; model.scratch_len().div_ceil(4)];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        if model.input().is_some() {
            let mut engine = match Engine::new_i8(&model, scratch) {
                Ok(engine) => engine,
                Err(error) => give_up(name, &error),
            };
            for input in inputs.chunks_exact(model.n_in()) {
                engine.input().copy_from_slice(bytemuck::cast_slice(input));
                print(name, &engine.run(&mut AsTrained));
            }
        } else {
            let mut engine = match Engine::new(&model, scratch) {
                Ok(engine) => engine,
                Err(error) => give_up(name, &error),
            };
            for input in inputs.chunks_exact(4 * model.n_in()) {
                for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
                print(name, &engine.run(&mut AsTrained));
            }
        }
    }
    process::exit(0)
}

fn print<T: Element>(name: &str, outcome: &Outcome<'_, T>) {
    match outcome {
        Outcome::Answer(answer) => println!("{name} answer {}", Words(*answer)),
        Outcome::Offload { fallback: Some(answer), .. } => println!("{name} offload {}", Words(*answer)),
        Outcome::Offload { fallback: None, .. } => println!("{name} offload"),
    }
}

struct Words(Answer);

impl core::fmt::Display for Words {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} {}", self.0.class, self.0.exit.0, self.0.confidence.steps())
    }
}

fn give_up(name: &str, error: &dyn core::fmt::Display) -> ! {
    eprintln!("{name}: {error}");
    process::exit(1)
}
