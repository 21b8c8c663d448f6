//! Any bytes as the pickle in a PyTorch archive, beside storages of 4096 bytes, and as a whole checkpoint of the time before
//! archives.
#![no_main]

use std::sync::LazyLock;

use lacewing_converter_fuzz::{archive, import_file};

static STORAGES: LazyLock<Vec<String>> = LazyLock::new(|| (0..20).map(|key| format!("net/data/{key}")).collect());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut members: Vec<(&str, &[u8])> = vec![("net/data.pkl", bytes), ("net/byteorder", b"little")];
    members.extend(STORAGES.iter().map(|name| (name.as_str(), &[0x3d; 4096][..])));
    import_file(&archive(&members));
    import_file(bytes);
});
