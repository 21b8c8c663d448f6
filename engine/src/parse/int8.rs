//! What int8 adds to a file: quantisations, the bytes they come in, and what has to agree.

use lacewing_kernels::{Int8, Quantisation};

use super::{EXIT, HEADER, OPERATION, refuse};
use crate::error::{ParseError, Rule};
use crate::model::{Exit, IntegerExit, Scaling};
use crate::read::Record;

/// The highest least confidence: above 1, never reached.
const NEVER: u16 = 0x8001;

/// What int8 inputs stand for; `None` where inputs are f32.
pub(super) const fn read_input(r: &Record<'_, HEADER>, scaling: &Scaling) -> Result<Option<Quantisation>, ParseError> {
    match r.u8(28) {
        0 => Ok(None),
        1 => {
            let zero = scaling.zero as i8;
            require!(zero as f32 == scaling.zero, Rule::BadScaling, 32);
            Ok(Some(Quantisation { scale: scaling.scale, zero }))
        }
        _ => refuse(Rule::UnknownElement, 28),
    }
}

/// What an int8 operation reads and writes; `None` for an f32 one.
pub(super) const fn read_quantisations(
    r: &Record<'_, OPERATION>,
    at: usize,
) -> Result<Option<(Quantisation, Quantisation)>, ParseError> {
    match r.u8(12) {
        0 => {
            require!(r.is_zero(18, 6), Rule::ReservedNotZero, at + 18);
            require!(r.is_zero(40, 8), Rule::ReservedNotZero, at + 40);
            Ok(None)
        }
        1 => {
            require!(r.is_zero(22, 2), Rule::ReservedNotZero, at + 22);
            // The clamp does these; the others have no int8 form.
            require!(matches!(r.u8(3), 0 | 1 | 3), Rule::UnknownActivation, at + 3);
            let input = Quantisation { scale: r.f32(40), zero: r.u8(21) as i8 };
            let output = Quantisation { scale: r.f32(44), zero: r.u8(18) as i8 };
            require!(input.is_sound(), Rule::BadScaling, at + 40);
            require!(output.is_short(), Rule::BadScaling, at + 44);
            Ok(Some((input, output)))
        }
        _ => refuse(Rule::UnknownElement, at + 12),
    }
}

/// How an int8 operation's sums become its outputs.
pub(super) const fn read_int8<'m>(r: &Record<'_, OPERATION>, rescale: &'m [u8]) -> Int8<'m> {
    let (output_zero, low, high) = (r.u8(18) as i8, r.u8(19) as i8, r.u8(20) as i8);
    Int8 { rescale, input_zero: r.u8(21) as i8, output_zero, low, high }
}

/// The bytes of the rescale section: implied.
pub(super) const fn rescale_len(n_out: u16, is_int8: bool) -> usize {
    if is_int8 { n_out as usize * 5 } else { 0 }
}

/// The integers of an exit, as they stand in its record.
pub(super) const fn read_integers(r: &Record<'_, EXIT>) -> Option<IntegerExit> {
    let integer = IntegerExit { step: r.u32(16), least: r.u16(20) };
    if integer.step == 0 && integer.least == 0 { None } else { Some(integer) }
}

/// Whether an exit's integers go with its logits.
pub(super) const fn check_exit(exit: &Exit, logits: Option<Quantisation>, at: usize) -> Result<(), ParseError> {
    let fits = match (logits, exit.integer) {
        (None, None) => true,
        (Some(_), Some(integer)) => integer.step > 0 && integer.least <= NEVER,
        _ => false,
    };
    require!(fits, Rule::BadIntegerExit, at + 16);
    Ok(())
}
