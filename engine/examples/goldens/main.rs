//! `goldens FOLDER` runs each model that FOLDER/names lists, `NAME.lace`, on the inputs in `NAME.inputs`, and prints a line an answer: what
//! `lacewing-benches --bin boards` compares with the host, on each Linux target.

mod answers;

use core::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use lacewing_engine::{KernelSet, Model};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("name the folder of the models")?;
    let read = |name: &str| {
        let path = Path::new(&folder).join(name);
        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let (mut out, mut written) = (io::stdout().lock(), Ok(()));
    for name in String::from_utf8_lossy(&read("names")?).lines() {
        let (file, inputs) = (read(&format!("{name}.lace"))?, read(&format!("{name}.inputs"))?);
        let model = Model::parse(&file, &KernelSet::ALL).map_err(|error| format!("{name}: {error}"))?;
        // A multiple of 4 whatever the allocator does.
        let mut scratch = vec![0u32; model.scratch_len().div_ceil(4)];
        let mut say = |line: core::fmt::Arguments<'_>| {
            if written.is_ok() {
                written = writeln!(out, "{line}");
            }
        };
        answers::answers(name, &model, bytemuck::cast_slice_mut(&mut scratch), &inputs, &mut say)?;
    }
    Ok(written?)
}
