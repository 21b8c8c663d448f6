//! int8 networks on the emulated Cortex-M4: by `firmware/conformance`'s program `networks`, on 64 images, the host's answers to the bit.

use std::fs;
use std::path::Path;

use lacewing_converter::calibrate::nonzero_inputs;
use lacewing_converter::convert::convert_network_i8;
use lacewing_converter::edges::Edges;
use lacewing_converter::import::{embedded_recipe, import};
use lacewing_converter::int8::Quantising;
use lacewing_converter::network::Network;
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::{Profile, ProfileError};
use lacewing_converter::source::Source;
use lacewing_models::Part;
use lacewing_models::data::{self, bundled_mnist};
use thiserror::Error;

use super::board::{BoardError, regions};
use super::record::Count;
use super::subject::{SubjectError, images_i8};
use crate::boards::goldens::{Golden, Line, lay_out};
use crate::boards::machine::MACHINES;

/// The network that is counted: 800 inputs, as the images have.
const NETWORK: &str = "paper-800-40-40-10";
/// Packed for the fewest bytes, and for this target.
const TARGET: &str = "cortex-m4";

/// The networks cannot be counted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Int8Error {
    /// They cannot be made.
    #[error(transparent)]
    Subject(Box<SubjectError>),
    /// There is no such target.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The board cannot be used.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// A file cannot be written or read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The program says other things than it should.
    #[error("the board's lines and the counter's regions do not fit: {lines} and {regions} of {answers}")]
    Uncounted {
        /// Answers printed.
        lines: usize,
        /// Inferences counted.
        regions: usize,
        /// Inferences there are.
        answers: usize,
    },
}

impl From<SubjectError> for Int8Error {
    fn from(error: SubjectError) -> Self {
        Self::Subject(Box::new(error))
    }
}

/// The network in int8: packed for the fewest bytes, and for speed on a Cortex-M4; and with masks of blocks, for speed.
///
/// # Errors
/// The network, the images or the profile cannot be read, or the network cannot be converted.
pub fn networks(root: &Path) -> Result<Vec<Golden>, Int8Error> {
    let file = root.join("models/weights").join(NETWORK).with_added_extension("safetensors");
    let mut source = Source::open(&file).map_err(SubjectError::from)?;
    let recipe = embedded_recipe(&source).map_err(SubjectError::from)?.ok_or(SubjectError::NoRecipe(file))?;
    let calibration = data::load_for(bundled_mnist(), Part::Validation, &recipe).map_err(SubjectError::from)?;
    let network = import(&mut source, recipe).map_err(SubjectError::from)?.network;
    let blocks = in_blocks(&network);
    let (profile, inputs) = (Profile::load(TARGET)?, images_i8()?);
    let (nonzero, of_blocks) = (nonzero_inputs(&network, &calibration), nonzero_inputs(&blocks, &calibration));
    let goals = [
        ("int8", &network, Goal::Size),
        ("int8 for speed", &network, Goal::Speed { profile: &profile, inputs: &nonzero }),
        ("blocks of 8, int8 for speed", &blocks, Goal::Speed { profile: &profile, inputs: &of_blocks }),
    ];
    let golden = |(how, network, goal): (&str, &Network, Goal<'_>)| {
        let how_quantised = Quantising { goal, ..Quantising::default() };
        let converted = convert_network_i8(network, &calibration, &how_quantised).map_err(SubjectError::from)?;
        Ok(Golden { name: format!("{NETWORK}, {how}"), model: converted.head.into(), inputs: inputs.clone() })
    };
    goals.into_iter().map(golden).collect()
}

/// The network with each eight rows of a sparse junction at the inputs of the first of them: as many edges, in blocks. Nobody has trained it so: what it
/// answers is compared with the host, and what it costs is counted.
fn in_blocks(network: &Network) -> Network {
    const ROWS: usize = 8;
    let mut network = network.clone();
    for junction in network.trunk.iter_mut().filter(|junction| junction.edges.density() < 1.0) {
        let (n_in, n_out) = (junction.edges.n_in(), junction.edges.n_out());
        let rows: Vec<(&[u16], &[f32])> = junction.edges.rows().collect();
        let (mut dense, mut mask) = (vec![0.0; n_in * n_out], vec![false; n_in * n_out]);
        for ((row, (_, weights)), (dense, mask)) in
            (0..).zip(&rows).zip(dense.chunks_mut(n_in).zip(mask.chunks_mut(n_in)))
        {
            let inputs = rows.get(row / ROWS * ROWS).map_or(&[][..], |(inputs, _)| *inputs);
            for (input, weight) in inputs.iter().zip(weights.iter().cycle()) {
                dense[usize::from(*input)] = *weight;
                mask[usize::from(*input)] = true;
            }
        }
        let kept = |output: usize, input: usize, _| mask[output * n_in + input];
        if let Some(edges) = Edges::from_dense(n_in as u16, n_out as u16, &dense, kept) {
            junction.edges = edges;
        }
    }
    network
}

/// Runs and counts the networks on the Cortex-M4, and what does not agree with the host, in words.
///
/// # Errors
/// They cannot be made, or the board cannot be used.
pub fn count(root: &Path, target_dir: &Path, counter: &Path) -> Result<(Vec<Count>, Vec<String>), Int8Error> {
    let (machine, networks) = (MACHINES[0], networks(root)?);
    let folder = target_dir.join("int8-networks");
    lay_out(&networks, &folder)?;
    let (report, program) = (target_dir.join("int8-counts"), machine.build(root, target_dir, "networks")?);
    let printed = machine.run(&program, &folder, Some((counter, &report)))?;
    let (kernels, answers): (Vec<&str>, Vec<&str>) = printed.lines().partition(|line| line.starts_with("kernel "));
    let counted = regions(&fs::read_to_string(&report)?);
    let (mut counts, mut complaints) = (Vec::new(), Vec::new());
    let (mut found, mut counted_left) = (answers.iter(), counted.as_slice());
    for network in &networks {
        let expected = network.expected()?;
        let Some((mine, rest)) = counted_left.split_at_checked(expected.len()) else {
            return Err(Int8Error::Uncounted { lines: answers.len(), regions: counted.len(), answers: expected.len() });
        };
        counted_left = rest;
        for host in &expected {
            let board = Line::read(found.next().unwrap_or(&""));
            if !board.agrees(host, true) {
                complaints.push(format!("{}: the board says {board:?}, the host {host:?}", network.name));
            }
        }
        // A name may begin with another one; a kernel's has no space.
        let own =
            kernels.iter().filter_map(|line| line.strip_prefix("kernel ")?.strip_prefix(&*network.name)?.get(1..));
        let own = own.filter(|kernel| !kernel.contains(' '));
        let mut kernels: Vec<String> = Vec::new();
        for kernel in own {
            if !kernels.iter().any(|known| known == kernel) {
                kernels.push(kernel.to_owned());
            }
        }
        let inferences = mine.len().max(1) as u64;
        counts.push(Count {
            name: network.name.clone(),
            part: "whole".into(),
            model_bytes: network.model.len(),
            kernels,
            instructions: (mine.iter().sum::<u64>() + inferences / 2) / inferences,
            fewest: mine.iter().copied().min().unwrap_or_default(),
            most: mine.iter().copied().max().unwrap_or_default(),
        });
    }
    Ok((counts, complaints))
}
