//! `lacewing convert`

use std::io::Write;

use lacewing_converter::convert::{Dtype, Options, Report, convert};
use lacewing_converter::int8::{Calibration, Quantising};
use lacewing_converter::profile::Profile;
use lacewing_models::Recipe;

use crate::args::{self, CalibrationName, Convert, Optimise};
use crate::failure::Failure;
use crate::progress;
use crate::show::{count, table};

pub fn run(args: &Convert, out: &mut dyn Write) -> Result<(), Failure> {
    let recipe = args.recipe.as_deref().map(Recipe::read).transpose()?;
    if args.dtype == args::Dtype::F32 && args.calibrate.is_some() && args.target.is_none() {
        return Err("--calibrate is of use with --dtype i8 or with a --target".into());
    }
    if args.dtype == args::Dtype::F32 && args.keep_f32.is_some() {
        return Err("--keep-f32 is of use with --dtype i8".into());
    }
    let profile = match (&args.target, args.optimise) {
        (None, Some(Optimise::Speed)) => {
            let known = Profile::names().collect::<Vec<_>>().join(", ");
            return Err(format!("--optimise speed needs a --target: {known}, or a file of lacewing tune").into());
        }
        (None, _) | (_, Some(Optimise::Size)) => None,
        (Some(target), _) => Some(Profile::load(target)?),
    };
    let bar = progress::bar("converting", 100);
    let options = Options {
        split_after: args.split_after,
        exit_after: args.exit_after.as_deref(),
        profile: profile.as_ref(),
        calibrate: args.calibrate.as_deref(),
        dtype: match args.dtype {
            args::Dtype::F32 => Dtype::F32,
            args::Dtype::I8 => Dtype::I8,
        },
        quantising: Quantising {
            calibration: args.calibration.map(|name| match name {
                CalibrationName::MinMax => Calibration::MinMax,
                CalibrationName::Percentile => Calibration::Percentile,
                CalibrationName::Mse => Calibration::Mse,
            }),
            keep_f32: args.keep_f32.as_deref().unwrap_or_default(),
            ..Quantising::default()
        },
        progress: Some(&|step, share| progress::share(&bar, &step.to_string(), share)),
        ..Options::default()
    };
    let report = convert(&args.model, recipe, &args.out, &options);
    bar.finish_and_clear();
    let report = report?;
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
