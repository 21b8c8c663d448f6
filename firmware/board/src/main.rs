//! Runs a head on each input in flash and prints the answer and the cycles that it took, by the core's own counter (DWT CYCCNT), through the
//! debug probe:
//!
//! ```text
//! 0 answer 7 exit 1: 41000 cycles
//! ```
//!
//! The core runs at its clock after reset (Nucleo-F446RE: 16 MHz from the internal oscillator, no wait states; Pico 2: from the ring oscillator,
//! code out of flash by the cache). The first run of each input is a warm-up.
#![no_std]
#![no_main]

use cortex_m::peripheral::DWT;
use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, include_model};
use semihosting::{println, process};
use static_cell::StaticCell;

const MODEL: Model<'static> = include_model!("../../qemu/model/head.lace");
static SCRATCH: StaticCell<Scratch<{ MODEL.scratch_len() }>> = StaticCell::new();
static INPUTS: &[u8] = include_bytes!("../../qemu/model/inputs.f32");

/// An RP2350 image for its secure Arm cores (RP2350 datasheet, 5.9.5.1 "Minimum Arm IMAGE_DEF").
#[cfg(feature = "pico-2")]
// SAFETY: the section is laid out by the linker script and read by the boot ROM alone.
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE_DEF: [u32; 5] = [0xffff_ded3, 0x1021_0142, 0x0000_01ff, 0x0000_0000, 0xab12_3579];

#[cortex_m_rt::entry]
fn main() -> ! {
    let Some(mut core) = cortex_m::Peripherals::take() else { process::exit(1) };
    core.DCB.enable_trace();
    core.DWT.enable_cycle_counter();
    let Ok(mut engine) = Engine::new(&MODEL, &mut SCRATCH.init_with(Scratch::new)[..]) else { process::exit(1) };
    for (number, input) in INPUTS.chunks_exact(4 * MODEL.n_in()).enumerate() {
        let mut cycles = 0;
        let mut said = None;
        for _ in 0..2 {
            for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
                *value = f32::from_le_bytes(*bytes);
            }
            let begin = DWT::cycle_count();
            let outcome = engine.run(&mut AsTrained);
            cycles = DWT::cycle_count().wrapping_sub(begin);
            said = match outcome {
                Outcome::Answer(answer) => Some(answer),
                Outcome::Offload { .. } => None,
            };
        }
        match said {
            Some(answer) => println!("{number} answer {} exit {}: {cycles} cycles", answer.class, answer.exit.0),
            None => println!("{number} offload: {cycles} cycles"),
        }
    }
    process::exit(0)
}
