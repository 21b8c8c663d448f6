//! Any text as the description of the layers in a Keras archive, beside the weights of a real one.
#![no_main]

use std::sync::LazyLock;

use lacewing_converter_fuzz::{archive, import, weights};

static WEIGHTS: LazyLock<Vec<u8>> =
    LazyLock::new(|| weights(include_bytes!("../../tests/fixtures/frameworks/keras3-functional.keras")));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    import(archive(&[("config.json", bytes), ("model.weights.h5", &WEIGHTS)]), b"PK");
});
