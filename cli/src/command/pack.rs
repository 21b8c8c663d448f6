//! `lacewing pack`

use std::io::Write;

use lacewing_converter::plan::Goal;
use lacewing_converter::profile::Profile;
use lacewing_converter::repack::repack;
use lacewing_converter::write::write;

use crate::args::Pack;
use crate::command::read_model;
use crate::failure::{Failure, about};
use crate::progress;
use crate::show::{count, table};

/// The target that is none: the smallest canonical packings.
const CANONICAL: &str = "canonical";

pub fn run(args: &Pack, out: &mut dyn Write) -> Result<(), Failure> {
    let profile = if args.target == CANONICAL { None } else { Some(Profile::load(&args.target)?) };
    let goal = profile.as_ref().map_or(Goal::Size, |profile| Goal::Speed { profile, inputs: &[] });
    let bytes = read_model(&args.model)?;
    let bar = progress::bar("grouping rows", 100);
    let packed = repack(&bytes, goal, &|junction, share| progress::share(&bar, &junction.to_string(), share));
    bar.finish_and_clear();
    let packed = packed.map_err(about(&args.model))?;
    write(&args.out, &packed.bytes)?;
    if args.json {
        let report = serde_json::json!({ "junctions": packed.junctions, "verified": packed.verified });
        writeln!(out, "{report}")?;
        return Ok(());
    }
    let mut junctions = table(&["junction", "was", "bytes", "is", "bytes"]);
    for junction in &packed.junctions {
        junctions.add_row([
            junction.place.clone(),
            junction.from.clone(),
            count(junction.from_bytes),
            junction.to.clone(),
            count(junction.to_bytes),
        ]);
    }
    writeln!(out, "{junctions}")?;
    for junction in &packed.junctions {
        writeln!(out, "{}: {} because {}", junction.place, junction.to, junction.reason)?;
    }
    let samples = packed.verified.samples;
    writeln!(out, "{}: {} bytes, compared on {samples} inputs", args.out.display(), count(packed.bytes.len()))?;
    Ok(())
}
