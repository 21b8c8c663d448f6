//! Where the blocks of a row block start: shared by the search for structure and the packing itself.

/// The first inputs of blocks of `cols` consecutive inputs that cover exactly `inputs` (ascending), or `None` where a run of
/// neighbours is shorter than a block. In a run whose length is no multiple of `cols` the last block ends with the run and
/// overlaps the one before it.
pub(crate) fn starts(inputs: &[u16], cols: u8) -> Option<Vec<u16>> {
    let cols = u16::from(cols);
    let mut starts = Vec::new();
    for run in inputs.chunk_by(|a, b| b - a == 1) {
        let (first, last) = (*run.first()?, *run.last()?);
        let length = last - first + 1;
        if length < cols {
            return None;
        }
        let whole = length / cols;
        starts.extend((0..whole).map(|block| first + block * cols));
        if length % cols > 0 {
            starts.push(last + 1 - cols);
        }
    }
    Some(starts)
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn covers_each_run() {
        assert_eq!(starts(&[], 4), Some(vec![]));
        assert_eq!(starts(&[1, 2, 3, 4, 9, 10, 11, 12, 13, 14], 4), Some(vec![1, 9, 11]));
        assert_eq!(starts(&[1, 2, 3, 7], 4), None);
        assert_eq!(starts(&[3, 9], 1), Some(vec![3, 9]));
        assert_eq!(starts(&[65_532, 65_533, 65_534], 3), Some(vec![65_532]));
        assert_eq!(starts(&(0..=65_534).collect::<Vec<_>>(), 1).map(|s| s.len()), Some(65_535));
    }
}
