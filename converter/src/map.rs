//! The one place that maps files into memory, for reading sources of import and data. Model files are never mapped: they are
//! read into private memory before they are proven.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Maps a file for reading; an empty file is an error, and so is what is no regular file.
///
/// # Errors
/// The file cannot be opened or mapped, or is empty.
pub(crate) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file but a directory or a device"));
    }
    if metadata.len() == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
    }
    // SAFETY: the map is private and never written through. Another program may still change the file under it: then the
    // bytes change between two reads, which every reader of a map here can bear, because it checks each access against the
    // map's fixed length, copies numbers out before it judges them, and keeps no proof about the bytes. A file that is cut
    // short meanwhile ends the process with SIGBUS; it cannot make it read elsewhere.
    unsafe { Mmap::map(&file) }
}
