//! IDX files, gzipped or not: a magic number, the lengths of the axes as big-endian `u32`, the bytes.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::{DataError, MAX_PIXELS, Part, Pixels, RawImages};

const BYTES: u8 = 0x08;

pub(super) fn load(directory: &Path, part: Part) -> Result<RawImages, DataError> {
    let stem = if part == Part::Test { "t10k" } else { "train" };
    let images_path = find(directory, &format!("{stem}-images-idx3-ubyte"))?;
    let labels_path = find(directory, &format!("{stem}-labels-idx1-ubyte"))?;
    let ([count, rows, cols], pixels) = read::<3>(&images_path)?;
    let ([labels_count], labels) = read::<1>(&labels_path)?;
    if count != labels_count {
        return Err(DataError::Count { path: images_path, images: count, labels: labels_count });
    }
    let labels = labels.into_iter().map(u16::from).collect();
    Ok(RawImages { rows, cols, pixels: Pixels::Bytes(pixels), labels })
}

/// The file `name` or `name.gz`, also with a dot before `idx`, as some mirrors have it.
fn find(directory: &Path, name: &str) -> Result<PathBuf, DataError> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name.to_owned(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    names
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| DataError::Missing { directory: directory.to_path_buf(), expected: name.to_owned() })
}

fn read<const AXES: usize>(path: &Path) -> Result<([usize; AXES], Vec<u8>), DataError> {
    let failed = |source| DataError::Read { path: path.to_path_buf(), source };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let start = std::io::BufRead::fill_buf(&mut file).map_err(failed)?;
    if start.starts_with(&[0x1f, 0x8b]) { parse(path, &mut MultiGzDecoder::new(file)) } else { parse(path, &mut file) }
}

fn parse<const AXES: usize>(path: &Path, source: &mut impl Read) -> Result<([usize; AXES], Vec<u8>), DataError> {
    let failed = |source| DataError::Read { path: path.to_path_buf(), source };
    let magic = up_to(source, 4).map_err(failed)?;
    if magic != [0, 0, BYTES, AXES as u8] {
        return Err(DataError::Magic { path: path.to_path_buf(), magic, axes: AXES as u8 });
    }
    let mut axes = [0; AXES];
    for axis in &mut axes {
        let mut length = [0; 4];
        source.read_exact(&mut length).map_err(|error| failed(explain_cut(error)))?;
        *axis = u32::from_be_bytes(length) as usize;
    }
    check_axes(path, &axes)?;
    let expected = axes.iter().fold(1_u64, |product, &axis| product.saturating_mul(axis as u64));
    // One byte more than announced shows that there are more; memory grows with what is there, not with what is announced.
    let bytes = up_to(source, expected.saturating_add(1)).map_err(failed)?;
    let found = bytes.len() as u64;
    if found == expected {
        Ok((axes, bytes))
    } else {
        Err(DataError::Length { path: path.to_path_buf(), expected, found })
    }
}

fn check_axes(path: &Path, axes: &[usize]) -> Result<(), DataError> {
    let (count, rows, cols) = match *axes {
        [count, rows, cols] => (count, rows, cols),
        [count] => (count, 1, 1),
        _ => return Ok(()),
    };
    let size = rows.saturating_mul(cols);
    if count > 0 && (1..=MAX_PIXELS).contains(&size) {
        Ok(())
    } else {
        Err(DataError::ImageShape { path: path.to_path_buf(), count, rows, cols })
    }
}

fn up_to(source: &mut impl Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit).read_to_end(&mut bytes).map_err(explain_cut)?;
    Ok(bytes)
}

fn explain_cut(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => std::io::Error::new(error.kind(), "the file is cut short: download it again"),
        _ => error,
    }
}
