//! Any bytes as a safetensors file: the first two are the length of the header.
#![no_main]

use lacewing_converter_fuzz::import;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [low, high, _, _, _, _, _, _, _, rest @ ..] = bytes {
        import([&[*low, *high, 0, 0, 0, 0, 0, 0, b'{'], rest].concat(), &[]);
    }
});
