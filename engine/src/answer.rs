//! What a run ends with.

use crate::element::Element;
use crate::features::Features;
use crate::model::ExitId;

/// A number in 0..=1 in steps of 2⁻¹⁵, so that targets without floating point have it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Q15(u16);

impl Q15 {
    /// The nearest step; NaN is 0, numbers outside are clamped.
    #[must_use]
    pub fn from_f32(value: f32) -> Self {
        // `as` takes NaN to 0 and clamps below.
        let steps = (value * 32768.0 + 0.5) as u16;
        Self(if steps > 0x8000 { 0x8000 } else { steps })
    }

    /// `steps` of 2⁻¹⁵; `None` above 32,768.
    #[must_use]
    pub const fn from_steps(steps: u16) -> Option<Self> {
        if steps > 0x8000 { None } else { Some(Self(steps)) }
    }

    /// 0.
    pub(crate) const ZERO: Self = Self(0);

    /// 1.
    pub const ONE: Self = Self(0x8000);

    /// This many steps of 2⁻¹⁵; more than 32,768 count as 1.
    pub(crate) const fn saturating(steps: u64) -> Self {
        if steps > 0x8000 { Self::ONE } else { Self(steps as u16) }
    }

    /// Steps of 2⁻¹⁵: 0 to 32,768.
    #[must_use]
    pub const fn steps(self) -> u16 {
        self.0
    }

    /// The number.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) / 32768.0
    }
}

/// A class, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The first of the largest logits.
    pub class: u16,
    /// The exit that answered.
    pub exit: ExitId,
    /// How sure the exit is, by its own metric: the max probability p, the margin m as m / (1 + m), the entropy h over ln C
    /// as 1 − h. 0 where a logit is NaN or infinite.
    pub confidence: Q15,
}

/// What a run ends with.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'e, T: Element = f32> {
    /// An exit was sure enough, or the network has ended.
    Answer(Answer),
    /// No exit was: the tail finishes.
    Offload {
        /// What the tail needs.
        features: Features<'e, T>,
        /// The last exit's own answer, for when the link is down; `None` where no exit was met.
        fallback: Option<Answer>,
    },
}

/// What [`Engine::step`](crate::Engine::step) came to.
#[derive(Clone, Copy, Debug)]
pub enum Step<'e, T: Element = f32> {
    /// One operation is done, there are more.
    More,
    /// The run has ended; the next step begins a new one.
    Done(Outcome<'e, T>),
}

#[cfg(test)]
mod tests {
    use super::Q15;

    #[test]
    fn q15_rounds_and_clamps() {
        let steps = [0.0, 1.0, 0.5, -1.0, 2.0, f32::NAN, f32::INFINITY, 1e-5].map(|v| Q15::from_f32(v).steps());
        assert_eq!(steps, [0, 32768, 16384, 0, 32768, 0, 32768, 0]);
        assert_eq!(Q15::from_f32(0.25).to_f32(), 0.25);
    }
}
