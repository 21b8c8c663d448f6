//! Model files: read whole, proven before they serve.

use core::ops::Deref;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aligned_vec::{AVec, ConstAlign};
use lacewing_engine::{KernelSet, Model, ParseError, Part};
use thiserror::Error;

/// What a processor loads at once, in bytes.
pub(crate) const CACHE_LINE: usize = 64;

/// The bytes of a tail or a whole network, and the name they are served under.
#[derive(Clone, Debug)]
pub struct ModelFile {
    name: String,
    bytes: ModelBytes,
}

/// A model cannot be served.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file breaks a rule of the format.
    #[error("model {name}: {cause}{}", cause.advice())]
    Parse {
        /// Its name.
        name: String,
        /// Which rule.
        cause: ParseError,
    },
    /// A head, which runs on the device.
    #[error("model {0} is a head, which runs on the device: serve the tail.lace of the same conversion")]
    Head(String),
    /// A name that does not fit into an address.
    #[error("{}: the file's name is the model's: letters, digits, '-', '_' and '.', not a '.' first", .0.display())]
    Name(PathBuf),
    /// Two of one name.
    #[error("two models are named {0}: rename one of the files")]
    Twice(String),
    /// Two tails of one pair id.
    #[error("the tails {0} and {1} have the same pair id {2:08x}: serve one of them")]
    SamePair(String, String, u32),
    /// None at all.
    #[error("no model to serve: give a tail.lace, or a folder that holds .lace files other than heads")]
    None,
}

impl ModelFile {
    /// Reads a file; it is named for it.
    ///
    /// # Errors
    /// It cannot be read; its name without `.lace` is no model name.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name));
        let name = name.ok_or_else(|| LoadError::Name(path.to_owned()))?;
        let bytes = read_model(path).map_err(|cause| LoadError::Read { path: path.to_owned(), cause })?;
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// Bytes that were read already.
    ///
    /// # Errors
    /// `name` is no model name.
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Self, LoadError> {
        if !is_name(name) {
            return Err(LoadError::Name(name.into()));
        }
        Ok(Self { name: name.to_owned(), bytes: ModelBytes::holding(&bytes) })
    }

    /// Reads files, and from folders every `.lace` file that is no head, by name.
    ///
    /// # Errors
    /// As [`read`](Self::read); nothing is found; two have the same name.
    pub fn read_all(paths: &[PathBuf]) -> Result<Vec<Self>, LoadError> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                files.extend(read_folder(path)?);
            } else {
                files.push(Self::read(path)?);
            }
        }
        let mut names: Vec<&str> = files.iter().map(Self::name).collect();
        names.sort_unstable();
        match names.array_windows().find(|[one, next]| one == next) {
            Some([name, _]) => Err(LoadError::Twice((*name).to_owned())),
            None if files.is_empty() => Err(LoadError::None),
            None => Ok(files),
        }
    }

    /// The name it is served under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model: proven.
    ///
    /// # Errors
    /// The bytes break a rule of the format; it is a head.
    pub fn model(&self) -> Result<Model<'_>, LoadError> {
        let model = self.parse()?;
        if model.part() == Part::Head { Err(LoadError::Head(self.name.clone())) } else { Ok(model) }
    }

    fn parse(&self) -> Result<Model<'_>, LoadError> {
        Model::parse(&self.bytes, &KernelSet::ALL).map_err(|cause| LoadError::Parse { name: self.name.clone(), cause })
    }
}

/// The bytes of a model file, beginning at a cache line, so that no kernel's load crosses one where the file is laid out for that.
#[derive(Clone, Debug)]
pub struct ModelBytes(AVec<u8, ConstAlign<CACHE_LINE>>);

impl ModelBytes {
    /// A copy of `bytes`.
    #[must_use]
    pub fn holding(bytes: &[u8]) -> Self {
        Self(AVec::from_slice(CACHE_LINE, bytes))
    }
}

impl Deref for ModelBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a model file whole: what is parsed has to stay as it is, so it is never mapped. Of a file that is none by its first bytes
/// only these are read, of one that is longer than it says one byte more than that: enough for `Model::parse` to refuse it.
///
/// # Errors
/// What the system says.
pub fn read_model(path: &Path) -> io::Result<ModelBytes> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(Model::HEADER_LEN as u64).read_to_end(&mut bytes)?;
    if let Some(stated) = Model::stated_len(&bytes) {
        file.take((stated as u64 + 1).saturating_sub(Model::HEADER_LEN as u64)).read_to_end(&mut bytes)?;
    }
    Ok(ModelBytes::holding(&bytes))
}

fn read_folder(folder: &Path) -> Result<Vec<ModelFile>, LoadError> {
    let failed = |cause| LoadError::Read { path: folder.to_owned(), cause };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "lace") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let file = ModelFile::read(&path)?;
        if file.parse()?.part() == Part::Head {
            tracing::info!(model = file.name(), "left out: a head runs on the device");
        } else {
            files.push(file);
        }
    }
    Ok(files)
}

/// What stands in an address as it is.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::{ModelBytes, is_name};

    #[test]
    fn names_stand_in_an_address_as_they_are() {
        assert!(["tail", "mnist-800_40.v2"].iter().all(|name| is_name(name)));
        assert!(!["", "..", ".hidden", "a/b", "a%2f", "ä", "a b"].iter().any(|name| is_name(name)));
    }

    #[test]
    fn bytes_of_a_model_begin_at_a_cache_line() {
        for len in [0, 1, 63, 64, 1000] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let held = ModelBytes::holding(&bytes);
            let copy = held.clone();
            for held in [held, copy] {
                assert_eq!(*held, *bytes);
                assert_eq!(held.as_ptr().align_offset(64), 0);
            }
        }
    }
}
