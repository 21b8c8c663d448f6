//! Magnitude pruning: of junctions that were trained dense, the largest weights stay.

use lacewing_kernels::training::ReadyTraining;
use lacewing_models::{JunctionId, Projection, RecipeError};

use crate::error::TrainError;
use crate::junction::Junction;
use crate::network::Network;
use crate::parameters::Parameters;
use crate::trained::Trained;

/// Projects trunk junctions 1, 2, …, dense so far, onto `projections`; the others stay as they are.
///
/// # Errors
/// If a projection is impossible for its junction.
pub(crate) fn prune(trained: Trained, projections: &[Projection]) -> Result<Trained, TrainError> {
    let (mut recipe, network, mut parameters) = trained.into_parts();
    let ids: Vec<JunctionId> = recipe.placed_junctions().iter().map(|placed| placed.id).collect();
    let exits = network.exits().to_vec();
    let mut nodes = network.into_nodes();
    for ((id, node), parameters) in ids.into_iter().zip(&mut nodes).zip(&mut parameters) {
        let JunctionId::Trunk(k) = id else { continue };
        let Some(projection) = projections.get(k - 1) else { continue };
        (node.junction, *parameters) = largest(&node.junction, parameters, projection)
            .map_err(|source| TrainError::Recipe(Box::new(RecipeError::Pattern { junction: id, source })))?;
        recipe.junctions.get_mut(k - 1).into_iter().for_each(|recipe| recipe.pattern = projection.pattern());
    }
    let network = Network::new(recipe.input.width, nodes, exits, ReadyTraining::widest()?);
    Ok(Trained::new(recipe, network, parameters))
}

fn largest(
    old: &Junction,
    parameters: &Parameters,
    projection: &Projection,
) -> Result<(Junction, Parameters), lacewing_models::PatternError> {
    let (n_in, n_out) = (old.n_in(), old.n_out());
    let mut dense = vec![0.0; n_in * n_out];
    for output in 0..n_out {
        old.edges_of(output).for_each(|(input, k)| dense[output * n_in + input] = parameters.weights[k]);
    }
    let junction = Junction::new(&projection.mask(n_in, n_out, &dense)?);
    let mut weights = vec![0.0; junction.nnz()];
    for output in 0..n_out {
        junction.edges_of(output).for_each(|(input, k)| weights[k] = dense[output * n_in + input]);
    }
    Ok((junction, Parameters { weights, biases: parameters.biases.clone() }))
}
