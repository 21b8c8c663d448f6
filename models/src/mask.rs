//! The edges of a junction.

use thiserror::Error;

/// Which edges a junction has: `n_out × n_in` bits, row by row, a row an output.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    n_in: usize,
    n_out: usize,
    words_per_row: usize,
    words: Vec<u64>,
}

impl core::fmt::Debug for Mask {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Mask({} x {}, {} edges)", self.n_out, self.n_in, self.nnz())
    }
}

/// Why bytes are not a mask.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MaskError {
    /// The number of bytes is not `n_out · n_in`.
    #[error("a mask of {n_out} x {n_in} has {expected} entries, not {found}: store it as (outputs, inputs)", expected = n_out.saturating_mul(*n_in))]
    Length {
        /// Inputs asked for.
        n_in: usize,
        /// Outputs asked for.
        n_out: usize,
        /// Entries found.
        found: usize,
    },
    /// An entry is neither 0 nor 1.
    #[error("mask entry {value} at output {output}, input {input}: entries are 0 (no edge) or 1 (an edge)")]
    Entry {
        /// The output, from 0.
        output: usize,
        /// The input, from 0.
        input: usize,
        /// What stands there.
        value: u8,
    },
}

impl Mask {
    /// A mask without edges.
    #[must_use]
    pub fn empty(n_in: usize, n_out: usize) -> Self {
        let words_per_row = n_in.div_ceil(64);
        Self { n_in, n_out, words_per_row, words: vec![0; words_per_row * n_out] }
    }

    /// A mask with every edge.
    #[must_use]
    pub fn dense(n_in: usize, n_out: usize) -> Self {
        let mut mask = Self::empty(n_in, n_out);
        for row in mask.words.chunks_exact_mut(mask.words_per_row.max(1)) {
            row.fill(u64::MAX);
            if let (Some(last), 1..) = (row.last_mut(), n_in % 64) {
                *last = (1 << (n_in % 64)) - 1;
            }
        }
        mask
    }

    /// Adds the edge from `input` to `output`.
    ///
    /// # Panics
    /// If `output ≥ n_out` or `input ≥ n_in`.
    pub fn insert(&mut self, output: usize, input: usize) {
        let (word, bit) = self.place(output, input);
        self.words[word] |= bit;
    }

    /// Takes the edge from `input` to `output` away.
    ///
    /// # Panics
    /// If `output ≥ n_out` or `input ≥ n_in`.
    pub fn remove(&mut self, output: usize, input: usize) {
        let (word, bit) = self.place(output, input);
        self.words[word] &= !bit;
    }

    /// Whether there is an edge from `input` to `output`.
    ///
    /// # Panics
    /// If `output ≥ n_out` or `input ≥ n_in`.
    #[must_use]
    pub fn contains(&self, output: usize, input: usize) -> bool {
        let (word, bit) = self.place(output, input);
        self.words[word] & bit != 0
    }

    fn place(&self, output: usize, input: usize) -> (usize, u64) {
        assert!(output < self.n_out && input < self.n_in, "no edge ({output}, {input}) in {self:?}");
        (output * self.words_per_row + input / 64, 1 << (input % 64))
    }

    /// Number of inputs.
    #[must_use]
    pub const fn n_in(&self) -> usize {
        self.n_in
    }

    /// Number of outputs.
    #[must_use]
    pub const fn n_out(&self) -> usize {
        self.n_out
    }

    /// Number of edges.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Edges over `n_in · n_out`; 0 where that is 0.
    #[must_use]
    pub fn density(&self) -> f64 {
        let places = self.n_in * self.n_out;
        if places == 0 { 0.0 } else { self.nnz() as f64 / places as f64 }
    }

    /// The inputs of `output`, ascending. Nothing where `output ≥ n_out`.
    pub fn row(&self, output: usize) -> impl Iterator<Item = usize> + '_ {
        let start = output.saturating_mul(self.words_per_row);
        let words = self.words.get(start..start.saturating_add(self.words_per_row)).unwrap_or_default();
        words.iter().enumerate().flat_map(|(at, &word)| Bits(word).map(move |bit| at * 64 + bit))
    }

    /// In-degree of each output.
    #[must_use]
    pub fn in_degrees(&self) -> Vec<usize> {
        (0..self.n_out).map(|output| self.row(output).count()).collect()
    }

    /// Out-degree of each input.
    #[must_use]
    pub fn out_degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.n_in];
        for input in (0..self.n_out).flat_map(|output| self.row(output)) {
            degrees[input] += 1;
        }
        degrees
    }

    /// `n_out · n_in` bytes of 0 or 1, row by row.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.n_out * self.n_in];
        for (output, row) in bytes.chunks_exact_mut(self.n_in.max(1)).enumerate() {
            for input in self.row(output) {
                row[input] = 1;
            }
        }
        bytes
    }

    /// The mask of `n_out · n_in` bytes of 0 or 1, row by row.
    ///
    /// # Errors
    /// If there are more or fewer bytes, or one that is neither 0 nor 1.
    pub fn from_bytes(n_in: usize, n_out: usize, bytes: &[u8]) -> Result<Self, MaskError> {
        if n_in.checked_mul(n_out) != Some(bytes.len()) {
            return Err(MaskError::Length { n_in, n_out, found: bytes.len() });
        }
        let mut mask = Self::empty(n_in, n_out);
        for (output, row) in bytes.chunks_exact(n_in.max(1)).enumerate() {
            for (input, &value) in row.iter().enumerate() {
                match value {
                    0 => {}
                    1 => mask.insert(output, input),
                    _ => return Err(MaskError::Entry { output, input, value }),
                }
            }
        }
        Ok(mask)
    }
}

/// The set bits of a word, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::{Mask, MaskError};

    #[test]
    fn counts_what_is_inserted() {
        let mut mask = Mask::empty(70, 3);
        for (output, input) in [(0, 69), (0, 0), (2, 64), (0, 69)] {
            mask.insert(output, input);
        }
        assert_eq!(mask.nnz(), 3);
        assert_eq!(mask.row(0).collect::<Vec<_>>(), [0, 69]);
        assert_eq!(mask.row(3).count(), 0);
        assert_eq!(mask.in_degrees(), [2, 0, 1]);
        assert_eq!(mask.out_degrees().iter().sum::<usize>(), 3);
        assert!(mask.contains(2, 64) && !mask.contains(1, 64));
        mask.remove(2, 64);
        assert_eq!(mask.in_degrees(), [2, 0, 0]);
    }

    #[test]
    fn dense_has_every_edge_and_no_other() {
        for n_in in [0, 1, 63, 64, 65, 128] {
            let mask = Mask::dense(n_in, 5);
            assert_eq!(mask.nnz(), n_in * 5);
            assert_eq!(mask.in_degrees(), [n_in; 5]);
        }
        assert_eq!(Mask::dense(10, 0).nnz(), 0);
        assert!((Mask::dense(10, 4).density() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn bytes_there_and_back() {
        let mut mask = Mask::empty(65, 2);
        mask.insert(1, 64);
        let bytes = mask.to_bytes();
        assert_eq!(bytes.iter().position(|&byte| byte == 1), Some(129));
        assert_eq!(Mask::from_bytes(65, 2, &bytes), Ok(mask));
    }

    #[test]
    fn wrong_bytes_are_refused() {
        assert_eq!(Mask::from_bytes(3, 2, &[0; 5]), Err(MaskError::Length { n_in: 3, n_out: 2, found: 5 }));
        assert_eq!(
            Mask::from_bytes(3, 2, &[0, 0, 0, 0, 2, 0]),
            Err(MaskError::Entry { output: 1, input: 1, value: 2 })
        );
        assert!(Mask::from_bytes(usize::MAX, 2, &[]).is_err());
    }
}
