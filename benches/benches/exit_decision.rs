//! What the decision at an exit costs: the flagship's head with each metric, f32 and int8, beside the same junctions as a head
//! without an exit, and beside their kernels alone.
//!
//! `cargo bench --bench exit_decision`; `-- --table` leaves criterion out, `-- --test` runs everything once.

use core::hint::black_box;
use core::time::Duration;
use std::io::Write;

use bytemuck::cast_slice_mut;
use criterion::{BenchmarkId, Criterion};
use lacewing_benches::exits::{self, METRICS};
use lacewing_converter::bench::measure::{Effort, interleaved};
use lacewing_converter::convert::{convert_network, convert_network_i8};
use lacewing_converter::import::{Imported, embedded_recipe, import};
use lacewing_converter::int8::Quantising;
use lacewing_converter::network::Network;
use lacewing_converter::scratch::HeapScratch;
use lacewing_converter::source::Source;
use lacewing_engine::{AsTrained, Engine, KernelSet, Model};
use lacewing_models::data::{self, Part};
use lacewing_models::{Dataset, bundled};

type Failure = Box<dyn core::error::Error>;

fn main() -> Result<(), Failure> {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let effort = if asked("--test") { Effort::TEST } else { Effort { rounds: 301, ..Effort::RECORD } };
    let mut source = Source::open(&bundled::weights("mnist-flagship"))?;
    let recipe = embedded_recipe(&source)?.ok_or("the bundled network carries no recipe")?;
    let images = data::load_for(data::bundled_mnist(), Part::Validation, &recipe)?;
    let Imported { network, .. } = import(&mut source, recipe)?;
    let mut criterion = (!asked("--table")).then(|| {
        Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400))
            .configure_from_args()
    });
    let mut out = std::io::stdout().lock();
    for int8 in [false, true] {
        let ranges = int8.then_some(&images);
        let mut heads = vec![head(&exits::without_exit(&network).ok_or("the network has no exit")?, ranges)?];
        for (_, metric) in METRICS {
            heads.push(head(&exits::by(metric, &network), ranges)?);
        }
        let name = if int8 { "int8" } else { "f32" };
        measure(name, &heads, images.sample(0), effort, criterion.as_mut(), &mut out)?;
    }
    if let Some(criterion) = criterion {
        criterion.final_summary();
    }
    Ok(())
}

/// The head's model file; int8, ranges from `images`, where these are given.
fn head(network: &Network, images: Option<&Dataset>) -> Result<Vec<u8>, Failure> {
    Ok(match images {
        None => convert_network(network, None)?.head.into(),
        Some(images) => convert_network_i8(network, images, &Quantising::default())?.head.into(),
    })
}

/// A way to run the head on one image.
type Call<'c> = Box<dyn FnMut() + 'c>;

fn measure(
    name: &str,
    heads: &[Vec<u8>],
    image: &[f32],
    effort: Effort,
    criterion: Option<&mut Criterion>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut files: Vec<_> = heads.iter().map(|head| HeapScratch::holding(head)).collect();
    let models: Vec<_> =
        files.iter_mut().map(|file| Model::parse(file.bytes(), &KernelSet::ALL)).collect::<Result<_, _>>()?;
    let mut scratch: Vec<_> = models.iter().map(|model| HeapScratch::new(model.scratch_len())).collect();
    let mut calls: Vec<(&str, Call<'_>)> = Vec::new();
    calls.extend(models.first().map(|model| ("kernels alone", kernels(model, image))));
    let names = core::iter::once("engine, no exit").chain(METRICS.map(|(metric, _)| metric));
    for ((model, scratch), name) in models.iter().zip(&mut scratch).zip(names) {
        calls.push((name, whole(model, scratch.bytes(), image)?));
    }
    let mut contenders: Vec<&mut dyn FnMut()> = calls.iter_mut().map(|(_, call)| &mut **call as _).collect();
    let times = interleaved(&mut contenders, effort);
    writeln!(out, "\nmnist-flagship's head, {name}")?;
    writeln!(out, "  {:<18} {:>9} {:>9} {:>12} {:>12}", "exit by", "median ns", "least ns", "decision", "and engine")?;
    for (at, (name, _)) in calls.iter().enumerate() {
        // Round by round, so that a noisy moment of the machine meets both.
        let more = |than| 100.0 * (1.0 / times.ratio(than, at) - 1.0);
        let decision = if at > 1 { format!("{:+.1} %", more(1)) } else { String::new() };
        let (median, least, engine) = (times.median(at), times.least(at), more(0));
        writeln!(out, "  {name:<18} {median:>9.0} {least:>9.0} {decision:>12} {engine:>+10.1} %")?;
    }
    out.flush()?;
    if let Some(criterion) = criterion {
        let mut group = criterion.benchmark_group(format!("exit decision, {name}"));
        for (metric, call) in &mut calls {
            group.bench_function(BenchmarkId::from_parameter(*metric), |bench| bench.iter(&mut *call));
        }
        group.finish();
    }
    Ok(())
}

/// Input, run, decision.
fn whole<'m>(model: &'m Model<'m>, scratch: &'m mut [u8], image: &'m [f32]) -> Result<Call<'m>, Failure> {
    if model.input().is_some() {
        let mut engine = Engine::new_i8(model, scratch)?;
        engine.load_f32(image)?;
        let image = engine.input().to_vec();
        return Ok(Box::new(move || {
            engine.input().copy_from_slice(black_box(&image));
            black_box(engine.run(&mut AsTrained));
        }));
    }
    let mut engine = Engine::new(model, scratch)?;
    Ok(Box::new(move || {
        engine.input().copy_from_slice(black_box(image));
        black_box(engine.run(&mut AsTrained));
    }))
}

/// Input and both junctions of the head, by the kernels that the engine takes.
fn kernels<'m>(model: &'m Model<'m>, image: &'m [f32]) -> Call<'m> {
    let ready: Vec<_> = model
        .operations()
        .filter_map(|operation| {
            let kernel = model.kernels().choose_for(&operation.junction).ok().flatten()?;
            Some((operation.junction, kernel))
        })
        .collect();
    match model.input() {
        None => {
            let mut values = buffers(size_of_val(image), ready.iter().map(|(junction, _)| 4 * junction.n_out()));
            Box::new(move || {
                cast_slice_mut(values[0].bytes()).copy_from_slice(black_box(image));
                for (at, (junction, kernel)) in ready.iter().enumerate() {
                    let (from, to) = values.split_at_mut(at + 1);
                    let (from, to) = (cast_slice_mut(from[at].bytes()), cast_slice_mut(to[0].bytes()));
                    let _ = black_box(kernel.run(junction, from, to));
                }
            })
        }
        Some(input) => {
            let image: Vec<i8> = image.iter().map(|value| input.quantise(*value)).collect();
            let mut values = buffers(image.len(), ready.iter().map(|(junction, _)| junction.n_out()));
            Box::new(move || {
                cast_slice_mut(values[0].bytes()).copy_from_slice(black_box(&image));
                for (at, (junction, kernel)) in ready.iter().enumerate() {
                    let (from, to) = values.split_at_mut(at + 1);
                    let (from, to) = (cast_slice_mut(from[at].bytes()), cast_slice_mut(to[0].bytes()));
                    let _ = black_box(kernel.run_i8(junction, from, to));
                }
            })
        }
    }
}

/// One for the input and one for each output, of so many bytes.
fn buffers(input: usize, outputs: impl Iterator<Item = usize>) -> Vec<HeapScratch> {
    core::iter::once(input).chain(outputs).map(HeapScratch::new).collect()
}
