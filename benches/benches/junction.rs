//! Every packing and kernel of a junction beside the best dense: a table of ratios, then criterion's groups, one for each family of
//! kernels and `batch` for those that run sixteen samples at a time.
//!
//! `cargo bench --bench junction` measures all shapes of `converter/shapes/junctions.txt`; `LACEWING_BENCH_SHAPES` names another
//! file.
//! `-- --table` leaves criterion out, `-- --test` runs everything once and checks the answers.

use core::hint::black_box;
use core::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use lacewing_benches::way::{Member, Way, families};
use lacewing_converter::bench::contender::Kernels;
use lacewing_converter::bench::draw::draw;
use lacewing_converter::bench::measure::Effort;
use lacewing_converter::bench::shapes;
use lacewing_converter::bench::{SHAPES, junction};
use lacewing_kernels::BATCH;

type Failure = Box<dyn core::error::Error>;

fn main() -> Result<(), Failure> {
    let shapes = match std::env::var_os("LACEWING_BENCH_SHAPES") {
        Some(path) => shapes::parse(&std::fs::read_to_string(path)?)?,
        None => shapes::parse(SHAPES)?,
    };
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let effort = if asked("--test") { Effort::TEST } else { Effort::RECORD };
    for shape in &shapes {
        junction::compare(shape, Kernels::All, effort)?.write(&mut std::io::stdout().lock())?;
    }
    if !asked("--table") {
        let mut criterion = Criterion::default()
            .sample_size(20)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400))
            .configure_from_args();
        let junctions = shapes.into_iter().map(|shape| draw(&shape, 1).map(|drawn| (shape, drawn)));
        let junctions = junctions.collect::<Result<Vec<_>, _>>()?;
        for (family, members) in families(&junctions, Kernels::All)? {
            group(family, members, &mut criterion);
        }
        criterion.final_summary();
    }
    Ok(())
}

/// A family of kernels on all junctions; `dense`, `dense_input_major` and `peers` are what to hold the others to.
fn group(family: &str, members: Vec<Member<'_>>, criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(family);
    for Member { drawn, mut way, panel } in members {
        let samples = if matches!(way, Way::Batch(_)) { BATCH } else { 1 };
        // Dense-equivalent multiply-adds.
        group.throughput(Throughput::Elements((drawn.dense.len() * samples) as u64));
        group.bench_function(BenchmarkId::new(way.name(), &drawn.name), |bench| {
            bench.iter(|| {
                way.run(black_box(&drawn.x), black_box(&panel));
                black_box(&way);
            });
        });
    }
    group.finish();
}
