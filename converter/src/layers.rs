//! The layers of a network as another framework's file describes them, and how they become junctions.
//!
//! A [`Graph`] has one node a layer, each fed by one other. Every way from the input to an output is folded by itself: affine
//! layers (batch normalisation, a bias added separately) go into the junction before them where no activation stands
//! between, else into the one behind. The longest way is the trunk; the others are exits, and leave it where their junctions
//! begin to differ.

mod affine;
mod fold;
mod graph;

pub use affine::Affine;
pub use fold::{Branch, Folded, Layers};
pub use graph::{Graph, GraphError, Layer, Node, Weights};
