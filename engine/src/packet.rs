//! The packet that features travel in (PACKET.md).

use lacewing_kernels::Quantisation;

use crate::answer::Q15;
use crate::read::{Record, array, slice};
use crate::{crc, half};

mod error;

pub use error::PacketError;

const MAGIC: [u8; 2] = *b"LF";
const VERSION: u8 = 1;
const HEADER: usize = 16;
const CONFIDENCE: usize = 2;
/// Bytes of a quantisation.
const SCALING: usize = 4;
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
    /// int8 features as they are: 1 byte each, and 4 for what they stand for. f32 features cannot be sent so.
    I8,
}

impl Encoding {
    const fn id(self) -> u8 {
        match self {
            Self::F32 => 0,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }

    const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::F32),
            1 => Some(Self::I8),
            2 => Some(Self::F16),
            _ => None,
        }
    }

    /// Bytes of a value.
    const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }

    /// Bytes in front of the values.
    const fn packed(self) -> usize {
        match self {
            Self::F32 | Self::F16 => 0,
            Self::I8 => SCALING,
        }
    }
}

/// Values to be sent.
#[derive(Clone, Copy)]
pub enum Payload<'v> {
    /// As f32 or f16.
    Floats(&'v [f32]),
    /// As int8.
    I8(&'v [i8], Quantisation),
}

impl Payload<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::I8(values, _) => values.len(),
        }
    }

    /// What they are sent as, where the sender asks for `encoding`.
    const fn encoding(&self, encoding: Encoding) -> Encoding {
        match self {
            Self::Floats(_) => encoding,
            Self::I8(..) => Encoding::I8,
        }
    }

    /// Whether the value is 0 as written: −0 is not, and stays.
    fn drops(&self, encoding: Encoding, at: usize) -> bool {
        match self {
            Self::Floats(values) => values.get(at).is_some_and(|value| match encoding {
                Encoding::F16 => half::from_f32(*value) == 0,
                Encoding::F32 | Encoding::I8 => value.to_bits() == 0,
            }),
            Self::I8(values, quantisation) => values.get(at) == Some(&quantisation.zero),
        }
    }

    /// That the encoding can hold every value.
    fn check(&self, encoding: Encoding) -> Result<(), PacketError> {
        match (self, encoding) {
            (Self::Floats(values), Encoding::F16) => {
                match values.iter().position(|value| !half::is_finite(half::from_f32(*value))) {
                    Some(at) => Err(PacketError::NotHalf { at }),
                    None => Ok(()),
                }
            }
            (Self::Floats(values), Encoding::F32) => match values.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(PacketError::NotFinite { at }),
                None => Ok(()),
            },
            (Self::Floats(_), Encoding::I8) => Err(PacketError::NotInt8),
            (Self::I8(_, quantisation), _) if !quantisation.packs() => Err(PacketError::BadScale),
            _ => Ok(()),
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
pub(crate) fn measure(values: &Payload<'_>, form: &Form) -> Measure {
    let encoding = values.encoding(form.encoding);
    let frame = HEADER + CHECKSUM + encoding.packed() + if form.confidence.is_some() { CONFIDENCE } else { 0 };
    let size = encoding.size();
    let dense = frame + size * values.len();
    if form.drop_zeros {
        let kept = (0..values.len()).filter(|at| !values.drops(encoding, *at)).count();
        let len = frame + values.len().div_ceil(8) + size * kept;
        if len < dense {
            return Measure { len, bitmap: true };
        }
    }
    Measure { len: dense, bitmap: false }
}

/// Writes a packet and gives its length.
pub(crate) fn encode(
    values: &Payload<'_>,
    (pair_id, split, sequence): (u32, u8, u32),
    form: &Form,
    out: &mut [u8],
) -> Result<usize, PacketError> {
    let Measure { len: needed, bitmap } = measure(values, form);
    let found = out.len();
    let Ok(count) = u16::try_from(values.len()) else { return Err(PacketError::TooManyValues) };
    let encoding = values.encoding(form.encoding);
    values.check(encoding)?;
    let Some(packet) = out.get_mut(..needed) else { return Err(PacketError::BufferTooSmall { needed, found }) };
    let Some((body, checksum)) = packet.split_last_chunk_mut::<CHECKSUM>() else { return Err(PacketError::TooShort) };
    let Some((header, mut rest)) = body.split_first_chunk_mut::<HEADER>() else { return Err(PacketError::TooShort) };
    let flags = if bitmap { DROPPED_ZEROS } else { 0 }
        | if form.confidence.is_some() { HAS_CONFIDENCE } else { 0 }
        | if form.logits { WANTS_LOGITS } else { 0 };
    let ([m0, m1], [c0, c1]) = (MAGIC, count.to_le_bytes());
    let ([p0, p1, p2, p3], [s0, s1, s2, s3]) = (pair_id.to_le_bytes(), sequence.to_le_bytes());
    *header = [m0, m1, VERSION, encoding.id(), p0, p1, p2, p3, split, flags, c0, c1, s0, s1, s2, s3];
    if let Some(confidence) = form.confidence {
        let Some((bytes, after)) = rest.split_first_chunk_mut::<CONFIDENCE>() else {
            return Err(PacketError::TooShort);
        };
        *bytes = confidence.steps().to_le_bytes();
        rest = after;
    }
    if let Payload::I8(_, quantisation) = values {
        let Some((bytes, after)) = rest.split_first_chunk_mut() else { return Err(PacketError::TooShort) };
        *bytes = quantisation.pack();
        rest = after;
    }
    write_values(values, encoding, bitmap, rest);
    *checksum = crc::finish(crc::update(crc::START, body)).to_le_bytes();
    Ok(needed)
}

/// Fills `rest`, which was measured for them.
fn write_values(values: &Payload<'_>, encoding: Encoding, bitmap: bool, rest: &mut [u8]) {
    let (map, data) = rest.split_at_mut(if bitmap { rest.len().min(values.len().div_ceil(8)) } else { 0 });
    for (byte, first) in map.iter_mut().zip((0..values.len()).step_by(8)) {
        let eight = first..values.len().min(first + 8);
        *byte = eight.rev().fold(0, |bits, at| bits << 1 | u8::from(!values.drops(encoding, at)));
    }
    let kept = (0..values.len()).filter(|at| !bitmap || !values.drops(encoding, *at));
    match (values, encoding) {
        (Payload::I8(values, _), _) => {
            let kept = kept.filter_map(|at| values.get(at));
            data.iter_mut().zip(kept).for_each(|(byte, value)| *byte = *value as u8);
        }
        (Payload::Floats(values), Encoding::F16) => {
            let kept = kept.filter_map(|at| values.get(at));
            for (bytes, value) in data.as_chunks_mut::<2>().0.iter_mut().zip(kept) {
                *bytes = half::from_f32(*value).to_le_bytes();
            }
        }
        (Payload::Floats(values), Encoding::F32 | Encoding::I8) => {
            let kept = kept.filter_map(|at| values.get(at));
            for (bytes, value) in data.as_chunks_mut::<4>().0.iter_mut().zip(kept) {
                *bytes = value.to_le_bytes();
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

    /// The most bytes that [`Features::encode`](crate::Features::encode) writes for `count` values, whatever they are and
    /// however they are written.
    #[must_use]
    pub const fn max_len(count: usize) -> usize {
        let (floats, int8) = (Self::len_for(count), Self::len_for_i8(count));
        CONFIDENCE + if floats > int8 { floats } else { int8 }
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
        let before_packed = HEADER + if has_confidence { CONFIDENCE } else { 0 };
        let before_map = before_packed + encoding.packed();
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
        let packed = match encoding {
            Encoding::I8 => array(bytes, before_packed),
            Encoding::F32 | Encoding::F16 => None,
        };
        let values = Values { encoding, packed: packed.unwrap_or_default(), map, data, at: 0, count };
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

    /// The values, finite; int8 ones as what they stand for.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.values
    }

    /// What the int8 values stand for, where they travelled as such.
    #[must_use]
    pub const fn quantisation(&self) -> Option<Quantisation> {
        match self.values.encoding {
            Encoding::I8 => Some(self.values.quantisation()),
            Encoding::F32 | Encoding::F16 => None,
        }
    }

    /// The int8 values; none where they travelled otherwise.
    pub fn values_i8(&self) -> impl Iterator<Item = i8> {
        let mut values = self.values;
        core::iter::from_fn(move || values.next_i8())
    }

    /// Bytes of a packet of `count` int8 values, none of them dropped, without a confidence.
    #[must_use]
    pub const fn len_for_i8(count: usize) -> usize {
        HEADER + SCALING + count + CHECKSUM
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
    /// What int8 values stand for.
    packed: [u8; SCALING],
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
        if self.encoding == Encoding::I8 {
            return self.check_i8();
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

    /// Without floating-point arithmetic.
    fn check_i8(mut self) -> Result<(), PacketError> {
        let quantisation = self.quantisation();
        if !quantisation.packs() {
            return Err(PacketError::BadScale);
        }
        for at in 0..self.count {
            let kept = self.keeps(at);
            let Some(value) = self.next_i8() else { return Err(PacketError::TooShort) };
            if self.map.is_some() && kept && value == quantisation.zero {
                return Err(PacketError::WrongBitmap);
            }
        }
        Ok(())
    }

    const fn quantisation(&self) -> Quantisation {
        Quantisation::unpack(self.packed)
    }

    fn next_i8(&mut self) -> Option<i8> {
        if self.at == self.count || self.encoding != Encoding::I8 {
            return None;
        }
        let kept = self.keeps(self.at);
        self.at += 1;
        if !kept {
            return Some(self.quantisation().zero);
        }
        let (value, rest) = self.data.split_first()?;
        self.data = rest;
        Some(*value as i8)
    }

    fn keeps(&self, at: usize) -> bool {
        self.map.is_none_or(|map| map.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1))
    }
}

impl Iterator for Values<'_> {
    type Item = f32;

    fn next(&mut self) -> Option<f32> {
        if self.encoding == Encoding::I8 {
            return self.next_i8().map(|q| self.quantisation().dequantise(q));
        }
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
            Encoding::F16 | Encoding::I8 => {
                let (bytes, rest) = self.data.split_first_chunk()?;
                self.data = rest;
                Some(half::to_f32(u16::from_le_bytes(*bytes)))
            }
        }
    }
}
