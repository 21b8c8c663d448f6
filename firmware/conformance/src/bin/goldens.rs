//! Runs model files on their inputs, whatever their elements, and prints a line an answer. Both come from the host by semihosting, out of the folder
//! that the emulator was started in: `names` lists the models, `NAME.lace` and `NAME.inputs`. No image lies in the board's flash.
#![no_std]
#![no_main]

#[path = "../../../../engine/examples/goldens/answers.rs"]
mod answers;

use answers::answers;
use lacewing_engine::{KernelSet, Model};
use lacewing_firmware_conformance::alloc::format;
use lacewing_firmware_conformance::alloc::string::String;
use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::{entry, open_heap, read};
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
        answers(name, &model, scratch, &inputs, &mut |line| println!("{line}"))
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}
