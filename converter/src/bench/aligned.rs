//! Numbers that begin at a cache line: a vector load that crosses one costs three times as much, in dense kernels too.

use core::ops::Deref;

/// A cache line, in bytes.
const LINE: usize = 64;

/// Numbers whose first one lies at a multiple of 64 bytes.
pub struct Aligned<T> {
    all: Vec<T>,
    from: usize,
    len: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// A copy of `values`.
    #[must_use]
    pub fn new(values: &[T]) -> Self {
        let mut all = vec![T::default(); values.len() + LINE];
        // At most LINE, but the standard library may decline to say: then unaligned.
        let from = all.as_ptr().align_offset(LINE).min(LINE);
        all.iter_mut().skip(from).zip(values).for_each(|(to, value)| *to = *value);
        Self { all, from, len: values.len() }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.all.get(self.from..self.from + self.len).unwrap_or_default()
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
