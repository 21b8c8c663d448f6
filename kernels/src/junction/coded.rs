//! The proof of coded rows.

use super::{I8, JunctionError, Parts, Section, bytes_of, length, sum_of_counts};
use crate::bytes::groups_of_2;
use crate::deltas::{DeltaCode, Deltas};

/// Gives the edges. Each row's distances lead to inputs that are there, the stream is as long as they are, and what is left of its
/// last byte is zero.
pub(super) const fn prove(p: &Parts<'_>, in_degree: u16, code: DeltaCode) -> Result<usize, JunctionError> {
    if in_degree > p.n_in || matches!(code, DeltaCode::Rice(k) if k > DeltaCode::MAX_RICE) {
        return Err(JunctionError::BadPacking);
    }
    let outputs = p.n_out as usize;
    let nnz = if in_degree > 0 {
        check!(length(Section::Counts, p.counts, 0));
        in_degree as usize * outputs
    } else {
        check!(length(Section::Counts, p.counts, outputs * 2));
        sum_of_counts(p.counts)
    };
    check!(length(Section::Weights, p.weights, bytes_of(nnz, I8)));
    let mut counts = groups_of_2(p.counts);
    let mut deltas = Deltas::new(p.index, code);
    let mut row = 0;
    while row < p.n_out {
        let count = match counts {
            [count, after @ ..] => {
                counts = after;
                u16::from_le_bytes(*count)
            }
            [] => in_degree,
        };
        check!(prove_row(p, row, count, &mut deltas));
        row += 1;
    }
    let bits = deltas.bit();
    check!(length(Section::Index, p.index, bits.div_ceil(8)));
    match p.index.last() {
        Some(last) if !bits.is_multiple_of(8) && *last >> (bits % 8) != 0 => Err(JunctionError::PaddingNotZero),
        _ => Ok(nnz),
    }
}

/// Inputs ascend whatever the distances are; they have to be there.
const fn prove_row(p: &Parts<'_>, row: u16, count: u16, deltas: &mut Deltas<'_>) -> Result<(), JunctionError> {
    if count > p.n_in {
        return Err(JunctionError::BadPacking);
    }
    let mut next = 0;
    let mut edge = 0;
    while edge < count {
        let Some(distance) = deltas.next() else {
            let found = p.index.len();
            return Err(JunctionError::WrongLength { section: Section::Index, needed: found + 1, found });
        };
        let input = next + distance;
        if input >= p.n_in as usize {
            return Err(JunctionError::InputOutOfRange { row });
        }
        next = input + 1;
        edge += 1;
    }
    Ok(())
}
