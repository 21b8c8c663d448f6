//! Any server of the Open Inference Protocol v2 with the binary tensor extension: `lacewing serve`, Triton, KServe.

use core::time::Duration;
use std::time::Instant;

use lacewing_engine::{ExitId, Features, Q15};
use serde::Deserialize;
use serde_json::json;

use super::{Link, LinkError, TailAnswer, left};
use crate::oip::HEADER_LEN;

/// Bytes of a response that are read.
const LONGEST: u64 = 1 << 20;

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

/// Requests over HTTP to one model of a server.
#[derive(Debug)]
pub struct KserveLink {
    agent: ureq::Agent,
    url: String,
    tensors: Tensors,
    body: Vec<u8>,
}

impl KserveLink {
    /// To `model` on the server at `url`, such as `http://127.0.0.1:8080`. Model names come from whoever sets the device up.
    #[must_use]
    pub fn new(url: &str, model: &str, tensors: Tensors) -> Self {
        // Errors of the server are told from its words; proxies are for those who browse.
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let url = format!("{}/v2/models/{model}/infer", url.trim_end_matches('/'));
        Self { agent: config.into(), url, tensors, body: Vec::new() }
    }

    /// Writes the request's body and gives the length of its JSON.
    fn write(&mut self, features: &Features<'_>) -> usize {
        let binary = |name: &str| json!({ "name": name, "parameters": { "binary_data": true } });
        let mut outputs = vec![binary(&self.tensors.logits)];
        let mut request = json!({
            "id": features.sequence().to_string(),
            "inputs": [{
                "name": self.tensors.input,
                "shape": [1, features.values().len()],
                "datatype": "FP32",
                "parameters": { "binary_data_size": features.payload_len() },
            }],
        });
        if let Some(fields) = request.as_object_mut() {
            if self.tensors.lacewing {
                outputs.extend(["exit", "confidence"].map(binary));
                fields.insert("parameters".to_owned(), json!({ "pair_id": features.pair_id() }));
            }
            fields.insert("outputs".to_owned(), outputs.into());
        }
        self.body.clear();
        self.body.extend(request.to_string().bytes());
        let header = self.body.len();
        self.body.extend(features.values().iter().flat_map(|value| value.to_le_bytes()));
        header
    }
}

impl Link for KserveLink {
    fn ask(&mut self, features: &Features<'_>, until: Instant) -> Result<TailAnswer, LinkError> {
        let header = self.write(features);
        let time: Duration = left(until)?;
        let request = self.agent.post(&self.url).config().timeout_global(Some(time)).build();
        let request = request.content_type("application/octet-stream").header(HEADER_LEN, header.to_string());
        let mut response = request.send(&self.body[..]).map_err(failed)?;
        let status = response.status().as_u16();
        let header = response.headers().get(HEADER_LEN).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(LONGEST).read_to_vec().map_err(failed)?;
        if status != 200 {
            return Err(LinkError::Status { status, message: message(&body) });
        }
        read(&body, header, &self.tensors, features.sequence()).map_err(LinkError::Response)
    }
}

fn failed(error: ureq::Error) -> LinkError {
    match error {
        ureq::Error::Timeout(_) => LinkError::TimedOut,
        ureq::Error::Io(error) => super::failed(error),
        other => LinkError::Io(std::io::Error::other(other)),
    }
}

/// The server's own words, where it has some.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Failure {
        error: String,
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => failure.error,
        Err(_) => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
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
    parameters: TensorParameters,
    #[serde(default)]
    data: Option<Vec<f32>>,
}

#[derive(Default, Deserialize)]
struct TensorParameters {
    #[serde(default)]
    binary_data_size: Option<usize>,
}

/// Reads a response: tensors come behind the JSON in the order in which it lists them.
fn read(body: &[u8], header: Option<usize>, tensors: &Tensors, sequence: u32) -> Result<TailAnswer, String> {
    let header = header.unwrap_or(body.len());
    let (json, mut behind) = body.split_at_checked(header).ok_or("its header is longer than its body")?;
    let response: Response = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if response.id.as_deref().is_some_and(|id| id != sequence.to_string()) {
        return Err(format!("it is to request {:?}, not to {sequence}", response.id.unwrap_or_default()));
    }
    let mut answer = TailAnswer { class: 0, exit: None, confidence: None, logits: Vec::new() };
    for tensor in response.outputs {
        let bytes = match tensor.parameters.binary_data_size {
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
    let first_largest = |best: (usize, f32), (at, logit): (usize, f32)| if logit > best.1 { (at, logit) } else { best };
    let (class, _) = answer.logits.iter().copied().enumerate().fold((0, f32::NEG_INFINITY), first_largest);
    if answer.logits.is_empty() {
        return Err(format!("it has no output {}", tensors.logits));
    }
    answer.class = u16::try_from(class).map_err(|_| "it has more than 65,536 logits")?;
    Ok(answer)
}
