//! The `lacewing` command.
#![forbid(unsafe_code)]
fn main() {}
