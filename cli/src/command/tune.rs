//! `lacewing tune`

use std::io::Write;

use lacewing_converter::profile::Measured;
use lacewing_converter::tune::{processor, tune};
use lacewing_converter::write::write;

use crate::args::Tune;
use crate::failure::Failure;
use crate::progress;
use crate::show::table;

pub fn run(args: &Tune, out: &mut dyn Write) -> Result<(), Failure> {
    let processor = args.processor.clone().unwrap_or_else(processor);
    let bar = progress::bar("measuring packings", 100);
    let profile = tune(&args.target, &processor, args.quick, &|share| progress::share(&bar, "", share))?;
    bar.finish_and_clear();
    write(&args.out, profile.to_toml().as_bytes())?;
    show(&profile.packings, out)?;
    writeln!(out, "{}: {} on {}, {} kernels", args.out.display(), profile.name, profile.processor, profile.isa)?;
    if let Some(int8) = &profile.int8 {
        show(&int8.packings, out)?;
        writeln!(out, "The last table: int8, {} kernels", int8.isa)?;
    }
    Ok(())
}

/// How many times as fast as dense each packing is, where it was measured, padding left out, and where it breaks even.
fn show(packings: &[Measured], out: &mut dyn Write) -> Result<(), Failure> {
    let mut times = table(&["packing", "inputs", "outputs", "density", "ns a weight", "dense / packing"]);
    let dense = packings.iter().find(|measured| measured.family == "dense");
    let dense = dense.map_or(&[][..], |measured| &measured.points);
    for measured in packings {
        for point in &measured.points {
            let shape = (point.inputs, point.outputs);
            let dense = dense.iter().find(|dense| (dense.inputs, dense.outputs) == shape);
            times.add_row([
                measured.family.clone(),
                point.inputs.to_string(),
                point.outputs.to_string(),
                format!("{:.4}", point.density),
                format!("{:.4}", point.ns),
                dense.map_or_else(String::new, |dense| format!("{:.2}", dense.ns / (point.ns * point.density))),
            ]);
        }
    }
    writeln!(out, "{times}")?;
    let mut evens = table(&["packing", "inputs", "outputs", "faster than dense below a density of"]);
    for measured in packings {
        for even in &measured.break_even {
            let shape = [even.inputs, even.outputs].map(|width| width.to_string());
            evens.add_row([measured.family.clone()].into_iter().chain(shape).chain([format!("{:.3}", even.density)]));
        }
    }
    writeln!(out, "{evens}")?;
    Ok(())
}
