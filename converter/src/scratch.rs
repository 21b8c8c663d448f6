//! Memory on the heap for engines on the host.

/// What a processor loads at once, in bytes: times must not hang on where an allocator happens to put things.
const CACHE_LINE: usize = 64;

/// Bytes that begin at a cache line.
#[derive(Debug)]
pub struct HeapScratch {
    /// With room for the first ones to be passed over.
    all: Vec<u8>,
    first: usize,
    len: usize,
}

impl HeapScratch {
    /// `bytes` zeros.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let all = vec![0; bytes + CACHE_LINE - 1];
        // Where an allocation's address is unknown, as in an interpreter, nothing is passed over.
        let first = all.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE - 1);
        Self { all, first, len: bytes }
    }

    /// A copy of `bytes`.
    #[must_use]
    pub fn holding(bytes: &[u8]) -> Self {
        let mut held = Self::new(bytes.len());
        held.bytes().copy_from_slice(bytes);
        held
    }

    /// All of them.
    pub fn bytes(&mut self) -> &mut [u8] {
        // `first` is below the room left for it.
        self.all.get_mut(self.first..self.first + self.len).unwrap_or_default()
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
