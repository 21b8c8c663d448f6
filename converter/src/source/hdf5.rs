//! HDF5 files: the groups and datasets that a network's file has. External files and links are never followed.

use core::fmt;

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::{Dataset, Datatype, Hdf5File, OpenOptions};
use lacewing_models::recipe::MAX_JUNCTIONS;

use super::{Refusal, Tensor, archive};

/// Groups within groups that are followed.
const MAX_DEPTH: usize = 8;
/// Datasets and groups that are listed; a network has at most 16 junctions.
const MAX_OBJECTS: usize = 4096;
/// Bytes of a compressed chunk, unpacked: Keras writes whole tensors, uncompressed.
const MAX_CHUNK_BYTES: usize = 256 << 20;
/// Bytes of an object's header; attributes such as the description of the layers are in it.
const MAX_HEADER_BYTES: usize = 16 << 20;

/// An open HDF5 file.
pub(super) struct Hdf5 {
    file: Hdf5File,
    /// Paths of datasets, from the root, without a slash in front.
    paths: Vec<String>,
    /// Bytes of the file.
    length: u64,
}

impl fmt::Debug for Hdf5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.paths).finish()
    }
}

impl Hdf5 {
    /// Opens the file in `bytes`, and lists its datasets.
    pub(super) fn open(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Result<Self, Refusal> {
        let length = bytes.as_ref().len() as u64;
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(MAX_CHUNK_BYTES)
            .with_max_object_header_bytes(MAX_HEADER_BYTES);
        let file = Hdf5File::from_owner(bytes, options)?;
        let end = file.superblock().eof_address;
        if end > length {
            return Err(format!("it should have {end} bytes and has {length}").into());
        }
        let mut hdf5 = Self { file, paths: Vec::new(), length };
        let root = hdf5.file.root_group()?;
        let mut objects = 0;
        hdf5.list(&root, "", 0, &mut objects)?;
        Ok(hdf5)
    }

    fn list(&mut self, group: &Group, path: &str, depth: usize, objects: &mut usize) -> Result<(), Refusal> {
        let (groups, datasets) = group.member_names()?;
        *objects += groups.len() + datasets.len();
        if depth > MAX_DEPTH || *objects > MAX_OBJECTS {
            return Err(Refusal::Unsupported(format!(
                "more than {MAX_OBJECTS} tensors and groups, or groups nested deeper than {MAX_DEPTH}, which no network of at most \
                 {MAX_JUNCTIONS} junctions needs: save its weights alone"
            )));
        }
        self.paths.extend(datasets.iter().map(|name| format!("{path}{name}")));
        for name in groups {
            let inner = group.group(&name)?;
            self.list(&inner, &format!("{path}{name}/"), depth + 1, objects)?;
        }
        Ok(())
    }

    /// Paths of the datasets.
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    /// A text attribute of the root; `None` where there is none.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.file.root_group().ok()?.attribute(name).ok()?.read_strings().ok()?.into_iter().next()
    }

    fn dataset(&self, path: &str) -> Result<Option<Dataset>, Refusal> {
        if !self.paths.iter().any(|known| known == path) {
            return Ok(None);
        }
        Ok(Some(self.file.dataset(path)?))
    }

    pub(super) fn shape(&self, path: &str) -> Result<Option<Vec<usize>>, Refusal> {
        self.dataset(path)?.map(|dataset| shape(&dataset)).transpose()
    }

    pub(super) fn tensor(&self, path: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some(dataset) = self.dataset(path)? else { return Ok(None) };
        let bytes = dataset.raw_byte_len()?;
        if bytes as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        // Of a dataset that was never written the reader makes zeros, as many as its shape says.
        archive::can_need(bytes as u64, self.length)?;
        let values = match dataset.dtype() {
            Datatype::FloatingPoint { size: 4, .. } => {
                // In row-major order and alone in its memory: what is made of it is no copy.
                dataset.read_array::<f32>().map(|array| match array.is_standard_layout() {
                    true => array.into_raw_vec_and_offset().0,
                    false => array.into_iter().collect(),
                })
            }
            Datatype::FloatingPoint { size: 8, .. } => {
                dataset.read_array::<f64>().map(|array| array.into_iter().map(|value| value as f32).collect())
            }
            Datatype::FixedPoint { size: 1, signed: false, .. } => {
                dataset.read_array::<u8>().map(|array| array.into_iter().map(f32::from).collect())
            }
            other => return Err(Refusal::Element(format!("{other:?}"))),
        };
        Ok(Some(Tensor { shape: shape(&dataset)?, values: values? }))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match is_sound(&error) {
            true => Self::Unsupported(format!("{error}: save it again without filters, as Keras writes it")),
            false => Self::Damaged(error.to_string()),
        }
    }
}

/// Whether a file may be sound that the reader gave up on.
fn is_sound(error: &Error) -> bool {
    match error {
        Error::Context { source, .. } => is_sound(source),
        error => matches!(error, Error::UnsupportedFilter(_) | Error::UnsupportedEncoding(_) | Error::ResourceLimit(_)),
    }
}

fn shape(dataset: &Dataset) -> Result<Vec<usize>, Refusal> {
    let lengths = dataset.shape().iter().map(|length| usize::try_from(*length).ok());
    lengths.collect::<Option<_>>().ok_or_else(|| Refusal::Damaged("its shape is beyond this machine".into()))
}
