//! Dense networks of any shape, to be served.

use std::path::Path;

use lacewing_converter::convert::convert_network;
use lacewing_converter::edges::Edges;
use lacewing_converter::network::{Network, TrainedJunction};
use lacewing_kernels::Activation;
use lacewing_models::JunctionId;
use lacewing_models::recipe::Input;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::Failure;

/// Inputs of the head, which nobody runs.
const HEAD: u16 = 8;

pub fn write(layers: &[u16], out: &Path) -> Result<String, Failure> {
    let widths: Vec<u16> = core::iter::once(HEAD).chain(layers.iter().copied()).collect();
    let mut random = StdRng::seed_from_u64(1);
    let last = widths.len() - 1;
    let trunk = (1..).zip(widths.array_windows()).map(|(place, [n_in, n_out])| {
        // Values keep their size from layer to layer.
        let size = (6.0 / f32::from(*n_in)).sqrt();
        let count = usize::from(*n_in) * usize::from(*n_out);
        let weights: Vec<f32> = (0..count).map(|_| random.random_range(-size..size)).collect();
        Ok(TrainedJunction {
            id: JunctionId::Trunk(place),
            edges: Edges::from_dense(*n_in, *n_out, &weights, |_, _, _| true).ok_or("a layer of no width")?,
            bias: vec![0.0; usize::from(*n_out)],
            activation: if place == last { Activation::None } else { Activation::Relu },
        })
    });
    let network = Network {
        name: "dense".to_owned(),
        classes: usize::from(*layers.last().ok_or("no layers")?),
        class_names: Vec::new(),
        input: Input::plain(usize::from(HEAD)),
        trunk: trunk.collect::<Result<_, Failure>>()?,
        exits: Vec::new(),
        split: Some(1),
    };
    let files = convert_network(&network, None)?;
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("head.lace"), &files.head)?;
    let tail = files.tail.ok_or("not split")?;
    std::fs::write(out.join("tail.lace"), &tail)?;
    Ok(format!("{}: {} bytes", out.join("tail.lace").display(), tail.len()))
}
