//! Where to cut a network: what each split point, exit and threshold comes to, in time, bytes, energy and accuracy.
//!
//! *Measured* on data: accuracy, exit rates, packet lengths. *Measured* on this machine, or given by the user as measured
//! elsewhere: the time of each operation. *Modelled* from these and the link: a sample that an exit takes costs the operations up to
//! there; one that is handed over costs the head, its packet's writing and reading (where times are measured here), the link's
//! round trip, its bytes over the bandwidth, and the tail. Nothing is lost, and nothing queues beyond what a measured link has
//! in it. Energy is that of computing and of bytes; waiting for a reply is left out. [`Placement`] says which number is which.

mod costs;
mod operations;
mod probe;

use std::time::Instant;

use lacewing_engine::{Engine, KernelSet, Model, Never, Outcome, Packet};
use lacewing_models::Dataset;
use serde::Serialize;
use thiserror::Error;

pub use costs::{Costs, CostsError, Device, Link, Server};
pub use operations::{OperationTimes, median};
pub use probe::Probe;

use crate::convert::{ConvertError, convert_network};
use crate::evaluate::EvaluateError;
use crate::network::Network;
use crate::scratch::HeapScratch;
use crate::thresholds::{Observation, ThresholdError, observe, single_exits};

/// Runs of the network that the times of its operations are medians of.
const RUNS: usize = 2001;
/// Samples whose packets are measured.
const PACKETS: usize = 1000;

/// A way to run the network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Trunk junctions on the device: 0 hands the input itself over, all of them hand nothing over.
    pub split: usize,
    /// The exit, from 1, that answers on the device; none where nothing does before the split.
    pub exit: Option<usize>,
    /// The exit's threshold, in its metric's unit.
    pub threshold: Option<f32>,
    /// Share of the samples answered on the device.
    pub exit_rate: f64,
    /// Of the final answers.
    pub accuracy: f64,
    /// Seconds from input to answer, on average.
    pub latency: f64,
    /// The same for a sample that is handed over.
    pub latency_handed_over: f64,
    /// Bytes over the link a sample, on average over all.
    pub bytes: f64,
    /// Joules that a sample costs the device; absent without the user's measurements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<f64>,
    /// Of a million samples, of the server's time; absent without its price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_per_million: Option<f64>,
    /// Whether no other choice is at least as good in everything and better in something.
    pub on_front: bool,
}

/// All choices.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Placement {
    /// Of the whole network: what times that were measured elsewhere have to name.
    pub pair_id: String,
    /// Seconds of each operation on the device.
    pub device_operations: Vec<f64>,
    /// Seconds of each operation on the server.
    pub server_operations: Vec<f64>,
    /// Accuracy without exits.
    pub accuracy_full: f64,
    /// Every choice, fastest first.
    pub choices: Vec<Choice>,
    /// The place in `choices` of the one recommended.
    pub recommended: Option<usize>,
    /// What was measured, on the data and on this machine.
    pub measured: Vec<&'static str>,
    /// What the user gave.
    pub given: Vec<&'static str>,
    /// What is modelled from both, by choice.
    pub modelled: Vec<&'static str>,
    /// What the model leaves out.
    pub left_out: Vec<&'static str>,
}

/// What the recommended choice is best at, among those accurate enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// Least time.
    #[default]
    Latency,
    /// Fewest bytes.
    Bytes,
    /// Least energy.
    Energy,
    /// Least of the server's price.
    Price,
}

/// No choices could be worked out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// The costs are not this network's.
    #[error(transparent)]
    Costs(#[from] CostsError),
    /// The network does not convert.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// It does not run.
    #[error(transparent)]
    Run(#[from] ThresholdError),
    /// Energy was asked for without measurements of it.
    #[error("energy needs link.energy_per_byte and device.power, measured: none is assumed")]
    NoEnergy,
    /// Price was asked for without any.
    #[error("a price needs server.price_per_hour: none is assumed")]
    NoPrice,
    /// A number outside its range.
    #[error("the accuracy drop is {0}: it has to be 0 or more and below 1")]
    AccuracyDrop(f64),
    /// A network of one junction.
    #[error("the network has one junction: there is nothing to split")]
    OneJunction,
}

/// Works out every choice for `network` on `data`. The recommended one is the best by `objective` of those that lose at most
/// `accuracy_drop` of the full network's accuracy.
///
/// # Errors
/// Costs or data are not for this network.
pub fn place(
    network: &Network,
    data: &Dataset,
    costs: &Costs,
    objective: Objective,
    accuracy_drop: f64,
) -> Result<Placement, PlacementError> {
    let junctions = network.trunk.len();
    if junctions < 2 {
        return Err(PlacementError::OneJunction);
    }
    if !(0.0..1.0).contains(&accuracy_drop) {
        return Err(PlacementError::AccuracyDrop(accuracy_drop));
    }
    if objective == Objective::Energy && costs.energy().is_none() {
        return Err(PlacementError::NoEnergy);
    }
    if objective == Objective::Price && costs.server.price_per_hour.is_none() {
        return Err(PlacementError::NoPrice);
    }
    let whole = Network { split: None, ..network.clone() };
    let bytes = convert_network(&whole, None)?.head;
    let model = Model::parse(&bytes, &KernelSet::ALL).map_err(ThresholdError::from)?;
    let operations = model.operations().count();
    costs.check(model.pair_id(), operations)?;
    let observed = observe(&model, None, data, &|_| ())?;
    let here = if costs.device.operations.is_none() || costs.server.operations.is_none() {
        time_operations(&model, data).map_err(ThresholdError::from)?
    } else {
        Vec::new()
    };
    let times = Times {
        places: model.operations().map(|operation| operation.exit).collect(),
        device: costs.device.operations.clone().unwrap_or_else(|| here.clone()),
        server: costs.server.operations.clone().unwrap_or(here),
    };
    let all: Vec<&Observation> = observed.iter().collect();
    let mut choices = Vec::new();
    for split in 0..=junctions {
        let mut packet = if split == 0 {
            Handed { bytes: plain_packet(network.input.width), seconds: 0.0 }
        } else {
            packets(network, split, data)?
        };
        if costs.device.operations.is_some() && !costs.device.is_here {
            // What writing a packet takes on another machine is not known.
            packet.seconds = 0.0;
        }
        choices.extend(choices_of(network, split, packet, &times, costs, &all));
    }
    choices.sort_by(|a, b| a.latency.total_cmp(&b.latency));
    mark_front(&mut choices);
    let accuracy_full = choices.iter().find(|choice| choice.exit.is_none()).map_or(0.0, |choice| choice.accuracy);
    let recommended = recommend(&choices, objective, accuracy_full - accuracy_drop);
    let Origins { measured, given, modelled, left_out } = Origins::of(costs);
    Ok(Placement {
        pair_id: format!("{:08x}", model.pair_id()),
        device_operations: times.device,
        server_operations: times.server,
        accuracy_full,
        choices,
        recommended,
        measured,
        given,
        modelled,
        left_out,
    })
}

/// Where numbers come from.
struct Origins {
    measured: Vec<&'static str>,
    given: Vec<&'static str>,
    modelled: Vec<&'static str>,
    left_out: Vec<&'static str>,
}

impl Origins {
    fn of(costs: &Costs) -> Self {
        let device_is_given = costs.device.operations.is_some() && !costs.device.is_here;
        let (energy, price) = (costs.energy().is_some(), costs.server.price_per_hour.is_some());
        let mut origins = Self {
            measured: vec!["accuracy", "exit_rate", "packet lengths"],
            given: Vec::new(),
            modelled: vec!["latency", "latency_handed_over", "bytes"],
            left_out: vec!["loss"],
        };
        for (name, is_given) in [
            ("link", !costs.link.is_measured),
            ("device_operations", device_is_given),
            ("server_operations", costs.server.operations.is_some()),
        ] {
            if is_given { origins.given.push(name) } else { origins.measured.push(name) }
        }
        origins.measured.extend((!device_is_given).then_some("writing and reading packets"));
        for (name, there) in [("link.energy_per_byte and device.power", energy), ("server.price_per_hour", price)] {
            origins.given.extend(there.then_some(name));
        }
        origins.modelled.extend(energy.then_some("energy"));
        origins.modelled.extend(price.then_some("price_per_million"));
        for (name, is_left_out) in [
            ("queues", !costs.link.is_measured),
            ("writing and reading packets on the device", device_is_given),
            ("energy while waiting for replies", energy),
        ] {
            origins.left_out.extend(is_left_out.then_some(name));
        }
        origins
    }
}

/// When each operation runs, and how long it takes.
struct Times {
    /// The exit (from 1) that an operation belongs to; `None` in the trunk.
    places: Vec<Option<u8>>,
    device: Vec<f64>,
    server: Vec<f64>,
}

impl Times {
    /// The device's operations of the first `split` trunk junctions, with the branch of `exit`; and how many of these seconds
    /// come before the exit's decision.
    fn head(&self, split: usize, exit: Option<usize>) -> (f64, f64) {
        let (mut trunk, mut total, mut at_exit) = (0, 0.0, 0.0);
        for (place, time) in self.places.iter().zip(&self.device) {
            match place {
                None => {
                    trunk += 1;
                    total += if trunk <= split { *time } else { 0.0 };
                }
                Some(number) if Some(usize::from(*number)) == exit => {
                    total += time;
                    at_exit = total;
                }
                Some(_) => {}
            }
        }
        (total, at_exit)
    }

    /// The server's operations behind the first `split` trunk junctions.
    fn tail(&self, split: usize) -> f64 {
        let trunk = self.places.iter().zip(&self.server).filter(|(place, _)| place.is_none());
        trunk.skip(split).map(|(_, time)| time).sum()
    }
}

fn choices_of(
    network: &Network,
    split: usize,
    packet: Handed,
    times: &Times,
    costs: &Costs,
    observed: &[&Observation],
) -> Vec<Choice> {
    let end = network.trunk.len();
    let reply = if split < end { lacewing_engine::Reply::len_for(0) as f64 } else { 0.0 };
    let sent = if split < end { packet.bytes + reply + costs.link.overhead } else { 0.0 };
    let away = if split < end {
        costs.link.round_trip + 8.0 * sent / costs.link.bandwidth + packet.seconds + times.tail(split)
    } else {
        0.0
    };
    let choice = |exit: Option<usize>, threshold: Option<f32>, exit_rate: f64, accuracy: f64| {
        let (head, at_exit) = times.head(split, exit);
        let handed = 1.0 - exit_rate;
        let computing = exit_rate * at_exit + handed * head;
        let energy = costs.energy();
        Choice {
            split,
            exit,
            threshold,
            exit_rate,
            accuracy,
            latency: computing + handed * away,
            latency_handed_over: head + away,
            bytes: handed * sent,
            energy: energy.map(|(power, per_byte)| power * computing + per_byte * handed * sent),
            price_per_million: costs
                .server
                .price_per_hour
                .map(|price| 1e6 * price / 3600.0 * handed * if split < end { times.tail(split) } else { 0.0 }),
            on_front: false,
        }
    };
    let full = observed.iter().filter(|o| o.is_right_in_full()).count() as f64 / observed.len().max(1) as f64;
    let mut choices = vec![choice(None, None, 0.0, full)];
    for (exit, trained) in (1..).zip(&network.exits) {
        if trained.after <= split {
            let points = single_exits(observed, exit - 1, trained.metric);
            choices.extend(points.map(|point| choice(Some(exit), Some(point.threshold), point.rate, point.accuracy)));
        }
    }
    choices
}

/// Bytes of a packet with the input in it.
fn plain_packet(width: usize) -> f64 {
    lacewing_engine::Packet::len_for(width) as f64
}

/// A packet, on average.
#[derive(Clone, Copy, Debug, Default)]
struct Handed {
    bytes: f64,
    /// To leave out its zeros and to put them back, on this machine.
    seconds: f64,
}

/// The packets that a head of `split` junctions makes of `data`, without zeros: mean bytes, median seconds.
fn packets(network: &Network, split: usize, data: &Dataset) -> Result<Handed, PlacementError> {
    if split >= network.trunk.len() {
        return Ok(Handed::default());
    }
    let cut = Network { split: Some(split), ..network.clone() };
    let bytes = convert_network(&cut, None)?.head;
    let model = Model::parse(&bytes, &KernelSet::ALL).map_err(ThresholdError::from)?;
    let mut scratch = HeapScratch::new(model.scratch_len());
    let mut engine = Engine::new(&model, scratch.bytes()).map_err(ThresholdError::from)?;
    let samples = data.len().min(PACKETS);
    let (mut total, mut times, mut packet) = (0, Vec::with_capacity(samples), Vec::new());
    for sample in 0..samples {
        engine.load(data.sample(sample)).map_err(|error| ThresholdError::from(EvaluateError::from(error)))?;
        if let Outcome::Offload { features, .. } = engine.run(&mut Never) {
            let start = Instant::now();
            let features = features.without_zeros();
            let len = features.packet_len();
            packet.resize(len, 0);
            features.encode(&mut packet).map_err(|error| ThresholdError::from(EvaluateError::from(error)))?;
            let read = Packet::parse(&packet).map_err(|error| ThresholdError::from(EvaluateError::from(error)))?;
            core::hint::black_box(read.values().collect::<Vec<f32>>());
            times.push(start.elapsed().as_secs_f64());
            total += len;
        }
    }
    Ok(Handed { bytes: total as f64 / samples.max(1) as f64, seconds: median(&mut times) })
}

/// Median seconds of each operation, decisions at exits included.
fn time_operations(model: &Model<'_>, data: &Dataset) -> Result<Vec<f64>, EvaluateError> {
    let mut scratch = HeapScratch::new(model.scratch_len());
    let mut engine = Engine::new(model, scratch.bytes())?;
    let mut times = OperationTimes::of(model);
    for run in 0..RUNS {
        engine.load(data.sample(run % data.len()))?;
        times.take(&mut engine);
    }
    Ok(times.medians())
}

/// Marks what is not beaten in latency, bytes, energy, price and accuracy at once.
fn mark_front(choices: &mut [Choice]) {
    let costs = |choice: &Choice| {
        let [energy, price] = [choice.energy, choice.price_per_million].map(|cost| cost.unwrap_or(0.0));
        [choice.latency, choice.bytes, energy, price, -choice.accuracy]
    };
    let all: Vec<[f64; 5]> = choices.iter().map(costs).collect();
    for (choice, mine) in choices.iter_mut().zip(&all) {
        let beats = |other: &[f64; 5]| {
            let pairs = || other.iter().zip(mine);
            pairs().all(|(other, mine)| other <= mine) && pairs().any(|(other, mine)| other < mine)
        };
        choice.on_front = !all.iter().any(beats);
    }
}

fn recommend(choices: &[Choice], objective: Objective, least: f64) -> Option<usize> {
    let cost = |choice: &Choice| match objective {
        Objective::Latency => choice.latency,
        Objective::Bytes => choice.bytes,
        Objective::Energy => choice.energy.unwrap_or(f64::MAX),
        Objective::Price => choice.price_per_million.unwrap_or(f64::MAX),
    };
    let enough = choices.iter().enumerate().filter(|(_, choice)| choice.accuracy >= least - 1e-12);
    let best = enough.min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)).then(b.accuracy.total_cmp(&a.accuracy)));
    best.map(|(at, _)| at)
}
