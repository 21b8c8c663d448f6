//! Head and tail as two processes over loopback: what the link takes, and what whole runs take beside what was planned.

mod process;

use core::time::Duration;
use std::fs;
use std::time::Instant;

use lacewing_converter::convert::convert_network;
use lacewing_converter::network::Network;
use lacewing_converter::placement::{
    Choice, Costs, Device, Link, Objective, OperationTimes, Placement, Probe, Server, median, place,
};
use lacewing_converter::scratch::HeapScratch;
use lacewing_engine::{Answer, Engine, ExitPolicy, Features, KernelSet, Model, Never, Outcome, Threshold};
use lacewing_models::Dataset;
use lacewing_tail::client::{Client, Finished, Patience, UdpLink};
use serde::Serialize;

use crate::failure::Failure;
use crate::progress;
pub use process::TailProcess;

/// Times that every sample is run: the times between a noisy machine's worst are taken.
const ROUNDS: usize = 5;
/// Behind each request.
const PAUSE: Duration = Duration::from_micros(30);
/// One sample in so many is run once more, and a probe is asked in place of its tail.
const PROBED: usize = 4;

/// A choice, run.
#[derive(Clone, Debug, Serialize)]
pub struct Ran {
    pub split: usize,
    pub exit: Option<usize>,
    pub threshold: Option<f32>,
    pub exit_rate: f64,
    /// Seconds from input to answer: of each sample the median of five runs, on average over the samples.
    pub measured: f64,
}

/// What there is between choices.
struct Surroundings {
    /// A server's queue and threads included.
    link: Link,
    /// Seconds of each operation of the whole network with its exits, as they take between requests.
    operations: Vec<f64>,
}

/// A plan for loopback, and what its choices took.
pub struct Planned {
    pub placement: Placement,
    pub ran: Vec<Ran>,
    /// Of loopback and this machine, measured.
    pub costs: Costs,
}

/// Measures loopback, plans for it, and runs the plan's choices.
pub fn plan(network: &Network, data: &Dataset, objective: Objective, accuracy_drop: f64) -> Result<Planned, Failure> {
    // Only until it is measured.
    let link = Link::through([(0.0, 5e-5), (1e3, 5.5e-5)]);
    let costs = Costs { link, device: Device::default(), server: Server::default() };
    let placement = place(network, data, &costs, objective, accuracy_drop)?;
    let bar = progress::bar("running every split point", steps(network, &placement, accuracy_drop) as u64);
    let (ran, Surroundings { link, operations }) = run(network, data, &placement, accuracy_drop, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let device = Device {
        operations: Some(operations),
        pair_id: Some(placement.pair_id.clone()),
        is_here: true,
        ..costs.device
    };
    let costs = Costs { link, device, ..costs };
    let placement = place(network, data, &costs, objective, accuracy_drop)?;
    Ok(Planned { placement, ran, costs })
}

impl Planned {
    /// Of a choice that ran, the seconds from input to answer that were planned.
    pub fn latency_of(&self, run: &Ran) -> f64 {
        let same =
            |choice: &&Choice| (choice.split, choice.exit, choice.threshold) == (run.split, run.exit, run.threshold);
        self.placement.choices.iter().find(same).map_or(f64::NAN, |choice| choice.latency)
    }
}

/// Runs the network's choices as two processes: for every split point the fastest one of every exit that loses at most
/// `accuracy_drop`, and the one without an exit. Between its samples the link is measured, a server's queue and threads
/// included, by requests with next to nothing to compute: so they find both processors as the network leaves them. Between other
/// such requests the whole network's operations are timed, which then find their caches as a server beside them leaves them.
fn run(
    network: &Network,
    data: &Dataset,
    placement: &Placement,
    accuracy_drop: f64,
    progress: &dyn Fn(),
) -> Result<(Vec<Ran>, Surroundings), Failure> {
    let folder = tempfile::tempdir()?;
    let (mut cuts, mut tails) = (Vec::new(), Vec::new());
    let mut serve = |tail: &[u8]| -> Result<(), Failure> {
        tails.push(folder.path().join(format!("tail-{}.lace", tails.len())));
        Ok(tails.last().map_or(Ok(()), |file| fs::write(file, tail))?)
    };
    for choice in chosen(placement, network.trunk.len(), accuracy_drop) {
        let files = convert_network(&network.cut(choice.split, choice.exit), None)?;
        serve(&files.tail.unwrap_or_default())?;
        cuts.push((choice, files.head, Times::new(data.len())));
    }
    let probes = Probe::WIDTHS.map(Probe::new).into_iter().collect::<Result<Vec<_>, _>>()?;
    probes.iter().try_for_each(|probe| serve(&probe.tail))?;
    let server = TailProcess::start(&tails)?;
    let mut client = Client::new(UdpLink::new(server.at())?, Patience::default());
    let whole = convert_network(&Network { split: None, ..network.clone() }, None)?.head;
    let whole = Model::parse(&whole, &KernelSet::ALL)?;
    let mut operations = OperationTimes::of(&whole);
    // Round by round, so that a noisy moment of the machine meets every choice.
    for _ in 0..ROUNDS {
        time_operations(&whole, &mut client, &probes, data, &mut operations)?;
        for (choice, head, times) in &mut cuts {
            let model = Model::parse(head, &KernelSet::ALL)?;
            match choice.threshold {
                Some(threshold) => samples(&model, &mut Threshold(threshold), &mut client, &probes, data, times)?,
                None => samples(&model, &mut Never, &mut client, &probes, data, times)?,
            }
            progress();
        }
    }
    let mut all = Vec::new();
    let ran = cuts.into_iter().map(|(choice, _, mut times)| {
        all.append(&mut times.probes);
        Ran {
            split: choice.split,
            exit: choice.exit,
            threshold: choice.threshold,
            exit_rate: choice.exit_rate,
            measured: mean_of_medians(&mut times.samples),
        }
    });
    let ran = ran.collect();
    let mut requests = (0..).zip(&probes).map(|(which, probe)| {
        let mut times: Vec<_> = all.iter().skip(which).step_by(probes.len()).cloned().collect();
        (probe.bytes(), mean_of_medians(&mut times))
    });
    let (short, long) = requests.next().zip(requests.next()).ok_or("loopback was not measured")?;
    let link = Link::through([short, long]);
    Ok((ran, Surroundings { link, operations: operations.medians() }))
}

/// Seconds, by sample and round; of probes, which take turns.
struct Times {
    samples: Vec<Vec<f64>>,
    probes: Vec<Vec<f64>>,
}

impl Times {
    fn new(samples: usize) -> Self {
        let places = |count| vec![Vec::with_capacity(ROUNDS); count];
        // As many of one probe as of the other.
        Self { samples: places(samples), probes: places((samples / PROBED).next_multiple_of(Probe::WIDTHS.len())) }
    }
}

/// How often the progress of [`run`] is told.
fn steps(network: &Network, placement: &Placement, accuracy_drop: f64) -> usize {
    ROUNDS * chosen(placement, network.trunk.len(), accuracy_drop).len()
}

fn chosen(placement: &Placement, junctions: usize, accuracy_drop: f64) -> Vec<&Choice> {
    let least = placement.accuracy_full - accuracy_drop - 1e-12;
    let mut chosen: Vec<&Choice> = Vec::new();
    // The fastest come first.
    for choice in placement.choices.iter().filter(|choice| (1..junctions).contains(&choice.split)) {
        let known = chosen.iter().any(|other| (other.split, other.exit) == (choice.split, choice.exit));
        if !known && choice.accuracy >= least {
            chosen.push(choice);
        }
    }
    chosen.sort_by_key(|choice| (choice.split, choice.exit));
    chosen
}

/// Times every sample once, from input to answer, and probes between them.
fn samples(
    head: &Model<'_>,
    policy: &mut impl ExitPolicy,
    client: &mut Client<UdpLink>,
    probes: &[Probe],
    data: &Dataset,
    times: &mut Times,
) -> Result<(), Failure> {
    let mut scratch = HeapScratch::new(head.scratch_len());
    let mut engine = Engine::new(head, scratch.bytes())?;
    let ones = vec![1.0; usize::from(Probe::WIDTHS.into_iter().max().unwrap_or(0))];
    let mut asked = times.probes.iter_mut().zip(probes.iter().cycle());
    for (sample, times) in times.samples.iter_mut().enumerate() {
        if sample % PROBED == 0
            && let Some((times, probe)) = asked.next()
        {
            engine.load(data.sample(sample))?;
            core::hint::black_box(engine.run(policy));
            let values = ones.get(..usize::from(probe.width)).unwrap_or_default();
            times.push(ask(client, &Features::new(values, probe.pair_id, 1), None)?);
        }
        engine.load(data.sample(sample))?;
        let start = Instant::now();
        times.push(match engine.run(policy) {
            Outcome::Answer(_) => start.elapsed().as_secs_f64(),
            Outcome::Offload { features, fallback } => {
                let head = start.elapsed().as_secs_f64();
                head + ask(client, &features, fallback)?
            }
        });
    }
    Ok(())
}

/// Times the operations of single samples, behind a request each.
fn time_operations(
    whole: &Model<'_>,
    client: &mut Client<UdpLink>,
    probes: &[Probe],
    data: &Dataset,
    operations: &mut OperationTimes,
) -> Result<(), Failure> {
    let mut scratch = HeapScratch::new(whole.scratch_len());
    let mut engine = Engine::new(whole, scratch.bytes())?;
    for (sample, probe) in (0..data.len()).step_by(PROBED).zip(probes.iter().cycle()) {
        ask(client, &Features::new(&vec![1.0; usize::from(probe.width)], probe.pair_id, 1), None)?;
        engine.load(data.sample(sample))?;
        operations.take(&mut engine);
    }
    Ok(())
}

/// Seconds until the tail answers.
fn ask(client: &mut Client<UdpLink>, features: &Features<'_>, fallback: Option<Answer>) -> Result<f64, Failure> {
    let start = Instant::now();
    let finished = client.finish(&features.without_zeros(), fallback)?;
    let seconds = start.elapsed().as_secs_f64();
    pause();
    match finished {
        Finished::Tail(_) => Ok(seconds),
        Finished::Fallback { because, .. } => Err(because.into()),
    }
}

/// Lets the server's threads fall asleep: requests that follow at once find them awake, those of a device do not.
fn pause() {
    let start = Instant::now();
    while start.elapsed() < PAUSE {
        core::hint::spin_loop();
    }
}

/// Of each sample's times the median, of these the mean.
pub fn mean_of_medians(times: &mut [Vec<f64>]) -> f64 {
    let taken = times.iter_mut().filter(|times| !times.is_empty()).map(|times| median(times));
    let (sum, count) = taken.fold((0.0, 0usize), |(sum, count), time| (sum + time, count + 1));
    sum / count.max(1) as f64
}
