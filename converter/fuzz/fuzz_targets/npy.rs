//! Any bytes as the one array of an .npz archive.
#![no_main]

use lacewing_converter_fuzz::{archive, import};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| import(archive(&[("fc1.weight.npy", bytes)]), b"PK"));
