//! `lacewing convert`

use std::io::Write;

use lacewing_converter::convert::{Options, Report, convert};
use lacewing_models::Recipe;

use crate::Failure;
use crate::args::Convert;
use crate::show::{count, table};

pub fn run(args: &Convert, out: &mut dyn Write) -> Result<(), Failure> {
    let recipe = args.recipe.as_deref().map(Recipe::read).transpose()?;
    let options = Options { split_after: args.split_after, ..Options::default() };
    let report = convert(&args.model, recipe, &args.out, &options)?;
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
        return Ok(());
    }
    show(&report, out)
}

fn show(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    let mut junctions = table(&["junction", "inputs", "outputs", "nonzeros", "density", "bytes", "dense", "packing"]);
    for junction in &report.junctions {
        junctions.add_row([
            junction.place.clone(),
            count(junction.n_in),
            count(junction.n_out),
            count(junction.nnz),
            format!("{:.4}", junction.density),
            count(junction.bytes),
            count(junction.dense_bytes),
            junction.packing.clone(),
        ]);
    }
    writeln!(out, "{} (pair {})\n{junctions}", report.name, report.pair_id)?;
    for junction in &report.junctions {
        writeln!(out, "{}: {}; {} because {}", junction.place, junction.structure, junction.packing, junction.reason)?;
    }
    for warning in &report.warnings {
        writeln!(out, "note: {warning}")?;
    }
    for file in &report.files {
        writeln!(out, "{}: {}, {} bytes", file.path.display(), file.part, count(file.bytes))?;
    }
    Ok(())
}
