//! The packet that answers a packet of features (PACKET.md).

use core::fmt;

use crate::answer::{Answer, Q15};
use crate::crc;
use crate::model::ExitId;
use crate::packet::{Packet, PacketError};
use crate::read::{Record, array, slice};

const MAGIC: [u8; 2] = *b"LR";
const VERSION: u8 = 1;
const HEADER: usize = 24;
const CHECKSUM: usize = 4;

/// What a tail says to a packet of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Of the tail that answered; where none did, of one that is served.
    pub pair_id: u32,
    /// The packet's.
    pub sequence: u32,
    /// The packet's checksum: the reply is to those very bytes.
    pub request: u32,
    /// The answer, or why there is none.
    pub verdict: Verdict,
}

/// An answer, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The tail's answer.
    Answer(Answer),
    /// None.
    Refused(Refusal),
}

/// Why a tail does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes are no packet, or not of a version and encoding that the tail knows.
    NotUnderstood,
    /// No tail with the packet's pair id is served.
    WrongPair,
    /// Another split than the tail's.
    WrongSplit,
    /// Not as many values as the tail has inputs, or int8 values of another scale or zero point than its own.
    WrongCount,
    /// More work than the tail takes on: again a little later.
    Busy,
    /// The values are finite, what the tail makes of them is not: too large for it.
    NotFinite,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUnderstood => "it did not understand the packet: send it again, or update the tail",
            Self::WrongPair => "it serves no tail of this head: serve the tail.lace of the same conversion",
            Self::WrongSplit => "its tail is of another split: serve the tail.lace of the same conversion",
            Self::WrongCount => "its tail takes another number of values, or int8 ones of another scale",
            Self::Busy => "it has too much work, or the server behind it does not answer: again a little later",
            Self::NotFinite => {
                "its logits for these values are not finite: the features are too large for its f32 sums"
            }
        })
    }
}

impl Refusal {
    const fn status(self) -> u8 {
        match self {
            Self::NotUnderstood => 1,
            Self::WrongPair => 2,
            Self::WrongSplit => 3,
            Self::WrongCount => 4,
            Self::Busy => 5,
            Self::NotFinite => 6,
        }
    }

    const fn from_status(status: u8) -> Option<Self> {
        match status {
            1 => Some(Self::NotUnderstood),
            2 => Some(Self::WrongPair),
            3 => Some(Self::WrongSplit),
            4 => Some(Self::WrongCount),
            5 => Some(Self::Busy),
            6 => Some(Self::NotFinite),
            _ => None,
        }
    }
}

impl Reply {
    /// Bytes of a reply with this many logits.
    #[must_use]
    pub const fn len_for(logits: usize) -> usize {
        HEADER + 4 * logits + CHECKSUM
    }

    /// Whether it is the reply to `packet`.
    #[must_use]
    pub const fn is_to(&self, packet: &Packet<'_>) -> bool {
        self.sequence == packet.sequence() && self.request == packet.checksum()
    }

    /// Writes it to the front of `out` and gives its length. A refusal carries no logits.
    ///
    /// # Errors
    /// `out` is shorter than [`len_for`](Self::len_for) says; more logits than 65,535, or one that is not finite. Nothing is
    /// written then.
    pub fn encode(&self, logits: &[f32], out: &mut [u8]) -> Result<usize, PacketError> {
        let (status, class, exit, confidence, logits) = match self.verdict {
            Verdict::Answer(answer) => (0, answer.class, answer.exit.0, answer.confidence.steps(), logits),
            Verdict::Refused(refusal) => (refusal.status(), 0, 0, 0, &[][..]),
        };
        let Ok(count) = u16::try_from(logits.len()) else { return Err(PacketError::TooManyValues) };
        if let Some(at) = logits.iter().position(|logit| !is_finite(*logit)) {
            return Err(PacketError::NotFinite { at });
        }
        let (needed, found) = (Self::len_for(logits.len()), out.len());
        let Some(reply) = out.get_mut(..needed) else { return Err(PacketError::BufferTooSmall { needed, found }) };
        let Some((body, checksum)) = reply.split_last_chunk_mut::<CHECKSUM>() else {
            return Err(PacketError::TooShort);
        };
        let Some((header, data)) = body.split_first_chunk_mut::<HEADER>() else { return Err(PacketError::TooShort) };
        let ([m0, m1], [p0, p1, p2, p3]) = (MAGIC, self.pair_id.to_le_bytes());
        let ([s0, s1, s2, s3], [r0, r1, r2, r3]) = (self.sequence.to_le_bytes(), self.request.to_le_bytes());
        let ([c0, c1], [q0, q1], [n0, n1]) = (class.to_le_bytes(), confidence.to_le_bytes(), count.to_le_bytes());
        *header =
            [m0, m1, VERSION, status, p0, p1, p2, p3, s0, s1, s2, s3, r0, r1, r2, r3, c0, c1, exit, 0, q0, q1, n0, n1];
        for (bytes, logit) in data.as_chunks_mut::<4>().0.iter_mut().zip(logits) {
            *bytes = logit.to_le_bytes();
        }
        *checksum = crc::finish(crc::update(crc::START, body)).to_le_bytes();
        Ok(needed)
    }

    /// Checks that `bytes` are exactly one reply.
    ///
    /// # Errors
    /// The first rule of PACKET.md that they break.
    pub fn parse(bytes: &[u8]) -> Result<(Self, Logits<'_>), PacketError> {
        let Some(header) = Record::<HEADER>::at(bytes, 0) else { return Err(PacketError::TooShort) };
        if array(bytes, 0) != Some(MAGIC) {
            return Err(PacketError::NotAPacket);
        }
        if header.u8(2) != VERSION || header.u8(19) != 0 {
            return Err(PacketError::UnknownVersion);
        }
        let count = usize::from(header.u16(22));
        let (needed, found) = (Self::len_for(count), bytes.len());
        if found != needed {
            return Err(PacketError::WrongLength { needed, found });
        }
        let (Some(checked), Some(checksum), Some(data)) =
            (slice(bytes, 0, needed - CHECKSUM), array(bytes, needed - CHECKSUM), slice(bytes, HEADER, 4 * count))
        else {
            return Err(PacketError::TooShort);
        };
        if crc::finish(crc::update(crc::START, checked)) != u32::from_le_bytes(checksum) {
            return Err(PacketError::WrongChecksum);
        }
        let (class, exit) = (header.u16(16), header.u8(18));
        let Some(confidence) = Q15::from_steps(header.u16(20)) else { return Err(PacketError::WrongConfidence) };
        let verdict = match header.u8(3) {
            0 if count == 0 || usize::from(class) < count => {
                Verdict::Answer(Answer { class, exit: ExitId(exit), confidence })
            }
            0 => return Err(PacketError::WrongReply),
            status => match Refusal::from_status(status) {
                Some(refusal) if class == 0 && exit == 0 && confidence.steps() == 0 && count == 0 => {
                    Verdict::Refused(refusal)
                }
                Some(_) => return Err(PacketError::WrongReply),
                None => return Err(PacketError::UnknownVersion),
            },
        };
        let reply = Self { pair_id: header.u32(4), sequence: header.u32(8), request: header.u32(12), verdict };
        let logits = Logits(data.as_chunks::<4>().0);
        // Their class would be none.
        match logits.values().position(|logit| !is_finite(logit)) {
            Some(at) => Err(PacketError::NotFinite { at }),
            None => Ok((reply, logits)),
        }
    }
}

/// Without floating-point arithmetic.
const fn is_finite(logit: f32) -> bool {
    logit.to_bits() & 0x7f80_0000 != 0x7f80_0000
}

/// The logits of a reply, one a class; none where they were not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logits<'r>(&'r [[u8; 4]]);

impl Logits<'_> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The logits, before temperature, finite.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.0.iter().map(|bytes| f32::from_le_bytes(*bytes))
    }
}
