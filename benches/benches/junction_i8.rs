//! int8: every packing and kernel of a junction beside the best int8 dense of the same run, and f32 dense and blocks.
//!
//! `cargo bench --bench junction_i8` measures all shapes of `shapes/junctions_i8.txt`; `LACEWING_BENCH_SHAPES` names another file.
//! `-- --test` runs everything once and checks the answers.

use lacewing_benches::int8;
use lacewing_converter::bench::measure::Effort;
use lacewing_converter::bench::shapes;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let shapes = match std::env::var_os("LACEWING_BENCH_SHAPES") {
        Some(path) => shapes::parse(&std::fs::read_to_string(path)?)?,
        None => shapes::parse(include_str!("../shapes/junctions_i8.txt"))?,
    };
    let effort = if std::env::args().any(|arg| arg == "--test") { Effort::TEST } else { Effort::RECORD };
    for shape in &shapes {
        int8::junction(shape, effort, &mut std::io::stdout().lock())?;
    }
    Ok(())
}
