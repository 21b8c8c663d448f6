//! Which constant degrees a junction can have.

use core::fmt;

use super::PatternError;

/// The possible out-degrees on either side of an impossible one, each with its in-degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// `(out-degree, in-degree)` next below, if any.
    pub below: Option<(usize, usize)>,
    /// `(out-degree, in-degree)` next above, if any.
    pub above: Option<(usize, usize)>,
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (out_degree, in_degree) in [self.below, self.above].into_iter().flatten() {
            write!(f, "{separator}{out_degree} (in-degree {in_degree})")?;
            separator = " and ";
        }
        Ok(())
    }
}

/// The divisors on either side of a number that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearestDivisors {
    /// The next below, if any.
    pub below: Option<usize>,
    /// The next above, if any.
    pub above: Option<usize>,
}

impl fmt::Display for NearestDivisors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.below, self.above) {
            (Some(below), Some(above)) => write!(f, "{below} and {above}"),
            (Some(only), None) | (None, Some(only)) => write!(f, "{only}"),
            (None, None) => f.write_str("none"),
        }
    }
}

/// Whether `divisor` divides `whole`; if not, the nearest numbers that do.
pub(super) fn divides(divisor: usize, whole: usize) -> Result<(), NearestDivisors> {
    if divisor != 0 && whole.is_multiple_of(divisor) {
        return Ok(());
    }
    let fits = |other: &usize| whole.is_multiple_of(*other);
    Err(NearestDivisors {
        below: (1..divisor.min(whole + 1)).rev().find(fits),
        above: (divisor.saturating_add(1)..=whole).find(fits),
    })
}

/// The in-degree that goes with an out-degree: `n_in · out_degree / n_out`, which must be whole.
pub(super) fn in_degree(n_in: usize, n_out: usize, out_degree: usize) -> Result<usize, PatternError> {
    if out_degree == 0 || out_degree > n_out {
        return Err(PatternError::OutDegree { out_degree, n_out });
    }
    let edges = n_in * out_degree;
    if edges.is_multiple_of(n_out) {
        return Ok(edges / n_out);
    }
    Err(PatternError::InDegreeNotWhole {
        out_degree,
        n_in,
        n_out,
        in_degree: edges as f64 / n_out as f64,
        nearest: nearest_degrees(n_in, n_out, out_degree as f64),
    })
}

/// The possible out-degrees on either side of one that is not, whole or not.
pub(crate) fn nearest_degrees(n_in: usize, n_out: usize, out_degree: f64) -> Nearest {
    // Possible are the multiples of n_out / gcd; n_out itself (dense) is one of them.
    let step = n_out / gcd(n_in, n_out);
    let possible = |degree: usize| (1..=n_out).contains(&degree).then(|| (degree, n_in * degree / n_out));
    let below = out_degree.clamp(0.0, n_out as f64) as usize / step * step;
    Nearest { below: possible(below), above: possible(below + step) }
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_degrees_are_named() {
        assert_eq!(in_degree(800, 40, 2), Ok(40));
        let error = in_degree(800, 112, 50).unwrap_err();
        let PatternError::InDegreeNotWhole { nearest, .. } = &error else { panic!("{error}") };
        assert_eq!((nearest.below, nearest.above), (Some((49, 350)), Some((56, 400))));
        assert!(error.to_string().ends_with("49 (in-degree 350) and 56 (in-degree 400)"), "{error}");
        // 7 and 10 have no common factor: only dense is possible.
        let error = in_degree(7, 10, 3).unwrap_err();
        assert!(error.to_string().ends_with("out-degrees are 10 (in-degree 7)"), "{error}");
    }

    #[test]
    fn nearest_divisors_are_named() {
        assert_eq!(divides(16, 800), Ok(()));
        assert_eq!(divides(0, 800), Err(NearestDivisors { below: None, above: Some(1) }));
        assert_eq!(divides(1000, 800), Err(NearestDivisors { below: Some(800), above: None }));
        assert_eq!(divides(30, 800).unwrap_err().to_string(), "25 and 32");
        assert_eq!(divides(usize::MAX, 800).unwrap_err().to_string(), "800");
    }

    #[test]
    fn out_of_range_is_refused() {
        for out_degree in [0, 11, usize::MAX] {
            assert_eq!(in_degree(20, 10, out_degree), Err(PatternError::OutDegree { out_degree, n_out: 10 }));
        }
    }
}
