//! Zip archives: what three kinds of files are.

use std::io::{Cursor, Read};

use memmap2::Mmap;
use zip::ZipArchive;
use zip::result::ZipError;

/// An open archive.
pub(super) type Archive = ZipArchive<Cursor<Mmap>>;

/// What is in an archive, told by the names of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// A PyTorch checkpoint.
    PyTorch,
    /// A Keras 3 model.
    Keras,
    /// NumPy arrays, or nothing that is known.
    Numpy,
}

pub(super) fn open(map: Mmap) -> Result<Archive, String> {
    ZipArchive::new(Cursor::new(map)).map_err(|error| error.to_string())
}

pub(super) fn contents(archive: &Archive) -> Contents {
    let has = |wanted: &str| archive.file_names().any(|name| name == wanted);
    // The checkpoint's own name is the folder in front of data.pkl.
    if archive.file_names().any(|name| name == "data.pkl" || name.ends_with("/data.pkl")) {
        Contents::PyTorch
    } else if has("config.json") && has("model.weights.h5") {
        Contents::Keras
    } else {
        Contents::Numpy
    }
}

/// The first `limit` bytes of a member, whatever size it claims; `None` where there is none of that name.
pub(super) fn read(archive: &mut Archive, name: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let member = match archive.by_name(name) {
        Ok(member) => member,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    member.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}
