//! From layers to junctions, trunk and exits.

use lacewing_kernels::Activation;

use super::{Affine, Graph, GraphError, Layer, Node, Weights};

/// A network as junctions.
#[derive(Clone, Debug)]
pub struct Layers {
    /// The trunk, in order; at least one.
    pub trunk: Vec<Folded>,
    /// The exits, in the order in which they leave the trunk.
    pub exits: Vec<Branch>,
    /// What was left out, in words.
    pub notes: Vec<String>,
}

/// An exit of a [`Layers`].
#[derive(Clone, Debug)]
pub struct Branch {
    /// The trunk junction, from 1, whose outputs it reads.
    pub after: usize,
    /// Its junctions; at least one.
    pub junctions: Vec<Folded>,
}

/// A junction with what was folded into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    node: usize,
    /// Its tensors.
    pub weights: Weights,
    /// Applied to its inputs.
    pub before: Option<Affine>,
    /// Applied to its sums.
    pub after: Option<Affine>,
    /// Applied last.
    pub activation: Activation,
}

impl Layers {
    /// The junctions of a graph's layers.
    ///
    /// # Errors
    /// The layers go in a circle, do not fit each other, or cannot be folded into junctions.
    pub fn of(graph: &Graph) -> Result<Self, GraphError> {
        let mut notes = graph.notes.clone();
        let ways =
            graph.outputs.iter().map(|output| fold(graph, *output, &mut notes)).collect::<Result<Vec<_>, _>>()?;
        // Of several longest ways the last: that is where frameworks put the main output of a multi-exit network.
        let is_named = |at: usize| graph.trunk.is_some() && graph.outputs.get(at).copied() == graph.trunk;
        let rank = |(at, way): &(usize, &Vec<Folded>)| (is_named(*at), way.len());
        let Some((trunk_at, trunk)) = ways.iter().enumerate().max_by_key(rank) else {
            return Err(GraphError::Description("the network has no output".into()));
        };
        if ways.iter().enumerate().filter(|way| rank(way) == rank(&(trunk_at, trunk))).count() > 1 {
            let end = graph.outputs.get(trunk_at).map_or_else(String::new, |output| name(graph, *output));
            notes.push(format!("several outputs have as many layers before them: the last, {end}, ends the trunk"));
        }
        let mut exits = Vec::new();
        for (way, output) in
            ways.iter().zip(&graph.outputs).enumerate().filter_map(|(at, way)| (at != trunk_at).then_some(way))
        {
            exits.push(branch(graph, trunk, way, *output)?);
        }
        exits.sort_by_key(|exit| exit.after);
        Ok(Self { trunk: trunk.clone(), exits, notes })
    }
}

/// Where `way` leaves the trunk.
fn branch(graph: &Graph, trunk: &[Folded], way: &[Folded], output: usize) -> Result<Branch, GraphError> {
    let same = trunk.iter().zip(way).take_while(|(trunk, way)| trunk == way).count();
    let junctions = way.get(same..).unwrap_or_default().to_vec();
    let shares = junctions.iter().any(|own| trunk.iter().any(|junction| junction.node == own.node));
    let reason = match same {
        _ if shares => "it reads a layer before its activation or normalisation is complete",
        0 => "it shares no layer with it",
        _ if junctions.is_empty() => "it has no weights of its own",
        _ => return Ok(Branch { after: same, junctions }),
    };
    Err(GraphError::Branch { output: name(graph, output), reason })
}

fn name(graph: &Graph, node: usize) -> String {
    graph.nodes.get(node).map_or_else(String::new, |node| node.name.clone())
}

fn fold(graph: &Graph, output: usize, notes: &mut Vec<String>) -> Result<Vec<Folded>, GraphError> {
    let mut way = Way { done: Vec::new(), pending: None, softmax: false, width: graph.width };
    for (index, node) in graph.path(output)? {
        way.add(index, node)?;
    }
    way.end(&name(graph, output), notes)
}

/// A way from the input, as far as it was followed.
struct Way {
    done: Vec<Folded>,
    /// Folded into the next junction.
    pending: Option<Affine>,
    /// A softmax has been met: nothing may follow.
    softmax: bool,
    /// Values at this point, where it is known.
    width: Option<usize>,
}

impl Way {
    fn add(&mut self, index: usize, node: &Node) -> Result<(), GraphError> {
        let place = |reason| GraphError::Place { layer: node.name.clone(), reason };
        if self.softmax && !matches!(node.layer, Layer::Identity | Layer::Softmax) {
            return Err(place("follows a softmax, which is possible at an output only"));
        }
        match &node.layer {
            Layer::Identity | Layer::Activation(Activation::None) => {}
            Layer::Softmax => self.softmax = true,
            Layer::Activation(activation) => {
                let Some(last) = self.done.last_mut() else {
                    return Err(place("is an activation before any layer with weights"));
                };
                let same = last.activation == *activation && matches!(activation, Activation::Relu | Activation::Relu6);
                if self.pending.is_some() || (last.activation != Activation::None && !same) {
                    return Err(place(
                        "is an activation behind another one: one is possible behind each layer with weights",
                    ));
                }
                last.activation = *activation;
            }
            Layer::Affine(affine) => self.affine(&node.name, affine)?,
            Layer::Junction(weights) => self.junction(index, &node.name, weights)?,
        }
        Ok(())
    }

    fn affine(&mut self, name: &str, affine: &Affine) -> Result<(), GraphError> {
        if let Some(width) = self.width.filter(|width| !affine.fits(*width)) {
            return Err(GraphError::Width {
                layer: name.into(),
                wanted: affine.scale.len().max(affine.shift.len()),
                found: width,
            });
        }
        let place = match self.done.last_mut() {
            Some(last) if last.activation == Activation::None => &mut last.after,
            _ => &mut self.pending,
        };
        *place = Some(place.as_ref().unwrap_or(&Affine::identity()).then(affine));
        Ok(())
    }

    fn junction(&mut self, node: usize, name: &str, weights: &Weights) -> Result<(), GraphError> {
        let (wanted, before) = (weights.n_in, self.pending.take());
        if let Some(found) = self.width.filter(|width| *width != wanted) {
            return Err(GraphError::Width { layer: name.into(), wanted, found });
        }
        if let Some(affine) = before.as_ref().filter(|affine| !affine.fits(wanted)) {
            return Err(GraphError::Width {
                layer: name.into(),
                wanted,
                found: affine.scale.len().max(affine.shift.len()),
            });
        }
        self.width = Some(weights.n_out);
        self.done.push(Folded { node, weights: weights.clone(), before, after: None, activation: Activation::None });
        Ok(())
    }

    fn end(mut self, output: &str, notes: &mut Vec<String>) -> Result<Vec<Folded>, GraphError> {
        let Some(last) = self.done.last_mut() else { return Err(GraphError::Empty { output: output.into() }) };
        if self.pending.is_some() {
            let reason = "is a normalisation behind the last activation: it cannot be folded into a layer with weights";
            return Err(GraphError::Place { layer: output.into(), reason });
        }
        match last.activation {
            Activation::None => {}
            Activation::Relu | Activation::Relu6 => {
                let reason = "ends in a ReLU: classes are told apart by the numbers before it, so leave it out";
                return Err(GraphError::Place { layer: output.into(), reason });
            }
            // These rise with their argument, so that the largest stays the largest.
            Activation::LeakyRelu { slope } if slope <= 0.0 => {
                let reason = "ends in a leaky ReLU whose slope is not above 0: leave it out";
                return Err(GraphError::Place { layer: output.into(), reason });
            }
            activation => {
                notes.push(format!(
                    "output {output}: the {activation:?} at the end is left out; the largest output stays the largest"
                ));
                last.activation = Activation::None;
            }
        }
        Ok(self.done)
    }
}

#[cfg(test)]
mod tests {
    use lacewing_models::recipe::Layout;

    use super::*;

    fn junction(n_in: usize, n_out: usize) -> Layer {
        let weight = format!("w{n_in}x{n_out}");
        Layer::Junction(Weights { weight, bias: None, mask: None, layout: Layout::OutIn, n_in, n_out })
    }

    fn affine(scale: f64, width: usize) -> Layer {
        Layer::Affine(Affine { scale: vec![scale; width], shift: vec![1.0] })
    }

    fn chain(layers: Vec<Layer>) -> Graph {
        Graph::chain(Some(4), layers.into_iter().enumerate().map(|(at, layer)| (format!("layer {at}"), layer)))
    }

    const RELU: Layer = Layer::Activation(Activation::Relu);

    #[test]
    fn affine_layers_go_where_they_can() {
        let graph = chain(vec![
            affine(3.0, 4),
            Layer::Identity,
            junction(4, 3),
            affine(2.0, 3),
            affine(5.0, 1),
            RELU,
            RELU,
            affine(7.0, 3),
            junction(3, 2),
            Layer::Activation(Activation::Sigmoid),
            Layer::Softmax,
        ]);
        let layers = Layers::of(&graph).unwrap();
        let [first, second] = &layers.trunk[..] else { panic!("{layers:?}") };
        assert_eq!(first.before.as_ref().map(|affine| affine.scale_at(3)), Some(3.0));
        assert_eq!(first.after, Some(Affine { scale: vec![10.0; 3], shift: vec![6.0; 3] }));
        assert_eq!((first.activation, second.activation), (Activation::Relu, Activation::None));
        assert_eq!((second.before.as_ref().map(|affine| affine.scale_at(0)), &second.after), (Some(7.0), &None));
        assert_eq!(layers.notes.len(), 1);
    }

    #[test]
    fn the_longest_way_is_the_trunk() {
        let mut graph =
            chain(vec![junction(4, 3), RELU, junction(3, 3), RELU, junction(3, 2), junction(3, 2), Layer::Softmax]);
        graph.nodes[5].input = Some(1);
        graph.outputs = vec![6, 4];
        let layers = Layers::of(&graph).unwrap();
        assert_eq!((layers.trunk.len(), layers.exits.len(), layers.exits[0].after), (3, 1, 1));
        // Unless the file says which it is.
        graph.trunk = Some(6);
        let layers = Layers::of(&graph).unwrap();
        assert_eq!((layers.trunk.len(), layers.exits[0].junctions.len()), (2, 2));
        graph.trunk = None;
        // Of two as long the last.
        graph.nodes[5].input = Some(3);
        let layers = Layers::of(&graph).unwrap();
        assert_eq!((layers.trunk[2].node, layers.exits[0].after), (4, 2));
        assert!(layers.notes[0].contains("the last, layer 4, ends the trunk"), "{:?}", layers.notes);
        // Before the activation.
        graph.nodes[5].input = Some(0);
        assert!(Layers::of(&graph).unwrap_err().to_string().contains("before its activation"));
        // Of the input.
        graph.nodes[5] = Node { name: "alone".into(), input: None, layer: junction(4, 2) };
        assert!(Layers::of(&graph).unwrap_err().to_string().contains("shares no layer"));
        graph.outputs = vec![1, 4];
        assert!(Layers::of(&graph).unwrap_err().to_string().contains("ReLU"));
    }

    #[test]
    fn what_cannot_be_folded() {
        let refused = |layers: Vec<Layer>, words: &str| {
            let error = Layers::of(&chain(layers)).unwrap_err().to_string();
            assert!(error.contains(words), "no {words:?} in: {error}");
        };
        refused(vec![RELU, junction(4, 2)], "before any layer");
        refused(vec![junction(4, 3), RELU, Layer::Activation(Activation::Tanh), junction(3, 2)], "behind another");
        refused(vec![junction(4, 3), RELU, affine(2.0, 3), RELU, junction(3, 2)], "behind another");
        refused(vec![junction(4, 3), Layer::Softmax, junction(3, 2)], "softmax");
        refused(vec![junction(4, 3), RELU], "ReLU");
        refused(vec![junction(4, 3), Layer::Activation(Activation::Tanh), affine(2.0, 3)], "normalisation");
        refused(vec![junction(4, 3), junction(4, 2)], "takes 4 values and is given 3");
        refused(vec![junction(5, 2)], "takes 5 values and is given 4");
        refused(vec![affine(2.0, 5), junction(4, 2)], "takes 5 values and is given 4");
        refused(vec![Layer::Identity], "no layer with weights");
        refused(vec![], "no output");
        let mut circle = chain(vec![junction(4, 4), RELU, junction(4, 2)]);
        circle.nodes[0].input = Some(1);
        assert!(matches!(Layers::of(&circle), Err(GraphError::Cycle { .. })));
        circle.nodes[0].input = Some(9);
        assert!(matches!(Layers::of(&circle), Err(GraphError::Description(_))));
    }
}
