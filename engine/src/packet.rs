//! The packet that features travel in (PACKET.md).

use core::fmt;

use crate::answer::Q15;
use crate::read::{Record, array, slice};
use crate::{crc, half};

const MAGIC: [u8; 2] = *b"LF";
const VERSION: u8 = 1;
const HEADER: usize = 16;
const CONFIDENCE: usize = 2;
const CHECKSUM: usize = 4;

const DROPPED_ZEROS: u8 = 1;
const HAS_CONFIDENCE: u8 = 2;
const WANTS_LOGITS: u8 = 4;

/// How the values of a packet are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// As they are: 4 bytes each.
    #[default]
    F32,
    /// Rounded to half precision: 2 bytes each, 11 bits of it significant.
    F16,
}

impl Encoding {
    const fn id(self) -> u8 {
        match self {
            Self::F32 => 0,
            Self::F16 => 2,
        }
    }

    const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::F32),
            2 => Some(Self::F16),
            _ => None,
        }
    }

    /// Bytes of a value.
    const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    /// Whether `value` is all zero bits as written: −0 is not, and stays.
    const fn drops(self, value: f32) -> bool {
        match self {
            Self::F32 => value.to_bits() == 0,
            Self::F16 => half::from_f32(value) == 0,
        }
    }
}

/// What a sender chooses about a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Form {
    pub(crate) encoding: Encoding,
    pub(crate) drop_zeros: bool,
    pub(crate) confidence: Option<Q15>,
    pub(crate) logits: bool,
}

impl Form {
    pub(crate) const PLAIN: Self = Self { encoding: Encoding::F32, drop_zeros: false, confidence: None, logits: false };
}

/// The size of a packet, and whether dropped zeros make it that small.
pub(crate) struct Measure {
    pub(crate) len: usize,
    bitmap: bool,
}

/// How long the packet of `values` is.
pub(crate) fn measure(values: &[f32], form: &Form) -> Measure {
    let frame = HEADER + CHECKSUM + if form.confidence.is_some() { CONFIDENCE } else { 0 };
    let size = form.encoding.size();
    let dense = frame + size * values.len();
    if form.drop_zeros {
        let kept = values.iter().filter(|value| !form.encoding.drops(**value)).count();
        let len = frame + values.len().div_ceil(8) + size * kept;
        if len < dense {
            return Measure { len, bitmap: true };
        }
    }
    Measure { len: dense, bitmap: false }
}

/// Writes a packet and gives its length.
pub(crate) fn encode(
    values: &[f32],
    (pair_id, split, sequence): (u32, u8, u32),
    form: &Form,
    out: &mut [u8],
) -> Result<usize, PacketError> {
    let Measure { len: needed, bitmap } = measure(values, form);
    let found = out.len();
    let Ok(count) = u16::try_from(values.len()) else { return Err(PacketError::TooManyValues) };
    if form.encoding == Encoding::F16
        && let Some(at) = values.iter().position(|value| !half::is_finite(half::from_f32(*value)))
    {
        return Err(PacketError::NotHalf { at });
    }
    let Some(packet) = out.get_mut(..needed) else { return Err(PacketError::BufferTooSmall { needed, found }) };
    let Some((body, checksum)) = packet.split_last_chunk_mut::<CHECKSUM>() else { return Err(PacketError::TooShort) };
    let Some((header, mut rest)) = body.split_first_chunk_mut::<HEADER>() else { return Err(PacketError::TooShort) };
    let flags = if bitmap { DROPPED_ZEROS } else { 0 }
        | if form.confidence.is_some() { HAS_CONFIDENCE } else { 0 }
        | if form.logits { WANTS_LOGITS } else { 0 };
    let ([m0, m1], [c0, c1]) = (MAGIC, count.to_le_bytes());
    let ([p0, p1, p2, p3], [s0, s1, s2, s3]) = (pair_id.to_le_bytes(), sequence.to_le_bytes());
    *header = [m0, m1, VERSION, form.encoding.id(), p0, p1, p2, p3, split, flags, c0, c1, s0, s1, s2, s3];
    if let Some(confidence) = form.confidence {
        let Some((bytes, after)) = rest.split_first_chunk_mut::<CONFIDENCE>() else {
            return Err(PacketError::TooShort);
        };
        *bytes = confidence.steps().to_le_bytes();
        rest = after;
    }
    write_values(values, form.encoding, bitmap, rest);
    *checksum = crc::finish(crc::update(crc::START, body)).to_le_bytes();
    Ok(needed)
}

/// Fills `rest`, which was measured for them.
fn write_values(values: &[f32], encoding: Encoding, bitmap: bool, rest: &mut [u8]) {
    let (map, data) = rest.split_at_mut(if bitmap { rest.len().min(values.len().div_ceil(8)) } else { 0 });
    for (byte, eight) in map.iter_mut().zip(values.chunks(8)) {
        *byte = eight.iter().rev().fold(0, |bits, value| bits << 1 | u8::from(!encoding.drops(*value)));
    }
    let kept = values.iter().filter(|value| !bitmap || !encoding.drops(**value));
    match encoding {
        Encoding::F32 => {
            for (bytes, value) in data.as_chunks_mut::<4>().0.iter_mut().zip(kept) {
                *bytes = value.to_le_bytes();
            }
        }
        Encoding::F16 => {
            for (bytes, value) in data.as_chunks_mut::<2>().0.iter_mut().zip(kept) {
                *bytes = half::from_f32(*value).to_le_bytes();
            }
        }
    }
}

/// A packet of features, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'p> {
    pair_id: u32,
    split: u8,
    sequence: u32,
    checksum: u32,
    confidence: Option<Q15>,
    wants_logits: bool,
    values: Values<'p>,
}

impl<'p> Packet<'p> {
    /// Bytes of a packet of `count` f32 values, none of them dropped, without a confidence.
    #[must_use]
    pub const fn len_for(count: usize) -> usize {
        HEADER + 4 * count + CHECKSUM
    }

    /// The most bytes that a packet of `count` values can have, whatever they are and however they are written.
    #[must_use]
    pub const fn max_len(count: usize) -> usize {
        Self::len_for(count) + CONFIDENCE
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
        let flags = header.u8(9);
        let encoding = match Encoding::from_id(header.u8(3)) {
            Some(encoding)
                if header.u8(2) == VERSION && flags & !(DROPPED_ZEROS | HAS_CONFIDENCE | WANTS_LOGITS) == 0 =>
            {
                encoding
            }
            _ => return Err(PacketError::UnknownVersion),
        };
        let count = usize::from(header.u16(10));
        let has_confidence = flags & HAS_CONFIDENCE != 0;
        let before_map = HEADER + if has_confidence { CONFIDENCE } else { 0 };
        let map_len = if flags & DROPPED_ZEROS != 0 { count.div_ceil(8) } else { 0 };
        let Some(map) = slice(bytes, before_map, map_len) else { return Err(PacketError::TooShort) };
        let kept = if flags & DROPPED_ZEROS != 0 { ones(map) } else { count };
        let data_len = encoding.size() * kept;
        let needed = before_map + map_len + data_len + CHECKSUM;
        if bytes.len() != needed {
            return Err(PacketError::WrongLength { needed, found: bytes.len() });
        }
        let (Some(checked), Some(checksum), Some(data)) = (
            slice(bytes, 0, needed - CHECKSUM),
            array(bytes, needed - CHECKSUM),
            slice(bytes, before_map + map_len, data_len),
        ) else {
            return Err(PacketError::TooShort);
        };
        let checksum = u32::from_le_bytes(checksum);
        if crc::finish(crc::update(crc::START, checked)) != checksum {
            return Err(PacketError::WrongChecksum);
        }
        let confidence = match array(bytes, HEADER) {
            Some(steps) if has_confidence => {
                Some(Q15::from_steps(u16::from_le_bytes(steps)).ok_or(PacketError::WrongConfidence)?)
            }
            _ => None,
        };
        let map = (flags & DROPPED_ZEROS != 0).then_some(map);
        let values = Values { encoding, map, data, at: 0, count };
        values.check()?;
        Ok(Self {
            pair_id: header.u32(4),
            split: header.u8(8),
            sequence: header.u32(12),
            checksum,
            confidence,
            wants_logits: flags & WANTS_LOGITS != 0,
            values,
        })
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

    /// The packet's own checksum, which its reply repeats.
    #[must_use]
    pub const fn checksum(&self) -> u32 {
        self.checksum
    }

    /// How sure the head's exit was, where the sender says so.
    #[must_use]
    pub const fn confidence(&self) -> Option<Q15> {
        self.confidence
    }

    /// Whether the sender asks for the logits.
    #[must_use]
    pub const fn wants_logits(&self) -> bool {
        self.wants_logits
    }

    /// How the values are written.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.values.encoding
    }

    /// Whether zeros were left out.
    #[must_use]
    pub const fn dropped_zeros(&self) -> bool {
        self.values.map.is_some()
    }

    /// Values, those left out as well.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.count == 0
    }

    /// The values, finite.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.values
    }
}

/// Bits that are set.
fn ones(map: &[u8]) -> usize {
    map.iter().map(|byte| byte.count_ones() as usize).sum()
}

/// Walks the values of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Values<'p> {
    encoding: Encoding,
    /// A bit a value, from the lowest of the first byte: 0 for a zero that was left out.
    map: Option<&'p [u8]>,
    data: &'p [u8],
    at: usize,
    count: usize,
}

impl Values<'_> {
    /// That every value is finite, that the map ends where the values end, and that what it keeps is not zero.
    fn check(mut self) -> Result<(), PacketError> {
        let spare = self.map.and_then(<[u8]>::last).map_or(0, |byte| match self.count % 8 {
            0 => 0,
            used => byte >> used,
        });
        if spare != 0 {
            return Err(PacketError::WrongBitmap);
        }
        for at in 0..self.count {
            let kept = self.keeps(at);
            let Some(value) = self.next() else { return Err(PacketError::TooShort) };
            if !value.is_finite() {
                return Err(PacketError::NotFinite { at });
            }
            if self.map.is_some() && kept && value.to_bits() == 0 {
                return Err(PacketError::WrongBitmap);
            }
        }
        Ok(())
    }

    fn keeps(&self, at: usize) -> bool {
        self.map.is_none_or(|map| map.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1))
    }
}

impl Iterator for Values<'_> {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        if self.at == self.count {
            return None;
        }
        let kept = self.keeps(self.at);
        self.at += 1;
        if !kept {
            return Some(0.0);
        }
        match self.encoding {
            Encoding::F32 => {
                let (bytes, rest) = self.data.split_first_chunk()?;
                self.data = rest;
                Some(f32::from_le_bytes(*bytes))
            }
            Encoding::F16 => {
                let (bytes, rest) = self.data.split_first_chunk()?;
                self.data = rest;
                Some(half::to_f32(u16::from_le_bytes(*bytes)))
            }
        }
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
            Self::NotFinite { at } => write!(f, "value {at} is NaN or infinite"),
        }
    }
}

impl core::error::Error for PacketError {}
