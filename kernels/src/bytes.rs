//! Views between bytes and numbers: model bytes are little-endian and may lie at any address.

/// `bytes` as little-endian 4-byte groups; a rest shorter than a group is left out.
#[must_use]
pub const fn groups_of_4(bytes: &[u8]) -> &[[u8; 4]] {
    bytes.as_chunks::<4>().0
}

/// `bytes` as little-endian 2-byte groups; a rest shorter than a group is left out.
#[must_use]
pub const fn groups_of_2(bytes: &[u8]) -> &[[u8; 2]] {
    bytes.as_chunks::<2>().0
}

/// The same memory as numbers: `None` where `bytes` does not start at a multiple of 4 or is no multiple of 4 long.
#[inline]
#[must_use]
pub fn as_f32_mut(bytes: &mut [u8]) -> Option<&mut [f32]> {
    // SAFETY: every bit pattern is a valid f32 and every f32 is four valid bytes; align_to_mut cares for alignment.
    let (before, numbers, after) = unsafe { bytes.align_to_mut::<f32>() };
    if before.is_empty() && after.is_empty() { Some(numbers) } else { None }
}

/// The same memory as numbers: `None` where `bytes` does not start at a multiple of 4 or is no multiple of 4 long.
#[inline]
#[must_use]
pub fn as_f32(bytes: &[u8]) -> Option<&[f32]> {
    // SAFETY: every bit pattern is a valid f32; align_to cares for alignment.
    let (before, numbers, after) = unsafe { bytes.align_to::<f32>() };
    if before.is_empty() && after.is_empty() { Some(numbers) } else { None }
}

/// The same memory as int8 numbers.
#[inline]
#[must_use]
pub const fn as_i8(bytes: &[u8]) -> &[i8] {
    // SAFETY: both types have size and alignment 1, and every bit pattern is valid for both.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// The same memory as int8 numbers.
#[inline]
#[must_use]
pub const fn as_i8_mut(bytes: &mut [u8]) -> &mut [i8] {
    // SAFETY: as in as_i8; the borrow is handed on.
    unsafe { core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn misaligned_or_ragged_is_none() {
        #[repr(align(16))]
        struct Aligned([u8; 16]);
        let mut a = Aligned([0; 16]);
        assert_eq!(super::as_f32(&a.0).map(<[f32]>::len), Some(4));
        assert!(super::as_f32(&a.0[1..13]).is_none());
        assert!(super::as_f32(&a.0[..15]).is_none());
        assert!(super::as_f32_mut(&mut a.0[2..6]).is_none());
        if let Some(numbers) = super::as_f32_mut(&mut a.0[4..8]) {
            numbers[0] = 1.0;
        }
        assert_eq!(a.0[4..8], 1.0f32.to_ne_bytes());
    }

    #[test]
    fn bytes_are_int8_in_twos_complement() {
        let mut bytes = [0, 127, 128, 255];
        assert_eq!(super::as_i8(&bytes), [0, 127, -128, -1]);
        super::as_i8_mut(&mut bytes)[0] = -2;
        assert_eq!(bytes[0], 254);
    }
}
