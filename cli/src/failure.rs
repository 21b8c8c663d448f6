//! What a command ends with where it fails, and what is said about it.

use core::error::Error;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What any command can end with.
pub type Failure = Box<dyn Error>;

/// A failure and the file that it is about.
#[derive(Debug, Error)]
#[error("{}: {error}", path.display())]
struct About {
    path: PathBuf,
    #[source]
    error: Failure,
}

/// Says which file an error is about.
pub fn about<E: Into<Failure>>(path: &Path) -> impl FnOnce(E) -> Failure {
    move |error| About { path: path.into(), error: error.into() }.into()
}

pub fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The error and its causes, each said once, and what helps where the system refused something.
pub fn report(error: &(dyn Error + 'static), to: &mut dyn Write) -> io::Result<()> {
    let mut said = error.to_string();
    write!(to, "error: {said}")?;
    let mut last = error;
    while let Some(cause) = last.source() {
        let text = cause.to_string();
        if !said.contains(&text) {
            write!(to, "\n  because: {text}")?;
        }
        (said, last) = (text, cause);
    }
    let refused = last.downcast_ref::<io::Error>().filter(|error| error.raw_os_error().is_some());
    let advice = refused.and_then(|error| advice(error.kind())).map(|advice| format!(": {advice}")).unwrap_or_default();
    writeln!(to, "{advice}")
}

const fn advice(refusal: ErrorKind) -> Option<&'static str> {
    match refusal {
        ErrorKind::NotFound => Some("check how the path is written, and make the folders that it names"),
        ErrorKind::PermissionDenied => Some("check with ls -l who may do that, or name another place"),
        ErrorKind::IsADirectory => Some("name a file in it"),
        ErrorKind::NotADirectory => Some("a part of the path is a file: name another place"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some("make room, or name another place"),
        ErrorKind::ReadOnlyFilesystem => Some("name another place"),
        ErrorKind::InvalidFilename => Some("use a shorter name"),
        ErrorKind::AddrInUse => Some("another program listens there: stop it, or choose another port"),
        ErrorKind::AddrNotAvailable => Some("this machine does not have that address: see ip address"),
        ErrorKind::ConnectionRefused => Some("nothing listens there: start it, or check the address"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn said(error: Failure) -> String {
        let mut out = Vec::new();
        report(&*error, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_the_system_refuses_is_said_once_and_with_advice() {
        let path = Path::new("/none/there");
        let refused = File::open(path).map_err(about(path)).unwrap_err();
        let told = said(refused);
        assert_eq!(told.matches("No such file").count(), 1, "{told}");
        assert!(
            told.starts_with("error: /none/there: No such file or directory") && told.ends_with("names\n"),
            "{told}"
        );
    }

    #[test]
    fn our_own_refusals_bring_their_own_advice() {
        let ours = io::Error::new(ErrorKind::NotFound, "no such thing: take another");
        assert_eq!(said(about(Path::new("a"))(ours)), "error: a: no such thing: take another\n");
    }
}
