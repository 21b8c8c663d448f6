//! Files that are there whole or not at all.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file under a temporary name in its directory, syncs it and renames it: on failure nothing is left behind, and
/// a file that was there before stays.
///
/// # Errors
/// If the directory is missing or cannot be written to.
pub fn write_file(path: impl AsRef<Path>, bytes: &[u8]) -> io::Result<()> {
    let path = path.as_ref();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lacewing-").suffix(".tmp");
    // Readable as other files are, not for the owner alone as temporary files; the process's mask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::write_file;
    use std::fs;

    #[test]
    fn files_are_whole_or_absent() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        write_file(&path, b"1").unwrap();
        write_file(&path, b"22").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"22");
        // A directory in the way of the rename: nothing but the directory stays.
        fs::create_dir(root.path().join("b")).unwrap();
        assert!(write_file(root.path().join("b"), b"3").is_err());
        assert!(write_file(root.path().join("c/d"), b"3").is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }
}
