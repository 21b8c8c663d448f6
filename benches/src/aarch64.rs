//! Instructions of single junctions on aarch64, in every packing that has kernels there: the fewest of each mask, dense beside them.

use std::fs;
use std::path::Path;
use std::process::Command;

use lacewing_converter::bench::BenchError;
use lacewing_converter::bench::draw::{DrawError, draw};
use lacewing_converter::bench::shapes::{self, Shape};
use lacewing_converter::edges::Edges;
use lacewing_converter::pack::{DoesNotFit, Packed, pack};
use lacewing_kernels::{Activation, Element, IndexWidth, Packing, Parts};

use crate::boards::junctions::{JunctionCount, counts};
use crate::cortex_m4::board::{BoardError, regions, succeed};
use crate::int8;

/// The target.
pub const TARGET: &str = "aarch64-unknown-linux-gnu";

/// The masks that are counted.
///
/// # Errors
/// The list is no list; the one in the tree is.
pub fn shapes() -> Result<Vec<Shape>, shapes::ShapeError> {
    shapes::parse(include_str!("../shapes/aarch64.txt"))
}

/// A mask's junctions in every packing, as `kernels/examples/counted.rs` reads them.
///
/// # Errors
/// The shape cannot be drawn or packed.
pub fn junctions(shape: &Shape) -> Result<Vec<u8>, BenchError> {
    let mut file = Vec::new();
    let name = shape.name.replace(' ', "_");
    let drawn = draw(shape, 1)?;
    for packed in &drawn.packed {
        push(&mut file, (&name, Element::F32, drawn.edges.nnz()), packed.parts(), &[]);
    }
    let failed = |error| DrawError::Pack(shape.name.clone(), error);
    for packed in windows(&drawn.edges).map_err(failed)? {
        push(&mut file, (&name, Element::F32, drawn.edges.nnz()), packed.parts(), &[]);
    }
    for packed in int8::packings(&drawn, shape)? {
        push(&mut file, (&name, Element::I8, drawn.edges.nnz()), packed.parts(), packed.rescale());
    }
    Ok(file)
}

/// Windows of f32 that have kernels there; what is drawn has those of this machine alone.
fn windows(edges: &Edges) -> Result<Vec<Packed>, DoesNotFit> {
    let shapes = [(4, 16), (8, 16)].into_iter().filter(|_| edges.density() < 1.0);
    let packings = shapes.map(|(lanes, width)| Packing::Windows { lanes, width, steps: 1 });
    packings.map(|packing| pack(edges, &[], Activation::None, packing)).collect()
}

fn push(file: &mut Vec<u8>, (name, element, nnz): (&str, Element, usize), parts: Parts<'_>, rescale: &[u8]) {
    let Some(packing) = words(&parts.packing) else { return };
    let element = if element == Element::I8 { "int8" } else { "f32" };
    let sections = [parts.weights, parts.counts, parts.index, parts.bias, rescale];
    let lengths = sections.map(|section| section.len().to_string()).join(" ");
    file.extend(format!("{} {} {element} {nnz} {lengths} {packing} {name}\n", parts.n_in, parts.n_out).bytes());
    sections.iter().for_each(|section| file.extend_from_slice(section));
}

/// `None` of packings without a kernel there.
fn words(packing: &Packing) -> Option<String> {
    let width = |index: &IndexWidth| 8 * index.bytes();
    Some(match packing {
        Packing::Dense => "dense".to_owned(),
        Packing::DenseInputMajor => "dense_input_major".to_owned(),
        Packing::Rows { in_degree, index } => format!("rows {in_degree} {}", width(index)),
        Packing::Csr { index } => format!("csr {}", width(index)),
        Packing::InputMajor { out_degree, index } => format!("input_major {out_degree} {}", width(index)),
        Packing::Block { rows, cols, blocks } => format!("block {rows} {cols} {blocks}"),
        Packing::NM { n, m } => format!("nm {n} {m}"),
        Packing::NMLanes { n, m, lanes } => format!("nm_lanes {n} {m} {lanes}"),
        Packing::Windows { lanes, width, steps } => format!("windows {lanes} {width} {steps}"),
        _ => return None,
    })
}

/// Runs the junctions of a file under QEMU, each once; of each mask and element the packing of the fewest instructions.
///
/// # Errors
/// Tools are missing, or the program does not end well.
pub fn fewest(root: &Path, folder: &Path, counter: &Path, file: &[u8]) -> Result<Vec<JunctionCount>, BoardError> {
    let place = folder.join("junctions");
    let io = |error| BoardError::Io { path: place.clone(), error };
    fs::create_dir_all(folder).and_then(|()| fs::write(&place, file)).map_err(io)?;
    let mut cargo = Command::new(root.join("scripts/cross"));
    cargo.args([TARGET, "build", "--quiet", "--release", "--locked", "-p", "lacewing-kernels", "--example", "counted"]);
    succeed("cargo", cargo.arg("--target-dir").arg(folder).current_dir(root))?;
    let report = folder.join("counts");
    let mut qemu = Command::new("qemu-aarch64");
    qemu.args(["-cpu", "max", "-L", "/usr/aarch64-linux-gnu", "-d", "plugin", "-D", "/dev/null"]);
    qemu.arg("-plugin").arg(format!("file={},out={}", counter.display(), report.display()));
    qemu.arg(folder.join(TARGET).join("release/examples/counted")).arg(&place);
    let lines = String::from_utf8_lossy(&succeed("qemu-aarch64", &mut qemu)?.stdout).into_owned();
    let counted = fs::read_to_string(&report).map_err(io)?;
    let all = counts(&lines, &regions(&counted))
        .ok_or(BoardError::Uncounted { counted: regions(&counted).len(), run: lines.lines().count() })?;
    let mut best: Vec<JunctionCount> = Vec::new();
    for count in all {
        match best.iter_mut().find(|known| known.shape == count.shape && known.element == count.element) {
            Some(known) if known.instructions <= count.instructions => {}
            Some(known) => *known = count,
            None => best.push(count),
        }
    }
    Ok(best)
}
