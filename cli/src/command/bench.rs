//! `lacewing bench`

use std::io::Write;

use lacewing_converter::bench::contender::Kernels;
use lacewing_converter::bench::measure::Effort;
use lacewing_converter::bench::network::{Bundled, NETWORKS};
use lacewing_converter::bench::shapes::{self, Shape};
use lacewing_converter::bench::{Comparison, SHAPES, batch, junction};
use lacewing_converter::profile::Profile;
use lacewing_converter::tune::{isa, processor, today};
use lacewing_models::data::{Part, bundled_mnist, load};
use lacewing_models::recipe::Input;
use serde::Serialize;

use crate::args::Bench;
use crate::failure::{Failure, about};
use crate::progress;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    processor: String,
    isa: &'static str,
    date: String,
    threads: usize,
    /// The profile that networks were packed for.
    target: Option<String>,
    junctions: Vec<Comparison>,
    /// The same junctions on many samples at a time.
    batches: Vec<Comparison>,
    networks: Vec<Comparison>,
}

pub fn run(args: &Bench, out: &mut dyn Write) -> Result<(), Failure> {
    let shapes = read_shapes(args)?;
    let profile = match &args.target {
        Some(name) => Some(Profile::load(name)?),
        None => Profile::of_this_machine(),
    };
    let effort = if args.quick { Effort::QUICK } else { Effort::RECORD };
    let kernels = if args.scalar { Kernels::All } else { Kernels::Vector };
    let names = if args.no_networks { &[][..] } else { &NETWORKS[..] };
    let mut report = Report {
        processor: processor(),
        isa: isa()?.name(),
        date: today(),
        threads: 1,
        target: profile.as_ref().map(|profile| profile.name.clone()),
        junctions: Vec::new(),
        batches: Vec::new(),
        networks: Vec::new(),
    };
    if !args.json {
        writeln!(out, "{}, {} kernels, one thread, {}", report.processor, report.isa, report.date)?;
    }
    let bar = progress::bar("measuring", (shapes.len() * (1 + usize::from(args.batch)) + names.len()) as u64);
    for shape in &shapes {
        let compared = junction::compare(shape, kernels, effort)?;
        show(args, &compared, &bar, out)?;
        report.junctions.push(compared);
    }
    for shape in shapes.iter().filter(|_| args.batch) {
        let compared = batch::compare(shape, effort)?;
        show(args, &compared, &bar, out)?;
        report.batches.push(compared);
    }
    if !names.is_empty() {
        let images = load(bundled_mnist(), Part::Validation, &Input::plain(800))?;
        for name in names {
            let compared = Bundled::load(name, profile.as_ref(), &images)?.compare(&images, effort)?;
            show(args, &compared, &bar, out)?;
            report.networks.push(compared);
        }
    }
    bar.finish_and_clear();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    }
    Ok(())
}

fn read_shapes(args: &Bench) -> Result<Vec<Shape>, Failure> {
    let Some(path) = &args.shapes else { return Ok(shapes::parse(SHAPES)?) };
    let text = std::fs::read_to_string(path).map_err(about(path))?;
    shapes::parse(&text).map_err(about(path))
}

fn show(args: &Bench, compared: &Comparison, bar: &indicatif::ProgressBar, out: &mut dyn Write) -> Result<(), Failure> {
    bar.inc(1);
    if !args.json {
        bar.suspend(|| compared.write(out))?;
    }
    Ok(())
}
