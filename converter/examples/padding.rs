//! Padding, bytes and seconds of the windows packing on random masks, and the padding with inputs that may be in any order, as
//! hidden units may: `cargo run --release -p lacewing-converter --example padding`

use std::io::{self, Write};
use std::time::Instant;

use lacewing_converter::edges::Edges;
use lacewing_converter::grouping::{Effort, order_inputs};
use lacewing_converter::pack::pack;
use lacewing_kernels::{Activation, Packing};
use lacewing_models::Pattern;

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let out = &mut io::stdout().lock();
    writeln!(
        out,
        "junction     density  windows         file order  greedy  packed  spilled  any inputs  bytes/nonzero  seconds"
    )?;
    for (n_in, n_out) in [(100, 100), (112, 112), (256, 256), (800, 112), (1024, 1024), (4096, 1024)] {
        for density in [0.5, 0.25, 0.1, 0.05] {
            // Each row drawn by itself: constant in-degree.
            let row = |seed| Pattern::RandomDensity { density }.mask(n_in, 1, seed);
            let rows = (0..n_out as u64).map(row).collect::<Result<Vec<_>, _>>()?;
            let ones = vec![1.0; n_in * n_out];
            let edges = Edges::from_dense(n_in as u16, n_out as u16, &ones, |o, i, _| {
                rows.get(o).is_some_and(|row| row.contains(0, i))
            });
            let edges = edges.ok_or("the mask has another shape")?;
            for (lanes, width, steps) in
                [(4, 16, 1), (8, 8, 1), (8, 16, 1), (8, 32, 1), (16, 8, 1), (16, 16, 1), (16, 32, 2)]
            {
                let packing = Packing::Windows { lanes, width, steps };
                let start = Instant::now();
                let packed = pack(&edges, &[], Activation::None, packing)?;
                let seconds = start.elapsed().as_secs_f64();
                let bytes = packed.len() as f64 / edges.nnz() as f64;
                let padding = packed.padding().ok_or("windows have a padding")?;
                let ordered = order_inputs(&edges, (lanes, width, steps), &Effort::FULL);
                let shown = |steps: usize| format!("{:.3}", (steps * usize::from(lanes)) as f64 / edges.nnz() as f64);
                let ordered = ordered.map_or_else(|| "-".into(), |ordered| shown(ordered.steps));
                writeln!(
                    out,
                    "{:12} {density:7}  {:14}  {:10.3}  {:6.3}  {:6.3}  {:7}  {ordered:>10}  {bytes:13.2}  {seconds:7.1}",
                    format!("{n_in}x{n_out}"),
                    packing.to_string(),
                    padding.file_order,
                    padding.greedy,
                    padding.packed,
                    padding.spilled
                )?;
            }
        }
    }
    Ok(())
}
