//! Every packing and kernel of a junction beside the best dense: a table of ratios, then criterion's groups.
//!
//! `cargo bench --bench junction` measures all shapes of `converter/shapes/junctions.txt`; `LACEWING_BENCH_SHAPES` names another
//! file.
//! `-- --table` leaves criterion out, `-- --test` runs everything once and checks the answers.

use core::hint::black_box;
use core::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use lacewing_converter::bench::contender::{Contender, Kernels};
use lacewing_converter::bench::draw::draw;
use lacewing_converter::bench::measure::Effort;
use lacewing_converter::bench::shapes::{self, Shape};
use lacewing_converter::bench::{SHAPES, junction};

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
        for shape in &shapes {
            group(shape, &mut criterion)?;
        }
        criterion.final_summary();
    }
    Ok(())
}

fn group(shape: &Shape, criterion: &mut Criterion) -> Result<(), Failure> {
    let drawn = draw(shape, 1)?;
    let contenders = Contender::all(&drawn, Kernels::All)?;
    let mut group = criterion.benchmark_group(&shape.name);
    // Dense-equivalent multiply-adds.
    group.throughput(Throughput::Elements(drawn.dense.len() as u64));
    let mut y = vec![0.0; drawn.edges.n_out()];
    for contender in contenders {
        group.bench_function(BenchmarkId::from_parameter(contender.name()), |bench| {
            bench.iter(|| contender.run(black_box(&drawn.x), black_box(&mut y)));
        });
    }
    group.finish();
    Ok(())
}
