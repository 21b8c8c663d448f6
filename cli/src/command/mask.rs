//! `lacewing mask`

use std::io::Write;

use clap::ValueEnum;
use lacewing_models::{Pattern, mask_file};

use crate::args::{Mask, PatternName};
use crate::failure::Failure;

pub fn run(args: &Mask, out: &mut dyn Write) -> Result<(), Failure> {
    let mask = pattern(args)?.mask(args.inputs, args.outputs, args.seed)?;
    mask_file::write(&args.out, &mask)?;
    let degrees = |all: &[usize]| match (all.iter().min(), all.iter().max()) {
        (Some(min), Some(max)) if min == max => min.to_string(),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ => String::new(),
    };
    writeln!(
        out,
        "{}: {} outputs × {} inputs, {} edges, density {:.4}, in-degree {}, out-degree {}",
        args.out.display(),
        mask.n_out(),
        mask.n_in(),
        mask.nnz(),
        mask.density(),
        degrees(&mask.in_degrees()),
        degrees(&mask.out_degrees())
    )?;
    Ok(())
}

/// The pattern that the options describe; an option that it needs and that is not there is named.
fn pattern(args: &Mask) -> Result<Pattern, Failure> {
    let name = args.pattern.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let needs = |option: &str| format!("pattern {name} needs --{option}");
    let of_use: &[&str] = match args.pattern {
        PatternName::Dense => &[],
        PatternName::Random => &["out-degree"],
        PatternName::RandomDensity => &["density"],
        PatternName::ClashFree => &["out-degree", "z", "type", "dither"],
        PatternName::Block => &["rows", "cols", "density"],
        PatternName::Nm => &["n", "m"],
    };
    let given = [
        ("out-degree", args.out_degree.is_some()),
        ("density", args.density.is_some()),
        ("z", args.z.is_some()),
        ("type", args.kind.is_some()),
        ("dither", args.dither),
        ("rows", args.rows.is_some()),
        ("cols", args.cols.is_some()),
        ("n", args.n.is_some()),
        ("m", args.m.is_some()),
    ];
    if let Some((stray, _)) = given.iter().find(|(option, given)| *given && !of_use.contains(option)) {
        return Err(format!("pattern {name} has no --{stray}: leave it out").into());
    }
    Ok(match args.pattern {
        PatternName::Dense => Pattern::Dense,
        PatternName::Random => Pattern::Random { out_degree: args.out_degree.ok_or_else(|| needs("out-degree"))? },
        PatternName::RandomDensity => Pattern::RandomDensity { density: args.density.ok_or_else(|| needs("density"))? },
        PatternName::ClashFree => Pattern::ClashFree {
            out_degree: args.out_degree.ok_or_else(|| needs("out-degree"))?,
            z: args.z.ok_or_else(|| needs("z"))?,
            kind: args.kind.unwrap_or(1),
            dither: args.dither,
        },
        PatternName::Block => Pattern::Block {
            rows: args.rows.ok_or_else(|| needs("rows"))?,
            cols: args.cols.ok_or_else(|| needs("cols"))?,
            density: args.density.ok_or_else(|| needs("density"))?,
        },
        PatternName::Nm => Pattern::NM { n: args.n.ok_or_else(|| needs("n"))?, m: args.m.ok_or_else(|| needs("m"))? },
    })
}
