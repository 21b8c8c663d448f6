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
    #[cfg(feature = "std")]
    while let Some((eight, rest)) = bytes.split_first_chunk() {
        crc = hosted::eight_bytes(crc, eight);
        bytes = rest;
    }
    while let [byte, rest @ ..] = bytes {
        crc = half_byte(half_byte(crc ^ *byte as u32));
        bytes = rest;
    }
    crc
}

/// Eight bytes a step (slicing-by-8, Kounavis and Berry, 2005), where 8 KB of tables cost nothing.
#[cfg(feature = "std")]
mod hosted {
    /// What a byte makes of the state, 0 to 7 zero bytes later.
    static TABLES: [[u32; 256]; 8] = {
        let mut tables = [[0; 256]; 8];
        let mut rest: &mut [[u32; 256]] = &mut tables;
        let mut zeros = 0;
        while let [table, after @ ..] = rest {
            let mut entries: &mut [u32] = table;
            let mut byte = 0;
            while let [entry, others @ ..] = entries {
                let (mut crc, mut left) = (byte, 2 * (zeros + 1));
                while left > 0 {
                    crc = super::half_byte(crc);
                    left -= 1;
                }
                *entry = crc;
                byte += 1;
                entries = others;
            }
            zeros += 1;
            rest = after;
        }
        tables
    };

    #[allow(clippy::indexing_slicing, reason = "bytes are below 256, and there are eight tables")]
    pub(super) const fn eight_bytes(crc: u32, bytes: &[u8; 8]) -> u32 {
        let word = u64::from_le_bytes(*bytes) ^ crc as u64;
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        TABLES[7][a as usize]
            ^ TABLES[6][b as usize]
            ^ TABLES[5][c as usize]
            ^ TABLES[4][d as usize]
            ^ TABLES[3][e as usize]
            ^ TABLES[2][f as usize]
            ^ TABLES[1][g as usize]
            ^ TABLES[0][h as usize]
    }
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
        // Whatever the steps it is taken in.
        let bytes: [u8; 100] = core::array::from_fn(|k| (k * 37) as u8);
        for len in 0..100 {
            let by_one = bytes[..len].iter().fold(super::START, |crc, byte| super::update(crc, &[*byte]));
            assert_eq!(super::update(super::START, &bytes[..len]), by_one);
        }
    }
}
