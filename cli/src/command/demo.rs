//! `lacewing demo`: the whole path on MNIST.

mod cut;
mod front;
mod networks;
mod split;
mod story;

use std::io::Write;
use std::path::Path;

use lacewing_converter::evaluate::{Evaluation, evaluate};
use lacewing_converter::latency::{Contender, Latency, latencies};
use lacewing_converter::plan::Goal;
use lacewing_converter::profile::Profile;
use lacewing_converter::repack::repack;
use lacewing_engine::{KernelSet, Metric, Model};
use lacewing_models::Dataset;
use lacewing_models::data::{self, Part};
use lacewing_tail::ModelBytes;

use crate::args::Demo;
use crate::command::data_or_bundled;
use crate::failure::Failure;
use crate::progress;
use crate::show::count;
use networks::{FLAGSHIP, FLAGSHIP_DENSE, Network};

/// Turns of latency measurement for each contender.
const ROUNDS: usize = 16;

pub fn run(args: &Demo, out: &mut dyn Write) -> Result<(), Failure> {
    let from = data_or_bundled(args.data.as_deref());
    if let Some(after) = args.after {
        return cut::run(&from, args.network.as_deref(), after, out);
    }
    if args.split {
        return split::run(&from, args.tail_at, out);
    }
    let networks = if args.train { networks::train(&from)? } else { networks::load()? };
    let tests = networks.iter().map(|n| data::load_for(&from, Part::Test, &n.recipe)).collect::<Result<Vec<_>, _>>()?;
    let flagship = flagship(&networks, &tests)?;
    let wholes = wholes(&networks, &tests)?;
    writeln!(out, "{} test images of {}\n", count(tests.first().map_or(0, Dataset::len)), name_of(&from))?;
    story::show(&flagship, out)?;
    front::show(&networks, &wholes, &flagship, out)
}

fn name_of(data: &Path) -> std::borrow::Cow<'_, str> {
    data.file_name().unwrap_or(data.as_os_str()).to_string_lossy()
}

/// The flagship's measurements: every way to run it, beside its dense twin.
struct Flagship<'n> {
    sparse: &'n Network,
    dense: &'n Network,
    dense_whole: Evaluation,
    /// Nothing answers on the device.
    always_tail: Evaluation,
    /// Everything is answered at the head's exit.
    always_head: Evaluation,
    /// As calibrated, with and without the tail.
    with_exit: Evaluation,
    latency_dense: Latency,
    latency_sparse: Latency,
    latency_device: Latency,
    latency_both: Latency,
    /// The profile that the timed files were packed for.
    packed_for: Option<String>,
}

fn flagship<'n>(networks: &'n [Network], tests: &[Dataset]) -> Result<Flagship<'n>, Failure> {
    let find = |name: &str| {
        let found = networks.iter().zip(tests).find(|(network, _)| network.recipe.name == name);
        found.ok_or_else(|| format!("the demo needs the network {name}"))
    };
    let (sparse, test) = find(FLAGSHIP)?;
    let (dense, dense_test) = find(FLAGSHIP_DENSE)?;
    let (head, whole, dense_model) = (sparse.head()?, sparse.whole()?, dense.whole()?);
    let tail = sparse.tail()?.ok_or("the flagship has no tail: its recipe lacks a split")?;
    let exit = head.exits().next().copied().ok_or("the flagship's head has no exit")?;
    // The thresholds that every sample, and no sample, reaches.
    let (all, none) = match exit.metric {
        Metric::MaxProbability | Metric::Margin => (0.0, f32::MAX),
        Metric::Entropy => (1.0, -1.0),
    };
    let bar = progress::bar("running the flagship", 4 * test.len() as u64);
    let done = |samples: usize| bar.inc(samples as u64);
    let dense_whole = evaluate(&dense_model, None, dense_test, Some(none), &done)?;
    let always_tail = evaluate(&head, Some(&tail), test, Some(none), &done)?;
    let always_head = evaluate(&head, None, test, Some(all), &done)?;
    let with_exit = evaluate(&head, Some(&tail), test, None, &done)?;
    bar.finish_and_clear();
    let profile = Profile::of_this_machine();
    let [latency_dense, latency_sparse, latency_device, latency_both] =
        times([&dense_model, &whole, &head, &tail], [dense_test, test], profile.as_ref())?;
    Ok(Flagship {
        sparse,
        dense,
        dense_whole,
        always_tail,
        always_head,
        with_exit,
        latency_dense,
        latency_sparse,
        latency_device,
        latency_both,
        packed_for: profile.map(|profile| profile.name),
    })
}

/// One image on each of the dense network, the whole sparse one, its head alone, and its head with its tail, all packed for `profile`.
fn times(
    models: [&Model<'_>; 4],
    [dense_test, test]: [&Dataset; 2],
    profile: Option<&Profile>,
) -> Result<[Latency; 4], Failure> {
    let files = models.into_iter().map(|model| packed(model, profile)).collect::<Result<Vec<_>, Failure>>()?;
    let parsed = files.iter().map(|file| Model::parse(file, &KernelSet::ALL)).collect::<Result<Vec<_>, _>>()?;
    let [dense, whole, head, tail] = parsed.as_slice() else { return Err("a model was not packed".into()) };
    let contenders = [
        (Contender { head: dense, tail: None }, dense_test),
        (Contender { head: whole, tail: None }, test),
        (Contender { head, tail: None }, test),
        (Contender { head, tail: Some(tail) }, test),
    ];
    let bar = progress::bar("timing single images", (ROUNDS * contenders.len()) as u64);
    let times = latencies(&contenders, ROUNDS, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(<[Latency; 4]>::try_from(times).map_err(|_| "a contender was not timed")?)
}

/// The model's file as it runs fastest here, at a cache line; as it is where nothing was measured of processors like this one.
fn packed(model: &Model<'_>, profile: Option<&Profile>) -> Result<ModelBytes, Failure> {
    let Some(profile) = profile else { return Ok(ModelBytes::holding(model.bytes())) };
    let repacked = repack(model.bytes(), Goal::Speed { profile, inputs: &[] }, &|_, _| {})?;
    Ok(ModelBytes::holding(&repacked.bytes))
}

/// Each network as one piece, run to its end.
fn wholes(networks: &[Network], tests: &[Dataset]) -> Result<Vec<Evaluation>, Failure> {
    let bar = progress::bar("running every network", tests.iter().map(|test| test.len() as u64).sum());
    let run = |(network, test): (&Network, &Dataset)| -> Result<Evaluation, Failure> {
        Ok(evaluate(&network.whole()?, None, test, None, &|done| bar.inc(done as u64))?)
    };
    let evaluations = networks.iter().zip(tests).map(run).collect();
    bar.finish_and_clear();
    evaluations
}
