//! What an exit record says about where its threshold came from.

use super::{EXIT, refuse};
use crate::answer::Q15;
use crate::error::{ParseError, Rule};
use crate::model::{Calibration, CalibrationTarget};
use crate::read::Record;

/// What an exit's threshold was chosen for; all zero for chosen by hand.
pub(super) const fn read(r: &Record<'_, EXIT>, at: usize) -> Result<Option<Calibration>, ParseError> {
    let (confidence, share) = (r.u8(23), r.f32(24));
    let target = match r.u8(22) {
        0 => {
            require!(r.is_zero(23, 9), Rule::ReservedNotZero, at + 23);
            return Ok(None);
        }
        1 => CalibrationTarget::AccuracyDrop(share),
        2 => CalibrationTarget::OffloadBudget(share),
        3 => CalibrationTarget::Risk { risk: share, confidence },
        _ => return refuse(Rule::BadCalibration, at + 22),
    };
    let promises = matches!(target, CalibrationTarget::Risk { .. });
    require!(
        if promises { confidence > 0 && confidence < 200 } else { confidence == 0 },
        Rule::BadCalibration,
        at + 23
    );
    // Not for NaN either. Thresholds may be asked to lose no accuracy at all.
    let drops = matches!(target, CalibrationTarget::AccuracyDrop(_));
    require!((share > 0.0 || drops && share == 0.0) && share < 1.0, Rule::BadCalibration, at + 24);
    match (Q15::from_steps(r.u16(28)), Q15::from_steps(r.u16(30))) {
        (Some(exit_rate), Some(confidence)) if r.u32(12) > 0 => Ok(Some(Calibration { target, exit_rate, confidence })),
        _ => refuse(Rule::BadCalibration, at + 28),
    }
}
