//! NumPy `.npz` archives, stored or deflated.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::ArrayViewD;
use ndarray_npy::{ViewElement, ViewNpyError, ViewNpyExt};
use zip::ZipArchive;
use zip::result::ZipError;

/// Longest array that is read, in bytes; an archive that unpacks to more is refused before it fills the memory.
const MAX_BYTES: u64 = 1 << 32;
/// NumPy's headers of plain arrays have about 100 bytes.
const MAX_HEADER: usize = 4096;

pub(crate) struct Npz(ZipArchive<BufReader<File>>);

/// An array in row-major order.
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub elements: Elements,
}

pub(crate) enum Elements {
    /// `u8`, or `bool` as 0 and 1.
    Bytes(Vec<u8>),
    /// `f32`, or `f64` rounded.
    Floats(Vec<f32>),
    /// Any other integer type of up to 64 bits.
    Integers(Vec<i64>),
}

impl Npz {
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        ZipArchive::new(BufReader::new(file)).map(Self).map_err(|error| format!("it is no .npz archive: {error}"))
    }

    /// The array of that name, if there is one; else what is wrong with it.
    pub fn array(&mut self, name: &str) -> Result<Option<Array>, String> {
        let damaged = |problem: String| format!("array {name}: {problem}");
        let member = match self.0.by_name(&format!("{name}.npy")) {
            Ok(member) => member,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let mut bytes = Vec::new();
        member.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(damaged(format!("it has more than {MAX_BYTES} bytes")));
        }
        parse(&bytes).map(Some).map_err(damaged)
    }
}

fn parse(bytes: &[u8]) -> Result<Array, String> {
    if !has_plain_header(bytes) {
        return Err("it has no header of an array of numbers".to_owned());
    }
    // Views read in place and want aligned memory.
    let mut aligned = vec![0_u64; bytes.len().div_ceil(8)];
    let aligned: &mut [u8] = bytemuck::cast_slice_mut(&mut aligned);
    let (aligned, _) = aligned.split_at_mut(bytes.len());
    aligned.copy_from_slice(bytes);
    let readers: [Reader; 11] = [
        |npy| read::<u8, _>(npy, |&value| value).map(bytes_of),
        |npy| read::<bool, _>(npy, |&value| u8::from(value)).map(bytes_of),
        |npy| read::<f32, _>(npy, |&value| value).map(floats_of),
        |npy| read::<f64, _>(npy, |&value| value as f32).map(floats_of),
        |npy| read::<i64, _>(npy, |&value| value).map(integers_of),
        |npy| read::<i32, _>(npy, |&value| value.into()).map(integers_of),
        |npy| read::<i16, _>(npy, |&value| value.into()).map(integers_of),
        |npy| read::<i8, _>(npy, |&value| value.into()).map(integers_of),
        |npy| read::<u16, _>(npy, |&value| value.into()).map(integers_of),
        |npy| read::<u32, _>(npy, |&value| value.into()).map(integers_of),
        |npy| read::<u64, _>(npy, |&value| i64::try_from(value).unwrap_or(i64::MAX)).map(integers_of),
    ];
    let mut element = String::new();
    for reader in readers {
        match reader(aligned) {
            Ok(array) => return Ok(array),
            Err(ViewNpyError::WrongDescriptor(found)) => element = found.to_string(),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(format!("its elements are of type {element}: u8, bool, a little-endian integer, f32 or f64"))
}

/// A long or deeply nested header belongs to no plain array, and would only cost its parser stack.
fn has_plain_header(npy: &[u8]) -> bool {
    let (length, rest) = match npy {
        [_, _, _, _, _, _, 1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [_, _, _, _, _, _, _, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return false,
    };
    let opens = |byte: &&u8| b"([{".contains(byte);
    length <= MAX_HEADER && rest.get(..length).is_some_and(|header| header.iter().filter(opens).count() <= 4)
}

type Reader = fn(&[u8]) -> Result<Array, ViewNpyError>;
type Values<U> = (Vec<usize>, Vec<U>);

fn read<T: ViewElement, U>(npy: &[u8], convert: impl Fn(&T) -> U) -> Result<Values<U>, ViewNpyError> {
    let array = ArrayViewD::<T>::view_npy(npy)?;
    Ok((array.shape().to_vec(), array.iter().map(convert).collect()))
}

fn bytes_of((shape, values): Values<u8>) -> Array {
    Array { shape, elements: Elements::Bytes(values) }
}

fn floats_of((shape, values): Values<f32>) -> Array {
    Array { shape, elements: Elements::Floats(values) }
}

fn integers_of((shape, values): Values<i64>) -> Array {
    Array { shape, elements: Elements::Integers(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn refused(bytes: &[u8], words: &str) {
        let problem = parse(bytes).err().unwrap();
        assert!(problem.contains(words), "{problem:?} does not say {words:?}");
    }

    #[test]
    fn hostile_arrays_are_refused() {
        let header =
            |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}\n");
        assert!(parse(&npy(&header("|u1", "(2, 2)"), &[1; 4])).is_ok());
        refused(&npy(&header("|u1", "(2, 2)"), &[1; 3]), "");
        refused(&npy(&header("|u1", "(2, 2)"), &[1; 5]), "");
        // Two exabytes announced; none are asked of the allocator.
        refused(&npy(&header("|u1", "(2305843009213693952,)"), &[1; 4]), "");
        refused(&npy(&header("|u1", "(4611686018427387904, 16)"), &[1; 4]), "");
        refused(&npy(&header(">i4", "(1,)"), &[0; 4]), "");
        refused(&npy(&header("<c8", "(1,)"), &[0; 8]), "c8");
        refused(&npy(&header("|b1", "(1,)"), &[7]), "");
        refused(&npy(&"(".repeat(60_000), &[]), "header");
        refused(b"", "header");
        refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header");
    }
}
