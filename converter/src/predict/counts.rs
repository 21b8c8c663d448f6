//! Instructions of a packed junction on a Cortex-M4F, by the kernel that runs it there.
//!
//! A count is a line through those of `benches/record/cortex-m4/junctions.toml`: so many a junction, an output (or a row of blocks) and an edge
//! (or a block). f32 in the packings that the converter writes for that core is told by [`instructions`](crate::instructions), from the kernels'
//! loops; everything else here. A test of `lacewing-benches` holds both against the record.
//!
//! | packing | f32 | int8 |
//! |-|-|-|
//! | dense | `instructions` | 205; for four inputs 24 each four outputs, 15 two that are over, 10 one; 49, 27, 15 beside them, and 10 an output, 48 where its sum needs every check |
//! | block of 4, 8, 16 outputs | 98 a row of blocks and 25 a block; `instructions` | 250; 66, 126, 245 a row of blocks, 95 more where it has more than 129, and 8.25, 13.25, 23.25 a block |
//! | rows, 16-bit indices | `instructions` | 335; 22.2 an output, 3.87 an edge |
//! | rows, 8-bit distances | 167; 19.8 an output, 3.99 an edge (by `measured.toml`) | 381; 27 an output, 4.12 an edge |
//! | rows of any length, 16-bit | `instructions` | 67.2 an output, 3.86 an edge |
//! | rows of any length, 8-bit | 170; 21 an output, 3.99 an edge | 68.6 an output, 4.12 an edge |
//! | coded rows | | 170 an output, 60 an edge (by `measured.toml`) |
//! | input-major | [`input_major`](super::input_major), by the inputs at hand | the same |
//! | N:16 | 46 an output, 33.5 an edge | 30 an output; 3.9 an edge of 1:16, 3.97 of more |

use lacewing_kernels::{Activation, Element, IndexWidth, Junction, Packing};

use super::input_major;
use crate::instructions;

/// What runs a junction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Counted {
    /// The kernel on that core.
    pub kernel: &'static str,
    /// Instructions of the whole junction.
    pub instructions: usize,
}

/// So many instructions a junction, an output or row of blocks, and an edge or block.
struct Line(f64, f64, f64);

impl Line {
    fn at(&self, rows: usize, each: usize) -> usize {
        (self.0 + self.1 * rows as f64 + self.2 * each as f64).round() as usize
    }
}

/// `None` where nothing was counted: packings of other targets, activations that take as long as their input pleases. `nonzero` says of each
/// input whether it is not zero, where a kernel passes over those that are.
pub(super) fn of(junction: &Junction<'_>, nonzero: &[bool]) -> Option<Counted> {
    if !matches!(junction.activation(), Activation::None | Activation::Relu | Activation::LeakyRelu { .. }) {
        return None;
    }
    let (n_in, n_out, nnz) = (junction.n_in(), junction.n_out(), junction.nnz());
    let counted = |kernel, instructions| Some(Counted { kernel, instructions });
    match (junction.element(), *junction.packing()) {
        (Element::F32, Packing::InputMajor { index, .. }) => {
            let kernel = match index {
                IndexWidth::Delta8 => "input_major8_f32_4x8/fpu",
                IndexWidth::Absolute16 => "input_major16_f32_4x8/fpu",
            };
            counted(kernel, input_major::instructions(junction, nonzero)?)
        }
        (Element::F32, packing) => of_f32(packing, (n_in, n_out, nnz)),
        (_, Packing::Dense) => counted("dense_i8_4x4/dsp", dense_i8(n_in, n_out, junction.outputs_are_usual())),
        (_, Packing::Block { rows, cols: 1, .. }) => {
            let (kernel, line) = match rows {
                4 => ("block_i8_4x4/dsp", Line(250.0, 66.3, 8.25)),
                8 => ("block_i8_8x4/dsp", Line(250.0, 125.9, 13.25)),
                16 => ("block_i8_16x4/dsp", Line(250.0, 244.6, 23.25)),
                _ => return None,
            };
            let rows = usize::from(rows);
            let (row_blocks, blocks) = (n_out.div_ceil(rows), nnz.div_ceil(rows));
            let apart = if blocks > MOST_IN_A_LOOP * row_blocks { 95 * row_blocks } else { 0 };
            counted(kernel, line.at(row_blocks, blocks) + apart)
        }
        (_, Packing::Rows { index: IndexWidth::Absolute16, .. }) => {
            counted("rows16_i8_1x4/dsp", Line(334.8, 22.2, 3.875).at(n_out, nnz))
        }
        (_, Packing::Rows { index: IndexWidth::Delta8, .. }) => {
            counted("rows8_i8_1x4/dsp", Line(381.4, 26.97, 4.119).at(n_out, nnz))
        }
        (_, Packing::Csr { index: IndexWidth::Absolute16 }) => {
            counted("csr16_i8_1x4/dsp", Line(1.7, 67.22, 3.864).at(n_out, nnz))
        }
        (_, Packing::Csr { index: IndexWidth::Delta8 }) => {
            counted("csr8_i8_1x4/dsp", Line(1.8, 68.55, 4.115).at(n_out, nnz))
        }
        (_, Packing::Coded { .. }) => counted("coded_i8_1x1/scalar", Line(0.0, 170.0, 60.0).at(n_out, nnz)),
        (_, Packing::InputMajor { index, .. }) => {
            let kernel = match index {
                IndexWidth::Delta8 => "input_major8_i8_4x4/dsp",
                IndexWidth::Absolute16 => "input_major16_i8_4x4/dsp",
            };
            counted(kernel, input_major::instructions(junction, nonzero)?)
        }
        (_, Packing::NM { n, m: 16 }) => {
            let (kernel, edge) = match n {
                1 => ("nm1of16_i8_1x8/dsp", 3.9),
                2 => ("nm2of16_i8_1x8/dsp", 3.97),
                4 => ("nm4of16_i8_1x8/dsp", 3.97),
                8 => ("nm8of16_i8_1x8/dsp", 3.97),
                _ => return None,
            };
            counted(kernel, Line(0.0, 30.0, edge).at(n_out, nnz))
        }
        _ => None,
    }
}

/// The most inputs of a row block of int8 that the loop over row blocks takes.
const MOST_IN_A_LOOP: usize = 129;

/// Four rows after four, two that are over, and one.
fn dense_i8(n_in: usize, n_out: usize, usual: bool) -> usize {
    let groups = n_in.div_ceil(4);
    let (fours, two, one) = (n_out / 4, n_out / 2 % 2, n_out % 2);
    let output = if usual { 10 } else { 48 };
    205 + fours * (49 + 24 * groups) + two * (27 + 15 * groups) + one * (15 + 10 * groups) + output * n_out
}

fn of_f32(packing: Packing, (n_in, n_out, nnz): (usize, usize, usize)) -> Option<Counted> {
    let counted = |kernel, instructions| Some(Counted { kernel, instructions });
    match packing {
        Packing::Dense => counted("dense_f32_4x12/fpu", instructions::dense(n_in, n_out)),
        Packing::Block { rows: 4, cols: 1, .. } => {
            counted("block_f32_4x1/scalar", Line(0.0, 98.3, 25.0).at(n_out.div_ceil(4), nnz.div_ceil(4)))
        }
        Packing::Block { rows, cols: 1, .. } => {
            let high = usize::from(rows);
            let kernel = if rows == 8 { "block_f32_8x1/fpu" } else { "block_f32_16x1/fpu" };
            counted(kernel, instructions::block(rows, nnz.div_ceil(high), n_out.div_ceil(high))?)
        }
        Packing::Rows { in_degree, index: IndexWidth::Absolute16 } => {
            counted("rows16_f32_1x16/fpu", instructions::rows(usize::from(in_degree), n_out))
        }
        Packing::Rows { index: IndexWidth::Delta8, .. } => {
            counted("rows8_f32_1x8/fpu", Line(167.0, 19.81, 3.992).at(n_out, nnz))
        }
        Packing::Csr { index: IndexWidth::Absolute16 } => counted("csr16_f32_1x16/fpu", instructions::csr(nnz, n_out)),
        Packing::Csr { index: IndexWidth::Delta8 } => {
            counted("csr8_f32_1x8/fpu", Line(170.0, 21.0, 3.99).at(n_out, nnz))
        }
        Packing::NM { .. } => counted("nm_f32_1x1/scalar", Line(0.0, 46.2, 33.5).at(n_out, nnz)),
        _ => None,
    }
}
