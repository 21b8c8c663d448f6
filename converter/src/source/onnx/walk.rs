//! From the outputs of an ONNX graph back to its input.

use std::collections::HashMap;

use super::File;
use super::constant::Constants;
use super::operator::{self, Operator};
use crate::layers::{Graph, GraphError, Node};
use crate::onnx::{NodeProto, ValueInfo};
use crate::source::LayersError;

/// Which node gives a value.
pub(super) struct Producers<'f> {
    by_value: HashMap<&'f str, &'f NodeProto>,
}

impl<'f> Producers<'f> {
    fn of_all(nodes: &'f [NodeProto]) -> Result<Self, GraphError> {
        let mut by_value = HashMap::new();
        for node in nodes {
            for value in node.output.iter().filter(|value| !value.is_empty()) {
                if by_value.insert(value.as_str(), node).is_some() {
                    return Err(GraphError::Description(format!("two nodes give the value {value}")));
                }
            }
        }
        Ok(Self { by_value })
    }

    pub(super) fn of(&self, value: &str) -> Option<&'f NodeProto> {
        self.by_value.get(value).copied()
    }
}

/// What a node is called in messages: by its name, else by its output.
pub(super) fn name(node: &NodeProto) -> &str {
    let named = node.name.as_deref().filter(|name| !name.is_empty());
    named.or_else(|| node.output.first().map(String::as_str)).unwrap_or("without a name")
}

/// The layers of a file.
pub(super) fn graph(file: &mut File) -> Result<Graph, LayersError> {
    let producers = Producers::of_all(&file.nodes)?;
    // Older versions list stored tensors among the inputs too.
    let mut inputs = file.inputs.iter().filter(|input| !file.tensors.has(value_name(input)));
    let input = match (inputs.next(), inputs.next()) {
        (Some(input), None) => input,
        (None, _) => return Err(GraphError::Description("the network has no input".into()).into()),
        (Some(one), Some(two)) => {
            let (one, two) = (value_name(one), value_name(two));
            let reason = format!("the network has several inputs ({one}, {two}); one is supported");
            return Err(GraphError::Description(reason).into());
        }
    };
    let mut graph = Graph { width: width(input), ..Graph::default() };
    let mut walk = Walk {
        input: value_name(input),
        constants: Constants { tensors: &mut file.tensors, producers: &producers },
        producers: &producers,
        ends: HashMap::new(),
    };
    for output in &file.outputs {
        match walk.follow(&mut graph, value_name(output))? {
            Some(end) => graph.outputs.push(end),
            None => {
                let reason = format!("the output {} is the input itself", value_name(output));
                return Err(GraphError::Description(reason).into());
            }
        }
    }
    Ok(graph)
}

fn value_name(value: &ValueInfo) -> &str {
    value.name.as_deref().unwrap_or_default()
}

/// The number of values of one sample: all axes but the first, where the file says them.
fn width(input: &ValueInfo) -> Option<usize> {
    let shape = input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    let lengths = shape.dim.get(1..).filter(|lengths| !lengths.is_empty())?;
    lengths.iter().try_fold(1usize, |all, length| {
        let length = usize::try_from(length.dim_value?).ok().filter(|length| *length > 0)?;
        all.checked_mul(length)
    })
}

struct Walk<'f> {
    input: &'f str,
    constants: Constants<'f>,
    producers: &'f Producers<'f>,
    /// The last layer made for each value that was met; none for the network's input.
    ends: HashMap<&'f str, Option<usize>>,
}

impl<'f> Walk<'f> {
    /// Adds the layers that lead to `value`; the last one, none where it is the network's input.
    fn follow(&mut self, graph: &mut Graph, value: &'f str) -> Result<Option<usize>, LayersError> {
        let mut way: Vec<(&'f NodeProto, Operator)> = Vec::new();
        let mut met: HashMap<&str, ()> = HashMap::new();
        let mut at = value;
        let mut end = loop {
            if at == self.input {
                break None;
            }
            if let Some(end) = self.ends.get(at) {
                break *end;
            }
            let Some(node) = self.producers.of(at) else {
                return Err(GraphError::Description(format!("no node gives the value {at}")).into());
            };
            if met.insert(at, ()).is_some() {
                return Err(GraphError::Cycle { layer: name(node).to_owned() }.into());
            }
            if node.output.first().map(String::as_str) != Some(at) {
                let reason = format!("its output {at} is used: only the first one is supported");
                return Err(GraphError::Setting { layer: name(node).to_owned(), reason }.into());
            }
            let operator = operator::read(node, &mut self.constants)?;
            at = node.input.get(operator.data).map(String::as_str).unwrap_or_default();
            way.push((node, operator));
        };
        for (node, operator) in way.into_iter().rev() {
            for layer in operator.layers {
                graph.nodes.push(Node { name: name(node).to_owned(), input: end, layer });
                end = Some(graph.nodes.len() - 1);
            }
            if let Some(value) = node.output.first() {
                self.ends.insert(value, end);
            }
        }
        Ok(end)
    }
}
