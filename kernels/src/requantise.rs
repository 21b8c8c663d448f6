//! From an int32 accumulator to an int8 output: the one place where int8 junctions round.
//!
//! The arithmetic of TensorFlow Lite's reference kernels (`MultiplyByQuantizedMultiplier` with double rounding, after gemmlowp),
//! so that results can be compared bit for bit with that world: a rounding, doubling high multiplication by a Q31 number, then
//! a rounding division by a power of two.

/// Shifts that [`requantise`] knows: from a division by 2³¹ to a multiplication by 2³⁰.
pub const SHIFTS: core::ops::RangeInclusive<i8> = -31..=30;

/// `acc · multiplier · 2^(shift − 31)`, rounded twice: to the nearest, halves up, after the multiplication; to the nearest,
/// halves away from zero, after the division that a negative shift is.
///
/// `multiplier` is not negative. A positive shift saturates first, where TensorFlow Lite's behaviour is undefined: no clamp to
/// int8 sees the difference from the exact product. Shifts outside [`SHIFTS`] count as the nearest inside.
#[must_use]
#[inline]
pub const fn requantise(acc: i32, multiplier: i32, shift: i8) -> i32 {
    let shift = if shift < -31 {
        -31
    } else if shift > 30 {
        30
    } else {
        shift
    };
    if shift > 0 {
        return high_product(acc.saturating_mul(1 << shift), multiplier);
    }
    let product = high_product(acc, multiplier);
    let divisor = -shift as u32;
    let mask = ((1i64 << divisor) - 1) as i32;
    let threshold = (mask >> 1) + (product < 0) as i32;
    (product >> divisor) + ((product & mask) > threshold) as i32
}

/// `a · b / 2³¹` to the nearest, halves up: gemmlowp's `SaturatingRoundingDoublingHighMul`, whose nudged, truncated division
/// comes to the same. `b` is not negative, so that nothing saturates.
const fn high_product(a: i32, b: i32) -> i32 {
    ((a as i64 * b as i64 + (1 << 30)) >> 31) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As gemmlowp and TensorFlow Lite define it, word for word of the definition: a nudge by the sign, then a division that
    /// truncates; then the remainder against a threshold by the sign.
    fn by_definition(acc: i32, multiplier: i32, shift: i8) -> i64 {
        let (left, right) = (i64::from(shift.max(0)), i64::from((-shift).max(0)));
        let product = (i64::from(acc) << left).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) * i64::from(multiplier);
        let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
        let high = (product + nudge) / (1 << 31);
        let divisor = 1i64 << right;
        let (quotient, remainder) = (high.div_euclid(divisor), high.rem_euclid(divisor));
        quotient + i64::from(remainder > (divisor - 1) / 2 + i64::from(high < 0))
    }

    #[test]
    fn is_the_reference_rounding() {
        let accumulators =
            [0, 1, -1, 2, -2, 3, -3, 5, 127, -128, 1 << 15, -(1 << 15), (1 << 30) + 1, i32::MAX, i32::MIN];
        let multipliers = [0, 1, 1 << 30, (1 << 30) + 1, 3 << 29, i32::MAX - 1, i32::MAX];
        let mut seed = 1u32;
        for round in 0..if cfg!(miri) { 4 } else { 2000 } {
            for acc in accumulators {
                // Near the listed ones, so that halves are met, and far from them.
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let acc = if round == 0 { acc } else { acc.wrapping_add(seed as i32 >> (round % 32)) };
                for multiplier in multipliers {
                    for shift in SHIFTS {
                        let (got, want) = (requantise(acc, multiplier, shift), by_definition(acc, multiplier, shift));
                        assert_eq!(i64::from(got), want, "{acc} · {multiplier} · 2^{shift}");
                    }
                }
            }
        }
    }

    #[test]
    fn halves_go_away_from_zero_in_the_division() {
        // Multiplier ½, so that the product is acc / 2.
        assert_eq!([2, 6, -2, -6].map(|acc| requantise(acc, 1 << 30, -1)), [1, 2, -1, -2]);
        assert_eq!([1, -1].map(|acc| requantise(acc, 1 << 30, 0)), [1, 0], "and up in the product");
    }

    #[test]
    fn positive_shifts_saturate() {
        assert_eq!(requantise(1 << 20, i32::MAX, 20), i32::MAX - 1);
        assert_eq!(requantise(-(1 << 20), 1 << 30, 30), -(1 << 30));
        assert_eq!(requantise(3, 1 << 30, 4), 24);
    }
}
