//! `lacewing report`

use std::io::Write;

use lacewing_converter::evaluate::{check_parts, plain_input};
use lacewing_converter::report::report;
use lacewing_converter::write::write;
use lacewing_models::Recipe;
use lacewing_models::data::{self, Part};

use crate::args::Report;
use crate::command::{data_or_bundled, parse_model, read_model};
use crate::failure::Failure;
use crate::progress;
use crate::show::count;

pub fn run(args: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    let head_bytes = read_model(&args.head)?;
    let head = parse_model(&args.head, &head_bytes)?;
    let tail_bytes = args.tail.as_deref().map(read_model).transpose()?;
    let tail = match (&args.tail, &tail_bytes) {
        (Some(path), Some(bytes)) => Some(parse_model(path, bytes)?),
        _ => None,
    };
    check_parts(&head, tail.as_ref())?;
    let input = match &args.recipe {
        Some(path) => Recipe::read(path)?.input,
        None => plain_input(&head),
    };
    let test = data::load(data_or_bundled(args.data.as_deref()), Part::Test, &input)?;
    let bar = progress::bar("running the network", 2 * test.len() as u64);
    let page = report(&args.title, &head, tail.as_ref(), &test, &|done| bar.inc(done as u64))?;
    bar.finish_and_clear();
    write(&args.out, page.as_bytes())?;
    writeln!(out, "{}: {} bytes", args.out.display(), count(page.len()))?;
    Ok(())
}
