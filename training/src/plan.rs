//! From a recipe to the network it describes.

use lacewing_kernels::IsaError;
use lacewing_kernels::training::ReadyTraining;
use lacewing_models::recipe::PlacedJunction;
use lacewing_models::{JunctionId, Recipe};

use crate::junction::Junction;
use crate::network::{Exit, Network, Node};

/// The network of a recipe, one node per junction in the order of [`Recipe::placed_junctions`], with the edges that
/// `edges` gives. The recipe has been checked: exits stand in the order of the trunk junctions they follow.
pub(crate) fn network<E: From<IsaError>>(
    recipe: &Recipe,
    mut edges: impl FnMut(&PlacedJunction<'_>) -> Result<Junction, E>,
) -> Result<Network, E> {
    let (mut nodes, mut exits) = (Vec::new(), Vec::new());
    let mut trunk = None;
    for (node, placed) in recipe.placed_junctions().iter().enumerate() {
        let (source, exit) = match placed.id {
            JunctionId::Trunk(k) => {
                (trunk.replace(node), (k == recipe.junctions.len()).then_some(Exit { node, loss_weight: 1.0 }))
            }
            JunctionId::Exit { exit, junction } => {
                let source = if junction == 1 { trunk } else { node.checked_sub(1) };
                let branch = recipe.exits.get(exit - 1).filter(|branch| branch.junctions.len() == junction);
                (source, branch.map(|branch| Exit { node, loss_weight: branch.loss_weight }))
            }
        };
        nodes.push(Node { source, junction: edges(placed)?, activation: placed.recipe.activation });
        exits.extend(exit);
    }
    Ok(Network::new(recipe.input.width, nodes, exits, ReadyTraining::widest()?))
}
