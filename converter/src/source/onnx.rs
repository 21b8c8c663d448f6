//! ONNX files: protobuf messages, decoded in place over the mapped file. The graph is followed from its outputs back to its
//! input; what is made of constants alone is folded where that is trivial.

mod constant;
mod operator;
mod tensors;
mod walk;

use std::path::Path;

use bytes::{Buf, Bytes};
use lacewing_models::recipe::MAX_JUNCTIONS;
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use super::{Format, LayersError, Refusal, Tensor};
use crate::layers::Graph;
use crate::onnx::{GraphProto, ModelProto, NodeProto, OperatorSetId, ValueInfo};
use tensors::{Stored, Tensors};

/// Fields of a graph: a network of 16 junctions needs a hundred. Each costs memory a hundred times its smallest encoding.
const MAX_FIELDS: usize = 1 << 16;

/// An open ONNX file.
#[derive(Debug)]
pub(super) struct File {
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    tensors: Tensors,
}

/// Whether a file begins as ONNX files do, which have no magic number: with the version of the format, and then one of the
/// fields that follow it.
pub(super) fn is_onnx(bytes: &[u8]) -> bool {
    // Keys are (number << 3 | wire type): 2 to 7, 8, 14, 20, 25 and 26 may come next.
    matches!(bytes, [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42 | 0x72 | 0xa2 | 0xca | 0xd2, ..])
}

impl File {
    /// Opens the file in `bytes`, which is at `path`: tensors outside it are looked for beside it.
    pub(super) fn open(bytes: Bytes, path: &Path) -> Result<Self, Refusal> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let said = |error: prost::DecodeError| format!("no ONNX model: {error}");
        let model = ModelProto::decode(bytes).map_err(said)?;
        let graph = model.graph.ok_or("an ONNX model without a graph")?;
        let standard = |set: &OperatorSetId| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx"));
        if !model.opset_import.iter().any(standard) {
            return Err("an ONNX model that does not say its version of the operators: it may be cut off".into());
        }
        count_fields(graph.clone())?;
        let graph = GraphProto::decode(graph).map_err(said)?;
        let mut tensors = Tensors::new(folder.to_owned());
        let mut add = |name: &str, tensor| match tensors.add(name, tensor) {
            true => Ok(()),
            false => Err(format!("there are two tensors of the name {name:?}")),
        };
        for tensor in graph.initializer {
            add(&tensor.name.clone().unwrap_or_default(), Stored::Dense(tensor.into()))?;
        }
        for tensor in graph.sparse_initializer {
            let name = tensor.values.as_ref().and_then(|values| values.name.clone()).unwrap_or_default();
            add(&name, Stored::Sparse(tensor.into()))?;
        }
        let mut nodes = Vec::new();
        for mut node in graph.node {
            match constant::take(&mut node)? {
                Some((name, tensor)) => add(&name, tensor)?,
                None => nodes.push(node),
            }
        }
        Ok(Self { nodes, inputs: graph.input, outputs: graph.output, tensors })
    }
}

/// Refuses graphs of very many parts before memory is asked for each.
fn count_fields(mut graph: Bytes) -> Result<(), Refusal> {
    for _ in 0..MAX_FIELDS {
        if !graph.has_remaining() {
            return Ok(());
        }
        let field =
            decode_key(&mut graph).and_then(|(tag, wire)| skip_field(wire, tag, &mut graph, DecodeContext::default()));
        field.map_err(|error| format!("no ONNX graph: {error}"))?;
    }
    Err(Refusal::Unsupported(format!(
        "a graph of more than {MAX_FIELDS} parts, which no network of at most {MAX_JUNCTIONS} junctions needs: export the \
         network without training and preprocessing"
    )))
}

impl Format for File {
    fn names(&self) -> Vec<String> {
        self.tensors.names().cloned().collect()
    }

    fn shape(&mut self, name: &str) -> Result<Option<Vec<usize>>, Refusal> {
        self.tensors.shape(name)
    }

    fn tensor(&mut self, name: &str, limit: u64) -> Result<Option<Tensor>, Refusal> {
        self.tensors.read(name, limit)
    }

    fn graph(&mut self) -> Result<Option<Graph>, LayersError> {
        walk::graph(self).map(Some)
    }
}
