//! Kernels for training: the edges of a junction times a batch, forward and backward, and the steps of the optimisers.
//!
//! Activations are stored feature by feature, `[feature][column]`, one column for a sample, `width` columns and a multiple
//! of [`COLUMNS`]. An edge then costs one vector operation over neighbouring samples, whatever its place in the mask; the
//! zeros of the mask are never stored, multiplied or updated ("Pre-Defined Sparse Neural Networks with Hardware
//! Acceleration", arXiv 1812.01164, section II: all three passes of a junction cost its edges).
//!
//! * [`Edges`] is the index proof: its one constructor checks every index, so kernels read without checks.
//! * [`mod@reference`] is the specification. Every kernel gives the same bits: products and sums are rounded one after the
//!   other (no fused multiply-add) in the order stated there, so a training gives the same weights on every processor.
//! * [`training_kernels`] is the list of them, one for an instruction set.

// What kernels of vector instructions are made of; elsewhere the reference trains.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) mod body;
mod edges;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod lanes;
pub mod reference;
mod step;

use core::fmt;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use body::kernels;
pub use edges::{Edges, EdgesError, Tables};
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use lanes::Lanes;
pub use step::{Adam, Momentum};

use crate::isa::{Isa, IsaError};

/// Widths are multiples of it: the columns that a kernel handles at a time.
pub const COLUMNS: usize = 16;

/// Samples to columns.
///
/// # Safety
/// As [`Forward`].
pub(crate) type ToColumns = unsafe fn(&[&[f32]], usize, &mut [f32]);
/// One pass over a junction's edges.
///
/// # Safety
/// The processor has the kernel's instruction set; the slices have the lengths that [`ReadyTraining`] checks.
pub(crate) type Forward = unsafe fn(&Edges<'_>, &[f32], &[f32], &[f32], usize, &mut [f32]);
/// As [`Forward`].
pub(crate) type WeightGradient = unsafe fn(&Edges<'_>, &[f32], &[f32], usize, &mut [f32]);
/// As [`Forward`].
pub(crate) type InputGradient = unsafe fn(&Edges<'_>, &[f32], &[f32], usize, &mut [f32]);
/// As [`Forward`].
pub(crate) type AdamStep = unsafe fn(&Adam, &[&[f32]], &mut [f32], &mut [f32], &mut [f32]);
/// As [`Forward`].
pub(crate) type MomentumStep = unsafe fn(&Momentum, &[&[f32]], &mut [f32], &mut [f32]);

/// The training kernels of one instruction set.
#[derive(Clone, Copy)]
pub struct TrainingKernels {
    pub(crate) isa: Isa,
    pub(crate) to_columns: ToColumns,
    pub(crate) forward: Forward,
    pub(crate) weight_gradient: WeightGradient,
    pub(crate) input_gradient: InputGradient,
    pub(crate) adam: AdamStep,
    pub(crate) momentum: MomentumStep,
}

impl TrainingKernels {
    /// The instruction set they are written for.
    #[must_use]
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// The kernels, ready to run, or `None` where this processor lacks their instruction set.
    #[must_use]
    pub fn ready(&self) -> Option<ReadyTraining<'_>> {
        self.isa.is_available().then_some(ReadyTraining { kernels: self })
    }
}

impl fmt::Debug for TrainingKernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "training/{}", self.isa)
    }
}

/// The one list of training kernels, the ones to prefer first.
const KERNELS: &[&TrainingKernels] = &[
    #[cfg(target_arch = "x86_64")]
    &crate::x86_64::avx512_training::AVX512,
    #[cfg(target_arch = "x86_64")]
    &crate::x86_64::avx2_training::AVX2,
    #[cfg(target_arch = "aarch64")]
    &crate::aarch64::training::NEON,
    &reference::KERNELS,
];

/// Every training kernel of the target's architecture, the ones to prefer first, the reference last.
#[must_use]
pub const fn training_kernels() -> &'static [&'static TrainingKernels] {
    KERNELS
}

/// Training kernels whose instruction set this processor has: having them is the proof.
#[derive(Clone, Copy, Debug)]
pub struct ReadyTraining<'k> {
    kernels: &'k TrainingKernels,
}

/// Slices whose lengths do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LengthError {
    /// Which argument.
    pub what: &'static str,
    /// What the others ask for.
    pub expected: usize,
    /// Its length.
    pub found: usize,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has {} values where {} are needed", self.what, self.found, self.expected)
    }
}

impl core::error::Error for LengthError {}

impl ReadyTraining<'static> {
    /// The first on the list that this processor can run and `LACEWING_ISA` allows.
    ///
    /// # Errors
    /// If `LACEWING_ISA` holds an unknown name or names a set that this processor lacks.
    pub fn widest() -> Result<Self, IsaError> {
        let widest = Isa::widest()?;
        let allowed = training_kernels().iter().filter(|kernels| kernels.isa <= widest);
        Ok(allowed.filter_map(|kernels| kernels.ready()).next().unwrap_or(Self { kernels: &reference::KERNELS }))
    }
}

impl<'k> ReadyTraining<'k> {
    /// The kernels.
    #[must_use]
    pub const fn kernels(&self) -> &'k TrainingKernels {
        self.kernels
    }

    /// Writes samples as columns: `x[feature · width + column]`; columns without a sample become zeros. A feature is a row of
    /// `x`.
    ///
    /// # Errors
    /// A width that is no multiple of [`COLUMNS`], more samples than columns, or samples that are not as long as `x` has
    /// rows; nothing is then written.
    pub fn to_columns(&self, samples: &[&[f32]], width: usize, x: &mut [f32]) -> Result<(), LengthError> {
        check_width(width)?;
        let features = x.len() / width;
        check("x", features * width, x.len())?;
        check("a batch", samples.len().min(width), samples.len())?;
        samples.iter().try_for_each(|sample| check("a sample", features, sample.len()))?;
        // SAFETY: as in `forward`.
        unsafe { (self.kernels.to_columns)(samples, width, x) };
        Ok(())
    }

    /// `sums = W·x + b`: `weights` in the order of the edges, `biases` `[n_out]`, `x` `[n_in][width]`, `sums`
    /// `[n_out][width]`.
    ///
    /// # Errors
    /// A slice of another length, or a width that is no multiple of [`COLUMNS`]; nothing is then written.
    pub fn forward(
        &self,
        edges: &Edges<'_>,
        weights: &[f32],
        biases: &[f32],
        x: &[f32],
        width: usize,
        sums: &mut [f32],
    ) -> Result<(), LengthError> {
        check_width(width)?;
        check("weights", edges.n_weights(), weights.len())?;
        check("biases", edges.n_out(), biases.len())?;
        check("x", edges.n_in() * width, x.len())?;
        check("sums", edges.n_out() * width, sums.len())?;
        // SAFETY: the instruction set is there (`TrainingKernels::ready`), lengths were checked just above.
        unsafe { (self.kernels.forward)(edges, weights, biases, x, width, sums) };
        Ok(())
    }

    /// `by_weights[k] = Σ over the columns of x·delta` for every edge: the gradient of the loss by the weights, where `delta`,
    /// `[n_out][width]`, is the one by the sums.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn weight_gradient(
        &self,
        edges: &Edges<'_>,
        x: &[f32],
        delta: &[f32],
        width: usize,
        by_weights: &mut [f32],
    ) -> Result<(), LengthError> {
        check_width(width)?;
        check("x", edges.n_in() * width, x.len())?;
        check("delta", edges.n_out() * width, delta.len())?;
        check("by_weights", edges.n_weights(), by_weights.len())?;
        // SAFETY: as in `forward`.
        unsafe { (self.kernels.weight_gradient)(edges, x, delta, width, by_weights) };
        Ok(())
    }

    /// `by_x += Wᵀ·delta`, `[n_in][width]`: the gradient of the loss by the junction's inputs.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn input_gradient(
        &self,
        edges: &Edges<'_>,
        weights: &[f32],
        delta: &[f32],
        width: usize,
        by_x: &mut [f32],
    ) -> Result<(), LengthError> {
        check_width(width)?;
        check("weights", edges.n_weights(), weights.len())?;
        check("delta", edges.n_out() * width, delta.len())?;
        check("by_x", edges.n_in() * width, by_x.len())?;
        // SAFETY: as in `forward`.
        unsafe { (self.kernels.input_gradient)(edges, weights, delta, width, by_x) };
        Ok(())
    }

    /// One step of Adam down the sum of `gradients`, all of one length.
    ///
    /// # Errors
    /// A slice of another length than `parameters`; nothing is then written.
    pub fn adam(
        &self,
        step: &Adam,
        gradients: &[&[f32]],
        parameters: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
    ) -> Result<(), LengthError> {
        check_gradients(gradients, parameters.len())?;
        check("first", parameters.len(), first.len())?;
        check("second", parameters.len(), second.len())?;
        // SAFETY: as in `forward`.
        unsafe { (self.kernels.adam)(step, gradients, parameters, first, second) };
        Ok(())
    }

    /// One step of gradient descent with momentum down the sum of `gradients`, all of one length.
    ///
    /// # Errors
    /// A slice of another length than `parameters`; nothing is then written.
    pub fn momentum(
        &self,
        step: &Momentum,
        gradients: &[&[f32]],
        parameters: &mut [f32],
        velocity: &mut [f32],
    ) -> Result<(), LengthError> {
        check_gradients(gradients, parameters.len())?;
        check("velocity", parameters.len(), velocity.len())?;
        // SAFETY: as in `forward`.
        unsafe { (self.kernels.momentum)(step, gradients, parameters, velocity) };
        Ok(())
    }
}

fn check(what: &'static str, expected: usize, found: usize) -> Result<(), LengthError> {
    if expected == found { Ok(()) } else { Err(LengthError { what, expected, found }) }
}

fn check_width(width: usize) -> Result<(), LengthError> {
    check("a row of columns", width.next_multiple_of(COLUMNS).max(COLUMNS), width)
}

fn check_gradients(gradients: &[&[f32]], expected: usize) -> Result<(), LengthError> {
    gradients.iter().try_for_each(|gradient| check("a gradient", expected, gradient.len()))
}
