//! A head as a task of embassy's executor: between two operations of the network the other tasks have their turn, so that no task waits longer
//! than the longest operation takes. Prints each turn; the program ends after three inputs.
#![no_std]
#![no_main]

// The critical section that the executor takes.
use cortex_m as _;
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use lacewing_engine::{Answer, AsTrained, Engine, Model, Outcome, Scratch, Step, include_model};
use semihosting::{println, process};
use static_cell::StaticCell;

const MODEL: Model<'static> = include_model!("../../qemu/model/head.lace");
static SCRATCH: StaticCell<Scratch<{ MODEL.scratch_len() }>> = StaticCell::new();
static INPUTS: &[u8] = include_bytes!("../../qemu/model/inputs.f32");

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    if spawner.spawn(blink()).is_err() {
        process::exit(1);
    }
    let Ok(mut engine) = Engine::new(&MODEL, &mut SCRATCH.init_with(Scratch::new)[..]) else { process::exit(1) };
    for (number, input) in INPUTS.chunks_exact(4 * MODEL.n_in()).take(3).enumerate() {
        for (value, bytes) in engine.input().iter_mut().zip(input.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        match answer(&mut engine).await {
            Some(answer) => println!("{number}: class {} at exit {}", answer.class, answer.exit.0),
            None => println!("{number}: to be handed over"),
        }
    }
    process::exit(0)
}

/// One operation a turn, until the run has ended.
async fn answer(engine: &mut Engine<'_>) -> Option<Answer> {
    loop {
        match engine.step(&mut AsTrained) {
            Step::More => println!("an operation is done"),
            Step::Done(Outcome::Answer(answer)) => return Some(answer),
            Step::Done(Outcome::Offload { fallback, .. }) => return fallback,
        }
        yield_now().await;
    }
}

#[embassy_executor::task]
async fn blink() {
    loop {
        println!("blink");
        yield_now().await;
    }
}
