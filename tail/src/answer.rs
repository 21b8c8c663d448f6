//! What a tail says.

use lacewing_engine::{ExitId, Q15};

/// A tail's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct TailAnswer {
    /// The first of the largest logits.
    pub class: u16,
    /// The exit that answered, where the server says so.
    pub exit: Option<ExitId>,
    /// How sure it is, where the server says so.
    pub confidence: Option<Q15>,
    /// One a class, where they came along.
    pub logits: Vec<f32>,
}
