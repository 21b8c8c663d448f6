//! What a head of either kind hands over.

use std::borrow::Cow;

use lacewing_engine::{Features, PacketError};

/// Features of an `f32` head or of an int8 one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AnyFeatures<'f> {
    /// Sent as f32, or as f16 where they say so.
    F32(Features<'f>),
    /// Sent as int8 in packets; as the numbers that they stand for over HTTP.
    I8(Features<'f, i8>),
}

impl<'f> From<Features<'f>> for AnyFeatures<'f> {
    fn from(features: Features<'f>) -> Self {
        Self::F32(features)
    }
}

impl<'f> From<Features<'f, i8>> for AnyFeatures<'f> {
    fn from(features: Features<'f, i8>) -> Self {
        Self::I8(features)
    }
}

impl<'f> AnyFeatures<'f> {
    /// The same under another number.
    #[must_use]
    pub const fn with_sequence(self, sequence: u32) -> Self {
        match self {
            Self::F32(features) => Self::F32(features.with_sequence(sequence)),
            Self::I8(features) => Self::I8(features.with_sequence(sequence)),
        }
    }

    /// The number that they are sent under.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        match self {
            Self::F32(features) => features.sequence(),
            Self::I8(features) => features.sequence(),
        }
    }

    /// The head's pair id.
    #[must_use]
    pub const fn pair_id(&self) -> u32 {
        match self {
            Self::F32(features) => features.pair_id(),
            Self::I8(features) => features.pair_id(),
        }
    }

    /// Bytes of their packet.
    #[must_use]
    pub fn packet_len(&self) -> usize {
        match self {
            Self::F32(features) => features.packet_len(),
            Self::I8(features) => features.packet_len(),
        }
    }

    /// Writes their packet to `out`, in place of what is there.
    ///
    /// # Errors
    /// As [`Features::encode`].
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        out.clear();
        out.resize(self.packet_len(), 0);
        let len = match self {
            Self::F32(features) => features.encode(out),
            Self::I8(features) => features.encode(out),
        }?;
        out.truncate(len);
        Ok(())
    }

    /// The numbers that the values are or stand for.
    #[must_use]
    pub fn numbers(&self) -> Cow<'f, [f32]> {
        match self {
            Self::F32(features) => Cow::Borrowed(features.values()),
            Self::I8(features) => {
                let quantisation = features.quantisation();
                features.values().iter().map(|value| quantisation.dequantise(*value)).collect()
            }
        }
    }
}
