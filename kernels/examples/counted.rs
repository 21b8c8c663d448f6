//! `counted FILE` runs each junction in FILE once, by the kernel that this processor chooses, between the marks of the instruction counter
//! (`scripts/roicount`), and prints a line a run: what `lacewing-benches --bin aarch64` reads. FILE is a line of words, `n_in n_out f32|int8 NNZ`, five
//! lengths, a packing and its numbers, and the sections: weights, counts, index, bias, rescale; and so on.

use core::error::Error;
use core::hint::black_box;
use std::env;
use std::fs;
use std::io::{self, Write};

use lacewing_kernels::{Activation, IndexWidth, Int8, Junction, KernelSet, Packing, Parts};

/// The count begins.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_begin() {
    black_box(());
}

/// The count ends.
// SAFETY: no other function of the program has this name.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn roi_end() {
    // Unlike `roi_begin`: the linker would make one function of two that are alike.
    black_box(1);
}

fn main() -> Result<(), Box<dyn Error>> {
    let file = fs::read(env::args_os().nth(1).ok_or("name the file of the junctions")?)?;
    let mut rest = file.as_slice();
    let mut out = io::stdout().lock();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or("a line has no end")?;
        let (line, sections) = rest.split_at(end);
        let words: Vec<&str> = core::str::from_utf8(line)?.split(' ').collect();
        let [n_in, n_out, element, nnz, lengths @ .., name] = words.as_slice() else {
            return Err("words are missing".into());
        };
        let (lengths, packing) = lengths.split_at_checked(5).ok_or("lengths are missing")?;
        let mut sections = sections.get(1..).unwrap_or_default();
        let mut next = |length: &str| -> Result<&[u8], Box<dyn Error>> {
            let (section, after) = sections.split_at_checked(length.parse()?).ok_or("a section is cut off")?;
            sections = after;
            Ok(section)
        };
        let [weights, counts, index, bias, rescale] = lengths else { return Err("lengths are missing".into()) };
        let (weights, counts, index) = (next(weights)?, next(counts)?, next(index)?);
        let (bias, rescale) = (next(bias)?, next(rescale)?);
        rest = sections;
        let (n_in, n_out) = (n_in.parse()?, n_out.parse()?);
        let packing = read(packing)?;
        let parts = Parts { n_in, n_out, packing, activation: Activation::None, weights, counts, index, bias };
        let kernel = run(parts, *element == "int8", rescale)?;
        writeln!(out, "{name} {element} {nnz} {kernel} {packing}")?;
    }
    Ok(())
}

/// Runs a junction between the marks; the kernel's name.
fn run(parts: Parts<'_>, int8: bool, rescale: &[u8]) -> Result<String, Box<dyn Error>> {
    let (inputs, outputs) = (usize::from(parts.n_in), usize::from(parts.n_out));
    let junction = if int8 {
        Junction::new_i8(parts, Int8 { rescale, input_zero: 0, output_zero: 0, low: -128, high: 127 })
    } else {
        Junction::new(parts)
    };
    let junction = junction.map_err(|error| error.to_string())?;
    let kernel =
        KernelSet::ALL.choose_for(&junction).map_err(|error| error.to_string())?.ok_or("it has no kernel here")?;
    let ran = if int8 {
        let (x, mut y) = (vec![3; inputs], vec![0; outputs]);
        roi_begin();
        let ran = kernel.run_i8(&junction, &x, &mut y);
        roi_end();
        ran
    } else {
        let (x, mut y) = (vec![1.0; inputs], vec![0.0; outputs]);
        roi_begin();
        let ran = kernel.run(&junction, &x, &mut y);
        roi_end();
        ran
    };
    ran.map_err(|error| error.to_string())?;
    Ok(kernel.kernel().to_string())
}

fn read(words: &[&str]) -> Result<Packing, Box<dyn Error>> {
    let width = |word: &str| if word == "8" { IndexWidth::Delta8 } else { IndexWidth::Absolute16 };
    Ok(match words {
        ["dense"] => Packing::Dense,
        ["dense_input_major"] => Packing::DenseInputMajor,
        ["rows", d, index] => Packing::Rows { in_degree: d.parse()?, index: width(index) },
        ["csr", index] => Packing::Csr { index: width(index) },
        ["input_major", d, index] => Packing::InputMajor { out_degree: d.parse()?, index: width(index) },
        ["block", rows, cols, blocks] => {
            Packing::Block { rows: rows.parse()?, cols: cols.parse()?, blocks: blocks.parse()? }
        }
        ["nm", n, m] => Packing::NM { n: n.parse()?, m: m.parse()? },
        ["nm_lanes", n, m, lanes] => Packing::NMLanes { n: n.parse()?, m: m.parse()?, lanes: lanes.parse()? },
        ["windows", lanes, width, steps] => {
            Packing::Windows { lanes: lanes.parse()?, width: width.parse()?, steps: steps.parse()? }
        }
        other => return Err(format!("no packing is called {}", other.join(" ")).into()),
    })
}
