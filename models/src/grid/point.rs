//! A pattern of a grid: from the densities or out-degrees asked for to the masks of a network's junctions.

use core::fmt::Display;

use serde::Deserialize;

use super::file::refused;
use super::{GridError, PointError};
use crate::names::JunctionId;
use crate::pattern::{PAGES, Pattern, Projection, nearest_degrees};
use crate::recipe::{PatternName, Recipe};

/// A `[[pattern]]`. Of the keys of every family its own takes its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PatternTable {
    pattern: PatternName,
    densities: Option<Vec<PerJunction<f64>>>,
    out_degrees: Option<Vec<PerJunction<usize>>>,
    #[serde(default)]
    pruned: bool,
    z: Option<PerJunction<usize>>,
    #[serde(rename = "type")]
    kind: Option<u8>,
    dither: Option<bool>,
    rows: Option<usize>,
    cols: Option<usize>,
    m: Option<usize>,
    #[serde(default)]
    pub(super) training: toml::Table,
}

/// One value for all junctions but the last, or one for each of them.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number, or a list with a number for each junction but the last")]
enum PerJunction<T> {
    All(T),
    Each(Vec<T>),
}

impl<T: Copy + PartialEq + Display> PerJunction<T> {
    fn values(&self, key: &'static str, junctions: usize) -> Result<Vec<T>, PointError> {
        match self {
            Self::All(value) => Ok(vec![*value; junctions]),
            Self::Each(values) if values.len() == junctions => Ok(values.clone()),
            Self::Each(values) => Err(PointError::Junctions { key, found: values.len(), junctions }),
        }
    }
}

/// One number where all are equal.
fn in_words<T: Copy + PartialEq + Display>(values: &[T]) -> String {
    let differ = values.windows(2).any(|pair| pair.first() != pair.last());
    let shown = if differ { values } else { values.get(..1).unwrap_or_default() };
    shown.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

/// A pattern with densities.
pub(super) struct Variant {
    pub(super) pattern: String,
    pub(super) density: String,
    /// Of the junctions but the last; all dense where the network is pruned.
    pub(super) patterns: Vec<Pattern>,
    pub(super) pruned: Vec<Projection>,
}

/// A junction with its numbers.
#[derive(Clone, Copy)]
struct Place {
    junction: JunctionId,
    n_in: usize,
    n_out: usize,
}

/// What a junction gets, as it is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Density(f64),
    OutDegree(usize),
}

impl PatternTable {
    /// Every density of the pattern, for the network of `recipe`.
    pub(super) fn variants(&self, recipe: &Recipe) -> Result<Vec<Variant>, GridError> {
        // An exit's branch is dense.
        let mut placed = recipe.placed_junctions();
        placed.retain(|placed| matches!(placed.id, JunctionId::Trunk(_)));
        let hidden = placed.len().saturating_sub(1);
        let place = |placed: &crate::recipe::PlacedJunction<'_>| Place {
            junction: placed.id,
            n_in: placed.n_in,
            n_out: placed.n_out(),
        };
        let places: Vec<Place> = placed.iter().take(hidden).map(place).collect();
        let bare = |source| refused(recipe, self.pattern.name(), "", source);
        self.check_keys().map_err(bare)?;
        let label = self.label(hidden).map_err(bare)?;
        if self.pattern == PatternName::Dense {
            let patterns = vec![Pattern::Dense; hidden];
            return Ok(vec![Variant { pattern: label, density: "1".to_owned(), patterns, pruned: Vec::new() }]);
        }
        if places.is_empty() {
            return Err(refused(recipe, &label, "", PointError::OneJunction));
        }
        let mut variants = Vec::new();
        for asked in self.asked(&label, recipe, hidden)? {
            let density = in_words(&densities(&asked, &places));
            let variant = self.variant(&asked, &places).map_err(|source| refused(recipe, &label, &density, source))?;
            variants.push(Variant { pattern: label.clone(), density, ..variant });
        }
        Ok(variants)
    }

    /// Keys that are there, and whether the pattern takes, or needs, them.
    fn check_keys(&self) -> Result<(), PointError> {
        use PatternName as P;
        let pattern = self.pattern;
        let is = |those: &[P]| those.contains(&pattern);
        let keys = [
            ("densities", self.densities.is_some(), !is(&[P::Dense]), is(&[P::RandomDensity, P::Block, P::Nm])),
            ("out_degrees", self.out_degrees.is_some(), is(&[P::Random, P::ClashFree]), false),
            ("z", self.z.is_some(), is(&[P::ClashFree]), is(&[P::ClashFree])),
            ("type", self.kind.is_some(), is(&[P::ClashFree]), is(&[P::ClashFree])),
            ("dither", self.dither.is_some(), is(&[P::ClashFree]), false),
            ("rows", self.rows.is_some(), is(&[P::Block]), is(&[P::Block])),
            ("cols", self.cols.is_some(), is(&[P::Block]), is(&[P::Block])),
            ("m", self.m.is_some(), is(&[P::Nm]), is(&[P::Nm])),
        ];
        for (key, is_there, fits, needed) in keys {
            match (is_there, fits, needed) {
                (true, false, _) => return Err(PointError::StrayKey { key }),
                (false, _, true) => return Err(PointError::MissingKey { key }),
                _ => {}
            }
        }
        match (&self.densities, &self.out_degrees) {
            (Some(_), Some(_)) => Err(PointError::StrayKey { key: "out_degrees (beside densities)" }),
            (None, None) if pattern != P::Dense => Err(PointError::MissingKey { key: "densities or out_degrees" }),
            _ if self.pruned && is(&[P::Dense, P::ClashFree]) => Err(PointError::Pruned),
            _ => Ok(()),
        }
    }

    /// `clash_free type 1 z 100`
    fn label(&self, hidden: usize) -> Result<String, PointError> {
        let name = self.pattern.name();
        let label = match (self.pattern, &self.z, self.kind) {
            (PatternName::ClashFree, Some(z), Some(kind)) => {
                let dither = if self.dither == Some(true) { " dither" } else { "" };
                format!("{name} type {kind} z {}{dither}", in_words(&z.values("z", hidden)?))
            }
            (PatternName::Block, ..) => {
                format!("{name} {}x{}", self.rows.unwrap_or_default(), self.cols.unwrap_or_default())
            }
            (PatternName::Nm, ..) => format!("{name} {}", self.m.unwrap_or_default()),
            _ => name.to_owned(),
        };
        Ok(if self.pruned { format!("pruned {label}") } else { label })
    }

    /// What is asked of each junction, variant by variant.
    fn asked(&self, label: &str, recipe: &Recipe, hidden: usize) -> Result<Vec<Vec<Asked>>, GridError> {
        let (key, asked) = match (&self.densities, &self.out_degrees) {
            (Some(list), _) => ("densities", each(list, "densities", hidden, Asked::Density)),
            (_, Some(list)) => ("out_degrees", each(list, "out_degrees", hidden, Asked::OutDegree)),
            _ => ("densities", Ok(Vec::new())),
        };
        let asked = asked.map_err(|source| refused(recipe, label, "", source))?;
        if asked.is_empty() {
            let place = format!("{key} of pattern {label}");
            return Err(GridError::Empty { place, remedy: "give at least one" });
        }
        Ok(asked)
    }

    fn variant(&self, asked: &[Asked], places: &[Place]) -> Result<Variant, PointError> {
        let z = self.z.as_ref().map(|z| z.values("z", places.len())).transpose()?;
        let (mut patterns, mut pruned) = (Vec::new(), Vec::new());
        for (at, (asked, place)) in asked.iter().zip(places).enumerate() {
            let z = z.as_ref().and_then(|z| z.get(at)).copied().unwrap_or(1);
            let pattern = self.pattern(*asked, *place, z)?;
            let checked = pattern.check(place.n_in, place.n_out);
            checked.map_err(|source| PointError::Pattern { junction: place.junction, source })?;
            pruned.extend(if self.pruned { projection(pattern, *place) } else { None });
            patterns.push(if self.pruned { Pattern::Dense } else { pattern });
        }
        Ok(Variant { pattern: String::new(), density: String::new(), patterns, pruned })
    }

    fn pattern(&self, asked: Asked, place: Place, z: usize) -> Result<Pattern, PointError> {
        let density = asked.density(place);
        let (rows, cols) = (self.rows.unwrap_or_default(), self.cols.unwrap_or_default());
        Ok(match self.pattern {
            PatternName::Dense => Pattern::Dense,
            PatternName::Random => Pattern::Random { out_degree: asked.out_degree(place)? },
            PatternName::RandomDensity => Pattern::RandomDensity { density },
            PatternName::ClashFree => Pattern::ClashFree {
                out_degree: asked.out_degree(place)?,
                z,
                kind: self.kind.unwrap_or_default(),
                dither: self.dither.unwrap_or_default(),
            },
            PatternName::Block => Pattern::Block { rows, cols, density },
            PatternName::Nm => in_pages(density, self.m.unwrap_or_default(), place)?,
        })
    }
}

fn each<T: Copy + PartialEq + Display>(
    list: &[PerJunction<T>],
    key: &'static str,
    junctions: usize,
    asked: fn(T) -> Asked,
) -> Result<Vec<Vec<Asked>>, PointError> {
    list.iter().map(|values| Ok(values.values(key, junctions)?.into_iter().map(asked).collect())).collect()
}

fn densities(asked: &[Asked], places: &[Place]) -> Vec<f64> {
    asked.iter().zip(places).map(|(asked, place)| asked.density(*place)).collect()
}

impl Asked {
    fn density(self, place: Place) -> f64 {
        match self {
            Self::Density(density) => density,
            Self::OutDegree(out_degree) => out_degree as f64 / place.n_out as f64,
        }
    }

    /// The constant out-degree; whether one that was asked for by itself is possible, [`Pattern::check`] says.
    fn out_degree(self, Place { junction, n_in, n_out }: Place) -> Result<usize, PointError> {
        let density = match self {
            Self::OutDegree(out_degree) => return Ok(out_degree),
            Self::Density(density) => density,
        };
        let (out_degree, in_degree) = (density * n_out as f64, density * n_in as f64);
        let whole = |degree: f64| degree >= 0.5 && (degree - degree.round()).abs() < 1e-6;
        if whole(out_degree) && whole(in_degree) {
            return Ok(out_degree.round() as usize);
        }
        let nearest = nearest_degrees(n_in, n_out, out_degree);
        Err(PointError::Degrees { junction, density, n_in, n_out, out_degree, in_degree, nearest })
    }
}

fn in_pages(density: f64, m: usize, Place { junction, n_in, .. }: Place) -> Result<Pattern, PointError> {
    if !PAGES.contains(&m) {
        // Refused by its check, which says what there is.
        return Ok(Pattern::NM { n: 1, m });
    }
    if m > n_in {
        return Err(PointError::WidePage { junction, m, n_in });
    }
    let edges = density * m as f64;
    if edges >= 0.5 && (edges - edges.round()).abs() < 1e-6 {
        return Ok(Pattern::NM { n: edges.round() as usize, m });
    }
    let possible = |n: usize| (1..=m).contains(&n).then(|| format!("{} ({n}:{m})", n as f64 / m as f64));
    let below = edges.clamp(0.0, m as f64) as usize;
    let nearest: Vec<String> = [below, below + 1].into_iter().filter_map(possible).collect();
    Err(PointError::Page { junction, density, m, edges, nearest: nearest.join(" and ") })
}

/// What keeps the largest weights of the family.
fn projection(pattern: Pattern, place: Place) -> Option<Projection> {
    match pattern {
        Pattern::Random { out_degree } => {
            Some(Projection::InDegree { density: out_degree as f64 / place.n_out as f64 })
        }
        Pattern::RandomDensity { density } => Some(Projection::Anywhere { density }),
        Pattern::Block { rows, cols, density } => Some(Projection::Block { rows, cols, density }),
        Pattern::NM { n, m } => Some(Projection::NM { n, m }),
        _ => None,
    }
}
