//! Times whole networks at batch 1, one thread: one JSON object with, for each model file, the median nanoseconds of a run, the
//! input's copy included, and of that copy alone. For scripts that measure other engines beside it.

use core::hint::black_box;
use std::io::Write;

use clap::Parser;
use lacewing_converter::bench::aligned::Aligned;
use lacewing_converter::bench::measure::{Effort, interleaved};
use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Input;

#[derive(Parser)]
struct Args {
    /// Model files whose inputs are at least 784 pixels wide, f32 or int8.
    #[arg(required = true)]
    models: Vec<std::path::PathBuf>,
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    write!(out, "{{")?;
    for (at, path) in args.models.iter().enumerate() {
        let bytes = Aligned::new(&std::fs::read(path)?);
        let (run, copy) = times(&Model::parse(&bytes, &KernelSet::ALL)?)?;
        let comma = if at > 0 { ", " } else { "" };
        write!(out, "{comma}{:?}: {{\"run_ns\": {run:.1}, \"copy_ns\": {copy:.1}}}", path.display().to_string())?;
    }
    writeln!(out, "}}")?;
    Ok(())
}

fn times(model: &Model<'_>) -> Result<(f64, f64), Box<dyn core::error::Error>> {
    let images = data::load(data::bundled_mnist(), Part::Validation, &Input::plain(model.n_in()))?;
    let image = images.sample(0);
    let mut scratches = [0, 1].map(|_| HeapScratch::new(model.scratch_len()));
    let [one, other] = scratches.each_mut().map(HeapScratch::bytes);
    let effort = Effort { rounds: 31, ..Effort::RECORD };
    let measured = match model.input() {
        Some(quantisation) => {
            let image: Vec<i8> = image.iter().map(|x| quantisation.quantise(*x)).collect();
            let (mut runs, mut copies) = (Engine::new_i8(model, one)?, Engine::new_i8(model, other)?);
            let mut run = || {
                runs.input().copy_from_slice(black_box(&image));
                black_box(runs.run(&mut Never));
            };
            interleaved(&mut [&mut run, &mut || copies.input().copy_from_slice(black_box(&image))], effort)
        }
        None => {
            let (mut runs, mut copies) = (Engine::new(model, one)?, Engine::new(model, other)?);
            let mut run = || {
                runs.input().copy_from_slice(black_box(image));
                black_box(runs.run(&mut Never));
            };
            interleaved(&mut [&mut run, &mut || copies.input().copy_from_slice(black_box(image))], effort)
        }
    };
    Ok((measured.median(0), measured.median(1)))
}
