//! Files that are there whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

/// A file could not be written; none of those asked for is there.
#[derive(Debug, Error)]
#[error("{path} cannot be written: {error}")]
pub struct WriteError {
    /// The file, or its folder.
    pub path: PathBuf,
    /// What the system says.
    #[source]
    pub error: io::Error,
}

/// Writes files into `dir`, which is made where it is missing, and folders in it that they are said to be in: each under a temporary name, synced, and all renamed only when
/// all are written. An error leaves none of them behind, what was there before as it was, and no temporary ones.
///
/// # Errors
/// The folder cannot be made or written to.
pub fn write_all(dir: &Path, files: &[(&str, &[u8])]) -> Result<Vec<PathBuf>, WriteError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| WriteError { path, error }
    };
    fs::create_dir_all(dir).map_err(failed(dir))?;
    // Said before anything is replaced.
    if let Some((name, _)) = files.iter().find(|(name, _)| dir.join(name).is_dir()) {
        return Err(failed(&dir.join(name))(io::ErrorKind::IsADirectory.into()));
    }
    let mut written = Vec::new();
    for (name, bytes) in files {
        let path = dir.join(name);
        written.push((write_temporary(dir, bytes).map_err(failed(&path))?, path));
    }
    let mut renamed: Vec<(PathBuf, Option<Kept>)> = Vec::new();
    for (temporary, path) in written {
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let kept = folder.and_then(|()| keep(dir, &path));
        let placed = kept.and_then(|kept| temporary.persist(&path).map(|_| kept).map_err(|error| error.error));
        match placed {
            Ok(kept) => renamed.push((path, kept)),
            Err(error) => {
                // What is left to do on the way out; the error that led here is the one to tell.
                for (path, kept) in renamed {
                    match kept {
                        Some(kept) => drop(kept.persist(path)),
                        None => drop(fs::remove_file(path)),
                    }
                }
                return Err(WriteError { path, error });
            }
        }
    }
    Ok(renamed.into_iter().map(|(path, _)| path).collect())
}

/// A file under a second, temporary name.
type Kept = NamedTempFile<()>;

/// Gives what is at `path` a second name in `dir`, which goes away with what is returned: it stays in its place until it is
/// replaced, and can be put back then. A copy where the file system has no second names.
fn keep(dir: &Path, path: &Path) -> io::Result<Option<Kept>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let second = |name: &Path| match fs::hard_link(path, name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::copy(path, name).map(drop),
        done => done,
    };
    tempfile::Builder::new().prefix(".lacewing-").suffix(".tmp").make_in(dir, second).map(Some)
}

/// Writes one file, whole or not at all, into a folder that is there.
///
/// # Errors
/// The folder is not there or cannot be written to.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let failed = |error| WriteError { path: path.to_path_buf(), error };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_temporary(dir, bytes).map_err(failed)?.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn write_temporary(dir: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lacewing-").suffix(".tmp");
    // Readable as other files are, not for the owner alone as temporary files; the process's mask still applies.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn all_or_none() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("new/folder");
        write_all(&dir, &[("a", b"1"), ("b", b"2")]).unwrap();
        assert_eq!((names(&dir), fs::read(dir.join("b")).unwrap()), (vec!["a".into(), "b".into()], b"2".to_vec()));
        // A folder in the way of the second: the first is taken back.
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("c"), b"0").unwrap();
        let error = write_all(&dir, &[("c", b"3"), ("d", b"4")]).unwrap_err();
        assert_eq!(error.path, dir.join("d"));
        assert_eq!(
            (names(&dir), fs::read(dir.join("c")).unwrap()),
            (["a", "b", "c", "d"].map(String::from).into(), b"0".to_vec())
        );
        fs::remove_file(dir.join("c")).unwrap();
        // The second cannot be placed once the first is: what the first replaced is there again, what was new is gone.
        fs::write(dir.join("c"), b"0").unwrap();
        let error = write_all(&dir, &[("c", b"3"), ("e", b"4"), ("a/f", b"5")]).unwrap_err();
        assert_eq!(error.path, dir.join("a/f"));
        assert_eq!(
            (names(&dir), fs::read(dir.join("c")).unwrap()),
            (["a", "b", "c", "d"].map(String::from).into(), b"0".to_vec())
        );
        // Replaced, and no second name left.
        write_all(&dir, &[("c", b"6"), ("b", b"7")]).unwrap();
        assert_eq!((names(&dir).len(), fs::read(dir.join("c")).unwrap()), (4, b"6".to_vec()));
        fs::remove_file(dir.join("c")).unwrap();
        // One file alone.
        write(&dir.join("a"), b"4").unwrap();
        assert_eq!(fs::read(dir.join("a")).unwrap(), b"4");
        assert_eq!(write(&dir.join("no/e"), b"5").unwrap_err().path, dir.join("no/e"));
        assert_eq!(names(&dir), ["a", "b", "d"]);
        // A file in the way of the folder.
        assert_eq!(write_all(&dir.join("a"), &[("c", b"3")]).unwrap_err().path, dir.join("a"));
    }
}
