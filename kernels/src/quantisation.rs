//! What an int8 number stands for, and how f32 ones become int8.

/// Bits of 2¹²⁰, the least scale that is too large for a packet: 255 times any smaller one is finite.
const BEYOND: u32 = 0x7b80_0000;

/// int8 numbers `q` that stand for `(q − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantisation {
    /// Finite and above 0.
    pub scale: f32,
    /// The number that stands for 0.
    pub zero: i8,
}

impl Quantisation {
    /// −128..=127 onto the range from `low` to `high`, widened to have 0 in it, which is met exactly; its scale is
    /// [`rounded`](Self::rounded). `None` where the range makes no scale that [`packs`](Self::packs).
    #[must_use]
    pub fn spanning(low: f32, high: f32) -> Option<Self> {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let spanning = Self { scale: (high - low) / 255.0, zero: 0 }.rounded();
        let zero = nearest(-128.0 - low / spanning.scale).clamp(-128, 127) as i8;
        spanning.packs().then_some(Self { zero, ..spanning })
    }

    /// The nearest number, halves away from 0, within −128..=127; NaN gives `zero`.
    #[must_use]
    pub fn quantise(&self, value: f32) -> i8 {
        nearest(value / self.scale).saturating_add(i32::from(self.zero)).clamp(-128, 127) as i8
    }

    /// What `q` stands for.
    #[must_use]
    pub fn dequantise(&self, q: i8) -> f32 {
        f32::from(i16::from(q) - i16::from(self.zero)) * self.scale
    }

    /// Whether both stand for the same numbers; without floating-point arithmetic.
    #[must_use]
    pub const fn is(&self, other: &Self) -> bool {
        self.scale.to_bits() == other.scale.to_bits() && self.zero == other.zero
    }

    /// Whether `f32` values and these are the same thing: both `None`, or the same quantisation.
    #[must_use]
    pub const fn same(a: Option<Self>, b: Option<Self>) -> bool {
        match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => a.is(&b),
            _ => false,
        }
    }

    /// Whether packing keeps it whole and every number stands for a finite one: the scale is normal, above 0 and below 2¹²⁰, and
    /// its lowest eight bits are 0.
    #[must_use]
    pub const fn packs(&self) -> bool {
        self.is_short() && self.scale.to_bits() < BEYOND
    }

    /// Whether four bytes hold it: the scale is finite, normal and above 0, and its lowest eight bits are 0.
    #[must_use]
    pub const fn is_short(&self) -> bool {
        let bits = self.scale.to_bits();
        bits >= 0x0080_0000 && bits < 0x7f80_0000 && bits & 0xff == 0
    }

    /// The scale rounded to 16 significant bits, as [`packs`](Self::packs) wants it. One that is out of range stays so.
    #[must_use]
    pub const fn rounded(self) -> Self {
        // A carry into the exponent is the next power of two, as it should be.
        Self { scale: f32::from_bits((self.scale.to_bits() + 0x80) & !0xff), ..self }
    }

    /// The scale with its lowest eight bits replaced by the zero point, little-endian.
    #[must_use]
    pub const fn pack(&self) -> [u8; 4] {
        (self.scale.to_bits() & !0xff | self.zero as u8 as u32).to_le_bytes()
    }

    /// What [`pack`](Self::pack) packed.
    #[must_use]
    pub const fn unpack(bytes: [u8; 4]) -> Self {
        let bits = u32::from_le_bytes(bytes);
        Self { scale: f32::from_bits(bits & !0xff), zero: bits as u8 as i8 }
    }

    /// Whether the scale is finite and above 0.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0
    }
}

/// The nearest whole number, halves away from 0; saturates, and takes NaN to 0.
fn nearest(steps: f32) -> i32 {
    (steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// The largest number of steps that a weight has.
pub const MOST_STEPS: f64 = 127.0;

/// The step of an output's weights under which the largest of them has [`MOST_STEPS`]; 0 where all are zero.
#[must_use]
pub fn weight_step<'w>(weights: impl IntoIterator<Item = &'w f32>) -> f64 {
    f64::from(weights.into_iter().fold(0.0f32, |largest, weight| largest.max(weight.abs()))) / MOST_STEPS
}

/// A weight in whole steps, the nearest, halves away from 0, at most [`MOST_STEPS`] in size; of NaN none.
#[must_use]
pub fn weight_steps(weight: f32, step: f64) -> f64 {
    let steps = (f64::from(weight) / step).clamp(-MOST_STEPS, MOST_STEPS);
    f64::from((steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i32)
}

#[cfg(test)]
mod tests {
    use super::{Quantisation, weight_step, weight_steps};

    #[test]
    fn spans_a_range_with_nothing_in_it() {
        let of = |low, high| Quantisation::spanning(low, high).expect("a range");
        assert_eq!((of(0.0, 2.55).zero, of(-2.55, 0.0).zero, of(-1.0, 1.0).zero), (-128, 127, -1));
        // A range beside 0 is widened to it.
        assert_eq!((of(1.0, 2.55), of(-2.55, -1.0)), (of(0.0, 2.55), of(-2.55, 0.0)));
        let one = of(-0.3, 0.7);
        assert!(one.packs() && one.dequantise(one.zero) == 0.0);
        for (value, q) in [(-0.3, -128), (0.7, 127)] {
            assert!((one.quantise(value) - q).abs() <= 1, "{value}");
        }
        for (low, high) in [(0.0, 0.0), (0.0, f32::INFINITY), (f32::NAN, f32::NAN), (f32::MIN, f32::MAX), (0.0, 1e-40)]
        {
            assert_eq!(Quantisation::spanning(low, high), None, "{low} to {high}");
        }
    }

    #[test]
    fn weights_are_counted_in_steps_of_the_largest() {
        let weights = [0.5, -127.0, 1.5, -2.5, 0.49];
        let step = weight_step(&weights);
        assert_eq!(weights.map(|weight| weight_steps(weight, step)), [1.0, -127.0, 2.0, -3.0, 0.0]);
        // Finer steps saturate.
        assert_eq!([1.0, -9.0, f32::NAN].map(|weight| weight_steps(weight, 0.001)), [127.0, -127.0, 0.0]);
        assert_eq!(weight_step(&[0.0]), 0.0);
    }

    #[test]
    fn rounds_to_the_nearest_and_saturates() {
        let half = Quantisation { scale: 0.5, zero: 3 };
        let cases = [(0.0, 3), (0.24, 3), (0.25, 4), (-0.25, 2), (-0.24, 3), (1.0, 5), (1e9, 127), (-1e9, -128)];
        for (value, q) in cases {
            assert_eq!(half.quantise(value), q, "{value}");
        }
        let ends = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|value| half.quantise(value));
        assert_eq!(ends, [3, 127, -128]);
        for q in i8::MIN..=i8::MAX {
            assert_eq!(half.quantise(half.dequantise(q)), q);
        }
        assert_eq!(half.dequantise(-128), -65.5);
    }

    #[test]
    fn packs_into_four_bytes() {
        for zero in [-128, 0, 5, 127] {
            let rounded = Quantisation { scale: 1.0 / 255.0, zero }.rounded();
            assert!(rounded.packs() && (rounded.scale * 255.0 - 1.0).abs() < 1.0 / 65536.0);
            assert!(Quantisation::unpack(rounded.pack()).is(&rounded));
        }
        for scale in [0.0, -1.0, 1.0 / 255.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0] {
            assert!(!Quantisation { scale, zero: 0 }.packs(), "{scale}");
        }
    }

    #[test]
    fn what_packs_stands_for_finite_numbers() {
        let largest = Quantisation { scale: f32::from_bits(super::BEYOND - 0x100), zero: -128 };
        assert!(largest.packs() && largest.dequantise(127).is_finite());
        assert!(Quantisation { zero: 127, ..largest }.dequantise(-128).is_finite());
        let beyond = Quantisation { scale: 2f32.powi(120), zero: 0 };
        assert_eq!(beyond.scale.to_bits(), super::BEYOND);
        assert!(!beyond.packs() && beyond.is_short());
        // Rounding makes none of those that round up to it sound.
        assert!(!Quantisation { scale: f32::from_bits(super::BEYOND - 1), zero: 0 }.rounded().packs());
        assert!(!Quantisation { scale: f32::MAX, zero: 0 }.rounded().packs());
    }
}
