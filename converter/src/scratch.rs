//! Memory on the heap for engines on the host.

use aligned_vec::{AVec, ConstAlign, avec};

/// What a processor loads at once, in bytes: times must not hang on where an allocator happens to put things.
pub(crate) const CACHE_LINE: usize = 64;

/// Bytes that begin at a cache line.
#[derive(Debug)]
pub struct HeapScratch(AVec<u8, ConstAlign<CACHE_LINE>>);

impl HeapScratch {
    /// `bytes` zeros.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(avec![[CACHE_LINE]| 0; bytes])
    }

    /// A copy of `bytes`.
    #[must_use]
    pub fn holding(bytes: &[u8]) -> Self {
        Self(AVec::from_slice(CACHE_LINE, bytes))
    }

    /// All of them.
    pub fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::HeapScratch;

    #[test]
    fn they_begin_at_a_cache_line() {
        for len in [0, 1, 63, 64, 1000] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut held = HeapScratch::holding(&bytes);
            assert_eq!(held.bytes(), bytes);
            assert_eq!(held.bytes().as_ptr().align_offset(64), 0);
        }
    }
}
