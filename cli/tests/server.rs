//! `lacewing serve` as the README shows it.
#![allow(missing_docs)]

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

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

/// Model files of a bundled network, in a folder of this name.
fn convert(folder: &Path, network: &str, out: &str) {
    let weights = lacewing_models::bundled::weights(network);
    let converted = lacewing(folder, &format!("convert --out {out}")).arg(weights).output().expect("the command runs");
    assert!(converted.status.success(), "{}", String::from_utf8_lossy(&converted.stderr));
}

/// `lacewing serve` with these words.
fn serve(folder: &Path, words: &str) -> Server {
    let mut serve = lacewing(folder, &format!("serve {words} --listen 127.0.0.1:0 --log warn"));
    let mut child = serve.stdout(Stdio::piped()).spawn().expect("the command runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let at = lines.map(|line| line.expect("text")).find_map(|line| line.strip_prefix("http ").map(str::to_owned));
    Server { at: at.expect("it says where it listens"), child }
}

/// What comes back on a connection that sends this and reads until it is closed.
fn said(mut stream: TcpStream, sent: &str) -> String {
    stream.write_all(sent.as_bytes()).expect("sent");
    let mut all = String::new();
    stream.read_to_string(&mut all).expect("answered and closed");
    all
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(&server.at).expect("it listens")
}

#[test]
fn the_readmes_requests_are_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    convert(folder.path(), "mnist-flagship", "model");
    let server = serve(folder.path(), "model/tail.lace --head model/head.lace");
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
fn a_folder_serves_every_network_in_it_that_is_no_head() {
    let folder = tempfile::tempdir().expect("a folder");
    convert(folder.path(), "mnist-flagship", "model");
    convert(folder.path(), "pooled-49-40-10", "pooled");
    let pooled = folder.path().join("pooled");
    let whole = std::fs::read_dir(&pooled).expect("converted").next().expect("a file").expect("readable").path();
    std::fs::rename(whole, folder.path().join("model/pooled.lace")).expect("moved");
    let server = serve(folder.path(), "model");
    for (name, width) in [("tail", 256), ("pooled", 49)] {
        let row = vec!["0.5"; width].join(",");
        let body =
            format!(r#"{{"inputs":[{{"name":"features","shape":[1,{width}],"datatype":"FP32","data":[{row}]}}]}}"#);
        let head = format!("POST /v2/models/{name}/infer HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: ");
        let answer = said(connect(&server), &format!("{head}{}\r\n\r\n{body}", body.len()));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(&format!("\"model_name\":\"{name}\"")) && answer.contains("\"shape\":[1,10]"),
            "{answer}"
        );
    }
    let head = said(connect(&server), "GET /v2/models/head HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_after_what_it_has_begun() {
    let folder = tempfile::tempdir().expect("a folder");
    convert(folder.path(), "pooled-49-40-10", "model");
    let mut server = serve(folder.path(), "model");
    let models = std::fs::read_dir(folder.path().join("model")).expect("converted");
    let name = models.map(|file| file.expect("readable").path()).next().expect("a file");
    let name = name.file_stem().and_then(|stem| stem.to_str()).expect("text");
    let mut stream = connect(&server);
    let head = format!("POST /v2/models/{name}/infer HTTP/1.1\r\nHost: t\r\nInference-Header-Content-Length: 0\r\n");
    let head = format!("{head}Expect: 100-continue\r\nContent-Length: 196\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    // Said once it reads the body.
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).expect("a status");
    assert_eq!(&begun, b"HTTP/1.1 100");
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there").success());
    // It listens no more, and waits for the body.
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(&server.at).is_ok() {
        assert!(Instant::now() < until, "it goes on listening");
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.write_all(&[0; 196]).expect("it still reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered and closed");
    assert!(String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    convert(folder.path(), "mnist-flagship", "one");
    convert(folder.path(), "mnist-flagship-dense", "other");
    convert(folder.path(), "pooled-49-40-10", "whole");
    std::fs::write(folder.path().join("broken.lace"), b"LACE").expect("written");
    for (words, said) in [
        ("serve broken.lace", "broken"),
        ("serve missing.lace", "missing.lace"),
        ("serve .", "broken"),
        ("serve", "MODEL"),
        ("serve one/tail.lace --head other/head.lace", "serve the tail.lace of the same conversion"),
        ("serve one/tail.lace --head one/tail.lace", "is no head, but a tail"),
        ("serve whole --head one/head.lace", "no tail is served"),
        ("serve one/tail.lace --max-connections 0", "--max-connections"),
        ("serve one/tail.lace --max-connections 18446744073709551615", "--max-connections"),
        ("serve one/tail.lace --queue 18446744073709551615", "--queue"),
        ("serve one/tail.lace --threads 0", "--threads"),
        ("serve one/tail.lace --batch 0", "--batch"),
        ("serve one/tail.lace --idle-ms 18446744073709551615", "--idle-ms"),
        ("serve --upstream http://127.0.0.1:1 --upstream-model m --udp 127.0.0.1:0 --no-http", "127.0.0.1:1"),
        ("serve --upstream http://127.0.0.1:1 --udp 127.0.0.1:0", "--upstream-model"),
        ("serve broken.lace --upstream http://127.0.0.1:1 --upstream-model m", "cannot be used with"),
    ] {
        let output = lacewing(folder.path(), words).output().expect("the command runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{words}: {error}");
    }
}
