//! The Open Inference Protocol v2 over HTTP: JSON, and the binary tensor extension. Bytes in, bytes out; no sockets.
//!
//! A model has one input, `features` (`FP32`, or `FP16` in binary), of shape `[rows, width]`, and the outputs `logits` (`FP32`,
//! `[rows, classes]`), `class` (`UINT16`), `exit` (`UINT8`) and `confidence` (`FP32`), each of shape `[rows, 1]`.

mod client;
mod request;
mod response;

use lacewing_engine::Model;
use serde_json::{Value, json};

pub use client::{Described, Tensors, read_metadata, read_response, write_request};
pub use request::{BadRequest, Infer, Limits, Output, Wanted, parse};
pub use response::{Body, Results, encode};

/// The header that says how many bytes of a body are JSON.
pub const HEADER_LEN: &str = "inference-header-content-length";
/// The version that every model has.
pub const VERSION: &str = "1";
/// The input's name.
pub const INPUT: &str = "features";

/// What the protocol has to know about a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Name in addresses.
    pub name: String,
    /// Values a row of the input has.
    pub width: usize,
    /// Logits a row of the output has.
    pub classes: usize,
    /// The same in its head.
    pub pair_id: u32,
    /// Trunk junctions in its head.
    pub split: u8,
}

impl Facts {
    /// Of a model that serves under `name`.
    #[must_use]
    pub fn of(name: &str, model: &Model<'_>) -> Self {
        let (width, classes) = (model.n_in(), model.classes());
        Self { name: name.to_owned(), width, classes, pair_id: model.pair_id(), split: model.split() }
    }

    /// The model's metadata.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let outputs = Output::ALL.map(|output| {
            json!({ "name": output.name(), "datatype": output.datatype(), "shape": [-1, output.width(self.classes)] })
        });
        json!({
            "name": self.name,
            "versions": [VERSION],
            "platform": "lacewing",
            "inputs": [{ "name": INPUT, "datatype": "FP32", "shape": [-1, self.width] }],
            "outputs": outputs,
            "parameters": { "pair_id": self.pair_id, "split": self.split },
        })
    }
}

/// The server's metadata.
#[must_use]
pub fn server_metadata() -> Value {
    json!({ "name": "lacewing", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"] })
}
