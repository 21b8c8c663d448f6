//! Any bytes as an ONNX file: a network or a refusal.
#![no_main]

use lacewing_converter_fuzz::import;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| import(bytes.to_vec(), &[0x08]));
