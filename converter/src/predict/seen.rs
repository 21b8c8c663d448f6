//! What the junctions of a model see of images: which of their inputs are not zero.

use lacewing_engine::{Model, Quantisation};
use lacewing_kernels::{Junction, KernelSet};

/// Values between junctions.
#[derive(Clone, Debug)]
enum Values {
    F32(Vec<f32>),
    I8(Vec<i8>),
}

impl Values {
    /// As values of `to`, f32 where that is none; `from` is what they are.
    fn converted(self, from: Option<Quantisation>, to: Option<Quantisation>) -> Self {
        match (self, from, to) {
            (Self::F32(values), _, Some(to)) => Self::I8(values.iter().map(|value| to.quantise(*value)).collect()),
            (Self::I8(values), Some(from), None) => Self::F32(values.iter().map(|q| from.dequantise(*q)).collect()),
            (Self::I8(values), Some(from), Some(to)) if !from.is(&to) => {
                Self::I8(values.iter().map(|q| to.quantise(from.dequantise(*q))).collect())
            }
            (values, ..) => values,
        }
    }

    /// Of each, whether it is not zero; of int8 the zero point.
    fn nonzero(&self, zero: i8) -> Vec<bool> {
        match self {
            Self::F32(values) => values.iter().map(|value| *value != 0.0).collect(),
            Self::I8(values) => values.iter().map(|value| *value != zero).collect(),
        }
    }

    /// The junction's outputs, by the kernel that this machine has for it.
    fn through(&self, junction: &Junction<'_>) -> Option<Self> {
        let kernel = KernelSet::ALL.choose_for(junction).ok()??;
        match self {
            Self::F32(x) => {
                let mut y = vec![0.0; junction.n_out()];
                kernel.run(junction, x, &mut y).ok()?;
                Some(Self::F32(y))
            }
            Self::I8(x) => {
                let mut y = vec![0; junction.n_out()];
                kernel.run_i8(junction, x, &mut y).ok()?;
                Some(Self::I8(y))
            }
        }
    }
}

/// Of each operation, in their order, which inputs are not zero where the network is given `image`: as many values as it has inputs. `None`
/// where they are not, or where this machine cannot run it.
pub(super) fn nonzero_inputs(model: &Model<'_>, image: &[f32]) -> Option<Vec<Vec<bool>>> {
    if image.len() != model.n_in() {
        return None;
    }
    let given = Values::F32(image.to_vec()).converted(None, model.input());
    // What the trunk gives, and what the branch at hand does.
    let (mut trunk, mut branch) = ((given, model.input()), None);
    let mut seen = Vec::new();
    for operation in model.operations() {
        let (values, is) = match (operation.exit, &branch) {
            (Some(exit), Some((of, values, is))) if *of == exit => (values, *is),
            _ => (&trunk.0, trunk.1),
        };
        let input: Values = values.clone().converted(is, operation.input);
        seen.push(input.nonzero(operation.junction.int8().map_or(0, |int8| int8.input_zero)));
        let output = input.through(&operation.junction)?;
        match operation.exit {
            Some(exit) => branch = Some((exit, output, operation.output)),
            None => trunk = (output, operation.output),
        }
    }
    Some(seen)
}
