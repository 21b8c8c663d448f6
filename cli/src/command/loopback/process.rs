//! A tail in a process of its own.

use core::net::SocketAddr;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::failure::Failure;

/// This command once more, serving tails on loopback. It is killed when it is let go of.
pub struct TailProcess {
    child: Child,
    at: SocketAddr,
}

impl TailProcess {
    pub fn start(tails: &[impl AsRef<OsStr>]) -> Result<Self, Failure> {
        let mut serve = Command::new(std::env::current_exe()?);
        serve.arg("serve").args(tails).args(["--no-http", "--udp", "127.0.0.1:0", "--threads", "1", "--log", "warn"]);
        let mut child = serve.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        match child.stdout.take().map(|out| address_in(BufReader::new(out))) {
            Some(Ok(at)) => Ok(Self { child, at }),
            failed => {
                child.kill()?;
                child.wait()?;
                let why = failed.and_then(Result::err).unwrap_or_else(|| "it has no output".into());
                Err(format!("the tail's process did not start: {why}").into())
            }
        }
    }

    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for TailProcess {
    fn drop(&mut self) {
        // It may be dead already, which is what is wanted.
        let _ = self.kill();
    }
}

/// The address that a server prints once it listens.
fn address_in(out: impl BufRead) -> Result<SocketAddr, Failure> {
    for line in out.lines() {
        if let Some(address) = line?.strip_prefix("udp ") {
            return Ok(address.parse()?);
        }
    }
    Err("it printed no address".into())
}
