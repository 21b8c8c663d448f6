//! Activations at cache lines: a vector load or store that crosses one costs two, and a pass over a batch is little else.

use core::ops::{Deref, DerefMut};

/// A cache line, in numbers.
const LINE: usize = 64 / size_of::<f32>();

/// Numbers of which the first lies at a cache line.
#[derive(Debug)]
pub(crate) struct Aligned {
    /// With numbers in front that are passed over.
    all: Vec<f32>,
    first: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let all = vec![0.0; if len > 0 { len + LINE - 1 } else { 0 }];
        // Where an allocation's address is unknown, as in an interpreter, nothing is passed over.
        let first = all.as_ptr().align_offset(LINE * size_of::<f32>());
        Self { first: if first < LINE && len > 0 { first } else { 0 }, all, len }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.all[self.first..self.first + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.all[self.first..self.first + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    #[test]
    fn they_begin_at_a_cache_line() {
        for len in [0, 1, 15, 16, 1000] {
            let mut numbers = Aligned::zeros(len);
            assert_eq!(*numbers, vec![0.0; len]);
            assert!(len == 0 || numbers.as_ptr().align_offset(64) == 0);
            numbers.fill(1.0);
            assert_eq!(numbers.iter().sum::<f32>(), len as f32);
        }
    }
}
