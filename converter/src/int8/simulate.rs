//! What a network with int8 junctions computes: these from their edges in 64-bit integers, f32 ones by the kernel under test. The
//! engine is held to it bit for bit.

use lacewing_engine::Quantisation;
use lacewing_kernels::{Junction, KernelSet, ReadyKernel, bytes::groups_of_4, requantise};

use crate::edges::{Edges, put_row};
use crate::network::Network;
use crate::pack::PackedInt8;
use crate::plan::PlannedJunction;
use crate::unpack::unpack;

/// One junction, taken apart.
enum Layer<'p> {
    I8 { edges: Edges, bias: Vec<i32>, zero: i8, int8: &'p PackedInt8 },
    F32 { junction: Junction<'p>, kernel: ReadyKernel<'static> },
}

/// What a layer wrote.
#[derive(Clone)]
enum Values {
    F32(Vec<f32>),
    I8(Vec<i8>, Quantisation),
}

/// A network, taken apart.
pub(super) struct Simulation<'p> {
    layers: Vec<Layer<'p>>,
    /// Of each trunk junction: the exits behind it, each with its branch's length.
    branches: Vec<Vec<usize>>,
    split: Option<usize>,
}

/// What one sample becomes: numbers, int8 ones as what they stand for.
#[derive(Debug, PartialEq)]
pub(super) struct Simulated {
    /// Logits of each exit, then those of the end of the trunk.
    pub logits: Vec<Vec<f32>>,
    /// The trunk's values at the split point.
    pub features: Vec<f32>,
}

impl<'p> Simulation<'p> {
    /// `None` where a junction does not hold the network's edges, or has no kernel in the set.
    pub fn of(network: &Network, planned: &'p [PlannedJunction], kernels: &KernelSet) -> Option<Self> {
        let layers = planned.iter().zip(network.junctions()).map(|(planned, trained)| {
            let junction = planned.packed.junction().ok()?;
            let edges = unpack(&junction)?;
            Some(match planned.packed.int8() {
                Some(int8) if edges.same_nonzeros(&trained.edges) || is_quantised(&trained.edges, &edges) => {
                    let bias =
                        groups_of_4(junction.parts().bias).iter().map(|bias| i32::from_le_bytes(*bias)).collect();
                    // Elsewhere the zero point is in the biases.
                    let unfolded = junction.packing().skips_zero_inputs();
                    Layer::I8 { edges, bias, zero: if unfolded { int8.input.zero } else { 0 }, int8 }
                }
                None if edges.same_nonzeros(&trained.edges) => {
                    Layer::F32 { junction, kernel: kernels.choose_for(&junction).ok()?? }
                }
                _ => return None,
            })
        });
        let branches = (1..=network.trunk.len()).map(|after| {
            network.exits.iter().filter(|exit| exit.after == after).map(|exit| exit.branch.len()).collect()
        });
        Some(Self { layers: layers.collect::<Option<_>>()?, branches: branches.collect(), split: network.split })
    }

    pub fn run(&self, input: &[f32]) -> Simulated {
        let mut layers = self.layers.iter();
        let mut trunk = Values::F32(input.to_vec());
        let mut simulated = Simulated { logits: Vec::new(), features: Vec::new() };
        for (after, branches) in (1..).zip(&self.branches) {
            trunk = layers.next().map_or_else(|| Values::F32(Vec::new()), |layer| layer.run(&trunk));
            for length in branches {
                let logits = layers.by_ref().take(*length).fold(trunk.clone(), |values, layer| layer.run(&values));
                simulated.logits.push(logits.numbers());
            }
            if self.split == Some(after) {
                simulated.features = trunk.numbers();
            }
        }
        simulated.logits.push(trunk.numbers());
        simulated
    }
}

/// Whether `whole` are the weights of `edges`, to the nearest, in steps of one size a row, those beyond 127 steps 127, and zero where there
/// is no edge.
fn is_quantised(edges: &Edges, whole: &Edges) -> bool {
    let (mut row, mut numbers) = (vec![0.0; edges.n_in()], vec![0.0; edges.n_in()]);
    (whole.n_in(), whole.n_out()) == (edges.n_in(), edges.n_out())
        && edges.rows().zip(whole.rows()).all(|(of_edges, of_whole)| {
            put_row(of_edges.0, of_edges.1, &mut row);
            put_row(of_whole.0, of_whole.1, &mut numbers);
            // What sizes of a step each weight leaves.
            let (mut least, mut most) = (0.0f64, f64::INFINITY);
            let mut signs_agree = true;
            for (weight, number) in row.iter().zip(&numbers) {
                let (size, steps) = (f64::from(weight.abs()), f64::from(number.abs()));
                signs_agree &= *number == 0.0 || weight * number > 0.0;
                if steps < 127.0 {
                    least = least.max(size / (steps + 0.5001));
                }
                if steps > 0.0 {
                    most = most.min(size / (steps - 0.5001));
                }
            }
            signs_agree && least <= most
        })
}

impl Values {
    fn numbers(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.clone(),
            Self::I8(values, quantisation) => values.iter().map(|q| quantisation.dequantise(*q)).collect(),
        }
    }

    /// As an int8 junction reads them; int8 ones are of its quantisation already.
    fn quantised(&self, quantisation: Quantisation) -> Vec<i8> {
        match self {
            Self::F32(values) => values.iter().map(|value| quantisation.quantise(*value)).collect(),
            Self::I8(values, _) => values.clone(),
        }
    }
}

impl Layer<'_> {
    fn run(&self, x: &Values) -> Values {
        match self {
            Self::I8 { edges, bias, zero, int8 } => {
                let x = x.quantised(int8.input);
                let above: Vec<i64> = x.iter().map(|x| i64::from(*x) - i64::from(*zero)).collect();
                Values::I8(run_i8(edges, bias, int8, &above), int8.output)
            }
            Self::F32 { junction, kernel } => {
                let mut y = vec![f32::NAN; junction.n_out()];
                // What a refusal leaves is NaN, which nothing equals.
                let _ = kernel.run(junction, &x.numbers(), &mut y);
                Values::F32(y)
            }
        }
    }
}

fn run_i8(edges: &Edges, bias: &[i32], int8: &PackedInt8, x: &[i64]) -> Vec<i8> {
    let PackedInt8 { rescale, clamp: (low, high), output, .. } = int8;
    let (multipliers, shifts) = rescale.split_at_checked(4 * edges.n_out()).unwrap_or_default();
    let rows = edges.rows().zip(groups_of_4(multipliers)).zip(shifts).enumerate();
    let outputs = rows.map(|(at, (((inputs, weights), multiplier), shift))| {
        let terms = inputs
            .iter()
            .zip(weights)
            .map(|(input, weight)| x.get(usize::from(*input)).map_or(0, |x| *x * *weight as i64));
        let sum = i64::from(bias.get(at).copied().unwrap_or(0)) + terms.sum::<i64>();
        // The proof says that it fits.
        let sum = i32::try_from(sum).unwrap_or(i32::MAX);
        let scaled = i64::from(requantise(sum, i32::from_le_bytes(*multiplier), *shift as i8));
        (scaled + i64::from(output.zero)).clamp(i64::from(*low), i64::from(*high)) as i8
    });
    outputs.collect()
}
