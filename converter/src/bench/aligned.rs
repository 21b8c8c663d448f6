//! Numbers that begin at a cache line: a vector load that crosses one costs three times as much, in dense kernels too.

use core::ops::Deref;

use aligned_vec::{AVec, ConstAlign};

use crate::scratch::CACHE_LINE;

/// Numbers whose first one lies at a multiple of 64 bytes.
pub struct Aligned<T>(AVec<T, ConstAlign<CACHE_LINE>>);

impl<T: Copy> Aligned<T> {
    /// A copy of `values`.
    #[must_use]
    pub fn new(values: &[T]) -> Self {
        Self(AVec::from_slice(CACHE_LINE, values))
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Aligned;

    #[test]
    fn begins_at_a_line_and_holds_the_values() {
        for len in [0, 1, 7, 1000] {
            let values: Vec<f32> = (0..len).map(|k| k as f32).collect();
            let aligned = Aligned::new(&values);
            assert_eq!((&*aligned, aligned.as_ptr() as usize % 64), (&*values, 0));
        }
    }
}
