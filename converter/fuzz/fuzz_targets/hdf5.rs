//! Any bytes as an HDF5 file, as Keras writes them: a network or a refusal.
#![no_main]

use lacewing_converter_fuzz::import;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| import(bytes.to_vec(), b"\x89HDF\r\n\x1a\n"));
