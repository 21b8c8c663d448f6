//! Instructions told from masks (`lacewing_converter::instructions`) held against those counted on the emulated Cortex-M4F.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use lacewing_benches::boards::junctions::{JunctionCount, JunctionRecord};
use lacewing_benches::cortex_m4::record::{Record, read};
use lacewing_converter::import::{embedded_recipe, import};
use lacewing_converter::instructions;
use lacewing_converter::network::Network;
use lacewing_converter::source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Hundredths apart.
fn apart(told: usize, counted: u64) -> f64 {
    100.0 * (told as f64 / counted as f64 - 1.0)
}

/// What is told of a counted junction; `None` of packings that nothing is told of.
fn told(count: &JunctionCount) -> Option<usize> {
    let (n_in, n_out) = count.shape.split_once('x')?;
    let (n_in, n_out): (usize, usize) = (n_in.parse().ok()?, n_out.parse().ok()?);
    let nnz = count.nnz as usize;
    match count.packing.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["dense"] => Some(instructions::dense(n_in, n_out)),
        ["block", shape] => {
            let rows: u8 = shape.strip_suffix("x1")?.parse().ok()?;
            instructions::block(rows, nnz / usize::from(rows), n_out.div_ceil(usize::from(rows)))
        }
        ["rows16", _] => Some(instructions::rows(nnz / n_out, n_out)),
        ["csr16"] => Some(instructions::csr(nnz, n_out)),
        _ => None,
    }
}

#[test]
fn junctions_take_what_is_told_of_them() {
    let record: JunctionRecord = read(&root().join("benches/record/cortex-m4/junctions.toml")).unwrap();
    let counted = record.junctions.iter().filter(|count| count.element == "f32");
    let known: Vec<_> = counted.filter_map(|count| Some((count, told(count)?))).collect();
    for kind in ["dense", "block 8x1", "block 16x1", "rows16", "csr16"] {
        assert!(known.iter().any(|(count, _)| count.packing.starts_with(kind)), "no {kind} was counted");
    }
    for (count, told) in known {
        let apart = apart(told, count.instructions);
        assert!(apart.abs() <= 2.0, "{}: {told} told, {} counted", count.name(), count.instructions);
    }
}

#[test]
fn networks_take_what_is_told_of_them() {
    let record: Record = read(&root().join("benches/record/cortex-m4/instructions.toml")).unwrap();
    let mut compared = 0;
    for counted in &record.networks {
        // Rows of one in-degree were counted in the packing of the fewest bytes, and are told in that of the fewest instructions.
        let file = root().join("models/weights").join(&counted.name).with_added_extension("safetensors");
        if !file.exists() || counted.kernels.iter().any(|kernel| kernel.starts_with("rows")) {
            continue;
        }
        let mut network = network(&file);
        // Dense junctions of fewer than four outputs take fewer instructions as rows, and are told so.
        if network.trunk.iter().any(|junction| junction.edges.n_out() < 4) {
            continue;
        }
        let told = if counted.part == "head" {
            instructions::head(&network)
        } else {
            network.split = None;
            network.exits.clear();
            instructions::whole(&network)
        };
        compared += 1;
        let apart = apart(told, counted.instructions);
        assert!(apart.abs() <= 2.0, "{} {}: {told} told, {} counted", counted.name, counted.part, counted.instructions);
    }
    assert!(compared >= 7, "{compared} networks compared");
}

fn network(file: &Path) -> Network {
    let mut source = Source::open(file).unwrap();
    let recipe = embedded_recipe(&source).unwrap().unwrap();
    import(&mut source, recipe).unwrap().network
}
