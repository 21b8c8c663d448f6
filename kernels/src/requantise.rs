//! From an int32 accumulator to an int8 output: the one place where int8 junctions round.
//!
//! The arithmetic of TensorFlow Lite's reference kernels (`MultiplyByQuantizedMultiplier` with double rounding, after gemmlowp),
//! so that results can be compared bit for bit with that world: a rounding, doubling high multiplication by a Q31 number, then
//! a rounding division by a power of two. LiteRT's reference kernels, and XNNPACK as far as is seen, round once; a shift says so
//! by [`ROUND_ONCE`].

/// Shifts that [`requantise`] knows: from a division by 2³¹ to a multiplication by 2³⁰; each also with [`ROUND_ONCE`] added.
pub const SHIFTS: core::ops::RangeInclusive<i8> = -31..=30;

/// Added to a shift, it has [`requantise`] round once: to the nearest, halves up. Vector kernels leave shifts above 0, and so these,
/// to the scalar function.
pub const ROUND_ONCE: i8 = 64;

/// Whether a shift is of [`SHIFTS`], or one with [`ROUND_ONCE`] added.
pub(crate) const fn is_shift(shift: i8) -> bool {
    let (least, most) = (*SHIFTS.start(), *SHIFTS.end());
    shift >= least && shift <= most || shift >= least + ROUND_ONCE && shift <= most + ROUND_ONCE
}

/// `acc · multiplier · 2^(shift − 31)`, rounded twice: to the nearest, halves up, after the multiplication; to the nearest,
/// halves away from zero, after the division that a negative shift is.
///
/// `multiplier` is not negative. A positive shift saturates first, where TensorFlow Lite's behaviour is undefined: no clamp to
/// int8 sees the difference from the exact product. With [`ROUND_ONCE`] added to the shift, the exact product is rounded once, and
/// saturates. Shifts that are none count as the nearest below, or the least.
#[must_use]
#[inline]
pub const fn requantise(acc: i32, multiplier: i32, shift: i8) -> i32 {
    if shift >= *SHIFTS.start() + ROUND_ONCE {
        return rounded_once(acc, multiplier, shift - ROUND_ONCE);
    }
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

/// `acc · multiplier · 2^(shift − 31)` to the nearest, halves up.
const fn rounded_once(acc: i32, multiplier: i32, shift: i8) -> i32 {
    let shift = if shift > 30 { 30 } else { shift };
    // At most 2⁶² and a half of 2⁶²: no overflow.
    let divisor = (31 - shift) as u32;
    let scaled = (acc as i64 * multiplier as i64 + (1 << (divisor - 1))) >> divisor;
    if scaled > i32::MAX as i64 {
        i32::MAX
    } else if scaled < i32::MIN as i64 {
        i32::MIN
    } else {
        scaled as i32
    }
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
                        // ⌊2·product/divisor⌋ + 1, halved: to the nearest, halves up.
                        let (product, divisor) = (i128::from(acc) * i128::from(multiplier), 1i128 << (31 - shift));
                        let want = ((2 * product).div_euclid(divisor) + 1).div_euclid(2);
                        let got = requantise(acc, multiplier, shift + ROUND_ONCE);
                        let want = want.clamp(i32::MIN.into(), i32::MAX.into());
                        assert_eq!(i128::from(got), want, "{acc} · {multiplier} · 2^{shift}, once");
                    }
                }
            }
        }
    }

    /// 127 / 256: twice, it is 64 / 128, and then 1.
    #[test]
    fn once_is_not_twice() {
        assert_eq!([0, ROUND_ONCE].map(|once| requantise(127, 1 << 30, -7 + once)), [1, 0]);
        assert_eq!([3, 1, -1, -3].map(|acc| requantise(acc, 1 << 30, ROUND_ONCE)), [2, 1, 0, -1], "halves go up");
        let shifts = [-32, -31, 30, 31, 32, 33, 94, 95];
        assert_eq!(shifts.map(is_shift), [false, true, true, false, false, true, true, false]);
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
