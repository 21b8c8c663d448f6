//! What a head hands over.

use lacewing_kernels::Quantisation;

use crate::answer::Q15;
use crate::element::Element;
use crate::packet::{self, Encoding, Form, PacketError};

/// The activations at the split point, in the trainer's order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features<'e, T: Element = f32> {
    values: &'e [T],
    /// Of int8 values; 1 and 0 of f32.
    quantisation: Quantisation,
    pair_id: u32,
    split: u8,
    sequence: u32,
    form: Form,
}

impl<'e> Features<'e> {
    /// Features that came from elsewhere: `values` as the head of pair `pair_id` computed them behind trunk junction `split`.
    #[must_use]
    pub const fn new(values: &'e [f32], pair_id: u32, split: u8) -> Self {
        Self {
            values,
            quantisation: Quantisation { scale: 1.0, zero: 0 },
            pair_id,
            split,
            sequence: 0,
            form: Form::PLAIN,
        }
    }

    /// The same, encoded thus in the packet.
    #[must_use]
    pub const fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.form.encoding = encoding;
        self
    }
}

impl<'e> Features<'e, i8> {
    /// int8 features that came from elsewhere, and what they stand for; otherwise as [`new`](Features::new).
    #[must_use]
    pub const fn new_i8(values: &'e [i8], quantisation: Quantisation, pair_id: u32, split: u8) -> Self {
        Self { values, quantisation, pair_id, split, sequence: 0, form: Form::PLAIN }
    }

    /// What the values stand for.
    #[must_use]
    pub const fn quantisation(&self) -> Quantisation {
        self.quantisation
    }
}

impl<'e, T: Element> Features<'e, T> {
    /// The same, with a number that the packet carries so that its answer can be told from others'.
    #[must_use]
    pub const fn with_sequence(mut self, sequence: u32) -> Self {
        self.sequence = sequence;
        self
    }

    /// The same, with the confidence of the exit that was not sure enough: two bytes more in the packet.
    #[must_use]
    pub const fn with_confidence(mut self, confidence: Q15) -> Self {
        self.form.confidence = Some(confidence);
        self
    }

    /// The same, asking that the reply carry the logits too.
    #[must_use]
    pub const fn with_logits(mut self) -> Self {
        self.form.logits = true;
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

impl<T: Element> Features<'_, T> {
    /// Bytes of the values alone.
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        size_of_val(self.values)
    }

    /// The same, with its zeros left out of the packet where that makes it smaller.
    #[must_use]
    pub const fn without_zeros(mut self) -> Self {
        self.form.drop_zeros = true;
        self
    }

    /// Bytes that [`encode`](Self::encode) writes: never more than [`Packet::max_len`](crate::Packet::max_len), and without
    /// dropped zeros always [`Packet::len_for`](crate::Packet::len_for) where there is neither encoding nor confidence.
    #[must_use]
    pub fn packet_len(&self) -> usize {
        packet::measure(&T::payload(self.values, self.quantisation), &self.form).len
    }

    /// Writes the packet to the front of `out` and gives its length.
    ///
    /// # Errors
    /// `out` is shorter than [`packet_len`](Self::packet_len); more values than a packet's 65,535; a value that is NaN or
    /// infinite, or that half precision does not hold; a scale of more than 16 bits. Nothing is written then.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, PacketError> {
        packet::encode(
            &T::payload(self.values, self.quantisation),
            (self.pair_id, self.split, self.sequence),
            &self.form,
            out,
        )
    }
}
