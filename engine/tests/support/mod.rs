//! Writes model files for tests, sound ones and broken ones.
#![allow(dead_code, reason = "each test uses its part")]

pub const HEADER: usize = 64;
pub const OPERATION: usize = 48;
pub const EXIT: usize = 32;

/// A junction to be written: packing id and parameters, and its sections.
#[derive(Clone)]
pub struct Op {
    pub exit: u8,
    pub packing: (u8, u8, u8, u16),
    pub activation: u8,
    pub shape: (u16, u16),
    pub weights: Vec<f32>,
    pub counts: Vec<u8>,
    pub index: Vec<u8>,
    pub bias: Vec<f32>,
}

/// A dense junction; `weights` row by row.
pub fn dense(exit: u8, n_in: u16, weights: &[f32], bias: &[f32], relu: bool) -> Op {
    Op {
        exit,
        packing: (1, 0, 0, 0),
        activation: u8::from(relu),
        shape: (n_in, bias.len() as u16),
        weights: weights.to_vec(),
        counts: vec![],
        index: vec![],
        bias: bias.to_vec(),
    }
}

#[derive(Clone)]
pub struct ExitRecord {
    pub after: u8,
    pub metric: u8,
    pub branch: u8,
    pub temperature: f32,
    pub threshold: f32,
}

/// A file to be written.
#[derive(Clone)]
pub struct File {
    pub part: u8,
    pub split: u8,
    pub head_exits: u8,
    pub pair_id: u32,
    pub classes: u16,
    pub operations: Vec<Op>,
    pub exits: Vec<ExitRecord>,
    pub names: Vec<u8>,
}

impl File {
    /// The bytes, sealed.
    pub fn bytes(&self) -> Vec<u8> {
        let mut b = vec![0; HEADER];
        b[0..4].copy_from_slice(b"LACE");
        b[4..8].copy_from_slice(&[2, 1, 1, 1]);
        b[16..20].copy_from_slice(&self.pair_id.to_le_bytes());
        b[20..24].copy_from_slice(&[self.part, self.operations.len() as u8, self.exits.len() as u8, self.split]);
        b[24..26].copy_from_slice(&self.operations[0].shape.0.to_le_bytes());
        b[26..28].copy_from_slice(&self.classes.to_le_bytes());
        b[29] = self.head_exits;
        b[32..36].copy_from_slice(&1f32.to_le_bytes());
        b[40..44].copy_from_slice(&1f32.to_le_bytes());
        b[48..52].copy_from_slice(&(self.names.len() as u32).to_le_bytes());
        let mut sections = Vec::new();
        for op in &self.operations {
            let floats = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            let parts = [floats(&op.weights), op.counts.clone(), op.index.clone(), floats(&op.bias)];
            let mut r = vec![0; OPERATION];
            r[0..4].copy_from_slice(&[1, op.exit, op.packing.0, op.activation]);
            r[4..6].copy_from_slice(&op.shape.0.to_le_bytes());
            r[6..8].copy_from_slice(&op.shape.1.to_le_bytes());
            r[14..16].copy_from_slice(&[op.packing.1, op.packing.2]);
            r[16..18].copy_from_slice(&op.packing.3.to_le_bytes());
            for (k, part) in parts.iter().enumerate() {
                r[24 + 4 * k..28 + 4 * k].copy_from_slice(&(part.len() as u32).to_le_bytes());
            }
            b.extend(r);
            sections.extend(parts);
        }
        for exit in &self.exits {
            let mut r = vec![0; EXIT];
            r[0..3].copy_from_slice(&[exit.after, exit.metric, exit.branch]);
            r[4..8].copy_from_slice(&exit.temperature.to_le_bytes());
            r[8..12].copy_from_slice(&exit.threshold.to_le_bytes());
            b.extend(r);
        }
        sections.push(self.names.clone());
        for section in sections.iter().filter(|s| !s.is_empty()) {
            b.resize(b.len().next_multiple_of(16), 0);
            b.extend(section);
        }
        seal(&mut b);
        b
    }
}

/// Writes length and checksum anew.
pub fn seal(b: &mut [u8]) {
    if b.len() >= 16 {
        let len = b.len() as u32;
        b[8..12].copy_from_slice(&len.to_le_bytes());
        b[12..16].fill(0);
        let crc = crc(b).to_le_bytes();
        b[12..16].copy_from_slice(&crc);
    }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

pub fn exit(after: u8, branch: u8, threshold: f32) -> ExitRecord {
    ExitRecord { after, metric: 0, branch, temperature: 1.0, threshold }
}

const W1: [f32; 6] = [1.0, -1.0, 0.5, 2.0, 0.0, 1.0];
const B1: [f32; 3] = [0.0, 0.25, -0.5];
const BRANCH: [f32; 6] = [1.0, 0.0, -1.0, -1.0, 1.0, 0.5];
const W2: [f32; 6] = [2.0, -1.0, 0.0, -2.0, 1.0, 3.0];

/// 2 inputs → 3 (ReLU) → 2 classes, an exit of one junction after the first: in one file.
pub fn whole() -> File {
    File {
        part: 0,
        split: 0,
        head_exits: 0,
        pair_id: 7,
        classes: 2,
        operations: vec![
            dense(0, 2, &W1, &B1, true),
            dense(1, 3, &BRANCH, &[0.0, 0.0], false),
            dense(0, 3, &W2, &[0.125, 0.0], false),
        ],
        exits: vec![exit(1, 1, 0.9), exit(2, 0, 0.0)],
        names: vec![],
    }
}

/// The same up to behind the exit.
pub fn head() -> File {
    let mut file = whole();
    file.operations.pop();
    file.exits.pop();
    File { part: 1, split: 1, ..file }
}

/// The rest of it.
pub fn tail() -> File {
    let mut file = whole();
    file.operations.drain(..2);
    file.exits.remove(0);
    File { part: 2, split: 1, head_exits: 1, ..file }
}

/// 2 → 3 → 3 → 2 with a branch of three operations after the first, a branch of one after the second, class names, and a
/// sparse junction.
pub fn rich() -> File {
    let sparse = Op {
        packing: (2, 0, 0, 2),
        weights: vec![1.0, -1.0, 0.5, 0.5, 2.0, 1.0],
        index: vec![0, 2, 1, 1, 0, 1],
        ..dense(0, 3, &[], &[0.0, 0.5, 0.0], true)
    };
    File {
        operations: vec![
            dense(0, 2, &W1, &B1, true),
            dense(1, 3, &[1.0, 0.0, -1.0, 0.5, 0.5, 0.5, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0], &[0.0; 4], true),
            dense(1, 4, &[1.0, 0.0, -1.0, 0.5], &[0.5], true),
            dense(1, 1, &[1.0, -1.0], &[0.0, 0.25], false),
            sparse,
            dense(2, 3, &BRANCH, &[0.0, 0.0], false),
            dense(0, 3, &W2, &[0.125, 0.0], false),
        ],
        exits: vec![exit(1, 3, 0.99), exit(2, 1, 0.9), exit(3, 0, 0.0)],
        names: b"\x02no\x03yes".to_vec(),
        ..whole()
    }
}
