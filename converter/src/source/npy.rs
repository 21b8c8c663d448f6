//! NumPy .npy files, one array each: a folder of them is read as an archive of them is, and one by itself as a folder of one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::npz::{HEADER_LIMIT, no_numbers, plain_header, read_npy, shape_in};
use super::{Format, Refusal, Tensor};
use crate::map::{self, Map};

/// How the files begin.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// How their names end.
const SUFFIX: &str = ".npy";

/// Files by the names of their arrays.
#[derive(Debug)]
pub(super) struct Files {
    paths: BTreeMap<String, PathBuf>,
}

impl Files {
    /// The file at `path`.
    pub(super) fn one(path: &Path) -> Self {
        Self { paths: [(array_name(path).unwrap_or_else(|| "weight".into()), path.to_owned())].into() }
    }

    /// Those in the folder at `path`.
    pub(super) fn in_folder(path: &Path) -> std::io::Result<Self> {
        let mut paths = BTreeMap::new();
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if let Some(name) = array_name(&path) {
                paths.insert(name, path);
            }
        }
        Ok(Self { paths })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    fn open(&self, name: &str) -> Result<Option<Map>, Refusal> {
        let opened = self.paths.get(name).map(|path| map::map(path)).transpose();
        opened.map_err(|error| Refusal::Damaged(error.to_string()))
    }
}

/// A file's name without what it ends with; `None` where it ends otherwise, or is no text.
fn array_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.to_owned())
}

impl Format for Files {
    fn names(&self) -> Vec<String> {
        self.paths.keys().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        let Some(map) = self.open(name)? else { return Ok(None) };
        let start = map.as_ref().get(..HEADER_LIMIT as usize).unwrap_or(map.as_ref());
        plain_header(start).and_then(shape_in).map(Some).ok_or_else(no_numbers)
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some(map) = self.open(name)? else { return Ok(None) };
        if map.as_ref().len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        // The map begins at a page, its numbers at a multiple of 64.
        read_npy(map.as_ref()).map(Some)
    }
}
