//! Refusals of packets.

use core::fmt;

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
    /// Does not begin with "LF", or "LR" for a reply.
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
    /// A bitmap that goes on behind the last value, or keeps a zero.
    WrongBitmap,
    /// A confidence above 1.
    WrongConfidence,
    /// A reply whose fields contradict its status.
    WrongReply,
    /// A value that half precision does not hold: NaN, infinite, or beyond ±65,504.
    NotHalf {
        /// Which, from 0.
        at: usize,
    },
    /// Asked to send f32 features as int8.
    NotInt8,
    /// The scale of int8 values is not a normal number above 0 and below 2¹²⁰ whose lowest eight bits are 0.
    BadScale,
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
            Self::NotAPacket => f.write_str("this is no packet: it does not begin with LF, or LR for a reply"),
            Self::UnknownVersion => {
                f.write_str("the packet's version or encoding is unknown to this receiver: update it")
            }
            Self::WrongLength { needed, found } => {
                write!(f, "the packet has {found} bytes where its count of values makes {needed}")
            }
            Self::WrongChecksum => f.write_str("the packet was damaged on the way: send it again"),
            Self::WrongBitmap => f.write_str("the bitmap goes on behind the last value, or keeps a zero"),
            Self::WrongConfidence => f.write_str("the confidence is above 1"),
            Self::WrongReply => f.write_str("the reply's fields contradict its status"),
            Self::NotHalf { at } => write!(f, "value {at} does not fit half precision: send f32"),
            Self::NotInt8 => f.write_str("only the features of an int8 head can be sent as int8"),
            Self::BadScale => f.write_str("the scale of the int8 values is not above 0 and below 2^120, or has more than 16 bits: convert the head anew"),
            Self::NotFinite { at } => write!(f, "value {at} is NaN or infinite"),
        }
    }
}

impl core::error::Error for PacketError {}
