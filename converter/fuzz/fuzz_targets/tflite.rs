//! Any bytes as a TensorFlow Lite file: a network or a refusal.
#![no_main]

use lacewing_converter_fuzz::import;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((offset, rest)) = bytes.split_at_checked(4) {
        import([offset, b"TFL3", rest.get(4..).unwrap_or_default()].concat(), &[]);
    }
});
