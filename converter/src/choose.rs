//! Which packing a junction gets, and why.

use lacewing_kernels::{Element, IndexWidth, Packing};

use crate::edges::Edges;
use crate::find::Structure;

/// A packing for a junction.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The packing.
    pub packing: Packing,
    /// Bytes of weights, counts and index together; biases are the same in every packing.
    pub bytes: usize,
    /// Why this one, in words.
    pub reason: String,
}

/// Takes the packing of the fewest bytes among dense and those that the structure allows; of equals dense, then the first in the
/// order of [`candidates`], which is that of the kernels' speed.
#[must_use]
pub fn choose(edges: &Edges, structure: &Structure) -> Choice {
    let dense = dense_bytes(edges);
    if structure.dense {
        return Choice { packing: Packing::Dense, bytes: dense, reason: "every edge is there".into() };
    }
    let (packing, bytes) =
        candidates(edges, structure).into_iter().min_by_key(|(_, bytes)| *bytes).unwrap_or((Packing::Dense, dense));
    if bytes >= dense {
        let reason = format!("the smallest sparse packing, {packing}, would take {bytes} bytes, dense takes {dense}");
        return Choice { packing: Packing::Dense, bytes: dense, reason };
    }
    let why = match packing {
        Packing::Block { rows: 1, cols, .. } => format!("each output reads runs of {cols} inputs"),
        Packing::Block { rows, .. } => format!("every {rows} outputs share their inputs"),
        Packing::NM { n, m } => format!("every page of {m} inputs has {n} edges in every row"),
        Packing::Rows { in_degree, .. } => {
            format!("every output has {in_degree} edges and there is no finer structure")
        }
        _ => "in-degrees differ and there is no finer structure".into(),
    };
    let gap = match packing {
        Packing::Rows { index: IndexWidth::Absolute16, .. } | Packing::Csr { index: IndexWidth::Absolute16 } => {
            ", inputs too far apart for one byte"
        }
        _ => "",
    };
    let percent = 100.0 * bytes as f64 / dense as f64;
    Choice { packing, bytes, reason: format!("{why}{gap}; {percent:.0} % of the dense bytes") }
}

/// The sparse packings that fit, with their bytes of weights, counts and index: block, N:M, rows of one in-degree, rows of
/// any.
#[must_use]
pub fn candidates(edges: &Edges, structure: &Structure) -> Vec<(Packing, usize)> {
    let mut all = Vec::new();
    for fit in &structure.blocks {
        let count_bytes =
            if fit.per_row_block.is_some() { 0 } else { 2 * edges.n_out().div_ceil(usize::from(fit.rows)) };
        let bytes = fit.blocks * (usize::from(fit.rows) * usize::from(fit.cols) * 4 + 2) + count_bytes;
        let blocks = fit.per_row_block.unwrap_or(0);
        all.push((Packing::Block { rows: fit.rows, cols: fit.cols, blocks }, bytes));
    }
    let in_degree = structure.in_degrees.constant().and_then(|d| u16::try_from(d).ok()).filter(|d| *d > 0);
    if let Some(in_degree) = in_degree {
        for fit in &structure.nm {
            let positions = usize::from(in_degree) * fit.m.trailing_zeros() as usize;
            let bytes = edges.nnz() * 4 + edges.n_out() * positions.div_ceil(8);
            all.push((Packing::NM { n: fit.n, m: fit.m }, bytes));
        }
    }
    let widths = [IndexWidth::Delta8, IndexWidth::Absolute16];
    for index in widths.into_iter().skip(usize::from(structure.widest_gap > 255)) {
        let bytes = edges.nnz() * (4 + index.bytes());
        match in_degree {
            Some(in_degree) => all.push((Packing::Rows { in_degree, index }, bytes)),
            None => all.push((Packing::Csr { index }, bytes + 2 * edges.n_out())),
        }
    }
    all
}

/// Lanes, and the widest page that has a kernel in so many.
pub(crate) const fn pages(element: Element) -> &'static [(u8, u8)] {
    match element {
        Element::I8 => &[(8, 16), (16, 64)],
        _ => &[(4, 32), (8, 16), (16, 32)],
    }
}

/// Lanes, widths and steps of windows that have kernels.
pub(crate) const fn windows(element: Element) -> &'static [(u8, u8, u8)] {
    match element {
        Element::I8 => &[(8, 16, 1), (16, 16, 1), (16, 32, 1), (16, 64, 1), (16, 128, 2)],
        _ => &[(4, 8, 1), (4, 16, 1), (8, 8, 1), (8, 16, 1), (16, 32, 2)],
    }
}

/// The deployment packings that fit, for processors with vectors: to be measured against each other and the
/// [`candidates`], since their speed is the processor's.
#[must_use]
pub fn deployment_candidates(edges: &Edges, structure: &Structure, element: Element) -> Vec<Packing> {
    // int8 keeps its sums in a small place of its own.
    let input_first = element == Element::F32 || (edges.n_out() <= 256 && edges.n_in() <= 32_768);
    let mut all: Vec<_> = input_first.then_some(Packing::DenseInputMajor).into_iter().collect();
    for fit in &structure.nm {
        let lanes = pages(element).iter().filter(|(_, widest)| (4..=*widest).contains(&fit.m)).map(|(lanes, _)| *lanes);
        all.extend(lanes.map(|lanes| Packing::NMLanes { n: fit.n, m: fit.m, lanes }));
    }
    let fit = |(_, width, _): &&(u8, u8, u8)| !structure.dense && edges.n_in() >= usize::from(*width);
    let windows = windows(element).iter().filter(fit);
    all.extend(windows.map(|(lanes, width, steps)| Packing::Windows { lanes: *lanes, width: *width, steps: *steps }));
    let out_degree = structure.out_degrees.constant().and_then(|d| u16::try_from(d).ok()).filter(|d| *d > 0);
    if let Some(out_degree) = out_degree.filter(|_| input_first) {
        // What is faster is the processor's in int8, where an index weighs as much as a weight.
        let widths: &[IndexWidth] = match element {
            Element::I8 => &[IndexWidth::Delta8, IndexWidth::Absolute16],
            _ if edges.n_out() <= 256 => &[IndexWidth::Delta8],
            _ => &[IndexWidth::Absolute16],
        };
        all.extend(widths.iter().map(|index| Packing::InputMajor { out_degree, index: *index }));
    }
    all
}

/// Bytes of the weights in the dense packing.
#[must_use]
pub fn dense_bytes(edges: &Edges) -> usize {
    edges.n_in() * edges.n_out() * 4
}
