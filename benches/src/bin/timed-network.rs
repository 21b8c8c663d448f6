//! Runs a bundled network and tells how long it takes, in turns that somebody else asks for: our side of `benches/peers/compare.py`.
//!
//! The first line it prints is a JSON object: processor, path of the weights, a few images, and every model with its logits for
//! them. Then every line `MODEL RUNS` on standard input is answered by the nanoseconds that one of so many runs took.

use std::io::{BufRead, Write};
use std::time::Instant;

use lacewing_converter::bench::network::Bundled;
use lacewing_converter::profile::Profile;
use lacewing_converter::scratch::HeapScratch;
use lacewing_converter::tune::processor;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::data::{Part, bundled_mnist, load};
use lacewing_models::recipe::Input;

/// Images whose logits are told.
const SHOWN: usize = 8;
/// Images that take turns.
const IMAGES: usize = 64;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let name = std::env::args().nth(1).ok_or("usage: timed-network NAME, a network of models/weights")?;
    let images = load(bundled_mnist(), Part::Validation, &Input::plain(800))?;
    let network = Bundled::load(&name, Profile::of_this_machine().as_ref(), &images)?;
    let models: Vec<(&str, &[u8])> = network.models().1.collect();
    let parsed = models.iter().map(|(_, bytes)| Model::parse(bytes, &KernelSet::ALL)).collect::<Result<Vec<_>, _>>()?;
    let mut scratch: Vec<_> = parsed.iter().map(|model| HeapScratch::new(model.scratch_len())).collect();
    let engines = parsed.iter().zip(&mut scratch);
    let mut engines =
        engines.map(|(model, scratch)| Engine::new(model, scratch.bytes())).collect::<Result<Vec<_>, _>>()?;
    let mut told = Vec::new();
    for ((name, _), engine) in models.iter().zip(&mut engines) {
        let mut logits = Vec::new();
        for image in 0..SHOWN {
            engine.load(images.sample(image))?;
            engine.run(&mut Never);
            logits.push(engine.logits().to_vec());
        }
        told.push(serde_json::json!({ "name": name, "logits": logits }));
    }
    let shown: Vec<&[f32]> = (0..SHOWN).map(|image| images.sample(image)).collect();
    let weights = lacewing_models::bundled::weights(&name);
    let mut out = std::io::stdout().lock();
    let about = serde_json::json!({ "processor": processor(), "weights": weights, "images": shown, "models": told });
    writeln!(out, "{about}")?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let asked = line.split_once(' ').and_then(|(model, runs)| Some((model.parse().ok()?, runs.parse().ok()?)));
        let (model, runs): (usize, u32) = asked.ok_or("expected: MODEL RUNS")?;
        let engine = engines.get_mut(model).ok_or("no such model")?;
        let start = Instant::now();
        for run in 0..runs.max(1) {
            engine.input().copy_from_slice(images.sample(run as usize % IMAGES));
            core::hint::black_box(engine.run(&mut Never));
        }
        writeln!(out, "{}", start.elapsed().as_nanos() as f64 / f64::from(runs.max(1)))?;
        out.flush()?;
    }
    Ok(())
}
