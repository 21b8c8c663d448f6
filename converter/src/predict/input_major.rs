//! Instructions of a junction input by input on a Cortex-M4F, which passes over inputs that are zero, of int8 the zero point: sums over the loops of
//! `kernels/src/cortex_m/input_major_i8.rs` and `input_major_f32.rs` for the inputs at hand. A test of `lacewing-benches` holds them against
//! counted programs.

use lacewing_kernels::{Element, IndexWidth, Junction, Packing};

/// Of a junction, and of each of its outputs: biases, the loop's start, and what writes the outputs.
const JUNCTION: usize = 187;
const OUTPUT: usize = 11;
/// The same of f32.
const JUNCTION_F32: usize = 150;
const OUTPUT_F32: usize = 13;

/// What looks after sixteen inputs whether there are more.
const SIXTEEN: usize = 2;
/// Of each input of the last, fewer than sixteen, which are looked at one by one.
const ONE: usize = 5;

/// What the loop over inputs takes beside its edges.
struct Loop {
    /// Of four inputs that are zero.
    zeros: usize,
    /// Of four of which one at least is not, besides.
    mixed: usize,
    /// Of an input that is not zero: in such a four, and one by one.
    edges: usize,
    single: usize,
}

/// Of a junction that is no such one, `None`. `nonzero` says of each input whether it is not zero.
pub(super) fn instructions(junction: &Junction<'_>, nonzero: &[bool]) -> Option<usize> {
    let Packing::InputMajor { out_degree, index } = *junction.packing() else { return None };
    let n_out = junction.n_out();
    if junction.element() == Element::F32 {
        return Some(JUNCTION_F32 + OUTPUT_F32 * n_out + floats(out_degree.into()).over(nonzero));
    }
    let zero = junction.int8()?.input_zero;
    let walk = if (out_degree, zero) == (2, i8::MIN) { two(index) } else { any(out_degree.into(), index) };
    Some(JUNCTION + OUTPUT * n_out + walk.over(nonzero))
}

/// The loop of f32: as many instructions whatever the index is.
fn floats(out_degree: usize) -> Loop {
    let left = |bit: usize, instructions: usize| if out_degree & bit == 0 { 0 } else { instructions };
    let edges = 17 + 44 * (out_degree / 8) + left(4, 21) + left(2, 12) + left(1, 6);
    Loop { zeros: 6, mixed: 13, edges, single: edges + 1 }
}

/// The loop for two edges an input.
fn two(index: IndexWidth) -> Loop {
    let edges = if index == IndexWidth::Delta8 { 11 } else { 10 };
    Loop { zeros: 3, mixed: 10, edges, single: edges + 3 }
}

/// The loop for any number.
fn any(out_degree: usize, index: IndexWidth) -> Loop {
    let (fours, ones) = (out_degree / 4, out_degree % 4);
    let (start, four, one) = if index == IndexWidth::Delta8 { (6, 20, 6) } else { (5, 19, 5) };
    let turns = fours.div_ceil(8);
    let of_fours = if fours > 0 { four * fours + 2 * turns + 1 } else { 0 };
    let edges = start + of_fours + one * ones + 1;
    Loop { zeros: 3, mixed: 13, edges, single: edges + 1 }
}

impl Loop {
    /// Fours after four; behind one that is mixed, sixteen are asked for anew.
    fn over(&self, nonzero: &[bool]) -> usize {
        let (mut all, mut rest, mut zeros) = (SIXTEEN, nonzero, 0);
        // A turn begins with sixteen inputs, and goes on for four fours.
        while rest.len() >= 16 || zeros > 0 {
            let Some((four, after)) = rest.split_at_checked(4) else { break };
            let here = four.iter().filter(|nonzero| **nonzero).count();
            all += self.zeros;
            zeros = if here == 0 { (zeros + 1) % 4 } else { 0 };
            if here > 0 {
                all += self.mixed + self.edges * here;
            }
            if zeros == 0 {
                all += SIXTEEN;
            }
            rest = after;
        }
        let left = rest.iter().filter(|nonzero| **nonzero).count();
        all + ONE * rest.len() + self.single * left + 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand from the kernel's instructions.
    #[test]
    fn loops_are_walked_as_the_kernel_does() {
        let walk = two(IndexWidth::Delta8);
        let zeros = walk.over(&[false; 32]);
        assert_eq!(zeros, 2 + 2 * (4 * 3 + 2) + 3, "two turns of four fours");
        let mut mixed = [false; 32];
        mixed[5] = true;
        // The second four is mixed; behind it sixteen are asked for anew, 24 inputs are left, and after them eight.
        assert_eq!(walk.over(&mixed), 2 + 3 + (3 + 10 + 11 + 2) + (4 * 3 + 2) + 8 * 5 + 3);
        assert_eq!(any(9, IndexWidth::Delta8).edges, 6 + 2 * 20 + 2 + 1 + 6 + 1);
        assert_eq!(any(3, IndexWidth::Absolute16).edges, 5 + 3 * 5 + 1);
        assert_eq!(floats(15).edges, 10 + 44 + 2 + 21 + 2 + 12 + 2 + 6 + 1);
    }
}
