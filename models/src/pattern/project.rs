//! The other way round: of a junction that was trained dense, the mask of a family that keeps the largest weights.

use core::cmp::Ordering;

use thiserror::Error;

use super::nm::share_of_page;
use super::{Pattern, PatternError, share};
use crate::mask::Mask;

/// Which edges of a dense junction are kept: the largest by magnitude that the family allows.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Projection {
    /// The `n` largest of every page of `m` inputs, in every row; a ragged last page as in [`Pattern::NM`].
    NM {
        /// Edges of a page in a row.
        n: usize,
        /// Inputs of a page.
        m: usize,
    },
    /// The blocks of `rows` outputs × `cols` inputs with the largest sums of squares, as many in every row block.
    Block {
        /// Outputs of a block.
        rows: usize,
        /// Inputs of a block; it divides the number of inputs.
        cols: usize,
        /// Blocks over possible blocks.
        density: f64,
    },
    /// The largest of every row, as many in each: constant in-degree.
    InDegree {
        /// Edges over inputs.
        density: f64,
    },
    /// The largest of the whole junction.
    Anywhere {
        /// Edges over places.
        density: f64,
    },
}

/// Words that name no projection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProjectionError {
    /// No family of that name.
    #[error("{0:?} is no pattern to prune to: N:M as in 4:16, blockRxC as in block8x1, in-degree, or anywhere")]
    Unknown(String),
    /// The family needs a density.
    #[error("the pattern {0} needs a density")]
    NeedsDensity(String),
    /// The family says its density itself.
    #[error("the pattern {0} says its density itself")]
    StrayDensity(String),
}

impl Projection {
    /// Reads `4:16`, `block8x1`, `in-degree` and `anywhere`; all but the first need a density.
    ///
    /// # Errors
    /// Other words, or a density too many or too few.
    pub fn parse(words: &str, density: Option<f64>) -> Result<Self, ProjectionError> {
        let pair = |text: &str, between| {
            let (one, other) = text.split_once(between)?;
            Some((one.parse().ok()?, other.parse().ok()?))
        };
        if let Some((n, m)) = pair(words, ':') {
            return match density {
                None => Ok(Self::NM { n, m }),
                Some(_) => Err(ProjectionError::StrayDensity(words.to_owned())),
            };
        }
        let block = words.strip_prefix("block").and_then(|sides| pair(sides, 'x'));
        if block.is_none() && !matches!(words, "in-degree" | "anywhere") {
            return Err(ProjectionError::Unknown(words.to_owned()));
        }
        let density = density.ok_or_else(|| ProjectionError::NeedsDensity(words.to_owned()))?;
        Ok(match block {
            Some((rows, cols)) => Self::Block { rows, cols, density },
            None if words == "in-degree" => Self::InDegree { density },
            None => Self::Anywhere { density },
        })
    }

    /// The family that the masks belong to.
    #[must_use]
    pub const fn pattern(&self) -> Pattern {
        match *self {
            Self::NM { n, m } => Pattern::NM { n, m },
            Self::Block { rows, cols, density } => Pattern::Block { rows, cols, density },
            Self::InDegree { density } | Self::Anywhere { density } => Pattern::RandomDensity { density },
        }
    }

    /// The mask that keeps most of `weights`, `n_out` rows of `n_in`. Of equal magnitudes the first is kept.
    ///
    /// # Errors
    /// The pattern is impossible for these widths, or there are not as many weights.
    pub fn mask(&self, n_in: usize, n_out: usize, weights: &[f32]) -> Result<Mask, PatternError> {
        self.pattern().check(n_in, n_out)?;
        if weights.len() != n_in * n_out {
            return Err(PatternError::Weights { n_in, n_out, found: weights.len() });
        }
        let mut mask = Mask::empty(n_in, n_out);
        let score = |place: usize| weights.get(place).map_or(0.0, |weight| f64::from(weight.abs()));
        match *self {
            Self::NM { n, m } => {
                for (output, first) in (0..n_out).flat_map(|output| (0..n_in).step_by(m).map(move |at| (output, at))) {
                    let inputs = m.min(n_in - first);
                    let scores = (0..inputs).map(|at| score(output * n_in + first + at));
                    largest(scores, share_of_page(n, m, inputs)).for_each(|at| mask.insert(output, first + at));
                }
            }
            Self::Block { rows, cols, density } => {
                for first in (0..n_out).step_by(rows) {
                    let outputs = first..n_out.min(first + rows);
                    let square = |block: usize| -> f64 {
                        let places =
                            outputs.clone().flat_map(|o| (block * cols..(block + 1) * cols).map(move |i| (o, i)));
                        places.map(|(output, input)| score(output * n_in + input).powi(2)).sum()
                    };
                    for block in largest((0..n_in / cols).map(square), share(n_in / cols, density)) {
                        for output in outputs.clone() {
                            (block * cols..(block + 1) * cols).for_each(|input| mask.insert(output, input));
                        }
                    }
                }
            }
            Self::InDegree { density } => {
                for output in 0..n_out {
                    let scores = (0..n_in).map(|input| score(output * n_in + input));
                    largest(scores, share(n_in, density)).for_each(|input| mask.insert(output, input));
                }
            }
            Self::Anywhere { density } => {
                let places = n_in * n_out;
                largest((0..places).map(score), share(places, density))
                    .for_each(|place| mask.insert(place / n_in, place % n_in));
            }
        }
        Ok(mask)
    }
}

/// The places of the `count` largest scores.
fn largest(scores: impl Iterator<Item = f64>, count: usize) -> impl Iterator<Item = usize> {
    let mut order: Vec<(usize, f64)> = scores.enumerate().collect();
    order.sort_by(|one, other| other.1.partial_cmp(&one.1).unwrap_or(Ordering::Equal));
    order.into_iter().take(count).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let parse = Projection::parse;
        assert_eq!(parse("4:16", None), Ok(Projection::NM { n: 4, m: 16 }));
        assert_eq!(parse("block8x1", Some(0.1)), Ok(Projection::Block { rows: 8, cols: 1, density: 0.1 }));
        assert_eq!(parse("in-degree", Some(0.1)), Ok(Projection::InDegree { density: 0.1 }));
        assert_eq!(parse("anywhere", Some(0.1)), Ok(Projection::Anywhere { density: 0.1 }));
        assert_eq!(parse("4:16", Some(0.1)), Err(ProjectionError::StrayDensity("4:16".into())));
        assert_eq!(parse("block8x1", None), Err(ProjectionError::NeedsDensity("block8x1".into())));
        for words in ["", "4:", "4:x", "block8", "blockx", "dense", "-1:4"] {
            assert_eq!(parse(words, None), Err(ProjectionError::Unknown(words.into())));
        }
    }

    #[test]
    fn the_largest_are_kept() {
        // Two rows of six; the last page has two inputs.
        let weights = [0.1, -5.0, 3.0, 0.0, 1.0, -2.0, 4.0, 4.0, -4.0, 4.0, 0.0, 0.0];
        let rows = |projection: Projection| -> Vec<Vec<usize>> {
            let mask = projection.mask(6, 2, &weights).unwrap();
            (0..2).map(|output| mask.row(output).collect()).collect()
        };
        assert_eq!(rows(Projection::NM { n: 2, m: 4 }), [vec![1, 2, 5], vec![0, 1, 4]]);
        assert_eq!(rows(Projection::InDegree { density: 0.34 }), [vec![1, 2], vec![0, 1]]);
        assert_eq!(rows(Projection::Anywhere { density: 0.25 }), [vec![1], vec![0, 1]]);
        let blocks = Projection::Block { rows: 2, cols: 2, density: 0.34 };
        assert_eq!(rows(blocks), [vec![0, 1], vec![0, 1]]);
        assert!(Projection::Block { rows: 2, cols: 4, density: 0.5 }.mask(6, 2, &weights).is_err());
        assert!(Projection::NM { n: 2, m: 5 }.mask(6, 2, &weights).is_err());
        assert!(Projection::InDegree { density: 0.0 }.mask(6, 2, &weights).is_err());
        assert!(matches!(
            Projection::InDegree { density: 0.5 }.mask(6, 2, &weights[1..]),
            Err(PatternError::Weights { found: 11, .. })
        ));
    }
}
