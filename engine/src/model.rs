//! A model: proven bytes.

use lacewing_kernels::{Junction, KernelSet, Quantisation};

use crate::answer::Q15;
use crate::error::{ResumeError, WrongLength};
use crate::layout::Layout;

/// Operations a model may have.
pub const MAX_OPERATIONS: usize = 16;
/// Exits a model may have.
pub const MAX_EXITS: usize = 8;

/// Which part of a network a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it: always answers.
    Whole,
    /// From the input to the split point, with the exits on the way: answers or hands over.
    Head,
    /// From the split point on: always answers.
    Tail,
}

impl Part {
    /// `whole`, `head` or `tail`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Head => "head",
            Self::Tail => "tail",
        }
    }
}

/// How sure an exit is, as a number; see FORMAT.md for the formulae.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The largest probability of the softmax: taken at or above the threshold.
    MaxProbability,
    /// The distance of the two largest logits, after temperature: taken at or above the threshold.
    Margin,
    /// Entropy of the softmax over ln C: taken at or below the threshold.
    Entropy,
}

impl Metric {
    /// `max_probability`, `margin` or `entropy`, as in recipes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxProbability => "max_probability",
            Self::Margin => "margin",
            Self::Entropy => "entropy",
        }
    }
}

/// One operation of a model's plan.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'m> {
    /// The exit (of this file, from 1) whose branch it is part of; `None` in the trunk.
    pub exit: Option<u8>,
    /// What it computes.
    pub junction: Junction<'m>,
    /// What the values that it reads are in memory: int8, or f32 where `None`.
    pub reads: Option<Quantisation>,
    /// What the junction itself computes with: as `reads`, unless values are converted on the way.
    pub input: Option<Quantisation>,
    /// What it writes: int8, or f32 where `None`.
    pub output: Option<Quantisation>,
}

/// An exit: a place where the network may answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exit {
    /// Number in the whole network, from 1.
    pub id: ExitId,
    /// Trunk junction of the whole network, from 1, behind which it sits.
    pub after: u8,
    /// How sure it has to be.
    pub metric: Metric,
    /// Operations in its branch; 0 for the end of the trunk, which always answers.
    pub branch: u8,
    /// Logits are divided by it before the metric is taken; above 0.
    pub temperature: f32,
    /// When to take the exit, in the metric's unit.
    pub threshold: f32,
    /// Size of the data the threshold was chosen on, 0 for chosen by hand.
    pub samples: u32,
    /// What the threshold was chosen for; `None` for chosen by hand.
    pub calibration: Option<Calibration>,
    /// The same for int8 logits, in integers; `None` where logits are f32.
    pub integer: Option<IntegerExit>,
}

/// What an exit's threshold was chosen for, and what is then to be expected of data like that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// For what.
    pub target: CalibrationTarget,
    /// Share of all samples that the exit takes.
    pub exit_rate: Q15,
    /// Mean confidence of the outcomes that it takes, and at the last exit with a branch of those that no exit takes too: its
    /// own where they are handed over, the end's in a whole network.
    pub confidence: Q15,
}

/// What a threshold was chosen for; shares are above 0 and below 1, an accuracy drop may be 0.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CalibrationTarget {
    /// Accuracy within this of the full network's.
    AccuracyDrop(f32),
    /// At most this share handed over.
    OffloadBudget(f32),
    /// Of what the exits of the file take, all together, a share of at most `risk` is unlike the full network, with `confidence`
    /// in steps of 0.5 %.
    Risk {
        /// A share.
        risk: f32,
        /// 1 to 199 half percents.
        confidence: u8,
    },
}

/// Temperature and threshold of an exit with int8 logits, for targets without floating point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerExit {
    /// The logits' scale over the temperature, in units of 2⁻²⁴; at least 1.
    pub step: u32,
    /// The least confidence (see [`Answer::confidence`](crate::Answer)) with which the exit is taken, in units of 2⁻¹⁵; never
    /// above 32,768.
    pub least: u16,
}

/// An exit's number in the whole network, from 1: head and tail count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitId(pub u8);

/// How raw numbers relate to the network's: `(raw − zero) · scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Above 0.
    pub scale: f32,
    /// The raw number that means 0.
    pub zero: f32,
}

/// A model, borrowed from its bytes.
///
/// Holding one is the proof for the whole file: [`Model::parse`] is the only door, and nothing after it can go out of range,
/// fail or panic. The bytes stay where they are.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    pub(crate) bytes: &'m [u8],
    pub(crate) part: Part,
    pub(crate) pair_id: u32,
    pub(crate) split: u8,
    pub(crate) head_exits: u8,
    pub(crate) n_in: u16,
    pub(crate) classes: u16,
    pub(crate) input_scaling: Scaling,
    pub(crate) input: Option<Quantisation>,
    pub(crate) output_scaling: Scaling,
    pub(crate) operations: [Option<Operation<'m>>; MAX_OPERATIONS],
    pub(crate) features_len: u16,
    pub(crate) output: Option<Quantisation>,
    pub(crate) exits: [Option<Exit>; MAX_EXITS],
    pub(crate) names: &'m [u8],
    pub(crate) layout: Layout,
    pub(crate) kernels: KernelSet,
}

impl<'m> Model<'m> {
    /// The file.
    #[must_use]
    pub const fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// Which part of a network it is.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// The same in the head and tail of one conversion.
    #[must_use]
    pub const fn pair_id(&self) -> u32 {
        self.pair_id
    }

    /// Trunk junctions in the head; 0 in a whole network.
    #[must_use]
    pub const fn split(&self) -> u8 {
        self.split
    }

    /// Values of [`Engine::input`](crate::Engine::input).
    #[must_use]
    pub const fn n_in(&self) -> usize {
        self.n_in as usize
    }

    /// Classes.
    #[must_use]
    pub const fn classes(&self) -> usize {
        self.classes as usize
    }

    /// How the network's inputs relate to what the sensor or data set delivers.
    #[must_use]
    pub const fn input_scaling(&self) -> Scaling {
        self.input_scaling
    }

    /// What the inputs are: int8, or f32 where `None`.
    #[must_use]
    pub const fn input(&self) -> Option<Quantisation> {
        self.input
    }

    /// What the features are, and the end of the trunk: int8, or f32 where `None`.
    #[must_use]
    pub const fn output(&self) -> Option<Quantisation> {
        self.output
    }

    /// How what the end of the trunk writes relates to the network's numbers; 1 and 0 where that is f32.
    #[must_use]
    pub const fn output_scaling(&self) -> Scaling {
        self.output_scaling
    }

    /// The operations, in the order in which they run.
    pub fn operations(&self) -> impl Iterator<Item = &Operation<'m>> {
        self.operations.iter().flatten()
    }

    /// Whether every value from the input to the logits is f32.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        self.input.is_none()
            && self.operations().all(|operation| operation.input.is_none() && operation.output.is_none())
    }

    /// The exits, in the order in which they are met.
    pub fn exits(&self) -> impl Iterator<Item = &Exit> {
        self.exits.iter().flatten()
    }

    /// Exits of the head in front of this tail; 0 in another part.
    #[must_use]
    pub const fn head_exits(&self) -> u8 {
        self.head_exits
    }

    /// Bytes of scratch that an engine needs: exact, the same on every instruction set, and a constant where the model is one.
    #[must_use]
    pub const fn scratch_len(&self) -> usize {
        self.layout.len()
    }

    /// Values handed over by a head, or the width of the trunk's end.
    #[must_use]
    pub const fn features_len(&self) -> usize {
        self.features_len as usize
    }

    /// Whether this tail can finish `len` features that a head of pair `pair_id` took behind trunk junction `split`.
    ///
    /// # Errors
    /// What does not fit.
    pub const fn admits(&self, pair_id: u32, split: u8, len: usize) -> Result<(), ResumeError> {
        if !matches!(self.part, Part::Tail) {
            Err(ResumeError::NotATail)
        } else if pair_id != self.pair_id {
            Err(ResumeError::WrongPair { tail: self.pair_id, features: pair_id })
        } else if split != self.split {
            Err(ResumeError::WrongSplit { tail: self.split, features: split })
        } else if len != self.n_in() {
            Err(ResumeError::WrongLength(WrongLength { needed: self.n_in(), found: len }))
        } else {
            Ok(())
        }
    }

    /// The kernels it was parsed with.
    #[must_use]
    pub const fn kernels(&self) -> KernelSet {
        self.kernels
    }

    /// A class's name, where the file has names.
    #[must_use]
    pub fn class_name(&self, class: usize) -> Option<&'m str> {
        let mut rest = self.names;
        let mut at = 0;
        while let [len, after @ ..] = rest {
            let (name, next) = after.split_at_checked(usize::from(*len))?;
            if at == class {
                return core::str::from_utf8(name).ok();
            }
            rest = next;
            at += 1;
        }
        None
    }
}
