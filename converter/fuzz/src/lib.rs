//! What the fuzz targets share.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use lacewing_converter::import::import_reading;
use lacewing_converter::int8::{Int8Goal, given};
use lacewing_converter::reading::Reading;
use lacewing_converter::source::Source;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Reads a network, and packs it where it is one of int8, from bytes that begin with `start`, which is written over what they begin with.
pub fn import(mut bytes: Vec<u8>, start: &[u8]) {
    if let Some(place) = bytes.get_mut(..start.len()) {
        place.copy_from_slice(start);
    }
    if let Ok(source) = Source::from_bytes(bytes.into(), Path::new("/nowhere/fuzzed")) {
        read(source);
    }
}

/// As [`import`], from a file with these bytes.
pub fn import_file(bytes: &[u8]) {
    let path = std::env::temp_dir().join(format!("lacewing-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(source) = Source::open(&path) {
        read(source);
    }
}

fn read(mut source: Source) {
    if let Ok(reading) = Reading::of(&mut source, None, None) {
        // Large networks take long and have nothing that small ones have not.
        let places: usize = reading.recipe.placed_junctions().iter().map(|placed| placed.n_in * placed.n_out()).sum();
        if places < 1 << 12 {
            let Ok(imported) = import_reading(&mut source, reading) else { return };
            if let Ok(Some(scales)) = given::read(&mut source, &imported.recipe) {
                let _ = given::plan(&imported.network, &scales, Int8Goal::Size, &|_, _| {});
            }
        }
    }
}

/// An archive of uncompressed members.
pub fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file(*name, options).expect("a member");
        archive.write_all(bytes).expect("its bytes");
    }
    archive.finish().expect("an archive").into_inner()
}

/// The weights in a Keras archive.
pub fn weights(keras: &[u8]) -> Vec<u8> {
    let mut weights = Vec::new();
    let mut archive = ZipArchive::new(Cursor::new(keras)).expect("an archive");
    archive.by_name("model.weights.h5").expect("weights").read_to_end(&mut weights).expect("all of them");
    weights
}
