//! Up to which density a packing is faster than dense, told from the points of a profile.

use lacewing_kernels::Packing;
use serde::Deserialize;

use super::{Measured, Point, Profile};

/// The density at which a packing takes as long as the fastest dense, for one shape.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "[f64; 3]")]
pub struct BreakEven {
    /// Inputs.
    pub inputs: f64,
    /// Outputs.
    pub outputs: f64,
    /// Weights stored, padding counted, over all places: 1 where the packing is faster up to there.
    pub density: f64,
}

impl From<[f64; 3]> for BreakEven {
    fn from([inputs, outputs, density]: [f64; 3]) -> Self {
        Self { inputs, outputs, density }
    }
}

/// Four digits, as profiles are written.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl Profile {
    /// With the break-evens of every packing but dense ones, of all that was measured.
    #[must_use]
    pub fn with_break_evens(mut self) -> Self {
        fill(&mut self.packings);
        self.int8.iter_mut().for_each(|int8| fill(&mut int8.packings));
        self
    }
}

fn fill(packings: &mut [Measured]) {
    let dense = [Packing::Dense.name(), Packing::DenseInputMajor.name()];
    let is_dense = |measured: &Measured| dense.contains(&&*measured.family);
    let dense: Vec<Point> =
        packings.iter().filter(|measured| is_dense(measured)).flat_map(|measured| measured.points.clone()).collect();
    for measured in packings.iter_mut().filter(|measured| !is_dense(measured)) {
        measured.break_even = of(&measured.points, &dense);
    }
}

/// For every shape of `points` that dense was measured at too.
fn of(points: &[Point], dense: &[Point]) -> Vec<BreakEven> {
    let same = |one: &Point, other: &Point| (one.inputs, one.outputs) == (other.inputs, other.outputs);
    let shape = |points: &[Point]| {
        let first = points.first()?;
        let dense = dense.iter().filter(|dense| same(dense, first)).map(|dense| dense.ns).reduce(f64::min)?;
        let mut points: Vec<(f64, f64)> = points.iter().map(|point| (point.density, point.ns)).collect();
        points.sort_by(|one, other| other.0.total_cmp(&one.0));
        let density = rounded(crossing(&points, dense)?);
        Some(BreakEven { inputs: first.inputs, outputs: first.outputs, density })
    };
    points.chunk_by(same).filter_map(shape).collect()
}

/// The density at which `ns · density` is `dense`: between points on a line through their logarithms, beyond them at the time of
/// the last. `points` are densities and times of a weight, from the densest on.
fn crossing(points: &[(f64, f64)], dense: f64) -> Option<f64> {
    let &(_, ns) = points.first()?;
    let mut slower: Option<(f64, f64)> = None;
    for &(density, ns) in points {
        let time = ns * density;
        match slower {
            _ if time > dense => slower = Some((density, time)),
            Some((above, slow)) => {
                let share = (dense / time).ln() / (slow / time).ln();
                return Some((density.ln() + share * (above / density).ln()).exp());
            }
            // Faster at the densest that was measured.
            None => return Some((dense / ns).min(1.0)),
        }
    }
    points.last().map(|(_, ns)| dense / ns).or(Some((dense / ns).min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_between_the_points_around_it() {
        // As fast as dense at 1/4, where a weight takes four times as long.
        let even = [(0.5, 4.0), (0.25, 4.0), (0.125, 4.0)];
        assert!((crossing(&even, 1.0).unwrap() - 0.25).abs() < 1e-12);
        assert!((crossing(&even, 1.5).unwrap() - 0.375).abs() < 1e-12, "a constant time is on the line");
        assert!((crossing(&even, 0.25).unwrap() - 0.0625).abs() < 1e-12, "below all points");
        assert!((crossing(&even, 3.0).unwrap() - 0.75).abs() < 1e-12, "above all");
        assert!((crossing(&even, 9.0).unwrap() - 1.0).abs() < 1e-12);
        // Slower a weight where it is sparser: 2 at 1/2 and 1.5 at 1/4 around 1.75.
        let found = crossing(&[(0.5, 4.0), (0.25, 6.0)], 1.75).unwrap();
        assert!(found > 0.25 && found < 0.5, "{found}");
        assert_eq!(crossing(&[], 1.0), None);
    }

    /// What is checked in says nothing but what its points say.
    #[test]
    fn those_of_the_profiles_are_told_from_their_points() {
        for name in Profile::names() {
            let profile = Profile::load(name).unwrap();
            assert_eq!(profile.clone().with_break_evens(), profile, "{name}");
            let break_evens = profile.packings.iter().map(|measured| measured.break_even.len()).sum::<usize>();
            assert_eq!(break_evens > 0, profile.measured.is_some(), "{name}");
        }
        let avx512 = Profile::load("x86-64-avx512").unwrap();
        let of = |family: &str| avx512.packings.iter().find(|measured| measured.family == family).unwrap();
        let at = |family, shape| {
            of(family).break_even.iter().find(|even| (even.inputs, even.outputs) == shape).unwrap().density
        };
        let [block, csr] = ["block 16x1", "csr8"].map(|family| at(family, (800.0, 128.0)));
        assert!(block > 0.8 && csr < 0.3 && csr > 0.02, "{block} {csr}");
    }
}
