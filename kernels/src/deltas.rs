//! Distances between a row's inputs in a stream of bits that runs through all rows: what an index costs near its entropy.

use core::fmt;

/// How distances are coded. A distance is the number of inputs passed over: in front of a row's first input all of them, else
/// those since the one before. Streams begin in the lowest bit of the first byte; rows follow each other without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeltaCode {
    /// Four bits at a time: 15 passes over 15 inputs and the distance goes on, anything less ends it. Good where distances are
    /// about 4 to 16.
    Nibbles,
    /// Rice's code of this parameter `k`, at most [`MAX_RICE`](Self::MAX_RICE): as many zeros as the distance has whole 2ᵏ, a one,
    /// and the rest in `k` bits, lowest first. Within 4 % of the entropy where `k` fits. `k` = 0 is a bitmask that ends with the
    /// row's last edge.
    Rice(u8),
}

impl DeltaCode {
    /// The largest parameter of Rice's code.
    pub const MAX_RICE: u8 = 15;

    /// Bits that a distance takes.
    #[must_use]
    pub const fn bits(self, distance: usize) -> usize {
        match self {
            Self::Nibbles => 4 * (distance / 15 + 1),
            Self::Rice(k) => (distance >> parameter(k)) + 1 + parameter(k) as usize,
        }
    }
}

/// A larger parameter counts as the largest.
const fn parameter(k: u8) -> u8 {
    if k > DeltaCode::MAX_RICE { DeltaCode::MAX_RICE } else { k }
}

/// `4-bit`, `Rice 3`
impl fmt::Display for DeltaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nibbles => f.write_str("4-bit"),
            Self::Rice(k) => write!(f, "Rice {k}"),
        }
    }
}

/// Reads the distances of a stream one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Deltas<'m> {
    bytes: &'m [u8],
    /// The next bit's place in the stream.
    bit: usize,
    code: DeltaCode,
}

impl<'m> Deltas<'m> {
    /// From the stream's beginning.
    #[must_use]
    pub const fn new(bytes: &'m [u8], code: DeltaCode) -> Self {
        Self { bytes, bit: 0, code }
    }

    /// Bits read.
    #[must_use]
    pub const fn bit(&self) -> usize {
        self.bit
    }

    /// The next distance; `None` where the stream ends within it, or where it is beyond 65,535. Const, so that a model can be
    /// proven at compile time.
    pub const fn next(&mut self) -> Option<usize> {
        let distance = match self.code {
            DeltaCode::Nibbles => self.nibbles(),
            DeltaCode::Rice(k) => self.rice(parameter(k)),
        };
        match distance {
            Some(distance) if distance <= u16::MAX as usize => Some(distance),
            _ => None,
        }
    }

    const fn nibbles(&mut self) -> Option<usize> {
        let mut distance = 0;
        loop {
            let Some(byte) = self.byte(self.bit / 8) else { return None };
            let nibble = (byte >> (self.bit % 8)) & 15;
            self.bit += 4;
            distance += nibble as usize;
            if nibble < 15 {
                return Some(distance);
            }
        }
    }

    const fn rice(&mut self, k: u8) -> Option<usize> {
        let mut whole = 0;
        loop {
            let Some(byte) = self.byte(self.bit / 8) else { return None };
            let rest = byte >> (self.bit % 8);
            if rest != 0 {
                let zeros = rest.trailing_zeros() as usize;
                whole += zeros;
                self.bit += zeros + 1;
                break;
            }
            whole += 8 - self.bit % 8;
            self.bit += 8 - self.bit % 8;
        }
        let mut low = 0;
        let mut at = 0;
        while at < k as usize {
            let Some(byte) = self.byte((self.bit + at) / 8) else { return None };
            low |= ((byte >> ((self.bit + at) % 8) & 1) as usize) << at;
            at += 1;
        }
        self.bit += k as usize;
        // The product of a long row of zeros would not fit a word.
        if whole > u16::MAX as usize { None } else { Some(whole << k | low) }
    }

    const fn byte(&self, at: usize) -> Option<u8> {
        match self.bytes.split_at_checked(at) {
            Some((_, [byte, ..])) => Some(*byte),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DeltaCode, Deltas};

    #[test]
    fn nibbles_escape_at_fifteen() {
        // 3, 15 (= 15 + 0), 0, 31 (= 15 + 15 + 1).
        let stream = [0xf3, 0x00, 0xff, 0x01];
        let mut deltas = Deltas::new(&stream, DeltaCode::Nibbles);
        assert_eq!([(); 4].map(|()| deltas.next()), [Some(3), Some(15), Some(0), Some(31)]);
        assert_eq!((deltas.bit(), deltas.next(), deltas.next()), (28, Some(0), None));
        assert_eq!(Deltas::new(&[0xff], DeltaCode::Nibbles).next(), None);
    }

    #[test]
    fn rice_is_a_quotient_and_a_rest() {
        // k = 2: 5 = 0 1, 01; 9 = 0 0 1, 01; 0 = 1, 00. From the lowest bit: 01 10 | 001 10 | 1 00.
        let stream = [0b1100_0110, 0b0000_0010];
        let mut deltas = Deltas::new(&stream, DeltaCode::Rice(2));
        assert_eq!([deltas.next(), deltas.next(), deltas.next()], [Some(5), Some(9), Some(0)]);
        assert_eq!(deltas.bit(), 12);
        for k in 0..=DeltaCode::MAX_RICE {
            assert_eq!(DeltaCode::Rice(k).bits(0), 1 + usize::from(k));
            assert_eq!(Deltas::new(&[0; 9], DeltaCode::Rice(k)).next(), None, "no one in it");
            assert_eq!(Deltas::new(&[0, 0x80], DeltaCode::Rice(k)).next(), (k == 0).then_some(15), "cut off");
        }
        assert_eq!(Deltas::new(&[0; 1 << 14], DeltaCode::Rice(15)).next(), None);
    }

    #[test]
    fn a_distance_beyond_every_input_is_none() {
        let mut far = [0; 8194];
        far[8192] = 1;
        assert_eq!(Deltas::new(&far, DeltaCode::Rice(0)).next(), None);
        far[8191] = 0x80;
        assert_eq!(Deltas::new(&far, DeltaCode::Rice(0)).next(), Some(65_535));
        assert_eq!(Deltas::new(&[0xff; 5000], DeltaCode::Nibbles).next(), None);
    }
}
