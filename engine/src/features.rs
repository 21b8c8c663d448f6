//! What a head hands over, and the packet it travels in (PACKET.md).

use core::fmt;

use crate::crc;
use crate::read::{Record, array, slice};

const MAGIC: [u8; 2] = *b"LF";
const VERSION: u8 = 1;
const HEADER: usize = 16;
const CHECKSUM: usize = 4;

/// The activations at the split point, in the trainer's order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features<'e, T = f32> {
    values: &'e [T],
    pair_id: u32,
    split: u8,
    sequence: u32,
}

impl<'e, T> Features<'e, T> {
    /// Features that came from elsewhere: `values` as the head of pair `pair_id` computed them behind trunk junction `split`.
    #[must_use]
    pub const fn new(values: &'e [T], pair_id: u32, split: u8) -> Self {
        Self { values, pair_id, split, sequence: 0 }
    }

    /// The same, with a number that the packet carries so that its answer can be told from others'.
    #[must_use]
    pub const fn with_sequence(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    /// One value an output of the last trunk junction in the head.
    #[must_use]
    pub const fn values(&self) -> &'e [T] {
        self.values
    }

    /// The head's pair id: only a tail that has the same may resume.
    #[must_use]
    pub const fn pair_id(&self) -> u32 {
        self.pair_id
    }

    /// Trunk junctions before the split point.
    #[must_use]
    pub const fn split(&self) -> u8 {
        self.split
    }

    /// The number given by [`with_sequence`](Self::with_sequence), 0 without.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }
}

impl Features<'_> {
    /// Bytes of the values alone.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        size_of_val(self.values)
    }

    /// Bytes that [`encode`](Self::encode) writes.
    #[must_use]
    pub const fn packet_len(&self) -> usize {
        Packet::len_for(self.values.len())
    }

    /// Writes the packet to the front of `out` and gives its length.
    ///
    /// # Errors
    /// `out` is shorter than [`packet_len`](Self::packet_len): nothing is written. More values than a packet's 65,535.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, PacketError> {
        let needed = self.packet_len();
        let found = out.len();
        let Ok(count) = u16::try_from(self.values.len()) else { return Err(PacketError::TooManyValues) };
        let Some(packet) = out.get_mut(..needed) else { return Err(PacketError::BufferTooSmall { needed, found }) };
        let Some((header, rest)) = packet.split_first_chunk_mut::<HEADER>() else { return Err(PacketError::TooShort) };
        let Some((payload, checksum)) = rest.split_last_chunk_mut::<CHECKSUM>() else {
            return Err(PacketError::TooShort);
        };
        let ([m0, m1], [c0, c1]) = (MAGIC, count.to_le_bytes());
        let ([p0, p1, p2, p3], [s0, s1, s2, s3]) = (self.pair_id.to_le_bytes(), self.sequence.to_le_bytes());
        *header = [m0, m1, VERSION, 0, p0, p1, p2, p3, self.split, 0, c0, c1, s0, s1, s2, s3];
        for (bytes, value) in payload.as_chunks_mut::<4>().0.iter_mut().zip(self.values) {
            *bytes = value.to_le_bytes();
        }
        *checksum = crc::finish(crc::update(crc::update(crc::START, header), payload)).to_le_bytes();
        Ok(needed)
    }
}

/// A packet of features, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'p> {
    pair_id: u32,
    split: u8,
    sequence: u32,
    values: &'p [[u8; 4]],
}

impl<'p> Packet<'p> {
    /// Bytes of a packet of `count` f32 values.
    #[must_use]
    pub const fn len_for(count: usize) -> usize {
        HEADER + 4 * count + CHECKSUM
    }

    /// Checks that `bytes` are exactly one packet.
    ///
    /// # Errors
    /// The first rule of PACKET.md that they break.
    pub fn parse(bytes: &'p [u8]) -> Result<Self, PacketError> {
        let Some(header) = Record::<HEADER>::at(bytes, 0) else { return Err(PacketError::TooShort) };
        if array(bytes, 0) != Some(MAGIC) {
            return Err(PacketError::NotAPacket);
        }
        if header.u8(2) != VERSION || header.u8(3) != 0 || header.u8(9) != 0 {
            return Err(PacketError::UnknownVersion);
        }
        let count = usize::from(header.u16(10));
        let needed = Self::len_for(count);
        if bytes.len() != needed {
            return Err(PacketError::WrongLength { needed, found: bytes.len() });
        }
        let (Some(checked), Some(checksum), Some(payload)) =
            (slice(bytes, 0, needed - CHECKSUM), array(bytes, needed - CHECKSUM), slice(bytes, HEADER, 4 * count))
        else {
            return Err(PacketError::TooShort);
        };
        if crc::finish(crc::update(crc::START, checked)) != u32::from_le_bytes(checksum) {
            return Err(PacketError::WrongChecksum);
        }
        let values = payload.as_chunks::<4>().0;
        if let Some(at) = values.iter().position(|v| !f32::from_le_bytes(*v).is_finite()) {
            return Err(PacketError::NotFinite { at });
        }
        Ok(Self { pair_id: header.u32(4), split: header.u8(8), sequence: header.u32(12), values })
    }

    /// The pair id of the head that sent it.
    #[must_use]
    pub const fn pair_id(&self) -> u32 {
        self.pair_id
    }

    /// Trunk junctions before the split point.
    #[must_use]
    pub const fn split(&self) -> u8 {
        self.split
    }

    /// The number it was sent with.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Values.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values, finite.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.values.iter().map(|value| f32::from_le_bytes(*value))
    }
}

/// Why a packet could not be written or was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketError {
    /// The buffer does not hold the packet.
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
        /// Bytes lent.
        found: usize,
    },
    /// More than 65,535 values.
    TooManyValues,
    /// Shorter than a header and a checksum.
    TooShort,
    /// Does not begin with "LF".
    NotAPacket,
    /// A version, encoding or flag that this reader does not know.
    UnknownVersion,
    /// Not the length that its count of values makes.
    WrongLength {
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
    /// Damaged on the way.
    WrongChecksum,
    /// A value is NaN or infinite.
    NotFinite {
        /// Which, from 0.
        at: usize,
    },
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed, found } => {
                write!(f, "the packet takes {needed} bytes, the buffer has {found}")
            }
            Self::TooManyValues => f.write_str("a packet holds at most 65,535 values"),
            Self::TooShort => f.write_str("the packet was cut off"),
            Self::NotAPacket => f.write_str("this is no packet of features: it does not begin with LF"),
            Self::UnknownVersion => {
                f.write_str("the packet's version or encoding is unknown to this receiver: update it")
            }
            Self::WrongLength { needed, found } => {
                write!(f, "the packet has {found} bytes where its count of values makes {needed}")
            }
            Self::WrongChecksum => f.write_str("the packet was damaged on the way: send it again"),
            Self::NotFinite { at } => write!(f, "value {at} is NaN or infinite"),
        }
    }
}

impl core::error::Error for PacketError {}
