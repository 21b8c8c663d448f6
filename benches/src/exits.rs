//! Heads that differ in how their exit decides, for what a decision costs.

use lacewing_converter::edges::Edges;
use lacewing_converter::network::{Network, TrainedJunction};
use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use lacewing_models::recipe::Metric;

/// Every metric and its name.
pub const METRICS: [(&str, Metric); 3] =
    [("max probability", Metric::MaxProbability), ("margin", Metric::Margin), ("entropy", Metric::Entropy)];

/// The network with this metric at every exit.
#[must_use]
pub fn by(metric: Metric, network: &Network) -> Network {
    let mut network = network.clone();
    network.exits.iter_mut().for_each(|exit| exit.metric = metric);
    network
}

/// The network whose head runs the same junctions and hands the first exit's logits over: one trunk of them, and a tail of next
/// to nothing. `None` where there is no exit.
#[must_use]
pub fn without_exit(network: &Network) -> Option<Network> {
    let exit = network.exits.first()?;
    let classes = u16::try_from(network.classes).ok()?;
    let diagonal = vec![1.0; network.classes * network.classes];
    let last = TrainedJunction {
        id: JunctionId::Trunk(0),
        edges: Edges::from_dense(classes, classes, &diagonal, |output, input, _| output == input)?,
        bias: Vec::new(),
        activation: Activation::None,
    };
    let junctions = network.trunk.iter().take(exit.after).chain(&exit.branch).cloned().chain([last]);
    let trunk: Vec<_> =
        (1..).zip(junctions).map(|(k, junction)| TrainedJunction { id: JunctionId::Trunk(k), ..junction }).collect();
    Some(Network { split: Some(trunk.len() - 1), trunk, exits: Vec::new(), ..network.clone() })
}
