//! Nodes, and what can be wrong with them.

use lacewing_kernels::Activation;
use lacewing_models::recipe::Layout;
use thiserror::Error;

use super::Affine;

/// The layers of a file.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The layers in any order.
    pub nodes: Vec<Node>,
    /// The nodes whose values the network gives out.
    pub outputs: Vec<usize>,
    /// The node among `outputs` that ends the trunk, where the file says it; else it is the one with most junctions before it.
    pub trunk: Option<usize>,
    /// Number of the network's inputs, where the file says it.
    pub width: Option<usize>,
    /// What is worth knowing about how the file was understood.
    pub notes: Vec<String>,
}

/// A layer, and the one that feeds it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the file, for messages.
    pub name: String,
    /// The node whose values it takes; `None`: the network's input.
    pub input: Option<usize>,
    /// What it does.
    pub layer: Layer,
}

/// What a layer does.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Multiplies with a matrix.
    Junction(Weights),
    /// Scales and shifts.
    Affine(Affine),
    /// Applies a function to each value.
    Activation(Activation),
    /// Softmax or its logarithm; possible at an output only, where it is left out, since exits work on logits.
    Softmax,
    /// Nothing, at inference: dropout, flattening.
    Identity,
}

/// Names of a junction's tensors and the shape of its matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// The matrix.
    pub weight: String,
    /// The biases, where it has any.
    pub bias: Option<String>,
    /// The mask, where it has one; else zeros are the absence of edges.
    pub mask: Option<String>,
    /// Order of the matrix's axes.
    pub layout: Layout,
    /// Inputs.
    pub n_in: usize,
    /// Outputs.
    pub n_out: usize,
}

/// A file's layers do not make a network that can be converted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A kind of layer that there are no kernels for.
    #[error("layer {layer} is a {kind}, which is not supported; supported are {supported}")]
    Layer {
        /// Its name.
        layer: String,
        /// Its kind, as the file calls it.
        kind: String,
        /// What can be converted from this kind of file.
        supported: &'static str,
    },
    /// A supported kind of layer with a setting that there are no kernels for.
    #[error("layer {layer}: {reason}")]
    Setting {
        /// Its name.
        layer: String,
        /// What, and what is possible.
        reason: String,
    },
    /// The layers feed each other in a circle.
    #[error("layer {layer} feeds itself: a network has no circles")]
    Cycle {
        /// A layer in the circle.
        layer: String,
    },
    /// Two layers that follow each other do not fit.
    #[error("layer {layer} takes {wanted} values and is given {found}")]
    Width {
        /// The second.
        layer: String,
        /// What it takes.
        wanted: usize,
        /// What it gets.
        found: usize,
    },
    /// A layer stands where it cannot be folded into a junction.
    #[error("layer {layer} {reason}")]
    Place {
        /// Its name.
        layer: String,
        /// What is wrong there.
        reason: &'static str,
    },
    /// There is no junction at all.
    #[error("there is no layer with weights on the way to output {output}")]
    Empty {
        /// The output's node.
        output: String,
    },
    /// An exit does not leave the trunk behind an activation.
    #[error("output {output} does not branch off behind a layer of the trunk: {reason}")]
    Branch {
        /// The output's node.
        output: String,
        /// Why not.
        reason: &'static str,
    },
    /// The description itself cannot be understood.
    #[error("{0}")]
    Description(String),
}

impl Graph {
    /// A graph whose layers follow each other in order.
    pub(crate) fn chain(width: Option<usize>, layers: impl IntoIterator<Item = (String, Layer)>) -> Self {
        let node = |(at, (name, layer)): (usize, _)| Node { name, input: at.checked_sub(1), layer };
        let nodes: Vec<Node> = layers.into_iter().enumerate().map(node).collect();
        let outputs = nodes.len().checked_sub(1).into_iter().collect();
        Self { nodes, outputs, trunk: None, width, notes: Vec::new() }
    }

    /// The nodes from the input to `output`.
    pub(super) fn path(&self, output: usize) -> Result<Vec<(usize, &Node)>, GraphError> {
        let mut path = Vec::new();
        let mut at = Some(output);
        while let Some(index) = at {
            let missing = || GraphError::Description(format!("layer {index} is not there"));
            let node = self.nodes.get(index).ok_or_else(missing)?;
            if path.len() >= self.nodes.len() {
                return Err(GraphError::Cycle { layer: node.name.clone() });
            }
            path.push((index, node));
            at = node.input;
        }
        path.reverse();
        Ok(path)
    }
}
