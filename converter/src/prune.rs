//! A network that was trained dense, made sparse: the largest weights that a pattern allows, for training to go on from.

use lacewing_models::{JunctionId, PatternError, Projection, Recipe};
use serde::Serialize;
use thiserror::Error;

use crate::edges::{Edges, EdgesBuilder};
use crate::network::Network;
use crate::settled::SettleError;

/// What became of one junction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pruned {
    /// `junction 1`.
    pub place: String,
    /// Edges before.
    pub before: usize,
    /// Edges kept.
    pub after: usize,
    /// Share of Σ w² that the edges kept have, 0 to 1.
    pub kept: f64,
}

/// A network cannot be pruned as asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// No such junction.
    #[error("there is no trunk junction {asked}: the network has {there}")]
    NoJunction {
        /// The one asked for, from 1.
        asked: usize,
        /// Trunk junctions.
        there: usize,
    },
    /// The junction is not dense enough for the pattern.
    #[error("{junction} has {edges} edges already, fewer than the {wanted} of the pattern")]
    Sparse {
        /// Which.
        junction: JunctionId,
        /// Its edges.
        edges: usize,
        /// Those of the pattern.
        wanted: usize,
    },
    /// The pattern is impossible for a junction.
    #[error("{junction}: {error}")]
    Pattern {
        /// Which.
        junction: JunctionId,
        /// Why.
        error: PatternError,
    },
    /// Weights that were kept cannot be had again.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// Projects trunk junctions of `network` onto a pattern: those named, from 1, or all but the last, which is small and
/// decides. Exits' branches stay as they are. `recipe` gets the pattern's name.
///
/// # Errors
/// There is no such junction, or it does not take the pattern; `network` may have been changed in part then.
pub fn prune(
    network: &mut Network,
    recipe: &mut Recipe,
    projection: &Projection,
    junctions: Option<&[usize]>,
) -> Result<Vec<Pruned>, PruneError> {
    let there = network.trunk.len();
    let all: Vec<usize> = (1..there.max(2)).collect();
    let mut pruned = Vec::new();
    for place in junctions.unwrap_or(&all) {
        let asked = *place;
        let index = asked.checked_sub(1).ok_or(PruneError::NoJunction { asked, there })?;
        let junction = network.trunk.get_mut(index).ok_or(PruneError::NoJunction { asked, there })?;
        let (id, edges) = (junction.id, &junction.edges);
        let dense = edges.to_dense();
        let mask = projection.mask(edges.n_in(), edges.n_out(), &dense);
        let mask = mask.map_err(|error| PruneError::Pattern { junction: id, error })?;
        if edges.nnz() < mask.nnz() {
            return Err(PruneError::Sparse { junction: id, edges: edges.nnz(), wanted: mask.nnz() });
        }
        let mut kept = EdgesBuilder::new(u16::try_from(edges.n_in()).unwrap_or(u16::MAX));
        for (output, row) in dense.chunks_exact(edges.n_in()).enumerate() {
            for input in mask.row(output) {
                // Inputs are below the width, which fits.
                let place = u16::try_from(input).ok().zip(row.get(input));
                place.into_iter().for_each(|(input, weight)| kept.push(input, *weight));
            }
            kept.end_row();
        }
        let kept = kept.finished()?;
        let square = |edges: &Edges| -> f64 {
            edges.rows().flat_map(|(_, weights)| weights).map(|weight| f64::from(*weight).powi(2)).sum()
        };
        let whole = square(edges);
        pruned.push(Pruned {
            place: id.to_string(),
            before: edges.nnz(),
            after: kept.nnz(),
            kept: if whole > 0.0 { square(&kept) / whole } else { 1.0 },
        });
        junction.edges = kept;
        recipe.junctions.get_mut(index).into_iter().for_each(|recipe| recipe.pattern = projection.pattern());
    }
    Ok(pruned)
}
