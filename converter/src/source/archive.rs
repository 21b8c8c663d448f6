//! Zip archives: what three kinds of files are.

use std::io::{Cursor, Read};

use bytes::Bytes;
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::Refusal;
use crate::settled::{Settled, Settling};

/// An open archive, over the mapped file.
pub(super) type Archive = ZipArchive<Cursor<Bytes>>;

/// Bytes of a member that are unpacked whatever its size in the archive; above, at most [`MAX_EXPANSION`] times that. Real
/// weights do not become a tenth, masks and sparse weights a fiftieth.
const FREE_BYTES: u64 = 64 << 20;
const MAX_EXPANSION: u64 = 200;

/// Whether a tensor of a file of `length` bytes can need so many: shapes are claims, and views and unwritten datasets need no
/// bytes in the file.
pub(super) fn can_need(bytes: u64, length: u64) -> Result<(), Refusal> {
    match bytes > FREE_BYTES.max(length.saturating_mul(MAX_EXPANSION)) {
        true => Err(Refusal::Unsupported(format!(
            "its shape needs {bytes} bytes, the file has {length}: it is a view that repeats its numbers, or was never written; save \
             it with all its numbers (in PyTorch: tensor.contiguous())"
        ))),
        false => Ok(()),
    }
}

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

pub(super) fn open(bytes: Bytes) -> Result<Archive, Refusal> {
    Ok(ZipArchive::new(Cursor::new(bytes))?)
}

impl From<ZipError> for Refusal {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::UnsupportedArchive(_) | ZipError::InvalidPassword => {
                Self::Unsupported(format!("{error}: pack it again, stored or deflated, without a password"))
            }
            error => Self::Damaged(error.to_string()),
        }
    }
}

pub(super) fn contents(archive: &Archive) -> Contents {
    let has = |wanted: &str| archive.file_names().any(|name| name == wanted);
    if archive.file_names().any(is_pickle) {
        Contents::PyTorch
    } else if has("config.json") && has("model.weights.h5") {
        Contents::Keras
    } else {
        Contents::Numpy
    }
}

/// Whether a member is the pickle of a checkpoint, whose own name is the folder in front.
pub(super) fn is_pickle(name: &str) -> bool {
    name == "data.pkl" || name.ends_with("/data.pkl")
}

/// Memory for numbers of any type: bytes at an address that is a multiple of 8.
pub(super) struct Aligned {
    words: Vec<u64>,
    len: usize,
}

impl Aligned {
    pub(super) fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words).get(..self.len).unwrap_or_default()
    }

    /// Reads all that there is, of which `hint` bytes are expected.
    fn read(mut from: impl Read, hint: u64) -> std::io::Result<Self> {
        const PIECE: usize = 1 << 16;
        let words = |bytes: usize| bytes.div_ceil(size_of::<u64>());
        // Room for one piece more, in which the end is found.
        let expected = words(usize::try_from(hint).unwrap_or(0)) + words(PIECE);
        let mut read = Self { words: Vec::with_capacity(expected), len: 0 };
        loop {
            if read.words.len() < words(read.len + 1) {
                read.words.resize(read.words.len() + words(PIECE), 0);
            }
            let place = bytemuck::cast_slice_mut::<u64, u8>(&mut read.words).get_mut(read.len..).unwrap_or_default();
            match from.read(place)? {
                0 => return Ok(read),
                count => read.len += count,
            }
        }
    }
}

/// A member that is being unpacked.
pub(super) struct Member<'a> {
    file: ZipFile<'a, Cursor<Bytes>>,
    /// What it may unpack to.
    sane: u64,
}

impl Member<'_> {
    /// Bytes that it says it has.
    pub(super) fn claims(&self) -> u64 {
        self.file.size()
    }

    /// Whether so many bytes can be what it unpacks to.
    pub(super) fn check(&self, bytes: u64) -> Result<(), Refusal> {
        match bytes > self.sane {
            true => Err(Refusal::Unsupported(format!(
                "it unpacks to more than {MAX_EXPANSION} times its size, further than archives are unpacked: save it \
                 uncompressed (np.savez instead of np.savez_compressed, zip -0)"
            ))),
            false => Ok(()),
        }
    }
}

impl Read for Member<'_> {
    fn read(&mut self, place: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(place)
    }
}

/// The member of this name; `None` where there is none.
pub(super) fn member<'a>(archive: &'a mut Archive, name: &str) -> Result<Option<Member<'a>>, Refusal> {
    let file = match archive.by_name(name) {
        Ok(file) => file,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let sane = FREE_BYTES.max(file.compressed_size().saturating_mul(MAX_EXPANSION));
    Ok(Some(Member { file, sane }))
}

/// The first `limit` bytes of a member, whatever size it claims; `None` where there is none of that name.
pub(super) fn read(archive: &mut Archive, name: &str, limit: u64) -> Result<Option<Aligned>, Refusal> {
    let Some(mut member) = member(archive, name)? else { return Ok(None) };
    let (sane, claims) = (member.sane, member.claims());
    let read = Aligned::read((&mut member).take(limit.min(sane.saturating_add(1))), claims.min(limit).min(sane));
    let read = read.map_err(|error| Refusal::Damaged(error.to_string()))?;
    member.check(read.len as u64)?;
    Ok(Some(read))
}

/// A whole member, put aside as it is unpacked; `None` where there is none of that name.
pub(super) fn unpack(archive: &mut Archive, name: &str) -> Result<Option<Settled<u8>>, Refusal> {
    let Some(mut member) = member(archive, name)? else { return Ok(None) };
    member.check(member.claims())?;
    let (mut unpacked, mut piece) = (Settling::new(), vec![0; 1 << 16]);
    loop {
        let count = member.read(&mut piece).map_err(|error| Refusal::Damaged(error.to_string()))?;
        unpacked.extend(piece.get(..count).unwrap_or_default());
        // What it claims may be less than what comes.
        member.check(unpacked.len() as u64)?;
        if count == 0 {
            return unpacked.settled().map(Some).map_err(Refusal::Settle);
        }
    }
}

/// Where a member stands in the archive, if it is there uncompressed.
pub(super) fn stored(archive: &mut Archive, name: &str) -> Option<core::ops::Range<usize>> {
    let member = archive.by_name(name).ok().filter(|member| member.compression() == CompressionMethod::Stored)?;
    let start = usize::try_from(member.data_start()).ok()?;
    Some(start..start.checked_add(usize::try_from(member.size()).ok()?)?)
}
