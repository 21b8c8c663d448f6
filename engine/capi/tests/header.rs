//! lacewing.h is what cbindgen makes of this crate: `LACEWING_WRITE_HEADER=1 cargo test -p lacewing-capi --test header` writes it.

use std::path::Path;
use std::{env, fs};

/// The header, without what only Rust asks of a caller.
fn generated(folder: &Path) -> String {
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("cbindgen.toml is right");
    let mut header = Vec::new();
    cbindgen::generate_with_config(folder, config).expect("the crate is parsed").write(&mut header);
    let header = String::from_utf8(header).expect("a header is UTF-8");
    let mut lines: Vec<&str> = Vec::new();
    let mut passing_over = false;
    for line in header.lines() {
        passing_over = line == "// # Safety" || passing_over && line.starts_with("//");
        if !passing_over {
            lines.push(line);
        } else if lines.last() == Some(&"//") {
            lines.pop();
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_header_is_in_step() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (path, header) = (folder.join("lacewing.h"), generated(folder));
    if env::var_os("LACEWING_WRITE_HEADER").is_some() {
        fs::write(&path, &header).expect("lacewing.h can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == header, "lacewing.h is not what the crate says: write it anew (see the head of this test)");
}
