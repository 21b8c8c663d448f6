//! What structure the edges of a junction have: which packings they allow.

use core::fmt;

use lacewing_models::Mask;
use lacewing_models::pattern::verify_clash_free;
use serde::Serialize;

use crate::blocks;
use crate::edges::Edges;
use crate::pack::last_page_n;

/// Smallest and largest number of edges of a neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Degrees {
    /// The smallest.
    pub min: usize,
    /// The largest.
    pub max: usize,
}

impl Degrees {
    pub(crate) fn of(degrees: impl Iterator<Item = usize>) -> Self {
        let (min, max) = degrees.fold((usize::MAX, 0), |(min, max), d| (min.min(d), max.max(d)));
        Self { min: min.min(max), max }
    }

    /// The one number, where all neurons have it.
    #[must_use]
    pub fn constant(self) -> Option<usize> {
        (self.min == self.max).then_some(self.min)
    }
}

impl fmt::Display for Degrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.constant() {
            Some(degree) => write!(f, "{degree}"),
            None => write!(f, "{}–{}", self.min, self.max),
        }
    }
}

/// A block shape that covers the edges: `rows` consecutive outputs share their inputs, which come in runs of at least
/// `cols`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BlockFit {
    /// Outputs a block.
    pub rows: u8,
    /// Inputs a block.
    pub cols: u8,
    /// Blocks in all.
    pub blocks: usize,
    /// Blocks in every row block, where they are equally many.
    pub per_row_block: Option<u16>,
    /// Whether no two blocks overlap; where some do, the weights of the second are zero on the inputs both have.
    pub exact: bool,
}

/// An N:M pattern that the edges have: `n` in every page of `m` inputs of every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NMFit {
    /// Edges a page.
    pub n: u8,
    /// Inputs a page.
    pub m: u8,
}

/// What was found in the edges of a junction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Structure {
    /// Every output reads every input.
    pub dense: bool,
    /// In-degrees.
    pub in_degrees: Degrees,
    /// Out-degrees.
    pub out_degrees: Degrees,
    /// Outputs without an edge: they give `act(bias)`.
    pub empty_rows: usize,
    /// Inputs without an edge.
    pub unused_inputs: usize,
    /// Widest distance from one input of a row to the next, the first counted from input 0.
    pub widest_gap: usize,
    /// The block shapes that fit, of those with kernels; never 1×1, none where the junction is dense.
    pub blocks: Vec<BlockFit>,
    /// The N:M patterns that fit, in order of preference; none where the junction is dense.
    pub nm: Vec<NMFit>,
    /// The largest degree of parallelism z ≥ 2 for which the edges are clash-free (Dey et al., arXiv 1812.01164), where both
    /// degrees are constant and the junction is not dense. No packing uses it.
    pub clash_free: Option<usize>,
}

/// Block shapes looked for, and measured.
pub(crate) const BLOCK_SHAPES: [(u8, u8); 19] = [
    (4, 1),
    (8, 1),
    (16, 1),
    (32, 1),
    (4, 4),
    (8, 4),
    (16, 4),
    (32, 4),
    (4, 8),
    (8, 8),
    (16, 8),
    (32, 8),
    (4, 16),
    (8, 16),
    (16, 16),
    (32, 16),
    (1, 4),
    (1, 8),
    (1, 16),
];

/// Pages looked for. A pattern of 4 is one of 8 too, and pages of 8 are the narrowest that vector registers have; 4 is for
/// widths where the ragged last page tells them apart.
const PAGES: [u8; 5] = [8, 16, 32, 64, 4];

impl Structure {
    /// Looks at every edge a few times; linear in them.
    #[must_use]
    pub fn of(edges: &Edges) -> Self {
        let out_degrees = edges.out_degrees();
        let dense = edges.nnz() == edges.n_in() * edges.n_out();
        let (mut blocks, mut nm) = (Vec::new(), Vec::new());
        if !dense && edges.nnz() > 0 {
            blocks.extend(BLOCK_SHAPES.into_iter().filter_map(|(rows, cols)| fit_blocks(edges, rows, cols)));
            nm.extend(PAGES.into_iter().filter_map(|m| fit_nm(edges, m)));
        }
        let in_degrees = Degrees::of(edges.in_degrees());
        let regular =
            !dense && in_degrees.constant() > Some(0) && Degrees::of(out_degrees.iter().copied()).constant().is_some();
        Self {
            dense,
            in_degrees,
            clash_free: if regular { largest_clash_free(edges) } else { None },
            empty_rows: edges.in_degrees().filter(|d| *d == 0).count(),
            unused_inputs: out_degrees.iter().filter(|d| **d == 0).count(),
            out_degrees: Degrees::of(out_degrees.into_iter()),
            widest_gap: edges.rows().map(|(inputs, _)| widest_gap(inputs)).max().unwrap_or(0),
            blocks,
            nm,
        }
    }
}

/// The findings in words, as reports print them.
impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dense {
            return f.write_str("dense");
        }
        write!(f, "in-degree {}, out-degree {}", self.in_degrees, self.out_degrees)?;
        let exact: Vec<&BlockFit> = self.blocks.iter().filter(|fit| fit.exact).collect();
        if let Some(largest) = exact.iter().max_by_key(|fit| u16::from(fit.rows) * u16::from(fit.cols)) {
            write!(f, ", blocks of {}x{}", largest.rows, largest.cols)?;
        }
        if let Some(NMFit { n, m }) = self.nm.first() {
            write!(f, ", {n}:{m}")?;
        }
        if let Some(z) = self.clash_free {
            write!(f, ", clash-free with z = {z}")?;
        }
        if self.empty_rows > 0 {
            write!(f, ", {} empty rows", self.empty_rows)?;
        }
        if self.unused_inputs > 0 {
            write!(f, ", {} inputs unused", self.unused_inputs)?;
        }
        Ok(())
    }
}

fn largest_clash_free(edges: &Edges) -> Option<usize> {
    let mut mask = Mask::empty(edges.n_in(), edges.n_out());
    for (output, (inputs, _)) in edges.rows().enumerate() {
        inputs.iter().for_each(|input| mask.insert(output, usize::from(*input)));
    }
    (2..=edges.n_in()).rev().find(|z| edges.n_in().is_multiple_of(*z) && verify_clash_free(&mask, *z).is_ok())
}

fn widest_gap(inputs: &[u16]) -> usize {
    let mut previous = 0;
    let gaps = inputs.iter().map(|input| {
        let gap = input - previous;
        previous = *input;
        usize::from(gap)
    });
    gaps.max().unwrap_or(0)
}

fn fit_blocks(edges: &Edges, rows: u8, cols: u8) -> Option<BlockFit> {
    if usize::from(cols) > edges.n_in() {
        return None;
    }
    let all_rows: Vec<_> = edges.rows().collect();
    let (mut counts, mut exact) = (Vec::new(), true);
    for row_block in all_rows.chunks(usize::from(rows)) {
        let inputs = row_block.first().map_or(&[][..], |(inputs, _)| inputs);
        if row_block.iter().any(|(others, _)| *others != inputs) {
            return None;
        }
        let starts = blocks::starts(inputs, cols)?;
        exact &= starts.len() * usize::from(cols) == inputs.len();
        counts.push(starts.len());
    }
    let first = counts.first().copied().unwrap_or(0);
    let constant = first > 0 && counts.iter().all(|count| *count == first);
    Some(BlockFit {
        rows,
        cols,
        blocks: counts.iter().sum(),
        per_row_block: if constant { u16::try_from(first).ok() } else { None },
        exact,
    })
}

/// `n` where every whole page of `m` inputs has exactly `n` edges in every row and the last page its share.
fn fit_nm(edges: &Edges, m: u8) -> Option<NMFit> {
    let page = usize::from(m);
    let (whole, last) = (edges.n_in() / page, edges.n_in() % page);
    if whole == 0 {
        return None;
    }
    let first_row = edges.rows().next()?.0;
    let n = first_row.iter().take_while(|input| usize::from(**input) < page).count();
    if n == 0 || n == page {
        return None;
    }
    let mut want = vec![n; whole];
    if last > 0 {
        want.push(last_page_n(u8::try_from(n).ok()?, last, m));
    }
    let mut found = vec![0; want.len()];
    for (inputs, _) in edges.rows() {
        found.fill(0);
        for input in inputs {
            if let Some(count) = found.get_mut(usize::from(*input) / page) {
                *count += 1;
            }
        }
        if found != want {
            return None;
        }
    }
    Some(NMFit { n: u8::try_from(n).ok()?, m })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(n_in: u16, n_out: u16, edge: impl Fn(usize, usize) -> bool) -> Edges {
        let dense = vec![1.0; usize::from(n_in) * usize::from(n_out)];
        Edges::from_dense(n_in, n_out, &dense, |o, i, _| edge(o, i)).unwrap()
    }

    #[test]
    fn finds_dense_and_nothing_else() {
        let found = Structure::of(&edges(64, 32, |_, _| true));
        assert!(found.dense && found.blocks.is_empty() && found.nm.is_empty());
        assert_eq!(found.to_string(), "dense");
    }

    #[test]
    fn finds_blocks_and_the_smaller_ones_within() {
        // Row blocks of 8 read every fifth input, shifted by the row block.
        let found = Structure::of(&edges(40, 20, |o, i| i % 5 == o / 8));
        let shapes: Vec<_> = found.blocks.iter().map(|fit| (fit.rows, fit.cols, fit.per_row_block)).collect();
        assert_eq!(shapes, [(4, 1, Some(8)), (8, 1, Some(8))]);
        assert!(found.blocks.iter().all(|fit| fit.exact));
        assert_eq!(found.in_degrees.constant(), Some(8));
        assert_eq!(found.unused_inputs, 16);
    }

    #[test]
    fn finds_runs_that_a_last_block_overlaps() {
        // Runs of 12: two blocks of 8, the second from 4.
        let found = Structure::of(&edges(40, 3, |o, i| (o..o + 12).contains(&i)));
        assert_eq!(
            found.blocks,
            [
                BlockFit { rows: 1, cols: 4, blocks: 9, per_row_block: Some(3), exact: true },
                BlockFit { rows: 1, cols: 8, blocks: 6, per_row_block: Some(2), exact: false },
            ]
        );
    }

    #[test]
    fn finds_pages_with_their_ragged_share() {
        // 2 in every 8 of 20 inputs; the last page of 4 has round(2·4/8) = 1.
        let found =
            Structure::of(&edges(20, 5, |o, i| if i < 16 { i % 8 == o || i % 8 == 7 } else { i == 16 + o % 4 }));
        assert_eq!(found.nm, [NMFit { n: 2, m: 8 }, NMFit { n: 4, m: 16 }]);
        // One edge more in the last page, and it is none.
        let found = Structure::of(&edges(20, 5, |o, i| i % 8 == o || (i % 8 == 7 && i < 16) || i == 19));
        assert!(found.nm.iter().all(|fit| fit.m != 8));
    }

    #[test]
    fn counts_empty_rows_and_gaps() {
        let found = Structure::of(&edges(600, 4, |o, i| o != 2 && i == 300));
        assert_eq!((found.empty_rows, found.widest_gap, found.in_degrees), (1, 300, Degrees { min: 0, max: 1 }));
        assert_eq!(found.in_degrees.to_string(), "0–1");
    }

    #[test]
    fn no_edges_at_all() {
        let found = Structure::of(&edges(5, 3, |_, _| false));
        assert_eq!((found.dense, found.empty_rows, found.unused_inputs), (false, 3, 5));
    }
}
