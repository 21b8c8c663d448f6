//! Reading little-endian fields from bytes, in const: `None` past the end.

/// `N` bytes from `at` on.
pub(crate) const fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    match bytes.split_at_checked(at) {
        Some((_, rest)) => match rest.first_chunk::<N>() {
            Some(array) => Some(*array),
            None => None,
        },
        None => None,
    }
}

/// `len` bytes from `at` on.
pub(crate) const fn slice(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    match bytes.split_at_checked(at) {
        Some((_, rest)) => match rest.split_at_checked(len) {
            Some((slice, _)) => Some(slice),
            None => None,
        },
        None => None,
    }
}

/// Whether every byte is zero.
pub(crate) const fn all_zero(mut bytes: &[u8]) -> bool {
    while let [byte, rest @ ..] = bytes {
        if *byte != 0 {
            return false;
        }
        bytes = rest;
    }
    true
}

/// One record of a fixed size: fields at offsets below `N`.
pub(crate) struct Record<'m, const N: usize>(&'m [u8; N]);

impl<'m, const N: usize> Record<'m, N> {
    /// The record at `at`.
    pub(crate) const fn at(bytes: &'m [u8], at: usize) -> Option<Self> {
        match bytes.split_at_checked(at) {
            Some((_, rest)) => match rest.first_chunk::<N>() {
                Some(record) => Some(Self(record)),
                None => None,
            },
            None => None,
        }
    }

    /// The byte at `at`; offsets are constants below `N`, one beyond would read 0.
    pub(crate) const fn u8(&self, at: usize) -> u8 {
        self.field::<1>(at)[0]
    }

    pub(crate) const fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.field(at))
    }

    pub(crate) const fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.field(at))
    }

    pub(crate) const fn f32(&self, at: usize) -> f32 {
        f32::from_le_bytes(self.field(at))
    }

    /// Whether the bytes from `at` on, `len` of them, are zero.
    pub(crate) const fn is_zero(&self, at: usize, len: usize) -> bool {
        match slice(self.0, at, len) {
            Some(bytes) => all_zero(bytes),
            None => false,
        }
    }

    const fn field<const K: usize>(&self, at: usize) -> [u8; K] {
        match array(self.0, at) {
            Some(field) => field,
            None => [0; K],
        }
    }
}
