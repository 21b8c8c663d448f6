//! The one place that maps files into memory: sources of import, and numbers that were put aside. Model files are never
//! mapped: they are read into private memory before they are proven.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// A file mapped for reading; clones share the one map.
#[derive(Clone, Debug)]
pub(crate) struct Map(Arc<Mmap>);

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Map {
    /// Lets go of the memory behind the file's pages, which come back from the file when they are looked at again.
    pub(crate) fn release(&self) {
        // SAFETY: the map is shared with the file and never written through, so that its pages hold what the file holds, before
        // and after.
        #[cfg(unix)]
        let told = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        // Advice that is not taken costs memory alone.
        #[cfg(unix)]
        drop(told);
    }
}

/// Maps a file for reading; an empty file is an error, and so is what is no regular file.
///
/// # Errors
/// The file cannot be opened or mapped, or is empty.
pub(crate) fn map(path: &Path) -> io::Result<Map> {
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
    unsafe { Mmap::map(&file) }.map(|map| Map(Arc::new(map)))
}

/// A file that is made here and has no name: nothing else has it or can open it. It goes away with its map.
pub(crate) struct Unnamed {
    file: File,
    #[cfg(test)]
    refuses: bool,
}

impl Unnamed {
    /// In the folder for temporary files.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be written to.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            #[cfg(test)]
            refuses: false,
        })
    }

    /// Writes more.
    ///
    /// # Errors
    /// The disk is full or broken; what was written before is still there.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.refuses {
            self.file.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(bytes)
    }

    /// Reads what was written first.
    ///
    /// # Errors
    /// The disk is broken.
    pub(crate) fn read_again(&mut self, place: &mut [u8]) -> io::Result<()> {
        self.file.rewind()?;
        self.file.read_exact(place)
    }

    /// Maps what was written.
    ///
    /// # Errors
    /// Nothing was written, or the system maps no more.
    pub(crate) fn into_map(self) -> io::Result<Map> {
        // SAFETY: the file has no name, its handle was never lent and is closed here, and the map is never written through:
        // while it is there nothing changes the file or cuts it short. So its bytes stay as they are, and what is proven of
        // them holds.
        unsafe { Mmap::map(&self.file) }.map(|map| Map(Arc::new(map)))
    }

    /// Takes no more from here on, as a full disk does.
    #[cfg(test)]
    pub(crate) const fn refuse(&mut self) {
        self.refuses = true;
    }
}
