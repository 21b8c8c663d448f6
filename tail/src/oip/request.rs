//! Reading inference requests. Every length in them is somebody's claim.

use core::fmt;
use core::marker::PhantomData;

use half::f16;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use thiserror::Error;

use super::{Facts, INPUT};

/// Entries of a list in a request's JSON that are not tensor data.
const FEW: usize = 16;

/// A tensor that a model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// `[rows, classes]`, before temperature.
    Logits,
    /// The first of the largest logits.
    Class,
    /// The exit that answered.
    Exit,
    /// How sure it is.
    Confidence,
}

impl Output {
    /// All, in the order in which they are given where none is asked for.
    pub const ALL: [Self; 4] = [Self::Logits, Self::Class, Self::Exit, Self::Confidence];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Class => "class",
            Self::Exit => "exit",
            Self::Confidence => "confidence",
        }
    }

    /// Its type, in the protocol's words.
    #[must_use]
    pub const fn datatype(self) -> &'static str {
        match self {
            Self::Logits | Self::Confidence => "FP32",
            Self::Class => "UINT16",
            Self::Exit => "UINT8",
        }
    }

    /// Values a row has.
    #[must_use]
    pub const fn width(self, classes: usize) -> usize {
        match self {
            Self::Logits => classes,
            Self::Class | Self::Exit | Self::Confidence => 1,
        }
    }
}

/// An output asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub output: Output,
    /// As bytes behind the JSON, not in it.
    pub binary: bool,
}

/// An inference request, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Infer {
    /// The client's own name for it, which the response repeats.
    pub id: Option<String>,
    /// Row by row, finite.
    pub values: Vec<f32>,
    /// The outputs asked for, in order.
    pub outputs: Vec<Wanted>,
}

/// What a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Logits, over all rows.
    pub logits: usize,
}

/// Why a request is refused: the client's doing, each of them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BadRequest {
    /// The JSON header is said to be longer than the body.
    #[error("Inference-Header-Content-Length is {header}, the body has {body} bytes")]
    HeaderTooLong {
        /// Bytes said.
        header: usize,
        /// Bytes there.
        body: usize,
    },
    /// No JSON of the protocol's shape.
    #[error("the request's JSON: {0} (tensor bytes behind it need the header Inference-Header-Content-Length)")]
    Json(#[from] serde_json::Error),
    /// Another number of inputs than one.
    #[error("the request has {0} inputs, the model has one, {INPUT}")]
    Inputs(usize),
    /// Another input.
    #[error("there is no input {0:?}: the model's is {INPUT}")]
    InputName(String),
    /// Another type.
    #[error("datatype {0:?}: the input takes FP32, and FP16 as binary data")]
    Datatype(String),
    /// Another shape.
    #[error("shape {found:?}: the input takes [rows, {width}], at least one row")]
    Shape {
        /// The request's.
        found: Vec<u64>,
        /// The model's.
        width: usize,
    },
    /// More rows than a response may hold.
    #[error("{rows} rows: at most {most} in a request to this model")]
    Rows {
        /// Asked for.
        rows: u64,
        /// Allowed.
        most: usize,
    },
    /// Another number of values than the shape makes.
    #[error("the shape makes {needed} values, the data has {found}")]
    Count {
        /// By the shape.
        needed: usize,
        /// There.
        found: usize,
    },
    /// Another number of bytes than the shape and type make.
    #[error("the shape and datatype make {needed} bytes, binary_data_size is {found}")]
    Size {
        /// By shape and type.
        needed: usize,
        /// Said.
        found: u64,
    },
    /// Another number of bytes behind the JSON than it says.
    #[error("binary_data_size makes {needed} bytes behind the JSON, there are {found}")]
    Behind {
        /// Said.
        needed: usize,
        /// There.
        found: usize,
    },
    /// No data, or twice.
    #[error("the input needs either data or binary_data_size")]
    Data,
    /// NaN or infinite.
    #[error("value {0} is NaN or infinite")]
    NotFinite(usize),
    /// Another output.
    #[error("there is no output {0:?}: the model has logits, class, exit and confidence")]
    OutputName(String),
    /// The same output again.
    #[error("output {0} is asked for twice")]
    OutputTwice(&'static str),
    /// An extension of the protocol that is not spoken here.
    #[error("{0} is not supported by this server")]
    Unsupported(&'static str),
    /// A head of another conversion.
    #[error("the request is for pair id {request:08x}, the model {model} has pair id {tail:08x}")]
    WrongPair {
        /// The request's.
        request: u32,
        /// The model's name.
        model: String,
        /// The model's.
        tail: u32,
    },
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    id: Option<String>,
    #[serde(deserialize_with = "few")]
    inputs: Vec<Input>,
    #[serde(default, deserialize_with = "few")]
    outputs: Vec<RequestedOutput>,
    #[serde(default)]
    parameters: RequestParameters,
}

#[derive(Default, Deserialize)]
struct RequestParameters {
    #[serde(default)]
    binary_data_output: bool,
    /// Ours: the head's, refused where it is not the tail's.
    #[serde(default)]
    pair_id: Option<u32>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    #[serde(deserialize_with = "few")]
    shape: Vec<u64>,
    datatype: String,
    #[serde(default)]
    parameters: InputParameters,
    #[serde(default)]
    data: Option<Flat>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    #[serde(default)]
    binary_data_size: Option<u64>,
    #[serde(default)]
    shared_memory_region: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RequestedOutput {
    name: String,
    #[serde(default)]
    parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
struct OutputParameters {
    #[serde(default)]
    binary_data: Option<bool>,
    #[serde(default)]
    classification: Option<IgnoredAny>,
    #[serde(default)]
    shared_memory_region: Option<IgnoredAny>,
}

/// Reads the body of an inference request whose first `header` bytes are JSON: all of it where that is not said.
///
/// # Errors
/// See [`BadRequest`].
pub fn parse(facts: &Facts, limits: Limits, header: Option<usize>, body: &[u8]) -> Result<Infer, BadRequest> {
    let (json, behind) = match header {
        // Triton's raw request: nothing but the tensor.
        Some(0) => return raw(facts, body),
        Some(header) => body.split_at_checked(header).ok_or(BadRequest::HeaderTooLong { header, body: body.len() })?,
        None => (body, &[][..]),
    };
    let request: Request = serde_json::from_slice(json)?;
    if let Some(pair) = request.parameters.pair_id.filter(|pair| *pair != facts.pair_id) {
        let model = facts.name.clone();
        return Err(BadRequest::WrongPair { request: pair, model, tail: facts.pair_id });
    }
    let outputs = outputs(&request)?;
    let count = request.inputs.len();
    let [input] = <[Input; 1]>::try_from(request.inputs).map_err(|_| BadRequest::Inputs(count))?;
    let values = values(facts, limits, input, behind)?;
    Ok(Infer { id: request.id, values, outputs })
}

fn raw(facts: &Facts, body: &[u8]) -> Result<Infer, BadRequest> {
    let needed = 4 * facts.width;
    if body.len() != needed {
        return Err(BadRequest::Behind { needed, found: body.len() });
    }
    let outputs = Output::ALL.map(|output| Wanted { output, binary: true }).to_vec();
    Ok(Infer { id: None, values: finite(singles(body))?, outputs })
}

fn outputs(request: &Request) -> Result<Vec<Wanted>, BadRequest> {
    let all_binary = request.parameters.binary_data_output;
    if request.outputs.is_empty() {
        return Ok(Output::ALL.map(|output| Wanted { output, binary: all_binary }).to_vec());
    }
    let wanted = |asked: &RequestedOutput| {
        if asked.parameters.classification.is_some() {
            return Err(BadRequest::Unsupported("classification: ask for the output class,"));
        }
        if asked.parameters.shared_memory_region.is_some() {
            return Err(BadRequest::Unsupported("shared memory"));
        }
        let found = Output::ALL.into_iter().find(|output| output.name() == asked.name);
        let output = found.ok_or_else(|| BadRequest::OutputName(asked.name.clone()))?;
        Ok(Wanted { output, binary: asked.parameters.binary_data.unwrap_or(all_binary) })
    };
    let all = request.outputs.iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    // A response is as long as the model's outputs at most.
    let again = |(at, one): &(usize, &Wanted)| all.iter().take(*at).any(|other| other.output == one.output);
    match all.iter().enumerate().find(again) {
        Some((_, one)) => Err(BadRequest::OutputTwice(one.output.name())),
        None => Ok(all),
    }
}

fn values(facts: &Facts, limits: Limits, input: Input, behind: &[u8]) -> Result<Vec<f32>, BadRequest> {
    if input.name != INPUT {
        return Err(BadRequest::InputName(input.name));
    }
    if input.parameters.shared_memory_region.is_some() {
        return Err(BadRequest::Unsupported("shared memory"));
    }
    let rows = match input.shape.as_slice() {
        [rows, width] if *rows > 0 && usize::try_from(*width) == Ok(facts.width) => *rows,
        _ => return Err(BadRequest::Shape { found: input.shape, width: facts.width }),
    };
    let most = (limits.logits / facts.classes.max(1)).max(1);
    let fitting =
        usize::try_from(rows).ok().filter(|rows| *rows <= most).and_then(|rows| rows.checked_mul(facts.width));
    let needed = fitting.ok_or(BadRequest::Rows { rows, most })?;
    match (input.data, input.parameters.binary_data_size) {
        (Some(Flat(values)), None) => {
            if !behind.is_empty() {
                return Err(BadRequest::Behind { needed: 0, found: behind.len() });
            }
            if input.datatype != "FP32" {
                return Err(BadRequest::Datatype(input.datatype));
            }
            if values.len() != needed {
                return Err(BadRequest::Count { needed, found: values.len() });
            }
            finite(values)
        }
        (None, Some(said)) => binary(&input.datatype, needed, said, behind),
        _ => Err(BadRequest::Data),
    }
}

fn binary(datatype: &str, needed: usize, said: u64, bytes: &[u8]) -> Result<Vec<f32>, BadRequest> {
    let size = match datatype {
        "FP32" => 4,
        "FP16" => 2,
        _ => return Err(BadRequest::Datatype(datatype.to_owned())),
    };
    // `needed` values are at most what a response may hold times a row's width: far below what would overflow.
    let needed = needed.saturating_mul(size);
    if usize::try_from(said) != Ok(needed) {
        return Err(BadRequest::Size { needed, found: said });
    }
    if bytes.len() != needed {
        return Err(BadRequest::Behind { needed, found: bytes.len() });
    }
    finite(if size == 4 {
        singles(bytes)
    } else {
        bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()).collect()
    })
}

fn singles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn finite(values: Vec<f32>) -> Result<Vec<f32>, BadRequest> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(BadRequest::NotFinite(at)),
        None => Ok(values),
    }
}

/// Numbers, in lists nested as deep as one likes: row by row.
struct Flat(Vec<f32>);

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Vec::new();
        Append(&mut values).deserialize(deserializer)?;
        Ok(Self(values))
    }
}

struct Append<'v>(&'v mut Vec<f32>);

impl<'de> DeserializeSeed<'de> for Append<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Append<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or lists of them")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.push(value as f32);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Append(self.0))?.is_some() {}
        Ok(())
    }
}

/// A list that a request has no reason to make long.
fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Few(PhantomData))
}

struct Few<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {FEW} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut found = Vec::new();
        while let Some(entry) = list.next_element()? {
            if found.len() == FEW {
                return Err(Error::invalid_length(FEW + 1, &self));
            }
            found.push(entry);
        }
        Ok(found)
    }
}
