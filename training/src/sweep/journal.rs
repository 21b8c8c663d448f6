//! What has been trained, a line a network: kept as it comes, so that an interrupted sweep goes on from there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::{Run, SweepError, journal_in, lock};

#[derive(Deserialize)]
struct Line {
    key: String,
    #[serde(flatten)]
    run: Run,
}

#[derive(Serialize)]
struct LineOf<'a> {
    key: &'a str,
    #[serde(flatten)]
    run: &'a Run,
}

pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal of the folder, which is made, and says what it has. A last line that was cut off is taken away.
    pub(super) fn open(out: &Path) -> Result<(Self, HashMap<String, Run>), SweepError> {
        fs::create_dir_all(out).map_err(|source| SweepError::Io { path: out.to_path_buf(), source })?;
        let path = journal_in(out);
        let failed = |source| SweepError::Io { path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut found = HashMap::new();
        for (number, line) in (1..).zip(text[..whole].lines()) {
            let line: Line = serde_json::from_str(line).map_err(|source| SweepError::Journal {
                path: path.clone(),
                line: number,
                source,
            })?;
            found.insert(line.key, line.run);
        }
        if whole < text.len() {
            File::options().write(true).open(&path).and_then(|file| file.set_len(whole as u64)).map_err(failed)?;
        }
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        Ok((Self { path: path.clone(), file: Mutex::new(file) }, found))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn add(&self, key: &str, run: &Run) -> Result<(), SweepError> {
        let failed = |source| SweepError::Io { path: self.path.clone(), source };
        let line = serde_json::to_string(&LineOf { key, run }).map_err(|error| failed(io::Error::other(error)))?;
        let mut file = lock(&self.file);
        file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data()).map_err(failed)
    }
}
