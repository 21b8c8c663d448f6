//! CRC-32 as in IEEE 802.3 and zlib: reflected, polynomial 0x04C11DB7.

/// The checksum's state over no bytes.
pub(crate) const START: u32 = u32::MAX;

/// What four zero bits shifted out make of each four-bit state: half a byte a step keeps the table at 64 bytes of flash.
const TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut rest: &mut [u32] = &mut table;
    let mut nibble = 0;
    while let [entry, after @ ..] = rest {
        let mut crc: u32 = nibble;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        *entry = crc;
        nibble += 1;
        rest = after;
    }
    table
};

/// The state after `bytes`.
pub(crate) const fn update(mut crc: u32, mut bytes: &[u8]) -> u32 {
    while let [byte, rest @ ..] = bytes {
        crc = half_byte(half_byte(crc ^ *byte as u32));
        bytes = rest;
    }
    crc
}

#[allow(clippy::indexing_slicing, reason = "a four-bit number is below the table's 16")]
const fn half_byte(crc: u32) -> u32 {
    crc >> 4 ^ TABLE[(crc & 15) as usize]
}

/// The checksum itself.
pub(crate) const fn finish(crc: u32) -> u32 {
    !crc
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_check_value() {
        assert_eq!(super::finish(super::update(super::START, b"123456789")), 0xcbf4_3926);
        assert_eq!(super::finish(super::START), 0);
    }
}
