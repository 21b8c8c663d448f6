//! Bundled networks at batch 1, sparse beside dense: a table of ratios, then criterion's groups.
//!
//! `cargo bench --bench network`; `-- --table` leaves criterion out, `-- --test` runs everything once.

use core::hint::black_box;
use core::time::Duration;

use criterion::{BenchmarkId, Criterion};
use lacewing_converter::bench::measure::Effort;
use lacewing_converter::bench::network::{Bundled, NETWORKS};
use lacewing_converter::profile::Profile;
use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{Engine, KernelSet, Model, Never};
use lacewing_models::data::{self, Part};
use lacewing_models::recipe::Input;

type Failure = Box<dyn core::error::Error>;

fn main() -> Result<(), Failure> {
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let effort = if asked("--test") { Effort::TEST } else { Effort::RECORD };
    let images = data::load(data::bundled_mnist(), Part::Validation, &Input::plain(800))?;
    let profile = Profile::of_this_machine();
    let networks = NETWORKS.iter().map(|name| Bundled::load(name, profile.as_ref(), &images));
    let networks = networks.collect::<Result<Vec<_>, _>>()?;
    for network in &networks {
        network.compare(&images, effort)?.write(&mut std::io::stdout().lock())?;
    }
    if !asked("--table") {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400))
            .configure_from_args();
        networks.iter().try_for_each(|network| group(network, images.sample(0), &mut criterion))?;
        criterion.final_summary();
    }
    Ok(())
}

fn group(network: &Bundled, input: &[f32], criterion: &mut Criterion) -> Result<(), Failure> {
    let (name, models) = network.models();
    let mut group = criterion.benchmark_group(name);
    for (name, bytes) in models {
        let model = Model::parse(bytes, &KernelSet::ALL)?;
        let mut scratch = HeapScratch::new(model.scratch_len());
        let mut engine = Engine::new(&model, scratch.bytes())?;
        group.bench_function(BenchmarkId::from_parameter(name), |bench| {
            bench.iter(|| {
                engine.input().copy_from_slice(black_box(input));
                black_box(engine.run(&mut Never));
            });
        });
    }
    group.finish();
    Ok(())
}
