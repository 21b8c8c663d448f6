//! Any body of an inference request is refused, or is finite rows of the model's width, whose response its own client reads;
//! and any body is a response or metadata, or is refused.
#![no_main]

use lacewing_engine::{Answer, ExitId, Q15};
use lacewing_tail::oip::{self, Facts, Limits, Results, Tensors};
use libfuzzer_sys::fuzz_target;

const CLASSES: usize = 2;

// Two bytes say how many of the rest are JSON; the highest number, that nobody said.
fuzz_target!(|input: &[u8]| {
    let Some((header, body)) = input.split_first_chunk() else { return };
    let header = Some(u16::from_le_bytes(*header)).filter(|header| *header != u16::MAX).map(usize::from);
    let facts = Facts { name: "tail".into(), width: 3, classes: CLASSES, pair_id: 7, split: 1 };
    if let Ok(infer) = oip::parse(&facts, Limits { logits: 64 }, header, body) {
        let rows = infer.values.len() / facts.width;
        assert!(rows > 0 && rows * CLASSES <= 64 && rows * facts.width == infer.values.len());
        assert!(infer.values.iter().all(|value| value.is_finite()) && !infer.outputs.is_empty());
        let answers = vec![Answer { class: 1, exit: ExitId(2), confidence: Q15::ONE }; rows];
        let response = oip::encode(&facts, &infer, &Results { answers: &answers, logits: &vec![0.5; rows * CLASSES] });
        let sequence = infer.id.as_deref().map_or(Some(0), |id| id.parse().ok());
        let logits = infer.outputs.iter().any(|wanted| wanted.output == oip::Output::Logits);
        if let Some(sequence) = sequence.filter(|_| logits) {
            let read = oip::read_response(&Tensors::default(), sequence, response.header, &response.bytes);
            assert_eq!(read.map(|answer| answer.class), Ok(0), "{}", String::from_utf8_lossy(&response.bytes));
        }
    }
    if let Ok(answer) = oip::read_response(&Tensors::default(), 0, header, body) {
        assert!(answer.logits.len() > usize::from(answer.class) && answer.logits.iter().all(|logit| logit.is_finite()));
    }
    if let Ok(described) = oip::read_metadata(body) {
        assert!(described.width > 0);
    }
});
