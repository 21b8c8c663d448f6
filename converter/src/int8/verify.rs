//! The engine against numbers of our own, bit for bit.

use lacewing_engine::{KernelSet, Model, Packet};
use lacewing_models::Dataset;
use rayon::prelude::*;

use super::simulate::{Simulated, Simulation};
use crate::network::Network;
use crate::plan::PlannedJunction;
use crate::runner::Runner;
use crate::scratch::HeapScratch;
use crate::verify::{Counter, Verified, VerifyError, random_inputs};

/// Samples of the data that are compared, evenly over it.
const SAMPLES: usize = 256;

/// Runs `head` (and `tail`) on random inputs and on some of `data`, with the fastest kernels and with the scalar reference, and
/// compares every exit's logits and every feature with the network's own integers. `progress` is told the share that is done.
///
/// # Errors
/// The first difference.
pub(crate) fn verify(
    network: &Network,
    planned: &[PlannedJunction],
    (head, tail): (&[u8], Option<&[u8]>),
    data: Option<&Dataset>,
    progress: &(dyn Fn(f64) + Sync),
) -> Result<Verified, VerifyError> {
    let random = random_inputs(network.input.width);
    let mut inputs: Vec<&[f32]> = random.iter().map(Vec::as_slice).collect();
    inputs.extend(
        data.into_iter()
            .flat_map(|data| (0..data.len()).step_by(data.len().div_ceil(SAMPLES).max(1)).map(|at| data.sample(at))),
    );
    let counter = Counter::new(2 * inputs.len(), progress);
    for (kernels, set) in [("all", KernelSet::ALL), ("scalar", KernelSet::SCALAR)] {
        let simulation = Simulation::of(network, planned, &set).ok_or(VerifyError::NotTheNetwork)?;
        let head = Model::parse(head, &set)?;
        let tail = tail.map(|tail| Model::parse(tail, &set)).transpose()?;
        inputs.par_iter().enumerate().try_for_each(|(sample, input)| {
            let same = run(&head, tail.as_ref(), input)? == simulation.run(input);
            counter.add();
            if same { Ok(()) } else { Err(VerifyError::Int8Differs { sample, kernels }) }
        })?;
    }
    Ok(Verified { samples: inputs.len(), exits: network.exits.len() + 1, largest_error: 0.0 })
}

fn run(head: &Model<'_>, tail: Option<&Model<'_>>, input: &[f32]) -> Result<Simulated, VerifyError> {
    let mut scratch = HeapScratch::new(head.scratch_len());
    let mut runner = Runner::new(head, scratch.bytes())?;
    let mut packet = Vec::new();
    runner.load(input)?;
    let mut logits = runner.all_logits(&mut packet)?;
    let Some(tail) = tail else { return Ok(Simulated { logits, features: Vec::new() }) };
    let packet = Packet::parse(&packet)?;
    let mut scratch = HeapScratch::new(tail.scratch_len());
    let mut runner = Runner::new(tail, scratch.bytes())?;
    runner.put(&packet)?;
    logits.extend(runner.all_logits(&mut Vec::new())?);
    Ok(Simulated { logits, features: packet.values().collect() })
}
