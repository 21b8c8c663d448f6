//! NumPy .npz archives, stored or deflated. Reading a member stops at a limit, whatever sizes the archive claims.

use core::fmt;
use std::io::Read;

use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::{ReadNpyExt, ViewNpyError, ViewNpyExt};

use super::archive::{self, Aligned, Archive};
use super::{Format, Refusal, Tensor};

/// An open .npz archive.
pub(super) struct File {
    archive: Archive,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.archive.file_names()).finish()
    }
}

impl File {
    pub(super) const fn new(archive: Archive) -> Self {
        Self { archive }
    }

    /// The first `limit` bytes of an array's file.
    fn read(&mut self, name: &str, limit: u64) -> Result<Option<Aligned>, Refusal> {
        archive::read(&mut self.archive, &format!("{name}.npy"), limit)
    }
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        self.archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect()
    }

    fn stored(&self) -> Option<Vec<String>> {
        Some(self.names())
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        let Some(bytes) = self.read(name, HEADER_LIMIT)? else { return Ok(None) };
        let header = plain_header(bytes.bytes()).ok_or_else(no_numbers)?;
        shape_in(header).map(Some).ok_or_else(no_numbers)
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        let Some(start) = self.read(name, HEADER_LIMIT)? else { return Ok(None) };
        if let Some(values) = floats_in(plain_header(start.bytes()).ok_or_else(no_numbers)?)? {
            return self.floats(name, values, limit).map(Some);
        }
        let Some(bytes) = self.read(name, limit.saturating_add(1))? else { return Ok(None) };
        let bytes = bytes.bytes();
        if bytes.len() as u64 > limit {
            return Err(Refusal::TooLarge(limit));
        }
        read_npy(bytes).map(Some)
    }
}

impl File {
    /// An array of so many f32: read to where it stays.
    fn floats(&mut self, name: &str, values: u64, limit: u64) -> Result<Tensor, Refusal> {
        let Some(mut member) = archive::member(&mut self.archive, &format!("{name}.npy"))? else {
            return Err(no_numbers());
        };
        let (bytes, claims) = (values.saturating_mul(4), member.claims());
        if bytes > claims {
            return Err(Refusal::Damaged(format!("its shape needs {bytes} bytes, there are {claims}")));
        }
        if claims.saturating_sub(HEADER_LIMIT) > limit {
            return Err(Refusal::TooLarge(limit));
        }
        member.check(bytes)?;
        let array = ArrayD::<f32>::read_npy((&mut member).take(bytes + HEADER_LIMIT));
        let array = array.map_err(|error| Refusal::Damaged(error.to_string()))?;
        let shape = array.shape().to_vec();
        let values = match array.is_standard_layout() {
            true => array.into_raw_vec_and_offset().0,
            false => array.into_iter().collect(),
        };
        Ok(Tensor { shape, values })
    }
}

/// The number of values under a header of f32; `None` where it is one of other elements.
fn floats_in(header: &[u8]) -> Result<Option<u64>, Refusal> {
    let is_f32 = header.windows(FLOATS.len()).any(|there| there == FLOATS);
    if !is_f32 || cfg!(target_endian = "big") {
        return Ok(None);
    }
    let shape = shape_in(header).ok_or_else(no_numbers)?;
    let places = shape.iter().try_fold(1u64, |places, length| places.checked_mul(*length as u64));
    let beyond = || Refusal::Damaged(format!("its shape {shape:?} is beyond this machine"));
    places.filter(|places| *places <= u64::MAX / 8).map(Some).ok_or_else(beyond)
}

/// What a header of f32 has in it, as NumPy writes it.
const FLOATS: &[u8] = b"'descr': '<f4'";
/// Bytes that a header and what is before it can have.
pub(super) const HEADER_LIMIT: u64 = 4096 + 12;

pub(super) fn no_numbers() -> Refusal {
    Refusal::Damaged("not an array of numbers".into())
}

/// The lengths in a header like `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
pub(super) fn shape_in(header: &[u8]) -> Option<Vec<usize>> {
    let header = core::str::from_utf8(header).ok()?;
    let (_, rest) = header.split_once("'shape'")?;
    let (_, rest) = rest.split_once('(')?;
    let (lengths, _) = rest.split_once(')')?;
    lengths.split(',').map(str::trim).filter(|length| !length.is_empty()).map(|length| length.parse().ok()).collect()
}

/// A header has about 100 bytes. A long or deeply nested one is no array of numbers, and would only cost its parser stack.
pub(super) fn plain_header(npy: &[u8]) -> Option<&[u8]> {
    let (header, length) = match npy {
        // Versions above 1 have four bytes of length.
        [_, _, _, _, _, _, 1, _, a, b, rest @ ..] => (rest, u32::from_le_bytes([*a, *b, 0, 0])),
        [_, _, _, _, _, _, _, _, a, b, c, d, rest @ ..] => (rest, u32::from_le_bytes([*a, *b, *c, *d])),
        _ => return None,
    };
    let nests = |byte: &&u8| b"([{".contains(byte);
    let header = header.get(..length as usize).filter(|_| length <= 4096)?;
    (header.iter().filter(nests).count() <= 4).then_some(header)
}

pub(super) fn read_npy(bytes: &[u8]) -> Result<Tensor, Refusal> {
    plain_header(bytes).ok_or_else(no_numbers)?;
    let mut unread = match view::<f32>(bytes, |value| *value) {
        Ok(tensor) => return Ok(tensor),
        Err(error) => error,
    };
    let others: [View; 6] = [
        |bytes| view::<f64>(bytes, |value| *value as f32),
        |bytes| view::<u8>(bytes, |value| f32::from(*value)),
        |bytes| view::<bool>(bytes, |value| f32::from(u8::from(*value))),
        |bytes| view::<i8>(bytes, |value| f32::from(*value)),
        |bytes| view::<i32>(bytes, |value| *value as f32),
        |bytes| view::<i64>(bytes, |value| *value as f32),
    ];
    for other in others {
        match (unread, other(bytes)) {
            (ViewNpyError::WrongDescriptor(_), Ok(tensor)) => return Ok(tensor),
            (ViewNpyError::WrongDescriptor(_), Err(error)) => unread = error,
            (error, _) => return Err(Refusal::Damaged(error.to_string())),
        }
    }
    Err(match unread {
        ViewNpyError::WrongDescriptor(element) => Refusal::Element(element.to_string()),
        ViewNpyError::NonNativeEndian => Refusal::Element("the other endianness".into()),
        error => Refusal::Damaged(error.to_string()),
    })
}

type View = fn(&[u8]) -> Result<Tensor, ViewNpyError>;

/// The array as f32 in row-major order, where its elements are of type `T`.
fn view<T: ndarray_npy::ViewElement>(bytes: &[u8], to_f32: impl Fn(&T) -> f32) -> Result<Tensor, ViewNpyError> {
    let array = ArrayViewD::<T>::view_npy(bytes)?;
    Ok(Tensor { shape: array.shape().to_vec(), values: array.iter().map(to_f32).collect() })
}
