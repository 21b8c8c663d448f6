//! Any bytes either parse into something that runs or are refused. Length and checksum are written anew, so that the fuzzer
//! gets past them; the bytes as they came are tried as well.
#![no_main]

use lacewing_engine::{AsTrained, Engine, KernelSet, Model, Never, Scratch};
use libfuzzer_sys::fuzz_target;

/// Models that need more are parsed but not run.
const ROOM: usize = 1 << 16;

fn parse_and_run(bytes: &[u8]) {
    for kernels in [KernelSet::ALL, KernelSet::SCALAR] {
        let Ok(model) = Model::parse(bytes, &kernels) else { return };
        for class in 0..model.classes().min(4) {
            let _ = model.class_name(class);
        }
        let mut scratch = Scratch::<ROOM>::new();
        // Exact scratch at the end of the room: a byte too far is out of bounds.
        let Some(start) = ROOM.checked_sub(model.scratch_len()) else { return };
        let Some(lent) = scratch.get_mut(start..) else { return };
        if model.input().is_some() {
            let mut engine =
                Engine::new_i8(&model, lent).expect("scratch as the model says, and every kernel is there");
            for value in [-128, 127] {
                engine.input().fill(value);
                let _ = engine.run(&mut AsTrained);
                engine.input().fill(value);
                let _ = engine.run(&mut Never);
            }
            continue;
        }
        let mut engine = Engine::new(&model, lent).expect("scratch as the model says, and every kernel is there");
        for value in [1.0, f32::NAN] {
            engine.input().fill(value);
            let _ = engine.run(&mut AsTrained);
            engine.input().fill(value);
            let _ = engine.run(&mut Never);
        }
    }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

fuzz_target!(|bytes: &[u8]| {
    parse_and_run(bytes);
    let mut sealed = bytes.to_vec();
    if sealed.len() >= 16 {
        sealed[..8].copy_from_slice(b"LACE\x02\x01\x01\x01");
        let len = sealed.len() as u32;
        sealed[8..12].copy_from_slice(&len.to_le_bytes());
        sealed[12..16].fill(0);
        let crc = crc(&sealed).to_le_bytes();
        sealed[12..16].copy_from_slice(&crc);
        parse_and_run(&sealed);
    }
});
