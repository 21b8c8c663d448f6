//! Why thresholds could not be chosen.

use lacewing_engine::{EngineError, ParseError};
use thiserror::Error;

use crate::evaluate::EvaluateError;

/// Thresholds could not be chosen.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// Models or data do not go together.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The model file with its new temperatures is none.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// Without the tail nobody knows what the full network says.
    #[error("the head's full network ends in its tail: give it with --tail")]
    NoTail,
    /// Exits that would go unseen.
    #[error(
        "the tail has exits of its own, which are not calibrated with a head: split the network behind its last exit, or \
         calibrate it whole (convert --split-after 0)"
    )]
    TailExits,
    /// Nothing to choose.
    #[error("the model has no exit besides the end of the network")]
    NoExits,
    /// A number outside its range.
    #[error("{what} is {value}: it has to be above 0 and below 1{}", if *what == ACCURACY_DROP { ", or 0" } else { "" })]
    Range {
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// A confidence that the model file cannot state.
    #[error("a confidence of {0}: a model file states it in steps of 0.5 %, up to 99.5 %")]
    Confidence(f64),
    /// Labels of one class only.
    #[error("all {0} samples have the same label: thresholds need data as the device will see it")]
    OneClass(usize),
    /// Too few samples to speak of.
    #[error("{samples} samples of {classes} classes: fewer samples than classes")]
    TooFew {
        /// Samples.
        samples: usize,
        /// Classes.
        classes: usize,
    },
    /// Too few samples for the promise.
    #[error(
        "{samples} samples are too few to promise a risk of {risk} with confidence {confidence}: it takes {needed} or more"
    )]
    TooFewForPromise {
        /// Samples.
        samples: usize,
        /// Those needed where exits took every sample and were always right.
        needed: usize,
        /// The risk.
        risk: f64,
        /// The confidence.
        confidence: f64,
    },
    /// No threshold keeps the promise.
    #[error(
        "no threshold keeps a risk of {risk} with confidence {confidence} on these samples: the most evident one takes \
         {taken} of {tested}, {disagreements} of them unlike the full network, a risk of up to {bound:.4}; {}",
        advice(*needed)
    )]
    NoneKeeps {
        /// The risk.
        risk: f64,
        /// The confidence.
        confidence: f64,
        /// Samples taken: by the weakest exit, where the promise is asked of each.
        taken: usize,
        /// Samples tested.
        tested: usize,
        /// Of those taken.
        disagreements: usize,
        /// The bound.
        bound: f64,
        /// About so many samples in all would do, with the same shares; `None` where no number would.
        needed: Option<usize>,
    },
    /// No threshold keeps the accuracy.
    #[error(
        "no threshold loses as little as {:.3} points of accuracy on these samples: the best one loses {:.3}",
        100.0 * most,
        100.0 * least
    )]
    DropNotMet {
        /// The most that may be lost, a fraction.
        most: f64,
        /// What is lost at least.
        least: f64,
    },
    /// No threshold takes enough.
    #[error(
        "no threshold hands as little as {:.2} % of these samples over: it is {:.2} % at least, logits that are not finite \
         among them",
        100.0 * most,
        100.0 * least
    )]
    BudgetNotMet {
        /// The most that may be handed over, a fraction.
        most: f64,
        /// What is handed over at least.
        least: f64,
    },
}

/// How [`ThresholdError::Range`] names it: the one number that may be 0.
pub(super) const ACCURACY_DROP: &str = "the accuracy drop";

fn advice(needed: Option<usize>) -> String {
    match needed {
        Some(needed) => format!("with the same shares it would take about {needed} samples in all"),
        None => "more samples will not help, a larger risk or a better exit will".to_owned(),
    }
}
