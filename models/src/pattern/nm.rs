//! Exactly N edges in every page of M consecutive inputs, in every row.

use super::random;
use crate::mask::Mask;
use crate::rng::Draws;

/// Edges of a row in a page of `inputs ≤ m` inputs: n where the page is whole, else round(n · inputs / m), halves up, and
/// at least one.
pub(super) fn share_of_page(n: usize, m: usize, inputs: usize) -> usize {
    ((2 * n * inputs + m) / (2 * m)).max(1)
}

/// Draws page after page, each evenly: within a page out-degrees differ by one at most.
pub(super) fn mask(n_in: usize, n_out: usize, (n, m): (usize, usize), draws: &mut Draws) -> Mask {
    let mut mask = Mask::empty(n_in, n_out);
    for first in (0..n_in).step_by(m) {
        let inputs = m.min(n_in - first);
        let page = random::even(inputs, n_out, share_of_page(n, m, inputs), draws);
        for output in 0..n_out {
            for input in page.row(output) {
                mask.insert(output, first + input);
            }
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::share_of_page;

    #[test]
    fn a_ragged_page_has_its_share() {
        for (n, m, inputs, share) in
            [(4, 16, 16, 4), (4, 16, 4, 1), (1, 16, 1, 1), (2, 8, 2, 1), (2, 8, 6, 2), (8, 8, 3, 3)]
        {
            assert_eq!(share_of_page(n, m, inputs), share, "{n}:{m} of {inputs}");
        }
    }
}
