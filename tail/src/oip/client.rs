//! The other side of the protocol: writing requests to any server, and reading its responses.

use lacewing_engine::{ExitId, Q15};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::TailAnswer;

/// How a server names a tail's tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensors {
    /// The input, `FP32`, `[1, features]`.
    pub input: String,
    /// The output, `FP32`, `[1, classes]`.
    pub logits: String,
    /// Whether the server is `lacewing serve`, which gives exit and confidence and checks the pair id.
    pub lacewing: bool,
}

impl Default for Tensors {
    fn default() -> Self {
        Self { input: "features".to_owned(), logits: "logits".to_owned(), lacewing: true }
    }
}

/// Writes a request for the answer to one row of features to `body`, in place of what is there, and gives the length of its
/// JSON. The request's id is `sequence`.
pub fn write_request(tensors: &Tensors, features: &[f32], pair_id: u32, sequence: u32, body: &mut Vec<u8>) -> usize {
    let binary = |name: &str| json!({ "name": name, "parameters": { "binary_data": true } });
    let mut outputs = vec![binary(&tensors.logits)];
    let mut request = json!({
        "id": sequence.to_string(),
        "inputs": [{
            "name": tensors.input,
            "shape": [1, features.len()],
            "datatype": "FP32",
            "parameters": { "binary_data_size": size_of_val(features) },
        }],
    });
    if let Some(fields) = request.as_object_mut() {
        if tensors.lacewing {
            outputs.extend(["exit", "confidence"].map(binary));
            fields.insert("parameters".to_owned(), json!({ "pair_id": pair_id }));
        }
        fields.insert("outputs".to_owned(), outputs.into());
    }
    body.clear();
    body.extend(request.to_string().bytes());
    let header = body.len();
    body.extend(features.iter().flat_map(|value| value.to_le_bytes()));
    header
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    id: Option<String>,
    outputs: Vec<Tensor>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    datatype: String,
    #[serde(default)]
    parameters: Option<TensorParameters>,
    #[serde(default)]
    data: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct TensorParameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
}

/// Reads a response whose first `header` bytes are JSON, all of it where that is not said. Tensors come behind the JSON in the
/// order in which it lists them.
///
/// # Errors
/// In words: it is to another request; it has no such logits, or one that is not finite; its lengths contradict each other.
pub fn read_response(
    tensors: &Tensors,
    sequence: u32,
    header: Option<usize>,
    body: &[u8],
) -> Result<TailAnswer, String> {
    let header = header.unwrap_or(body.len());
    let (json, mut behind) = body.split_at_checked(header).ok_or("its header is longer than its body")?;
    let response: Response = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if response.id.as_deref().is_some_and(|id| !id.is_empty() && id != sequence.to_string()) {
        return Err(format!("it is to request {:?}, not to {sequence}", response.id.unwrap_or_default()));
    }
    let mut answer = TailAnswer { class: 0, exit: None, confidence: None, logits: Vec::new() };
    for tensor in response.outputs {
        let bytes = match tensor.parameters.as_ref().and_then(|parameters| parameters.binary_data_size) {
            Some(size) => {
                let (bytes, rest) = behind.split_at_checked(size).ok_or("a tensor is longer than the body")?;
                behind = rest;
                Some(bytes)
            }
            None => None,
        };
        let floats = || match (&tensor.data, bytes, tensor.datatype.as_str()) {
            (Some(data), None, _) => Ok(data.clone()),
            (None, Some(bytes), "FP32") if bytes.len() % 4 == 0 => {
                Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            _ => Err(format!("output {} is no FP32", tensor.name)),
        };
        if tensor.name == tensors.logits {
            answer.logits = floats()?;
        } else if tensors.lacewing && tensor.name == "exit" {
            answer.exit = bytes.and_then(|bytes| bytes.first()).map(|exit| ExitId(*exit));
        } else if tensors.lacewing && tensor.name == "confidence" {
            answer.confidence = floats()?.first().map(|confidence| Q15::from_f32(*confidence));
        }
    }
    if answer.logits.iter().any(|logit| !logit.is_finite()) {
        return Err("its logits are not finite: the features are too large for the model".to_owned());
    }
    answer.class = class_of(&answer.logits).ok_or_else(|| format!("it has no logits in output {}", tensors.logits))?;
    Ok(answer)
}

/// The first of the largest logits, which are finite; `None` where there are none, or too many for a class.
fn class_of(logits: &[f32]) -> Option<u16> {
    let first_largest = |best: (usize, f32), (at, logit): (usize, f32)| if logit > best.1 { (at, logit) } else { best };
    let (class, _) = logits.iter().copied().enumerate().skip(1).fold((0, *logits.first()?), first_largest);
    u16::try_from(class).ok()
}

/// What a server says about a model that can be a tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its tensors' names.
    pub tensors: Tensors,
    /// Values a row of its input has.
    pub width: usize,
    /// Pair id and split, where it is a `lacewing serve` that says them.
    pub pair: Option<(u32, u8)>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    platform: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    #[serde(default)]
    parameters: Option<Value>,
}

#[derive(Deserialize)]
struct Port {
    name: String,
    datatype: String,
    #[serde(default)]
    shape: Vec<i64>,
}

/// Reads a model's metadata. The logits are the output of that name, or the only output.
///
/// # Errors
/// In words: no metadata; not one `FP32` input of `[rows, width]`; no telling which output has the logits.
pub fn read_metadata(body: &[u8]) -> Result<Described, String> {
    let Metadata { platform, inputs, outputs, parameters } =
        serde_json::from_slice(body).map_err(|error| format!("no model metadata: {error}"))?;
    let [input] = inputs.as_slice() else { return Err(format!("it has {} inputs, a tail has one", inputs.len())) };
    let width = input.shape.last().and_then(|width| usize::try_from(*width).ok()).filter(|width| *width > 0);
    let (Some(width), "FP32") = (width, input.datatype.as_str()) else {
        return Err(format!("its input is {} {:?}, not FP32 [rows, width]", input.datatype, input.shape));
    };
    let logits = match outputs.as_slice() {
        [only] => only,
        many => many.iter().find(|output| output.name == "logits").ok_or("none of its outputs is named logits")?,
    };
    let number = |key: &str| parameters.as_ref().and_then(|parameters| parameters.get(key)?.as_u64());
    let pair = number("pair_id").and_then(|id| u32::try_from(id).ok());
    let split = number("split").and_then(|split| u8::try_from(split).ok());
    let lacewing = platform == "lacewing";
    let tensors = Tensors { input: input.name.clone(), logits: logits.name.clone(), lacewing };
    Ok(Described { tensors, width, pair: pair.zip(split).filter(|_| lacewing) })
}

#[cfg(test)]
mod tests {
    use super::{class_of, read_metadata, read_response};
    use crate::oip::Tensors;

    #[test]
    fn the_class_is_the_first_of_the_largest() {
        assert_eq!(class_of(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(class_of(&[]), None);
    }

    #[test]
    fn responses_that_are_none_are_refused() {
        let tensors = Tensors { lacewing: false, ..Tensors::default() };
        let read = |json: &str, header: Option<usize>| read_response(&tensors, 5, header, json.as_bytes());
        let sound = r#"{"outputs":[{"name":"logits","datatype":"FP32","shape":[1,2],"data":[0.5,2.0]}]}"#;
        assert_eq!(read(sound, None).expect("sound").class, 1);
        assert_eq!(read(&sound.replace("{\"outputs\"", "{\"id\":\"5\",\"outputs\""), None).expect("sound").class, 1);
        for (wrong, word) in [
            (sound.replace("{\"outputs\"", "{\"id\":\"6\",\"outputs\""), "not to 5"),
            (sound.replace("logits", "y"), "no logits"),
            (sound.replace("[0.5,2.0]", "[]"), "no logits"),
            (sound.replace("[0.5,2.0]", "[0.5,1e39]"), "not finite"),
            (sound.replace("\"data\":[0.5,2.0]", "\"parameters\":{\"binary_data_size\":8}"), "longer than the body"),
            ("[]".to_owned(), "invalid"),
        ] {
            let error = read(&wrong, None).expect_err(&wrong);
            assert!(error.contains(word), "{error}");
        }
        for logit in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let json = sound.replace("\"data\":[0.5,2.0]", "\"parameters\":{\"binary_data_size\":8}");
            let body = [json.as_bytes(), &0.5f32.to_le_bytes(), &logit.to_le_bytes()].concat();
            let error = read_response(&tensors, 5, Some(json.len()), &body).expect_err("no class in it");
            assert!(error.contains("not finite"), "{error}");
        }
        assert!(read(sound, Some(sound.len() + 1)).expect_err("too long").contains("longer than its body"));
    }

    #[test]
    fn metadata_of_other_servers() {
        let triton = r#"{"name":"m","versions":["1"],"platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32",
            "shape":[-1,40]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,10]}]}"#;
        let described = read_metadata(triton.as_bytes()).expect("sound");
        let tensors = Tensors { input: "x".to_owned(), logits: "y".to_owned(), lacewing: false };
        assert_eq!((described.tensors, described.width, described.pair), (tensors, 40, None));
        for (from, to) in
            [("FP32\",\n", "INT8\",\n"), ("-1,40", "-1,-1"), ("\"x\"", "\"x\",\"datatype\":1"), ("40]}", "40]},{}")]
        {
            assert!(read_metadata(triton.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
    }
}
