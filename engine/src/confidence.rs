//! How sure an exit with int8 logits is, in integers: no floating point, two tables, three formulae.
//!
//! `step` is the distance of two neighbouring logits over the temperature, in units of 2⁻²⁴; a logit `d` steps below the top
//! one weighs `e^(−d·step) = 2^(−d·bits)`. The weights come from a table of 2^(−i/64) with straight lines between its entries
//! (relative error below 1.5·10⁻⁵). Against the exact formulae the results are off by at most 2⁻¹⁴ (two steps of Q15) for max
//! probability and margin, and 2⁻¹³ for entropy, up to 1,000 classes; tests hold them to it.

use crate::answer::Q15;

/// log₂ e in units of 2⁻²⁴.
const LOG2_E: u64 = 24_204_406;
/// 1 in the weights' units.
const ONE: u64 = 1 << 30;
/// Entries of the table but the last.
const PARTS: usize = 64;

/// `2^(−i / 64)` in units of 2⁻³⁰.
const TABLE: [u32; PARTS + 1] = {
    // 2^(−1/64) in units of 2⁻⁶².
    const RATIO: u128 = 4_562_008_997_483_360_349;
    let mut table = [0; PARTS + 1];
    let mut rest: &mut [u32] = &mut table;
    let mut value: u128 = 1 << 62;
    while let [entry, others @ ..] = rest {
        *entry = ((value + (1 << 31)) >> 32) as u32;
        value = (value * RATIO + (1 << 61)) >> 62;
        rest = others;
    }
    table
};

/// `2^−f` in units of 2⁻³⁰; `f` in units of 2⁻²⁴, at most [`NOTHING`].
fn power(f: u32) -> u32 {
    let entry = (f >> 18) as usize % PARTS;
    // Entries below PARTS have a neighbour.
    let [a, b] = [entry, entry + 1].map(|at| TABLE.get(at).copied().unwrap_or(0));
    // How far f is behind the entry, in units of 2⁻³² of their distance.
    let rest = f << 14;
    (a - ((u64::from(a - b) * u64::from(rest)) >> 32) as u32) >> (f >> 24)
}

/// `−log₂` of a weight of nothing: less than 2⁻³⁰.
const NOTHING: u32 = 31 << 24;

/// What each logit weighs, in units of 2⁻³⁰, and `−log₂` of it, in units of 2⁻²⁴; those that weigh nothing are left out.
fn weights(logits: &[i8], top: i8, step: u32) -> impl Iterator<Item = (u32, u32)> {
    // Of one step. Clamped, products of distances that are not too far stay within 32 bits.
    let bits = ((u64::from(step) * LOG2_E) >> 24).min(NOTHING.into()) as u32;
    let far = NOTHING.checked_div(bits).unwrap_or(u32::MAX);
    let distances = logits.iter().map(move |logit| (i32::from(top) - i32::from(*logit)) as u32);
    distances.filter(move |d| *d <= far).map(move |d| (power(d * bits), d * bits))
}

/// `log₂(1 + i / 64)` in units of 2⁻²⁴.
const LOGS: [u32; PARTS + 1] = {
    let mut table = [0; PARTS + 1];
    let mut rest: &mut [u32] = &mut table;
    let mut i = 0;
    while let [entry, others @ ..] = rest {
        *entry = (exact_log2(PARTS as u64 + i) - exact_log2(PARTS as u64)) as u32;
        rest = others;
        i += 1;
    }
    table
};

/// `log₂ x` in units of 2⁻²⁴, of x ≥ 1: digit by digit.
const fn exact_log2(x: u64) -> u64 {
    let whole = 63 - x.leading_zeros();
    let mut mantissa = (x << (63 - whole)) >> 32;
    let mut log = whole as u64;
    let mut digit = 0;
    while digit < 24 {
        mantissa = (mantissa * mantissa) >> 31;
        let bit = mantissa >> 32;
        mantissa >>= bit;
        log = (log << 1) | bit;
        digit += 1;
    }
    log
}

/// `log₂ x` in units of 2⁻²⁴, of x ≥ 1, from the table with straight lines between its entries: at most 4.5·10⁻⁵ too low.
fn log2(x: u64) -> u64 {
    let whole = 63 - x.leading_zeros();
    let mantissa = (x << (63 - whole)) >> 32;
    let (entry, rest) = ((mantissa >> 25) as usize % PARTS, mantissa & 0x1ff_ffff);
    // Entries below PARTS have a neighbour.
    let [a, b] = [entry, entry + 1].map(|at| u64::from(LOGS.get(at).copied().unwrap_or(0)));
    (u64::from(whole) << 24) + a + (((b - a) * rest) >> 25)
}

fn q15(numerator: u64, denominator: u64) -> Q15 {
    Q15::saturating(((numerator << 15) + denominator / 2).checked_div(denominator).unwrap_or(0))
}

/// `q15(ONE, sum)`. Sums of weights, the top one's among them, are shortened for a division of 32 bits: one of 64 is a loop where the
/// processor has none.
fn share(sum: u64) -> Q15 {
    if sum < ONE {
        return q15(ONE, sum);
    }
    let rounded = (ONE << 15) + sum / 2;
    // The divisor is above the exact one by less than 2⁻¹⁵ of it, so that the quotient is at most 2 too low, and never too high.
    let mut steps = u64::from(((rounded >> 15) as u32).checked_div((sum >> 15) as u32 + 1).unwrap_or(0));
    while (steps + 1) * sum <= rounded {
        steps += 1;
    }
    Q15::saturating(steps)
}

/// The largest probability of the softmax.
pub(crate) fn max_probability(logits: &[i8], top: i8, step: u32) -> Q15 {
    share(weights(logits, top, step).map(|(weight, _)| u64::from(weight)).sum())
}

/// The margin `m` as `m / (1 + m)`.
pub(crate) fn margin(top: i8, second: Option<i8>, step: u32) -> Q15 {
    let Some(second) = second else { return Q15::ONE };
    let margin = u64::from(top.abs_diff(second)) * u64::from(step);
    q15(margin, (1 << 24) + margin)
}

/// The entropy `h` over ln C as `1 − h`.
pub(crate) fn entropy(logits: &[i8], top: i8, step: u32) -> Q15 {
    if logits.len() < 2 {
        return Q15::ONE;
    }
    let (mut sum, mut weighted) = (0u64, 0u64);
    for (weight, bits) in weights(logits, top, step) {
        sum += u64::from(weight);
        weighted += (u64::from(weight) * u64::from(bits)) >> 24;
    }
    // H = log₂ Σ + Σ weight · bits / Σ, in bits.
    let entropy = log2(sum) - log2(ONE) + (weighted << 13) / (sum >> 11).max(1);
    let most = log2(logits.len() as u64);
    q15(most.saturating_sub(entropy), most)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    /// In f64: max probability, margin / (1 + margin), 1 − entropy / ln C.
    fn exact(logits: &[i8], step: u32) -> [f64; 3] {
        let mut z: Vec<f64> = logits.iter().map(|q| f64::from(*q) * f64::from(step) / 16_777_216.0).collect();
        z.sort_by(|a, b| b.total_cmp(a));
        let weights: Vec<f64> = z.iter().map(|v| (v - z[0]).exp()).collect();
        let sum: f64 = weights.iter().sum();
        let margin = z[0] - z[1];
        let entropy: f64 = weights.iter().map(|w| w / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
        [1.0 / sum, margin / (1.0 + margin), 1.0 - entropy / (logits.len() as f64).ln()]
    }

    #[test]
    fn within_the_stated_bounds() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed >> 8
        };
        for round in 0..4000 {
            let classes = [2, 3, 10, 10, 10, 100, 1000][round % 7];
            let spread = [1, 5, 40, 255][round / 7 % 4];
            let logits: Vec<i8> = (0..classes).map(|_| (next() % (spread + 1)) as u8 as i8).collect();
            let step = [1, 1 << 10, 1 << 18, next() % (1 << 21) + 1, 1 << 24, u32::MAX][round % 6];
            let top = logits.iter().copied().max().unwrap_or(0);
            let first = logits.iter().position(|q| *q == top);
            let others = logits.iter().enumerate().filter(|(at, _)| Some(*at) != first);
            let second = others.map(|(_, q)| *q).max();
            let got = [max_probability(&logits, top, step), margin(top, second, step), entropy(&logits, top, step)];
            for ((got, want), bound) in
                got.iter().zip(exact(&logits, step)).zip([1.0 / 16384.0, 1.0 / 16384.0, 1.0 / 8192.0])
            {
                let error = (f64::from(got.steps()) / 32768.0 - want).abs();
                assert!(error <= bound, "{got:?} of {want}, {classes} classes, step {step}: {error:e}");
            }
        }
    }

    #[test]
    fn ends() {
        assert_eq!(margin(5, None, 9), Q15::ONE);
        assert_eq!(entropy(&[7], 7, 9), Q15::ONE);
        assert_eq!(max_probability(&[7], 7, 9), Q15::ONE);
        assert_eq!(max_probability(&[-128, 127], 127, u32::MAX), Q15::ONE);
        assert_eq!(max_probability(&[3; 4], 3, 1 << 24).steps(), 8192);
        assert_eq!((entropy(&[3; 4], 3, 1 << 24).steps(), margin(3, Some(3), 1 << 24).steps()), (0, 0));
    }

    #[test]
    fn a_share_is_the_rounded_quotient() {
        let mut seed = 1u64;
        let ends = [0, 1, ONE - 1, ONE, ONE + 1, 2 * ONE, 3 * ONE, (1 << 46) - 1, 65_535 * ONE];
        let drawn = (0..200_000).map(|k| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ONE + (seed >> 18 >> (k % 17))
        });
        for sum in drawn.chain(ends) {
            assert_eq!(share(sum), q15(ONE, sum), "{sum}");
        }
    }

    #[test]
    fn powers_and_logarithms() {
        for f in (0..=NOTHING).step_by(99_991) {
            let want = (-f64::from(f) / 16_777_216.0).exp2();
            let error = (f64::from(power(f)) / ONE as f64 - want).abs();
            assert!(error <= 1.5e-5 * want + 1e-9, "2^-{f}");
        }
        for x in (1..1_000_000u64).step_by(997).chain([u64::MAX, 1 << 40]) {
            let [exact, got] = [exact_log2(x), log2(x)].map(|log| log as f64 / 16_777_216.0 - (x as f64).log2());
            assert!(exact.abs() < 2e-7 && (-4.5e-5..2e-7).contains(&got), "{x}: {exact} {got}");
        }
    }
}
