//! The few transcendental functions that `core` lacks, in single precision, the same on every target.
//!
//! Cody–Waite range reduction and short polynomials; no tables. Bounds are those the tests sweep.

/// ln 2 in two parts, so that n times the first is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;

/// `e^x`, relative error below 3e-7; 0 below −87.3, infinity above 88.7, NaN for NaN.
#[must_use]
pub fn exp(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    if x < -87.3 {
        return 0.0;
    }
    if x > 88.7 {
        return f32::INFINITY;
    }
    // x = n·ln 2 + r, |r| ≤ ln 2 / 2.
    let nearest = x * core::f32::consts::LOG2_E + if x < 0.0 { -0.5 } else { 0.5 };
    let n = nearest as i32;
    let r = x - n as f32 * LN2_HI - n as f32 * LN2_LO;
    // Taylor to the seventh power: remainder < (ln 2 / 2)^8 / 8! = 5e-9.
    let p = 1.0
        + r * (1.0
            + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r / 5040.0))))));
    // n ≤ 128: two factors, because 2^128 itself is not a finite f32.
    let half = n / 2;
    p * power_of_two(half) * power_of_two(n - half)
}

/// The least number of [`exp_of_four`].
pub const LEAST_OF_FOUR: f32 = -86.0;

/// `e^s` of four numbers from [`LEAST_OF_FOUR`] to 0, in a processor's lanes where it has them: relative error below 3e-7. Of other
/// numbers it is some number.
#[inline]
#[must_use]
pub fn exp_of_four(s: [f32; 4]) -> [f32; 4] {
    // 1.5 · 2^23: a number added to it is rounded to a whole one, which stands in its last bits.
    const WHOLE: f32 = 12_582_912.0;
    // As in `exp`, without a branch, step by step for all four.
    let mut whole = s;
    for whole in &mut whole {
        *whole = *whole * core::f32::consts::LOG2_E + WHOLE;
    }
    let mut r = s;
    for (r, whole) in r.iter_mut().zip(&whole) {
        let n = *whole - WHOLE;
        *r = *r - n * LN2_HI - n * LN2_LO;
    }
    // 1 + r + r² times a cubic, of the least relative error (1.1e-7) for |r| ≤ ln 2 / 2; its halves side by side.
    let mut powers = r;
    for p in &mut powers {
        let (r, r2) = (*p, *p * *p);
        let low = (1.0 + r) + r2 * (0.499_992_3 + r * 0.166_671_16);
        *p = low + (r2 * r2) * (0.041_890_55 + r * 0.008_312_478);
    }
    for (p, whole) in powers.iter_mut().zip(&whole) {
        // n goes to the exponent: at least −124, so that it stays one.
        *p = f32::from_bits(p.to_bits().wrapping_add(whole.to_bits() << 23));
    }
    powers
}

/// `2^n` for |n| ≤ 126.
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// Natural logarithm of a positive, finite, normal number, absolute error below 2e-7 near 1 and relative below 3e-7
/// elsewhere; NaN for anything else.
#[must_use]
pub const fn ln(x: f32) -> f32 {
    if !x.is_normal() || x < 0.0 {
        return f32::NAN;
    }
    // x = m·2^e with m in [√½, √2): ln x = e·ln 2 + 2·atanh((m − 1)/(m + 1)).
    let bits = x.to_bits();
    let mut e = (bits >> 23) as i32 - 127;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    if m > core::f32::consts::SQRT_2 {
        m *= 0.5;
        e += 1;
    }
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    // The series in two halves side by side.
    let s4 = s2 * s2;
    let atanh = s * ((1.0 + s2 * (1.0 / 3.0)) + s4 * ((1.0 / 5.0 + s2 * (1.0 / 7.0)) + s4 * (1.0 / 9.0)));
    e as f32 * core::f32::consts::LN_2 + 2.0 * atanh
}

/// Hyperbolic tangent, absolute error below 3e-7.
#[must_use]
pub fn tanh(x: f32) -> f32 {
    let magnitude = if x < 0.0 { -x } else { x };
    if magnitude < 0.3 {
        // The quotient below loses digits near 0. Taylor to x^9; remainder < 0.3^11 · 0.0089 = 2e-8.
        let x2 = x * x;
        return x * (1.0 + x2 * (-1.0 / 3.0 + x2 * (2.0 / 15.0 + x2 * (-17.0 / 315.0 + x2 * (62.0 / 2835.0)))));
    }
    let t = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
    if x < 0.0 { -t } else { t }
}

/// `1 / (1 + e^−x)`, absolute error below 2e-7.
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    fn sweep(from: f64, to: f64, f: fn(f32) -> f32, want: fn(f64) -> f64, relative: f64, absolute: f64) {
        for i in 0..=200_000 {
            let x = (from + (to - from) * f64::from(i) / 200_000.0) as f32;
            let (got, want) = (f64::from(f(x)), want(f64::from(x)));
            let error = (got - want).abs();
            assert!(error <= relative * want.abs() + absolute, "f({x}) = {got}, want {want}");
        }
    }

    #[test]
    fn exp_within_bound() {
        sweep(-87.2, 88.7, super::exp, f64::exp, 3e-7, 0.0);
        assert_eq!(super::exp(-1e9), 0.0);
        assert_eq!(super::exp(1e9), f32::INFINITY);
        assert_eq!(super::exp(0.0), 1.0);
    }

    #[test]
    fn exp_of_four_within_bound() {
        sweep(-86.0, 0.0, |s| super::exp_of_four([0.0, s, -1.0, -50.0])[1], f64::exp, 3e-7, 0.0);
        let [one, least, ..] = super::exp_of_four([0.0, super::LEAST_OF_FOUR, -1.0, -1.0]);
        assert_eq!(one, 1.0);
        assert!(least > 0.0 && least < 1e-37);
    }

    #[test]
    fn ln_within_bound() {
        sweep(1e-3, 4.0, super::ln, f64::ln, 3e-7, 2e-7);
        sweep(4.0, 1e5, super::ln, f64::ln, 3e-7, 0.0);
        assert!(super::ln(0.0).is_nan() && super::ln(-1.0).is_nan() && super::ln(f32::INFINITY).is_nan());
    }

    #[test]
    fn tanh_and_sigmoid_within_bound() {
        sweep(-20.0, 20.0, super::tanh, f64::tanh, 0.0, 3e-7);
        sweep(-80.0, 80.0, super::sigmoid, |x| 1.0 / (1.0 + (-x).exp()), 0.0, 2e-7);
    }
}
