//! What exits compute of f32 logits, four at a time: in the lanes of a processor that has them, one after the other elsewhere.

use lacewing_kernels::math;

/// The largest logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Top {
    /// The largest; not defined where a logit is not finite.
    pub(crate) first: f32,
    /// The next one, which may be as large; not defined where there is one class or one logit is not finite.
    pub(crate) second: f32,
    /// Whether all logits are finite.
    pub(crate) finite: bool,
}

/// In place of a logit where there is none: no number is below it, and it is finite.
const NONE: f32 = f32::MIN;

/// The logits behind the last whole four.
#[inline]
const fn last_four(rest: &[f32]) -> [f32; 4] {
    match *rest {
        [a] => [a, NONE, NONE, NONE],
        [a, b] => [a, b, NONE, NONE],
        [a, b, c] => [a, b, c, NONE],
        _ => [NONE; 4],
    }
}

const fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

const fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

impl Top {
    pub(crate) fn of(logits: &[f32]) -> Self {
        let (mut first, mut second, mut zero) = ([NONE; 4], [NONE; 4], [0.0; 4]);
        let (whole, rest) = logits.as_chunks();
        let last = last_four(rest);
        for four in whole.iter().chain((!rest.is_empty()).then_some(&last)) {
            for (((first, second), zero), logit) in first.iter_mut().zip(&mut second).zip(&mut zero).zip(four) {
                *zero += 0.0 * logit;
                *second = larger(smaller(*logit, *first), *second);
                *first = larger(*logit, *first);
            }
        }
        let merge = |(a, below_a), (b, below_b)| (larger(a, b), larger(smaller(a, b), larger(below_a, below_b)));
        let ([a, b, c, d], [below_a, below_b, below_c, below_d]) = (first, second);
        let (first, second) = merge(merge((a, below_a), (b, below_b)), merge((c, below_c), (d, below_d)));
        Self { first, second, finite: sum(zero) == 0.0 }
    }
}

/// With `s = (logit − top) / temperature` of finite logits: Σ e^s and Σ s·e^s.
pub(crate) fn sums(logits: &[f32], top: f32, temperature: f32) -> (f32, f32) {
    // Made while the largest logit is looked for. One of a tiny temperature is beyond f32, and 0 times that no number.
    let inverse = smaller(1.0 / temperature, f32::MAX);
    let (mut weights, mut weighted) = ([0.0; 4], [0.0; 4]);
    let (whole, rest) = logits.as_chunks();
    let last = last_four(rest);
    for four in whole.iter().chain((!rest.is_empty()).then_some(&last)) {
        let mut s = *four;
        for s in &mut s {
            // A weight of next to nothing, in place of 0 · −∞.
            *s = larger((*s - top) * inverse, math::LEAST_OF_FOUR);
        }
        let four = math::exp_of_four(s);
        for (sum, weight) in weights.iter_mut().zip(&four) {
            *sum += *weight;
        }
        for ((sum, s), weight) in weighted.iter_mut().zip(&s).zip(&four) {
            *sum += *s * *weight;
        }
    }
    (sum(weights), sum(weighted))
}

/// 1 / ln C; a constant up to sixteen classes.
pub(crate) fn inverse_ln(classes: usize) -> f32 {
    #[expect(clippy::indexing_slicing, reason = "an index out of range would be an error of compilation")]
    const OF_FEW: [f32; 17] = {
        let (mut inverses, mut classes) = ([0.0; 17], 2);
        while classes < inverses.len() {
            inverses[classes] = 1.0 / math::ln(classes as f32);
            classes += 1;
        }
        inverses
    };
    OF_FEW.get(classes).copied().unwrap_or_else(|| 1.0 / math::ln(classes as f32))
}

/// Two additions behind each other, not four.
const fn sum([a, b, c, d]: [f32; 4]) -> f32 {
    (a + c) + (b + d)
}
