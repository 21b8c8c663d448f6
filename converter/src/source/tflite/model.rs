//! What of a TensorFlow Lite model is read: operators, tensors, and where their values are. Slots are those of its schema,
//! version 3.

use bytes::Bytes;

use super::flat::{Table, Vector};
use crate::source::Refusal;

/// Operators, tensors and buffers of a model; a network of 16 junctions has fewer than a hundred.
const MAX_PARTS: usize = 4096;
/// Axes of a tensor.
const MAX_AXES: usize = 8;
/// Scales of a tensor: one an output.
const MAX_SCALES: usize = 65_535;
/// Inputs or outputs of an operator.
const MAX_ENDS: usize = 16;

/// Element types that are told apart; others by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float32,
    Int8,
    Int32,
    Other(i8),
}

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub shape: Vec<usize>,
    pub element: Element,
    pub is_sparse: bool,
    /// Number of the buffer with its values.
    buffer: usize,
    scales: Vector,
    zero_points: Vector,
}

impl Value {
    pub(super) fn scales(&self) -> Vec<f32> {
        self.scales.floats().collect()
    }

    /// Scale and zero point, where it has one each.
    pub(super) fn one_scale(&self) -> Option<(f32, i64)> {
        match (self.scales.len(), self.zero_points.len()) {
            (1, 1) => Some((self.scales.floats().next()?, self.zero_points.longs().next()?)),
            _ => None,
        }
    }

    pub(super) fn has_zero_points(&self) -> bool {
        self.zero_points.longs().any(|zero| zero != 0)
    }
}

/// An operator. Tensors are numbers; `None` is one that is left out.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub number: usize,
    /// The builtin's number.
    pub code: u32,
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<Option<usize>>,
    pub options: Table,
}

impl Operator {
    pub(super) fn name(&self) -> String {
        format!("{} (operator {})", self.kind(), self.number)
    }

    /// What the schema calls it.
    pub(super) fn kind(&self) -> String {
        const NAMES: [(u32, &str); 27] = [
            (0, "ADD"),
            (1, "AVERAGE_POOL_2D"),
            (2, "CONCATENATION"),
            (3, "CONV_2D"),
            (4, "DEPTHWISE_CONV_2D"),
            (6, "DEQUANTIZE"),
            (9, "FULLY_CONNECTED"),
            (14, "LOGISTIC"),
            (16, "LSTM"),
            (17, "MAX_POOL_2D"),
            (18, "MUL"),
            (19, "RELU"),
            (21, "RELU6"),
            (22, "RESHAPE"),
            (25, "SOFTMAX"),
            (28, "TANH"),
            (32, "CUSTOM"),
            (39, "TRANSPOSE"),
            (40, "MEAN"),
            (41, "SUB"),
            (43, "SQUEEZE"),
            (50, "LOG_SOFTMAX"),
            (54, "PRELU"),
            (70, "EXPAND_DIMS"),
            (98, "LEAKY_RELU"),
            (114, "QUANTIZE"),
            (126, "BATCH_MATMUL"),
        ];
        let known = NAMES.iter().find(|(code, _)| *code == self.code);
        known.map_or_else(|| format!("builtin operator {}", self.code), |(_, name)| (*name).to_owned())
    }
}

/// A model's first graph.
#[derive(Debug)]
pub(super) struct Model {
    bytes: Bytes,
    pub operators: Vec<Operator>,
    pub tensors: Vec<Value>,
    pub inputs: Vec<Option<usize>>,
    pub outputs: Vec<Option<usize>>,
    buffers: Vec<Table>,
}

impl Model {
    pub(super) fn read(bytes: Bytes) -> Result<Self, Refusal> {
        let root = Table::root(bytes.clone()).ok_or("a model outside the file")?;
        match root.int(0, 0) {
            3 => {}
            version => {
                let reason =
                    format!("version {version} of the schema, where version 3 is read: convert the network again");
                return Err(Refusal::Unsupported(reason));
            }
        }
        let codes = root.vector(1, 4, MAX_PARTS)?.tables()?;
        let codes: Vec<u32> = codes.iter().map(code).collect();
        let graphs = root.vector(2, 4, MAX_PARTS)?.tables()?;
        let [graph] = &graphs[..] else {
            let reason = format!("{} graphs in it, where one is supported: convert one signature alone", graphs.len());
            return Err(Refusal::Unsupported(reason));
        };
        let buffers = root.vector(4, 4, MAX_PARTS)?.tables()?;
        let tensors = graph.vector(0, 4, MAX_PARTS)?.tables()?.iter().map(value).collect::<Result<_, _>>()?;
        let operators = graph.vector(3, 4, MAX_PARTS)?.tables()?;
        let operators = operators.iter().enumerate().map(|(number, table)| {
            let code = usize::try_from(table.int(0, 0)).ok().and_then(|at| codes.get(at));
            Ok(Operator {
                number,
                code: *code.ok_or_else(|| format!("operator {number} is of no kind"))?,
                inputs: numbers(&table.vector(1, 4, MAX_ENDS)?),
                outputs: numbers(&table.vector(2, 4, MAX_ENDS)?),
                options: table.table(4).unwrap_or_default(),
            })
        });
        Ok(Self {
            operators: operators.collect::<Result<_, Refusal>>()?,
            tensors,
            inputs: numbers(&graph.vector(1, 4, MAX_ENDS)?),
            outputs: numbers(&graph.vector(2, 4, MAX_ENDS)?),
            buffers,
            bytes,
        })
    }

    /// Whether a tensor's values are in the file.
    pub(super) fn is_stored(&self, value: &Value) -> bool {
        self.bytes_of(value).is_ok_and(|bytes| !bytes.is_empty())
    }

    fn bytes_of(&self, value: &Value) -> Result<Bytes, Refusal> {
        let Some(buffer) = self.buffers.get(value.buffer) else { return Err("its buffer is not there".into()) };
        // Large models have their values behind the buffer of tables.
        let (offset, size) = (buffer.long(1, 0), buffer.long(2, 0));
        if offset > 1 {
            let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
            let range = range.and_then(|(offset, size)| Some(offset..offset.checked_add(size)?));
            return match range.filter(|range| range.end <= self.bytes.len()) {
                Some(range) => Ok(self.bytes.slice(range)),
                None => Err("its values reach past the end of the file".into()),
            };
        }
        Ok(buffer.vector(0, 1, usize::MAX)?.slice(1))
    }

    /// A stored tensor's values, whole numbers as they are.
    pub(super) fn numbers(&self, value: &Value) -> Result<Vec<f32>, Refusal> {
        let bytes = self.bytes_of(value)?;
        let values: Vec<f32> = match value.element {
            Element::Float32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Element::Int8 => bytes.iter().map(|byte| f32::from(*byte as i8)).collect(),
            Element::Int32 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32).collect(),
            Element::Other(number) => return Err(Refusal::Element(element_name(number))),
        };
        let places: usize = value.shape.iter().product();
        if values.len() != places {
            let reason = format!("its shape {:?} needs {places} values, there are {}", value.shape, values.len());
            return Err(Refusal::Damaged(reason));
        }
        Ok(values)
    }
}

/// The builtin's number: old files have it in a byte, new ones in an int, whichever is larger.
fn code(table: &Table) -> u32 {
    let old = i32::from(table.byte(0, 0));
    u32::try_from(old.max(table.int(3, 0))).unwrap_or(u32::MAX)
}

/// Tensor numbers; negative ones are left out.
fn numbers(vector: &Vector) -> Vec<Option<usize>> {
    vector.ints().map(|number| usize::try_from(number).ok()).collect()
}

fn value(table: &Table) -> Result<Value, Refusal> {
    let shape = table.vector(0, 4, MAX_AXES)?.ints().map(|length| usize::try_from(length).ok()).collect();
    let shape: Option<Vec<usize>> = shape;
    // The bytes of f32 values have to be countable.
    let fits = |shape: &Vec<usize>| shape.iter().try_fold(4usize, |all, length| all.checked_mul(*length)).is_some();
    let shape = shape.filter(fits).ok_or("a tensor whose shape is beyond this machine")?;
    let quantisation = table.table(4).unwrap_or_default();
    Ok(Value {
        shape,
        element: match table.byte(1, 0) {
            0 => Element::Float32,
            2 => Element::Int32,
            9 => Element::Int8,
            other => Element::Other(other),
        },
        scales: quantisation.vector(2, 4, MAX_SCALES)?,
        zero_points: quantisation.vector(3, 8, MAX_SCALES)?,
        is_sparse: table.has(6),
        buffer: usize::try_from(table.int(2, 0)).unwrap_or(usize::MAX),
    })
}

fn element_name(number: i8) -> String {
    const NAMES: [&str; 10] =
        ["float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64", "int8"];
    let name = usize::try_from(number).ok().and_then(|at| NAMES.get(at));
    name.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}
