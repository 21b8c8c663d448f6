//! The paper's int8 network 800-40-40-10 with random masks (out-degrees 2, 9, 10) in one session: by `embedded-nn` (crates.io), which knows dense layers
//! and so multiplies the masks' zeros; by our dense kernels on the same weights; by our rows, without the zeros. All three give the same ten
//! logits, or the program fails. Prints a line a run; the counter's regions come in the same order.
#![no_std]
#![no_main]

use embedded_nn::fully_connected::fully_connected_per_channel_s8;
use embedded_nn::types::{Activation as Range, Dims, FcParams, PerChannelQuantParams};
use lacewing_firmware_conformance::alloc::vec;
use lacewing_firmware_conformance::alloc::vec::Vec;
use lacewing_firmware_conformance::support::Random;
use lacewing_firmware_conformance::{entry, open_heap, roi_begin, roi_end};
use lacewing_kernels::{Activation, IndexWidth, Int8, Junction, KernelSet, Packing, Parts};
use semihosting::{eprintln, println, process};

/// Inputs, outputs, in-degree.
const LAYERS: [(u16, u16, u16); 3] = [(800, 40, 40), (40, 40, 9), (40, 10, 40)];

/// One layer, dense with the zeros of its mask, and without them.
struct Layer {
    n_in: u16,
    n_out: u16,
    in_degree: u16,
    /// Lowest output: zero behind a ReLU.
    low: i8,
    weights: Vec<i8>,
    edges: Vec<i8>,
    index: Vec<u8>,
    bias: Vec<i32>,
    multipliers: Vec<i32>,
    shifts: Vec<i32>,
}

impl Layer {
    fn draw((n_in, n_out, in_degree): (u16, u16, u16), last: bool, random: &mut Random) -> Self {
        let width = usize::from(n_in);
        let mut layer = Self {
            n_in,
            n_out,
            in_degree,
            low: if last { -128 } else { 0 },
            weights: vec![0; width * usize::from(n_out)],
            edges: Vec::new(),
            index: Vec::new(),
            bias: Vec::new(),
            multipliers: Vec::new(),
            shifts: Vec::new(),
        };
        for row in layer.weights.chunks_exact_mut(width) {
            let mut inputs: Vec<usize> = (0..width).collect();
            for place in 0..usize::from(in_degree) {
                inputs.swap(place, place + random.below(width - place));
            }
            inputs.truncate(in_degree.into());
            inputs.sort_unstable();
            for input in inputs {
                let weight = (random.below(127) as i8 + 1) * [1, -1][random.below(2)];
                if let Some(place) = row.get_mut(input) {
                    *place = weight;
                }
                layer.edges.push(weight);
                layer.index.extend((input as u16).to_le_bytes());
            }
            layer.bias.push(random.below(20_000) as i32 - 10_000);
            layer.multipliers.push((1 << 30) + random.below(1 << 30) as i32);
            layer.shifts.push(-9);
        }
        layer
    }

    fn peer(&self, x: &[i8], y: &mut [i8]) -> bool {
        let (n_in, n_out) = (i32::from(self.n_in), i32::from(self.n_out));
        let dims = |n, c| Dims { n, h: 1, w: 1, c };
        let params = FcParams {
            input_offset: 0,
            filter_offset: 0,
            output_offset: 0,
            activation: Range { min: self.low.into(), max: 127 },
        };
        let scales = PerChannelQuantParams { multiplier: &self.multipliers, shift: &self.shifts };
        let (input, filter, output) = (dims(1, n_in), dims(n_in, n_out), dims(1, n_out));
        fully_connected_per_channel_s8(
            &params,
            &scales,
            &input,
            x,
            &filter,
            &self.weights,
            Some(&self.bias),
            &output,
            y,
        )
        .is_ok()
    }
}

/// The bytes that a junction borrows.
struct Bytes {
    weights: Vec<u8>,
    bias: Vec<u8>,
    rescale: Vec<u8>,
}

impl Bytes {
    fn of(layer: &Layer, sparse: bool) -> Self {
        let weights = if sparse { &layer.edges } else { &layer.weights };
        let mut rescale: Vec<u8> = layer.multipliers.iter().flat_map(|multiplier| multiplier.to_le_bytes()).collect();
        rescale.extend(layer.shifts.iter().map(|shift| *shift as u8));
        Self {
            weights: weights.iter().map(|weight| weight.cast_unsigned()).collect(),
            bias: layer.bias.iter().flat_map(|bias| bias.to_le_bytes()).collect(),
            rescale,
        }
    }

    fn junction<'b>(&'b self, layer: &'b Layer, sparse: bool) -> Option<Junction<'b>> {
        let rows = Packing::Rows { in_degree: layer.in_degree, index: IndexWidth::Absolute16 };
        let parts = Parts {
            n_in: layer.n_in,
            n_out: layer.n_out,
            packing: if sparse { rows } else { Packing::Dense },
            activation: Activation::None,
            weights: &self.weights,
            counts: &[],
            index: if sparse { &layer.index } else { &[] },
            bias: &self.bias,
        };
        let int8 = Int8 { rescale: &self.rescale, input_zero: 0, output_zero: 0, low: layer.low, high: 127 };
        Junction::new_i8(parts, int8).ok()
    }
}

fn ours(layers: &[Layer], x: &[i8], sparse: bool) -> Option<Vec<i8>> {
    let bytes: Vec<Bytes> = layers.iter().map(|layer| Bytes::of(layer, sparse)).collect();
    let mut junctions = Vec::new();
    for (bytes, layer) in bytes.iter().zip(layers) {
        let junction = bytes.junction(layer, sparse)?;
        let kernel = KernelSet::ALL.choose_for(&junction).ok()??;
        junctions.push((junction, kernel));
    }
    let (mut here, mut there) = (vec![0; 800], vec![0; 800]);
    here.copy_from_slice(x);
    roi_begin();
    let mut ran = true;
    for (junction, kernel) in &junctions {
        let (input, output) = (here.get(..junction.n_in())?, there.get_mut(..junction.n_out())?);
        ran &= kernel.run_i8(junction, input, output).is_ok();
        core::mem::swap(&mut here, &mut there);
    }
    roi_end();
    let nnz: usize = junctions.iter().map(|(junction, _)| junction.nnz()).sum();
    let (kernel, packing) = if sparse { ("lacewing-rows", "rows16") } else { ("lacewing-dense", "dense") };
    println!("800-40-40-10 int8 {nnz} {kernel} {packing}");
    here.truncate(10);
    ran.then_some(here)
}

fn peers(layers: &[Layer], x: &[i8]) -> Option<Vec<i8>> {
    let (mut here, mut there) = (vec![0; 800], vec![0; 800]);
    here.copy_from_slice(x);
    roi_begin();
    let mut ran = true;
    for layer in layers {
        ran &= layer.peer(here.get(..layer.n_in.into())?, there.get_mut(..layer.n_out.into())?);
        core::mem::swap(&mut here, &mut there);
    }
    roi_end();
    println!("800-40-40-10 int8 34000 embedded-nn dense");
    here.truncate(10);
    ran.then_some(here)
}

#[entry]
fn main() -> ! {
    open_heap();
    let mut random = Random::new(1);
    let last = LAYERS.len() - 1;
    let layers: Vec<Layer> =
        LAYERS.iter().enumerate().map(|(at, shape)| Layer::draw(*shape, at == last, &mut random)).collect();
    let x: Vec<i8> = (0..800).map(|_| random.below(128) as i8).collect();
    let (peer, dense, sparse) = (peers(&layers, &x), ours(&layers, &x, false), ours(&layers, &x, true));
    if peer.is_none() || peer != dense || peer != sparse {
        eprintln!("logits differ: {peer:?} by embedded-nn, {dense:?} dense, {sparse:?} sparse");
        process::exit(1);
    }
    process::exit(0)
}
