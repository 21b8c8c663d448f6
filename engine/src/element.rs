//! What inputs and features are: f32 or int8.

use lacewing_kernels::bytes::{as_f32, as_f32_mut, as_i8, as_i8_mut};
use lacewing_kernels::{Quantisation, ReadyKernel};

use crate::features::Features;
use crate::model::{Exit, Model, Operation};
use crate::packet::Payload;
use crate::policy::ExitView;

/// An element type of inputs and features: `f32`, or `i8` for models that compute in int8 throughout.
pub trait Element: sealed::Element {}

impl Element for f32 {}
impl Element for i8 {}

pub(crate) mod sealed {
    use super::{Exit, Model, Operation, Payload, Quantisation, ReadyKernel};

    /// What an engine does differently for its element.
    pub trait Element: Sized + Copy + 'static {
        /// Whether it is `i8`.
        const INT8: bool;
        /// The memory as numbers; empty where it is misaligned.
        fn of(bytes: &[u8]) -> &[Self];
        /// The memory as numbers; empty where it is misaligned.
        fn of_mut(bytes: &mut [u8]) -> &mut [Self];
        /// Values to be sent.
        fn payload(values: &[Self], quantisation: Quantisation) -> Payload<'_>;
        /// What an exit shows of its logits.
        fn view<'e>(exit: &'e Exit, logits: &'e [Self]) -> super::ExitView<'e, Self>
        where
            Self: super::Element;
        /// `to = operation(from)`, by way of `stage` where elements differ; whether it ran.
        fn run(
            operation: &Operation<'_>,
            kernel: ReadyKernel<'_>,
            from: &[u8],
            to: &mut [u8],
            stage: &mut [u8],
        ) -> bool;
        /// Values to hand over.
        fn features<'e>(
            values: &'e [Self],
            quantisation: Option<Quantisation>,
            model: &Model<'_>,
        ) -> super::Features<'e, Self>
        where
            Self: super::Element;
        /// Writes what int8 numbers stand for to `to`, as many as fit; nothing where the element is int8 itself.
        fn dequantise(quantisation: Quantisation, from: &[u8], to: &mut [u8]);
    }
}

impl sealed::Element for f32 {
    const INT8: bool = false;

    fn of(bytes: &[u8]) -> &[Self] {
        as_f32(bytes).unwrap_or_default()
    }

    fn of_mut(bytes: &mut [u8]) -> &mut [Self] {
        as_f32_mut(bytes).unwrap_or_default()
    }

    fn payload(values: &[Self], _: Quantisation) -> Payload<'_> {
        Payload::Floats(values)
    }

    fn view<'e>(exit: &'e Exit, logits: &'e [Self]) -> ExitView<'e, Self> {
        ExitView::new(exit, logits)
    }

    fn run(operation: &Operation<'_>, kernel: ReadyKernel<'_>, from: &[u8], to: &mut [u8], stage: &mut [u8]) -> bool {
        let junction = &operation.junction;
        let (n_in, n_out) = (junction.n_in(), junction.n_out());
        let floats = n_in * size_of::<Self>();
        match (operation.reads, operation.input) {
            (Some(_), Some(_)) => return <i8 as sealed::Element>::run(operation, kernel, from, to, stage),
            (None, Some(quantisation)) => {
                let values = Self::of(from.get(..floats).unwrap_or_default());
                let staged = stage.get_mut(..n_in).unwrap_or_default();
                for (q, value) in as_i8_mut(staged).iter_mut().zip(values) {
                    *q = quantisation.quantise(*value);
                }
                return <i8 as sealed::Element>::run(operation, kernel, staged, to, &mut []);
            }
            (Some(quantisation), None) => {
                Self::dequantise(quantisation, from.get(..n_in).unwrap_or_default(), stage);
            }
            (None, None) => {}
        }
        let from = if operation.reads.is_some() { &*stage } else { from };
        let x = Self::of(from.get(..floats).unwrap_or_default());
        let y = Self::of_mut(to.get_mut(..n_out * size_of::<Self>()).unwrap_or_default());
        kernel.run(junction, x, y).is_ok()
    }

    fn features<'e>(values: &'e [Self], _: Option<Quantisation>, model: &Model<'_>) -> Features<'e> {
        Features::new(values, model.pair_id, model.split)
    }

    fn dequantise(quantisation: Quantisation, from: &[u8], to: &mut [u8]) {
        for (value, q) in Self::of_mut(to).iter_mut().zip(as_i8(from)) {
            *value = quantisation.dequantise(*q);
        }
    }
}

impl sealed::Element for i8 {
    const INT8: bool = true;

    fn of(bytes: &[u8]) -> &[Self] {
        as_i8(bytes)
    }

    fn of_mut(bytes: &mut [u8]) -> &mut [Self] {
        as_i8_mut(bytes)
    }

    fn payload(values: &[Self], quantisation: Quantisation) -> Payload<'_> {
        Payload::I8(values, quantisation)
    }

    fn view<'e>(exit: &'e Exit, logits: &'e [Self]) -> ExitView<'e, Self> {
        ExitView::new_i8(exit, logits)
    }

    fn run(operation: &Operation<'_>, kernel: ReadyKernel<'_>, from: &[u8], to: &mut [u8], _: &mut [u8]) -> bool {
        let junction = &operation.junction;
        let x = as_i8(from.get(..junction.n_in()).unwrap_or_default());
        let y = as_i8_mut(to.get_mut(..junction.n_out()).unwrap_or_default());
        kernel.run_i8(junction, x, y).is_ok()
    }

    fn features<'e>(values: &'e [Self], quantisation: Option<Quantisation>, model: &Model<'_>) -> Features<'e, Self> {
        // Operations of an int8 model write int8: never the default.
        let quantisation = quantisation.unwrap_or(Quantisation { scale: 1.0, zero: 0 });
        Features::new_i8(values, quantisation, model.pair_id, model.split)
    }

    fn dequantise(_: Quantisation, _: &[u8], _: &mut [u8]) {}
}
