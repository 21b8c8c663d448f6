//! Any stream gives the same frames in whatever pieces it comes; a frame is what its packet encodes to; and memory is bounded.
#![no_main]

use lacewing_engine::{Packet, Reply};
use lacewing_tail::{Frames, encode_frame};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 300;

fuzz_target!(|input: &[u8]| {
    let Some((piece, stream)) = input.split_first() else { return };
    let whole = frames(stream, stream.len().max(1));
    assert_eq!(frames(stream, usize::from(*piece).max(1)), whole);
    for packet in whole.into_iter().flatten() {
        assert!(packet.len() <= LONGEST + 2);
        let again = frames(&encode_frame(&packet), 7);
        // A frame without a byte is none.
        assert!(packet.is_empty() || packet.len() > LONGEST || again == [Some(packet.clone())]);
        let _ = (Packet::parse(&packet), Reply::parse(&packet));
    }
});

fn frames(stream: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
    let (mut frames, mut found) = (Frames::new(LONGEST), Vec::new());
    for piece in stream.chunks(piece) {
        frames.push(piece, |frame| found.push(frame.map(<[u8]>::to_vec)));
    }
    found
}
