//! `lacewing serve` as the README shows it.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// Killed when it is let go of.
struct Server {
    child: Child,
    /// Where it speaks HTTP.
    at: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lacewing(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lacewing"));
    command.current_dir(folder).args(words.split_whitespace());
    command
}

/// The flagship's tail, served as `tail`.
fn serve(folder: &Path) -> Server {
    let weights = lacewing_models::bundled::weights("mnist-flagship");
    let converted = lacewing(folder, "convert --out model").arg(weights).output().expect("the command runs");
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
    let mut serve = lacewing(folder, "serve model/tail.lace --listen 127.0.0.1:0 --log warn");
    let mut child = serve.stdout(Stdio::piped()).spawn().expect("the command runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let at = lines.map(|line| line.expect("text")).find_map(|line| line.strip_prefix("http ").map(str::to_owned));
    Server { at: at.expect("it says where it listens"), child }
}

#[test]
fn the_readmes_requests_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path());
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("README.md");
    let readme = std::fs::read_to_string(readme).expect("it is there");
    let requests: Vec<&str> = readme.lines().filter(|line| line.contains("curl -sf http://127.0.0.1:8080/")).collect();
    assert!(requests.len() >= 4, "{requests:?}");
    for request in requests {
        let here = request.replace("127.0.0.1:8080", &server.at);
        let Output { status, stdout, stderr } = Command::new("sh").args(["-c", &here]).output().expect("a shell");
        let said = String::from_utf8_lossy(&stdout);
        assert!(status.success(), "{request}: {status} {said}{}", String::from_utf8_lossy(&stderr));
        let word = if request.contains("/infer") { "\"logits\"" } else { "true" };
        let word = if request.ends_with("/models/tail") { "\"pair_id\"" } else { word };
        assert!(said.contains(word), "{request}: {said}");
    }
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("broken.lace"), b"LACE").expect("written");
    for (words, said) in [
        ("serve broken.lace", "broken"),
        ("serve missing.lace", "missing.lace"),
        ("serve .", "broken"),
        ("serve", "MODEL"),
        ("serve --upstream http://127.0.0.1:1 --upstream-model m --udp 127.0.0.1:0 --no-http", "127.0.0.1:1"),
        ("serve --upstream http://127.0.0.1:1 --udp 127.0.0.1:0", "--upstream-model"),
        ("serve broken.lace --upstream http://127.0.0.1:1 --upstream-model m", "cannot be used with"),
    ] {
        let output = lacewing(folder.path(), words).output().expect("the command runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{words}: {error}");
    }
}
