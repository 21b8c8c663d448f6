//! Keras's description of a model: which layers there are, and which feeds which.

use std::collections::HashMap;

use serde_json::Value;

use super::layer::{Described, Reader};
use crate::layers::{Graph, GraphError, Node};
use crate::source::{Format, LayersError};

/// The graph of a `Sequential` or functional model.
pub(super) fn graph<F: Format>(model: &Value, reader: &mut Reader<'_, F>) -> Result<Graph, LayersError> {
    let class = text(model, "class_name").unwrap_or_default();
    let config = model.get("config").unwrap_or(&Value::Null);
    // Before Keras 2.2.3 a sequential model's config was the list itself.
    let layers = config.get("layers").unwrap_or(config);
    let layers = layers.as_array().ok_or_else(|| broken("the model has no list of layers"))?;
    let layers = Described::list(layers)?;
    match class {
        "Sequential" => sequential(&layers, reader),
        "Functional" | "Model" => functional(&layers, config, reader),
        other => {
            Err(broken(&format!("a model of class {other} is not supported, only Sequential and functional ones")))
        }
    }
}

fn broken(reason: &str) -> LayersError {
    GraphError::Description(reason.to_owned()).into()
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn sequential<F: Format>(layers: &[Described<'_>], reader: &mut Reader<'_, F>) -> Result<Graph, LayersError> {
    let mut chain = Vec::new();
    for layer in layers {
        chain.extend(reader.layers(layer)?.into_iter().map(|made| (layer.name.to_owned(), made)));
    }
    Ok(Graph::chain(layers.first().and_then(Described::input_width), chain))
}

fn functional<F: Format>(
    layers: &[Described<'_>],
    config: &Value,
    reader: &mut Reader<'_, F>,
) -> Result<Graph, LayersError> {
    let mut graph = Graph::default();
    // First and last node of each layer.
    let mut ends = HashMap::new();
    for layer in layers {
        let first = graph.nodes.len();
        for made in reader.layers(layer)? {
            let input = (graph.nodes.len() > first).then(|| graph.nodes.len() - 1);
            graph.nodes.push(Node { name: layer.name.to_owned(), input, layer: made });
        }
        if ends.insert(layer.name, (first, graph.nodes.len() - 1)).is_some() {
            return Err(broken(&format!("there are two layers of the name {}", layer.name)));
        }
    }
    let end = |name: &str| match ends.get(name) {
        Some((_, last)) => Ok(*last),
        None => Err(broken(&format!("there is no layer {name}, which feeds another"))),
    };
    let mut inputs = 0;
    for layer in layers {
        let sources = layer.sources()?;
        let Some((first, _)) = ends.get(layer.name) else { continue };
        match &sources[..] {
            [] => {
                inputs += 1;
                graph.width = layer.input_width();
            }
            [one] => {
                let source = end(one)?;
                graph.nodes.get_mut(*first).into_iter().for_each(|node| node.input = Some(source));
            }
            _ => return Err(layer.setting("takes several inputs; one is supported").into()),
        }
    }
    if inputs != 1 {
        return Err(broken(&format!("the network has {inputs} inputs; one is supported")));
    }
    let mut outputs = Vec::new();
    histories(config.get("output_layers").unwrap_or(&Value::Null), &mut outputs);
    graph.outputs = outputs.into_iter().map(end).collect::<Result<_, _>>()?;
    Ok(graph)
}

/// The layers named in references such as `["dense", 0, 0]`, wherever in `value` they are.
pub(super) fn histories<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => match &items[..] {
            [Value::String(name), Value::Number(_), Value::Number(_), ..] => found.push(name),
            items => items.iter().for_each(|item| histories(item, found)),
        },
        Value::Object(entries) => entries.values().for_each(|item| histories(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::histories;

    #[test]
    fn references_of_both_generations() {
        let legacy = json!([[["dense", 0, 0, {}]]]);
        let keras3 = json!([{"args": [{"class_name": "__keras_tensor__", "config": {"shape": [null, 3],
            "keras_history": ["dense", 0, 0]}}], "kwargs": {"training": false}}]);
        for value in [legacy, keras3, json!(["dense", 0, 0])] {
            let mut found = Vec::new();
            histories(&value, &mut found);
            assert_eq!(found, ["dense"]);
        }
    }
}
