//! Scratch on the heap for engines on the host.

/// Bytes at a multiple of 16, as engines want them.
#[derive(Debug)]
pub(crate) struct HeapScratch(Vec<u128>);

impl HeapScratch {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![0; bytes.div_ceil(size_of::<u128>())])
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}
