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

#[cfg(test)]
mod tests {
    use lacewing_models::{Dataset, Pattern, Recipe};

    use super::*;
    use crate::train::train;

    const RECIPE: &str = "name = \"a\"\nclasses = 2\n[input]\nwidth = 8\n[[junction]]\noutputs = 4\n[[junction]]\noutputs = 2\n\
                          [training]\nepochs = 2\nbatch = 4";

    #[test]
    fn the_largest_weight_of_every_page_stays() {
        let values = (0..96_u16).map(|k| f32::from(k * 37 % 11)).collect();
        let data = Dataset::new(8, values, (0..12).map(|sample| sample % 2).collect()).unwrap();
        let trained = train(&Recipe::parse(RECIPE).unwrap(), &data, &data, |_| {}).unwrap();
        let (recipe, network, before) = trained.into_parts();
        let trained = Trained::new(recipe, network, before.clone());
        let (recipe, network, after) = prune(trained, &[Projection::NM { n: 1, m: 4 }]).unwrap().into_parts();
        assert_eq!(recipe.junctions[0].pattern, Pattern::NM { n: 1, m: 4 });
        assert_eq!((after[0].weights.len(), after[0].biases.as_slice()), (8, before[0].biases.as_slice()));
        let junction = &network.nodes()[0].junction;
        for (output, row) in before[0].weights.chunks(8).enumerate() {
            let kept: Vec<(usize, f32)> =
                junction.edges_of(output).map(|(input, k)| (input, after[0].weights[k])).collect();
            for (page, (input, weight)) in row.chunks(4).zip(&kept) {
                assert!(page.iter().all(|other| other.abs() <= weight.abs()), "{page:?} {weight}");
                assert_eq!(row[*input], *weight);
            }
            assert!(kept[0].0 < 4 && kept[1].0 >= 4 && kept.len() == 2);
        }
        assert_eq!(after[1], before[1]);
        // Pages that there are not.
        let trained = Trained::new(recipe, network, after);
        assert!(prune(trained, &[Projection::NM { n: 1, m: 5 }]).is_err());
    }
}
