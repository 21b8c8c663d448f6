//! A timer's interrupt in the middle of `step`, whose handler runs a network of its own: registers of the floating-point unit and sums of the DSP
//! extension are the handler's for so long. Answers, confidences and features stay those of an undisturbed run, to the bit.
#![no_std]
#![no_main]

#[path = "../uart.rs"]
mod uart;

use core::fmt::Write;
use core::sync::atomic::{AtomicUsize, Ordering};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use lacewing_engine::{AsTrained, Engine, Model, Outcome, Scratch, Step, include_model};
use semihosting::process;
use static_cell::StaticCell;
use uart::Uart;

const HEAD: Model<'static> = include_model!("../../model/head.lace");
const INT8: Model<'static> = include_model!("../../../../engine/tests/hostile/sound-whole-int8.lace");
static INPUTS: &[u8] = include_bytes!("../../model/inputs.f32");
/// Images that run; so many answers of an undisturbed run are kept.
const IMAGES: usize = 10;
/// Cycles of the timer, somewhat more than the handler takes: it strikes each time at another place of the run.
const PERIODS: [u32; 3] = [90_001, 85_009, 79_999];

static MAIN_SCRATCH: StaticCell<Scratch<{ HEAD.scratch_len() }>> = StaticCell::new();
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);
static WRONG_IN_HANDLER: AtomicUsize = AtomicUsize::new(0);

/// What a run came to, in a number: class, confidence, exit and features mixed.
fn mark(outcome: &Outcome<'_>) -> u32 {
    let mix = |sum: u32, bits: u32| (sum ^ bits).wrapping_mul(0x0100_0193);
    let of = |answer: &lacewing_engine::Answer| {
        [u32::from(answer.class), u32::from(answer.exit.0), u32::from(answer.confidence.steps())]
            .into_iter()
            .fold(0x811c_9dc5, mix)
    };
    match outcome {
        Outcome::Answer(answer) => of(answer),
        Outcome::Offload { features, fallback } => {
            features.values().iter().map(|value| value.to_bits()).fold(fallback.as_ref().map_or(1, of), mix)
        }
    }
}

/// Runs image `number` an operation at a time.
fn run(engine: &mut Engine<'_>, number: usize) -> u32 {
    let images = INPUTS.chunks_exact(4 * HEAD.n_in());
    for (value, bytes) in
        engine.input().iter_mut().zip(images.clone().nth(number % IMAGES).unwrap_or_default().as_chunks::<4>().0)
    {
        *value = f32::from_le_bytes(*bytes);
    }
    loop {
        if let Step::Done(outcome) = engine.step(&mut AsTrained) {
            return mark(&outcome);
        }
    }
}

/// Runs the head, and an int8 network, on the same input each time; tells where their answers change.
#[exception]
fn SysTick() {
    static mut SCRATCH: Scratch<{ HEAD.scratch_len() }> = Scratch::new();
    static mut SCRATCH_INT8: Scratch<{ INT8.scratch_len() }> = Scratch::new();
    static mut FIRST: Option<(u32, u16)> = None;
    let Ok(mut engine) = Engine::new(&HEAD, &mut SCRATCH[..]) else { process::exit(1) };
    let Ok(mut int8) = Engine::new_i8(&INT8, &mut SCRATCH_INT8[..]) else { process::exit(1) };
    for (value, number) in int8.input().iter_mut().zip(-60..) {
        *value = number;
    }
    let Outcome::Answer(answer) = int8.run(&mut AsTrained) else { process::exit(1) };
    let found = (run(&mut engine, 3), answer.confidence.steps());
    if *FIRST.get_or_insert(found) != found {
        WRONG_IN_HANDLER.fetch_add(1, Ordering::Relaxed);
    }
    INTERRUPTS.fetch_add(1, Ordering::Relaxed);
}

fn demonstrate(uart: &mut Uart, engine: &mut Engine<'_>, timer: &mut cortex_m::peripheral::SYST) -> core::fmt::Result {
    let mut undisturbed = [0; IMAGES];
    for (number, mark) in undisturbed.iter_mut().enumerate() {
        *mark = run(engine, number);
    }
    writeln!(uart, "undisturbed: {IMAGES} images")?;
    timer.set_clock_source(SystClkSource::Core);
    timer.enable_interrupt();
    for period in PERIODS {
        let before = INTERRUPTS.load(Ordering::Relaxed);
        timer.set_reload(period);
        timer.clear_current();
        timer.enable_counter();
        let same = (0..).zip(undisturbed).filter(|(number, mark)| run(engine, *number) == *mark).count();
        timer.disable_counter();
        let interrupts = INTERRUPTS.load(Ordering::Relaxed) - before;
        let wrong = WRONG_IN_HANDLER.load(Ordering::Relaxed);
        writeln!(
            uart,
            "every {period} cycles: {interrupts} interrupts, {same} of {IMAGES} runs the same, {wrong} of the handler's differ"
        )?;
    }
    Ok(())
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut uart = Uart::open();
    let Some(mut core) = cortex_m::Peripherals::take() else { process::exit(1) };
    let Ok(mut engine) = Engine::new(&HEAD, &mut MAIN_SCRATCH.init_with(Scratch::new)[..]) else { process::exit(1) };
    match demonstrate(&mut uart, &mut engine, &mut core.SYST) {
        Ok(()) => process::exit(0),
        Err(_) => process::exit(1),
    }
}
