//! The working memory that the caller lends.

use core::ops::{Deref, DerefMut};

/// `N` bytes of scratch, aligned for every element, on x86-64 for the widest vectors. `N` is [`Model::scratch_len`](crate::Model::scratch_len), a constant
/// where the model is one:
///
/// ```
/// use lacewing_engine::{Engine, Model, Scratch, include_model};
///
/// const MODEL: Model<'static> = include_model!("../tests/fixtures/tiny.lace");
/// let mut scratch = Scratch::<{ MODEL.scratch_len() }>::new();
/// let engine = Engine::new(&MODEL, &mut scratch);
/// assert!(engine.is_ok());
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(target_arch = "x86_64", repr(C, align(64)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C, align(16)))]
pub struct Scratch<const N: usize>([u8; N]);

impl<const N: usize> Scratch<N> {
    /// Zeroed.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Scratch<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Scratch<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Scratch<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
