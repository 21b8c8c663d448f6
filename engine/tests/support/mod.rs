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
    pub int8: Option<OpI8>,
}

/// What an int8 junction has instead of weights and biases, and beside them.
#[derive(Clone)]
pub struct OpI8 {
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub multipliers: Vec<i32>,
    pub shifts: Vec<i8>,
    /// Scale and zero point.
    pub input: (f32, i8),
    pub output: (f32, i8),
    pub clamp: (i8, i8),
}

/// A dense int8 junction; `weights` row by row. Every output is half of its sum, rounded.
pub fn dense_i8(exit: u8, n_in: u16, weights: &[i8], bias: &[i32], input: (f32, i8), output: (f32, i8)) -> Op {
    let outputs = bias.len();
    let int8 = OpI8 {
        weights: weights.to_vec(),
        bias: bias.to_vec(),
        multipliers: vec![1 << 30; outputs],
        shifts: vec![0; outputs],
        input,
        output,
        clamp: (-128, 127),
    };
    Op { int8: Some(int8), ..dense(exit, n_in, &[], &vec![0.0; outputs], false) }
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
        int8: None,
    }
}

#[derive(Clone)]
pub struct ExitRecord {
    pub after: u8,
    pub metric: u8,
    pub branch: u8,
    pub temperature: f32,
    pub threshold: f32,
    /// Step and least confidence of int8 logits; zeros of f32 ones.
    pub integers: (u32, u16),
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
    /// Scale and zero point of int8 inputs.
    pub input: Option<(f32, i8)>,
}

impl File {
    /// The bytes, sealed; sections at multiples of 16.
    pub fn bytes(&self) -> Vec<u8> {
        self.aligned_to(16)
    }

    /// The bytes, sealed; sections at multiples of 64 where `align` is that.
    pub fn aligned_to(&self, align: usize) -> Vec<u8> {
        let mut b = vec![0; HEADER];
        b[0..4].copy_from_slice(b"LACE");
        b[4..8].copy_from_slice(&[2, 1, 1, 1]);
        b[16..20].copy_from_slice(&self.pair_id.to_le_bytes());
        b[20..24].copy_from_slice(&[self.part, self.operations.len() as u8, self.exits.len() as u8, self.split]);
        b[24..26].copy_from_slice(&self.operations[0].shape.0.to_le_bytes());
        b[26..28].copy_from_slice(&self.classes.to_le_bytes());
        b[29] = self.head_exits;
        b[30] = u8::from(align == 64);
        let scaling = |q: Option<(f32, i8)>| [q.map_or(1.0, |q| q.0), q.map_or(0.0, |q| f32::from(q.1))];
        b[28] = u8::from(self.input.is_some());
        let trunk_end = self.operations.iter().rfind(|op| op.exit == 0);
        let output = trunk_end.and_then(|op| op.int8.as_ref()).map(|int8| int8.output);
        for (k, number) in [scaling(self.input), scaling(output)].concat().iter().enumerate() {
            b[32 + 4 * k..36 + 4 * k].copy_from_slice(&number.to_le_bytes());
        }
        b[48..52].copy_from_slice(&(self.names.len() as u32).to_le_bytes());
        let mut sections = Vec::new();
        for op in &self.operations {
            let floats = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
            let mut parts = vec![floats(&op.weights), op.counts.clone(), op.index.clone(), floats(&op.bias)];
            let mut r = vec![0; OPERATION];
            if let Some(int8) = &op.int8 {
                parts[0] = int8.weights.iter().map(|w| *w as u8).collect();
                parts[3] = int8.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
                r[12] = 1;
                r[18..22].copy_from_slice(&[int8.output.1, int8.clamp.0, int8.clamp.1, int8.input.1].map(|q| q as u8));
                r[40..44].copy_from_slice(&int8.input.0.to_le_bytes());
                r[44..48].copy_from_slice(&int8.output.0.to_le_bytes());
            }
            r[0..4].copy_from_slice(&[1, op.exit, op.packing.0, op.activation]);
            r[4..6].copy_from_slice(&op.shape.0.to_le_bytes());
            r[6..8].copy_from_slice(&op.shape.1.to_le_bytes());
            r[14..16].copy_from_slice(&[op.packing.1, op.packing.2]);
            r[16..18].copy_from_slice(&op.packing.3.to_le_bytes());
            for (k, part) in parts.iter().enumerate().take(4) {
                r[24 + 4 * k..28 + 4 * k].copy_from_slice(&(part.len() as u32).to_le_bytes());
            }
            b.extend(r);
            if let Some(int8) = &op.int8 {
                let shifts = int8.shifts.iter().map(|shift| *shift as u8);
                parts.push(int8.multipliers.iter().flat_map(|m| m.to_le_bytes()).chain(shifts).collect());
            }
            sections.extend(parts);
        }
        for exit in &self.exits {
            let mut r = vec![0; EXIT];
            r[0..3].copy_from_slice(&[exit.after, exit.metric, exit.branch]);
            r[4..8].copy_from_slice(&exit.temperature.to_le_bytes());
            r[8..12].copy_from_slice(&exit.threshold.to_le_bytes());
            r[16..20].copy_from_slice(&exit.integers.0.to_le_bytes());
            r[20..22].copy_from_slice(&exit.integers.1.to_le_bytes());
            b.extend(r);
        }
        sections.push(self.names.clone());
        for section in sections.iter().filter(|s| !s.is_empty()) {
            b.resize(b.len().next_multiple_of(align), 0);
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
    ExitRecord { after, metric: 0, branch, temperature: 1.0, threshold, integers: (0, 0) }
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
        input: None,
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

/// An exit with int8 logits.
pub fn exit_i8(after: u8, branch: u8, step: u32, least: u16) -> ExitRecord {
    ExitRecord { integers: (step, least), ..exit(after, branch, f32::from(least) / 32768.0) }
}

const PIXELS: (f32, i8) = (0.5, -128);
const HIDDEN: (f32, i8) = (0.25, -128);
const LOGITS: (f32, i8) = (1.0, 0);
const STEP: u32 = 1 << 24;

/// `whole` in int8: 2 inputs → 3 (ReLU) → 2 classes, an exit after the first junction.
pub fn whole_i8() -> File {
    File {
        operations: vec![
            Op { activation: 1, ..dense_i8(0, 2, &[2, -2, 1, 4, 0, 2], &[0, 650, 246], PIXELS, HIDDEN) },
            dense_i8(1, 3, &[1, 0, -1, -1, 1, 1], &[0, 128], HIDDEN, LOGITS),
            dense_i8(0, 3, &[2, -1, 0, -2, 1, 3], &[128, 256], HIDDEN, LOGITS),
        ],
        exits: vec![exit_i8(1, 1, STEP, 29_491), exit_i8(2, 0, STEP, 0)],
        input: Some(PIXELS),
        ..whole()
    }
}

/// The same up to behind the exit.
pub fn head_i8() -> File {
    let mut file = whole_i8();
    file.operations.pop();
    file.exits.pop();
    File { part: 1, split: 1, ..file }
}

/// The rest of it.
pub fn tail_i8() -> File {
    let mut file = whole_i8();
    file.operations.drain(..2);
    file.exits.remove(0);
    File { part: 2, split: 1, head_exits: 1, input: Some(HIDDEN), ..file }
}

/// Coded rows: 2 → 3 of in-degree 1 in Rice's code of 1 (distances 0, 1, 0), 3 → 2 of in-degrees 1 and 2 in nibbles (2; 0, 0).
pub fn coded_i8() -> File {
    let coded = |op: Op, packing, counts: &[u8], index: &[u8]| Op {
        packing,
        counts: counts.to_vec(),
        index: index.to_vec(),
        ..op
    };
    File {
        operations: vec![
            coded(dense_i8(0, 2, &[2, -2, 1], &[0, 650, 246], PIXELS, HIDDEN), (6, 2, 0, 1), &[], &[0x1d]),
            coded(dense_i8(0, 3, &[2, -1, 3], &[128, 256], HIDDEN, LOGITS), (6, 0, 0, 0), &[1, 0, 2, 0], &[0x02, 0]),
        ],
        exits: vec![exit_i8(2, 0, STEP, 0)],
        ..whole_i8()
    }
}

/// f32 and int8 by turns: values are converted in front of the second junction of the trunk and in the branch, logits of the
/// exit and features behind the trunk.
pub fn mixed() -> File {
    let branch = dense_i8(1, 3, &[1, 0, -1, -1, 1, 1], &[0, 128], HIDDEN, LOGITS);
    let sparse = Op {
        packing: (2, 0, 0, 2),
        index: vec![0, 2, 1, 1, 0, 1],
        int8: Some(OpI8 {
            weights: vec![1, -1, 2, 2, 4, 1],
            ..dense_i8(0, 3, &[], &[0, 512, 640], HIDDEN, HIDDEN).int8.unwrap_or_else(|| unreachable!("it is int8"))
        }),
        ..dense(0, 3, &[], &[0.0; 3], true)
    };
    File {
        operations: vec![dense(0, 2, &W1, &B1, true), branch, sparse, dense(0, 3, &W2, &[0.125, 0.0], false)],
        exits: vec![exit_i8(1, 1, STEP, 29_491), exit(3, 0, 0.0)],
        ..whole()
    }
}

/// The first two junctions of `mixed`: int8 at its end.
pub fn mixed_head() -> File {
    let mut file = mixed();
    file.operations.pop();
    file.exits.pop();
    File { part: 1, split: 2, ..file }
}
