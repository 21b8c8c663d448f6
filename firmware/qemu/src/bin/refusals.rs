//! What is refused on the device, said on the UART with rule and offset: model files cut off, flipped, and a scratch that does not do. A file at an
//! odd address is no fault, in flash neither: it answers the same, by kernels that read at any address. An update over the air is parsed in the buffer that it came in, and taken only where it is sound; until then the model in flash answers.
#![no_std]
#![no_main]

#[path = "../uart.rs"]
mod uart;

use core::fmt::Write;

use lacewing_engine::{Aligned, AsTrained, Engine, KernelSet, Model, Outcome, Scratch, Step};
use semihosting::process;
use static_cell::StaticCell;
use uart::Uart;

const LENGTH: usize = include_bytes!("../../model/head.lace").len();
static FLASH: Aligned<[u8; LENGTH]> = Aligned(*include_bytes!("../../model/head.lace"));
/// The file at an odd address of flash.
static ODD: Odd = Odd { _first: 0, file: *include_bytes!("../../model/head.lace") };
/// The file in flash with a bit turned over in the middle.
static FLIPPED: Aligned<[u8; LENGTH]> = Aligned(flipped(*include_bytes!("../../model/head.lace"), LENGTH / 2));
static INPUTS: &[u8] = include_bytes!("../../model/inputs.f32");
/// Where an update arrives: one byte more, so that it can lie at an odd address.
static BUFFER: StaticCell<Aligned<[u8; LENGTH + 1]>> = StaticCell::new();
static SCRATCH: StaticCell<Scratch<16_384>> = StaticCell::new();

#[repr(C, align(16))]
struct Odd {
    _first: u8,
    file: [u8; LENGTH],
}

const fn flipped(mut file: [u8; LENGTH], at: usize) -> [u8; LENGTH] {
    if let Some(byte) = file.as_mut_slice().split_at_mut(at).1.first_mut() {
        *byte ^= 0x10;
    }
    file
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut uart = Uart::open();
    let buffer = &mut BUFFER.init(Aligned([0; LENGTH + 1])).0;
    let scratch = SCRATCH.init_with(Scratch::new);
    match demonstrate(&mut uart, buffer, scratch) {
        Ok(()) => process::exit(0),
        Err(_) => process::exit(1),
    }
}

fn demonstrate(uart: &mut Uart, buffer: &mut [u8], scratch: &mut [u8]) -> core::fmt::Result {
    let Ok(model) = Model::parse(&FLASH.0, &KernelSet::ALL) else { return Err(core::fmt::Error) };
    answer(uart, "flash", &model, scratch)?;
    match Model::parse(&ODD.file, &KernelSet::ALL) {
        Ok(odd) => answer(uart, "flash at an odd address", &odd, scratch)?,
        Err(error) => writeln!(uart, "flash at an odd address refused, {error}")?,
    }
    report(uart, "flipped in flash", LENGTH / 2, &FLIPPED.0)?;

    for length in [0, 3, 63, 64, 1_000, LENGTH - 1] {
        let (cut, _) = FLASH.0.split_at(length);
        report(uart, "cut off", length, cut)?;
    }
    for at in [0, 4, 5, 6, 7, 8, 20, 21, 22, 40, 64, 66, 500, LENGTH / 2, LENGTH - 1] {
        let update = arrive(buffer, 0);
        if let Some(byte) = update.get_mut(at) {
            *byte ^= 0x10;
        }
        report(uart, "flipped", at, update)?;
    }
    answer(uart, "flash", &model, scratch)?;

    for offset in [0, 1] {
        let update = arrive(buffer, offset);
        match Model::parse(update, &KernelSet::ALL) {
            Ok(updated) => {
                let who = if offset == 0 { "update" } else { "update at an odd address" };
                answer(uart, who, &updated, scratch)?;
            }
            Err(error) => writeln!(uart, "update refused, {error}")?,
        }
    }

    let (short, _) = scratch.split_at_mut(model.scratch_len() - 1);
    if let Err(error) = Engine::new(&model, short) {
        writeln!(uart, "{error}")?;
    }
    let (_, odd) = scratch.split_at_mut(1);
    if let Err(error) = Engine::new(&model, odd) {
        writeln!(uart, "{error}")?;
    }
    Ok(())
}

/// The file in flash, come over the air to this offset of the buffer.
fn arrive(buffer: &mut [u8], offset: usize) -> &mut [u8] {
    let (_, update) = buffer.split_at_mut(offset);
    let (update, _) = update.split_at_mut(LENGTH);
    update.copy_from_slice(&FLASH.0);
    update
}

fn report(uart: &mut Uart, what: &str, at: usize, file: &[u8]) -> core::fmt::Result {
    match Model::parse(file, &KernelSet::ALL) {
        Ok(_) => writeln!(uart, "{what} at {at}: TAKEN"),
        Err(error) => writeln!(uart, "{what} at {at}: {error}"),
    }
}

/// Says what a model answers to the first input, an operation at a time, and how many there are.
fn answer(uart: &mut Uart, who: &str, model: &Model<'_>, scratch: &mut [u8]) -> core::fmt::Result {
    let Ok(mut engine) = Engine::new(model, scratch) else { return writeln!(uart, "{who}: no engine") };
    for (value, bytes) in engine.input().iter_mut().zip(INPUTS.as_chunks::<4>().0) {
        *value = f32::from_le_bytes(*bytes);
    }
    let mut steps = 1;
    loop {
        match engine.step(&mut AsTrained) {
            Step::More => steps += 1,
            Step::Done(Outcome::Answer(answer)) => {
                return writeln!(uart, "{who}: class {} at exit {} in {steps} steps", answer.class, answer.exit.0);
            }
            Step::Done(Outcome::Offload { features, .. }) => {
                return writeln!(uart, "{who}: {} features in {steps} steps", features.values().len());
            }
        }
    }
}
