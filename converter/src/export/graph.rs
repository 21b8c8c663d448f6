//! A network as an ONNX graph: Gemm and activations, one output an exit.

use bytes::Bytes;
use lacewing_engine::Part;
use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use prost::Message;

use super::{ExportError, Opened, open};
use crate::network::TrainedJunction;
use crate::onnx::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetId, StringString, TensorProto,
    TensorShape, TensorType, TypeProto, ValueInfo, element,
};

/// Version of the standard's operators, and of the format: what every server in use today reads.
const OPERATORS: i64 = 13;
const IR_VERSION: i64 = 7;
/// `AttributeProto.type` of a float and an integer.
const FLOAT: i32 = 1;
const INT: i32 = 2;

/// What an output of this part is called: features for a head's end, else logits.
pub(super) const fn end_name(part: Part) -> &'static str {
    match part {
        Part::Head => "features",
        _ => "logits",
    }
}

/// What the input of this part is called.
pub(super) const fn input_name(part: Part) -> &'static str {
    match part {
        Part::Tail => "features",
        _ => "input",
    }
}

/// The model file `bytes` as ONNX: an input `[batch, n_in]` named `input`, or `features` in a tail; outputs `exitE`
/// `[batch, classes]`, E counting through the whole network, and last `logits`, or `features` in a head.
///
/// # Errors
/// It is no model file, or computes in int8.
pub fn onnx(bytes: &[u8]) -> Result<Vec<u8>, ExportError> {
    Ok(model(&open(bytes)?).encode_to_vec())
}

pub(super) fn model(opened: &Opened) -> ModelProto {
    let Opened { network, part, pair_id, before, first_exit } = opened;
    let mut graph = Builder { graph: GraphProto::default(), before: *before, first_exit: *first_exit };
    let input = input_name(*part);
    graph.graph.input.push(value(input, network.input.width));
    let mut trunk = input.to_owned();
    for (after, junction) in (1..).zip(&network.trunk) {
        let end = (after == network.trunk.len()).then(|| end_name(*part));
        trunk = graph.junction(junction, &trunk, end);
        for (number, exit) in (*first_exit..).zip(&network.exits).filter(|(_, exit)| exit.after == after) {
            let (name, mut branch) = (format!("exit{number}"), trunk.clone());
            for (at, junction) in exit.branch.iter().enumerate() {
                let last = (at + 1 == exit.branch.len()).then_some(name.as_str());
                branch = graph.junction(junction, &branch, last);
            }
            graph.graph.output.push(value(&name, network.classes));
        }
    }
    let width = network.trunk.last().map_or(0, |last| last.edges.n_out());
    graph.graph.output.push(value(end_name(*part), width));
    graph.graph.name = Some(network.name.clone());
    let entry = |key: &str, value: String| StringString { key: Some(key.into()), value: Some(value) };
    ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("lacewing".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph.graph.encode_to_vec().into()),
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: Some(OPERATORS) }],
        metadata_props: vec![
            entry("lacewing.part", part.name().into()),
            entry("lacewing.pair_id", format!("{pair_id:08x}")),
        ],
    }
}

fn value(name: &str, width: usize) -> ValueInfo {
    let batch = Dimension { dim_param: Some("batch".into()), ..Dimension::default() };
    let width = Dimension { dim_value: Some(width as i64), ..Dimension::default() };
    let shape = TensorShape { dim: vec![batch, width] };
    let tensor_type = TensorType { elem_type: Some(element::FLOAT), shape: Some(shape) };
    ValueInfo { name: Some(name.into()), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

struct Builder {
    graph: GraphProto,
    before: usize,
    first_exit: usize,
}

impl Builder {
    /// Appends a junction that reads `input`; the name of what it gives, `last` where that is said.
    fn junction(&mut self, junction: &TrainedJunction, input: &str, last: Option<&str>) -> String {
        // Numbers of the whole network.
        let id = match junction.id {
            JunctionId::Trunk(at) => JunctionId::Trunk(self.before + at),
            JunctionId::Exit { exit, junction } => JunctionId::Exit { exit: self.first_exit + exit - 1, junction },
        };
        let (weight, bias) = (id.weight(), id.bias());
        let (n_in, n_out) = (junction.edges.n_in(), junction.edges.n_out());
        let output = last.map_or_else(|| format!("{weight}.output"), str::to_owned);
        let activation = self.activation(junction.activation);
        let sums = if activation.is_some() { format!("{weight}.sums") } else { output.clone() };
        let mut inputs = vec![input.to_owned(), weight.clone()];
        self.tensor(&weight, &[n_out, n_in], &junction.edges.to_dense());
        if !junction.bias.is_empty() {
            self.tensor(&bias, &[n_out], &junction.bias);
            inputs.push(bias);
        }
        let turned = AttributeProto { kind: Some(INT), i: Some(1), ..attribute("transB") };
        self.node("Gemm", inputs, &sums, vec![turned]);
        if let Some((operator, bounds, attributes)) = activation {
            self.node(operator, core::iter::once(sums).chain(bounds).collect(), &output, attributes);
        }
        output
    }

    /// Operator, further inputs and attributes of an activation.
    fn activation(&mut self, activation: Activation) -> Option<(&'static str, Vec<String>, Vec<AttributeProto>)> {
        let plain = |operator| Some((operator, Vec::new(), Vec::new()));
        match activation {
            Activation::Relu => plain("Relu"),
            Activation::Tanh => plain("Tanh"),
            Activation::Sigmoid => plain("Sigmoid"),
            Activation::LeakyRelu { slope } => {
                let alpha = AttributeProto { kind: Some(FLOAT), f: Some(slope), ..attribute("alpha") };
                Some(("LeakyRelu", Vec::new(), vec![alpha]))
            }
            Activation::Relu6 => {
                let bounds = [("relu6.low", 0.0), ("relu6.high", 6.0)];
                let there = self.graph.initializer.iter().any(|tensor| tensor.name.as_deref() == Some(bounds[0].0));
                if !there {
                    bounds.iter().for_each(|(name, bound)| self.tensor(name, &[], &[*bound]));
                }
                Some(("Clip", bounds.iter().map(|(name, _)| (*name).to_owned()).collect(), Vec::new()))
            }
            _ => None,
        }
    }

    fn node(&mut self, operator: &str, input: Vec<String>, output: &str, attribute: Vec<AttributeProto>) {
        self.graph.node.push(NodeProto {
            input,
            output: vec![output.to_owned()],
            name: Some(format!("{operator}:{output}")),
            op_type: Some(operator.to_owned()),
            attribute,
            domain: None,
        });
    }

    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.graph.initializer.push(TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: Some(element::FLOAT),
            name: Some(name.to_owned()),
            raw_data: Some(Bytes::from(bytes)),
            ..TensorProto::default()
        });
    }
}

fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() }
}
