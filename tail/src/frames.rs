//! Packets on a byte stream: COBS, each ended by a zero byte.

/// Cuts a stream into frames, whatever pieces it comes in. Memory is bounded by the longest frame allowed.
#[derive(Debug)]
pub struct Frames {
    pending: Vec<u8>,
    longest: usize,
    /// A frame was too long: its rest is passed over.
    skipping: bool,
}

impl Frames {
    /// For packets of at most `longest` bytes.
    #[must_use]
    pub const fn new(longest: usize) -> Self {
        // COBS adds a byte, and another for each 254.
        Self { pending: Vec::new(), longest: longest + longest / 254 + 1, skipping: false }
    }

    /// Takes the next bytes of the stream and gives each frame that they complete: the packet, or `None` for bytes that are
    /// no frame. Empty frames are passed over: a sender may put a zero byte before a packet as well.
    pub fn push(&mut self, mut bytes: &[u8], mut frame: impl FnMut(Option<&[u8]>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            let (piece, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            self.keep(piece);
            if self.skipping {
                frame(None);
            } else if !self.pending.is_empty() {
                let decoded = cobs::decode_in_place(&mut self.pending).ok();
                frame(decoded.and_then(|len| self.pending.get(..len)));
            }
            self.skipping = false;
            self.pending.clear();
        }
        self.keep(bytes);
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        self.skipping || !self.pending.is_empty()
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.pending.len() + piece.len() > self.longest {
            self.skipping = true;
            self.pending.clear();
        }
        if !self.skipping {
            self.pending.extend_from_slice(piece);
        }
    }
}

/// A packet as a frame, with the zero byte that ends it.
#[must_use]
pub fn encode_frame(packet: &[u8]) -> Vec<u8> {
    let mut frame = cobs::encode_vec(packet);
    frame.push(0);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frames, encode_frame};

    fn frames_of(stream: &[u8], piece: usize, longest: usize) -> Vec<Option<Vec<u8>>> {
        let (mut frames, mut found) = (Frames::new(longest), Vec::new());
        for piece in stream.chunks(piece) {
            frames.push(piece, |frame| found.push(frame.map(<[u8]>::to_vec)));
        }
        found
    }

    #[test]
    fn what_is_too_long_or_broken_is_passed_over() {
        let sound = encode_frame(&[1, 0, 2]);
        let stream = [&[7; 900][..], &[0], &sound, &[9, 1, 0], &[0, 0], &sound].concat();
        for piece in [1, 3, 1000] {
            assert_eq!(frames_of(&stream, piece, 300), [None, Some(vec![1, 0, 2]), None, Some(vec![1, 0, 2])]);
        }
    }

    #[test]
    fn it_is_inside_until_the_zero() {
        let mut frames = Frames::new(4);
        assert!(!frames.is_inside());
        // Begun, and then too long.
        for piece in [&[3, 1][..], &[7; 9], &[7]] {
            frames.push(piece, |_| unreachable!("it has not ended"));
            assert!(frames.is_inside());
        }
        frames.push(&[0], |frame| assert_eq!(frame, None));
        assert!(!frames.is_inside());
    }

    proptest! {
        #[test]
        fn packets_survive_in_any_pieces(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..700), 0..6), piece in 1usize..64,
        ) {
            let stream: Vec<u8> = packets.iter().flat_map(|packet| encode_frame(packet)).collect();
            let found = frames_of(&stream, piece, 700);
            prop_assert_eq!(found, packets.into_iter().map(Some).collect::<Vec<_>>());
        }

        #[test]
        fn any_stream_is_cut(stream in prop::collection::vec(0u8..6, 0..400), piece in 1usize..40) {
            for frame in frames_of(&stream, piece, 64).into_iter().flatten() {
                prop_assert!(frame.len() <= 66);
            }
        }
    }
}
