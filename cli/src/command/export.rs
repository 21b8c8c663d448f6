//! `lacewing export`

use std::io::Write;
use std::path::{Path, PathBuf};

use lacewing_converter::export::{Repository, arrays, onnx, repository};
use lacewing_converter::write::write_all;

use crate::args::Export;
use crate::command::read_model;
use crate::failure::{Failure, about};
use crate::show::count;

pub fn run(args: &Export, out: &mut dyn Write) -> Result<(), Failure> {
    let bytes = read_model(&args.model)?;
    let (dir, files) = if args.tail {
        let settings = Repository { name: &args.name, storage_uri: &args.storage_uri, ..Repository::default() };
        (args.out.clone(), repository(&bytes, &settings).map_err(about(&args.model))?)
    } else {
        let (dir, name) = place(&args.out)?;
        let files = if args.onnx {
            vec![(name, onnx(&bytes).map_err(about(&args.model))?)]
        } else {
            let (archive, recipe) = arrays(&bytes).map_err(about(&args.model))?;
            let recipe = recipe.map(|toml| (name.with_extension("toml"), toml.into_bytes()));
            core::iter::once((name, archive)).chain(recipe).collect()
        };
        (dir, files)
    };
    let named: Vec<(String, &[u8])> =
        files.iter().map(|(path, bytes)| (path.to_string_lossy().into_owned(), bytes.as_slice())).collect();
    let named: Vec<(&str, &[u8])> = named.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    for (path, (_, bytes)) in write_all(&dir, &named)?.iter().zip(&named) {
        writeln!(out, "{}: {} bytes", path.display(), count(bytes.len()))?;
    }
    Ok(())
}

/// The folder and the name of a file to write.
fn place(path: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let name = path.file_name().ok_or_else(|| format!("{} is no name of a file", path.display()))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir.to_path_buf(), PathBuf::from(name)))
}
