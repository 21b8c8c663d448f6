//! A tail as a model repository: for Triton, and for KServe that runs it.

use std::path::PathBuf;

use lacewing_engine::Part;
use prost::Message;

use super::graph::{end_name, input_name, model};
use super::{ExportError, File, open};

/// What a server is told beside the model.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'r> {
    /// Name of the model and of the service: a DNS label.
    pub name: &'r str,
    /// Where the repository will lie, as KServe's `storageUri` has it.
    pub storage_uri: &'r str,
    /// Most samples a batch.
    pub max_batch: u32,
    /// How long a sample waits for others to share its batch, in microseconds.
    pub max_delay: u32,
}

impl Default for Repository<'_> {
    fn default() -> Self {
        Self { name: "tail", storage_uri: "pvc://models/repository", max_batch: 64, max_delay: 200 }
    }
}

/// The tail `bytes` as a model repository: `NAME/1/model.onnx` and `NAME/config.pbtxt` for Triton, and
/// `NAME.inferenceservice.yaml` for KServe.
///
/// # Errors
/// It is no tail, computes in int8, or the name is none of a service.
pub fn repository(bytes: &[u8], settings: &Repository<'_>) -> Result<Vec<File>, ExportError> {
    let Repository { name, .. } = settings;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| inner(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_label {
        return Err(ExportError::Name((*name).to_owned()));
    }
    let opened = open(bytes)?;
    if opened.part != Part::Tail {
        return Err(ExportError::NoTail(opened.part.name()));
    }
    let exits = (opened.first_exit..).zip(&opened.network.exits).map(|(number, _)| format!("exit{number}"));
    let outputs: Vec<String> = exits.chain([end_name(opened.part).to_owned()]).collect();
    let folder = PathBuf::from(name);
    Ok(vec![
        (folder.join("1/model.onnx"), model(&opened).encode_to_vec()),
        (
            folder.join("config.pbtxt"),
            config(settings, opened.network.input.width, opened.network.classes, &outputs).into(),
        ),
        (PathBuf::from(format!("{name}.inferenceservice.yaml")), service(settings).into()),
    ])
}

/// Triton's description of the model.
fn config(settings: &Repository<'_>, width: usize, classes: usize, outputs: &[String]) -> String {
    let Repository { name, max_batch, max_delay, .. } = settings;
    let tensor = |name: &str, width| {
        format!("  {{\n    name: \"{name}\"\n    data_type: TYPE_FP32\n    dims: [ {width} ]\n  }}")
    };
    let outputs: Vec<String> = outputs.iter().map(|name| tensor(name, classes)).collect();
    format!(
        "name: \"{name}\"\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: {max_batch}\ninput [\n{}\n]\noutput [\n{}\n]\n\
         dynamic_batching {{\n  max_queue_delay_microseconds: {max_delay}\n}}\n",
        tensor(input_name(Part::Tail), width),
        outputs.join(",\n")
    )
}

/// The manifest: KServe starts Triton on the repository and speaks version 2 of its protocol, as the device does.
fn service(settings: &Repository<'_>) -> String {
    let Repository { name, storage_uri, .. } = settings;
    // Quoted: JSON strings are YAML strings.
    let storage_uri = serde_json::Value::from(*storage_uri);
    format!(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata:\n  name: {name}\nspec:\n  predictor:\n    \
         model:\n      modelFormat:\n        name: triton\n      protocolVersion: v2\n      runtime: kserve-tritonserver\n      \
         storageUri: {storage_uri}\n"
    )
}
