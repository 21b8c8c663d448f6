//! Where the bundled recipes and trained weights lie: beside this crate's sources, or, where those are gone, under `models/` of
//! the working directory.

use std::path::{Path, PathBuf};

/// The recipe of this name: `models/recipes/NAME.toml`.
#[must_use]
pub fn recipe(name: &str) -> PathBuf {
    file("recipes", name, "toml")
}

/// The trained network of this name: `models/weights/NAME.safetensors`.
#[must_use]
pub fn weights(name: &str) -> PathBuf {
    file("weights", name, "safetensors")
}

fn file(folder: &str, name: &str, extension: &str) -> PathBuf {
    let beside_sources = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let folder = if beside_sources.is_dir() { beside_sources } else { Path::new("models").join(folder) };
    folder.join(format!("{name}.{extension}"))
}
