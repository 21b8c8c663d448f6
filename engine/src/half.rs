//! Half precision (IEEE 754 binary16) as bits: the language has no stable type for it.

/// Rounds to the nearest, ties to even; infinite from 65,520 on.
pub(crate) const fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let abs = bits & 0x7fff_ffff;
    let half = match abs {
        0x7f80_0001.. => 0x7e00,
        // From half a step above the largest, 65,504.
        0x477f_f000.. => 0x7c00,
        // Normal, from 2⁻¹⁴: the exponent's bias goes from 127 to 15.
        0x3880_0000.. => round(abs - 0x3800_0000, 13),
        // Steps of 2⁻²⁴; half a step and less is 0.
        0x3300_0001.. => round(abs & 0x007f_ffff | 0x0080_0000, 126 - (abs >> 23)),
        _ => 0,
    };
    sign | half as u16
}

/// `bits / 2^shift`, to the nearest, ties to even.
const fn round(bits: u32, shift: u32) -> u32 {
    let (whole, rest, tie) = (bits >> shift, bits & ((1 << shift) - 1), 1 << (shift - 1));
    if rest > tie || rest == tie && whole & 1 == 1 { whole + 1 } else { whole }
}

/// Exact.
pub(crate) fn to_f32(half: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(half & 0x8000) << 16, half >> 10 & 31, half & 0x3ff);
    let abs = match exponent {
        0 => (f32::from(fraction) * f32::from_bits(0x3380_0000)).to_bits(),
        31 => 0x7f80_0000 | u32::from(fraction) << 13,
        _ => (u32::from(half & 0x7fff) << 13) + 0x3800_0000,
    };
    f32::from_bits(sign | abs)
}

/// Whether it is neither infinite nor NaN.
pub(crate) const fn is_finite(half: u16) -> bool {
    half & 0x7c00 != 0x7c00
}

#[cfg(test)]
mod tests {
    use super::{from_f32, is_finite, to_f32};

    #[test]
    fn every_half_survives_and_so_does_what_rounds_to_it() {
        for bits in 0..=u16::MAX {
            let value = to_f32(bits);
            assert_eq!(value.is_finite(), is_finite(bits), "{bits:#06x}");
            if value.is_nan() {
                assert!(to_f32(from_f32(value)).is_nan(), "{bits:#06x}");
                continue;
            }
            assert_eq!(from_f32(value), bits, "{bits:#06x}");
            if bits & 0x7fff < 0x7bff {
                // Half way to the next: ties go to the even one, what lies beside goes to the nearer.
                let tie = ((f64::from(value) + f64::from(to_f32(bits + 1))) / 2.0) as f32;
                assert_eq!(from_f32(tie), bits + (bits & 1), "{bits:#06x}");
                assert_eq!(from_f32(f32::from_bits(tie.to_bits() - 1)), bits, "{bits:#06x}");
                assert_eq!(from_f32(f32::from_bits(tie.to_bits() + 1)), bits + 1, "{bits:#06x}");
            }
        }
    }

    #[test]
    fn published_values() {
        let pairs = [(0.0, 0), (-0.0, 0x8000), (1.0, 0x3c00), (65504.0, 0x7bff), (65519.96, 0x7bff), (65520.0, 0x7c00)];
        for (value, half) in pairs {
            assert_eq!(from_f32(value), half, "{value}");
        }
        assert_eq!(to_f32(0x3555), 0.333_251_95);
        assert_eq!(to_f32(1), 2f32.powi(-24));
        assert_eq!([from_f32(f32::MAX), from_f32(f32::NEG_INFINITY), from_f32(f32::NAN)], [0x7c00, 0xfc00, 0x7e00]);
    }
}
