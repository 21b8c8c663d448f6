//! From a proven junction back to its edges.

use lacewing_kernels::bytes::{groups_of_2, groups_of_4};
use lacewing_kernels::{Element, IndexWidth, Junction, Packing, Parts};

use crate::edges::{Edges, EdgesBuilder};
use crate::pack::{last_page_n, unpack_wide_pages, unpack_windows, widened};

mod lanes;

/// The edges of a junction: the inverse of [`pack`](crate::pack::pack). Where blocks overlap, an input that two of them have
/// is one edge, with the sum of both weights. int8 weights come as the whole numbers that they are. `None` for a packing that
/// this version does not know, or where the edges cannot be kept.
#[must_use]
pub fn unpack(junction: &Junction<'_>) -> Option<Edges> {
    match (junction.element(), *junction.packing()) {
        (Element::I8, Packing::Windows { lanes, width, steps }) => {
            return unpack_windows(junction, (lanes, width, steps));
        }
        (Element::I8, Packing::NMLanes { n, m: m @ (32 | 64), lanes }) => {
            return unpack_wide_pages(junction, n, m, lanes);
        }
        _ => {}
    }
    if let Some((packing, weights, index)) = widened(junction) {
        let parts = Parts { packing, weights: &weights, index: &index, bias: &[], ..*junction.parts() };
        return unpack(&Junction::new(parts).ok()?);
    }
    let parts = junction.parts();
    let mut weights = groups_of_4(parts.weights).iter().map(|bytes| f32::from_le_bytes(*bytes));
    let mut edges = EdgesBuilder::new(parts.n_in);
    match parts.packing {
        Packing::Dense => {
            for _ in 0..parts.n_out {
                (0..parts.n_in).zip(&mut weights).for_each(|(input, weight)| edges.push(input, weight));
                edges.end_row();
            }
        }
        Packing::Rows { in_degree, index } => {
            let counts = core::iter::repeat_n(in_degree, usize::from(parts.n_out));
            unpack_rows(&mut edges, counts, parts.index, index, &mut weights);
        }
        Packing::Csr { index } => {
            let counts = groups_of_2(parts.counts).iter().map(|count| u16::from_le_bytes(*count));
            unpack_rows(&mut edges, counts, parts.index, index, &mut weights);
        }
        Packing::Block { rows, cols, blocks } => {
            unpack_blocks(&mut edges, junction, (rows, cols, blocks), &mut weights)
        }
        Packing::NM { n, m } => unpack_pages(&mut edges, junction, n, m, &mut weights),
        Packing::NMLanes { n, m, lanes } => return lanes::page_lanes(junction, n, m, lanes),
        Packing::Windows { lanes, width, steps } => return lanes::windows(junction, (lanes, width, steps)),
        Packing::DenseInputMajor => return lanes::dense_input_major(junction),
        Packing::InputMajor { out_degree, index } => return lanes::input_major(junction, out_degree, index),
        _ => return None,
    }
    edges.finished().ok()
}

fn unpack_rows(
    edges: &mut EdgesBuilder,
    counts: impl Iterator<Item = u16>,
    index: &[u8],
    width: IndexWidth,
    weights: &mut impl Iterator<Item = f32>,
) {
    let mut entries = index.chunks_exact(width.bytes());
    for count in counts {
        let mut input = 0;
        for (entry, weight) in entries.by_ref().take(usize::from(count)).zip(&mut *weights) {
            match entry {
                [delta] => input += u16::from(*delta),
                [low, high] => input = u16::from_le_bytes([*low, *high]),
                _ => {}
            }
            edges.push(input, weight);
        }
        edges.end_row();
    }
}

fn unpack_blocks(
    edges: &mut EdgesBuilder,
    junction: &Junction<'_>,
    (rows, cols, blocks): (u8, u8, u16),
    weights: &mut impl Iterator<Item = f32>,
) {
    let parts = junction.parts();
    let mut starts = groups_of_2(parts.index).iter().map(|start| u16::from_le_bytes(*start));
    let mut counts = groups_of_2(parts.counts).iter().map(|count| u16::from_le_bytes(*count));
    let mut outputs_left = junction.n_out();
    while outputs_left > 0 {
        let count = if blocks > 0 { blocks } else { counts.next().unwrap_or(0) };
        // The row block's inputs, ascending, each with its column of weights.
        let mut columns: Vec<(u16, Vec<f32>)> = Vec::new();
        for start in starts.by_ref().take(usize::from(count)) {
            for column in 0..cols {
                let input = start + u16::from(column);
                let fresh: Vec<f32> = weights.by_ref().take(usize::from(rows)).collect();
                match columns.binary_search_by_key(&input, |(input, _)| *input) {
                    Ok(at) => {
                        let known = columns.get_mut(at).map(|(_, column)| column).into_iter().flatten();
                        known.zip(fresh).for_each(|(sum, weight)| *sum += weight);
                    }
                    Err(at) => columns.insert(at, (input, fresh)),
                }
            }
        }
        let real = outputs_left.min(usize::from(rows));
        for row in 0..real {
            for (input, column) in &columns {
                column.get(row).into_iter().for_each(|weight| edges.push(*input, *weight));
            }
            edges.end_row();
        }
        outputs_left -= real;
    }
}

fn unpack_pages(
    edges: &mut EdgesBuilder,
    junction: &Junction<'_>,
    n: u8,
    m: u8,
    weights: &mut impl Iterator<Item = f32>,
) {
    let (n_in, page, bits) = (junction.n_in(), usize::from(m), m.trailing_zeros() as usize);
    let last = n_in % page;
    let in_degree = n_in / page * usize::from(n) + if last > 0 { last_page_n(n, last, m) } else { 0 };
    for stream in junction.parts().index.chunks_exact((in_degree * bits).div_ceil(8)) {
        for (k, weight) in (0..in_degree).zip(&mut *weights) {
            let input = k / usize::from(n) * page + bits_at(stream, k * bits, bits);
            edges.push(u16::try_from(input).unwrap_or(u16::MAX), weight);
        }
        edges.end_row();
    }
}

/// `count` bits, at most 6, from bit `at` of a stream, least significant bit first.
fn bits_at(stream: &[u8], at: usize, count: usize) -> usize {
    let byte = |at: usize| usize::from(stream.get(at).copied().unwrap_or(0));
    (byte(at / 8) | byte(at / 8 + 1) << 8) >> (at % 8) & ((1 << count) - 1)
}
