//! Instructions of whole int8 networks: each model file on its inputs, every inference between the counter's marks, with all kernels of the target
//! to choose from. Files come from the host as in `goldens`. Prints the kernels of each, and a line an inference: name, class, exit and
//! confidence. The counter's regions come in the same order.
#![no_std]
#![no_main]

use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Outcome};
use lacewing_firmware_conformance::alloc::format;
use lacewing_firmware_conformance::alloc::string::String;
use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::{entry, open_heap, read, roi_begin, roi_end};
use semihosting::{eprintln, println, process};

#[entry]
fn main() -> ! {
    open_heap();
    match run() {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("{error}");
            process::exit(1)
        }
    }
}

fn run() -> Result<(), String> {
    for name in String::from_utf8_lossy(&read("names")?).lines() {
        let (file, inputs) = (read(&format!("{name}.lace"))?, read(&format!("{name}.inputs"))?);
        let model = Model::parse(&file, &KernelSet::ALL).map_err(|error| format!("{name}: {error}"))?;
        // A multiple of 4 whatever the heap does.
        let mut scratch = vec![0u32; model.scratch_len().div_ceil(4)];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        let mut engine = Engine::new_i8(&model, scratch).map_err(|error| format!("{name}: {error}"))?;
        for kernel in engine.kernels() {
            println!("kernel {name} {}", kernel.kernel());
        }
        for input in inputs.chunks_exact(model.n_in()) {
            engine.input().copy_from_slice(bytemuck::cast_slice(input));
            roi_begin();
            let outcome = engine.run(&mut AsTrained);
            roi_end();
            match outcome {
                Outcome::Answer(answer) => {
                    println!("{name} answer {} {} {}", answer.class, answer.exit.0, answer.confidence.steps());
                }
                Outcome::Offload { .. } => println!("{name} offload"),
            }
        }
    }
    Ok(())
}
