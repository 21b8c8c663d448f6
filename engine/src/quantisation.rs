//! What an int8 number stands for.

/// Bytes of a quantisation in a packet.
pub(crate) const PACKED: usize = 4;

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
    /// The nearest number, halves away from 0, within −128..=127; NaN gives `zero`.
    #[must_use]
    pub fn quantise(&self, value: f32) -> i8 {
        let steps = value / self.scale;
        // `as` truncates, saturates and takes NaN to 0.
        let steps = (steps + if steps < 0.0 { -0.5 } else { 0.5 }) as i32;
        steps.saturating_add(i32::from(self.zero)).clamp(-128, 127) as i8
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
    pub(crate) const fn same(a: Option<Self>, b: Option<Self>) -> bool {
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
    pub(crate) const fn is_short(&self) -> bool {
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
    pub(crate) const fn pack(&self) -> [u8; PACKED] {
        (self.scale.to_bits() & !0xff | self.zero as u8 as u32).to_le_bytes()
    }

    pub(crate) const fn unpack(bytes: [u8; PACKED]) -> Self {
        let bits = u32::from_le_bytes(bytes);
        Self { scale: f32::from_bits(bits & !0xff), zero: bits as u8 as i8 }
    }

    pub(crate) const fn is_sound(&self) -> bool {
        self.scale.is_finite() && self.scale > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::Quantisation;

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
